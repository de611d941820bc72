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

// A room is made, and talked in, while nobody else is there.
func TestRoomMadeAlone(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3)
	alice := newPerson(t, l.Hosts[0], "alice").serve()
	id := object[entry](alice, "room", "create", "dev").RoomID
	if got := object[receipt](alice, "send", "#dev", "anybody?"); got.State != "queued" || got.Members != 0 || got.Acked != 0 {
		t.Errorf("alone: %+v", got)
	}
	if got := object[entry](alice, "room", "ping", "#dev"); got != (entry{id, "owner", "owner"}) {
		t.Errorf("ping of oneself: %+v", got)
	}
	alice.node.Kill9()
	alice.restart()
	bob := newPerson(t, l.Hosts[1], "bob")
	bob.node = bob.Launch()
	bob.node.Ready()
	// join waits for somebody who knows the room to come.
	if got := bob.joins("#dev"); got != (entry{id, "none", "participant"}) {
		t.Errorf("bob joined as %+v", got)
	}
	g := &gathering{t: t, l: l, id: id, all: []*person{alice, bob}}
	want := words{alice: {"anybody?"}}
	g.agree(3*time.Second, time.Now(), "what was said to nobody", want)
	bob.speaks("#dev", []string{"me"}, 0, "--wait", lab.Patience().String()).end()
	want[bob] = []string{"me"}

	// The room goes on without her who made it.
	alice.node.Stop()
	carol := newPerson(t, l.Hosts[2], "carol").serve()
	carol.joins("#dev")
	want[carol] = []string{"is alice still here?"}
	delivered(t, carol.speaks("#dev", want[carol], 0, "--wait", lab.Patience().String()).end(), 2)
	alice.restart()
	g.all = append(g.all, carol)
	l.Within(3*time.Second, alice.node.Started, "alice hears of carol", g.listed)
	g.agree(3*time.Second, alice.node.Started, "alice hears carol", want)
}

// Whoever leaves while nobody hears it has left for the others, too, as soon
// as they meet again, whether his node runs on or not; he may come back.
func TestRoomLeaveUnheard(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"with a node": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := some(t, 3)
			l, alice, bob, carol := g.l, g.all[0], g.all[1], g.all[2]
			want := words{}
			say := func(p *person, text string) {
				object[receipt](p, "send", g.id, text, "--wait", "0")
				want[p] = append(want[p], text)
			}
			say(bob, "I am going")
			g.agree(3*time.Second, time.Now(), "before", want)
			bob.PortDown()
			if !running {
				bob.node.Stop()
				bob.detach()
			}
			left := object[entry](bob, "room", "leave", g.id)
			if left != (entry{g.id, "none", "none"}) {
				t.Errorf("left as %+v", left)
			}
			bob.fails(exitNotDelivered, "not-joined", "send", g.id, "no longer")
			if got := bob.run(exitDone, "rooms", "--json").Stdout; got != "" {
				t.Errorf("bob lists %s", got)
			}
			say(alice, "without bob")
			if got := len(alice.nicks(g.id)); got != 3 {
				t.Errorf("alice lists %d members while nobody can have heard", got)
			}
			if running { // what was not heard is said again after a restart
				bob.node.Kill9()
			}
			bob.restart()
			bob.PortUp()
			up := time.Now()
			for _, p := range []*person{alice, carol} {
				l.Within(5*time.Second, up, p.who.Name+" hears that bob left", p.lists(g.id, []*person{alice, carol}))
			}
			l.Within(5*time.Second, up, "bob knows that they heard it", bob.outOf(g.id, alice, carol))
			// Now that he was heard he takes no part any more.
			say(alice, "still without bob")
			l.Within(3*time.Second, time.Now(), "carol hears", carol.holds(g.id, want))
			if got := texts(bob.roomLog(g.id)); slices.Contains(got, "still without bob") {
				t.Errorf("of the room he left bob has %q", got)
			}
			if got := bob.joins(g.id, "--nick", "robert"); got != (entry{g.id, "none", "participant"}) {
				t.Errorf("came back as %+v", got)
			}
			back := time.Now()
			l.Within(3*time.Second, back, "bob is back", g.listed)
			say(bob, "here I am again")
			g.agree(3*time.Second, back, "after he came back", want)
			for _, p := range g.all {
				if got := p.nicks(g.id); !slices.Contains(got, "robert none participant online") {
					t.Errorf("%s lists %q", p.who.Name, got)
				}
			}
		})
	}
}

// Whoever comes later gets as much of what was said as the room says.
func TestRoomHistory(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "three online", everyoneSees(all))
	alice, bob, carol := all[0], all[1], all[2]
	const said = 5
	rooms := []struct {
		history, id string
		bob         int // of what was said before
		carol       int // of what was said before and one more after
	}{
		{history: "all", bob: said, carol: said + 1},
		{history: "24h", bob: said, carol: said + 1},
		{history: "9", bob: said, carol: said + 1},
		{history: "2", bob: 2, carol: 2},
		{history: "none", bob: 0, carol: 0},
		{history: "1ms", bob: 0, carol: 0},
	}
	before := linesOf(alice, said)
	upTo := append(slices.Clone(before), "welcome")
	for i := range rooms {
		r := &rooms[i]
		r.id = object[entry](alice, "room", "create", "with "+r.history, "--history", r.history).RoomID
		alice.speaks(r.id, before, 0, "--wait", "0").end()
	}
	for _, r := range rooms {
		bob.joins(r.id)
		l.Within(3*time.Second, time.Now(), "what was said before, "+r.history, bob.holds(r.id, words{alice: before[said-r.bob:]}))
		delivered(t, alice.speaks(r.id, []string{"welcome"}, 0, "--wait", lab.Patience().String()).end(), 1)
		l.Within(3*time.Second, time.Now(), "what was said after, "+r.history, bob.holds(r.id, words{alice: upTo[said-r.bob:]}))
		if s := object[roomStatus](bob, "room", "status", r.id); s.Missing || s.Members != 2 {
			t.Errorf("%s: status of bob: %+v", r.history, s)
		}
	}
	// Nothing of what is not for her comes by and by, whoever she talks to.
	for _, r := range rooms {
		carol.joins(r.id)
		l.Within(3*time.Second, time.Now(), "carol has what is for her, "+r.history, carol.holds(r.id, words{alice: upTo[said+1-r.carol:]}))
	}
	alice.node.Stop()
	bob.node.Stop()
	bob.restart()
	for _, r := range rooms {
		delivered(t, carol.speaks(r.id, []string{"bye"}, 0, "--wait", lab.Patience().String()).end(), 2)
		for p, n := range map[*person]int{bob: r.bob + 1, carol: r.carol} {
			want := words{alice: upTo[said+1-n:], carol: {"bye"}}
			l.Within(3*time.Second, time.Now(), p.who.Name+" has no more in the end, "+r.history, p.holds(r.id, want))
		}
	}
}

// What is refused at the door, and with which code.
func TestRoomDoor(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "three online", everyoneSees(all))
	alice, bob, carol := all[0], all[1], all[2]
	id := object[entry](alice, "room", "create", "dev").RoomID

	bob.fails(exitNotFound, "not-found", "room", "join", "#no-such-room", "--wait", "200ms")
	bob.fails(exitNotDelivered, "not-joined", "room", "join", strings.Repeat("ab", 32), "--wait", "200ms")
	bob.fails(exitNotFound, "not-found", "send", "#dev", "may I?", "--wait", "200ms")
	bob.fails(exitRefused, "nick-conflict", "room", "join", "#dev", "--nick", "Alice")
	if got := bob.run(exitDone, "rooms", "--json").Stdout; got != "" {
		t.Errorf("refused, and yet bob is in %s", got)
	}
	bob.joins("#dev", "--nick", "carol")
	l.Within(3*time.Second, time.Now(), "bob is in", alice.lists(id, all[:2]))
	carol.fails(exitRefused, "nick-conflict", "room", "join", "#dev")
	bob.fails(exitRefused, "nick-conflict", "room", "join", "#dev", "--nick", "alice")
	bob.joins("#dev", "--nick", "bobby") // is called something else from now on
	l.Within(3*time.Second, time.Now(), "bob is called bobby", func(context.Context) error {
		if got := alice.nicks("#dev"); !slices.Contains(got, "bobby none participant online") {
			return fmt.Errorf("alice lists %q", got)
		}
		return nil
	})
	carol.joins("#dev")

	// Two rooms of one name.
	other := object[entry](bob, "room", "create", "dev").RoomID
	bob.fails(exitNotFound, "ambiguous", "send", "#dev", "which?")
	delivered(t, bob.speaks(id, []string{"this one"}, 0, "--wait", lab.Patience().String()).end(), 2)
	if got := texts(bob.roomLog(other)); len(got) != 0 {
		t.Errorf("the other room has %q", got)
	}

	// Nobody is there who could let one in again.
	carol.run(exitDone, "room", "leave", id)
	l.Within(3*time.Second, time.Now(), "both heard it", alice.lists(id, all[:2]))
	alice.node.Stop()
	bob.node.Stop()
	carol.fails(exitNotDelivered, "not-joined", "room", "join", id, "--wait", "500ms")
	carol.fails(exitNotDelivered, "not-joined", "room", "ping", id)
	if got := texts(carol.roomLog(id)); !slices.Equal(got, []string{"this one"}) {
		t.Errorf("carol has %q", got)
	}
}

// A hidden room is on no list; whoever has its ID enters it.
func TestHiddenRoom(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "three online", everyoneSees(all))
	alice, bob, carol := all[0], all[1], all[2]
	id := object[entry](alice, "room", "create", "cellar", "--hidden").RoomID
	bob.fails(exitNotFound, "not-found", "room", "join", "#cellar", "--wait", "500ms")
	bob.joins(id)
	for _, p := range []*person{bob, carol} {
		for _, r := range lines[roomRow](t, p.run(exitDone, "rooms", "--all", "--json").Stdout) {
			if p != bob || !r.Joined || r.Visible {
				t.Errorf("%s lists %+v", p.who.Name, r)
			}
		}
	}
	delivered(t, bob.speaks("#cellar", []string{"psst"}, 0, "--wait", lab.Patience().String()).end(), 1)
}

// Without a node the store is read; what needs one has one for a moment.
func TestRoomCommandsWithoutNode(t *testing.T) {
	t.Parallel()
	g := some(t, 3)
	l, alice, bob := g.l, g.all[0], g.all[1]
	want := words{alice: linesOf(alice, 3), bob: linesOf(bob, 3)}
	for p, texts := range want {
		p.speaks(g.id, texts, 0, "--wait", lab.Patience().String()).end()
	}
	g.agree(3*time.Second, time.Now(), "before", want)
	with := map[string]string{}
	read := [][]string{{"room", "state", "#dev"}, {"log", "#dev", "--json"}, {"log", "#dev", "--all", "--json"}, {"rooms", "--json"}}
	for _, args := range read {
		with[strings.Join(args, " ")] = bob.run(exitDone, args...).Stdout
	}
	bob.node.Stop()
	bob.detach()
	for _, args := range read {
		if got, was := bob.run(exitDone, args...).Stdout, with[strings.Join(args, " ")]; got != was || got == "" {
			t.Errorf("%q without a node prints\n%swith one\n%s", args, got, was)
		}
	}
	if got := bob.nicks("#dev"); len(got) != 3 || strings.Contains(strings.Join(got, " "), "online") {
		t.Errorf("members without a node: %q", got)
	}
	if got := bob.run(exitDone, "rooms", "--all", "--json").Stdout; got != with["rooms --json"] {
		t.Errorf("all rooms without a node: %s", got)
	}
	bob.fails(exitFailed, "no-node", "tail", "#dev")
	if got := object[status](bob, "status"); got.Running == nil || *got.Running {
		t.Errorf("reading started a node: %+v", got)
	}

	// Said by a node of a moment, heard by the others.
	got := object[receipt](bob, "send", "#dev", "in passing", "--wait", lab.Patience().String())
	delivered(t, []receipt{got}, 2)
	want[bob] = append(want[bob], "in passing")
	for _, p := range []*person{alice, g.all[2]} {
		l.Within(5*time.Second, time.Now(), p.who.Name+" hears it", p.holds(g.id, want))
	}
	object[receipt](bob, "send", "#dev", "left behind", "--wait", "0")
	want[bob] = append(want[bob], "left behind")
	if got := object[entry](bob, "room", "ping", "#dev"); got.Role != "participant" {
		t.Errorf("ping without a node: %+v", got)
	}
	alone := object[entry](bob, "room", "create", "quiet")
	if got := lines[api.Room](t, bob.run(exitDone, "rooms", "--json").Stdout); len(got) != 2 {
		t.Errorf("after %s was made: %+v", alone.RoomID, got)
	}
	bob.restart()
	g.agree(5*time.Second, bob.node.Started, "after all", want)
	alice.joins("#quiet")
	l.Within(3*time.Second, time.Now(), "the room made without a node", alice.lists(alone.RoomID, []*person{alice, bob}))
}
