package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/metrics"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node"
	"p2pchat/node/api"
	"p2pchat/node/internal/antientropy"
)

// counted is how long a bandwidth counter takes to count.
const counted = 2500 * time.Millisecond

// screen is how many messages fill one.
const screen = 50

// lateJoin measures how somebody comes into a room in which much was said.
func lateJoin(ctx context.Context, b *bench) (t table, err error) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		rows, err := lateJoinOf(ctx, b, n)
		t.Rows = append(t.Rows, rows...)
		if err != nil {
			return t, fmt.Errorf("%d messages: %w", n, err)
		}
	}
	t.Notes = []string{fmt.Sprintf("Two whole nodes in one process, connected over TCP. One has been in the room all the time and holds what\n"+
		"%d others said, who are not there; the other enters. *First screen* is from `JoinRoom` until `Log` gives\n"+
		"the newest %d messages. *All of it* is until both hold the same; yardstick: the same bytes over a stream of\n"+
		"bare go-libp2p, inserted into the same table, a transaction for each frame, nothing verified. *Line seen*\n"+
		"is from one's `Send` to the other's `Watch`, in turns, 20 a second; yardstick: the same once all is there.\n"+
		"*Reconnect* is bytes of the sync streams in both directions after the newcomer was started again; its CPU is\n"+
		"what both take from the end of one connection until they are in step on the next, the mean of %d, handshakes\n"+
		"and all; yardstick: in a room in which nothing was said. A million messages are fetched once, however many\n"+
		"runs there are.",
		authors, screen, reconnections)}
	return t, nil
}

func lateJoinOf(ctx context.Context, b *bench, n int) ([]row, error) {
	l, err := b.library(ctx, n)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "entry-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	what := func(s string) string { return fmt.Sprintf("%d messages, %s", n, s) }
	first := row{What: what("first screen"), Unit: "s", Limit: 1}
	whole := row{What: what("all of it"), Unit: "s", Aim: 3}
	talk := row{What: what("line seen meanwhile (idle)"), Unit: "ms", Aim: 2}
	again := row{What: what("reconnect with nothing new"), Unit: "bytes", Limit: 500}
	price := row{What: what("reconnect with nothing new, CPU of both"), Unit: "ms"}
	talking := row{What: what("all of it while two talk"), Unit: "s"}
	runs := b.runs
	if n > 100_000 {
		runs = 1 // it takes minutes
	}
	for range runs {
		e, err := l.entry(ctx, filepath.Join(dir, "run"), false)
		if err != nil {
			return nil, err
		}
		first.Subject = append(first.Subject, e.screen.Seconds())
		whole.Subject = append(whole.Subject, e.whole.Seconds())
		if e, err = l.entry(ctx, filepath.Join(dir, "run"), true); err != nil {
			return nil, err
		}
		talking.Subject = append(talking.Subject, e.whole.Seconds())
		talk.Subject, talk.Yardstick = append(talk.Subject, median(e.busy)), append(talk.Yardstick, median(e.idle))
		again.Subject = append(again.Subject, e.again)
		empty, err := emptyReconnecting(ctx, b)
		if err != nil {
			return nil, err
		}
		price.Subject, price.Yardstick = append(price.Subject, e.cpu), append(price.Yardstick, empty)
		raw, err := l.rawly(ctx, filepath.Join(dir, "raw"))
		if err != nil {
			return nil, err
		}
		whole.Yardstick = append(whole.Yardstick, raw.Seconds())
	}
	return []row{first, whole, talking, talk, again, price}, nil
}

// entry is how one newcomer came in.
type entry struct {
	screen, whole time.Duration // since he asked to enter
	busy, idle    []float64     // milliseconds from one's Send to the other's Watch, while he fetched and after
	again         float64       // bytes of the sync streams after a reconnection
	cpu           float64       // milliseconds of both for one
}

// entry has somebody enter and fetch all of it, while he and a member talk or
// while nobody does.
func (l library) entry(ctx context.Context, dir string, talk bool) (e entry, err error) {
	defer os.RemoveAll(dir)
	traffic := metrics.NewBandwidthCounter()
	count := func(cfg *node.Config) { cfg.Seams.Host = append(cfg.Seams.Host, libp2p.BandwidthReporter(traffic)) }
	old, err := l.open(ctx, filepath.Join(dir, "old"), count)
	if err != nil {
		return e, err
	}
	defer func() { err = old.stop(err) }()
	st, err := old.Status(ctx)
	if err != nil {
		return e, err
	}
	at := ma.StringCast(st.Addrs[0])
	comer, err := startNode(ctx, filepath.Join(dir, "new"), "newcomer", transports[1].listen, []ma.Multiaddr{at}, count)
	if err != nil {
		return e, err
	}
	defer func() { err = comer.stop(err) }()
	for {
		if st, err = comer.Status(ctx); err != nil || len(st.Connections) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	if _, err := comer.JoinRoom(ctx, api.JoinRoomRequest{Room: l.room, Wait: giveUp}); err != nil {
		return e, err
	}
	for {
		got, err := comer.Log(ctx, api.LogQuery{Target: l.room, Last: screen})
		if err != nil {
			return e, err
		}
		if len(got) == screen && got[screen-1].Text == l.last {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	e.screen = time.Since(start)
	conv := newConversation(old, comer, l.room)
	defer conv.close()
	for {
		a, err := comer.RoomStatus(ctx, l.room)
		if err != nil {
			return e, err
		}
		o, err := old.RoomStatus(ctx, l.room)
		if err != nil {
			return e, err
		}
		if a.Digest == o.Digest {
			break
		}
		if talk {
			took, err := conv.say(ctx)
			if err != nil {
				return e, err
			}
			e.busy = append(e.busy, took)
		}
		time.Sleep(50 * time.Millisecond)
	}
	e.whole = time.Since(start)
	settle()
	for range 40 {
		took, err := conv.say(ctx)
		if err != nil {
			return e, err
		}
		e.idle = append(e.idle, took)
		time.Sleep(50 * time.Millisecond)
	}
	settle()
	// Both have to say that they are in step once more, on a new connection.
	time.Sleep(counted)
	before := traffic.GetBandwidthForProtocol(antientropy.Protocol)
	if err := comer.stop(nil); err != nil {
		return e, err
	}
	again, err := openNode(ctx, filepath.Join(dir, "new"), transports[1].listen, []ma.Multiaddr{at}, count)
	if err != nil {
		return e, err
	}
	comer = again
	for {
		s, err := comer.RoomStatus(ctx, l.room)
		if err != nil {
			return e, err
		}
		if len(s.SyncPeers) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(counted)
	after := traffic.GetBandwidthForProtocol(antientropy.Protocol)
	e.again = float64(after.TotalIn - before.TotalIn)
	if talk {
		e.cpu, err = reconnecting(ctx, old, comer, l.room)
	}
	return e, err
}

// conversation is two members who talk in turns.
type conversation struct {
	room string
	by   [2]*end
	seen [2]chan string // what each one's Watch yields
	turn int
	stop context.CancelFunc
}

func newConversation(a, b *end, room string) *conversation {
	ctx, cancel := context.WithCancel(context.Background())
	c := &conversation{room: room, by: [2]*end{a, b}, stop: cancel}
	for i, e := range c.by {
		c.seen[i] = make(chan string, 1024) // more than are said before they are looked for
		go func() {                         // ends with ctx
			for change, err := range e.Watch(ctx, 0) {
				if err != nil {
					return
				}
				if m := change.Message; m != nil && change.Type == api.ChangeMessage {
					select {
					case c.seen[i] <- m.ID:
					default: // of the history that comes in
					}
				}
			}
		}()
	}
	return c
}

// say has one say something and gives the milliseconds until the other sees it.
func (c *conversation) say(ctx context.Context) (float64, error) {
	c.turn = 1 - c.turn
	seen := c.seen[1-c.turn]
	start := time.Now()
	r, err := c.by[c.turn].Send(ctx, api.SendRequest{Target: c.room, Text: text})
	if err != nil {
		return 0, err
	}
	for deadline := time.After(giveUp); ; {
		select {
		case id := <-seen:
			if id == r.ID {
				return millis(time.Since(start)), nil
			}
		case <-deadline:
			return 0, errors.New("a line was not seen")
		}
	}
}

func (c *conversation) close() { c.stop() }
