package labtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/lab"
)

// The creator's machine never comes back: admins and moderators go on governing.
func TestGovernWithoutOwner(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 5)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "five online", everyoneSees(all))
	alice, bob, carol, dave, erin := all[0], all[1], all[2], all[3], all[4]
	g := gather(t, l, all[:4])
	alice.run(exitDone, "room", "grant", g.id, "bob", "admin")
	alice.config(g.id, "moderated=true")
	l.Within(3*time.Second, time.Now(), "all know", g.inStep)
	alice.node.Kill9()
	alice.detach()
	g = g.only(bob, carol, dave)

	bob.run(exitDone, "room", "grant", g.id, "carol", "moderator")
	l.Within(3*time.Second, time.Now(), "all know", g.inStep)
	// Asked for voice, given, used, taken.
	dave.fails(exitRefused, "forbidden", "send", g.id, "may I?")
	if got := object[entry](dave, "room", "voice-request", g.id); got.Role != "visitor" {
		t.Errorf("dave asks as %+v", got)
	}
	for _, p := range []*person{bob, carol} {
		p.waitsFor(dave, api.MessageVoiceRequest)
	}
	carol.run(exitDone, "room", "voice", g.id, "dave")
	l.Within(3*time.Second, time.Now(), "dave may speak", dave.is(g.id, "none", "participant"))
	g.says(dave, "thank you")
	g.hears("thank you")
	spam := object[receipt](dave, "send", g.id, "buy now", "--wait", lab.Patience().String())
	g.hears("buy now")
	carol.run(exitDone, "room", "devoice", g.id, "dave", "--reason", "spam")
	l.Within(3*time.Second, time.Now(), "dave may not speak", dave.is(g.id, "none", "visitor"))
	dave.fails(exitRefused, "forbidden", "send", g.id, "but why?")
	bob.fails(exitUsage, "usage", "room", "voice-request", g.id)

	// What he said goes, for everybody, and leaves a gap to be seen.
	dave.fails(exitRefused, "forbidden", "room", "retract", g.id, spam.ID)
	carol.run(exitDone, "room", "retract", g.id, spam.ID, "--reason", "spam")
	l.Within(3*time.Second, time.Now(), "all know", g.inStep)
	for _, p := range g.all {
		if m := p.byID(g.id, spam.ID); !m.Retracted || m.Text != "" {
			t.Errorf("%s shows %+v", p.who.Name, m)
		}
		if got := p.run(exitDone, "log", g.id).Stdout; strings.Contains(got, "buy now") || !strings.Contains(got, "[retracted]") {
			t.Errorf("%s shows people\n%s", p.who.Name, got)
		}
	}

	// Kicked, and back.
	carol.fails(exitRefused, "forbidden", "room", "kick", g.id, "bob")
	carol.run(exitDone, "room", "kick", g.id, "dave")
	l.Within(3*time.Second, time.Now(), "dave is out", dave.joined(g.id, false))
	l.Within(3*time.Second, time.Now(), "as the others see it", lists(g.id, []*person{bob, carol}, alice))
	dave.fails(exitNotDelivered, "not-joined", "room", "ping", g.id)
	if got, want := dave.joins(g.id), (entry{g.id, "none", "visitor"}); got != want {
		t.Errorf("dave comes back as %+v, want %+v", got, want)
	}
	carol.run(exitDone, "room", "voice", g.id, "dave")
	l.Within(3*time.Second, time.Now(), "dave may speak", dave.is(g.id, "none", "participant"))
	g.says(dave, "here I am again")
	g.hears("here I am again")

	// Banned, unbanned and invited; one says no first.
	bob.run(exitDone, "room", "ban", g.id, "dave")
	l.Within(3*time.Second, time.Now(), "dave is out", dave.joined(g.id, false))
	dave.fails(exitRefused, "banned", "room", "join", g.id)
	bob.run(exitDone, "room", "unban", g.id, dave.who.PeerID)
	bob.fails(exitUsage, "usage", "room", "unban", g.id, dave.who.PeerID)
	for _, p := range []*person{dave, erin} {
		bob.run(exitDone, "room", "invite", g.id, "@"+p.who.Name, "--reason", "come in")
		l.Within(3*time.Second, time.Now(), p.who.Name+" is invited", p.invited(1))
	}
	if got := lines[api.Invitation](t, erin.run(exitDone, "room", "invites", "--json").Stdout); len(got) != 1 ||
		got[0].RoomID != g.id || got[0].Room != "dev" || got[0].PeerID != bob.who.PeerID || got[0].Reason != "come in" {
		t.Errorf("erin is invited: %+v", got)
	}
	if got := object[entry](dave, "room", "accept", "#dev"); got.RoomID != g.id {
		t.Errorf("dave accepts as %+v", got)
	}
	erin.run(exitDone, "room", "decline", "#dev", "--reason", "no time")
	for _, p := range []*person{dave, erin} {
		bob.waitsFor(p, api.MessageAnswer)
		l.Within(3*time.Second, time.Now(), "no invitation waits", p.invited(0))
	}
	l.Within(3*time.Second, time.Now(), "dave is in, erin is not", lists(g.id, g.all, alice))

	// Nobody but an owner may do these.
	bob.fails(exitRefused, "forbidden", "room", "config", g.id, "moderated=false")
	bob.fails(exitRefused, "forbidden", "room", "grant", g.id, "carol", "admin")
	bob.fails(exitRefused, "forbidden", "room", "destroy", g.id)
	g.converges(3*time.Second, time.Now(), "without the creator")
	audit := lines[api.AuditRow](t, carol.run(exitDone, "room", "audit", g.id, "--json").Stdout)
	for _, r := range audit {
		if !r.Effective || r.PeerID != alice.who.PeerID && (r.Authority == "" || r.Why == "") {
			t.Errorf("audit: %+v", r)
		}
	}
	if want := lines[api.AuditRow](t, bob.run(exitDone, "room", "audit", g.id, "--json").Stdout); !slices.Equal(audit, want) || len(audit) < 10 {
		t.Errorf("the audits differ or are short: %+v, %+v", audit, want)
	}
}

// lists waits for these people to list each other, of whom all are online, and
// one more who is not.
func lists(room string, who []*person, away *person) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, p := range who {
			c, err := p.attach(ctx)
			if err != nil {
				return err
			}
			members, err := c.Members(ctx, room)
			if err != nil {
				return err
			}
			var got, want []string
			for _, m := range members {
				got = append(got, m.PeerID)
			}
			for _, o := range append(slices.Clone(who), away) {
				want = append(want, o.who.PeerID)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				return fmt.Errorf("%s lists %+v", p.who.Name, members)
			}
		}
		return nil
	}
}

// is waits for a person to know what he is in a room.
func (p *person) is(room, standing, role string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		rows, err := c.Rooms(ctx, false)
		for _, r := range rows {
			if r.RoomID == room && r.Standing == standing && r.Role == role {
				return nil
			}
		}
		return fmt.Errorf("%s is not %s and %s: %+v, %v", p.who.Name, standing, role, rows, err)
	}
}

// waitsFor waits for something of that kind from another.
func (p *person) waitsFor(from *person, kind string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		c, err := p.attach(ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		log, err := c.Log(ctx, api.LogQuery{Target: from.who.PeerID, All: true})
		if slices.ContainsFunc(log, func(m api.Message) bool { return m.Kind == kind && m.Author == from.who.PeerID }) {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("%s has no %s from %s: %+v, %v", p.who.Name, kind, from.who.Name, log, err)
		}
	}
}

// invited waits for so many invitations to wait.
func (p *person) invited(n int) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		all, err := c.Invitations(ctx)
		if err == nil && len(all) != n {
			err = fmt.Errorf("%s is invited: %+v", p.who.Name, all)
		}
		return err
	}
}

// byID is one message of a room.
func (p *person) byID(room, id string) api.Message {
	p.t.Helper()
	for _, m := range lines[api.Message](p.t, p.run(exitDone, "log", room, "--last", "100000", "--json").Stdout) {
		if m.ID == id {
			return m
		}
	}
	p.t.Errorf("%s does not have message %s", p.who.Name, id)
	return api.Message{}
}
