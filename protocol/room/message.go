package room

import (
	"errors"
	"slices"

	"p2pchat/protocol/event"
)

// message is a stored message. Its body is kept only where the room needs it.
// It may stand for a line of them, see [Room.Compact]: id, seq and time are then
// those of the last, first and prev those of the first.
type message struct {
	id, prev event.ID
	author   int
	log      *log
	first    uint64
	seq      uint64
	time     event.Time
	kind     event.Kind
	body     Body          // joins, leaves, nicks, subjects, epochs
	header   *event.Header // of joins with an admission
	signed   int8          // whether that is good: 1, -1; 0 if nobody asked yet
	past     *past
	kicks    []int // those a join of its log must have seen
	verdict  Verdict
	// settled counts the control events that no longer narrow it: it lies below
	// what is kept of its log, and stood when that was given up, or for a member who
	// handed it over. Whether their cuts contain it cannot be seen here.
	settled int
	// before is the message prev names, if it is held and directly precedes.
	// Of the messages before one, each run follows one line of these links.
	before *message
	run    *run
}

// needOf is what a message of this kind asks of its author.
func needOf(k event.Kind) need {
	switch k {
	case KindJoin, KindLeave:
		return toEnter
	case KindSubject:
		return toSetSubject
	}
	return toSpeak
}

// AddMessage hands in messages of the room whose signatures were verified. A
// message that is here already changes nothing.
func (r *Room) AddMessage(events ...*event.Event) Effects {
	t := r.touch()
	for _, e := range events {
		t.Results = append(t.Results, Result{e.ID, r.addMessage(e, t)})
	}
	r.retry(events, t)
	r.settle(t)
	return t.Effects
}

// retry takes in again what found its place taken, or was put out of it, before
// that of the same call came by which a cut reaches it.
func (r *Room) retry(events []*event.Event, t *touched) {
	for again := true; again; {
		again = false
		for i, e := range events {
			out := t.Results[i].Err
			if r.messages[e.ID] != nil || out != nil && !errors.Is(out, ErrSuperseded) {
				continue
			}
			t.Results[i].Err = r.addMessage(e, t)
			if r.messages[e.ID] != nil {
				again = true
				t.Dropped = slices.DeleteFunc(t.Dropped, func(id event.ID) bool { return id == e.ID })
			}
		}
	}
}

func (r *Room) addMessage(e *event.Event, t *touched) error {
	if r.Holds(e) {
		return nil
	}
	if e.Lane != event.LaneMessage || e.Conversation != r.id || len(e.Ctl) == 0 {
		return malformed("no message of this room")
	}
	m := &message{id: e.ID, prev: e.Prev, first: e.Seq, seq: e.Seq, time: e.Time, kind: e.Kind, author: r.find(e.Author)}
	var err error
	if m.body, err = messageBody(e); err != nil {
		return malformed("%v", err)
	}
	p, err := r.pastOf(e.Ctl)
	if err != nil {
		return err
	}
	m.past = p
	if no := r.stored(m); no != nil {
		return no
	}
	if l := r.logs[e.Key()]; l != nil && !lasts(m.kind) && m.seq < l.low {
		return ErrPruned
	}
	r.keep(p)
	m.author = r.person(e.Author)
	m.log = r.logOf(e.Key(), m.author)
	m.kicks = r.kicksOn(p, m.author)
	if j, ok := m.body.(*Join); ok && j.Admission != nil {
		h := e.Header
		m.header = &h
	}
	return r.place(m, t)
}

// stored tells whether m's author might say it on P alone.
func (r *Room) stored(m *message) *Refusal {
	v := r.alone(m.past)
	c := r.stranger(v.set, v.eff)
	if m.author >= 0 {
		c, _ = r.climate(v.set, v.eff, m.author)
	}
	if c.may(needOf(m.kind)) {
		return nil
	}
	return c.refusal(needOf(m.kind))
}

// stranger is the climate of somebody the room never heard of.
func (r *Room) stranger(set, eff bitset) climate {
	return climate{
		standing:    None,
		destroyed:   r.destroyed(set, eff) != nil,
		membersOnly: r.setting(set, eff, FieldAccess).Number == 1,
		moderated:   r.setting(set, eff, FieldModerated).Number == 1,
		anySubject:  r.setting(set, eff, FieldSubjectBy).Number == 1,
	}
}

// refusal says why c does not allow n.
func (c climate) refusal(n need) *Refusal {
	switch {
	case c.destroyed:
		return refuse(Destroyed, "the room was destroyed")
	case c.standing == Outcast:
		return refuse(Banned, "banned from this room")
	case !c.mayEnter():
		return refuse(MembershipRequired, "only members may enter this room")
	case c.voice == Devoiced && c.standing < Moderator:
		return refuse(Forbidden, "a moderator took the voice")
	case !c.maySpeak():
		return refuse(Forbidden, "the room is moderated; ask for voice")
	case n == toSetSubject:
		return refuse(Forbidden, "only moderators may change the subject")
	}
	return refuse(Forbidden, "not allowed")
}

// kicksOn lists the kicks of author that are effective on p alone and outrank
// what he stands there.
func (r *Room) kicksOn(p *past, author int) []int {
	var out []int
	var stands power
	for _, i := range r.people[author].kicks {
		v := r.alone(p)
		if !v.eff.has(i) {
			continue
		}
		if stands.rank == 0 {
			stands, _ = r.standing(v.set, v.eff, author)
		}
		if above(r.controls[i].key, stands) {
			out = append(out, i)
		}
	}
	return out
}
