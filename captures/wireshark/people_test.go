package wireshark_test

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub/pb"
	"golang.org/x/crypto/chacha20poly1305"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/pb"
)

// account makes the ID of somebody: an identity multihash of an Ed25519 key.
func account(n byte) []byte {
	id := []byte{0, 0x24, 8, 1, 0x12, 0x20}
	key := sha256.Sum256([]byte{n})
	return append(id, key[:]...)
}

var people = [2][]byte{account(1), account(2)}

var names = [2]string{"client", "server"}

// marshal encodes a message.
func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// delimited is a message behind its length, as it travels on our streams.
func delimited(t *testing.T, m proto.Message) []byte {
	t.Helper()
	return protowire.AppendBytes(nil, marshal(t, m))
}

// event makes one that looks signed; the plugin checks no signatures.
func event(t *testing.T, lane pb.Lane, kind, seq int, conversation, author []byte, body proto.Message) *pb.Event {
	t.Helper()
	b := marshal(t, body)
	hash := sha256.Sum256(b)
	h := &pb.EventHeader{
		Conversation: conversation, Author: author, Lane: lane, Kind: uint32(kind), Time: uint64(1.7e12)<<16 + uint64(seq),
		BodyLen: uint32(len(b)), BodyHash: hash[:],
	}
	if lane == pb.Lane_LANE_MESSAGE {
		h.Log, h.Seq = []byte("logloglo"), uint64(seq)
	}
	header := marshal(t, h)
	signature := sha256.Sum256(header)
	return &pb.Event{Header: header, Signature: append(signature[:], signature[:]...), Body: b}
}

func eventID(e *pb.Event) []byte {
	id := sha256.Sum256(append(append([]byte(nil), e.Header...), e.Signature...))
	return id[:]
}

// text makes a line in a conversation.
func text(t *testing.T, seq int, conversation, author []byte, line string) *pb.Event {
	t.Helper()
	return event(t, pb.Lane_LANE_MESSAGE, 1, seq, conversation, author, &pb.TextBody{Text: line})
}

// room is one that a test speaks in.
type room struct {
	genesis        *pb.Event
	id, epoch, key []byte
	topic          string
	nonce, sealed  int // the last one's number and its bytes
}

func newRoom(t *testing.T, name string) *room {
	t.Helper()
	g := event(t, pb.Lane_LANE_CONTROL, 16, 0, nil, people[listener], &pb.RoomGenesis{
		Nonce: []byte(strings.Repeat("n", 32)), Epoch: []byte(strings.Repeat("e", 32)),
		Config: []*pb.RoomSetting{{Field: 1, Text: name}},
	})
	id := eventID(g)
	hash := sha256.Sum256(id)
	key := sha256.Sum256([]byte(name))
	return &room{
		genesis: g, id: id, epoch: id, key: key[:],
		topic: "/p2pchat/room/1.0.0/" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(hash[:])),
	}
}

// seal makes the payload of a GossipSub message.
func (r *room) seal(t *testing.T, content *pb.Content) []byte {
	t.Helper()
	aead, err := chacha20poly1305.NewX(r.key)
	if err != nil {
		t.Fatal(err)
	}
	r.nonce++
	nonce := binary.BigEndian.AppendUint64(make([]byte, 16), uint64(r.nonce))
	sealed := aead.Seal(nil, nonce, marshal(t, content), append([]byte(r.topic), r.epoch...))
	r.sealed = len(sealed)
	return marshal(t, &pb.Envelope{Epoch: r.epoch, Nonce: nonce, Sealed: sealed, Flooded: true})
}

// comment is what the packet comment says of a room's key.
func (r *room) comment(name string) string {
	return fmt.Sprintf("p2pchat room=%x topic=%s epoch=%x key=%x name=%s", r.id, r.topic, r.epoch, r.key, name)
}

// publish is an RPC with events of the room.
func (r *room) publish(t *testing.T, events ...*pb.Event) []byte {
	t.Helper()
	return delimited(t, &pubsub.RPC{Publish: []*pubsub.Message{{Topic: &r.topic, Data: r.seal(t, &pb.Content{Events: &pb.EventBatch{Events: events}})}}})
}

// Streams of a conversation.
const (
	helloStream = iota
	directStream
	syncStream
	joinStream
	roomsStream
	gossipStream   // dialer's; listener's is the next
	identifyStream = iota + 1
	pushStream
	pingStream
	otherStream
)

// negotiate opens a stream as go-libp2p does: the opener says what it wants with
// its first bytes, and the other side agrees.
func negotiate(c talker, side, stream int, protocol string, first []byte) {
	c.write(side, stream, append([]byte(token("/multistream/1.0.0")+token(protocol)), first...))
	c.write(1-side, stream, []byte(token("/multistream/1.0.0")))
	c.write(1-side, stream, []byte(token(protocol)))
}

// meet has both say who they are.
func meet(t *testing.T, c talker) {
	t.Helper()
	profile := func(side int) []byte {
		return delimited(t, &pb.HelloFrame{
			Profile: &pb.SignedProfile{
				Profile: marshal(t, &pb.Profile{Peer: people[side], Username: names[side], Version: 1}), Signature: make([]byte, 64),
			},
			Availability: pb.Availability_AVAILABILITY_AVAILABLE,
		})
	}
	negotiate(c, dialer, helloStream, "/p2pchat/hello/1.0.0", profile(dialer))
	c.write(listener, helloStream, profile(listener))
}

// direct conversations of the two.
var conversation = func() []byte { h := sha256.Sum256([]byte("the two")); return h[:] }()

// batch is a direct frame with events.
func batch(t *testing.T, events ...*pb.Event) []byte {
	t.Helper()
	return delimited(t, &pb.DirectFrame{Events: &pb.EventBatch{Events: events}})
}
