package labtest

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// Alice takes her account to another machine, after she has said more on the old
// one: her history becomes whole there, she goes on in the chat with bob and in the
// room, and for the others she is one and the same.
func TestMoveToAnotherMachine(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 4)
	old, bob, carol := newPerson(t, l.Hosts[0], "alice"), newPerson(t, l.Hosts[1], "bob"), newPerson(t, l.Hosts[2], "carol")
	all := []*person{old, bob, carol}
	for _, p := range all {
		p.serve()
	}
	l.Within(5*time.Second, carol.node.Started, "three online", everyoneSees(all))
	g := gather(t, l, all[:2])
	want := words{}
	say := func(p *person, texts ...string) {
		t.Helper()
		p.speaks(g.id, texts, 0, "--wait", "0").end()
		want[p] = append(want[p], texts...)
	}
	say(old, "before the export", "also before")
	say(bob, "bob before")
	old.tell(bob, "to you, before")
	bob.tell(old, "and to you")
	old.run(exitDone, "verify", "@bob")
	old.run(exitDone, "block", "@carol")
	g.agree(10*time.Second, time.Now(), "before the export", want)

	file := filepath.Join(l.Dir("stick"), "alice.p2pchat")
	secret := old.secret("for the way")
	exported := object[struct {
		File, Name string
		PeerID     string `json:"peer_id"`
		Size       int64
	}](old, "account", "export", file, "--export-password-file", secret)
	if exported.File != file || exported.Name != "alice" || exported.PeerID != old.who.PeerID || exported.Size == 0 {
		t.Errorf("exported %+v", exported)
	}
	say(old, "after the export", "the last words of the old machine")
	old.tell(bob, "to you, after the export")
	g.agree(10*time.Second, time.Now(), "after the export", want)
	old.node.Stop()
	bob.leave(old, "where are you?")
	say(bob, "while she moves")

	alice := &person{Host: l.Hosts[3], t: t}
	alice.who = object[lab.Account](alice, "account", "import", file, "--export-password-file", secret)
	if alice.who != old.who {
		t.Errorf("imported %+v, was %+v", alice.who, old.who)
	}
	want[alice] = want[old]
	delete(want, old)
	g.all[0] = alice
	alice.serve()
	started := alice.node.Started
	l.Within(10*time.Second, started, "the room's history is whole", g.holds(want))
	l.Within(10*time.Second, started, "so is that of the chat", alice.has(bob, []string{"to you, before", "and to you", "to you, after the export", "where are you?"}))
	say(alice, "from the new machine")
	say(bob, "welcome back")
	alice.tell(bob, "to you, from the new machine")
	bob.tell(alice, "there you are")
	g.agree(10*time.Second, started, "on the new machine", want)
	sameLogs(t, alice, bob, []string{"to you, before", "to you, after the export", "to you, from the new machine"}, []string{"and to you", "where are you?", "there you are"})

	for _, target := range []string{"@alice", g.id} {
		if log := bob.run(exitDone, "log", target, "--last", "1000", "--json").Stdout; strings.Contains(log, `"forked":true`) {
			t.Errorf("she contradicts herself in %s: %s", target, log)
		}
	}
	if n := strings.Count(bob.run(exitDone, "peers", "--json").Stdout, `"name":"alice"`); n != 1 {
		t.Errorf("bob lists %d of her", n)
	}
	if got := bob.nicks(g.id); len(got) != 2 || got[0] != "alice owner owner online" {
		t.Errorf("in the room: %q", got)
	}
	for line := range strings.Lines(alice.run(exitDone, "peers", "--json").Stdout) {
		isBob, isCarol := strings.Contains(line, `"name":"bob"`), strings.Contains(line, `"name":"carol"`)
		if strings.Contains(line, `"verified":true`) != isBob || strings.Contains(line, `"blocked":true`) != isCarol {
			t.Errorf("her marks: %s", line)
		}
	}
}
