package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

var update = flag.Bool("update", false, "write the vectors anew")

func testKey(t testing.TB, n byte) identity.Key {
	t.Helper()
	k, err := identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSign(t testing.TB, k identity.Key, h Header, body []byte) *Event {
	t.Helper()
	e, err := Sign(k, h, body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustText(t testing.TB, s string) []byte {
	t.Helper()
	b, err := EncodeText(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// chain makes a log of n texts.
func chain(t testing.TB, k identity.Key, conv Conversation, log LogID, n int) []*Event {
	t.Helper()
	var out []*Event
	var prev ID
	clock := At(time.UnixMilli(1_800_000_000_000))
	for i := range n {
		e := mustSign(t, k, Header{
			Conversation: conv, Lane: LaneMessage, Log: log, Seq: uint64(i + 1), Prev: prev, Time: clock, Kind: KindText,
		}, mustText(t, "line"))
		out = append(out, e)
		prev, clock = e.ID, clock.Next(clock.Wall())
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := testKey(t, rapid.Byte().Draw(rt, "key"))
		ids := rapid.Custom(func(rt *rapid.T) ID { return ID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "id")) })
		set := rapid.Map(rapid.SliceOfNDistinct(ids, 0, MaxHeads, func(id ID) ID { return id }), func(s []ID) []ID {
			return sorted(s)
		})
		h := Header{
			Lane: LaneMessage, Log: LogID{1, rapid.Byte().Draw(rt, "log")}, Seq: rapid.Uint64Range(1, 1<<63).Draw(rt, "seq"),
			Time: Time(rapid.Uint64().Draw(rt, "time")), Kind: Kind(rapid.Uint32Min(1).Draw(rt, "kind")),
			Ctl: set.Draw(rt, "ctl"), Heads: set.Draw(rt, "heads"),
		}
		h.Conversation[0] = 1
		if h.Seq > 1 {
			h.Prev[31] = 1
		}
		if rapid.Bool().Draw(rt, "control") {
			h.Lane, h.Log, h.Seq, h.Prev = LaneControl, LogID{}, 0, ID{}
		}
		body := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "body")
		e := mustSign(t, k, h, body)
		if err := e.Verify(); err != nil {
			rt.Fatal(err)
		}
		wire, err := proto.Marshal(e.Wire())
		if err != nil {
			rt.Fatal(err)
		}
		var m pb.Event
		if err := proto.Unmarshal(wire, &m); err != nil {
			rt.Fatal(err)
		}
		got, err := FromWire(&m)
		if err != nil {
			rt.Fatal(err)
		}
		if got.ID != e.ID || got.Time != h.Time || got.Seq != h.Seq || got.Kind != h.Kind || got.Author != k.ID() ||
			len(got.Ctl) != len(h.Ctl) || !bytes.Equal(got.Body, body) || !got.HasBody() {
			rt.Fatalf("got %+v, want %+v", got, e)
		}
		dropped, err := Decode(e.Raw, e.Signature, nil)
		if err != nil || dropped.ID != e.ID || dropped.HasBody() != (len(body) == 0) {
			rt.Fatalf("without its body: %v, %v", dropped, err)
		}
	})
}

func sorted(ids []ID) []ID {
	for i := range ids {
		for j := i; j > 0 && ids[j].Compare(ids[j-1]) < 0; j-- {
			ids[j], ids[j-1] = ids[j-1], ids[j]
		}
	}
	return ids
}

// TestHeaderRefusals breaks one rule each in a header that is otherwise good.
func TestHeaderRefusals(t *testing.T) {
	k := testKey(t, 1)
	hash := sha256.Sum256(nil)
	base := func() *pb.EventHeader {
		return &pb.EventHeader{
			Conversation: bytes.Repeat([]byte{9}, 32), Author: []byte(k.ID()), Lane: pb.Lane_LANE_MESSAGE,
			Log: []byte("logid123"), Seq: 2, Prev: bytes.Repeat([]byte{7}, 32), Time: 1, Kind: 1, BodyHash: hash[:],
		}
	}
	decode := func(m *pb.EventHeader, extra ...byte) error {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Decode(append(raw, extra...), make([]byte, 64), nil)
		return err
	}
	if err := decode(base()); err != nil {
		t.Fatalf("the unchanged header: %v", err)
	}
	id := bytes.Repeat([]byte{1}, 32)
	for name, f := range map[string]func(*pb.EventHeader){
		"no conversation":      func(m *pb.EventHeader) { m.Conversation = nil },
		"zero conversation":    func(m *pb.EventHeader) { m.Conversation = make([]byte, 32) },
		"short conversation":   func(m *pb.EventHeader) { m.Conversation = m.Conversation[1:] },
		"no author":            func(m *pb.EventHeader) { m.Author = nil },
		"no lane":              func(m *pb.EventHeader) { m.Lane = 0 },
		"unknown lane":         func(m *pb.EventHeader) { m.Lane = 3 },
		"lane beyond a byte":   func(m *pb.EventHeader) { m.Lane = 257 },
		"control with log":     func(m *pb.EventHeader) { m.Lane = pb.Lane_LANE_CONTROL },
		"no log":               func(m *pb.EventHeader) { m.Log = nil },
		"long log":             func(m *pb.EventHeader) { m.Log = make([]byte, 9) },
		"no seq":               func(m *pb.EventHeader) { m.Seq = 0 },
		"prev at seq 1":        func(m *pb.EventHeader) { m.Seq = 1 },
		"no prev at seq 2":     func(m *pb.EventHeader) { m.Prev = nil },
		"no kind":              func(m *pb.EventHeader) { m.Kind = 0 },
		"no body hash":         func(m *pb.EventHeader) { m.BodyHash = nil },
		"oversize body":        func(m *pb.EventHeader) { m.BodyLen = MaxEvent },
		"huge body":            func(m *pb.EventHeader) { m.BodyLen = 1<<32 - 1 },
		"too many heads":       func(m *pb.EventHeader) { m.Heads = make([][]byte, MaxHeads+1) },
		"head twice":           func(m *pb.EventHeader) { m.Heads = [][]byte{id, id} },
		"heads out of order":   func(m *pb.EventHeader) { m.Heads = [][]byte{bytes.Repeat([]byte{2}, 32), id} },
		"ctl of the wrong len": func(m *pb.EventHeader) { m.Ctl = [][]byte{id[1:]} },
	} {
		m := base()
		f(m)
		if err := decode(m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if decode(base(), 0x78, 0x01) == nil {
		t.Error("unknown field: accepted")
	}
	if decode(base(), 0x50, 0x01) == nil {
		t.Error("a field twice: accepted")
	}
	if decode(base(), 0x50) == nil {
		t.Error("a truncated field: accepted")
	}
}

func TestDecodeChecksBody(t *testing.T) {
	k := testKey(t, 1)
	e := chain(t, k, Conversation{1}, LogID{1}, 1)[0]
	for name, body := range map[string][]byte{
		"other":     mustText(t, "lime"),
		"longer":    append(bytes.Clone(e.Body), 0),
		"truncated": e.Body[:len(e.Body)-1],
	} {
		if _, err := Decode(e.Raw, e.Signature, body); err == nil {
			t.Errorf("%s body: accepted", name)
		}
	}
	if _, err := Decode(e.Raw, e.Signature[1:], e.Body); err == nil {
		t.Error("short signature: accepted")
	}
}

func TestVerifyRange(t *testing.T) {
	k := testKey(t, 1)
	log := chain(t, k, Conversation{1}, LogID{1}, 5)
	other := chain(t, testKey(t, 2), Conversation{1}, LogID{1}, 2)
	if err := VerifyRange(append(append([]*Event{}, log...), other...)); err != nil {
		t.Fatalf("two good logs: %v", err)
	}
	forge := func(e *Event) *Event {
		sig := bytes.Clone(e.Signature)
		sig[0] ^= 1
		f, err := Decode(e.Raw, sig, e.Body)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for i := range log {
		bad := append([]*Event{}, log...)
		bad[i] = forge(log[i])
		if VerifyRange(bad) == nil {
			t.Errorf("false signature at %d of a range: accepted", i)
		}
	}
	// A chain vouches only for events of its own log.
	if VerifyRange([]*Event{forge(other[0]), log[1]}) == nil {
		t.Error("a stranger's event is vouched for")
	}
}

func TestFrontier(t *testing.T) {
	a, b := LogKey{testKey(t, 1).ID(), LogID{1}}, LogKey{testKey(t, 1).ID(), LogID{2}}
	mine := Frontier{a: {5, ID{5}}, b: {3, ID{3}}}
	cases := []struct {
		name   string
		theirs Frontier
		want   []Range
	}{
		{"nothing", nil, []Range{{a, 1, 5}, {b, 1, 3}}},
		{"behind", Frontier{a: {2, ID{2}}, b: {3, ID{3}}}, []Range{{a, 3, 5}}},
		{"equal", mine, nil},
		{"ahead", Frontier{a: {9, ID{9}}, b: {3, ID{3}}}, nil},
		{"forked", Frontier{a: {5, ID{6}}, b: {3, ID{3}}}, []Range{{a, 1, 5}}},
	}
	for _, c := range cases {
		got := mine.MissingIn(c.theirs)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
		if same := mine.Digest() == c.theirs.Digest(); same != (c.name == "equal") {
			t.Errorf("%s: equal digests: %v", c.name, same)
		}
	}
	got, err := FrontierFromWire(mine.Wire(), 2)
	if err != nil || got.Digest() != mine.Digest() {
		t.Fatalf("round trip: %v, %v", got, err)
	}
	if _, err := FrontierFromWire(mine.Wire(), 1); err == nil {
		t.Error("over the limit: accepted")
	}
	w := mine.Wire()
	w.Heads[0], w.Heads[1] = w.Heads[1], w.Heads[0]
	if _, err := FrontierFromWire(w, 2); err == nil {
		t.Error("out of order: accepted")
	}
	w.Heads[0] = w.Heads[1]
	if _, err := FrontierFromWire(w, 2); err == nil {
		t.Error("a log twice: accepted")
	}
}

func TestClock(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	c := At(now)
	if !c.Wall().Equal(now) {
		t.Fatalf("Wall = %v", c.Wall())
	}
	if n := c.Next(now.Add(-time.Hour)); n != c+1 {
		t.Errorf("a clock that went back: %d, want %d", n, c+1)
	}
	if n := c.Next(now.Add(time.Second)); n != At(now.Add(time.Second)) {
		t.Errorf("Next does not follow the wall clock")
	}
	near, far := At(now.Add(MaxAhead)), At(now.Add(MaxAhead+time.Millisecond))
	if c.Merge(near, now) != near || c.Merge(far, now) != c || c.Merge(c-1, now) != c {
		t.Error("Merge takes what is ahead by at most MaxAhead, and never goes back")
	}
}

func TestText(t *testing.T) {
	if got, err := DecodeText(mustText(t, "Hi! \x1b[31m ☃\n")); err != nil || got != "Hi! \x1b[31m ☃\n" {
		t.Errorf("a text is exact: %q, %v", got, err)
	}
	mustText(t, strings.Repeat("x", MaxText))
	for in, want := range map[string]error{
		"": ErrTextEmpty, "\xff": ErrTextInvalid, strings.Repeat("x", MaxText+1): ErrTextTooLong,
	} {
		if _, err := EncodeText(in); err != want {
			t.Errorf("EncodeText(%.10q) = %v, want %v", in, err, want)
		}
	}
	for name, body := range map[string][]byte{
		"unknown field": append(mustText(t, "x"), 0x10, 1), "empty": nil, "bad UTF-8": {0x0a, 1, 0xff}, "garbage": {0xff},
	} {
		if s, err := DecodeText(body); err == nil {
			t.Errorf("%s: accepted as %q", name, s)
		}
	}
	e := mustSign(t, testKey(t, 1), Header{Conversation: Conversation{1}, Lane: LaneMessage, Log: LogID{1}, Seq: 1, Kind: 9999}, []byte{0xff})
	if err := e.CheckBody(); err != nil {
		t.Errorf("a body of an unknown kind: %v", err)
	}
	e = mustSign(t, testKey(t, 1), Header{Conversation: Conversation{1}, Lane: LaneMessage, Log: LogID{1}, Seq: 1, Kind: KindText}, []byte{0xff})
	if e.CheckBody() == nil {
		t.Error("a malformed text body passes")
	}
	for k, want := range map[Kind]error{KindText: nil, KindEdit: nil, KindPrivate: nil, 9999: nil, KindRetract: ErrNoBody, KindReact: ErrNoBody} {
		e = mustSign(t, testKey(t, 1), Header{Conversation: Conversation{1}, Lane: LaneMessage, Log: LogID{1}, Seq: 1, Kind: k}, []byte("a body"))
		if e.Body = nil; e.CheckBody() != want {
			t.Errorf("kind %d without its body: %v, want %v", k, e.CheckBody(), want)
		}
	}
}

// TestVectors keeps the formats as docs/PROTOCOL.md publishes them.
func TestVectors(t *testing.T) {
	a, b := testKey(t, 1), testKey(t, 2)
	conv := Direct(a.ID(), b.ID())
	if conv != Direct(b.ID(), a.ID()) || conv == Direct(a.ID(), a.ID()) {
		t.Fatal("a conversation belongs to two people, in no order")
	}
	log := LogID([]byte("\x01\x02\x03\x04\x05\x06\x07\x08"))
	first := mustSign(t, a, Header{
		Conversation: conv, Lane: LaneMessage, Log: log, Seq: 1,
		Time: At(time.UnixMilli(1_800_000_000_000)), Kind: KindText,
	}, mustText(t, "Hi! server, need help"))
	second := mustSign(t, a, Header{
		Conversation: conv, Lane: LaneMessage, Log: log, Seq: 2, Prev: first.ID, Heads: []ID{first.ID},
		Time: At(time.UnixMilli(1_800_000_000_000)) + 1, Kind: 9999,
	}, []byte("from the future"))
	control := mustSign(t, b, Header{Lane: LaneControl, Time: 1, Kind: 1, Ctl: []ID{{1}, {2}}}, nil)
	amended := func(name string, seq uint64, kind Kind, am Amendment) *Event {
		body, err := EncodeAmendment(kind, am)
		if err != nil {
			t.Fatal(name, err)
		}
		return mustSign(t, a, Header{Conversation: conv, Lane: LaneMessage, Log: log, Seq: seq, Prev: first.ID, Time: first.Time + 1, Kind: kind}, body)
	}
	answer, err := EncodeReply("on my way", first.ID)
	if err != nil {
		t.Fatal(err)
	}
	reply := mustSign(t, b, Header{Conversation: conv, Lane: LaneMessage, Log: log, Seq: 1, Time: first.Time + 1, Kind: KindText}, answer)
	f := Frontier{second.Key(): {2, second.ID}}

	var out strings.Builder
	line := func(k string, v []byte) { out.WriteString(k + " " + hex.EncodeToString(v) + "\n") }
	line("seed-a", a.Seed())
	line("seed-b", b.Seed())
	line("peer-a", []byte(a.ID()))
	line("peer-b", []byte(b.ID()))
	line("conversation", conv[:])
	for _, e := range []struct {
		name string
		*Event
	}{
		{"text", first},
		{"unknown-kind", second},
		{"control", control},
		{"reply", reply},
		{"edit", amended("edit", 2, KindEdit, Amendment{Target: first.ID, Text: "Hi server"})},
		{"retraction", amended("retraction", 3, KindRetract, Amendment{Target: first.ID})},
		{"reaction", amended("reaction", 4, KindReact, Amendment{Target: first.ID, Text: "👍"})},
		{"reaction-undone", amended("reaction-undone", 5, KindReact, Amendment{Target: first.ID, Text: "👍", Undo: true})},
	} {
		line(e.name+".header", e.Raw)
		line(e.name+".signature", e.Signature)
		line(e.name+".body", e.Body)
		line(e.name+".id", e.ID[:])
	}
	d := f.Digest()
	line("frontier.digest", d[:])

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
	k := testKey(f, 1)
	e := chain(f, k, Conversation{1}, LogID{1}, 2)[1]
	f.Add(e.Raw, e.Signature, e.Body)
	f.Fuzz(func(t *testing.T, raw, sig, body []byte) {
		e, err := Decode(raw, sig, body)
		if err != nil {
			return
		}
		again, err := e.encode()
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("accepted a header that cannot be made: %x", raw)
		}
		_ = e.CheckBody()
	})
}

func FuzzFrontier(f *testing.F) {
	w, err := proto.Marshal(Frontier{{testKey(f, 1).ID(), LogID{1}}: {5, ID{5}}}.Wire())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(w)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m pb.Frontier
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		fr, err := FrontierFromWire(&m, 8)
		if err == nil && len(fr) > 8 {
			t.Fatal("over the limit")
		}
	})
}
