package gossip

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"

	"github.com/libp2p/go-libp2p/core/peer"
)

// line makes members that are connected in a row.
func line(b *board, n int) []*member {
	return meet(b, n, func(i, j int) bool { return i == j+1 })
}

func TestRejected(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	m := line(b, 3)
	m[0].publish("bad one")
	m[0].publish("good one")
	m[2].has("good one") // came after the bad one, if that came
	if get(b, func() bool { return m[2].received["bad one"] > 0 }) {
		t.Error("a rejected payload was passed on")
	}
	if slices.Contains(get(b, func() []string { return m[1].delivered }), "bad one") {
		t.Error("a rejected payload was delivered")
	}

	for i := range 12 {
		m[0].publish(fmt.Sprint("bad again ", i))
	}
	b.until("the last bad one is judged, or not even that", func() bool { return m[1].received["bad again 11"] > 0 })
	m[2].publish("from the other side") // is judged after those
	m[1].has("from the other side")
	m[0].publish("good but too late")
	b.until("it comes", func() bool { return m[1].received["good but too late"] > 0 })
	m[2].publish("from the other side again")
	m[1].has("from the other side again")
	if slices.Contains(get(b, func() []string { return m[1].validated }), "good but too late") {
		t.Error("who sent a dozen bad payloads is still listened to")
	}
}

func TestIgnored(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	m := line(b, 3)
	for i := range 20 {
		m[0].publish(fmt.Sprint("unknown ", i))
	}
	m[0].publish("good")
	m[1].has("good") // which it may pass on before it delivers it
	m[2].has("good")
	b.note(func() {
		for p := range m[2].received {
			if strings.HasPrefix(p, "unknown") {
				t.Errorf("%q was passed on", p)
			}
		}
		if len(m[1].delivered) != 1 {
			t.Errorf("delivered %q, want one", m[1].delivered)
		}
	})
}

// stock is a member that is GossipSub as it comes, but for what makes up the
// room's messages.
type stock struct {
	*member
	topic *pubsub.Topic
	got   map[string]bool // noted
}

func joinStock(b *board, with ...*member) *stock {
	h := newHost(b.t)
	s := &stock{member: newMember(b, h), got: map[string]bool{}}
	ps, err := pubsub.NewGossipSub(b.t.Context(), h,
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { return MessageID(m.GetTopic(), m.GetData()) }),
		pubsub.WithRawTracer(tracer{member: s.member}))
	if err != nil {
		b.t.Fatal(err)
	}
	if s.topic, err = ps.Join(room); err != nil {
		b.t.Fatal(err)
	}
	sub, err := s.topic.Subscribe()
	if err != nil {
		b.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the test
		defer close(done)
		for {
			m, err := sub.Next(b.t.Context())
			if err != nil {
				return
			}
			b.note(func() { s.got[string(m.Data)] = true })
		}
	}()
	b.t.Cleanup(func() { <-done })
	for _, m := range with {
		connect(b.t, h, m.host)
	}
	s.grafted(with...) // its heartbeat takes a second
	for _, m := range with {
		m.grafted(s.member)
	}
	return s
}

func (s *stock) publish(payload string) {
	s.t.Helper()
	if err := s.topic.Publish(s.t.Context(), []byte(payload)); err != nil {
		s.t.Fatal(err)
	}
}

// Two of ours who know of each other only through a stock node.
func TestStock(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	left, right := join(b, nil), join(b, nil)
	s := joinStock(b, left, right)
	left.publish("flooded from the left")
	right.has("flooded from the left")
	right.publish("from the right")
	left.has("from the right")
	s.publish("from the stock node")
	left.has("from the stock node")
	right.has("from the stock node")
	b.until("the stock node has both", func() bool { return s.got["flooded from the left"] && s.got["from the right"] })
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	all := meet(b, 3, nil)
	longest := strings.Repeat("x", MaxPayload)
	all[0].publish(longest)
	all[1].has(longest)
	all[2].has(longest)
	all[0].publish("")
	all[1].has("")
	err := all[0].topic.Publish(t.Context(), []byte(longest+"x"))
	if !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), fmt.Sprint(MaxPayload)) {
		t.Errorf("one byte more: %v", err)
	}
	s := joinStock(b, all[0])
	s.publish(longest + "y") // fits an RPC
	s.publish("short")
	all[0].has("short")
	b.note(func() {
		if slices.Contains(all[0].validated, longest+"y") || slices.Contains(all[0].delivered, longest+"y") {
			t.Error("a payload that is too long was looked at")
		}
	})
}

func TestOutsider(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	var outsider peer.ID // set before anybody is connected
	belongs := func(c *Config) { c.Belongs = func(p peer.ID, _ string) bool { return p != outsider } }
	out, a, c := join(b, nil), join(b, belongs), join(b, belongs)
	outsider = out.id()
	connect(t, out.host, a.host)
	connect(t, out.host, c.host)
	connect(t, a.host, c.host)
	a.sees(out, c)
	c.sees(out, a)
	out.sees(a, c)
	a.publish("inside")
	c.has("inside")
	c.publish("answer")
	a.has("answer")
	out.publish("from outside") // is judged by the validator alone
	a.has("from outside")
	b.note(func() {
		if a.sentTo[outsider]+c.sentTo[outsider] > 0 {
			t.Error("an outsider was sent payloads")
		}
	})
}
