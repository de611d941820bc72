package labtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/lab"
)

// Whose membership is revoked is out of a members-only room, at once or when he
// comes back, and a switch to members-only puts out all who are none. What they
// had keeps to be theirs; nothing comes to it.
func TestEviction(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 5)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "five online", everyoneSees(all))
	alice, bob, carol, dave, erin := all[0], all[1], all[2], all[3], all[4]
	g := gather(t, l, all)
	g.says(dave, "before")
	g.hears("before")
	alice.run(exitDone, "room", "grant", g.id, "bob", "admin")
	alice.run(exitDone, "room", "grant", g.id, "carol", "member")
	alice.run(exitDone, "room", "grant", g.id, "dave", "member")

	out := func(what string, since time.Time, who *person, seen func(context.Context) error) {
		t.Helper()
		l.Within(3*time.Second, since, what, who.joined(g.id, false))
		l.Within(3*time.Second, since, what+", as the others see it", seen)
		who.fails(exitRefused, "membership-required", "room", "join", g.id)
		who.fails(exitRefused, "membership-required", "send", g.id, "let me in")
		who.fails(exitNotDelivered, "not-joined", "room", "ping", g.id)
		if got := who.run(exitDone, "rooms", "--json").Stdout; got != "" {
			t.Errorf("%s: lists %s", what, got)
		}
	}
	alice.config(g.id, "access=members-only")
	out("a switch puts erin out", time.Now(), erin, g.inside(alice, bob, carol, dave))
	g.says(alice, "members only")
	g.only(bob, carol, dave).hears("members only")

	bob.run(exitDone, "room", "grant", g.id, "carol", "none", "--reason", "as you wish")
	out("a revocation puts carol out", time.Now(), carol, g.inside(alice, bob, dave))

	// Dave is away when it happens, and so is the one who did it when dave is back.
	dave.node.Kill9()
	dave.detach()
	bob.run(exitDone, "room", "grant", g.id, dave.who.PeerID, "none")
	l.Within(3*time.Second, time.Now(), "alice knows", g.only(alice, bob).inStep)
	g.says(alice, "two are left")
	g.only(alice, bob).hears("two are left")
	bob.node.Stop()
	bob.detach()
	dave.restart()
	out("dave is told when he comes back", dave.node.Started, dave, lists(g.id, []*person{alice}, bob))
	bob.restart()
	l.Within(5*time.Second, bob.node.Started, "two are in", g.inside(alice, bob))

	for _, p := range []*person{carol, dave, erin} {
		log := texts(p.roomLog(g.id))
		if !slices.Contains(log, "before") || slices.Contains(log, "two are left") {
			t.Errorf("%s has %q", p.who.Name, log)
		}
	}
	// Members again, or not needed any more.
	alice.run(exitDone, "room", "grant", g.id, carol.who.PeerID, "member")
	l.Within(3*time.Second, time.Now(), "bob knows", g.only(alice, bob).inStep)
	carol.joins(g.id)
	alice.config(g.id, "access=open")
	l.Within(3*time.Second, time.Now(), "all know", g.only(alice, bob, carol).inStep)
	dave.joins(g.id)
	erin.joins(g.id)
	l.Within(3*time.Second, time.Now(), "all are back", g.inside(all...))
	for _, p := range all {
		g.says(p, p.who.Name+" again")
		g.hears(p.who.Name + " again")
	}
	g.converges(3*time.Second, time.Now(), "after all came back")
	if got := texts(erin.roomLog(g.id)); !slices.Contains(got, "two are left") {
		t.Errorf("of what was said without her erin has %q", got)
	}
}

// Slow mode binds those below moderator.
func TestSlowMode(t *testing.T) {
	t.Parallel()
	g := some(t, 3)
	alice, bob, carol := g.all[0], g.all[1], g.all[2]
	alice.run(exitDone, "room", "grant", g.id, "carol", "moderator")
	alice.config(g.id, "slow_mode=1h")
	g.l.Within(3*time.Second, time.Now(), "all know", g.inStep)
	g.says(bob, "first")
	bob.fails(exitRefused, "too-fast", "send", g.id, "second")
	bob.fails(exitRefused, "too-fast", "send", g.id, "third")
	for i := range 3 {
		g.says(carol, fmt.Sprint("moderators may ", i))
		g.says(alice, fmt.Sprint("owners may ", i))
	}
	alice.config(g.id, "slow_mode=100ms")
	g.l.Within(3*time.Second, time.Now(), "all know", g.inStep)
	g.l.Within(3*time.Second, time.Now(), "after a while he may again", func(context.Context) error {
		exit, code := bob.refusal("send", g.id, "fourth")
		if exit == exitRefused && code == string(api.CodeTooFast) {
			return fmt.Errorf("too fast")
		}
		if exit != exitDone {
			t.Errorf("exit %d, %s", exit, code)
		}
		return nil
	})
	g.hears("fourth")
	g.converges(3*time.Second, time.Now(), "after slow mode")
	if got := texts(alice.roomLog(g.id)); slices.Contains(got, "second") || slices.Contains(got, "third") {
		t.Errorf("the log is %q", got)
	}
}
