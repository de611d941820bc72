package envelope

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

var update = flag.Bool("update", false, "write the vectors anew")

var (
	room  = event.Conversation{7}
	epoch = event.ID{8}
	key   = Key{9}
)

// counter is a repeatable source of nonces.
type counter byte

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		*c++
		p[i] = byte(*c)
	}
	return len(p), nil
}

func testKey(t testing.TB, n byte) identity.Key {
	t.Helper()
	k, err := identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func text(t testing.TB, s string) *event.Event {
	t.Helper()
	body, err := event.EncodeText(s)
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Sign(testKey(t, 1), event.Header{
		Conversation: room, Lane: event.LaneMessage, Log: event.LogID{1}, Seq: 1, Ctl: []event.ID{event.ID(room)},
		Time: event.At(time.UnixMilli(1_800_000_000_000)), Kind: event.KindText,
	}, body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func presence(t testing.TB) *SignedPresence {
	t.Helper()
	k := testKey(t, 1)
	p, err := SignPresence(k, Presence{Room: room, Peer: k.ID(), Away: true, Time: time.UnixMilli(1_800_000_000_000)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func seal(t testing.TB, c *Content, flooded bool) []byte {
	t.Helper()
	b, err := Seal(new(counter), room, epoch, key, c, flooded)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealAndOpen(t *testing.T) {
	e, p := text(t, "Hi! server, need help"), presence(t)
	for name, c := range map[string]*Content{"events": {Events: []*event.Event{e, e}}, "presence": {Presence: p}} {
		for _, flooded := range []bool{false, true} {
			env, err := Decode(seal(t, c, flooded))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if env.Epoch != epoch || env.Flooded != flooded {
				t.Errorf("%s: epoch %s, flooded %v", name, env.Epoch, env.Flooded)
			}
			got, err := env.Open(room, key)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(got.Events) != len(c.Events) || (got.Presence == nil) != (c.Presence == nil) {
				t.Fatalf("%s: got %+v", name, got)
			}
			for _, o := range got.Events {
				if o.ID != e.ID || !bytes.Equal(o.Body, e.Body) {
					t.Errorf("an event changed on its way")
				}
			}
			if got.Presence != nil && (got.Presence.Presence != p.Presence || got.Presence.Verify() != nil) {
				t.Errorf("presence: %+v, want %+v", got.Presence.Presence, p.Presence)
			}
		}
	}
}

func TestOnlyTheKeyOpens(t *testing.T) {
	payload := seal(t, &Content{Events: []*event.Event{text(t, "secret words")}}, false)
	if bytes.Contains(payload, []byte("secret words")) || bytes.Contains(payload, []byte(testKey(t, 1).ID())) {
		t.Error("the payload shows text or author")
	}
	open := func(change func(*pb.Envelope), room event.Conversation, key Key) error {
		var m pb.Envelope
		if err := proto.Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		b, err := proto.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		env, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		_, err = env.Open(room, key)
		return err
	}
	none := func(*pb.Envelope) {}
	if err := open(none, room, key); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	for name, err := range map[string]error{
		"another key":   open(none, room, Key{1}),
		"another room":  open(none, event.Conversation{1}, key),
		"another epoch": open(func(m *pb.Envelope) { m.Epoch[0]++ }, room, key),
		"another nonce": open(func(m *pb.Envelope) { m.Nonce[0]++ }, room, key),
		"a changed bit": open(func(m *pb.Envelope) { m.Sealed[3]++ }, room, key),
		"cut short":     open(func(m *pb.Envelope) { m.Sealed = m.Sealed[:len(m.Sealed)-1] }, room, key),
	} {
		if !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v, want ErrSealed", name, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	good := seal(t, &Content{Presence: presence(t)}, false)
	for name, b := range map[string][]byte{
		"empty": nil, "garbage": {0xff}, "cut": good[:len(good)/2], "oversize": make([]byte, MaxPayload+1),
	} {
		if _, err := Decode(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Seal(new(counter), room, epoch, key, &Content{}, false); err == nil {
		t.Error("an empty content is sealed")
	}
	big := make([]*event.Event, 20)
	for i := range big {
		big[i] = text(t, strings.Repeat("x", event.MaxText))
	}
	if _, err := Seal(new(counter), room, epoch, key, &Content{Events: big}, false); err == nil {
		t.Error("a payload over the limit is sealed")
	}
	for name, c := range map[string]*pb.Content{
		"both":           {Events: &pb.EventBatch{}, Presence: &pb.SignedPresence{}},
		"false event":    {Events: &pb.EventBatch{Events: []*pb.Event{{Header: []byte{1}}}}},
		"no presence":    {Presence: &pb.SignedPresence{}},
		"false presence": {Presence: &pb.SignedPresence{Presence: []byte{0xff}}},
	} {
		b, err := proto.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeContent(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPresenceIsSigned(t *testing.T) {
	p := presence(t)
	p.wire.Signature[0]++
	if p.Verify() == nil {
		t.Error("a false signature verifies")
	}
	if _, err := SignPresence(testKey(t, 2), p.Presence); err == nil {
		t.Error("signed for somebody else")
	}
}

// TestVectors keeps the formats as docs/PROTOCOL.md publishes them.
func TestVectors(t *testing.T) {
	var out strings.Builder
	line := func(k string, v []byte) { out.WriteString(k + " " + hex.EncodeToString(v) + "\n") }
	line("room", room[:])
	out.WriteString("topic " + Topic(room) + "\n")
	line("epoch", epoch[:])
	line("key", key[:])
	events := &Content{Events: []*event.Event{text(t, "Hi! server, need help")}}
	plain, err := events.encode()
	if err != nil {
		t.Fatal(err)
	}
	line("events.content", plain)
	line("events.envelope", seal(t, events, true))
	p := presence(t)
	line("presence", p.wire.Presence)
	line("presence.signature", p.wire.Signature)
	line("presence.envelope", seal(t, &Content{Presence: p}, false))

	path := filepath.Join("testdata", "vectors.txt")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the wire format changed:\n%s", out.String())
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(seal(f, &Content{Presence: presence(f)}, false))
	f.Fuzz(func(t *testing.T, b []byte) {
		if env, err := Decode(b); err == nil {
			_, _ = env.Open(room, key)
		}
		if c, err := decodeContent(b); err == nil && c.Presence != nil {
			_ = c.Presence.Verify()
		}
	})
}
