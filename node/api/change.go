package api

// ChangeType says which field of a [Change] is set.
type ChangeType string

// The types of change. Faces ignore types they do not know.
const (
	ChangeSnapshot     ChangeType = "snapshot"      // Snapshot
	ChangePeer         ChangeType = "peer"          // Peer: appeared or changed
	ChangePeerRemoved  ChangeType = "peer-removed"  // PeerID
	ChangeMessage      ChangeType = "message"       // Message: new, ours or theirs, or one known that was retracted
	ChangeState        ChangeType = "state"         // State: delivery state of one of ours
	ChangeConversation ChangeType = "conversation"  // Conversation: unread, read marker
	ChangeTyping       ChangeType = "typing"        // Typing
	ChangeHidden       ChangeType = "hidden"        // Hidden: a message of a room is no longer shown
	ChangeRoom         ChangeType = "room"          // Room: joined, or changed
	ChangeRoomLeft     ChangeType = "room-left"     // Room: left, destroyed or put out
	ChangeMember       ChangeType = "member"        // Member: came, changed or went
	ChangeInvitation   ChangeType = "invitation"    // Invitation: somebody asks us into a room
	ChangeVoiceRequest ChangeType = "voice-request" // VoiceRequest: somebody asks for voice in a room we moderate
	ChangeNotice       ChangeType = "notice"        // Notice: a sentence for the person
	ChangeLagged       ChangeType = "lagged"        // changes were dropped, or what was told no longer holds; a snapshot follows
)

// Change is one numbered thing that happened. Seq grows by at least one from
// change to change; the numbers start anew when the node does.
type Change struct {
	Seq          uint64        `json:"seq"`
	Type         ChangeType    `json:"type"`
	Snapshot     *Snapshot     `json:"snapshot,omitempty"`
	Peer         *Peer         `json:"peer,omitempty"`
	PeerID       string        `json:"peer_id,omitempty"`
	Message      *Message      `json:"message,omitempty"`
	State        *StateChange  `json:"state,omitempty"`
	Conversation *Conversation `json:"conversation,omitempty"`
	Typing       *Typing       `json:"typing,omitempty"`
	Hidden       *Hidden       `json:"hidden,omitempty"`
	Room         *Room         `json:"room,omitempty"`
	Member       *MemberChange `json:"member,omitempty"`
	Invitation   *Invitation   `json:"invitation,omitempty"`
	VoiceRequest *VoiceRequest `json:"voice_request,omitempty"`
	Notice       string        `json:"notice,omitempty"`
}

// Snapshot is the state that later changes are applied to.
type Snapshot struct {
	Self          Identity       `json:"self"`
	Peers         []Peer         `json:"peers"`
	Conversations []Conversation `json:"conversations"`
	Rooms         []Room         `json:"rooms"` // joined
	Notices       []string       `json:"notices"`
}

// StateChange says that every one of our messages of log Log in Conversation
// with a sequence number of at most Seq has reached at least State.
type StateChange struct {
	Conversation string `json:"conversation"`
	Log          string `json:"log"`
	Seq          uint64 `json:"seq"`
	State        string `json:"state"`
}

// Typing says that a person is typing now; it goes stale after some seconds.
type Typing struct {
	Conversation string `json:"conversation"`
	PeerID       string `json:"peer_id"`
}

// Hidden says that the room's rules no longer let a message be shown. If they
// come to let it again, it comes again as [ChangeMessage].
type Hidden struct {
	Conversation string `json:"conversation"`
	ID           string `json:"id"`
}

// MemberChange says what somebody in a room is now, or that he is no longer in
// it.
type MemberChange struct {
	RoomID string `json:"room_id"`
	Member Member `json:"member"`
	Gone   bool   `json:"gone"`
}

// VoiceRequest says that somebody asks for voice.
type VoiceRequest struct {
	RoomID string `json:"room_id"`
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
}
