package room

import (
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// town is a room with its people and their keys, whose events are drafted by the
// Room itself and signed.
type town struct {
	testing.TB
	*Room
	genesis *event.Event
	keys    []identity.Key
	clock   event.Time
	all     []*event.Event // control events, in the order of their making
	said    []*event.Event
}

func newTown(t testing.TB, people int, config ...Setting) *town {
	t.Helper()
	w := &town{TB: t}
	for i := range people {
		seed := [32]byte{byte(i), byte(i >> 8), 1}
		k, err := identity.KeyFromSeed(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		w.keys = append(w.keys, k)
	}
	body, err := (&Genesis{Nonce: [32]byte{1}, Epoch: EpochCommitment([32]byte{1}), Config: config}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.genesis = w.sign(0, event.Header{Lane: event.LaneControl, Kind: KindGenesis}, body)
	w.Room = w.fresh()
	return w
}

// fresh is the room with nothing in it.
func (w *town) fresh() *Room {
	r, err := New(w.genesis)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func (w *town) id(p int) peer.ID { return w.keys[p].ID() }

func (w *town) sign(p int, h event.Header, body []byte) *event.Event {
	w.Helper()
	w.clock++
	h.Time = w.clock
	e, err := event.Sign(w.keys[p], h, body)
	if err != nil {
		w.Fatal(err)
	}
	return e
}

// control signs an operation that the Room does not look at.
func (w *town) control(p int, op Op, ctl ...event.ID) *event.Event {
	w.Helper()
	body, err := op.Encode()
	if err != nil {
		w.Fatal(err)
	}
	slices.SortFunc(ctl, event.ID.Compare)
	return w.sign(p, event.Header{Conversation: w.ID(), Lane: event.LaneControl, Kind: op.Kind, Ctl: ctl}, body)
}

// draft has the Room draft ops and signs them, without handing them in.
func (w *town) draft(p int, ops ...Op) ([]*event.Event, error) {
	w.Helper()
	ds, err := w.Draft(w.id(p), ops...)
	if err != nil {
		return nil, err
	}
	var out []*event.Event
	for i, d := range ds {
		ctl := d.Ctl
		if d.Chained {
			ctl = []event.ID{out[i-1].ID}
		}
		out = append(out, w.sign(p, event.Header{Conversation: w.ID(), Lane: d.Lane, Kind: d.Kind, Ctl: ctl}, d.Body))
	}
	return out, nil
}

// does has p do ops, which must be allowed and effective.
func (w *town) does(p int, ops ...Op) []*event.Event {
	w.Helper()
	es, err := w.draft(p, ops...)
	if err != nil {
		w.Fatal(err)
	}
	w.take(es...)
	for _, e := range es {
		if !w.effectiveNow(e.ID) {
			w.Fatalf("%v has no effect", ops)
		}
	}
	return es
}

func (w *town) effectiveNow(id event.ID) bool {
	c := w.byID[id]
	return c != nil && w.Room.all.eff.has(c.index)
}

func (w *town) take(es ...*event.Event) {
	w.Helper()
	for _, x := range w.AddControl(es...).Results {
		if x.Err != nil {
			w.Fatal(x.Err)
		}
	}
	w.all = append(w.all, es...)
}

// freshID is the ID of somebody who is not of the town.
func freshID(t testing.TB, seed [32]byte) peer.ID {
	t.Helper()
	seed[31] = 7
	k, err := identity.KeyFromSeed(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return k.ID()
}

func (w *town) set(p int, s Standing) Op { return Op{Kind: KindSet, Target: w.id(p), Standing: s} }

func (w *town) on(k event.Kind, p int) Op { return Op{Kind: k, Target: w.id(p)} }

func configure(f Field, n uint64) Op {
	return Op{Kind: KindConfigure, Setting: Setting{Field: f, Number: n}}
}

func logOf(n byte) event.LogID { return event.LogID{1, n} }

// says has p say b, nil for a text, in his n-th log, citing what a client cites.
func (w *town) says(p int, n byte, b Body) *event.Event {
	w.Helper()
	k := event.LogKey{Author: w.id(p), Log: logOf(n)}
	kind, body := event.KindText, []byte(nil)
	var err error
	if b == nil {
		body, err = event.EncodeText("text")
	} else {
		kind = b.Kind()
		body, err = EncodeBody(b)
	}
	if err != nil {
		w.Fatal(err)
	}
	ctl, join, err := w.DraftMessage(k, kind)
	if err != nil {
		w.Fatal(err)
	}
	if join {
		w.says(p, n, &Join{Nick: "somebody"})
	}
	h := event.Header{Conversation: w.ID(), Lane: event.LaneMessage, Log: k.Log, Kind: kind, Ctl: ctl, Seq: 1}
	if l := w.logs[k]; l != nil && len(l.messages) > 0 {
		last := l.messages[len(l.messages)-1]
		h.Seq, h.Prev = last.seq+1, last.id
	}
	e := w.sign(p, h, body)
	w.hear(e)
	return e
}

func (w *town) hear(es ...*event.Event) {
	w.Helper()
	for _, x := range w.AddMessage(es...).Results {
		if x.Err != nil {
			w.Fatal(x.Err)
		}
	}
	w.said = append(w.said, es...)
}

func (w *town) status(e *event.Event) Status {
	v, _ := w.Verdict(e.ID)
	return v.Status
}

// code is the code of a refusal, "" for anything else.
func code(err error) Code {
	var no *Refusal
	if errors.As(err, &no) {
		return no.Code
	}
	return ""
}

// sameElsewhere hands everything to a fresh Room, in an order of its own, and
// compares the states.
func (w *town) sameElsewhere(shuffle func(n int, swap func(i, j int))) {
	w.Helper()
	r := w.fresh()
	all, said := slices.Clone(w.all), slices.Clone(w.said)
	if shuffle != nil {
		shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		shuffle(len(said), func(i, j int) { said[i], said[j] = said[j], said[i] })
	}
	r.AddControl(all...)
	r.AddMessage(said...)
	if got, want := string(r.State().Encode()), string(w.State().Encode()); got != want {
		w.Fatalf("elsewhere:\n%s\nhere:\n%s", got, want)
	}
	for _, e := range said {
		a, okA := r.Verdict(e.ID)
		b, okB := w.Verdict(e.ID)
		if a != b || okA != okB {
			w.Fatalf("a message is %v elsewhere, %v here", a.Status, b.Status)
		}
	}
}
