package gossip

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const room = "p2pchat-test/room"

// giveUp bounds waiting for what should take moments.
const giveUp = 2 * time.Minute

// Payloads say in their first word how they are to be treated.
func flooded(payload []byte) bool { return bytes.HasPrefix(payload, []byte("flooded ")) }

func newHost(t *testing.T) host.Host {
	t.Helper()
	h, err := libp2p.New(
		libp2p.Transport(tcp.NewTCPTransport), libp2p.NoSecurity, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableRelay(), libp2p.DisableMetrics(),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// connect connects two hosts, on a busy machine after a dial that took too long.
func connect(t *testing.T, a, b host.Host) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := a.Connect(t.Context(), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()})
		if err == nil {
			return
		}
		if time.Since(start) > giveUp {
			t.Fatal(err)
		}
	}
}

// board is where everything that happens in a test is noted and waited for.
type board struct {
	t    *testing.T
	mu   sync.Mutex
	news chan struct{}
}

func newBoard(t *testing.T) *board { return &board{t: t, news: make(chan struct{})} }

func (b *board) note(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.news)
	b.news = make(chan struct{})
}

// until waits for ok, which is asked again after each note.
func (b *board) until(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.After(giveUp); ; {
		b.mu.Lock()
		done, news := ok(), b.news
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-deadline:
			b.t.Fatalf("never happened: %s", what)
		}
	}
}

// get reads what is noted.
func get[T any](b *board, f func() T) T {
	b.mu.Lock()
	defer b.mu.Unlock()
	return f()
}

// member is a host with a service, and the handler and tracer of both.
type member struct {
	*board
	host    host.Host
	service *Service
	topic   *Topic
	// noted
	validated, delivered []string
	present, mesh        map[peer.ID]bool
	forwards             int // payloads passed on, but for answers to IWANT
	sentTo               map[peer.ID]int
	received             map[string]int // payloads in RPCs, however treated
}

func newMember(b *board, h host.Host) *member {
	return &member{
		board: b, host: h, present: map[peer.ID]bool{}, mesh: map[peer.ID]bool{},
		sentTo: map[peer.ID]int{}, received: map[string]int{},
	}
}

// join makes a member of room on a host of its own.
func join(b *board, change func(*Config)) *member {
	b.t.Helper()
	m := newMember(b, newHost(b.t))
	cfg := Config{Host: m.host, Flooded: flooded, Tracer: tracer{member: m}, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	var err error
	if m.service, err = New(b.t.Context(), cfg); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(m.service.Close)
	m.join(room)
	return m
}

func (m *member) join(topic string) {
	m.t.Helper()
	var err error
	if m.topic, err = m.service.Join(topic, m); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) publish(payload string) {
	m.t.Helper()
	if err := m.topic.Publish(m.t.Context(), []byte(payload)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) id() peer.ID { return m.host.ID() }

func (m *member) Validate(_ context.Context, _ peer.ID, payload []byte) (Verdict, any) {
	text := string(payload)
	m.note(func() { m.validated = append(m.validated, text) })
	switch {
	case bytes.HasPrefix(payload, []byte("bad ")):
		return Reject, nil
	case bytes.HasPrefix(payload, []byte("unknown ")):
		return Ignore, nil
	}
	return Accept, text
}

func (m *member) Deliver(_ peer.ID, data any) {
	m.note(func() { m.delivered = append(m.delivered, data.(string)) })
}
func (m *member) PeerJoined(p peer.ID) { m.note(func() { m.present[p] = true }) }
func (m *member) PeerLeft(p peer.ID)   { m.note(func() { delete(m.present, p) }) }

// has waits until a payload was delivered.
func (m *member) has(payload string) {
	m.t.Helper()
	m.until(fmt.Sprintf("%.40q is delivered", payload), func() bool { return slices.Contains(m.delivered, payload) })
}

// sees waits until exactly the others are known to be in the topic.
func (m *member) sees(others ...*member) {
	m.t.Helper()
	m.until(fmt.Sprintf("%d others are in the topic", len(others)), func() bool {
		return len(m.present) == len(others) && !slices.ContainsFunc(others, func(o *member) bool { return !m.present[o.id()] })
	})
}

// grafted waits until the others are in the mesh.
func (m *member) grafted(others ...*member) {
	m.t.Helper()
	m.until(fmt.Sprintf("%d others are in the mesh", len(others)), func() bool {
		return !slices.ContainsFunc(others, func(o *member) bool { return !m.mesh[o.id()] })
	})
}

// tracer notes the mesh, and payloads sent and received.
type tracer struct {
	Untraced
	*member
}

func (m tracer) Graft(p peer.ID, _ string) { m.note(func() { m.mesh[p] = true }) }
func (m tracer) Prune(p peer.ID, _ string) { m.note(func() { delete(m.mesh, p) }) }

func (m tracer) SendRPC(rpc *pubsub.RPC, p peer.ID) {
	n := len(rpc.GetPublish())
	if n == 0 {
		return
	}
	m.note(func() {
		m.sentTo[p] += n
		for _, msg := range rpc.GetPublish() {
			// Answers to IWANT come with a control part, even if it is empty.
			if rpc.Control == nil && !bytes.HasSuffix(msg.Data, []byte(m.id())) {
				m.forwards++
			}
		}
	})
}

func (m tracer) RecvRPC(rpc *pubsub.RPC) {
	if len(rpc.GetPublish()) > 0 {
		m.note(func() {
			for _, msg := range rpc.GetPublish() {
				m.received[string(msg.Data)]++
			}
		})
	}
}

// own is a payload that tells of itself who published it.
func (m *member) own(text string) string { return text + " " + string(m.id()) }

// meet makes n members and connects each two that linked admits, and waits
// until they know of each other and have a mesh, which a heartbeat makes. Before
// that nothing is passed on.
func meet(b *board, n int, linked func(i, j int) bool) []*member {
	b.t.Helper()
	all := make([]*member, n)
	for i := range all {
		all[i] = join(b, nil)
	}
	neighbours := make([][]*member, n)
	for i := range all {
		for j := range i {
			if linked == nil || linked(i, j) {
				connect(b.t, all[i].host, all[j].host)
				neighbours[i] = append(neighbours[i], all[j])
				neighbours[j] = append(neighbours[j], all[i])
			}
		}
	}
	for i, m := range all {
		m.sees(neighbours[i]...)
	}
	for i, m := range all {
		enough := min(meshLow, len(neighbours[i]))
		m.until(fmt.Sprintf("%d has a mesh, of which the others know", i), func() bool {
			return len(m.mesh) >= enough && !slices.ContainsFunc(neighbours[i], func(o *member) bool { return m.mesh[o.id()] != o.mesh[m.id()] })
		})
	}
	return all
}
