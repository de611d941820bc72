package node

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pspb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"golang.org/x/crypto/chacha20poly1305"
	"google.golang.org/protobuf/proto"

	"p2pchat/node/api"
	"p2pchat/node/internal/antientropy"
	"p2pchat/node/internal/gossip"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// listener is an outsider with a GossipSub of his own, on a room's topic.
type listener struct {
	*outsider
	room  event.Conversation
	topic *pubsub.Topic

	mu    sync.Mutex
	heard []*pubsub.Message
}

// listen subscribes an outsider to a room's topic. He asks nobody. He has what
// those say whom he is connected to, n and more.
func listen(t *testing.T, id event.Conversation, name string, n testNode, more ...testNode) *listener {
	t.Helper()
	s := &listener{outsider: meet(t, n, name), room: id}
	ps, err := pubsub.NewGossipSub(t.Context(), s.host,
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pspb.Message) string { return gossip.MessageID(m.GetTopic(), m.GetData()) }),
		pubsub.WithFloodPublish(true), pubsub.WithMaxMessageSize(1<<20), pubsub.WithPeerOutboundQueueSize(4096))
	if err != nil {
		t.Fatal(err)
	}
	if s.topic, err = ps.Join(envelope.Topic(id)); err != nil {
		t.Fatal(err)
	}
	sub, err := s.topic.Subscribe(pubsub.WithBufferSize(4096)) // more than is said in a test
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the test
		defer close(done)
		for {
			m, err := sub.Next(t.Context())
			if err != nil {
				return
			}
			s.mu.Lock()
			s.heard = append(s.heard, m)
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { <-done })
	for _, o := range more {
		s.connect(o)
	}
	for _, o := range append(more, n) {
		r, err := o.rooms.Room(id)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "both are on the topic", func() bool {
			return slices.Contains(s.topic.ListPeers(), o.key.ID()) && slices.Contains(r.TopicPeers(), s.key.ID())
		})
	}
	return s
}

// onTopic waits until all have each other on a room's topic: what is said before
// comes to some by sync alone.
func onTopic(t *testing.T, id event.Conversation, all ...testNode) {
	t.Helper()
	for _, n := range all {
		r, err := n.rooms.Room(id)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "all are on the topic", func() bool {
			on := r.TopicPeers()
			return !slices.ContainsFunc(all, func(o testNode) bool { return o.Node != n.Node && !slices.Contains(on, o.key.ID()) })
		})
	}
}

// wait waits for something that comes without being told.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func (s *listener) payloads() []*pubsub.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

func (s *listener) publish(payload []byte) {
	s.t.Helper()
	if err := s.topic.Publish(s.t.Context(), payload); err != nil {
		s.t.Fatal(err)
	}
}

// roomOf makes a room of the first and has the others join it.
func roomOf(t *testing.T, r api.CreateRoomRequest, all ...testNode) event.Conversation {
	t.Helper()
	e, err := all[0].CreateRoom(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all[1:] {
		if _, err := n.JoinRoom(t.Context(), api.JoinRoomRequest{Room: e.RoomID, Wait: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range all {
		wait(t, "all list each other", func() bool { return len(membersOf(t, n, e.RoomID)) == len(all) })
	}
	id, err := event.ParseID(e.RoomID)
	if err != nil {
		t.Fatal(err)
	}
	return event.Conversation(id)
}

// membersOf lists who is in a room, as "nick presence".
func membersOf(t *testing.T, n testNode, room string) []string {
	t.Helper()
	ms, err := n.Members(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = m.Nick + " " + m.Presence
	}
	slices.Sort(out)
	return out
}

func textsOf(t *testing.T, n testNode, target string) []string {
	t.Helper()
	var out []string
	for _, m := range logOf(t, n, target) {
		out = append(out, m.Text)
	}
	return out
}

func stateOf(t *testing.T, n testNode, target string) string {
	t.Helper()
	s, err := n.RoomState(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return s.Canonical
}

func says(t *testing.T, n testNode, target, text string) {
	t.Helper()
	r, err := n.Send(t.Context(), api.SendRequest{Target: target, Text: text, Wait: time.Minute})
	if err != nil || r.State != api.Delivered {
		t.Fatalf("%q: %+v, %v", text, r, err)
	}
}

// TestSubscriberWhoDidNotJoin: somebody on the topic of a room gets what is
// said there, and reads neither text nor author nor nick in it; he is no member
// for anybody.
func TestSubscriberWhoDidNotJoin(t *testing.T) {
	t.Parallel()
	for name, hidden := range map[string]bool{"visible": false, "hidden": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alice := start(t, newAccount(t, "alice"))
			bob := start(t, newAccount(t, "bob"), alice)
			id := roomOf(t, api.CreateRoomRequest{Name: "open-sesame", Hidden: hidden, Nick: "ali-baba"}, alice, bob)
			target := id.String()
			mallory := listen(t, id, "mallory", alice, bob)

			const lines = 20
			for i := range lines {
				says(t, alice, target, fmt.Sprintf("treasure %d", i))
				says(t, bob, target, fmt.Sprintf("gold %d", i))
			}
			if _, err := bob.JoinRoom(t.Context(), api.JoinRoomRequest{Room: target, Nick: "cassim"}); err != nil {
				t.Fatal(err)
			}
			if err := bob.SetAway(t.Context(), true, "in the cave"); err != nil {
				t.Fatal(err)
			}
			wait(t, "the outsider gets what is said", func() bool { return len(mallory.payloads()) > 2*lines })
			wait(t, "bob is shown away", func() bool { return slices.Contains(membersOf(t, alice, target), "cassim "+api.PresenceAway) })

			secrets := []string{"treasure", "gold", "open-sesame", "ali-baba", "cassim", "cave", "alice", "bob"}
			for _, n := range []testNode{alice, bob} {
				secrets = append(secrets, string(n.key.ID()), n.key.ID().String())
			}
			for _, m := range mallory.payloads() {
				if len(m.From)+len(m.Seqno)+len(m.Signature)+len(m.Key) > 0 {
					t.Errorf("a message tells who sent it: %v", m.Message)
				}
				for _, s := range secrets {
					if bytes.Contains(m.Data, []byte(s)) {
						t.Errorf("an outsider reads %q in a payload", s)
					}
				}
				env, err := envelope.Decode(m.Data)
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range []envelope.Key{{}, envelope.Key(id), envelope.Key(env.Epoch)} {
					if _, err := env.Open(id, k); err == nil {
						t.Errorf("a payload opens with %x", k)
					}
				}
			}
			for _, n := range []testNode{alice, bob} {
				if got := membersOf(t, n, target); len(got) != 2 {
					t.Errorf("members: %q", got)
				}
			}
			r, err := alice.Send(t.Context(), api.SendRequest{Target: target, Text: "who is that?", Wait: time.Minute})
			if err != nil || r.Members != 1 || r.Acked != 1 {
				t.Errorf("receipt %+v, %v", r, err)
			}
		})
	}
}

// insider is a member whose program is not ours: he has the room's key and says
// what he likes.
type insider struct {
	*listener
	rules *room.Room
	epoch event.ID
	seal  envelope.Key
	key   identity.Key
	log   event.LogKey
	seq   uint64
	prev  event.ID
}

// infiltrate joins the room of n by the book and then writes to its topic
// directly.
func infiltrate(t *testing.T, n testNode, id event.Conversation, name string) *insider {
	t.Helper()
	s := &insider{listener: listen(t, id, name, n)}
	s.key = s.listener.key
	st := roomStore{n.store}
	controls, err := st.Controls(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if s.rules, err = room.New(controls[0]); err != nil {
		t.Fatal(err)
	}
	s.rules.AddControl(controls[1:]...)
	keys, err := st.Keys(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for s.epoch, s.seal = range keys {
		break
	}
	s.log = event.LogKey{Author: s.key.ID(), Log: event.LogID{7}}
	body, err := room.EncodeBody(&room.Join{Nick: name})
	if err != nil {
		t.Fatal(err)
	}
	s.publish(s.sealed(&envelope.Content{Events: []*event.Event{s.next(room.KindJoin, body)}}))
	wait(t, name+" is a member", func() bool {
		return slices.ContainsFunc(membersOf(t, n, id.String()), func(m string) bool { return strings.HasPrefix(m, name+" ") })
	})
	return s
}

// next signs his next event; how may change it before.
func (s *insider) next(kind event.Kind, body []byte, how ...func(*event.Header)) *event.Event {
	s.t.Helper()
	h := event.Header{
		Conversation: s.room, Lane: event.LaneMessage, Log: s.log.Log, Seq: s.seq + 1, Prev: s.prev,
		Ctl: s.rules.Cite(s.key.ID()), Time: event.At(time.Now()), Kind: kind,
	}
	for _, f := range how {
		f(&h)
	}
	e, err := event.Sign(s.key, h, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(how) == 0 {
		s.seq, s.prev = e.Seq, e.ID
	}
	return e
}

// text signs a text; with how it takes no place in his log.
func (s *insider) text(text string, how ...func(*event.Header)) *event.Event {
	s.t.Helper()
	body, err := event.EncodeText(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.next(event.KindText, body, how...)
}

func (s *insider) sealed(c *envelope.Content) []byte {
	s.t.Helper()
	payload, err := envelope.Seal(rand.Reader, s.room, s.epoch, s.seal, c, false)
	if err != nil {
		s.t.Fatal(err)
	}
	return payload
}

// raw seals what need not be a content.
func (s *insider) raw(plain []byte) []byte {
	s.t.Helper()
	aead, err := chacha20poly1305.NewX(s.seal[:])
	if err != nil {
		s.t.Fatal(err)
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		s.t.Fatal(err)
	}
	payload, err := proto.Marshal(&pb.Envelope{
		Epoch: s.epoch[:], Nonce: nonce, Sealed: aead.Seal(nil, nonce, plain, append([]byte(envelope.Topic(s.room)), s.epoch[:]...)),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return payload
}

func (s *insider) events(e ...*event.Event) []byte {
	s.t.Helper()
	return s.sealed(&envelope.Content{Events: e})
}

// presence signs a presence, with any key.
func (s *insider) presence(k identity.Key, p *pb.Presence) *pb.SignedPresence {
	s.t.Helper()
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		s.t.Fatal(err)
	}
	sig, err := k.Sign("p2pchat presence v1\x00", raw)
	if err != nil {
		s.t.Fatal(err)
	}
	return &pb.SignedPresence{Presence: raw, Signature: sig}
}

// content seals a content of any parts.
func (s *insider) content(m *pb.Content) []byte {
	s.t.Helper()
	plain, err := proto.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.raw(plain)
}

// control signs an act he has no right to.
func (s *insider) control(op room.Op) *event.Event {
	s.t.Helper()
	op.Auth = event.ID(s.room)
	body, err := op.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.next(op.Kind, body, func(h *event.Header) {
		h.Lane, h.Log, h.Seq, h.Prev, h.Ctl = event.LaneControl, event.LogID{}, 0, event.ID{}, []event.ID{event.ID(s.room)}
	})
}

// TestHiddenRoomNotNamed: whoever sits on the topic of a hidden room, whose name is a
// hash, is not told the room's ID, by which he could ask to enter.
func TestHiddenRoomNotNamed(t *testing.T) {
	t.Parallel()
	alice := start(t, newAccount(t, "alice"))
	id := roomOf(t, api.CreateRoomRequest{Name: "den", Hidden: true}, alice)
	mallory := listen(t, id, "mallory", alice)
	opened := make(chan []byte, 16) // more than are opened in a test
	for _, p := range []protocol.ID{antientropy.Protocol, rooms.JoinProtocol} {
		mallory.host.SetStreamHandler(p, func(s network.Stream) {
			_ = s.SetReadDeadline(time.Now().Add(time.Minute))
			first := make([]byte, 1<<10)
			n, _ := s.Read(first)
			opened <- first[:n]
			_ = s.Reset()
		})
	}
	told := func(when string) {
		t.Helper()
		// What a kick brings about, and told when it has been.
		if err := alice.sync.Sync(t.Context(), id, mallory.key.ID()); !errors.Is(err, antientropy.ErrNotServed) {
			t.Errorf("%s: %v", when, err)
		}
		select {
		case frame := <-opened:
			t.Errorf("%s an outsider is sent %d bytes; with the ID: %v", when, len(frame), bytes.Contains(frame, id[:]))
		default:
		}
	}
	told("when he came")
	mallory.publish([]byte("noise"))
	alice.says(t, id.String(), "whisper")
	told("after he was heard")
}
