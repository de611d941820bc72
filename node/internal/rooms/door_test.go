package rooms

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

func hasCode(err error, code room.Code) bool {
	var no *room.Refusal
	return errors.As(err, &no) && no.Code == code
}

// TestDoor: who is not let in is told why, in the order of the door.
func TestDoor(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.found(nil, a, b)
		set := func(f room.Field, n uint64) {
			a.does(id, room.Op{Kind: room.KindConfigure, Setting: room.Setting{Field: f, Number: n}})
		}
		knock := func(what string, nick string, code room.Code) {
			t.Helper()
			if err := c.tries(id, nick, a); !hasCode(err, code) {
				t.Errorf("%s: %v, want %s", what, err, code)
			}
			if _, err := c.Room(id); err == nil {
				t.Errorf("%s: he has the room", what)
			}
		}
		knock("a nick in use", "nick1", room.NickConflict)
		knock("the same to a reader", "Nick1", room.NickConflict)
		set(room.FieldOccupants, 2)
		knock("full before the nick", "nick1", room.Full)
		set(room.FieldAccess, 1)
		knock("membership before room", "nick1", room.MembershipRequired)
		a.does(id, ban(c))
		knock("banned before membership", "nick1", room.Banned)
		if err := c.tries(event.Conversation{1}, "c", a); !errors.Is(err, ErrNobody) && !hasCode(err, codeNotJoined) {
			t.Errorf("a room that is none: %v", err)
		}
		a.does(id, room.Op{Kind: room.KindSet, Target: c.id(), Standing: room.Admin})
		c.joins(id, "c", a) // admins go in where it is full
		a.does(id, room.Op{Kind: room.KindDestroy})
		d := w.person()
		if err := d.tries(id, "d", a); err == nil {
			t.Error("let into a room that is no more")
		}
		if err := c.room(id).Ping(t.Context(), a.id()); err == nil {
			t.Error("in a room that is no more")
		}
	})
}

// TestHistoryForNewcomers: a newcomer gets what the room's setting says.
func TestHistoryForNewcomers(t *testing.T) {
	for _, tt := range []struct {
		setting string
		want    []string
	}{{"all", []string{"1", "2", "3", "4"}}, {"none", nil}, {"last 2", []string{"3", "4"}}} {
		t.Run(tt.setting, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				s, err := room.ParseSetting(room.FieldHistory.Key(), tt.setting)
				if err != nil {
					t.Skipf("no such setting: %v", err)
				}
				a, b := w.person(), w.person()
				config := []room.Setting{s}
				if tt.setting == "all" {
					config = nil // it is the default
				}
				id := w.found(config, a)
				for i := range 4 {
					a.says(id, fmt.Sprint(i+1))
					time.Sleep(time.Second)
				}
				b.joins(id, "b", a)
				b.inside(id, func(r *Room) {
					for k, low := range r.lows {
						if low < 2 || k.Author != a.id() {
							t.Errorf("nothing wanted below %d of %s", low, k.Author)
						}
					}
					if all := len(tt.want) == 4; all != (len(r.lows) == 0) {
						t.Errorf("low marks: %v", r.lows)
					}
				})
				if !b.counts(id, a) {
					t.Error("the newcomer does not know who is in the room")
				}
			})
		})
	}
}

// TestFalseAdmitter: a member who is not what he seems cannot have a newcomer
// enter in a way that hurts him.
func TestFalseAdmitter(t *testing.T) {
	for name, change := range map[string]func(g *pb.JoinGrant, a, m *person){
		"no password asked": func(*pb.JoinGrant, *person, *person) {},
		"history kept from him": func(g *pb.JoinGrant, a, _ *person) {
			g.Below = []*pb.LogHead{(event.LogKey{Author: a.id(), Log: event.LogID{1}}).Wire(event.Head{Seq: 1 << 40, ID: event.ID{1}})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, m, b := w.person(), w.person(), w.person()
				var id event.Conversation
				if name == "no password asked" {
					id = w.guarded(a, m)
				} else {
					id = w.found(nil, a, m)
				}
				m.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
					out := pbio.NewDelimitedWriter(st)
					var q pb.JoinAsk
					_ = pbio.NewDelimitedReader(st, maxFrame).ReadMsg(&q)
					var g *pb.JoinGrant
					m.inside(id, func(r *Room) { g = r.grantAll() })
					change(g, a, m)
					m.disk.mu.Lock()
					all := batch(m.disk.of(id).control)
					m.disk.mu.Unlock()
					_ = out.WriteMsg(&pb.JoinAnswer{Control: all})
					_ = out.WriteMsg(&pb.JoinAnswer{Grant: g})
				})
				if err := b.tries(id, "b", m); err == nil {
					t.Error("he entered")
				}
			})
		})
	}
}

// TestAdmitterWhoDribbles: an answer that never ends does not keep somebody at the
// door.
func TestAdmitterWhoDribbles(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, m, b := w.person(), w.person(), w.person()
		id := w.found(nil, a, m)
		genesis := m.lastAct(id)
		for _, frame := range []*pb.JoinAnswer{{}, {Control: batch([]*event.Event{genesis})}} {
			m.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
				out := pbio.NewDelimitedWriter(st)
				var q pb.JoinAsk
				_ = pbio.NewDelimitedReader(st, maxFrame).ReadMsg(&q)
				for out.WriteMsg(frame) == nil {
					time.Sleep(streamWithin - time.Second)
				}
			})
			start := time.Now()
			if err := b.tries(id, "b", m); err == nil {
				t.Error("he entered")
			}
			if d := time.Since(start); d > 2*enterWithin {
				t.Errorf("he stood there for %s", d)
			}
			time.Sleep(streamWithin) // he notices
		}
	})
}

// TestPushByStranger: what put us out is taken from anybody, since it is signed;
// messages, keys and secrets are not.
func TestPushByStranger(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, m, c := w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b, c)
		w.sync(id, a, b)
		w.part(b, c, true)
		// A new password, whose secret b has not heard of yet.
		w.part(a, b, true)
		if err := a.room(id).Govern(t.Context(), func(rules *room.Room) ([]room.Op, error) {
			return []room.Op{{Kind: room.KindConfigure, Setting: room.Password(rules.NextPassword())}}, nil
		}); err != nil {
			t.Fatal(err)
		}
		text, err := event.EncodeText("spam")
		if err != nil {
			t.Fatal(err)
		}
		said, err := event.Sign(m.disk.key, event.Header{
			Conversation: id, Lane: event.LaneMessage, Kind: event.KindText, Log: event.LogID{9}, Seq: 1, Ctl: []event.ID{event.ID(id)}, Time: event.At(time.Now()),
		}, text)
		if err != nil {
			t.Fatal(err)
		}
		setting := a.lastAct(id).ID
		push := func(p *person, s pake.Secret) {
			err := p.tell(t.Context(), b.id(), &pb.JoinAsk{Room: id[:], Push: &pb.JoinPush{
				Events: batch([]*event.Event{a.lastAct(id), said}),
				Grant:  &pb.JoinGrant{Secret: &pb.RoomSecret{Generation: 2, Secret: s[:], Setting: setting[:]}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		knows := func() (s secret) {
			b.inside(id, func(r *Room) { s, _ = r.ofNow() })
			return s
		}
		push(m, wrong)
		b.inside(id, func(r *Room) {
			if cfg := r.rules.Config(); cfg.Password() != 2 {
				t.Error("what governs is not taken from him")
			}
			if _, held := r.rules.Verdict(said.ID); held {
				t.Error("a stranger's message is taken")
			}
		})
		if s := knows(); s.generation == 2 {
			t.Error("a stranger's secret is taken")
		}
		b.inside(id, func(r *Room) {
			r.secrets = []secret{{generation: 2, setting: a.lastAct(id).ID, value: wrong, from: c.id()}}
		}) // a member's
		w.part(a, b, false)
		push(a, right)
		if s := knows(); s.generation != 2 || s.value != right {
			t.Error("the owner's secret does not take the place of a member's")
		}
		if err := b.room(id).Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.inside(id, func(r *Room) { r.unfollow() })
	})
}

// TestEndedRooms: in a destroyed room with a password whoever only says that he
// joined is served nothing.
func TestEndedRooms(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, m := w.person(), w.person(), w.person()
		id := w.guarded(a, b)
		body, err := room.EncodeBody(&room.Join{Nick: "mallory"})
		if err != nil {
			t.Fatal(err)
		}
		join, err := event.Sign(m.disk.key, event.Header{
			Conversation: id, Lane: event.LaneMessage, Kind: room.KindJoin, Log: event.LogID{9}, Seq: 1, Ctl: []event.ID{event.ID(id)}, Time: event.At(time.Now()),
		}, body)
		if err != nil {
			t.Fatal(err)
		}
		a.arrives(b, id, join) // some member passed it on
		for _, ended := range []bool{false, true} {
			if ended {
				a.does(id, room.Op{Kind: room.KindDestroy})
			}
			if a.room(id).Entitled(m.id(), true) {
				t.Errorf("destroyed %v: he is served without the password", ended)
			}
			if !a.room(id).Entitled(b.id(), true) {
				t.Errorf("destroyed %v: a member is not served", ended)
			}
		}
	})
}

// TestDirectory: visible rooms are told of, hidden ones to who names them.
func TestDirectory(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		seen := w.found([]room.Setting{{Field: room.FieldName, Text: "seen"}}, a)
		hidden := w.found([]room.Setting{{Field: room.FieldName, Text: "hidden"}, {Field: room.FieldVisible}}, a)
		list := func(id *event.Conversation) (out []string) {
			open, _ := b.Browse(t.Context(), id)
			for _, l := range open {
				if len(l.Via) != 1 || l.Via[0] != a.id() {
					t.Errorf("told by %v", l.Via)
				}
				out = append(out, l.Name)
			}
			return out
		}
		reads := a.disk.called("EventsByID")
		equal(t, "all", list(nil), []string{"seen"})
		equal(t, "named", list(&hidden), []string{"hidden"})
		equal(t, "none", list(&event.Conversation{1}), nil)
		if n := a.disk.called("EventsByID") - reads; n > 0 {
			t.Errorf("%d reads of the store for what a stranger asks", n)
		}
		if err := a.room(seen).Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "after leaving", list(nil), nil)
		for range 2 * asksBurst {
			list(nil)
		}
		if err := b.tries(hidden, "b", a); err == nil {
			t.Error("no limit to what one may ask")
		}
		time.Sleep(time.Second)
		if err := b.tries(hidden, "b", a); err != nil {
			t.Errorf("never again: %v", err)
		}
	})
}
