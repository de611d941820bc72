package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio/pbio"
	"google.golang.org/protobuf/proto"

	"p2pchat/node/api"
	"p2pchat/node/internal/antientropy"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// framed is a message as it travels on a stream.
func framed(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

// oversize is the head of a frame of 2 GiB.
var oversize = []byte{0xff, 0xff, 0xff, 0xff, 0x07}

// asks opens a stream, writes to it, and returns all frames that are answered
// until the node ends it.
func asks[M any, P interface {
	*M
	proto.Message
}](o *outsider, p protocol.ID, what []byte) (answers []P, err error) {
	o.t.Helper()
	s := o.stream(p)
	defer func() { _ = s.Reset() }()
	if _, err := s.Write(what); err != nil {
		return nil, err
	}
	r := pbio.NewDelimitedReader(s, 1<<20)
	for {
		m := P(new(M))
		if err := r.ReadMsg(m); err != nil {
			o.ended(err)
			return answers, err
		}
		answers = append(answers, m)
	}
}

// TestHostileQuestions: what is asked badly at the doors of a room is not
// answered, what is asked by those whom it is not for is refused, and whoever
// stalls or floods keeps no one else from coming in.
func TestHostileQuestions(t *testing.T) {
	t.Parallel()
	alice := start(t, newAccount(t, "alice"))
	id := roomOf(t, api.CreateRoomRequest{Name: "cellar", Hidden: true}, alice)
	before := stateOf(t, alice, id.String())
	enter := func(e *pb.JoinEnter) []byte { return framed(t, &pb.JoinAsk{Room: id[:], Enter: e}) }
	log := bytes.Repeat([]byte{1}, 8)
	many := make([][]byte, 17)
	for i := range many {
		many[i] = id[:]
	}
	for name, what := range map[string][]byte{
		"garbage":             bytes.Repeat([]byte("\x09not a frame"), 50),
		"an oversize frame":   oversize,
		"half a frame":        {100, 1, 2, 3},
		"nothing":             framed(t, &pb.JoinAsk{}),
		"no room":             framed(t, &pb.JoinAsk{Ping: true}),
		"half a room":         framed(t, &pb.JoinAsk{Room: id[:7], Ping: true}),
		"another room":        framed(t, &pb.JoinAsk{Room: bytes.Repeat([]byte{5}, 32), Enter: &pb.JoinEnter{Nick: "mallory", Log: log}}),
		"no question":         framed(t, &pb.JoinAsk{Room: id[:]}),
		"no nick":             enter(&pb.JoinEnter{Log: log}),
		"a long nick":         enter(&pb.JoinEnter{Nick: strings.Repeat("m", 1000), Log: log}),
		"a nick of escapes":   enter(&pb.JoinEnter{Nick: "\x1b[2J", Log: log}),
		"a taken nick":        enter(&pb.JoinEnter{Nick: "ALICE", Log: log}),
		"no log":              enter(&pb.JoinEnter{Nick: "mallory"}),
		"half a log":          enter(&pb.JoinEnter{Nick: "mallory", Log: log[:3]}),
		"more keys than fit":  framed(t, &pb.JoinAsk{Room: id[:], Keys: &pb.JoinKeys{Epochs: many}}),
		"keys of nothing":     framed(t, &pb.JoinAsk{Room: id[:], Keys: &pb.JoinKeys{}}),
		"a ping from outside": framed(t, &pb.JoinAsk{Room: id[:], Ping: true}),
	} {
		o := meet(t, alice, "mallory")
		answers, _ := asks[pb.JoinAnswer](o, rooms.JoinProtocol, what)
		for _, a := range answers {
			if a.Refusal == nil {
				t.Errorf("%s is answered: %v", name, a)
			}
		}
		_ = o.host.Close()
	}

	o := meet(t, alice, "mallory")
	for name, what := range map[string][]byte{
		"all rooms":         framed(t, &pb.DirectoryAsk{}),
		"garbage":           bytes.Repeat([]byte("\x09not a frame"), 50),
		"an oversize frame": oversize,
		"half a room":       framed(t, &pb.DirectoryAsk{Room: id[:9]}),
		"another room":      framed(t, &pb.DirectoryAsk{Room: bytes.Repeat([]byte{5}, 32)}),
	} {
		if answers, _ := asks[pb.DirectoryAnswer](o, rooms.DirectoryProtocol, what); len(answers) > 0 {
			t.Errorf("asked for %s the directory tells of a hidden room: %v", name, answers)
		}
	}

	// Floods and stalls, from several sides.
	for i := range 4 {
		o := meet(t, alice, fmt.Sprintf("mallory%d", i))
		for _, p := range []protocol.ID{rooms.JoinProtocol, rooms.DirectoryProtocol, antientropy.Protocol} {
			for j := range 100 {
				s, err := o.host.NewStream(t.Context(), alice.key.ID(), p)
				if err != nil {
					break // enough of him
				}
				_ = s.SetDeadline(time.Now().Add(time.Minute))
				if j%2 == 0 {
					_, _ = s.Write([]byte{100, 1}) // and no more
				} else {
					_, _ = s.Write(framed(t, &pb.JoinAsk{Room: id[:], Ping: true}))
				}
			}
		}
	}
	if after := stateOf(t, alice, id.String()); after != before {
		t.Errorf("the state is\n%swas\n%s", after, before)
	}
	if got := membersOf(t, alice, id.String()); !slices.Equal(got, []string{"alice online"}) {
		t.Errorf("members: %q", got)
	}
	carol := start(t, newAccount(t, "carol"), alice)
	if _, err := carol.JoinRoom(t.Context(), api.JoinRoomRequest{Room: id.String(), Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	wait(t, "she knows of alice", func() bool { return len(membersOf(t, carol, id.String())) == 2 })
	says(t, carol, id.String(), "what a crowd at the door")
}

// TestBanned: whoever is banned gets neither keys nor history, is not let in,
// and what he says is seen by nobody.
func TestBanned(t *testing.T) {
	t.Parallel()
	alice := start(t, newAccount(t, "alice"))
	bob := start(t, newAccount(t, "bob"), alice)
	id := roomOf(t, api.CreateRoomRequest{Name: "dev"}, alice, bob)
	mallory := infiltrate(t, alice, id, "mallory")
	mallory.publish(mallory.events(mallory.text("heard")))
	for _, n := range []testNode{alice, bob} {
		wait(t, "his line", func() bool { return slices.Contains(textsOf(t, n, id.String()), "heard") })
	}
	sync := framed(t, &pb.SyncFrame{Open: &pb.SyncOpen{Room: id[:], Digest: make([]byte, 32)}})
	// Busy is what he hears while she asks him.
	answer := func() pb.SyncAnswer {
		st := mallory.stream(antientropy.Protocol)
		defer func() { _ = st.Reset() }()
		if _, err := st.Write(sync); err != nil {
			t.Fatal(err)
		}
		var f pb.SyncFrame
		if err := pbio.NewDelimitedReader(st, 1<<20).ReadMsg(&f); err != nil {
			t.Fatalf("sync does not answer: %v", err)
		}
		return f.Answer
	}
	wait(t, "he is served before the ban", func() bool { return answer() == pb.SyncAnswer_SYNC_ANSWER_DIFFERENT })

	// As alice would do it; her log's tips are what she heard of him.
	ban := room.Op{
		Kind: room.KindSet, Auth: event.ID(id), Target: mallory.key.ID(), Standing: room.Outcast,
		Cuts: []room.Cut{{LogKey: mallory.log, Tips: []event.ID{mallory.prev}}},
	}
	body, err := ban.Encode()
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Sign(alice.key, event.Header{
		Conversation: id, Lane: event.LaneControl, Ctl: []event.ID{event.ID(id)}, Time: event.At(time.Now()), Kind: room.KindSet,
	}, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []testNode{alice, bob} {
		r, err := n.rooms.Room(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Ingest(t.Context(), bob.key.ID(), []*event.Event{e}); err != nil {
			t.Fatal(err)
		}
		wait(t, "he is out", func() bool { return len(membersOf(t, n, id.String())) == 2 })
	}

	mallory.publish(mallory.events(mallory.text("unheard")))
	wait(t, "sync ends", func() bool { return answer() != pb.SyncAnswer_SYNC_ANSWER_BUSY })
	if a := answer(); a != pb.SyncAnswer_SYNC_ANSWER_REFUSED {
		t.Errorf("sync answers a banned one %v", a)
	}
	for name, want := range map[string]*pb.JoinAsk{
		string(room.Banned): {Room: id[:], Enter: &pb.JoinEnter{Nick: "mallory", Log: mallory.log.Log[:]}},
		"not-joined":        {Room: id[:], Keys: &pb.JoinKeys{Epochs: [][]byte{mallory.epoch[:]}}},
	} {
		a, _ := asks[pb.JoinAnswer](mallory.outsider, rooms.JoinProtocol, framed(t, want))
		if len(a) != 1 || a[0].GetRefusal().GetCode() != name {
			t.Errorf("a banned one is answered %v, want %s", a, name)
		}
	}
	says(t, bob, id.String(), "good riddance")
	for _, n := range []testNode{alice, bob} {
		wait(t, "bob's line", func() bool { return slices.Contains(textsOf(t, n, id.String()), "good riddance") })
		if got, want := textsOf(t, n, id.String()), []string{"heard", "good riddance"}; !slices.Equal(got, want) {
			t.Errorf("the log is %q, want %q", got, want)
		}
	}
}

// doorkeeper claims to be in rooms and lets people in as badly as he can.
type doorkeeper struct {
	*outsider
	genesis *event.Event
	key     envelope.Key
}

// keepDoor makes an outsider who tells of a room of his.
func keepDoor(t *testing.T, n testNode, name string) *doorkeeper {
	t.Helper()
	k := &doorkeeper{outsider: meet(t, n, "keeper-of-"+name), key: envelope.Key{1}}
	k.genesis = k.found(name)
	return k
}

func (k *doorkeeper) found(name string) *event.Event {
	k.t.Helper()
	g := room.Genesis{Nonce: [32]byte{1}, Epoch: room.EpochCommitment(k.key), Config: []room.Setting{{Field: room.FieldName, Text: name}}}
	copy(g.Nonce[:], name)
	body, err := g.Encode()
	if err != nil {
		k.t.Fatal(err)
	}
	e, err := event.Sign(k.outsider.key, event.Header{Lane: event.LaneControl, Time: event.At(time.Now()), Kind: room.KindGenesis}, body)
	if err != nil {
		k.t.Fatal(err)
	}
	return e
}

// answers has him answer every stream of a protocol with these bytes.
func (k *doorkeeper) answers(p protocol.ID, what []byte) {
	k.host.SetStreamHandler(p, func(s network.Stream) {
		_ = s.SetDeadline(time.Now().Add(time.Minute))
		_, _ = s.Write(what)
		_ = s.CloseWrite()
	})
}
