package apitest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"p2pchat/node/api"
)

func testManyAtOnce(p *party) {
	const senders, each, watchers = 8, 10, 4
	var watching sync.WaitGroup
	seen := make([][]string, watchers) // each watcher owns one element
	for i := range watchers {
		w := p.watch(p.Alice)
		defer w.stop()
		watching.Go(func() { seen[i] = w.collect(senders * each) })
	}

	var sending sync.WaitGroup
	sent := make([][]string, senders) // each sender owns one element
	for s := range senders {
		from, to := p.Alice, p.bobID
		if s%2 == 1 {
			from, to = p.Bob, p.aliceID
		}
		sending.Go(func() {
			for i := range each {
				r, err := from.Send(p.ctx, api.SendRequest{Target: to, Text: fmt.Sprint(s, " ", i), Wait: patience})
				if err != nil || r.State != api.Delivered {
					p.Errorf("sender %d: %+v, %v", s, r, err)
					return
				}
				sent[s] = append(sent[s], r.ID)
				if _, err := from.Log(p.ctx, api.LogQuery{Target: to, Last: 3}); err != nil {
					p.Error(err)
				}
			}
		})
	}
	sending.Wait()
	if p.Failed() {
		p.FailNow()
	}
	watching.Wait()

	want := slices.Sorted(slices.Values(slices.Concat(sent...)))
	for i, got := range seen {
		if slices.Sort(got); got != nil && !slices.Equal(got, want) {
			p.Errorf("watcher %d saw %d messages, %d were sent", i, len(got), len(want))
		}
	}
	for name, log := range map[string][]api.Message{
		"alice": p.log(p.Alice, api.LogQuery{Target: p.bobID}), "bob": p.log(p.Bob, api.LogQuery{Target: p.aliceID}),
	} {
		seqs := map[string]uint64{}
		var got []string
		for _, m := range log {
			got = append(got, m.ID)
			if seqs[m.Author]++; m.Seq != seqs[m.Author] {
				p.Errorf("%s's log shows number %d of %s as the %dth", name, m.Seq, m.Author, seqs[m.Author])
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			p.Errorf("%s's log has %d messages, %d were sent", name, len(got), len(want))
		}
	}
}

// collect gathers the IDs of n messages, nil if the watcher lagged. It may run
// in a goroutine of its own.
func (w *watcher) collect(n int) (ids []string) {
	for len(ids) < n {
		c, err, ok := w.next()
		switch {
		case err != nil || !ok:
			w.p.Errorf("watch ended after %d of %d messages: %v", len(ids), n, err)
			return nil
		case c.Type == api.ChangeLagged:
			return nil
		case c.Type == api.ChangeMessage:
			ids = append(ids, c.Message.ID)
		}
	}
	return ids
}

func testCancelledBefore(p *party) {
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	_, whoami := p.Alice.Whoami(ctx)
	_, peers := p.Alice.Peers(ctx)
	_, conversations := p.Alice.Conversations(ctx)
	_, log := p.Alice.Log(ctx, api.LogQuery{Target: "bob"})
	_, search := p.Alice.Search(ctx, api.SearchQuery{Words: "hi"})
	_, status := p.Alice.Status(ctx)
	_, send := p.Alice.Send(ctx, api.SendRequest{Target: "bob", Text: "hi", Wait: patience})
	_, diagnose := p.Alice.Diagnose(ctx)
	_, capture := p.Alice.CaptureTarget(ctx)
	_, block := p.Alice.Block(ctx, "bob", false)
	_, verify := p.Alice.Verify(ctx, "bob", false)
	_, rooms := p.Alice.Rooms(ctx, true)
	_, create := p.Alice.CreateRoom(ctx, api.CreateRoomRequest{Name: "dev"})
	_, join := p.Alice.JoinRoom(ctx, api.JoinRoomRequest{Room: "dev", Wait: patience})
	for call, err := range map[string]error{
		"whoami": whoami, "peers": peers, "conversations": conversations, "log": log, "search": search, "status": status,
		"send": send, "diagnose": diagnose, "capture target": capture, "verify": verify, "block": block, "rooms": rooms, "create": create, "join": join,
		"add peer":    p.Alice.AddPeer(ctx, "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"),
		"remove peer": p.Alice.RemovePeer(ctx, "bob"),
		"read":        p.Alice.MarkRead(ctx, "bob", "00"),
		"typing":      p.Alice.Typing(ctx, "bob"),
		"away":        p.Alice.SetAway(ctx, true, ""),
		"shutdown":    p.Alice.Shutdown(ctx),
	} {
		if !errors.Is(err, context.Canceled) {
			p.Errorf("%s with a context that is over: %v", call, err)
		}
	}
	if log := p.log(p.Alice, api.LogQuery{Target: "bob"}); len(log) != 0 {
		p.Errorf("a send that was cancelled before it began is in the log: %+v", log)
	}
	for call, err := range p.byRoom(ctx, p.Alice, "dev") {
		if !errors.Is(err, context.Canceled) {
			p.Errorf("room %s with a context that is over: %v", call, err)
		}
	}
	if rows := p.rooms(p.Alice, false); len(rows) != 0 {
		p.Errorf("a room whose making was cancelled before it began is there: %+v", rows)
	}
}

func testCancelledWhileWaiting(p *party) {
	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)

	// A deadline of the caller's own, while the name is unknown.
	short, cancel := context.WithTimeout(p.ctx, 20*time.Millisecond)
	defer cancel()
	_, err := p.Alice.Send(short, api.SendRequest{Target: "nobody", Text: "hi", Wait: patience})
	if !errors.Is(err, context.DeadlineExceeded) {
		p.Errorf("send past the caller's deadline: %v", err)
	}

	// The wait is cut short; the message stays and goes out later.
	w := p.watch(p.Alice)
	defer w.stop()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	done := make(chan error, 1) // the one result
	go func() {                 // ends with ctx
		_, err := p.Alice.Send(ctx, api.SendRequest{Target: "bob", Text: "for later", Wait: patience})
		done <- err
	}()
	m := w.until("the message", func(c api.Change) bool { return c.Type == api.ChangeMessage }).Message
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		p.Errorf("send that was cancelled: %v", err)
	}
	bob := p.BobReturns()
	w.until("its delivery", func(api.Change) bool { return w.messages[m.ID].State == api.Delivered })
	if log := p.log(bob, api.LogQuery{Target: p.aliceID}); len(log) != 1 || log[0].ID != m.ID {
		p.Errorf("bob's log is %+v", log)
	}
}

func testAddPeer(p *party) {
	for _, addr := range []string{
		"", "/", "bob", "192.0.2.1:47700", "/ip4/192.0.2.1", "/ip4/192.0.2/tcp/1", "/ip4/192.0.2.1/tcp/x", "/ip4/192.0.2.1/tcp/47700",
		"/ip4/192.0.2.1/tcp/47700/p2p/nobody", "\xff",
	} {
		p.refused("address "+addr, p.Alice.AddPeer(p.ctx, addr), api.CodeUsage)
	}
	// Nobody needs to be there, and an address can be told again. The discard
	// port of this machine, lest a test send anything anywhere.
	for _, addr := range []string{
		"/ip4/127.0.0.1/tcp/9/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X",
		"/ip6/::1/udp/9/quic-v1/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X",
		"/ip4/127.0.0.1/tcp/9/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X",
	} {
		if err := p.Alice.AddPeer(p.ctx, addr); err != nil {
			p.Errorf("address %s: %v", addr, err)
		}
	}
	p.say(p.Alice, "bob", "still here")
}

func testRemovePeer(p *party) {
	r := p.say(p.Alice, "bob", "hi")
	p.refused("remove of nobody", p.Alice.RemovePeer(p.ctx, "nobody"), api.CodeNotFound)
	p.must(p.Alice.RemovePeer(p.ctx, "bob"))
	// What was said stays, whether or not he is found again meanwhile.
	if log := p.log(p.Alice, api.LogQuery{Target: p.bobID}); len(log) != 1 || log[0].ID != r.ID {
		p.Errorf("the log after removal is %+v", log)
	}
	if c := p.row(p.Alice, p.bobID); c.ID != p.conversation {
		p.Errorf("the conversation after removal is %+v", c)
	}
}

func testDiagnose(p *party) {
	findings, err := p.Alice.Diagnose(p.ctx)
	p.must(err)
	if len(findings) == 0 {
		p.Error("doctor found nothing, not even that all is well")
	}
	for _, f := range findings {
		if f.Check == "" || f.Seen == "" || !slices.Contains([]string{api.LevelOK, api.LevelWarn, api.LevelFail}, f.Level) {
			p.Errorf("finding %+v", f)
		}
		if f.Level == api.LevelFail && f.Advice == "" {
			p.Errorf("a failure without advice: %+v", f)
		}
	}
}

func testCaptureTarget(p *party) {
	c, err := p.Alice.CaptureTarget(p.ctx)
	p.must(err)
	if c.TCPPorts == nil || c.UDPPorts == nil || c.Interfaces == nil || c.Connections == nil || c.Names == nil {
		p.Errorf("a list is null: %+v", c)
	}
	if len(c.TCPPorts)+len(c.UDPPorts) == 0 {
		p.Error("a node that listens nowhere")
	}
	toBob := false
	for _, f := range c.Connections {
		toBob = toBob || f.PeerID == p.bobID
		for _, end := range []string{f.Local, f.Remote} {
			if _, err := netip.ParseAddrPort(end); err != nil {
				p.Errorf("flow %+v: %v", f, err)
			}
		}
		if f.Network != "tcp" && f.Network != "udp" {
			p.Errorf("flow %+v is neither tcp nor udp", f)
		}
	}
	if !toBob {
		p.Errorf("no flow to bob in %+v", c.Connections)
	}
	for ip, name := range c.Names {
		if _, err := netip.ParseAddr(ip); err != nil || name == "" {
			p.Errorf("name %q of address %q", name, ip)
		}
	}
}

func testShutdown(p *party) {
	mine, theirs := p.watch(p.Alice), p.watch(p.Bob)
	defer mine.stop()
	defer theirs.stop()
	p.must(p.Alice.Shutdown(p.ctx))
	for {
		if _, ok := mine.more(); !ok {
			break // without an error
		}
	}
	p.must(p.ctx.Err()) // it was the node that ended it, not time
	theirs.until("alice is offline", func(api.Change) bool { return theirs.peers[p.aliceID].State == api.Offline })
}
