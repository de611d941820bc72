package room

// Privilege is something people may do in a room.
type Privilege uint8

// The privileges, in the order of the table.
const (
	Hear Privilege = iota
	Speak
	ChangeSubject
	Invite
	Kick    // of someone lower
	Hush    // give or take voice, of someone lower
	Retract // a message of someone lower
	MakeMember
	MakeModerator
	Ban // and unban, of someone lower
	MakeAdmin
	MakeOwner
	Configure
	Destroy
	privileges // their number
)

// Grade is an entry of the table.
type Grade uint8

// The grades.
const (
	No Grade = iota
	IfConfigured
	Yes
)

// privilegeTable says who may do what. The first three columns are roles of
// those below moderator; the rest are standings.
var privilegeTable = [privileges][RoleOwner + 1]Grade{
	//               nobody, visitor, participant, moderator, admin, owner
	Hear:          {No, Yes, Yes, Yes, Yes, Yes},
	Speak:         {No, No, Yes, Yes, Yes, Yes},
	ChangeSubject: {No, No, IfConfigured, Yes, Yes, Yes},
	Invite:        {No, IfConfigured, IfConfigured, Yes, Yes, Yes},
	Kick:          {No, No, No, Yes, Yes, Yes},
	Hush:          {No, No, No, Yes, Yes, Yes},
	Retract:       {No, No, No, Yes, Yes, Yes},
	MakeMember:    {No, No, No, No, Yes, Yes},
	MakeModerator: {No, No, No, No, Yes, Yes},
	Ban:           {No, No, No, No, Yes, Yes},
	MakeAdmin:     {No, No, No, No, No, Yes},
	MakeOwner:     {No, No, No, No, No, Yes},
	Configure:     {No, No, No, No, No, Yes},
	Destroy:       {No, No, No, No, No, Yes},
}

var privilegeNames = [privileges]string{
	"hear", "speak", "change the subject", "invite", "kick", "give or take voice", "retract a message",
	"make or unmake a member", "make or unmake a moderator", "ban or unban", "make or unmake an admin",
	"make or unmake an owner", "configure", "destroy",
}

func (p Privilege) String() string { return privilegeNames[p] }

// Privileges lists the rows of the table in order.
func Privileges() []Privilege {
	out := make([]Privilege, privileges)
	for i := range out {
		out[i] = Privilege(i)
	}
	return out
}

// Allowed is the table's entry for p and r.
func Allowed(p Privilege, r Role) Grade { return privilegeTable[p][r] }

// privilegeOf is the row a setting to s falls under; making somebody none
// unmakes a member or lifts a ban, which the same people may do.
func privilegeOf(s Standing) Privilege {
	switch s {
	case Owner:
		return MakeOwner
	case Admin:
		return MakeAdmin
	case Moderator:
		return MakeModerator
	case Outcast:
		return Ban
	}
	return MakeMember
}

// column is a standing's place in the table for acts of government, which the
// role of those below moderator never allows.
func column(s Standing) Role {
	switch s {
	case Owner:
		return RoleOwner
	case Admin:
		return RoleAdmin
	case Moderator:
		return RoleModerator
	}
	return Participant
}

// governs tells whether standing s alone allows p.
func governs(s Standing, p Privilege) bool { return Allowed(p, column(s)) == Yes }
