package labtest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/lab"
)

// One after another, all that can keep somebody out of a room does, in the order
// of the door, and each goes away in its turn.
func TestDoorOfGovernedRoom(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 4)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "four online", everyoneSees(all))
	alice, bob, carol, dave := all[0], all[1], all[2], all[3]
	g := &gathering{t: t, l: l, all: all[:2]}
	g.id = object[entry](alice, "room", "create", "castle", "--password-file", alice.secret("open sesame")).RoomID
	bob.joins(g.id, "--password-file", bob.secret("open sesame"))
	l.Within(3*time.Second, time.Now(), "two are in", g.listed)
	g.grants(alice, bob.who.PeerID, "member")
	alice.config(g.id, "access=members-only", "max_occupants=2")
	g.grants(alice, carol.who.PeerID, "outcast")
	l.Within(3*time.Second, time.Now(), "bob knows", g.inStep)

	door := func(code string, args ...string) lab.Result {
		t.Helper()
		r := carol.fails(exitRefused, code, append([]string{"room", "join", g.id, "--nick", "alice"}, args...)...)
		if got := carol.run(exitDone, "rooms", "--json").Stdout; got != "" {
			t.Errorf("refused as %s, and yet carol is in %s", code, got)
		}
		return r
	}
	wrong := []string{"--password-file", carol.secret("open sesam")}
	right := []string{"--password-file", carol.secret("open sesame")}
	door("banned", right...)
	alice.run(exitDone, "room", "unban", g.id, carol.who.PeerID)
	l.Within(3*time.Second, time.Now(), "bob knows", g.inStep)
	door("membership-required", right...)
	alice.run(exitDone, "room", "grant", g.id, carol.who.PeerID, "member")
	l.Within(3*time.Second, time.Now(), "bob knows", g.inStep)
	if a, b := door("not-authorized", wrong...), door("not-authorized"); a.Stderr != b.Stderr {
		t.Errorf("a wrong password and none are told apart:\n%s%s", a.Stderr, b.Stderr)
	}
	door("full", right...)
	alice.config(g.id, "max_occupants=0")
	l.Within(3*time.Second, time.Now(), "bob knows", g.inStep)
	door("nick-conflict", right...)
	if got, want := carol.joins(g.id, right...), (entry{g.id, "member", "participant"}); got != want {
		t.Errorf("carol is %+v, want %+v", got, want)
	}

	// Admins and owners always find room, but no other way past the password.
	alice.config(g.id, "max_occupants=1")
	g.grants(alice, dave.who.PeerID, "admin")
	l.Within(3*time.Second, time.Now(), "all know", g.only(alice, bob, carol).inStep)
	dave.fails(exitRefused, "not-authorized", "room", "join", g.id)
	if got := dave.joins(g.id, "--password-file", dave.secret("open sesame")); got.Role != "admin" {
		t.Errorf("dave is %+v", got)
	}
	l.Within(3*time.Second, time.Now(), "four are in", g.only(all...).listed)
	dave.run(exitDone, "room", "leave", g.id)
	g.grants(alice, dave.who.PeerID, "owner")
	l.Within(3*time.Second, time.Now(), "all know", g.only(alice, bob, carol).inStep)
	if got := dave.joins(g.id, "--password-file", dave.secret("open sesame")); got.Role != "owner" {
		t.Errorf("dave is %+v", got)
	}
}

// Nobody enters a room that is no more, whether he was in it or not, and each is
// told where the others went.
func TestDestroyedRoom(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 4)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "four online", everyoneSees(all))
	alice, bob, carol, dave := all[0], all[1], all[2], all[3]
	g := gather(t, l, all[:3])
	next := object[entry](alice, "room", "create", "dev2").RoomID
	alice.run(exitDone, "room", "grant", g.id, "bob", "owner")
	g.says(carol, "last words")
	g.hears("last words")
	// Another owner ends it while one is away, and is gone when he comes back.
	carol.node.Stop()
	carol.detach()
	bob.run(exitDone, "room", "destroy", g.id, "--reason", "moved on", "--alternate", next)
	l.Within(3*time.Second, time.Now(), "alice is told", alice.joined(g.id, false))
	bob.node.Stop()
	bob.detach()
	carol.restart()
	l.Within(10*time.Second, carol.node.Started, "carol is told when she comes back", carol.joined(g.id, false))
	for _, p := range []*person{alice, carol} {
		s := g.state(p)
		if !s.Destroyed || s.Reason != "moved on" || s.Alternate != next {
			t.Errorf("%s knows %+v", p.who.Name, s)
		}
		if got := texts(p.roomLog(g.id)); !slices.Contains(got, "last words") {
			t.Errorf("%s has only %q", p.who.Name, got)
		}
		r := p.fails(exitRefused, "destroyed", "room", "join", g.id)
		if !strings.Contains(r.Stderr, "moved on") || !strings.Contains(r.Stderr, next) {
			t.Errorf("%s is not told why and whereto: %s", p.who.Name, r.Stderr)
		}
		p.fails(exitRefused, "destroyed", "send", g.id, "still here?")
	}
	for _, r := range lines[roomRow](t, dave.run(exitDone, "rooms", "--all", "--json").Stdout) {
		if r.RoomID != next {
			t.Errorf("dave lists %+v", r)
		}
	}
	if got := carol.joins(next); got.Role != "participant" {
		t.Errorf("in the other room carol is %+v", got)
	}
}

// A hidden room, whether it was made so or became so, is in nobody's listing,
// also with government in it; whoever has its ID enters.
func TestHiddenGovernedRoom(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 5)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "five online", everyoneSees(all))
	alice, bob := all[0], all[1]
	born := object[entry](alice, "room", "create", "cellar", "--hidden", "--moderated").RoomID
	became := object[entry](alice, "room", "create", "attic").RoomID
	l.Within(3*time.Second, time.Now(), "the visible one is listed", func(context.Context) error {
		for _, p := range all[1:] {
			if err := p.finds(became, "attic", 1); err != nil {
				return err
			}
		}
		return nil
	})
	bob.joins(born)
	alice.run(exitDone, "room", "grant", born, "bob", "admin")
	bob.joins(became)
	alice.config(became, "visible=false")
	g := &gathering{t: t, l: l, id: became, all: all[:2]}
	l.Within(3*time.Second, time.Now(), "bob knows", g.inStep)
	for _, p := range all[2:] {
		if got := p.run(exitDone, "rooms", "--all", "--json").Stdout; got != "" {
			t.Errorf("%s lists %s", p.who.Name, got)
		}
		for _, name := range []string{"#cellar", "#attic"} {
			p.fails(exitNotFound, "not-found", "room", "join", name, "--wait", "0s")
		}
	}
	alice.node.Stop()
	alice.detach()
	for i, p := range all[2:] { // by bob alone
		if got, want := p.joins(born), (entry{born, "none", "visitor"}); got != want {
			t.Errorf("%s is %+v, want %+v", p.who.Name, got, want)
		}
		p.joins(became)
		for _, other := range all[3+i:] {
			if got := other.run(exitDone, "rooms", "--all", "--json").Stdout; got != "" {
				t.Errorf("%s lists %s", other.who.Name, got)
			}
		}
	}
}

// A password lets in while the creator is away, through whoever is there, also
// through one who was let in by another; no other password does, and a new one
// puts nobody out.
func TestPasswordWithoutOwner(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 5)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "five online", everyoneSees(all))
	alice, bob, carol, dave, erin := all[0], all[1], all[2], all[3], all[4]
	g := &gathering{t: t, l: l, all: all[:2]}
	g.id = object[entry](alice, "room", "create", "vault", "--password-file", alice.secret("first")).RoomID
	bob.joins("#vault", "--password-file", bob.secret("first"))
	g.says(alice, "by heart")
	g.hears("by heart")
	for _, row := range lines[api.Room](t, carol.run(exitDone, "rooms", "--all", "--json").Stdout) {
		if row.RoomID != g.id || !row.Password {
			t.Errorf("carol lists %+v", row)
		}
	}
	alice.node.Stop()
	alice.detach()
	a := carol.fails(exitRefused, "not-authorized", "room", "join", "#vault", "--password-file", carol.secret("second"))
	b := carol.fails(exitRefused, "not-authorized", "room", "join", "#vault")
	if a.Stderr != b.Stderr {
		t.Errorf("a wrong password and none are told apart:\n%s%s", a.Stderr, b.Stderr)
	}
	if got, want := carol.joins("#vault", "--password-file", carol.secret("first")), (entry{g.id, "none", "participant"}); got != want {
		t.Errorf("carol is %+v, want %+v", got, want)
	}
	g.only(bob, carol).hears("by heart")
	bob.node.Kill9()
	bob.detach()
	dave.fails(exitRefused, "not-authorized", "room", "join", "#vault", "--password-file", dave.secret("third"))
	dave.joins("#vault", "--password-file", dave.secret("first")) // by carol alone
	g.says(dave, "and from carol")
	two := g.only(carol, dave)
	two.hears("by heart")
	two.hears("and from carol")

	alice.restart()
	bob.restart()
	four := g.only(alice, bob, carol, dave)
	l.Within(5*time.Second, bob.node.Started, "four are in", four.listed)
	alice.run(exitDone, "room", "config", g.id, "--password-file", alice.secret("second"))
	g.says(carol, "still here")
	four.hears("still here")
	l.Within(3*time.Second, time.Now(), "all know", four.inStep)
	alice.node.Stop()
	alice.detach()
	erin.fails(exitRefused, "not-authorized", "room", "join", g.id, "--password-file", erin.secret("first"))
	erin.joins(g.id, "--password-file", erin.secret("second"))
	g.says(erin, "me, too")
	g.only(bob, carol, dave, erin).converges(5*time.Second, time.Now(), "after two passwords")
}
