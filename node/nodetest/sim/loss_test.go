package sim

import (
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// few are some nodes in a room of their own, all connected, in step.
type few struct {
	*Net
	t    *testing.T
	all  []*Node
	room string
	said []string
}

func fewIn(t *testing.T, n *Net, nodes int) *few {
	t.Helper()
	f := &few{Net: n, t: t}
	f.room = must(n.Gather(t.Context(), Crowd{Nodes: nodes}))(t)
	f.all = n.Nodes()
	f.same(0)
	return f
}

// say has a node say something that must be kept.
func (f *few) say(n *Node, text string) {
	f.t.Helper()
	check(f.t, n.Say(f.t.Context(), f.room, text))
	f.said = append(f.said, text)
}

// sync switches sync on or off everywhere.
func (f *few) sync(on bool) {
	for _, n := range f.all {
		n.Sync(on)
	}
}

// missing lists what of all that was said a node does not show.
func (f *few) missing(n *Node) []string {
	f.t.Helper()
	var shown []string
	for _, m := range must(n.Lines(f.t.Context(), f.room))(f.t) {
		shown = append(shown, m.Text)
	}
	var out []string
	for _, s := range f.said {
		if !slices.Contains(shown, s) {
			out = append(out, s)
		}
	}
	return out
}

// same waits until all show the same, and everything.
func (f *few) same(within time.Duration) {
	f.t.Helper()
	check(f.t, Until(within, func() error {
		if _, err := Same(f.t.Context(), f.room, f.all...); err != nil {
			return err
		}
		for _, n := range f.all {
			if m := f.missing(n); len(m) > 0 {
				return fmt.Errorf("%s misses %d of %d lines, %.40q first", n.Name, len(m), len(f.said), m[0])
			}
		}
		return nil
	}))
}

// lostAndRepaired expects that gossip alone does not bring victim everything,
// however long one waits, and that sync does.
func (f *few) lostAndRepaired(victim *Node) {
	f.t.Helper()
	const patience = time.Minute
	time.Sleep(patience)
	lost := f.missing(victim)
	if len(lost) == 0 {
		f.t.Fatalf("gossip lost nothing to %s", victim.Name)
	}
	if s := must(victim.RoomStatus(f.t.Context(), f.room))(f.t); len(s.Peers) != len(f.all)-1 {
		f.t.Fatalf("%s is connected to %d of %d others", victim.Name, len(s.Peers), len(f.all)-1)
	}
	f.t.Logf("gossip lost %d of %d lines to %s", len(lost), len(f.said), victim.Name)
	f.sync(true)
	f.same(patience)
}

// What is said before anybody is there to hear it is not said again.
func TestLostToAnEmptyMesh(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		f := fewIn(t, n, 2)
		alice, bob := f.all[0], f.all[1]
		f.sync(false)
		check(t, alice.Stop())
		n.Lan.Cut([]*Node{alice})
		check(t, alice.Start(t.Context(), bob))
		f.say(alice, "is anybody here?")
		time.Sleep(2 * time.Second)
		n.Lan.Heal()
		f.lostAndRepaired(bob)
	})
}

// More is said during a short outage than the queue to a peer holds.
func TestLostToAFullQueue(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		f := fewIn(t, n, 2)
		alice, bob := f.all[0], f.all[1]
		f.sync(false)
		n.Lan.Cut([]*Node{bob})
		for i := range 800 {
			f.say(alice, fmt.Sprint("line ", i))
			time.Sleep(6 * time.Millisecond) // faster, and several share a payload
		}
		n.Lan.Heal()
		if alice.Traffic().QueueFull == 0 {
			t.Fatal("no queue was full")
		}
		f.lostAndRepaired(bob)
	})
}

// During a long outage the connection ends, and with it what was under way.
// What was said in it is advertised no more when it is over.
func TestLostToAnOutage(t *testing.T) {
	for _, nodes := range []int{2, 12} { // in each other's meshes, and not
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			inBubble(t, 1, func(t *testing.T, n *Net) {
				f := fewIn(t, n, nodes)
				alice, bob := f.all[0], f.all[1]
				f.sync(false)
				n.Lan.Cut([]*Node{bob})
				for i := range 40 {
					f.say(alice, fmt.Sprint("line ", i))
					f.say(bob, fmt.Sprint("bob's line ", i))
					time.Sleep(500 * time.Millisecond)
				}
				time.Sleep(2 * time.Second)
				n.Lan.Heal()
				f.lostAndRepaired(bob)
			})
		})
	}
}

// Validation is behind by more than its queue holds. As our validators are
// inline, what is too much is dropped at that queue, before it is marked as
// seen; nobody sends it again all the same.
func TestLostToThrottledValidation(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		f := fewIn(t, n, 2)
		alice, bob := f.all[0], f.all[1]
		f.sync(false)
		o := must(n.AddOutsider(t.Context()))(t)
		defer o.Close()
		check(t, o.Meet(t.Context(), bob))
		tap := must(o.Topic(f.room))(t)
		check(t, Until(10*time.Second, func() error {
			if tap.Peers() != 1 {
				return fmt.Errorf("the outsider sees %d members", tap.Peers())
			}
			return nil
		}))
		bob.SlowValidation(3 * time.Second)
		for i := range 5000 {
			check(t, tap.Publish(t.Context(), fmt.Append(nil, "junk ", i)))
			if i%100 == 0 {
				time.Sleep(20 * time.Millisecond) // the outsider has queues too
			}
		}
		f.say(alice, "do you hear me?")
		time.Sleep(time.Second)
		if bob.Traffic().Throttled == 0 {
			t.Fatal("nothing was throttled")
		}
		check(t, o.Close())
		f.lostAndRepaired(bob)
	})
}

// A disk stands still, faces ask meanwhile, and so nobody takes what is said.
func TestLostToASlowSubscriber(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		f := fewIn(t, n, 4)
		bob := f.all[0]
		f.sync(false)
		disk := bob.holdDisk(t)
		f.say(f.all[1], "this waits for the disk")
		time.Sleep(100 * time.Millisecond)
		var faces sync.WaitGroup
		for range 80 { // more than the room's goroutine has room for
			faces.Go(func() { _, _ = bob.Members(t.Context(), f.room) })
		}
		time.Sleep(100 * time.Millisecond)
		for _, x := range f.all[1:] {
			check(t, x.SetAway(t.Context(), true, ""))
		}
		time.Sleep(100 * time.Millisecond)
		for i := range 500 {
			for _, x := range f.all[1:] {
				f.say(x, fmt.Sprint(x.Name, " line ", i))
			}
			time.Sleep(6 * time.Millisecond)
		}
		disk.release()
		faces.Wait()
		if bob.Traffic().Unread == 0 {
			t.Fatal("nothing was left unread")
		}
		f.lostAndRepaired(bob)
	})
}

// disk is a node's store that takes nothing.
type disk struct {
	t  *testing.T
	db *sql.DB
	tx *sql.Tx
}

// holdDisk keeps the node from writing, for less than the five seconds after
// which the store calls it an error.
func (n *Node) holdDisk(t *testing.T) disk {
	t.Helper()
	db := must(sql.Open("sqlite", "file:"+n.database()+"?_txlock=immediate"))(t)
	return disk{t, db, must(db.BeginTx(t.Context(), nil))(t)}
}

func (d disk) release() {
	d.t.Helper()
	check(d.t, d.tx.Rollback())
	check(d.t, d.db.Close())
}
