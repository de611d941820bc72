package api

import "time"

// Room is one row of the list of rooms.
type Room struct {
	RoomID      string `json:"room_id"` // 64 hex digits
	Name        string `json:"name"`
	Subject     string `json:"subject"`
	Description string `json:"description"`
	Visible     bool   `json:"visible"`   // listed for everybody
	Access      string `json:"access"`    // open or members-only
	Moderated   bool   `json:"moderated"` // those without standing need voice to speak
	Password    bool   `json:"password"`
	Joined      bool   `json:"joined"`
	Occupants   int    `json:"occupants"` // who joined and did not leave, present or not
	Unread      int    `json:"unread"`
	Mentions    int    `json:"mentions"` // of the unread messages those that name us
	Logging     bool   `json:"logging"`  // members keep readable logs
	Destroyed   bool   `json:"destroyed"`
	// Standing and Role are ours.
	Standing string `json:"standing"`
	Role     string `json:"role"`
	// Nick is ours, empty if not joined.
	Nick string `json:"nick"`
}

// MarshalJSON implements json.Marshaler: the subject of a room one is not in
// is null unless it is known.
func (r Room) MarshalJSON() ([]byte, error) {
	type plain Room
	subject := &r.Subject
	if !r.Joined {
		subject = known(r.Subject)
	}
	return marshal(struct {
		RoomID  string  `json:"room_id"` // these, for their place
		Name    string  `json:"name"`
		Subject *string `json:"subject"`
		plain
	}{r.RoomID, r.Name, subject, plain(r)})
}

// Who may enter.
const (
	AccessOpen        = "open"
	AccessMembersOnly = "members-only"
)

// Standings, from below. A standing belongs to a peer ID.
const (
	StandingOutcast   = "outcast"
	StandingNone      = "none"
	StandingMember    = "member"
	StandingModerator = "moderator"
	StandingAdmin     = "admin"
	StandingOwner     = "owner"
)

// Roles of those in a room.
const (
	RoleNone        = "none" // may not enter
	RoleVisitor     = "visitor"
	RoleParticipant = "participant"
	RoleModerator   = "moderator"
	RoleAdmin       = "admin"
	RoleOwner       = "owner"
)

// Presences of a member of a room.
const (
	PresenceOnline  = "online"
	PresenceAway    = "away"
	PresenceOffline = "offline"
)

// Member is somebody who joined a room and did not leave, oneself included.
type Member struct {
	PeerID   string `json:"peer_id"`
	Name     string `json:"name"` // username as known here
	Nick     string `json:"nick"`
	Standing string `json:"standing"`
	Role     string `json:"role"`
	Presence string `json:"presence"`
	Self     bool   `json:"self"`
	// Warning is non-empty when another member has the same nick.
	Warning string `json:"warning"`
}

// MarshalJSON implements json.Marshaler: the name of somebody who never
// introduced himself is null.
func (m Member) MarshalJSON() ([]byte, error) {
	type plain Member
	return marshal(struct {
		PeerID string  `json:"peer_id"` // these, for their place
		Name   *string `json:"name"`
		plain
	}{m.PeerID, known(m.Name), plain(m)})
}

// Entry is what somebody is in a room.
type Entry struct {
	RoomID   string `json:"room_id"`
	Standing string `json:"standing"`
	Role     string `json:"role"`
}

// CreateRoomRequest describes a room to be made.
type CreateRoomRequest struct {
	Name   string `json:"name"` // 1 to [MaxRoomName] characters
	Hidden bool   `json:"hidden"`
	// History says what newcomers get: "all" (also ""), "none", a number of
	// messages or a duration.
	History string `json:"history"`
	// Nick is ours, "" for the username.
	Nick        string `json:"nick"`
	MembersOnly bool   `json:"members_only"`
	Moderated   bool   `json:"moderated"`
	// Password that newcomers have to know; empty: none.
	Password []byte `json:"password,omitempty"`
}

// JoinRoomRequest says which room to enter.
type JoinRoomRequest struct {
	Room string `json:"room"`
	Nick string `json:"nick"` // "" for the username, or the nick one has there
	// Wait bounds the wait for a member, and for a name nobody knows yet.
	Wait time.Duration `json:"wait"`
	// Password of the room; empty: none is given.
	Password []byte `json:"password,omitempty"`
}

// ConfigureRequest changes settings of a room.
type ConfigureRequest struct {
	Room string `json:"room"`
	// Set lists settings as key and value, as `room config` prints them.
	Set []Setting `json:"set"`
	// Password sets a new one, NoPassword takes it away; of both at most one.
	Password   []byte `json:"password,omitempty"`
	NoPassword bool   `json:"no_password"`
}

// Setting is one field of a room's configuration.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Acts of government.
const (
	ActKick    = "kick"
	ActBan     = "ban"
	ActUnban   = "unban"
	ActVoice   = "voice"
	ActDevoice = "devoice"
	ActGrant   = "grant"   // Standing
	ActRetract = "retract" // ID, of a message; Who is not needed
	ActDestroy = "destroy" // Alternate
)

// GovernRequest is one act in a room.
type GovernRequest struct {
	Room string `json:"room"`
	Act  string `json:"act"`
	// Who is a nick in the room, a name or a peer ID; also of somebody who is
	// not in it.
	Who       string `json:"who"`
	Standing  string `json:"standing"`
	ID        string `json:"id"`
	Reason    string `json:"reason"`
	Alternate string `json:"alternate"` // a ROOM, or ""
}

// Invitation is an invitation that waits for an answer.
type Invitation struct {
	ID     string `json:"id"` // of the event
	RoomID string `json:"room_id"`
	Room   string `json:"room"`    // its name, as the inviter says
	PeerID string `json:"peer_id"` // of the inviter
	Name   string `json:"name"`    // his
	Reason string `json:"reason"`
	Time   Time   `json:"time"`
}

// MarshalJSON implements json.Marshaler: the name of somebody who never
// introduced himself is null.
func (i Invitation) MarshalJSON() ([]byte, error) {
	type plain Invitation
	return marshal(struct {
		ID     string  `json:"id"` // these, for their place
		RoomID string  `json:"room_id"`
		Room   string  `json:"room"`
		PeerID string  `json:"peer_id"`
		Name   *string `json:"name"`
		plain
	}{i.ID, i.RoomID, i.Room, i.PeerID, known(i.Name), plain(i)})
}

// AnswerRequest answers an invitation.
type AnswerRequest struct {
	Room   string `json:"room"` // name or ID of the room, or ID of the invitation
	Accept bool   `json:"accept"`
	Reason string `json:"reason"` // of a decline
	// The rest is as in [JoinRoomRequest].
	Nick     string        `json:"nick"`
	Wait     time.Duration `json:"wait"`
	Password []byte        `json:"password,omitempty"`
}

// AuditRow is one act of government and what became of it.
type AuditRow struct {
	ID        string `json:"id"`
	Time      Time   `json:"time"`
	PeerID    string `json:"peer_id"` // who did it
	Name      string `json:"name"`
	Act       string `json:"act"`       // genesis, set, kick, voice, devoice, retract, configure, destroy or unknown
	Target    string `json:"target"`    // peer ID, empty if it has none
	Did       string `json:"did"`       // in words
	Authority string `json:"authority"` // ID of the act that gave the standing it was done under
	Rank      string `json:"rank"`      // that standing
	Effective bool   `json:"effective"`
	Why       string `json:"why"` // under which authority, or why it does not count
}

// MarshalJSON implements json.Marshaler, as of [Invitation].
func (r AuditRow) MarshalJSON() ([]byte, error) {
	type plain AuditRow
	return marshal(struct {
		ID     string  `json:"id"` // these, for their place
		Time   Time    `json:"time"`
		PeerID string  `json:"peer_id"`
		Name   *string `json:"name"`
		plain
	}{r.ID, r.Time, r.PeerID, known(r.Name), plain(r)})
}

// RoomStatus is a node's view of a room.
type RoomStatus struct {
	RoomID    string   `json:"room_id"`
	Name      string   `json:"name"`
	Peers     []string `json:"peers"`      // connected members, peer IDs; never null
	Members   int      `json:"members"`    // who joined, oneself included
	Present   int      `json:"present"`    // of them here now
	Epoch     string   `json:"epoch"`      // event ID of the epoch sent under
	Epochs    int      `json:"epochs"`     // keys held
	Root      string   `json:"root"`       // of the control set, hex
	Digest    string   `json:"digest"`     // of all that is held, hex; equal digests: in step
	Messages  uint64   `json:"messages"`   // held without a gap, over all logs
	Parked    int      `json:"parked"`     // events and envelopes that wait for something missing
	Missing   bool     `json:"missing"`    // some log has a gap
	LastSync  Time     `json:"last_sync"`  // the last one that ended well
	SyncPeers []string `json:"sync_peers"` // with whom we were found in step since the last change; never null
}

// MarshalJSON implements json.Marshaler: an epoch nobody announced yet is null.
func (s RoomStatus) MarshalJSON() ([]byte, error) {
	type plain RoomStatus
	if s.Peers == nil {
		s.Peers = []string{}
	}
	if s.SyncPeers == nil {
		s.SyncPeers = []string{}
	}
	return marshal(struct {
		RoomID string `json:"room_id"` // these, for their place
		Name   string `json:"name"`
		plain
		Epoch *string `json:"epoch"`
	}{s.RoomID, s.Name, plain(s), known(s.Epoch)})
}

// RoomState is a room's state, decided alike on every member.
type RoomState struct {
	RoomID    string            `json:"room_id"`
	Creator   string            `json:"creator"`
	Config    map[string]string `json:"config"` // by key, as `room config` prints it
	People    []PersonState     `json:"people"` // ascending by peer ID; never null
	Subject   string            `json:"subject"`
	Destroyed bool              `json:"destroyed"`
	Reason    string            `json:"reason"`    // of the destruction
	Alternate string            `json:"alternate"` // room ID, empty for none
	Root      string            `json:"root"`      // of the control set, hex
	// Canonical is the whole as lines of text, byte for byte the same on every
	// member that has the same events.
	Canonical string `json:"canonical"`
}

// MarshalJSON implements json.Marshaler.
func (s RoomState) MarshalJSON() ([]byte, error) {
	type plain RoomState
	if s.People == nil {
		s.People = []PersonState{}
	}
	if s.Config == nil {
		s.Config = map[string]string{}
	}
	return marshal(plain(s))
}

// PersonState is what a room decided of one person.
type PersonState struct {
	PeerID   string `json:"peer_id"`
	Standing string `json:"standing"`
	Voice    string `json:"voice"` // unset, voice or devoiced
}
