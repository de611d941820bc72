package labtest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

var samples = flag.String("samples", "", "write the capture of the lesson to this `directory` too, such as ../../../captures/samples")

// The lesson is what docs/WIRESHARK.md walks through: three machines on a switch,
// one of which reaches the others by TCP only, and for a while badly; a room, people
// who come, talk, think better of what they said, and somebody who is banned. Its
// capture, at alice's, has all of it, from the first question on.
func TestLesson(t *testing.T) {
	t.Parallel()
	lab.Require(t, "tshark")
	l := lab.New(t, 3)
	alice, bob, eve := newPerson(t, l.Hosts[0], "alice"), newPerson(t, l.Hosts[1], "bob"), newPerson(t, l.Hosts[2], "eve")
	alice.serve()
	c := startCapture(t, l, alice, "lesson.pcapng", "--secrets")
	bob.serve()
	eve.serve("--listen", "/ip4/0.0.0.0/tcp/47700")
	all := []*person{alice, bob, eve}
	l.Within(5*time.Second, eve.node.Started, "three online", everyoneSees(all))

	alice.tell(bob, "Good morning, are you there?")
	bob.tell(alice, "Good morning! I am.")
	room := object[entry](alice, "room", "create", "lab class").RoomID
	for _, p := range []*person{bob, eve} {
		p.joins(room)
	}
	g := &gathering{t: t, l: l, id: room, all: all}
	l.Within(3*time.Second, time.Now(), "three in the room", g.listed)
	g.says(alice, "Today we look at what we say")
	g.hears("Today we look at what we say")
	first := object[receipt](bob, "send", "#lab class", "I see TCP, TLS and yamux").ID
	bob.run(exitDone, "edit", "#lab class", first, "I see QUIC, TLS and GossipSub")
	alice.run(exitDone, "react", "#lab class", first, "👍")

	// Alice's machine loses many packets of eve's behind the network card, where they
	// have been captured: TCP sends again.
	alice.Filter("ip saddr " + eve.Addr().String() + " meta l4proto tcp numgen random mod 100 < 50 drop")
	for _, text := range []string{"My cable is bad", "Can you read this?", "And this?", "Buy cheap watches"} {
		eve.run(exitDone, "send", "#lab class", text, "--wait", lab.Patience().String())
	}
	eve.tell(alice, "Sorry")
	alice.Filter()
	watches := ""
	for _, m := range alice.roomLog(room) {
		if m.Text == "Buy cheap watches" {
			watches = m.ID
		}
	}
	alice.run(exitDone, "room", "retract", "#lab class", watches, "--reason", "advertising")
	alice.run(exitDone, "room", "ban", "#lab class", eve.who.PeerID, "--reason", "advertising")
	l.Within(3*time.Second, time.Now(), "eve is out", eve.joined(room, false))
	eve.fails(exitRefused, "banned", "room", "join", room)
	g.all = []*person{alice, bob}
	g.says(bob, "Quiet again")
	g.hears("Quiet again")

	// Said while bob's cable is out; sync brings it.
	bob.LinkDown()
	l.Within(20*time.Second, time.Now(), "bob is gone", alice.sees(bob, "offline"))
	alice.run(exitNotDelivered, "send", "#lab class", "Bob will read this later", "--wait", "100ms")
	bob.LinkUp()
	g.hears("Bob will read this later")
	bob.tell(alice, "Good bye")
	done := c.stop(t)
	if len(done.Missing) > 0 {
		t.Errorf("no keys of %v", done.Missing)
	}

	said := []string{
		"Good morning, are you there?", "Good morning! I am.", "Today we look at what we say", "I see TCP, TLS and yamux",
		"My cable is bad", "Can you read this?", "And this?", "Buy cheap watches", "Sorry", "Quiet again", "Bob will read this later", "Good bye",
	}
	plugin, err := filepath.Abs("../../../captures/wireshark/p2pchat.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, pass := range [][]string{nil, {"-2"}} {
		out := tshark(t, c.file, append(pass, "-X", "lua_script:"+plugin, "-Y", "p2pchat.text", "-T", "fields", "-e", "p2pchat.text")...)
		if got := strings.Split(strings.TrimSuffix(out, "\n"), "\n"); strings.Join(got, "\n") != strings.Join(said, "\n") {
			t.Errorf("%v reads\n%s\nand this was said:\n%s", pass, out, strings.Join(said, "\n"))
		}
	}
	if *samples != "" {
		raw, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*samples, "lesson.pcapng"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
