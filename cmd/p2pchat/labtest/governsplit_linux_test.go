package labtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/lab"
)

// Three and two cannot hear each other for a while, and both halves talk and
// govern on: two admins ban each other, owners change the same and other
// settings, somebody is kicked, silenced and given voice, messages are retracted.
// When they meet again all of them come to the same.
func TestGovernedPartition(t *testing.T) {
	t.Parallel()
	repeat(t, "a governed room after a partition", 5*time.Second, func(t *testing.T) time.Duration {
		g := five(t)
		alice, bob, carol, dave, erin := g.all[0], g.all[1], g.all[2], g.all[3], g.all[4]
		for who, standing := range map[*person]string{bob: "moderator", carol: "moderator", dave: "owner", erin: "member"} {
			g.grants(alice, who.who.PeerID, standing)
		}
		stranger := nobody(t)
		say := func(when string, who ...*person) {
			together(who, func(p *person) {
				p.speaks(g.id, []string{p.who.Name + " " + when + " 1", p.who.Name + " " + when + " 2"}, 0, "--wait", "0").end()
			})
		}
		say("before", g.all...)
		g.converges(3*time.Second, time.Now(), "before the partition")
		early := map[string]string{}
		for _, m := range alice.roomLog(g.id) {
			early[m.Text] = m.ID
		}

		g.l.Partition(g.l.Hosts[2:4])
		ours, theirs := g.only(alice, bob, erin), g.only(carol, dave)
		alice.run(exitDone, "room", "grant", g.id, bob.who.PeerID, "admin")
		dave.run(exitDone, "room", "grant", g.id, carol.who.PeerID, "admin")
		g.l.Within(3*time.Second, time.Now(), "one half knows", ours.alikeState)
		g.l.Within(3*time.Second, time.Now(), "the other half knows", theirs.alikeState)
		// On either side the other is a moderator still.
		bob.run(exitDone, "room", "ban", g.id, carol.who.PeerID, "--reason", "first")
		carol.run(exitDone, "room", "ban", g.id, bob.who.PeerID, "--reason", "no, I")
		bob.fails(exitRefused, "forbidden", "room", "ban", g.id, dave.who.PeerID)
		carol.fails(exitRefused, "forbidden", "room", "ban", g.id, alice.who.PeerID)
		alice.config(g.id, "description=by alice", "language=en", "moderated=true", "pm_by=moderators")
		dave.config(g.id, "description=by dave", "subject_by=participants", "pm_by=nobody")
		say("while apart", alice, bob, erin, carol, dave)
		carol.run(exitDone, "room", "kick", g.id, erin.who.PeerID)
		bob.run(exitDone, "room", "voice", g.id, stranger)
		dave.run(exitDone, "room", "devoice", g.id, stranger)
		bob.run(exitDone, "room", "retract", g.id, early["carol before 1"])
		carol.run(exitDone, "room", "retract", g.id, early["erin before 2"])
		bob.run(exitDone, "room", "subject", g.id, "this half")
		carol.run(exitDone, "room", "subject", g.id, "that half")
		last(lab.Long(5*time.Second, 45*time.Second))
		say("in the end", alice, bob, erin, carol, dave)

		g.l.Heal()
		g.l.Within(10*time.Second, time.Now(), "connected again", everyoneSees(g.all))
		met := time.Now()
		four := g.only(alice, bob, carol, dave)
		took := four.converges(5*time.Second, met, "four after the partition")
		// Kicked by those who had not heard what she said since.
		g.l.Within(5*time.Second, met, "erin is out", erin.joined(g.id, false))
		erin.joins(g.id)
		back := time.Now()
		g.l.Within(5*time.Second, back, "five are in", g.inside(g.all...))
		g.converges(5*time.Second, back, "five after the partition")

		s := g.state(erin)
		// The creator is above the owner she made; two admins are equals.
		for key, want := range map[string]string{
			"description": "by alice", "pm_by": "moderators", "language": "en", "moderated": "true", "subject_by": "participants",
		} {
			if s.Config[key] != want {
				t.Errorf("%s=%s, want %s", key, s.Config[key], want)
			}
		}
		st := g.standings(erin)
		for who, want := range map[*person]string{bob: "admin", carol: "admin", dave: "owner", erin: "member"} {
			if st[who.who.PeerID].Standing != want {
				t.Errorf("%s stands as %+v, want %s", who.who.Name, st[who.who.PeerID], want)
			}
		}
		if got := st[stranger].Voice; got != "devoiced" { // an owner's word above an admin's
			t.Errorf("the stranger's voice: %s", got)
		}
		log := texts(erin.roomLog(g.id))
		for _, p := range g.all {
			for _, when := range []string{"while apart", "in the end"} {
				if got := slices.Contains(log, p.who.Name+" "+when+" 1"); got != (p != erin) {
					t.Errorf("what %s said %s is shown: %v", p.who.Name, when, got)
				}
			}
		}
		gone := 0
		for _, m := range lines[api.Message](t, alice.run(exitDone, "log", g.id, "--last", "1000", "--json").Stdout) {
			if m.Retracted {
				gone++
			}
		}
		if gone != 2 {
			t.Errorf("%d messages are retracted, want 2", gone)
		}

		// An owner settles it.
		dave.run(exitDone, "room", "ban", g.id, carol.who.PeerID)
		g.l.Within(3*time.Second, time.Now(), "carol is out", carol.joined(g.id, false))
		rest := g.only(alice, bob, dave, erin)
		g.l.Within(3*time.Second, time.Now(), "as the others see it", rest.inside(rest.all...))
		rest.says(bob, "peace")
		rest.hears("peace")
		rest.converges(3*time.Second, time.Now(), "after an owner settled it")
		return took
	})
}

// The two who banned each other are the only ones left when their halves meet:
// each has to hear from the other that he is no outcast after all.
func TestTwoBannedEachOther(t *testing.T) {
	t.Parallel()
	g := some(t, 4)
	alice, bob, carol, dave := g.all[0], g.all[1], g.all[2], g.all[3]
	for who, standing := range map[*person]string{bob: "moderator", carol: "moderator", dave: "owner"} {
		g.grants(alice, who.who.PeerID, standing)
	}
	g.l.Within(3*time.Second, time.Now(), "all know", g.inStep)
	g.l.Partition(g.l.Hosts[2:])
	alice.run(exitDone, "room", "grant", g.id, bob.who.PeerID, "admin")
	dave.run(exitDone, "room", "grant", g.id, carol.who.PeerID, "admin")
	g.l.Within(3*time.Second, time.Now(), "one half knows", g.only(alice, bob).alikeState)
	g.l.Within(3*time.Second, time.Now(), "the other half knows", g.only(carol, dave).alikeState)
	bob.run(exitDone, "room", "ban", g.id, carol.who.PeerID)
	carol.run(exitDone, "room", "ban", g.id, bob.who.PeerID)
	for _, p := range []*person{bob, carol} {
		object[receipt](p, "send", g.id, p.who.Name+" rules", "--wait", "0")
	}
	g.l.Within(3*time.Second, time.Now(), "one half knows", g.only(alice, bob).alike)
	g.l.Within(3*time.Second, time.Now(), "the other half knows", g.only(carol, dave).alike)
	last(lab.Long(time.Second, 20*time.Second))
	for _, p := range []*person{alice, dave} {
		p.node.Kill9()
		p.detach()
	}
	g.l.Heal()
	two := g.only(bob, carol)
	g.l.Within(10*time.Second, time.Now(), "connected again", everyoneSees(two.all))
	two.converges(5*time.Second, time.Now(), "two who banned each other")
	two.says(bob, "well then")
	two.says(carol, "never mind")
	two.hears("never mind")
	log := texts(bob.roomLog(g.id))
	for _, want := range []string{"bob rules", "carol rules", "well then", "never mind"} {
		if !slices.Contains(log, want) {
			t.Errorf("bob has %s", strings.Join(log, ", "))
		}
	}
	for _, p := range two.all {
		if got := g.standings(p); got[bob.who.PeerID].Standing != "admin" || got[carol.who.PeerID].Standing != "admin" {
			t.Errorf("%s knows %+v", p.who.Name, got)
		}
	}
}
