package rooms

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio/pbio"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// canned is a stream on which the other side says what it was given, whatever it
// is told.
type canned struct {
	network.Stream
	bytes.Reader
	protocol protocol.ID
	answer   bytes.Buffer
}

func (c *canned) Read(b []byte) (int, error)       { return c.Reader.Read(b) }
func (c *canned) Write(b []byte) (int, error)      { return c.answer.Write(b) }
func (c *canned) Close() error                     { return nil }
func (c *canned) Reset() error                     { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
func (c *canned) Conn() network.Conn               { return connection{nil, "mallory"} }
func (c *canned) Protocol() protocol.ID            { return c.protocol }
func can(says []byte, on protocol.ID) *canned {
	return &canned{Reader: *bytes.NewReader(says), protocol: on}
}

func framed(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

// oneHost is a host whose every stream is a canned one.
type oneHost struct {
	pipes
	says []byte
}

func (h *oneHost) NewStream(_ context.Context, _ peer.ID, ids ...protocol.ID) (network.Stream, error) {
	return can(h.says, ids[0]), nil
}

// lone is a service in one room with a password, which runs till the end of tb.
func lone(tb testing.TB) (*Service, *oneHost, *event.Event) {
	tb.Helper()
	w := &town{topics: map[string][]*topic{}, said: map[string][][]byte{}}
	p := &person{town: w, disk: newDisk(keyOf(tb, 1))}
	p.disk.clock = event.At(time.UnixMilli(1 << 45)) // so that the room is the same in every process
	h := &oneHost{pipes: pipes{person: p, handlers: map[protocol.ID]network.StreamHandler{}}}
	s, err := New(tb.Context(), Config{
		Host: h, Key: p.disk.key, Rand: rand.NewChaCha8([32]byte{}), Store: p.disk, Ledger: p.disk, Gossip: topics{p}, Sync: &p.keep,
		Handler: nobody{&p.keep}, Receipt: p.keep.receipt, Away: func() bool { return false }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with the test
		defer close(done)
		_ = s.Run(ctx)
	}()
	tb.Cleanup(func() { cancel(); <-done })
	r, err := s.Create(tb.Context(), "me", []room.Setting{room.Password(firstPassword)}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.do(tb.Context(), func() {
		_ = r.keepSecret(context.Background(), secret{generation: firstPassword, setting: event.ID(r.id), value: right, from: s.self})
	}); err != nil {
		tb.Fatal(err)
	}
	return s, h, r.genesis
}

// FuzzAsks: whatever somebody asks us for on either protocol, he is answered with
// frames or not at all, and does not get in.
func FuzzAsks(f *testing.F) {
	s, _, g := lone(f)
	id := g.ID[:]
	ask := func(m ...*pb.JoinAsk) {
		var b []byte
		for _, q := range m {
			b = append(b, framed(f, q)...)
		}
		f.Add(b)
	}
	ask(&pb.JoinAsk{Room: id, Ping: true})
	ask(&pb.JoinAsk{Room: id, Keys: &pb.JoinKeys{Epochs: [][]byte{id}}})
	ask(&pb.JoinAsk{Room: id, Push: &pb.JoinPush{Events: batch([]*event.Event{g}), Grant: &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: id, Key: id}}}}})
	ask(&pb.JoinAsk{Room: id, Enter: &pb.JoinEnter{Nick: "x", Log: []byte("12345678")}},
		&pb.JoinAsk{Room: id, Proof: &pb.JoinProof{Share: id}}, &pb.JoinAsk{Room: id, Proof: &pb.JoinProof{Confirm: make([]byte, pake.ConfirmSize)}})
	f.Add(framed(f, &pb.DirectoryAsk{Room: id}))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, says []byte) {
		s.mu.Lock()
		clear(s.asks)
		clear(s.tries)
		s.mu.Unlock()
		for on, serve := range map[protocol.ID]network.StreamHandler{JoinProtocol: s.serveJoin, DirectoryProtocol: s.serveDirectory} {
			st := can(says, on)
			serve(st)
			if on == JoinProtocol && bytes.Contains(st.answer.Bytes(), right[:]) {
				t.Error("the secret is told")
			}
		}
		r, err := s.Room(event.Conversation(g.ID))
		if err != nil {
			t.Fatal(err)
		}
		if r.Entitled("mallory", true) {
			t.Error("he is in")
		}
	})
}

// FuzzAnswers: whatever we are answered, nobody has us enter a room in which he
// does not know the password.
func FuzzAnswers(f *testing.F) {
	s, h, g := lone(f)
	id := event.Conversation(g.ID)
	control := &pb.JoinAnswer{Control: batch([]*event.Event{g})}
	grant := &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: id[:], Key: id[:]}}, Secret: &pb.RoomSecret{Generation: 1, Secret: id[:], Setting: id[:]}}
	f.Add(append(framed(f, control), framed(f, &pb.JoinAnswer{Grant: grant})...))
	f.Add(append(framed(f, &pb.JoinAnswer{Challenge: &pb.JoinChallenge{Generation: 1}}), framed(f, &pb.JoinAnswer{
		Challenge: &pb.JoinChallenge{Share: id[:], Confirm: make([]byte, pake.ConfirmSize)},
	})...))
	f.Add(framed(f, &pb.JoinAnswer{Refusal: &pb.JoinRefusal{Code: "full", Message: "no"}}))
	f.Add(framed(f, &pb.DirectoryAnswer{Rooms: []*pb.RoomEntry{{Genesis: g.Wire(), Name: "x", Occupants: 3}}}))
	f.Fuzz(func(t *testing.T, says []byte) {
		var first pb.JoinAnswer
		_ = pbio.NewDelimitedReader(bytes.NewReader(says), maxFrame).ReadMsg(&first)
		if g := first.GetChallenge().GetGeneration(); first.Challenge != nil && g != firstPassword {
			return // stretching takes its time
		}
		h.says = says
		known := &guess{secret: secret{generation: firstPassword, value: wrong}}
		if _, err := s.askToEnter(t.Context(), "mallory", id, "me", known, event.LogID{1}); err == nil {
			t.Error("let in")
		}
		rooms, _ := s.browse(t.Context(), "mallory", nil)
		for _, l := range rooms {
			if l.Room != id {
				t.Errorf("a room that nobody made: %s", l.Room)
			}
		}
	})
}
