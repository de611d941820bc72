package room

import "p2pchat/protocol/pb"

// Standing is a rung of the one ladder of a room. It belongs to a peer ID. The
// numbers are the wire's.
type Standing uint8

// The ladder, from below.
const (
	Outcast   Standing = 1
	None      Standing = 2
	Member    Standing = 3
	Moderator Standing = 4
	Admin     Standing = 5
	Owner     Standing = 6
)

var standingNames = [...]string{Outcast: "outcast", None: "none", Member: "member", Moderator: "moderator", Admin: "admin", Owner: "owner"}

// Valid tells whether s is a rung.
func (s Standing) Valid() bool { return s >= Outcast && s <= Owner }

func (s Standing) String() string {
	if !s.Valid() {
		return "unknown"
	}
	return standingNames[s]
}

// ParseStanding reads the name of a standing.
func ParseStanding(name string) (Standing, bool) {
	for s := Outcast; s <= Owner; s++ {
		if standingNames[s] == name {
			return s, true
		}
	}
	return 0, false
}

func (s Standing) wire() pb.Standing { return pb.Standing(s) }

// power is what an act is issued under, and what a setting confers. Depth is
// the number of grants between it and the creator.
type power struct {
	rank  Standing
	depth int
}

// above is strict: equals never outrank each other, but of two owners the one
// nearer the creator stands above the other.
func above(a, b power) bool {
	return a.rank > b.rank || a.rank == Owner && b.rank == Owner && a.depth < b.depth
}

// Role is what somebody is while present (XEP-0045, 5.1). The numbers order
// the columns of the table of privileges.
type Role uint8

// The roles.
const (
	Nobody Role = iota // may not enter
	Visitor
	Participant
	RoleModerator
	RoleAdmin
	RoleOwner
)

var roleNames = [...]string{"none", "visitor", "participant", "moderator", "admin", "owner"}

func (r Role) String() string { return roleNames[r] }

// article is the role with its article.
func (r Role) article() string {
	switch r {
	case Nobody:
		return "somebody outside"
	case RoleAdmin, RoleOwner:
		return "an " + r.String()
	}
	return "a " + r.String()
}

// Voice is the register of voice and devoice.
type Voice uint8

// The states of the register.
const (
	VoiceUnset Voice = iota
	Voiced
	Devoiced
)

var voiceNames = [...]string{"unset", "voice", "devoiced"}

func (v Voice) String() string { return voiceNames[v] }
