package room

import (
	"crypto/sha256"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

const epochDomain = "p2pchat epoch v1\x00"

// EpochCommitment is what an event says of an epoch key: SHA-256(domain ‖ key).
func EpochCommitment(key [32]byte) [32]byte {
	return sha256.Sum256(append([]byte(epochDomain), key[:]...))
}

// EpochKey names an epoch that a stored event announces.
type EpochKey struct {
	ID         event.ID // of the announcing event; the genesis for the first
	Commitment [32]byte
	// Covers: it was announced by somebody who may still say so, after every
	// removal known here. Only such an epoch is to be sent under.
	Covers bool
}

// Rotates tells whether removals call for a new epoch: where the room's door is
// guarded. In an open room the removed may come back under another identity.
func (r *Room) Rotates() bool { return r.config.MembersOnly() || r.config.Password() > 0 }

// Epochs lists the epochs that stored events announce, ascending by ID. If none
// of those that cover is to be had, a new one is to be announced.
func (r *Room) Epochs() []EpochKey {
	var removals []int
	if r.Rotates() {
		removals = r.removals()
	}
	out := []EpochKey{{ID: event.ID(r.id), Commitment: r.epoch, Covers: len(removals) == 0}}
	for _, m := range r.epochs {
		b, ok := m.body.(*Epoch)
		if !ok {
			continue
		}
		covers := m.verdict.Status == Visible
		for _, i := range removals {
			covers = covers && r.knows(m.past, i)
		}
		out = append(out, EpochKey{m.id, b.Commitment, covers})
	}
	slices.SortFunc(out, func(a, b EpochKey) int { return a.ID.Compare(b.ID) })
	return out
}

// removals lists the effective events that put somebody out for good: bans,
// and, where membership is asked for, its loss and the switch that asks for it.
func (r *Room) removals() []int {
	var out []int
	members := r.config.MembersOnly()
	for i := range r.all.eff.without(nil) {
		c := r.controls[i]
		switch c.Kind {
		case KindSet:
			if c.lowers && (c.Standing == Outcast || c.Standing == None && members) {
				out = append(out, i)
			}
		case KindConfigure:
			if members && c.Setting.Field == FieldAccess && c.Setting.narrows() {
				out = append(out, i)
			}
		}
	}
	return out
}

// PasswordBy is the event that set the password in force, and its author; the genesis
// where none did.
func (r *Room) PasswordBy() (event.ID, peer.ID) {
	if c := r.register(r.all.set, r.all.eff, r.setters[FieldPassword]); c != nil {
		return c.id, r.people[c.author].id
	}
	return event.ID(r.id), r.Creator()
}

// Admitted tells whether p may be given epoch keys without passing the password
// step here: he made the room, or holds a visible join that somebody admitted,
// who may enter still, signed for. In a room without password it is whether he
// may enter.
func (r *Room) Admitted(p peer.ID) bool {
	i := r.find(p)
	if !r.climateOf(i).mayEnter() {
		return false
	}
	if r.config.Password() == 0 {
		return true
	}
	asked := map[int]bool{}
	in := r.admitted(i, asked)
	if !in { // nor is anybody whose word was asked for on the way
		for i := range asked {
			r.letIn[i] = false
		}
	}
	return in
}

// admitted tells whether words lead from person i to the creator. asked are those whom
// this question came by: a word that leads back to them proves nothing more than
// theirs would.
func (r *Room) admitted(i int, asked map[int]bool) bool {
	if in, known := r.letIn[i]; known {
		return in
	}
	if i == r.creator {
		return true
	}
	if i < 0 || asked[i] || !r.climateOf(i).mayEnter() {
		return false
	}
	asked[i] = true
	for _, m := range r.people[i].said {
		if a := r.admitter(m); a >= 0 && r.admitted(a, asked) {
			r.letIn[i] = true
			return true
		}
	}
	return false
}

// admitter is who signed for the join m, -1 if it is none that counts or nobody did.
func (r *Room) admitter(m *message) int {
	j, ok := m.body.(*Join)
	if !ok || !m.counts() || j.Admission == nil {
		return -1
	}
	if m.signed == 0 {
		if m.signed = -1; j.Admission.verifies(m.header) {
			m.signed = 1
		}
	}
	if m.signed < 0 {
		return -1
	}
	return r.find(j.Admission.Admitter)
}
