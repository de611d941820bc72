package room

import (
	"errors"
	"strings"
	"testing"

	"p2pchat/protocol/event"
)

// Bodies that are not canonical, or say what no author may, are refused; those
// of newer versions are not.
func TestBodiesRefused(t *testing.T) {
	t.Parallel()
	for _, v := range opVectors(t) {
		if _, _, err := DecodeOp(v.kind, append(v.body[:len(v.body):len(v.body)], 0x98, 0x06, 1)); err == nil {
			t.Errorf("%s with an unknown field", v.name)
		}
		if _, _, err := DecodeOp(v.kind, v.body[:len(v.body)-1]); err == nil {
			t.Errorf("%s cut short", v.name)
		}
		_, known, err := DecodeOp(v.kind, v.body)
		if err != nil || known == strings.Contains(v.name, "unknown") {
			t.Errorf("%s: known %t, %v", v.name, known, err)
		}
	}
	for _, v := range bodyVectors(t) {
		if _, err := DecodeBody(v.kind, append(v.body[:len(v.body):len(v.body)], 0x98, 0x06, 1)); err == nil {
			t.Errorf("%s with an unknown field", v.name)
		}
	}
	for _, k := range []event.Kind{15, 999} {
		if b, err := DecodeBody(k, []byte("from the future")); b != nil || err != nil {
			t.Errorf("kind %d: %v, %v", k, b, err)
		}
		if _, known, err := DecodeOp(k, []byte("from the future")); known || err != nil {
			t.Errorf("kind %d: %t, %v", k, known, err)
		}
	}
	w := newTown(t, 2)
	k := event.LogKey{Author: w.id(0), Log: logOf(1)}
	tip := event.ID{1}
	target := func(o Op) Op { o.Auth, o.Target = event.ID{1}, w.id(1); return o }
	for name, o := range map[string]Op{
		"no auth":              {Kind: KindKick, Target: w.id(1)},
		"no target":            {Kind: KindKick, Auth: event.ID{1}},
		"no standing":          target(Op{Kind: KindSet}),
		"no message":           target(Op{Kind: KindRetract}),
		"a genesis":            target(Op{Kind: KindGenesis}),
		"a long reason":        target(Op{Kind: KindKick, Reason: strings.Repeat("x", MaxReason+1)}),
		"a reason of lines":    target(Op{Kind: KindKick, Reason: "one\ntwo"}),
		"a cut of others":      target(Op{Kind: KindKick, Cuts: []Cut{{k, []event.ID{tip}}}}),
		"a cut of nothing":     {Kind: KindDestroy, Auth: event.ID{1}, Cuts: []Cut{{k, nil}}},
		"a cut twice":          {Kind: KindDestroy, Auth: event.ID{1}, Cuts: []Cut{{k, []event.ID{tip}}, {k, []event.ID{tip}}}},
		"a tip twice":          {Kind: KindDestroy, Auth: event.ID{1}, Cuts: []Cut{{k, []event.ID{tip, tip}}}},
		"too many tips":        {Kind: KindDestroy, Auth: event.ID{1}, Cuts: []Cut{{k, []event.ID{{1}, {2}, {3}, {4}, {5}}}}},
		"a name's cut":         {Kind: KindConfigure, Auth: event.ID{1}, Setting: Setting{Field: FieldName}, Cuts: []Cut{{k, []event.ID{tip}}}},
		"a number for a name":  {Kind: KindConfigure, Auth: event.ID{1}, Setting: Setting{Field: FieldName, Number: 1}},
		"a long name":          {Kind: KindConfigure, Auth: event.ID{1}, Setting: Setting{Field: FieldName, Text: strings.Repeat("é", MaxRoomName+1)}},
		"history of no amount": {Kind: KindConfigure, Auth: event.ID{1}, Setting: Setting{Field: FieldHistory, Number: historyLast}},
		"no version":           {Kind: KindConfigure, Auth: event.ID{1}, Setting: Setting{Field: FieldMinVersion}},
	} {
		if body, err := o.Encode(); err == nil {
			t.Errorf("%s: %x", name, body)
		}
	}
	for name, b := range map[string]Body{
		"no nick":         &Join{},
		"a nick of lines": &Nick{"one\ntwo"},
		"spaces":          &Nick{"anna  m"},
		"a low of 1":      &Join{Nick: "Anna", Low: []Low{{k, 1}}},
		"no generation":   &Join{Nick: "Anna", Admission: &Admission{Admitter: w.id(0), Signature: make([]byte, 64)}},
		"no commitment":   &Epoch{},
		"no room":         &Private{Text: "psst"},
		"no text":         &Private{Room: event.Conversation{1}},
		"no invitation":   &InviteAnswer{Accepted: true},
	} {
		if body, err := EncodeBody(b); err == nil {
			t.Errorf("%s: %x", name, body)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, value, shown string }{
		{"name", "Harbour", "Harbour"},
		{"visible", "false", "false"},
		{"access", "members-only", "members-only"},
		{"invite_by", "everyone", "everyone"},
		{"slow_mode", "90s", "1m30s"},
		{"max_occupants", "20", "20"},
		{"history", "all", "all"},
		{"history", "none", "none"},
		{"history", "50", "50"},
		{"history", "24h", "24h0m0s"},
	} {
		s, err := ParseSetting(c.key, c.value)
		if err != nil || s.Value() != c.shown || s.Field.Key() != c.key {
			t.Errorf("%s %s: %s, %v", c.key, c.value, s.Value(), err)
			continue
		}
		if again, err := ParseSetting(c.key, s.Value()); err != nil || again != s {
			t.Errorf("%s %s: not read again: %v, %v", c.key, s.Value(), again, err)
		}
	}
	for _, c := range [][2]string{
		{"visible", "yes"},
		{"access", "closed"},
		{"slow_mode", "-1s"},
		{"slow_mode", "1"},
		{"max_occupants", "-1"},
		{"history", "0"},
		{"history", "0s"},
		{"password_generation", "1"},
		{"colour", "blue"},
		{"min_version", "0"},
		{"name", "one\ntwo"},
		{"slow_mode", "1us"},
	} {
		if s, err := ParseSetting(c[0], c[1]); err == nil {
			t.Errorf("%s %q became %v", c[0], c[1], s)
		}
	}
}

func TestNicks(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{" Anna  M. ": "Anna M.", "Zoe\u0308": "Zoë", "ａｎｎａ": "anna"} {
		if got, err := NormalizeNick(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "  ", "a\x00b", strings.Repeat("x", MaxNick+1), strings.Repeat("x", 1<<20)} {
		if got, err := NormalizeNick(in); err == nil {
			t.Errorf("%q became %q", in, got)
		}
	}
	if !SameNick("Anna", "anna") || SameNick("Anna", "Hanna") {
		t.Error("the same nick")
	}
}

// What this version does not know is kept and counts for nothing.
func TestFromTheFuture(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	odd := w.sign(0, event.Header{
		Conversation: w.ID(), Lane: event.LaneControl, Kind: 999, Ctl: []event.ID{event.ID(w.ID())},
	}, []byte("from the future"))
	w.take(odd)
	field := w.control(0, Op{Kind: KindConfigure, Auth: event.ID(w.ID()), Setting: Setting{Field: 99, Number: 7}}, odd.ID)
	w.take(field)
	if w.CoveredCount() != 1 {
		t.Error("what is not known counts for the root")
	}
	grant := w.control(0, Op{Kind: KindSet, Auth: event.ID(w.ID()), Target: w.id(1), Standing: Member}, field.ID)
	w.take(grant)
	if w.Standing(w.id(1)) != Member || w.CoveredCount() != 4 || w.effectiveNow(odd.ID) {
		t.Error("what cites it does not count")
	}
	under := w.control(1, Op{Kind: KindKick, Auth: odd.ID, Target: w.id(2)}, grant.ID)
	if err := w.AddControl(under).Results[0].Err; code(err) != Forbidden {
		t.Error(err)
	}
	w.does(0, configure(FieldMinVersion, Version+1))
	if !w.Outdated() {
		t.Error("nobody is told to update")
	}
}

// Only texts and their edits lose their bodies; what else comes without its own
// was stripped by somebody.
func TestBodiesMissing(t *testing.T) {
	t.Parallel()
	w := newTown(t, 1)
	missing := func(lane event.Lane, k event.Kind, body []byte) error {
		h := event.Header{Conversation: w.ID(), Lane: lane, Kind: k, Ctl: []event.ID{event.ID(w.ID())}}
		if lane == event.LaneMessage {
			h.Log, h.Seq = logOf(1), 1
		}
		whole := w.sign(0, h, body)
		if len(body) == 0 {
			return CheckBody(whole)
		}
		e, err := event.Decode(whole.Raw, whole.Signature, nil)
		if err != nil {
			t.Fatal(err)
		}
		return CheckBody(e)
	}
	for _, v := range opVectors(t) {
		if err := missing(event.LaneControl, v.kind, v.body); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", v.name, err)
		}
	}
	for _, v := range bodyVectors(t) {
		if err := missing(event.LaneMessage, v.kind, v.body); errors.Is(err, ErrMalformed) != (len(v.body) > 0 && v.kind != KindPrivate) {
			t.Errorf("%s: %v", v.name, err)
		}
	}
	for k, want := range map[event.Kind]error{event.KindText: nil, event.KindEdit: nil, event.KindRetract: ErrMalformed, event.KindReact: ErrMalformed, 999: nil} {
		if err := missing(event.LaneMessage, k, []byte("a body")); !errors.Is(err, want) {
			t.Errorf("message of kind %d: %v", k, err)
		}
	}
	for k, want := range map[event.Kind]error{KindGenesis: ErrMalformed, 999: nil} {
		if err := missing(event.LaneControl, k, []byte("a body")); !errors.Is(err, want) {
			t.Errorf("control event of kind %d: %v", k, err)
		}
	}
}
