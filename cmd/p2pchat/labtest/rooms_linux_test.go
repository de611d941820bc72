package labtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// A room made on one of five machines is listed on the others at once; they
// enter it by its name and by its ID, all talk at the same time, and all have
// the same to show for it.
func TestRoomOfFive(t *testing.T) {
	t.Parallel()
	repeat(t, "a new room is listed by four others", 3*time.Second, func(t *testing.T) time.Duration {
		l := lab.New(t, 5)
		all := people(t, l)
		l.Within(3*time.Second, all[0].node.Started, "five online", everyoneSees(all))
		alice := all[0]
		made := object[entry](alice, "room", "create", "dev")
		created := time.Now()
		if made.Standing != "owner" || made.Role != "owner" || len(made.RoomID) != 64 {
			t.Errorf("created %+v", made)
		}
		took := l.Within(3*time.Second, created, "listed by four others", func(context.Context) error {
			for _, p := range all[1:] {
				if err := p.finds(made.RoomID, "dev", 1); err != nil {
					return err
				}
			}
			return nil
		})
		g := &gathering{t: t, l: l, id: made.RoomID, all: all}
		for i, by := range []string{"#dev", "dev", "room:dev", made.RoomID} {
			if got, want := all[i+1].joins(by), (entry{made.RoomID, "none", "participant"}); got != want {
				t.Errorf("joined %s as %+v, want %+v", by, got, want)
			}
		}
		l.Within(3*time.Second, time.Now(), "five list each other", g.listed)

		const each = 20
		want := words{}
		var talk []*speech
		for _, p := range all {
			want[p] = linesOf(p, each)
			talk = append(talk, p.speaks("#dev", want[p], 0, "--wait", lab.Patience().String()))
		}
		for _, s := range talk {
			delivered(t, s.end(), len(all)-1)
		}
		g.agree(3*time.Second, time.Now(), "five times 20 lines at once", want)

		everybody := []string{"alice owner owner online"}
		for _, p := range all[1:] {
			everybody = append(everybody, p.who.Name+" none participant online")
		}
		slices.Sort(everybody)
		for _, p := range all {
			if got := p.nicks("#dev"); !slices.Equal(got, everybody) {
				t.Errorf("%s lists %q, want %q", p.who.Name, got, everybody)
			}
			s := object[roomStatus](p, "room", "status", "#dev")
			if s.Members != 5 || s.Present != 5 || len(s.Peers) != 4 || s.Parked != 0 || s.Missing {
				t.Errorf("status of %s: %+v", p.who.Name, s)
			}
			if got := object[entry](p, "room", "ping", "#dev"); got.RoomID != made.RoomID || got.Role == "none" {
				t.Errorf("ping of %s: %+v", p.who.Name, got)
			}
			rows := lines[roomRow](t, p.run(exitDone, "rooms", "--json").Stdout)
			if want := (roomRow{made.RoomID, "dev", true, "open", true, 5}); len(rows) != 1 || rows[0] != want {
				t.Errorf("rooms of %s: %+v, want %+v", p.who.Name, rows, want)
			}
			if got := object[struct{ Rooms int }](p, "status").Rooms; got != 1 {
				t.Errorf("%s counts %d rooms", p.who.Name, got)
			}
		}
		return took
	})
}

// finds says whether the list of all rooms has one as it should be.
func (p *person) finds(id, name string, occupants int) error {
	p.t.Helper()
	text := p.run(exitDone, "rooms", "--all", "--json").Stdout
	for _, r := range lines[roomRow](p.t, text) {
		if r.RoomID == id {
			if want := (roomRow{id, name, true, "open", false, occupants}); r != want {
				return fmt.Errorf("%s lists %+v, want %+v", p.who.Name, r, want)
			}
			return nil
		}
	}
	return fmt.Errorf("%s does not list the room: %s", p.who.Name, text)
}

// Five hundred messages in a room of five while every tenth packet between any
// two of them is lost and the cable of one is pulled in the middle.
func TestRoomOverBadCables(t *testing.T) {
	t.Parallel()
	repeat(t, "500 messages, losses, a cable pulled", 15*time.Second, func(t *testing.T) time.Duration {
		g := five(t)
		g.l.Loss(10)
		const each = 100
		pulled := lab.Long(5*time.Second, 20*time.Second)
		every := 2 * pulled / each
		want := words{}
		var talk []*speech
		for _, p := range g.all {
			want[p] = linesOf(p, each)
			talk = append(talk, p.speaks(g.id, want[p], every, "--wait", "0"))
		}
		carol := g.all[2]
		last(pulled / 2)
		carol.PortDown()
		last(pulled)
		carol.PortUp()
		for _, s := range talk {
			s.end()
		}
		return g.agree(15*time.Second, time.Now(), "500 messages over bad cables", want)
	})
}

// What gossip lost, only sync repairs: without it, somebody whose cable was
// pulled never has what was said meanwhile.
func TestRoomWithoutSync(t *testing.T) {
	t.Parallel()
	for name, tags := range map[string]string{"with sync": "", "without sync": "nosync"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 2, lab.Tags(tags))
			alice, bob := pair(t, l)
			// She was there when he came: of those who came before her, sync
			// would have to tell.
			id := object[entry](alice, "room", "create", "dev").RoomID
			bob.joins(id)
			l.Within(3*time.Second, time.Now(), "bob is in", alice.lists(id, []*person{alice, bob}))
			alice.LinkDown()
			last(20 * time.Second) // until both know
			meanwhile := linesOf(bob, 50)
			bob.speaks(id, meanwhile, 0, "--wait", "0").end()
			last(5 * time.Second) // longer than gossip remembers
			alice.LinkUp()
			up := time.Now()
			after := 0
			l.Within(10*time.Second, up, "what is said after is heard", func(context.Context) error {
				after++
				text := fmt.Sprintf("after %d", after)
				object[receipt](bob, "send", id, text, "--wait", "0")
				if log := texts(alice.roomLog(id)); !slices.Contains(log, text) {
					return fmt.Errorf("alice has %q", log)
				}
				return nil
			})
			missed := func() []string {
				log := texts(alice.roomLog(id))
				return slices.DeleteFunc(slices.Clone(meanwhile), func(text string) bool { return slices.Contains(log, text) })
			}
			if tags == "" {
				l.Within(5*time.Second, up, "nothing is missing", func(context.Context) error {
					if m := missed(); len(m) > 0 {
						return fmt.Errorf("alice misses %q", m)
					}
					return nil
				})
			} else if m := missed(); len(m) == 0 {
				t.Error("without sync alice misses nothing: this test shows nothing")
			} else if s := object[roomStatus](alice, "room", "status", id); !s.Missing {
				t.Errorf("alice misses %d messages and says that she does not: %+v", len(m), s)
			}
		})
	}
}

// Twenty machines in a room, ten messages a second: none is lost.
func TestRoomOfTwenty(t *testing.T) {
	t.Parallel()
	repeat(t, "twenty hold all after ten messages a second", 15*time.Second, func(t *testing.T) time.Duration {
		l := lab.New(t, 20)
		all := people(t, l)
		l.Within(15*time.Second, all[0].node.Started, "twenty online", everyoneSees(all))
		g := gather(t, l, all)
		const perSecond = 10
		every := time.Second * time.Duration(len(all)) / perSecond
		each := int(lab.Long(15*time.Second, time.Minute) / every)
		want := words{}
		var talk []*speech
		for _, p := range all { // evenly, one after another
			want[p] = linesOf(p, each)
			talk = append(talk, p.speaks(g.id, want[p], every, "--wait", "0"))
			last(time.Second / perSecond)
		}
		for _, s := range talk {
			s.end()
		}
		return g.agree(15*time.Second, time.Now(), "twenty hold all", want)
	})
}

// Two and three cannot hear each other for a while; both halves talk on.
func TestRoomPartition(t *testing.T) {
	t.Parallel()
	repeat(t, "a room after a partition", 5*time.Second, func(t *testing.T) time.Duration {
		g := five(t)
		want := words{}
		say := func(when string) {
			for _, p := range g.all {
				for i := range 5 {
					want[p] = append(want[p], fmt.Sprintf("%s %s %d", p.who.Name, when, i+1))
				}
			}
			together(g.all, func(p *person) {
				p.speaks(g.id, want[p][len(want[p])-5:], 0, "--wait", "0").end()
			})
		}
		say("before")
		g.agree(3*time.Second, time.Now(), "before the partition", want)
		g.l.Partition(g.l.Hosts[:3])
		say("when it began")
		// Long enough for both sides to notice.
		last(lab.Long(20*time.Second, 45*time.Second))
		say("when it lasted")
		for _, p := range g.all[3:] {
			for _, text := range texts(p.roomLog(g.id)) {
				if strings.HasPrefix(text, "alice when") {
					t.Fatalf("%s heard %q across the partition", p.who.Name, text)
				}
			}
		}
		g.l.Heal()
		healed := time.Now()
		took := g.agree(5*time.Second, healed, "after the partition", want)
		say("after")
		g.agree(3*time.Second, time.Now(), "after all", want)
		return took
	})
}
