package room

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Draft is an event to be signed.
type Draft struct {
	Lane event.Lane
	Kind event.Kind
	Ctl  []event.ID
	// Chained: the event cites, instead of Ctl, the one made of the draft
	// before it, which cites the rest.
	Chained bool
	Body    []byte
}

// maxCutBytes keeps an event with a cut within [event.MaxControlEvent].
const maxCutBytes = event.MaxControlEvent - 8<<10

// Draft makes the control events by which author does ops: all of them, or none
// with the first refusal. Auth and Cuts are filled in. What it drafts is legal
// and effective as far as this node knows. Of one batch no two operations are
// about the same thing, and one that lowers oneself or destroys the room stands
// alone.
func (r *Room) Draft(author peer.ID, ops ...Op) ([]Draft, error) {
	if err := independent(author, ops); err != nil {
		return nil, err
	}
	if r.ended != nil {
		return nil, refuse(Destroyed, "the room was destroyed")
	}
	a := r.find(author)
	if a < 0 {
		return nil, refuse(Forbidden, "only those with a standing may act here")
	}
	_, by := r.standingOf(a)
	if by < 0 {
		return nil, refuse(Forbidden, "only those with a standing may act here")
	}
	ctl := r.Cite(author)
	heads, err := r.heads(ctl)
	if err != nil {
		return nil, err
	}
	if !r.closure(heads).has(by) {
		return nil, fmt.Errorf("the authority of %s is not among what is cited", author)
	}
	out := make([]Draft, 0, len(ops))
	for i, op := range ops {
		body, err := r.draft(a, by, heads, op)
		if err != nil {
			return nil, err
		}
		out = append(out, Draft{Lane: event.LaneControl, Kind: op.Kind, Ctl: ctl, Chained: i > 0, Body: body})
	}
	return out, nil
}

// draft checks one operation and gives its body.
func (r *Room) draft(a, by int, heads []int, op Op) ([]byte, error) {
	if introduced[op.Kind] == 0 {
		return nil, fmt.Errorf("kind %d is no control operation", op.Kind)
	}
	op.Auth, op.Cuts = r.controls[by].id, nil
	c := &control{Op: op, index: len(r.controls), author: a, target: r.find(op.Target), anc: r.closure(heads), counts: true}
	v := r.viewOf(heads, c.anc)
	if r.minVersion(v) < introduced[op.Kind] {
		return nil, refuse(Forbidden, "the room's min_version is below %d", introduced[op.Kind])
	}
	if no := r.static(c, v); no != nil {
		return nil, no
	}
	if op.cutting() {
		op.Cuts = r.cutOf(op.Target)
	}
	return op.Encode()
}

// independent refuses a batch whose operations touch each other.
func independent(author peer.ID, ops []Op) error {
	if len(ops) == 0 {
		return errors.New("nothing to do")
	}
	type subject struct {
		kind    event.Kind
		target  peer.ID
		message event.ID
		field   Field
	}
	seen := map[subject]bool{}
	for _, op := range ops {
		if len(ops) > 1 && (op.Kind == KindDestroy || op.Kind == KindSet && op.Target == author) {
			return errors.New("leaving a standing and destroying the room stand alone")
		}
		s := subject{op.Kind, op.Target, op.Message, op.Setting.Field}
		if op.Kind == KindDevoice {
			s.kind = KindVoice
		}
		if seen[s] {
			return errors.New("two operations of one batch are about the same thing")
		}
		seen[s] = true
	}
	return nil
}

// cutOf is how far the logs of target are held; of everybody for "".
func (r *Room) cutOf(target peer.ID) []Cut {
	type held struct {
		Cut
		latest event.Time
	}
	var all []held
	for k, l := range r.logs {
		if target != "" && k.Author != target || len(l.messages) == 0 {
			continue
		}
		tips := l.tips()
		h := held{Cut: Cut{LogKey: k}, latest: tips[0].time}
		for _, t := range tips {
			h.Tips = append(h.Tips, t.id)
		}
		all = append(all, h)
	}
	// A room with more logs than fit is cut where people spoke last.
	slices.SortFunc(all, func(a, b held) int { return cmp.Or(cmp.Compare(b.latest, a.latest), a.Compare(b.LogKey)) })
	var out []Cut
	size := 0
	for _, h := range all {
		if size += 80 + 34*len(h.Tips); size > maxCutBytes {
			break
		}
		out = append(out, h.Cut)
	}
	slices.SortFunc(out, func(a, b Cut) int { return a.Compare(b.LogKey) })
	return out
}

// tips are the messages of l that nothing held follows, the highest seq first,
// at most MaxTips.
func (l *log) tips() []*message {
	l.link()
	followed := map[*message]bool{}
	for _, m := range l.messages {
		if m.before != nil {
			followed[m.before] = true
		}
	}
	var out []*message
	for _, m := range slices.Backward(l.messages) {
		if !followed[m] && len(out) < MaxTips {
			out = append(out, m)
		}
	}
	return out
}

// DraftMessage says what a message of this kind in log k cites, and whether a
// join must come before it in the log. The error is the *[Refusal] if its author
// may not say it.
func (r *Room) DraftMessage(k event.LogKey, kind event.Kind) (ctl []event.ID, join bool, err error) {
	a := r.find(k.Author)
	if c := r.climateOf(a); !c.may(needOf(kind)) {
		return nil, false, c.refusal(needOf(kind))
	}
	ctl = r.Cite(k.Author)
	p, err := r.pastOf(ctl)
	if err != nil {
		return nil, false, err
	}
	m := &message{seq: 1<<64 - 1, past: p, author: a, kind: kind}
	if no := r.stored(m); no != nil {
		return nil, false, no
	}
	if m.log = r.logs[k]; m.log == nil {
		return ctl, kind != KindJoin, nil
	}
	m.kicks = r.kicksOn(p, a)
	return ctl, kind != KindJoin && !r.joined(m), nil
}
