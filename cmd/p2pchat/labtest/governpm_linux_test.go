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

// Private messages go to one person of the room, as far as the room lets them.
func TestPrivateMessages(t *testing.T) {
	t.Parallel()
	g := some(t, 4)
	alice, bob, carol, dave := g.all[0], g.all[1], g.all[2], g.all[3]
	alice.run(exitDone, "room", "grant", g.id, "bob", "moderator")
	g.l.Within(3*time.Second, time.Now(), "all know", g.inStep)
	pm := func(from, to *person, may bool) {
		t.Helper()
		text := fmt.Sprintf("%s to %s, %v", from.who.Name, to.who.Name, may)
		if !may {
			from.fails(exitRefused, "forbidden", "room", "pm", g.id, to.who.Name, text)
			return
		}
		r := object[receipt](from, "room", "pm", g.id, to.who.Name, text, "--wait", lab.Patience().String())
		if r.State != "delivered" || r.Acked != 1 || r.Members != 1 {
			t.Errorf("receipt %+v", r)
		}
		got := lines[api.Message](t, to.run(exitDone, "log", from.who.PeerID, "--json").Stdout)
		if !slices.ContainsFunc(got, func(m api.Message) bool {
			return m.ID == r.ID && m.Text == text && m.Kind == api.MessagePrivate && m.Room == g.id
		}) {
			t.Errorf("%s has %+v of %s", to.who.Name, got, from.who.Name)
		}
	}
	set := func(by string) {
		t.Helper()
		alice.config(g.id, "pm_by="+by)
		g.l.Within(3*time.Second, time.Now(), "pm_by="+by, g.inStep)
	}
	pm(carol, dave, true)
	pm(dave, alice, true)
	set("moderators")
	pm(carol, dave, false)
	pm(carol, bob, true)
	pm(bob, dave, true)
	pm(alice, carol, true)
	set("nobody")
	pm(carol, dave, false)
	pm(alice, bob, false)
	alice.config(g.id, "moderated=true", "pm_by=everyone")
	g.l.Within(3*time.Second, time.Now(), "moderated", g.inStep)
	pm(carol, dave, true) // visitors both
	alice.fails(exitUsage, "usage", "room", "pm", g.id, "alice", "to myself")
	bob.fails(exitNotFound, "not-found", "room", "pm", g.id, "zoe", "nobody")
	for _, p := range g.all {
		if got := p.roomLog(g.id); len(got) != 0 {
			t.Errorf("in the room %s has %+v", p.who.Name, got)
		}
	}
}

// What an admin does while he is being demoted elsewhere has no effect, and the
// audit says so to everybody.
func TestFutileActs(t *testing.T) {
	t.Parallel()
	g := five(t)
	alice, bob, carol, dave, erin := g.all[0], g.all[1], g.all[2], g.all[3], g.all[4]
	alice.run(exitDone, "room", "grant", g.id, "bob", "admin")
	g.l.Within(3*time.Second, time.Now(), "all know", g.inStep)
	g.l.Partition(g.l.Hosts[:1])
	alice.run(exitDone, "room", "grant", g.id, bob.who.PeerID, "member")
	bob.run(exitDone, "room", "ban", g.id, "erin", "--reason", "because I can")
	bob.run(exitDone, "room", "grant", g.id, "carol", "moderator")
	rest := g.only(bob, carol, dave)
	g.l.Within(3*time.Second, time.Now(), "all know", rest.inStep)
	carol.run(exitDone, "room", "kick", g.id, "dave") // by the word of bob alone
	g.l.Within(3*time.Second, time.Now(), "erin is out", erin.joined(g.id, false))
	g.l.Within(3*time.Second, time.Now(), "dave is out", dave.joined(g.id, false))
	g.l.Heal()
	g.l.Within(10*time.Second, time.Now(), "connected again", everyoneSees(g.all))
	g.l.Within(5*time.Second, time.Now(), "alice knows", g.only(alice, bob, carol).inStep)

	bob.fails(exitRefused, "forbidden", "room", "ban", g.id, "dave")
	carol.fails(exitRefused, "forbidden", "room", "kick", g.id, "dave")
	for _, p := range []*person{erin, dave} { // who were put out in vain, and may have to say so
		p.joins(g.id)
	}
	g.l.Within(5*time.Second, time.Now(), "five are in", g.inside(g.all...))
	g.converges(5*time.Second, time.Now(), "after futile acts")
	for _, p := range g.all {
		futile := map[string]string{}
		for _, r := range lines[api.AuditRow](t, p.run(exitDone, "room", "audit", g.id, "--json").Stdout) {
			if !r.Effective {
				if r.Why == "" || r.Authority == "" {
					t.Errorf("why is it without effect? %+v", r)
				}
				futile[r.Act+" "+r.Target] = r.PeerID
			}
		}
		for act, by := range map[string]*person{
			"set " + erin.who.PeerID: bob, "set " + carol.who.PeerID: bob, "kick " + dave.who.PeerID: carol,
		} {
			if futile[act] != by.who.PeerID {
				t.Errorf("%s lists as futile %v, not %s by %s", p.who.Name, futile, act, by.who.Name)
			}
		}
		if len(futile) != 3 {
			t.Errorf("%s lists as futile %v", p.who.Name, futile)
		}
		st := g.standings(p)
		if st[bob.who.PeerID].Standing != "member" || st[erin.who.PeerID].Standing == "outcast" || st[carol.who.PeerID].Standing == "moderator" {
			t.Errorf("%s knows %+v", p.who.Name, st)
		}
	}
}

// What newcomers get is as the room is configured when they come, whoever lets
// them in.
func TestHistoryReconfigured(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 5)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "five online", everyoneSees(all))
	alice := all[0]
	const said = 6
	id := object[entry](alice, "room", "create", "dev", "--history", "4").RoomID
	before := linesOf(alice, said)
	alice.speaks(id, before, 0, "--wait", "0").end()
	gets := map[*person][]string{}
	for i, c := range []struct {
		history string
		lines   int
	}{{"4", 4}, {"2", 2}, {"none", 0}, {"all", said}} {
		p := all[i+1]
		if i > 0 {
			alice.config(id, "history="+c.history)
			l.Within(3*time.Second, time.Now(), "all know", (&gathering{t: t, l: l, id: id, all: all[:i+1]}).alikeState)
		}
		if got := p.joins(id); got.Role != "participant" {
			t.Errorf("%s is %+v", p.who.Name, got)
		}
		gets[p] = before[said-c.lines:]
		l.Within(3*time.Second, time.Now(), "history="+c.history, p.holds(id, words{alice: gets[p]}))
	}
	g := &gathering{t: t, l: l, id: id, all: all}
	g.says(all[1], "good morning")
	g.hears("good morning")
	for p, want := range gets { // and nothing comes by and by
		l.Within(3*time.Second, time.Now(), "no more", p.holds(id, words{alice: want, all[1]: {"good morning"}}))
	}
}

// alikeState waits for everybody to know the same state, whatever each holds of
// what was said.
func (g *gathering) alikeState(context.Context) error {
	want := g.state(g.all[0]).Canonical
	for _, p := range g.all[1:] {
		if got := g.state(p).Canonical; got != want {
			return fmt.Errorf("%s knows\n%s%s\n%s", p.who.Name, got, g.all[0].who.Name, want)
		}
	}
	return nil
}
