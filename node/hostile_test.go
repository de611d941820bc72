package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio/pbio"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"

	"p2pchat/node/api"
	"p2pchat/node/internal/direct"
	"p2pchat/node/internal/hello"
	"p2pchat/node/internal/p2phost"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

// outsider speaks the raw protocol to a node, well or badly.
type outsider struct {
	t    *testing.T
	host *p2phost.Host
	key  identity.Key
	to   testNode
	conv event.Conversation
}

// meet makes an outsider called name and connects it to n. It introduces
// itself and answers heartbeats, so n counts it as present.
func meet(t *testing.T, n testNode, name string) *outsider {
	t.Helper()
	key, err := identity.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &outsider{t: t, key: key, to: n, conv: event.Direct(key.ID(), n.key.ID())}
	o.host, err = p2phost.New(p2phost.Config{Key: key.Libp2p(), Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/udp/0/quic-v1")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.host.Close() })
	signed, err := identity.SignProfile(key, identity.Profile{Peer: key.ID(), Name: name, Version: 1, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	h := hello.New(hello.Config{Host: o.host, Self: func() (hello.Self, error) { return hello.Self{Signed: signed}, nil }, Handler: nobody{}, Logger: testLog()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Run(ctx) }() // ends with the test
	t.Cleanup(func() { cancel(); <-done })
	o.connect(n)
	until(t, n, func(c api.Change) bool {
		return c.Type == api.ChangePeer && c.Peer.PeerID == key.ID().String() && c.Peer.State == api.Online
	})
	return o
}

func (o *outsider) connect(n testNode) {
	o.t.Helper()
	// A node listens a moment before it serves, which honest ones know.
	wait(o.t, "the node serves", func() bool {
		return slices.Contains(n.host.Mux().Protocols(), hello.Protocol)
	})
	info, err := peer.AddrInfoFromP2pAddr(n.testAddr(o.t))
	if err != nil {
		o.t.Fatal(err)
	}
	if err := o.host.Connect(o.t.Context(), *info); err != nil {
		o.t.Fatal(err)
	}
}

type nobody struct{}

func (nobody) PeerUp(hello.Peer)      {}
func (nobody) PeerChanged(hello.Peer) {}
func (nobody) PeerDown(peer.ID, bool) {}

func (nobody) PeerAhead(peer.ID, time.Duration) {}

func (nobody) PeerReceipts(peer.ID, event.Conversation, event.Frontier) {}

// stream opens a stream of the node's.
func (o *outsider) stream(p protocol.ID) network.Stream {
	o.t.Helper()
	s, err := o.host.NewStream(o.t.Context(), o.to.key.ID(), p)
	if err != nil {
		o.t.Fatal(err)
	}
	_ = s.SetDeadline(time.Now().Add(time.Minute))
	return s
}

// chat opens direct chat and says that nothing is held yet.
func (o *outsider) chat() network.Stream {
	s := o.stream(direct.Protocol)
	o.send(s, &pb.DirectFrame{Frontier: &pb.Frontier{}})
	return s
}

func (o *outsider) send(s network.Stream, m proto.Message) {
	o.t.Helper()
	if err := pbio.NewDelimitedWriter(s).WriteMsg(m); err != nil {
		o.t.Fatal(err)
	}
}

// refuses reads until the node ends the stream, and fails if it acknowledges
// anything instead.
func (o *outsider) refuses(s network.Stream) {
	o.t.Helper()
	r := pbio.NewDelimitedReader(s, 1<<20)
	for {
		var f pb.DirectFrame
		if err := r.ReadMsg(&f); err != nil {
			o.ended(err)
			return
		}
		if f.Ack != nil {
			o.t.Errorf("the node acknowledged %v", f.Ack)
		}
	}
}

// ended fails unless err says that the node ended the stream.
func (o *outsider) ended(err error) {
	o.t.Helper()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		o.t.Errorf("the node did not end the stream: %v", err)
	}
}

// acked reads until the node has acknowledged seq.
func (o *outsider) acked(s network.Stream, seq uint64) {
	o.t.Helper()
	r := pbio.NewDelimitedReader(s, 1<<20)
	for {
		var f pb.DirectFrame
		if err := r.ReadMsg(&f); err != nil {
			o.t.Fatalf("before an ack of %d: %v", seq, err)
		}
		// The opening frontier is an acknowledgement too: it may be sent
		// after the first events were committed.
		for _, h := range append(f.GetFrontier().GetHeads(), f.GetAck().GetHeads()...) {
			if h.Seq >= seq {
				return
			}
		}
	}
}

// log signs n events; mangle may change the header or the body of each.
func (o *outsider) log(n int, mangle func(i int, h *event.Header, body *[]byte)) []*event.Event {
	o.t.Helper()
	var out []*event.Event
	var prev event.ID
	for i := range n {
		body, err := event.EncodeText("line " + string(rune('a'+i)))
		if err != nil {
			o.t.Fatal(err)
		}
		h := event.Header{
			Conversation: o.conv, Lane: event.LaneMessage, Log: event.LogID{1}, Seq: uint64(i + 1), Prev: prev,
			Time: event.At(time.Now()) + event.Time(i), Kind: event.KindText,
		}
		if mangle != nil {
			mangle(i, &h, &body)
		}
		e, err := event.Sign(o.key, h, body)
		if err != nil {
			o.t.Fatal(err)
		}
		out, prev = append(out, e), e.ID
	}
	return out
}

func batch(events ...*event.Event) *pb.DirectFrame {
	b := &pb.EventBatch{}
	for _, e := range events {
		b.Events = append(b.Events, e.Wire())
	}
	return &pb.DirectFrame{Events: b}
}

// Who is blocked gets nothing out of the node over a stream of his own, and
// nothing into it.
func TestBlockedOutsider(t *testing.T) {
	t.Parallel()
	n := start(t, newAccount(t, "alice"))
	o := meet(t, n, "mallory")
	events := o.log(2, nil)
	s := o.chat()
	o.send(s, batch(events[0]))
	o.acked(s, 1)
	if _, err := n.Block(t.Context(), "mallory", false); err != nil {
		t.Fatal(err)
	}
	o.refuses(s) // the one that was there has ended
	s = o.stream(direct.Protocol)
	// It is reset, perhaps while this is written.
	_ = pbio.NewDelimitedWriter(s).WriteMsg(&pb.DirectFrame{Frontier: &pb.Frontier{}})
	_ = pbio.NewDelimitedWriter(s).WriteMsg(batch(events[1]))
	var f pb.DirectFrame
	err := pbio.NewDelimitedReader(s, 1<<20).ReadMsg(&f)
	if err == nil {
		t.Errorf("the node answered %v", &f)
	}
	o.ended(err)
	if got := o.texts(); strings.Contains(got, "line b") || !strings.Contains(got, "line a") {
		t.Errorf("the log is %s", got)
	}
	if _, err := n.Block(t.Context(), "mallory", true); err != nil {
		t.Fatal(err)
	}
	s = o.chat()
	o.send(s, batch(events[1]))
	o.acked(s, 2)
}

// texts is what n's log with the outsider shows.
func (o *outsider) texts() string {
	o.t.Helper()
	msgs, err := o.to.Log(o.t.Context(), api.LogQuery{Target: o.key.ID().String()})
	if err != nil {
		o.t.Fatal(err)
	}
	var out []string
	for _, m := range msgs {
		out = append(out, m.Kind+":"+m.Text)
	}
	return strings.Join(out, "|")
}

// until watches n until f says so.
func until(t *testing.T, n testNode, f func(api.Change) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for c, err := range n.Watch(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Snapshot != nil {
			for i := range c.Snapshot.Peers {
				if f(api.Change{Type: api.ChangePeer, Peer: &c.Snapshot.Peers[i]}) {
					return
				}
			}
		}
		if c.Type != api.ChangeSnapshot && f(c) {
			return
		}
	}
	t.Fatal("the watch ended first")
}

// TestUnknownKindInMidLog: what a newer p2pchat says is kept in its place.
func TestUnknownKindInMidLog(t *testing.T) {
	t.Parallel()
	n := start(t, newAccount(t, "alice"))
	o := meet(t, n, "mallory")
	events := o.log(3, func(i int, h *event.Header, body *[]byte) {
		if i == 1 {
			h.Kind, *body = 9999, []byte("\xff from the future")
		}
	})
	s := o.chat()
	o.send(s, batch(events...))
	o.acked(s, 3)
	if got, want := o.texts(), "text:line a|unknown:|text:line c"; got != want {
		t.Errorf("the log is %q, want %q", got, want)
	}
	// And it syncs on, byte for byte: somebody who lost everything gets it back.
	again := o.stream(direct.Protocol)
	o.send(again, &pb.DirectFrame{Frontier: &pb.Frontier{}})
	r := pbio.NewDelimitedReader(again, 1<<20)
	var got []*pb.Event
	for len(got) < 3 {
		var f pb.DirectFrame
		if err := r.ReadMsg(&f); err != nil {
			t.Fatal(err)
		}
		got = append(got, f.GetEvents().GetEvents()...)
	}
	for i, e := range got {
		if !proto.Equal(e, events[i].Wire()) {
			t.Errorf("event %d came back changed", i)
		}
	}
}

// TestHostileFrames: each of these is refused, nothing of it is kept or
// acknowledged, and the next honest line arrives.
func TestNothingIsSentBack(t *testing.T) {
	t.Parallel()
	n := start(t, newAccount(t, "alice"))
	o := meet(t, n, "mallory")
	s := o.chat()
	events := o.log(20, nil)
	r := pbio.NewDelimitedReader(s, 1<<20)
	next := func() *pb.DirectFrame {
		var f pb.DirectFrame
		if err := r.ReadMsg(&f); err != nil {
			t.Fatal(err)
		}
		return &f
	}
	next() // the frontier
	for _, e := range events {
		o.send(s, batch(e))
	}
	said := false
	for {
		f := next()
		for _, h := range f.GetAck().GetHeads() {
			if h.Seq == uint64(len(events)) && !said {
				// All that was to be said about them has been said when this arrives.
				if _, err := n.Send(t.Context(), api.SendRequest{Target: "mallory", Text: "thanks"}); err != nil {
					t.Fatal(err)
				}
				said = true
			}
		}
		for _, m := range f.GetEvents().GetEvents() {
			e, err := event.FromWire(m)
			if err != nil {
				t.Fatal(err)
			}
			if e.Author == n.key.ID() {
				return
			}
			t.Errorf("got event %d of our own", e.Seq)
		}
	}
}

func TestHostileFrames(t *testing.T) {
	t.Parallel()
	n := start(t, newAccount(t, "alice"))
	o := meet(t, n, "mallory")
	stranger, err := identity.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := func(e *event.Event) *pb.DirectFrame {
		w := e.Wire()
		w.Signature = bytes.Clone(w.Signature)
		w.Signature[5] ^= 1
		return &pb.DirectFrame{Events: &pb.EventBatch{Events: []*pb.Event{w}}}
	}
	cases := map[string]func(s network.Stream){
		"garbage":           func(s network.Stream) { _, _ = s.Write(bytes.Repeat([]byte("\x07garbage"), 100)) },
		"an oversize frame": func(s network.Stream) { _, _ = s.Write([]byte{0xff, 0xff, 0xff, 0x7f}) },
		"a second frontier": func(s network.Stream) { o.send(s, &pb.DirectFrame{Frontier: &pb.Frontier{}}) },
		"a false signature": func(s network.Stream) { o.send(s, forged(o.log(1, nil)[0])) },
		"another room's line": func(s network.Stream) {
			o.send(s, batch(o.log(1, func(_ int, h *event.Header, _ *[]byte) { h.Conversation[0] ^= 1 })...))
		},
		"a malformed text": func(s network.Stream) {
			o.send(s, batch(o.log(1, func(_ int, _ *event.Header, b *[]byte) { *b = []byte{0x0a, 1, 0xff} })...))
		},
		"a third person's line": func(s network.Stream) {
			x := *o
			x.key = stranger
			o.send(s, batch(x.log(1, nil)...))
		},
		"a good line with a bad one": func(s network.Stream) {
			events := o.log(2, func(i int, h *event.Header, b *[]byte) {
				if i == 1 {
					*b = []byte{0xff}
				}
			})
			o.send(s, batch(events...))
		},
		"a frontier of a third person": func(s network.Stream) {
			f := event.Frontier{{Author: stranger.ID(), Log: event.LogID{1}}: {Seq: 1, ID: event.ID{1}}}
			o.send(s, &pb.DirectFrame{Ack: f.Wire()})
		},
		"a malformed read marker": func(s network.Stream) { o.send(s, &pb.DirectFrame{Read: &pb.LogHead{Seq: 1}}) },
		"more logs than allowed": func(s network.Stream) {
			for i := range event.MaxLogs + 1 {
				o.send(s, batch(o.log(1, func(_ int, h *event.Header, _ *[]byte) { h.Log = event.LogID{9, byte(i + 1)}; h.Kind = 9999 })...))
			}
		},
	}
	for name, attack := range cases {
		if name == "more logs than allowed" {
			continue // last, below: the logs before the limit are legitimate
		}
		s := o.chat()
		attack(s)
		o.refuses(s)
		if got := o.texts(); got != "" {
			t.Fatalf("after %s the log is %q", name, got)
		}
	}
	s := o.chat()
	o.send(s, batch(o.log(1, nil)...))
	o.acked(s, 1)
	if got := o.texts(); got != "text:line a" {
		t.Errorf("an honest line: %q", got)
	}
	s = o.chat()
	cases["more logs than allowed"](s)
	r := pbio.NewDelimitedReader(s, 1<<20)
	for {
		var f pb.DirectFrame
		if err := r.ReadMsg(&f); err != nil {
			o.ended(err)
			break
		}
	}
}

// TestAckOfWhatWasNeverSaid: a peer that acknowledges the future does not make
// later messages look delivered.
func TestAckOfWhatWasNeverSaid(t *testing.T) {
	t.Parallel()
	n := start(t, newAccount(t, "alice"))
	o := meet(t, n, "mallory")
	first, err := n.Send(t.Context(), api.SendRequest{Target: "mallory", Text: "one"})
	if err != nil {
		t.Fatal(err)
	}
	s := o.chat()
	r := pbio.NewDelimitedReader(s, 1<<20)
	var f pb.DirectFrame
	for f.GetEvents() == nil {
		if err := r.ReadMsg(&f); err != nil {
			t.Fatal(err)
		}
	}
	e, err := event.FromWire(f.Events.Events[0])
	if err != nil {
		t.Fatal(err)
	}
	o.send(s, &pb.DirectFrame{Ack: event.Frontier{e.Key(): {Seq: 1 << 40, ID: event.ID{1}}}.Wire()})
	// Something that is handled after it on the same stream.
	o.send(s, &pb.DirectFrame{Typing: true})
	until(t, n, func(c api.Change) bool { return c.Type == api.ChangeTyping })
	second, err := n.Send(t.Context(), api.SendRequest{Target: "mallory", Text: "two"})
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := n.Log(t.Context(), api.LogQuery{Target: "mallory"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range msgs {
		if m.State == api.Delivered {
			t.Errorf("message %s counts as delivered, of %s and %s nothing was acknowledged", m.ID, first.ID, second.ID)
		}
	}
}

// TestHostileIntroductions: who introduces himself badly is not listed, and
// the node goes on.
func TestHostileIntroductions(t *testing.T) {
	t.Parallel()
	n := start(t, newAccount(t, "alice"))
	key, err := identity.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := identity.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(k identity.Key, at time.Time) *pb.SignedProfile {
		b, err := identity.SignProfile(k, identity.Profile{Peer: k.ID(), Name: "mallory", Version: 1, Time: at})
		if err != nil {
			t.Fatal(err)
		}
		var m pb.SignedProfile
		if err := proto.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		return &m
	}
	inst := make([]byte, 16)
	for name, frame := range map[string]*pb.HelloFrame{
		"nobody":            {Instance: inst},
		"no instance":       {Profile: signed(key, time.Now())},
		"another's profile": {Profile: signed(other, time.Now()), Instance: inst},
		"from the future":   {Profile: signed(key, time.Now().Add(time.Hour)), Instance: inst},
		"garbage profile":   {Profile: &pb.SignedProfile{Profile: []byte("x")}, Instance: inst},
	} {
		h, err := p2phost.New(p2phost.Config{Key: key.Libp2p(), Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/udp/0/quic-v1")}})
		if err != nil {
			t.Fatal(err)
		}
		o := &outsider{t: t, host: h, key: key, to: n}
		o.connect(n)
		s := o.stream(hello.Protocol)
		o.send(s, frame)
		r := pbio.NewDelimitedReader(s, 1<<16)
		for {
			var f pb.HelloFrame
			if err := r.ReadMsg(&f); err != nil {
				o.ended(err)
				break
			}
		}
		peers, err := n.Peers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range peers {
			if p.Name != "" || p.State == api.Online {
				t.Errorf("%s: listed as %+v", name, p)
			}
		}
		_ = h.Close()
	}
}
