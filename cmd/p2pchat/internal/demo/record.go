package demo

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"p2pchat/captures"
)

// recording is a capture that runs.
type recording struct {
	secrets *secrets
	cancel  context.CancelFunc
	ended   chan error // 1: its end is told once
}

// record begins the capture: what the nodes send from now on will be in it. ctx
// bounds the beginning only.
func (s *stage) record(ctx context.Context, o Options) (*recording, error) {
	keys := newSecrets()
	c, err := captures.Open(ctx, captures.Options{
		Path: o.File, Target: s.target(), Interfaces: []string{s.loopback}, Secrets: keys.all,
		Application: "p2pchat " + o.Version,
		Comment:     "p2pchat demo: client and server find each other and talk, first over TCP, then over QUIC",
		Notice:      func(n captures.Notice) { o.Progress(n.Text) },
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &recording{secrets: keys, cancel: cancel, ended: make(chan error, 1)}
	go func() { // ends when stop cancels, or the file cannot be written
		_, err := c.Run(ctx)
		r.ended <- err
	}()
	return r, nil
}

// stop ends the capture when it has written all that was sent before.
func (r *recording) stop() error {
	r.cancel()
	return <-r.ended
}

// target is the nodes of all acts.
func (s *stage) target() captures.Target {
	t := captures.Target{Names: map[netip.Addr]string{}}
	for _, a := range s.acts {
		places := []netip.AddrPort{a.client.at, a.server.at}
		if a.transport == tcp {
			t.TCP = append(t.TCP, places...)
		} else {
			t.UDP = append(t.UDP, places...)
		}
	}
	for _, p := range s.actors() {
		t.Announcers = append(t.Announcers, p.key.ID().String())
		if name, taken := t.Names[p.at.Addr()]; taken && name != p.name {
			p.name = client + " and " + server
		}
		t.Names[p.at.Addr()] = p.name
	}
	return t
}

// pluginFile is Wireshark's plugin for what the nodes speak, in the project's folder.
const pluginFile = "captures/wireshark/p2pchat.lua"

// withPlugin hands tshark the plugin where the project's folder is at hand; to one
// that has it already, that does no harm but a complaint.
func withPlugin() string {
	if _, err := os.Stat(pluginFile); err != nil {
		return ""
	}
	return "-X lua_script:" + pluginFile + " "
}

// hints say how to look at the capture.
func (s *stage) hints(file string) []string {
	open := "-r " + shellWord(file)
	log, beside := captures.KeyLogPath(file)
	if beside {
		open = "-o tls.keylog_file:" + shellWord(log) + " " + open
	}
	hints := []string{
		"It holds the keys: whoever has it can read what was said.",
		"Teach Wireshark to read it, once: p2pchat capture plugin install",
		"Open it: wireshark " + open,
		"In a terminal:",
		"  tshark " + withPlugin() + "\\",
		"    " + open + " -Y p2pchat.text \\",
		"    -T fields -e p2pchat.from -e p2pchat.text",
		"Display filters to try in either:",
	}
	hint := func(filter, what string) { hints = append(hints, fmt.Sprintf("  %-29s %s", filter, what)) }
	hint("mdns", "how they found each other")
	for _, a := range s.acts {
		if a.transport == tcp {
			hint(fmt.Sprintf("tcp.port == %d", a.server.at.Port()), "the conversation over TCP")
			hint("tcp.flags.syn == 1", "how its connection was opened")
		} else {
			hint("quic", "the conversation over QUIC")
		}
	}
	hint("tls.handshake", "how the keys were agreed on")
	hint(`frame contains "help"`, "nothing: what was said is encrypted")
	hint(`p2pchat.text contains "help"`, "and there it is, with the plugin")
	if beside { // no comments, hence no names of people and no keys of rooms
		return hints
	}
	hint(`p2pchat.from == "server"`, "what server said")
	hint(fmt.Sprintf("p2pchat.room == %q", roomName), "what was said in the room")
	if len(s.target().Names) > 1 {
		hints = append(hints, "View > Name Resolution > Resolve Network Addresses shows who is who.")
	}
	return hints
}

// shellWord quotes s for a POSIX shell if it needs it.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r == '/' || r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
