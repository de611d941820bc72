package room

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Decision is one control event and what became of it.
type Decision struct {
	ID        event.ID
	Time      event.Time // as its author says
	Author    peer.ID
	Op        Op       // without its cut
	Authority event.ID // the setting it was issued under
	Rank      Standing // what that setting gave
	Effective bool
	// Cause is the event that took the authority away, if one did.
	Cause event.ID
	Did   string // what was done, in words
	Why   string // under which authority, and why not effective, in words
}

// Audit lists the control events held in the order of their times, then IDs.
// name says how people are called.
func (r *Room) Audit(name func(peer.ID) string) []Decision {
	out := make([]Decision, len(r.controls))
	for i, c := range r.controls {
		out[i] = r.decision(c, name)
	}
	slices.SortFunc(out, func(a, b Decision) int { return cmp.Or(cmp.Compare(a.Time, b.Time), a.ID.Compare(b.ID)) })
	return out
}

func (r *Room) decision(c *control, name func(peer.ID) string) Decision {
	d := Decision{
		ID: c.id, Time: c.time, Author: r.people[c.author].id, Op: c.Op, Rank: c.key.rank,
		Effective: r.all.eff.has(c.index), Did: c.sentence(name),
	}
	d.Op.Cuts = nil
	switch {
	case c.index == 0:
		d.Why = "as the creator"
		return d
	case !c.counts:
		d.Why = "counts for nothing: it needs a newer p2pchat, or a higher min_version"
		return d
	}
	g := r.controls[c.auth]
	d.Authority = g.id
	d.Why = "as " + r.grant(g, name)
	if d.Effective {
		return d
	}
	if x := r.cutter(r.all, c); x != nil {
		d.Cause = x.id
		switch {
		case c.anc.has(x.index):
			d.Why += fmt.Sprintf("; not effective: %s had been made %s by %s before, and it says so itself",
				name(d.Author), x.Standing, name(r.people[x.author].id))
		case x.self():
			d.Why += fmt.Sprintf("; not effective: %s had given that standing up", name(d.Author))
		default:
			d.Why += fmt.Sprintf("; not effective: %s made %s %s without having heard of it",
				name(r.people[x.author].id), name(d.Author), x.Standing)
		}
		return d
	}
	d.Cause = g.id
	d.Why += "; not effective: that grant is void itself"
	return d
}

// grant says where a standing comes from.
func (r *Room) grant(g *control, name func(peer.ID) string) string {
	if g.index == 0 {
		return "the creator"
	}
	return fmt.Sprintf("%s by the word of %s", g.conf.rank, name(r.people[g.author].id))
}

// sentence is what c does, in words.
func (c *control) sentence(name func(peer.ID) string) string {
	var s string
	switch c.Kind {
	case KindGenesis:
		return "made the room"
	case KindSet:
		switch {
		case c.Standing == Outcast:
			s = "banned " + name(c.Target)
		case c.Standing == None:
			s = "took every standing or ban from " + name(c.Target)
		default:
			s = "made " + name(c.Target) + " " + c.Standing.String()
		}
	case KindKick:
		s = "kicked " + name(c.Target)
	case KindVoice:
		s = "gave voice to " + name(c.Target)
	case KindDevoice:
		s = "took the voice of " + name(c.Target)
	case KindRetract:
		s = "retracted a message of " + name(c.Target)
	case KindConfigure:
		s = "set " + c.Setting.Field.Key() + " to " + quote(c.Setting.Value())
	case KindDestroy:
		s = "destroyed the room"
	default:
		return fmt.Sprintf("did something unknown (kind %d)", c.Kind)
	}
	if c.Reason != "" {
		s += ": " + c.Reason
	}
	if c.Kind == KindDestroy && c.Alternate != (event.Conversation{}) {
		s += "; in its place there is the room " + c.Alternate.String()
	}
	return s
}
