package captures

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Options say what to capture and where to. The zero value of each field but
// Path and Target means what its comment says.
type Options struct {
	// Path of the file; it ends in .pcapng or .pcap and that decides the
	// format. "-" is Stdout, in pcapng. A named pipe is written to (pcapng
	// unless it ends in .pcap).
	Path string

	// Target is the node. It may be empty if Refresh is set.
	Target Target

	// Refresh, if not nil, gives the node's newest Target. It is called about
	// once a second, four times while packets wait for its word, from another
	// goroutine, never twice at a time, and must return when its context ends
	// (5 s). If it fails, the last Target stays.
	Refresh func(context.Context) (Target, error)

	// Secrets, if not nil, makes a capture that can be read. Run calls it once, when
	// packets are being collected, and takes what it yields until Run ends. Keys go
	// into the file before the packets that they open; of a .pcap they go into a
	// file beside it whose name ends in .keylog.
	Secrets SecretsFunc

	// Interfaces are the only ones to capture on, instead of the Target's.
	Interfaces []string

	Duration time.Duration // after which Run ends by itself; 0: never
	Ring     Ring          // several files instead of one

	// Application goes into pcapng files, such as "p2pchat 1.2.3"; so does
	// Comment, one text about the whole capture.
	Application, Comment string

	// Binary is the program that an error about permissions names; empty: the
	// running one.
	Binary string

	Stdout io.Writer // what "-" stands for; nil: os.Stdout

	// Progress, if not nil, gets the counters about once a second and at the
	// end; Notice gets what the user should know and no error stands for. Both
	// are called by Open and Run, which wait for them.
	Progress func(Stats)
	Notice   func(Notice)
}

// Stats are a capture's counters since its start.
type Stats struct {
	Packets       uint64        // in the file
	Bytes         uint64        // of these packets, as they were on the wire
	Dropped       uint64        // that the kernel had no room for; the filter had let them pass
	Conversations int           // distinct pairs of endpoints in the file, multicast DNS aside; at most 65536 are told apart
	Elapsed       time.Duration // since Run began
	File          string        // that is being written; of a ring, the newest
}

// Notice is an event during a capture.
type Notice struct {
	Kind      NoticeKind
	Interface string // "" if it is about no interface
	Text      string // one sentence for people, without a full stop
}

// NoticeKind tells notices apart for programs.
type NoticeKind string

// All kinds of notices.
const (
	NoticeInterfaceAdded  NoticeKind = "interface-added"  // has come, or come back: captured from now on
	NoticeInterfaceGone   NoticeKind = "interface-gone"   // does not exist any more
	NoticeInterfaceDown   NoticeKind = "interface-down"   // link down; stays open
	NoticeInterfaceUp     NoticeKind = "interface-up"     // link up again
	NoticeInterfaceFailed NoticeKind = "interface-failed" // cannot be captured on
	NoticeTarget          NoticeKind = "target"           // Refresh failed; the last Target stays
	NoticeSecrets         NoticeKind = "secrets"          // how it stands with what can be read
	NoticeWaiting         NoticeKind = "waiting"          // the named pipe has no reader yet
)

// plan is what the options come to.
type plan struct {
	classic bool // .pcap
	stream  bool // not a regular file
}

func (o *Options) plan() (p plan, err error) {
	if err := o.Ring.validate(); err != nil {
		return p, err
	}
	if o.Duration < 0 {
		return p, usagef("a capture cannot last %v", o.Duration)
	}
	if o.Target.empty() && o.Refresh == nil {
		return p, usagef("nothing to capture: the node listens nowhere")
	}
	switch info, statErr := os.Stat(o.Path); {
	case o.Path == "":
		return p, usagef("no file to write the capture to")
	case o.Path == "-":
		p.stream = true
		if o.Stdout == nil {
			o.Stdout = os.Stdout
		}
		if f, ok := o.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return p, usagef("a capture is not for a terminal: send standard output to a program or file")
		}
	case statErr == nil && isStream(info.Mode()):
		p.stream = true
		p.classic, _ = classic(o.Path)
	default:
		if p.classic, err = classic(o.Path); err != nil {
			return p, err
		}
	}
	if p.stream && p.classic && o.Secrets != nil {
		return p, usagef("a .pcap has no place for secrets, and there is no file beside %s: name it .pcapng", o.Path)
	}
	if p.stream && o.Ring.Files > 0 {
		return p, usagef("a ring needs files, %s is none", o.Path)
	}
	return p, nil
}

func (o *Options) notice(kind NoticeKind, iface, format string, args ...any) {
	if o.Notice != nil {
		o.Notice(Notice{Kind: kind, Interface: iface, Text: fmt.Sprintf(format, args...)})
	}
}

// expression describes the filter in libpcap's language, for the reader of a
// file; what decides is filter.
func (t Target) expression() string {
	terms := []string{}
	seen := map[string]bool{}
	add := func(term string) {
		if !seen[term] {
			seen[term] = true
			terms = append(terms, term)
		}
	}
	for _, ep := range t.TCP {
		add(fmt.Sprintf("tcp port %d", ep.Port()))
	}
	for _, ep := range t.UDP {
		add(fmt.Sprintf("udp port %d", ep.Port()))
	}
	add(fmt.Sprintf("udp port %d", mdnsPort))
	expr := strings.Join(terms, " or ")
	if len(t.With) == 0 {
		return expr
	}
	hosts := make([]string, len(t.With))
	for i, a := range t.With {
		hosts[i] = "host " + a.String()
	}
	return fmt.Sprintf("(%s) and (%s)", expr, strings.Join(hosts, " or "))
}
