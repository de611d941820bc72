package room

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"p2pchat/protocol/event"
)

// vector is a body and how it came about.
type vector struct {
	name string
	kind event.Kind
	body []byte
}

func id32(n byte) (out [32]byte) {
	for i := range out {
		out[i] = n
	}
	return out
}

// opVectors are one body of each control kind, and some of newer versions.
func opVectors(t testing.TB) []vector {
	t.Helper()
	w := newTown(t, 3)
	auth, who := event.ID(id32(1)), w.id(1)
	k := event.LogKey{Author: who, Log: event.LogID{1, 2, 3, 4, 5, 6, 7, 8}}
	cut := []Cut{{k, []event.ID{id32(2), id32(3)}}}
	var out []vector
	for _, v := range []struct {
		name string
		op   Op
	}{
		{"set.member", Op{Kind: KindSet, Auth: auth, Target: who, Standing: Member}},
		{"set.outcast", Op{Kind: KindSet, Auth: auth, Target: who, Standing: Outcast, Reason: "spam", Cuts: cut}},
		{"kick", Op{Kind: KindKick, Auth: auth, Target: who, Reason: "calm down", Cuts: cut}},
		{"voice", Op{Kind: KindVoice, Auth: auth, Target: who}},
		{"devoice", Op{Kind: KindDevoice, Auth: auth, Target: who, Cuts: cut}},
		{"retract", Op{Kind: KindRetract, Auth: auth, Target: who, Message: id32(4), Reason: "off topic"}},
		{"configure.name", Op{Kind: KindConfigure, Auth: auth, Setting: Setting{Field: FieldName, Text: "Café"}}},
		{"configure.access", Op{Kind: KindConfigure, Auth: auth, Setting: Setting{Field: FieldAccess, Number: 1}, Cuts: cut}},
		{"configure.history", Op{Kind: KindConfigure, Auth: auth, Setting: Setting{Field: FieldHistory, Number: historySince, Amount: 86_400_000}}},
		{"configure.unknown-field", Op{Kind: KindConfigure, Auth: auth, Setting: Setting{Field: 99, Number: 7}}},
		{"destroy", Op{Kind: KindDestroy, Auth: auth, Reason: "moved", Alternate: id32(5), Cuts: cut}},
	} {
		body, err := v.op.Encode()
		if err != nil {
			t.Fatal(v.name, err)
		}
		out = append(out, vector{v.name, v.op.Kind, body})
	}
	return out
}

func genesisVectors(t testing.TB) []vector {
	t.Helper()
	var out []vector
	for name, config := range map[string][]Setting{
		"genesis": nil,
		"genesis.configured": {
			{Field: FieldName, Text: "Harbour"},
			{Field: FieldVisible},
			{Field: FieldAccess, Number: 1},
			{Field: FieldPassword, Number: 1},
			{Field: FieldHistory, Number: historyLast, Amount: 50},
		},
	} {
		body, err := (&Genesis{Nonce: id32(1), Epoch: EpochCommitment(id32(2)), Config: config}).Encode()
		if err != nil {
			t.Fatal(name, err)
		}
		out = append(out, vector{name, KindGenesis, body})
	}
	slices.SortFunc(out, func(a, b vector) int { return strings.Compare(a.name, b.name) })
	return out
}

func bodyVectors(t testing.TB) []vector {
	t.Helper()
	w := newTown(t, 3)
	k := event.LogKey{Author: w.id(1), Log: event.LogID{1, 2, 3, 4, 5, 6, 7, 8}}
	a, err := Admit(w.keys[2], id32(6), k, 3, []event.ID{id32(7), id32(8)})
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	for _, v := range []struct {
		name string
		b    Body
	}{
		{"join", &Join{Nick: "Anna"}},
		{"join.admitted", &Join{Nick: "Zoë", Low: []Low{{k, 7}}, Admission: a}},
		{"leave", &Leave{}},
		{"nick", &Nick{"anna m."}},
		{"subject", &Subject{"Boats & weather"}},
		{"subject.none", &Subject{}},
		{"epoch", &Epoch{EpochCommitment(id32(9))}},
		{"invite", &Invitation{id32(6), "Harbour", "join us"}},
		{"invite-answer", &InviteAnswer{id32(4), true, ""}},
		{"voice-request", &VoiceRequest{id32(6)}},
		{"private", &Private{id32(6), "psst"}},
	} {
		body, err := EncodeBody(v.b)
		if err != nil {
			t.Fatal(v.name, err)
		}
		out = append(out, vector{v.name, v.b.Kind(), body})
	}
	return out
}

// TestVectors compares what this package writes with testdata/vectors.txt, which
// other implementations can check themselves against.
func TestVectors(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	line := func(k string, v []byte) { out.WriteString(k + " " + hex.EncodeToString(v) + "\n") }
	w := newTown(t, 4)
	for i, k := range w.keys {
		line(fmt.Sprintf("seed-%d", i), k.Seed())
		line(fmt.Sprintf("peer-%d", i), []byte(k.ID()))
	}
	for _, vs := range [][]vector{genesisVectors(t), opVectors(t), bodyVectors(t)} {
		for _, v := range vs {
			line(fmt.Sprintf("body.%s.%d", v.name, v.kind), v.body)
			var err error
			switch {
			case v.kind == KindGenesis && strings.HasPrefix(v.name, "genesis"):
				_, err = DecodeGenesis(v.body)
			case slices.ContainsFunc(opVectors(t), func(o vector) bool { return o.name == v.name }):
				_, _, err = DecodeOp(v.kind, v.body)
			default:
				_, err = DecodeBody(v.kind, v.body)
			}
			if err != nil {
				t.Errorf("%s: %v", v.name, err)
			}
		}
	}
	key := id32(2)
	line("epoch.key", key[:])
	commitment := EpochCommitment(key)
	line("epoch.commitment", commitment[:])

	// The admission that stands in body.join.admitted: by person 2, of person 1.
	k := event.LogKey{Author: w.id(1), Log: event.LogID{1, 2, 3, 4, 5, 6, 7, 8}}
	ctl := []event.ID{id32(7), id32(8)}
	line("admission.signed", append([]byte(admissionDomain), admissionBytes(id32(6), k, 3, ctl)...))
	a, err := Admit(w.keys[2], id32(6), k, 3, ctl)
	if err != nil {
		t.Fatal(err)
	}
	line("admission.signature", a.Signature)
	if !a.verifies(&event.Header{Conversation: id32(6), Author: k.Author, Log: k.Log, Ctl: ctl}) ||
		a.verifies(&event.Header{Conversation: id32(6), Author: k.Author, Log: k.Log, Ctl: ctl[:1]}) {
		t.Error("the admission's signature")
	}

	// A small room, its root and its state.
	w.does(0, w.set(1, Owner), w.set(2, Admin))
	w.does(1, Op{Kind: KindConfigure, Setting: Setting{Field: FieldName, Text: `Harbour "east"`}}, configure(FieldSlowMode, 1500), Op{
		Kind: KindConfigure, Setting: Setting{Field: FieldHistory, Number: historyLast, Amount: 50},
	}, w.on(KindDevoice, 3))
	w.does(2, Op{Kind: KindSet, Target: w.id(3), Standing: Outcast, Reason: "spam"})
	w.says(1, 1, &Subject{"Boats & weather"})
	for _, e := range append(append([]*event.Event{w.genesis}, w.all...), w.said...) {
		line("event.header", e.Raw)
		line("event.signature", e.Signature)
		line("event.body", e.Body)
		line("event.id", e.ID[:])
	}
	root := w.Root()
	line("root", root[:])
	for _, l := range strings.Split(strings.TrimSuffix(string(w.State().Encode()), "\n"), "\n") {
		out.WriteString("state " + l + "\n")
	}

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
		t.Errorf("the wire format, the root or the state encoding changed:\n%s", out.String())
	}
}
