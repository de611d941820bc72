package event

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"p2pchat/protocol/pb"
)

func TestReply(t *testing.T) {
	body, err := EncodeReply("yes", ID{7})
	if err != nil {
		t.Fatal(err)
	}
	if text, to, err := DecodeReply(body); text != "yes" || to != (ID{7}) || err != nil {
		t.Errorf("%q, %s, %v", text, to, err)
	}
	if text, err := DecodeText(body); text != "yes" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	plain, err := EncodeReply("yes", ID{})
	if err != nil || !bytes.Equal(plain, mustText(t, "yes")) {
		t.Errorf("%x, %v", plain, err)
	}
	for name, bad := range map[string]*pb.TextBody{
		"31 bytes": {Text: "x", ReplyTo: make([]byte, 31)}, "a zero ID": {Text: "x", ReplyTo: make([]byte, 32)}, "no text": {ReplyTo: bytes.Repeat([]byte{1}, 32)},
	} {
		raw, err := proto.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := DecodeReply(raw); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestAmendment(t *testing.T) {
	at := ID{7}
	for _, c := range []struct {
		name string
		kind Kind
		a    Amendment
		want error // errAny: some
	}{
		{"an edit", KindEdit, Amendment{Target: at, Text: "x\ny"}, nil},
		{"the longest", KindEdit, Amendment{Target: at, Text: strings.Repeat("x", MaxText)}, nil},
		{"an edit to nothing", KindEdit, Amendment{Target: at}, ErrTextEmpty},
		{"one too long", KindEdit, Amendment{Target: at, Text: strings.Repeat("x", MaxText+1)}, ErrTextTooLong},
		{"bad UTF-8", KindEdit, Amendment{Target: at, Text: "\xff"}, ErrTextInvalid},
		{"an edit undone", KindEdit, Amendment{Target: at, Text: "x", Undo: true}, errAny},
		{"an edit of nothing", KindEdit, Amendment{Text: "x"}, errAny},
		{"a retraction", KindRetract, Amendment{Target: at}, nil},
		{"one with a text", KindRetract, Amendment{Target: at, Text: "x"}, errAny},
		{"one undone", KindRetract, Amendment{Target: at, Undo: true}, errAny},
		{"a reaction", KindReact, Amendment{Target: at, Text: "👩🏽‍🚒"}, nil},
		{"one taken away", KindReact, Amendment{Target: at, Text: "👍", Undo: true}, nil},
		{"the longest", KindReact, Amendment{Target: at, Text: strings.Repeat("x", MaxReaction)}, nil},
		{"one too long", KindReact, Amendment{Target: at, Text: strings.Repeat("x", MaxReaction+1)}, ErrReaction},
		{"an empty one", KindReact, Amendment{Target: at}, ErrReaction},
		{"two lines", KindReact, Amendment{Target: at, Text: "a\nb"}, ErrReaction},
		{"two paragraphs", KindReact, Amendment{Target: at, Text: "a\u2029b"}, ErrReaction},
		{"an escape", KindReact, Amendment{Target: at, Text: "\x1b[2J"}, ErrReaction},
		{"bad UTF-8", KindReact, Amendment{Target: at, Text: "\xff"}, ErrReaction},
		{"another kind", KindText, Amendment{Target: at, Text: "x"}, errAny},
	} {
		body, err := EncodeAmendment(c.kind, c.a)
		switch {
		case c.want == nil && err != nil, c.want == errAny && err == nil, c.want != nil && c.want != errAny && !errors.Is(err, c.want):
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		case err == nil:
			if got, err := DecodeAmendment(c.kind, body); err != nil || got != c.a {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
			continue
		}
		raw, err := proto.Marshal(&pb.AmendBody{Target: c.a.Target[:], Text: c.a.Text, Undo: c.a.Undo})
		if err != nil {
			continue // bad UTF-8
		}
		if _, err := DecodeAmendment(c.kind, raw); err == nil {
			t.Errorf("%s is taken from the wire", c.name)
		}
	}
	good, err := EncodeAmendment(KindRetract, Amendment{Target: at})
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"garbage": {0xff}, "nothing": nil, "an unknown field": append(bytes.Clone(good), 0x20, 1), "a default written out": append(bytes.Clone(good), 0x18, 0), "a short ID": good[:len(good)-1],
	} {
		if _, err := DecodeAmendment(KindRetract, bad); err == nil {
			t.Errorf("%s passes", name)
		}
		e := mustSign(t, testKey(t, 1), Header{Conversation: Conversation{1}, Lane: LaneMessage, Log: LogID{1}, Seq: 1, Kind: KindRetract}, bad)
		if e.HasBody() && e.CheckBody() == nil {
			t.Errorf("an event with %s passes", name)
		}
	}
}

var errAny = errors.New("some error")

// says signs an event of the message lane; chains do not matter here.
func says(t testing.TB, k byte, at int64, kind Kind, body []byte) *Event {
	t.Helper()
	return mustSign(t, testKey(t, k), Header{
		Conversation: Conversation{1}, Lane: LaneMessage, Log: LogID{1}, Seq: 1, Kind: kind, Time: At(time.UnixMilli(at)),
	}, body)
}

func amends(t testing.TB, k byte, at int64, kind Kind, a Amendment) *Event {
	t.Helper()
	body, err := EncodeAmendment(kind, a)
	if err != nil {
		t.Fatal(err)
	}
	return says(t, k, at, kind, body)
}

func TestAmend(t *testing.T) {
	m := says(t, 1, 10, KindText, mustText(t, "helo"))
	edit := amends(t, 1, 20, KindEdit, Amendment{Target: m.ID, Text: "hello"})
	again := amends(t, 1, 30, KindEdit, Amendment{Target: m.ID, Text: "hello!"})
	early := amends(t, 1, 5, KindEdit, Amendment{Target: m.ID, Text: "dated before"})
	forged := amends(t, 2, 40, KindEdit, Amendment{Target: m.ID, Text: "evil"})
	chained := amends(t, 1, 50, KindEdit, Amendment{Target: edit.ID, Text: "of an edit"})
	thumb := amends(t, 2, 21, KindReact, Amendment{Target: m.ID, Text: "👍"})
	also := amends(t, 3, 22, KindReact, Amendment{Target: m.ID, Text: "👍"})
	heart := amends(t, 2, 23, KindReact, Amendment{Target: m.ID, Text: "❤"})
	undo := amends(t, 2, 24, KindReact, Amendment{Target: m.ID, Text: "👍", Undo: true})
	redo := amends(t, 2, 25, KindReact, Amendment{Target: m.ID, Text: "👍"})
	gone := amends(t, 1, 11, KindRetract, Amendment{Target: m.ID})
	wish := amends(t, 2, 60, KindRetract, Amendment{Target: m.ID})
	bare := *again
	bare.Body = nil
	b, c := testKey(t, 2).ID(), testKey(t, 3).ID()
	for _, x := range []struct {
		name   string
		others []*Event
		want   Amended
	}{
		{"nothing", nil, Amended{}},
		{"an edit", []*Event{edit}, Amended{Edit: edit, Text: "hello"}},
		{"the last edit", []*Event{again, edit, early}, Amended{Edit: again, Text: "hello!"}},
		{"one dated before the text", []*Event{early}, Amended{Edit: early, Text: "dated before"}},
		{"one that was dropped", []*Event{edit, &bare}, Amended{Edit: edit, Text: "hello"}},
		{"another's, and one of an edit", []*Event{edit, forged, chained}, Amended{Edit: edit, Text: "hello"}},
		{"another's retraction", []*Event{wish}, Amended{}},
		{"a retraction beats later edits", []*Event{edit, gone, thumb, again}, Amended{Retracted: true}},
		{"reactions", []*Event{also, heart, thumb}, Amended{Reactions: []Reaction{{"👍", []peer.ID{b, c}}, {"❤", []peer.ID{b}}}}},
		{"one taken away", []*Event{heart, undo, also, thumb}, Amended{Reactions: []Reaction{{"👍", []peer.ID{c}}, {"❤", []peer.ID{b}}}}},
		{"and given again", []*Event{redo, undo, thumb}, Amended{Reactions: []Reaction{{"👍", []peer.ID{b}}}}},
	} {
		if got := Amend(m, x.others); !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: %+v, want %+v", x.name, got, x.want)
		}
	}
	elsewhere := *m
	elsewhere.Conversation = Conversation{2}
	if got := Amend(&elsewhere, []*Event{edit, gone, thumb}); !reflect.DeepEqual(got, Amended{}) {
		t.Errorf("of another conversation: %+v", got)
	}
	if got := Amend(edit, []*Event{chained}); !reflect.DeepEqual(got, Amended{}) {
		t.Errorf("an edit was edited: %+v", got)
	}
	var many []*Event
	for i := range MaxReactions + 3 {
		many = append(many, amends(t, 2, int64(100+i), KindReact, Amendment{Target: m.ID, Text: string(rune('a' + i))}))
	}
	if got := Amend(m, many).Reactions; len(got) != MaxReactions || got[0].Text != "d" {
		t.Errorf("of many reactions of one: %+v", got)
	}
}

// TestAmendBounded: of more reactions than anybody needs the newest count.
func TestAmendBounded(t *testing.T) {
	m := says(t, 1, 10, KindText, mustText(t, "x"))
	others := []*Event{amends(t, 3, 20, KindReact, Amendment{Target: m.ID, Text: "early"})}
	for i := range MaxReacting - 1 {
		others = append(others, amends(t, 2, int64(100+i), KindReact, Amendment{Target: m.ID, Text: "x", Undo: i%2 == 0}))
	}
	if got := Amend(m, others).Reactions; len(got) != 1 || got[0].Text != "early" {
		t.Errorf("%+v", got)
	}
	others = append(others, amends(t, 2, 10_000, KindReact, Amendment{Target: m.ID, Text: "x"}))
	if got := Amend(m, others).Reactions; len(got) != 1 || got[0].Text != "x" {
		t.Errorf("one more: %+v", got)
	}
}

// TestAmendOrder: what is shown is a function of the set.
func TestAmendOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := says(t, 1, 10, KindText, mustText(t, "text"))
		var others []*Event
		for i := range rapid.IntRange(0, 12).Draw(r, "events") {
			by, at := byte(rapid.IntRange(1, 3).Draw(r, "by")), int64(rapid.IntRange(1, 6).Draw(r, "at"))
			switch rapid.SampledFrom([]Kind{KindEdit, KindReact, KindReact, KindRetract}).Draw(r, "kind") {
			case KindEdit:
				others = append(others, amends(t, by, at, KindEdit, Amendment{Target: m.ID, Text: string(rune('a' + i))}))
			case KindReact:
				others = append(others, amends(t, by, at, KindReact, Amendment{
					Target: m.ID, Text: rapid.SampledFrom([]string{"x", "y"}).Draw(r, "with"), Undo: rapid.Bool().Draw(r, "undo"),
				}))
			case KindRetract:
				if i == 0 { // else few would have anything else to show
					others = append(others, amends(t, by, at, KindRetract, Amendment{Target: m.ID}))
				}
			}
		}
		want := Amend(m, others)
		shuffled := slices.Clone(others)
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0))
		rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := Amend(m, shuffled); !reflect.DeepEqual(got, want) {
			r.Fatalf("%+v, and in another order %+v", want, got)
		}
	})
}

func FuzzAmendment(f *testing.F) {
	for kind, a := range map[Kind]Amendment{
		KindEdit: {Target: ID{1}, Text: "x"}, KindRetract: {Target: ID{1}}, KindReact: {Target: ID{1}, Text: "👍", Undo: true},
	} {
		b, err := EncodeAmendment(kind, a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint32(kind), b)
	}
	b, err := EncodeReply("x", ID{1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(KindText), b)
	f.Fuzz(func(t *testing.T, kind uint32, body []byte) {
		if a, err := DecodeAmendment(Kind(kind), body); err == nil {
			if again, err := EncodeAmendment(Kind(kind), a); err != nil || !bytes.Equal(again, body) {
				t.Fatalf("accepted a body that cannot be made: %x", body)
			}
		}
		if text, to, err := DecodeReply(body); err == nil {
			if again, err := EncodeReply(text, to); err != nil || !bytes.Equal(again, body) {
				t.Fatalf("accepted a text that cannot be made: %x", body)
			}
		}
	})
}
