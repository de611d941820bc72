package report

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decrypted is what stood inside the encryption.
type Decrypted struct {
	Tool      string     `json:"tool"`  // the program that decrypted, with its version
	Lines     []Line     `json:"lines"` // the first ones, in order of their packets
	Left      uint64     `json:"left"`  // further ones
	Protocols []Protocol `json:"protocols"`
}

// Line is a chat line as a packet carried it.
type Line struct {
	Time         Time   `json:"time"`
	Frame        uint64 `json:"frame"` // number of the packet, from 1
	Conversation int    `json:"conversation"`
	From         string `json:"from"` // username if the capture names it, else peer ID
	To           string `json:"to"`   // "" in a room
	Room         string `json:"room"` // "" between two people
	Text         string `json:"text"`
	Repeat       bool   `json:"repeat"` // seen before: gossip or sync brought it again

	// Who sent the packet and who got it, "" if that is not known: in a room that
	// need not be who said it.
	sender, receiver string
}

// Protocol is a libp2p protocol that streams spoke.
type Protocol struct {
	Protocol      string `json:"protocol"`
	Streams       int    `json:"streams"`
	Packets       uint64 `json:"packets"`
	Conversations []int  `json:"conversations"`
}

const (
	maxLines     = 2000
	maxProtocols = 100
	maxStreams   = 10000    // that are told apart
	maxText      = 16 << 10 // bytes of one line, the longest that anybody may say
	// decryptFor bounds how long tshark may take.
	decryptFor = 5 * time.Minute
)

// Decrypt has tshark read a capture with the project's plugin, adds what stood
// inside the encryption to the report and chat lines to its events. Where that
// cannot be, it adds a note that says why; the report is good without. keyLog is
// a file of keys, for captures that carry none; "" if there is none.
func (r *Report) Decrypt(ctx context.Context, path, keyLog, plugin string) {
	tshark, err := findTshark()
	switch {
	case !r.Keys && keyLog == "":
		r.note("The file carries no keys, so what was said in it stays encrypted (capture with --secrets to have them).")
		return
	case err != nil:
		r.note("Wireshark's tshark is not installed here, so what was said is not shown.")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, decryptFor)
	defer cancel()
	d, err := decrypt(ctx, tshark, path, keyLog, plugin, r.Conversations)
	if err != nil {
		r.note(fmt.Sprintf("tshark could not show what was said: %v.", err))
	}
	if d != nil {
		r.Decrypted = d
		r.addLines(d)
	}
}

func (r *Report) note(sentence string) { r.Notes = append(r.Notes, sentence) }

// addLines puts the chat into the sequence of events.
func (r *Report) addLines(d *Decrypted) {
	for _, l := range d.Lines {
		e := Event{Time: l.Time, Kind: KindChat, From: l.From, To: l.To, Text: l.Text, Conversation: l.Conversation}
		if l.Room != "" {
			e.Text = "#" + l.Room + ": " + l.Text
		}
		if l.Repeat {
			e.Kind = KindRepeat
		}
		if l.To == "" && l.sender != "" { // the way this packet took
			if l.From != l.sender {
				e.Text = l.From + " in " + e.Text
			}
			e.From, e.To = l.sender, l.receiver
		}
		r.Events = append(r.Events, e)
	}
	slices.SortStableFunc(r.Events, func(a, b Event) int { return a.Time.Compare(b.Time.Time) })
	if d.Left > 0 {
		r.note(fmt.Sprintf("%d further lines are not shown.", d.Left))
	}
}

// findTshark looks for it in the path and where installers of Wireshark put it.
func findTshark() (string, error) {
	path, err := exec.LookPath("tshark")
	if err == nil {
		return path, nil
	}
	for _, usual := range map[string][]string{
		"darwin":  {"/Applications/Wireshark.app/Contents/MacOS/tshark"},
		"windows": {filepath.Join(os.Getenv("ProgramFiles"), "Wireshark", "tshark.exe")},
	}[runtime.GOOS] {
		if path, err := exec.LookPath(usual); err == nil {
			return path, nil
		}
	}
	return "", err
}

// asked are the fields of each packet.
var asked = []string{
	"frame.number", "frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
	"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
	"p2pchat.text", "p2pchat.from", "p2pchat.to", "p2pchat.room", "p2pchat.repeat.text", "p2pchat.repeat.from",
	"p2pchat.protocol", "libp2p.stream",
}

// dissected is what tshark says of one packet (-T json with -e).
type dissected struct {
	Source struct {
		Layers map[string][]string `json:"layers"`
	} `json:"_source"`
}

func (d dissected) first(field string) string {
	if v := d.Source.Layers[field]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// decrypt may return a part together with an error.
func decrypt(ctx context.Context, tshark, path, keyLog, plugin string, conversations []*Conversation) (*Decrypted, error) {
	// A home of its own: the user's preferences must not change the outcome, and
	// a plugin that he installed would be there twice.
	home, err := os.MkdirTemp("", "p2pchat-tshark-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	path, err = filepath.Abs(path) // a name that begins with "-" is no option then
	if err != nil {
		return nil, err
	}
	args := []string{
		"-X", "lua_script:" + plugin, "-r", path, "-n",
		"-o", "tcp.reassemble_out_of_order:TRUE", "-o", "tcp.try_heuristic_first:TRUE", "-o", "udp.try_heuristic_first:TRUE",
		"-Y", "p2pchat.text or p2pchat.repeat.text or p2pchat.protocol", "-T", "json",
	}
	if keyLog != "" {
		args = append(args, "-o", "tls.keylog_file:"+keyLog)
	}
	for _, field := range asked {
		args = append(args, "-e", field)
	}
	cmd := exec.CommandContext(ctx, tshark, args...)
	cmd.Env = append(environ(), "HOME="+home, "APPDATA="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"), "LC_ALL=C.UTF-8")
	cmd.WaitDelay = time.Second
	var complaint tail
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &Decrypted{Tool: version(ctx, tshark)}
	collectErr := d.collect(out, conversations)
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		return d, errors.New(cmp.Or(complaint.last(), err.Error()))
	}
	return d, collectErr
}

// environ is ours, without what would lead tshark to the user's own settings.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WIRESHARK_") })
}

// collect reads tshark's array, packet by packet.
func (d *Decrypted) collect(r io.Reader, conversations []*Conversation) error {
	dec := json.NewDecoder(r)
	if _, err := dec.Token(); err != nil { // [
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	protocols, streams := map[string]*Protocol{}, map[stream]bool{}
	for dec.More() {
		var p dissected
		if err := dec.Decode(&p); err != nil {
			return err
		}
		conv := p.conversation(conversations)
		ids := p.Source.Layers["libp2p.stream"]
		for i, name := range p.Source.Layers["p2pchat.protocol"] {
			use := protocols[name]
			if use == nil {
				if len(protocols) == maxProtocols {
					continue
				}
				use = &Protocol{Protocol: name}
				protocols[name] = use
			}
			use.Packets++
			if conv > 0 && !slices.Contains(use.Conversations, conv) {
				use.Conversations = append(use.Conversations, conv)
			}
			if i < len(ids) && len(streams) < maxStreams && !streams[stream{conv, ids[i], name}] {
				streams[stream{conv, ids[i], name}] = true
				use.Streams++
			}
		}
		d.lines(p, conv, conversations)
	}
	for _, use := range protocols {
		d.Protocols = append(d.Protocols, *use)
	}
	slices.SortFunc(d.Protocols, func(a, b Protocol) int { return cmp.Compare(a.Protocol, b.Protocol) })
	return nil
}

// stream tells streams apart.
type stream struct {
	conversation int
	id, protocol string
}

// lines takes the chat lines of one packet, and those that it repeats.
func (d *Decrypted) lines(p dissected, conv int, conversations []*Conversation) {
	sender, receiver := "", ""
	if i := slices.IndexFunc(conversations, func(c *Conversation) bool { return c.ID == conv }); i >= 0 {
		c := conversations[i]
		sender, receiver = c.Server.Label(), c.Client.Label()
		if src, _ := p.ends(); src == c.Client.Address {
			sender, receiver = receiver, sender
		}
	}
	frame, _ := strconv.ParseUint(p.first("frame.number"), 10, 64)
	at := epoch(p.first("frame.time_epoch"))
	for _, of := range []struct {
		field  string
		repeat bool
	}{{"p2pchat.", false}, {"p2pchat.repeat.", true}} {
		texts := p.Source.Layers[of.field+"text"]
		for i, text := range texts {
			if len(d.Lines) == maxLines {
				d.Left++
				continue
			}
			l := Line{
				Time: at, Frame: frame, Conversation: conv, Repeat: of.repeat,
				From: p.nth(of.field+"from", i, len(texts)), Text: text[:min(len(text), maxText)],
				sender: sender, receiver: receiver,
			}
			if !of.repeat {
				l.To, l.Room = p.nth("p2pchat.to", i, len(texts)), p.nth("p2pchat.room", i, len(texts))
			}
			d.Lines = append(d.Lines, l)
		}
	}
}

// nth is the i-th value of a field of which there are n; "" if there are not n,
// since then nobody can tell which is whose.
func (d dissected) nth(field string, i, n int) string {
	if v := d.Source.Layers[field]; len(v) == n {
		return v[i]
	}
	return ""
}

// epoch reads seconds since 1970 with a fraction, or RFC 3339, as newer
// versions print it.
func epoch(v string) Time {
	if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
		return Time{t}
	}
	whole, fraction, _ := strings.Cut(v, ".")
	seconds, _ := strconv.ParseInt(whole, 10, 64)
	ns, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return Time{time.Unix(seconds, ns)}
}

// ends are the addresses of a packet, each IP:port.
func (d dissected) ends() (src, dst string) {
	port := "udp."
	if d.first("tcp.srcport") != "" {
		port = "tcp."
	}
	end := func(which string) string {
		ip := d.first("ip." + which)
		if ip == "" {
			ip = "[" + d.first("ipv6."+which) + "]"
		}
		return ip + ":" + d.first(port+which+"port")
	}
	return end("src"), end("dst")
}

// conversation finds the one that a packet belongs to, 0 if none.
func (d dissected) conversation(all []*Conversation) int {
	tcp := d.first("tcp.srcport") != ""
	src, dst := d.ends()
	at := epoch(d.first("frame.time_epoch"))
	found := 0
	for _, c := range all {
		if (c.Transport == "tcp") == tcp && !at.Before(c.Begin.Add(-time.Microsecond)) &&
			(c.Client.Address == src && c.Server.Address == dst || c.Client.Address == dst && c.Server.Address == src) {
			found = c.ID // the newest of those that have begun
		}
	}
	return found
}

// version is "tshark" and its version number.
func version(ctx context.Context, tshark string) string {
	out, _ := exec.CommandContext(ctx, tshark, "--version").Output()
	return strings.TrimSpace("tshark " + versionNumber.FindString(string(out)))
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\.\d+`)

// tail keeps the last few KiB that are written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if over := len(t.b) - 4096; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

// last is the last line that says something.
func (t *tail) last() string {
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	return strings.TrimSuffix(strings.TrimSpace(lines[len(lines)-1]), ".")
}
