package room

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Standing is what peer p stands now.
func (r *Room) Standing(p peer.ID) Standing { return r.climateOf(r.find(p)).standing }

// Role is what peer p is or would be in the room now.
func (r *Room) Role(p peer.ID) Role { return r.climateOf(r.find(p)).role() }

// Voice is peer p's register of voice.
func (r *Room) Voice(p peer.ID) Voice { return r.climateOf(r.find(p)).voice }

// Config is the configuration now.
func (r *Room) Config() Config { return r.config }

// Ended tells whether the room was destroyed, with the reason and the room
// named in its place, zero for none.
func (r *Room) Ended() (ended bool, reason string, alternate event.Conversation) {
	if r.ended == nil {
		return false, "", event.Conversation{}
	}
	return true, r.ended.Reason, r.ended.Alternate
}

// Outdated tells whether the room asks for a newer version than this package.
func (r *Room) Outdated() bool { return r.minVersion(r.all) > Version }

// MayEnter is nil if p may enter now as far as standing goes, otherwise the
// *[Refusal]: destroyed, banned or membership-required.
func (r *Room) MayEnter(p peer.ID) error {
	if c := r.climateOf(r.find(p)); !c.mayEnter() {
		return c.refusal(toEnter)
	}
	return nil
}

// MaySpeak is nil if p may speak now, otherwise the *[Refusal].
func (r *Room) MaySpeak(p peer.ID) error {
	if c := r.climateOf(r.find(p)); !c.maySpeak() {
		return c.refusal(toSpeak)
	}
	return nil
}

// May is nil if p may do what row v of the table says, in general: whether a
// target is lower is not asked.
func (r *Room) May(p peer.ID, v Privilege) error {
	c := r.climateOf(r.find(p))
	role := c.role()
	grade := Allowed(v, role)
	if grade == Yes || grade == IfConfigured && r.configured(v, role) {
		return nil
	}
	if !c.mayEnter() {
		return c.refusal(toEnter)
	}
	if v == Speak || v == ChangeSubject && role == Visitor {
		return c.refusal(toSpeak)
	}
	return refuse(Forbidden, "%s may not %s here", role.article(), v)
}

// configured says what the configuration grants a role below moderator.
func (r *Room) configured(v Privilege, role Role) bool {
	switch v {
	case ChangeSubject:
		return r.config[FieldSubjectBy].Number == 1
	case Invite:
		by := r.config[FieldInviteBy].Number
		return by == 2 || by == 0 && role == Participant
	}
	return false
}

// MayWrite is nil if from may send to a private message within the room.
func (r *Room) MayWrite(from, to peer.ID) error {
	if err := r.MayEnter(from); err != nil {
		return err
	}
	switch by := r.config[FieldPMBy].Number; {
	case by == 0, by == 1 && (r.Standing(from) >= Moderator || r.Standing(to) >= Moderator):
		return nil
	case by == 1:
		return refuse(Forbidden, "private messages here go to or come from a moderator")
	}
	return refuse(Forbidden, "there are no private messages in this room")
}

// Entry is what the admitting node knows of somebody at the door.
type Entry struct {
	Password  bool // the password step succeeded; of no account in a room without
	Occupants int  // present already, without the newcomer
	NickTaken bool // by somebody else who is present
}

// Admits decides in the order of the door: standing, membership, password,
// capacity, nick. The error is the *[Refusal].
func (r *Room) Admits(p peer.ID, e Entry) error {
	if err := r.MayEnter(p); err != nil {
		return err
	}
	if r.config.Password() > 0 && !e.Password {
		return refuse(NotAuthorized, "not authorized")
	}
	if most := r.config.MaxOccupants(); most > 0 && uint64(e.Occupants) >= most && r.Standing(p) < Admin {
		return refuse(Full, "the room is full")
	}
	if e.NickTaken {
		return refuse(NickConflict, "somebody present has this nick")
	}
	return nil
}

// Paced is nil if p, who spoke last at last, may speak again at now, otherwise
// the *[Refusal] too-fast. Slow mode does not bind moderators and above.
func (r *Room) Paced(p peer.ID, last, now time.Time) error {
	slow := r.config.SlowMode()
	if wait := last.Add(slow).Sub(now); slow > 0 && wait > 0 && r.Standing(p) < Moderator {
		return refuse(TooFast, "slow mode: wait %s", wait.Round(time.Second))
	}
	return nil
}

// Occupant is somebody who joined and has not left, present or not.
type Occupant struct {
	Peer     peer.ID
	Nick     string
	Standing Standing
	Role     Role
	Join     event.ID // the join that counts
}

// Occupants lists, ascending by peer ID, those who joined and neither left nor
// were put out since.
func (r *Room) Occupants() []Occupant {
	var out []Occupant
	for i, p := range r.people {
		if o, ok := r.occupant(i); ok {
			o.Peer = p.id
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b Occupant) int { return cmp.Compare(a.Peer, b.Peer) })
	return out
}

// Gone lists, ascending by peer ID, those who were in the room and are not now, under
// the last nick they had there.
func (r *Room) Gone() []Occupant {
	var out []Occupant
	for i, p := range r.people {
		if _, here := r.occupant(i); here {
			continue
		}
		if m := r.naming(i); m != nil {
			out = append(out, Occupant{Peer: p.id, Nick: m.nick(), Standing: r.Standing(p.id)})
		}
	}
	slices.SortFunc(out, func(a, b Occupant) int { return cmp.Compare(a.Peer, b.Peer) })
	return out
}

// occupant says what person i's newest visible words about himself amount to.
func (r *Room) occupant(i int) (Occupant, bool) {
	word, nick := r.presence(i), r.naming(i)
	c := r.climateOf(i)
	if word == nil || word.kind != KindJoin || !c.mayEnter() {
		return Occupant{}, false
	}
	// Kicked, or banned and unbanned, and not come back. As with the join that
	// rule 1 asks for, what does not outrank him now puts him out no more.
	stands, _ := r.standingOf(i)
	out := func(x int) bool {
		k := r.controls[x]
		return (k.Kind == KindKick || k.Standing == Outcast) && r.all.eff.has(x) && !r.knows(word.past, x) &&
			(k.self() || above(k.key, stands))
	}
	if slices.ContainsFunc(r.people[i].kicks, out) || slices.ContainsFunc(r.people[i].settings, out) {
		return Occupant{}, false
	}
	return Occupant{Standing: c.standing, Role: c.role(), Join: word.id, Nick: nick.nick()}, true
}

// counts tells whether what m says of its author is to be believed. A cut no
// longer reaches a join below what is kept of its log, so there its place is
// enough: whoever may not enter is no occupant anyway.
func (m *message) counts() bool {
	return m.verdict.Status == Visible || m.kind == KindJoin && m.seq < m.log.low
}

// earlier is the order of display and logs, see [event.Event.Before].
func (m *message) earlier(o *message) bool {
	return cmp.Or(cmp.Compare(m.time, o.time), m.log.key.Compare(o.log.key), cmp.Compare(m.seq, o.seq), m.id.Compare(o.id)) < 0
}

// Topic is the newest visible subject.
type Topic struct {
	ID     event.ID
	Author peer.ID
	Text   string
}

// Topic is the room's subject; ok is false if none was ever set.
func (r *Room) Topic() (t Topic, ok bool) {
	m := r.topic()
	if m == nil {
		return Topic{}, false
	}
	t = Topic{ID: m.id, Author: r.people[m.author].id}
	if s, ok := m.body.(*Subject); ok {
		t.Text = s.Text
	}
	return t, true
}

// topic is the newest visible message about the subject, nil if there is none.
func (r *Room) topic() *message {
	return newest(r.subjects, func(m *message) bool { return m.verdict.Status == Visible })
}
