package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"p2pchat/node/api"
)

// Crowd is a room of many.
type Crowd struct {
	// Nodes is how many are in it.
	Nodes int
	// Dials is how many of those who came before it each node keeps connected
	// to; its degree is twice that on the average. 0: all.
	Dials int
	// Seed decides whom.
	Seed uint64
}

// wave is how many enter at a time, if as many are there to let them in.
const wave = 16

// settle is until those are connected, too, of whom one dialled the other before
// that was there.
const settle = 5 * time.Second

// Gather adds the nodes of a crowd and has them enter one room, some at a time.
// It returns the room's ID once everybody knows of everybody.
func (n *Net) Gather(ctx context.Context, c Crowd) (room string, err error) {
	all := make([]*Node, c.Nodes)
	for i := range all {
		if all[i], err = n.Account(ctx, fmt.Sprintf("node%d", i)); err != nil {
			return "", err
		}
	}
	if err := all[0].Start(ctx); err != nil {
		return "", err
	}
	made, err := all[0].CreateRoom(ctx, api.CreateRoomRequest{Name: "crowd"})
	if err != nil {
		return "", err
	}
	pick := random(c.Seed)
	for in := 1; in < len(all); {
		var g errgroup.Group
		next := min(in+wave, 2*in, len(all))
		for i, x := range all[in:next] {
			peers := choose(all[:in+i], c.Dials, pick)
			g.Go(func() error { return x.enter(ctx, made.RoomID, peers) })
		}
		if err := g.Wait(); err != nil {
			return "", err
		}
		in = next
	}
	time.Sleep(settle)
	return made.RoomID, Until(time.Minute, func() error {
		for _, x := range all {
			if err := x.knows(ctx, made.RoomID, len(all)); err != nil {
				return err
			}
		}
		return nil
	})
}

// choose picks k of those at random, 0 for all.
func choose(of []*Node, k int, pick *rand.Rand) (out []*Node) {
	if k == 0 || k >= len(of) {
		return of
	}
	for _, i := range pick.Perm(len(of))[:k] {
		out = append(out, of[i])
	}
	return out
}

// enter starts the node and has it join the room.
func (n *Node) enter(ctx context.Context, room string, peers []*Node) error {
	if err := n.Start(ctx, peers...); err != nil {
		return err
	}
	if _, err := n.JoinRoom(ctx, api.JoinRoomRequest{Room: room, Wait: api.DefaultWait}); err != nil {
		return fmt.Errorf("%s joins: %w", n.Name, err)
	}
	return nil
}

// knows reports an error unless the node counts so many members.
func (n *Node) knows(ctx context.Context, room string, members int) error {
	s, err := n.RoomStatus(ctx, room)
	if err == nil && s.Members != members {
		err = fmt.Errorf("%s knows of %d members, want %d", n.Name, s.Members, members)
	}
	return err
}

// Until waits until f is content. Error: f's last after within.
func Until(within time.Duration, f func() error) error {
	const step = 100 * time.Millisecond
	for end := time.Now().Add(within); ; time.Sleep(step) {
		if err := f(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// Figures is what a number of lines cost in a room. A delivery is a line that
// one of the others got.
type Figures struct {
	Nodes, Lines, Deliveries int
	Degree                   float64 // connected members of a node
	// Per delivery.
	Duplicates  float64
	Payload     float64 // bytes of the envelope
	GossipBytes float64 // what GossipSub received, control messages included
	WireBytes   float64 // UDP payload, everything included that was sent meanwhile
	// From saying to being told.
	P50, P99, Max time.Duration
}

func (f Figures) String() string {
	return fmt.Sprintf("%d nodes of degree %.1f, %d lines: %.2f duplicates, %.0f B of gossip (envelope: %.0f B) and %.0f B on the wire per delivery; p50 %v, p99 %v, max %v",
		f.Nodes, f.Degree, f.Lines, f.Duplicates, f.GossipBytes, f.Payload, f.WireBytes, f.P50, f.P99, f.Max)
}

// Measure has the nodes say lines in turn, one each pause, and waits until every
// node has told its faces all of them, once.
func (n *Net) Measure(ctx context.Context, room string, lines int, pause time.Duration) (Figures, error) {
	all := n.Nodes()
	ears := make([]*Ear, len(all))
	f := Figures{Nodes: len(all), Lines: lines, Deliveries: lines * (len(all) - 1)}
	var before, after Traffic
	for i, x := range all {
		ears[i] = x.Listen(ctx, room)
		defer ears[i].Stop()
		before.Add(x.Traffic())
		s, err := x.RoomStatus(ctx, room)
		if err != nil {
			return f, err
		}
		f.Degree += float64(len(s.Peers)) / float64(len(all))
	}
	wire := n.Lan.Sent()
	said := map[string]time.Time{} // by message ID
	for i := range lines {
		at := time.Now()
		r, err := all[i%len(all)].Send(ctx, api.SendRequest{Target: room, Text: fmt.Sprintf("this is line %d of %d", i, lines)})
		if err != nil {
			return f, err
		}
		said[r.ID] = at
		time.Sleep(pause)
	}
	var took []time.Duration
	err := Until(2*time.Minute, func() error {
		took = took[:0]
		for id, at := range said {
			for i, e := range ears {
				told, err := e.Once(id)
				if err != nil {
					return fmt.Errorf("%s: %w", all[i].Name, err)
				}
				took = append(took, told.Sub(at))
			}
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	for _, x := range all {
		after.Add(x.Traffic())
	}
	each := float64(f.Deliveries)
	f.Duplicates = float64(after.Duplicates-before.Duplicates) / each
	f.Payload = float64(after.Payload-before.Payload) / float64(max(1, after.Delivered-before.Delivered))
	f.GossipBytes = float64(after.Bytes-before.Bytes) / each
	f.WireBytes = float64(n.Lan.Sent()-wire) / each
	slices.Sort(took)
	f.P50, f.P99, f.Max = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	return f, nil
}
