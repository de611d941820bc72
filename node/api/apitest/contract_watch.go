package apitest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"p2pchat/node/api"
)

func testWatchFromStart(p *party) {
	p.say(p.Alice, "bob", "hi")
	for _, since := range []uint64{0, 1 << 60} {
		w := p.watchFrom(p.Alice, since)
		if c, ok := w.more(); !ok || c.Type != api.ChangeSnapshot || c.Seq == 0 {
			p.Fatalf("watching from %d began with %+v", since, c)
		}
		w.stop()
	}
}

func testWatchFromNumber(p *party) {
	first := p.watch(p.Alice)
	defer first.stop()
	start := first.seq
	last := p.say(p.Alice, "bob", "hi")
	var want []api.Change
	first.until("delivery", func(c api.Change) bool {
		if c.Seq != 0 {
			want = append(want, c)
		}
		return first.messages[last.ID].State == api.Delivered
	})
	// One who comes back with a number sees what came after it, the same.
	for i := -1; i < len(want)-1; i++ {
		since := start
		if i >= 0 {
			since = want[i].Seq
		}
		again := p.watchFrom(p.Alice, since)
		for _, w := range want[i+1:] {
			if c, ok := again.more(); !ok || !reflect.DeepEqual(c, w) {
				p.Fatalf("from %d on came %+v, want %+v", since, c, w)
			}
		}
		again.stop()
	}
}

func testWatchEnds(p *party) {
	// With its context, without an error.
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	for c, err := range p.Alice.Watch(ctx, 0) {
		if err != nil {
			p.Fatalf("a watch that was cancelled ended with %v", err)
		}
		if c.Type == api.ChangeSnapshot {
			cancel()
		}
	}
	for c, err := range p.Alice.Watch(ctx, 0) {
		p.Fatalf("a watch whose context is over yielded %+v, %v", c, err)
	}
	// With the loop; and the same value can be watched again.
	changes := p.Alice.Watch(p.ctx, 0)
	for range 2 {
		n := 0
		for c, err := range changes {
			p.must(err)
			if n++; c.Type != api.ChangeSnapshot {
				p.Fatalf("the watch began with %+v", c)
			}
			break
		}
		if n != 1 {
			p.Fatalf("the watch yielded %d changes, want a snapshot", n)
		}
	}
	// While nothing happens.
	ctx, cancel = context.WithCancel(p.ctx)
	defer cancel()
	seen, over := make(chan struct{}), make(chan struct{})
	go func() { // ends with ctx
		defer close(over)
		once := sync.OnceFunc(func() { close(seen) })
		for range p.Alice.Watch(ctx, 0) {
			once()
		}
	}()
	<-seen
	cancel()
	<-over
}

// testWatchAddsUp: a face that applies changes shows what one sees that asks.
func testWatchAddsUp(p *party) {
	w := p.watch(p.Alice)
	defer w.stop()
	p.say(p.Alice, "bob", "1")
	r := p.say(p.Bob, "alice", "2")
	p.must(p.Alice.MarkRead(p.ctx, "bob", r.ID))
	p.Join("carol")
	p.say(p.Alice, p.waitName(p.Alice, "carol"), "3")
	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)
	last, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: "4"})
	p.must(err)
	w.until("the last message", func(c api.Change) bool { return c.Type == api.ChangeMessage && c.Message.ID == last.ID })

	conversations := p.conversations(p.Alice)
	if len(w.conversations) != len(conversations) {
		p.Errorf("watched %d conversations, asked %d", len(w.conversations), len(conversations))
	}
	for _, want := range conversations {
		got := w.conversations[want.ID]
		want.LastTime, got.LastTime = api.Time{}, api.Time{} // messages say it
		if got != want {
			p.Errorf("watched conversation %+v, asked %+v", got, want)
		}
	}
	for _, want := range p.peers(p.Alice) {
		got := w.peers[want.PeerID]
		if got.Name != want.Name || got.State != want.State || got.Away != want.Away || got.Warning != want.Warning {
			p.Errorf("watched peer %+v, asked %+v", got, want)
		}
	}
	for _, who := range []string{"bob", "carol"} {
		for _, want := range p.log(p.Alice, api.LogQuery{Target: who}) {
			if got := w.messages[want.ID]; !sameMessage(got, want) {
				p.Errorf("watched message %+v, asked %+v", got, want)
			}
		}
	}
}

// testWatchLags: a watcher that stands still holds nobody up, is told that it
// missed something, and goes on from a snapshot.
func testWatchLags(p *party) {
	p.BobLeaves() // nobody needs to receive all this
	w := p.watch(p.Alice)
	defer w.stop()

	// Large ones first: they fill whatever is between the node and here.
	const large = 128
	var sending sync.WaitGroup
	for part := range 8 {
		sending.Go(func() {
			for i := part; i < large+p.Backlog; i += 8 {
				text := fmt.Sprint(i)
				if i < large {
					text = strings.Repeat("x", api.MaxText)
				}
				if _, err := p.Alice.Send(p.ctx, api.SendRequest{Target: p.bobID, Text: text}); err != nil {
					p.Error(err)
				}
			}
		})
	}
	sending.Wait()

	w.until("lagged", func(c api.Change) bool { return c.Type == api.ChangeLagged })
	if c, ok := w.more(); !ok || c.Type != api.ChangeSnapshot {
		p.Fatalf("after lagged came %+v", c)
	}
	r, err := p.Alice.Send(p.ctx, api.SendRequest{Target: p.bobID, Text: "the last"})
	p.must(err)
	w.until("the last message", func(c api.Change) bool { return c.Type == api.ChangeMessage && c.Message.ID == r.ID })
	if log := p.log(p.Alice, api.LogQuery{Target: p.bobID}); len(log) != large+p.Backlog+1 {
		p.Errorf("the log has %d messages, want %d", len(log), large+p.Backlog+1)
	}
}
