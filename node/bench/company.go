package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"p2pchat/node"
	"p2pchat/node/api"
)

// company is whole nodes of this process, each in one room.
type company struct {
	ends []*end
	ids  []string
	room string // its ID
	*loads
	dir string
}

// newCompany starts n nodes below a directory of their own; each knows the
// addresses of at most acquainted before it.
func newCompany(ctx context.Context, b *bench, n, acquainted int) (c *company, err error) {
	c = &company{loads: newLoads()}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.dir, err = os.MkdirTemp(b.dir, "company-"); err != nil {
		return c, err
	}
	var addrs []ma.Multiaddr
	for i := range n {
		var known []ma.Multiaddr
		for k := range min(i, acquainted) { // spread over all
			known = append(known, addrs[k*i/min(i, acquainted)])
		}
		name := fmt.Sprintf("member%03d", i)
		e, err := startNode(ctx, filepath.Join(c.dir, name), name, transports[1].listen, known, func(cfg *node.Config) {
			cfg.Seams.Host = append(cfg.Seams.Host, libp2p.BandwidthReporter(c.traffic))
			cfg.Seams.Gossip = c.loads
		})
		if err != nil {
			return c, err
		}
		c.ends = append(c.ends, e)
		st, err := e.Status(ctx)
		if err != nil {
			return c, err
		}
		addrs, c.ids = append(addrs, ma.StringCast(st.Addrs[0])), append(c.ids, st.PeerID)
	}
	return c, nil
}

// settleIn has the first node make a room and the others enter it, and returns
// when each has all members in its list and is connected to so many.
func (c *company) settleIn(ctx context.Context, r api.CreateRoomRequest, connected int) error {
	made, err := c.ends[0].CreateRoom(ctx, r)
	if err != nil {
		return err
	}
	c.room = made.RoomID
	if r.MembersOnly {
		for _, id := range c.ids[1:] {
			if err := c.govern(ctx, api.GovernRequest{Act: api.ActGrant, Who: id, Standing: api.StandingMember}); err != nil {
				return err
			}
		}
	}
	g, joining := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, e := range c.ends[1:] {
		g.Go(func() error {
			return c.enter(joining, e)
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("enter the room: %w", err)
	}
	return c.until(ctx, func(s api.RoomStatus) bool { return len(s.Peers) >= connected && s.Members == len(c.ends) })
}

// enter tries again: so many on one machine may keep an answer waiting.
func (c *company) enter(ctx context.Context, e *end) error {
	var errs []error
	for range 5 {
		_, err := e.JoinRoom(ctx, api.JoinRoomRequest{Room: c.room, Wait: giveUp})
		if err == nil || ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
		time.Sleep(time.Second)
	}
	return errors.Join(errs...)
}

func (c *company) govern(ctx context.Context, r api.GovernRequest) error {
	r.Room = c.room
	_, err := c.ends[0].Govern(ctx, r)
	return err
}

// until returns when every node says so of the room.
func (c *company) until(ctx context.Context, ok func(api.RoomStatus) bool) error {
	deadline := time.Now().Add(3 * giveUp)
	for i, e := range c.ends {
		for {
			s, err := e.RoomStatus(ctx, c.room)
			if err != nil {
				return err
			}
			if ok(s) {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("node %d does not get there: %d members, %d connected", i, s.Members, len(s.Peers))
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return nil
}

func (c *company) close() error {
	errs := make([]error, len(c.ends))
	var g errgroup.Group
	for i, e := range c.ends {
		g.Go(func() error {
			errs[i] = errors.Join(e.Close(), e.lock.Release())
			return nil
		})
	}
	_ = g.Wait() // none
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}

// wholeNodes are crowds of whole nodes in an open room.
func wholeNodes(b *bench) crowded {
	return func(ctx context.Context, n int, received func(int, []byte)) (*crowd, error) {
		c, err := newCompany(ctx, b, n, n)
		if err != nil {
			return nil, err
		}
		listen, stop := context.WithCancel(ctx)
		out := &crowd{carried: c.cargo, repairs: 30 * time.Second}
		var g errgroup.Group
		out.close = func() {
			stop()
			_ = g.Wait()
			_ = c.close()
		}
		if err := c.settleIn(ctx, api.CreateRoomRequest{Name: "hall"}, n-1); err != nil {
			out.close()
			return nil, err
		}
		for i, e := range c.ends {
			out.members = append(out.members, chatter{e, c.room})
			ear := ear{end: e, self: c.ids[i], room: c.room, heard: map[uint64]bool{}, received: func(p []byte) { received(i, p) }}
			g.Go(func() error { return ear.listen(listen) })
		}
		time.Sleep(2 * time.Second) // joins and receipts
		return out, nil
	}
}

// chatter is a node that says payloads as text.
type chatter struct {
	*end
	room string
}

func (c chatter) publish(ctx context.Context, payload []byte) error {
	text := fmt.Sprintf("%020d", binary.BigEndian.Uint64(payload))
	text += strings.Repeat(".", len(payload)-len(text))
	_, err := c.Send(ctx, api.SendRequest{Target: c.room, Text: text})
	return err
}

// ear is what watches a node like a face.
type ear struct {
	*end
	self, room string
	heard      map[uint64]bool
	received   func([]byte)
}

// listen ends with ctx.
func (e ear) listen(ctx context.Context) error {
	for c, err := range e.Watch(ctx, 0) {
		switch {
		case err != nil:
			return err
		case c.Type == api.ChangeMessage:
			e.take(*c.Message)
		case c.Type == api.ChangeLagged: // what was dropped is in the log
			log, err := e.Log(ctx, api.LogQuery{Target: e.room, Last: 2 * fullMost})
			if err != nil {
				return err
			}
			for _, m := range log {
				e.take(m)
			}
		}
	}
	return nil
}

func (e ear) take(m api.Message) {
	if m.Conversation != e.room || m.Author == e.self || len(m.Text) < 20 {
		return
	}
	n, err := strconv.ParseUint(m.Text[:20], 10, 64)
	if err != nil || e.heard[n] {
		return
	}
	e.heard[n] = true
	e.received(binary.BigEndian.AppendUint64(nil, n))
}
