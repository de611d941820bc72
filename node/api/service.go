package api

import (
	"context"
	"iter"
	"time"
)

// Reader is the part of a node that needs neither key nor network: it is also
// served from the store of an account whose node is not running.
type Reader interface {
	// Whoami tells the account's identity.
	Whoami(ctx context.Context) (Identity, error)
	// Peers lists the roster, oneself excluded: online first, then by name.
	Peers(ctx context.Context) ([]Peer, error)
	// Conversations lists everything one can talk in, latest activity first.
	Conversations(ctx context.Context) ([]Conversation, error)
	// Log lists a conversation's messages, oldest first.
	// Errors: not-found, ambiguous.
	Log(ctx context.Context, q LogQuery) ([]Message, error)
	// Search finds messages in all conversations, also of rooms one has left,
	// by the words that can be read in them: the newest, listed oldest first.
	// What is hidden, was retracted or said by somebody blocked is not found;
	// what he said to us alone is, if In names him.
	// Errors: usage, too-long, bad-text; not-found, ambiguous for from: and in:.
	Search(ctx context.Context, q SearchQuery) ([]Message, error)

	// Rooms lists the rooms joined, by name; with all also those that were
	// left, and a running node asks the others which visible rooms they know.
	Rooms(ctx context.Context, all bool) ([]Room, error)
	// Members lists those who joined a room and did not leave, present first,
	// then by nick. room is a name, `#name`, `room:name` or a room ID.
	// Errors: not-found, ambiguous.
	Members(ctx context.Context, room string) ([]Member, error)
	// RoomState is the room's canonical state, the same on every member that
	// has the same events. Errors: not-found, ambiguous.
	RoomState(ctx context.Context, room string) (RoomState, error)
	// Audit lists who did what in a room, when, under which authority, and
	// whether it counts, by time. Errors: not-found, ambiguous.
	Audit(ctx context.Context, room string) ([]AuditRow, error)
	// Invitations lists those that were neither answered nor overtaken by our
	// entering, the newest last.
	Invitations(ctx context.Context) ([]Invitation, error)
	// Storage tells what the history takes and how much of it is kept.
	Storage(ctx context.Context) (Storage, error)
}

// Service is a running node. It is safe for concurrent use.
type Service interface {
	Reader

	// Status describes this node.
	Status(ctx context.Context) (Status, error)

	// AddPeer remembers a static address and dials it. addr is a multiaddr
	// that ends in /p2p/ID, as status prints them. Errors: usage.
	AddPeer(ctx context.Context, addr string) error
	// RemovePeer forgets a peer's addresses, static ones included, and closes
	// its connections; what was said stays. Errors: not-found, ambiguous.
	RemovePeer(ctx context.Context, who string) error
	// Verify marks somebody as verified, which a person does who has compared
	// fingerprints with him; with undo it takes the mark away. It is kept until
	// the peer is removed. Errors: not-found, ambiguous, usage for oneself.
	Verify(ctx context.Context, who string, undo bool) (Verification, error)

	// Block ends all that goes directly between somebody and us, now and until
	// it is undone: he is not told, and for him we do not deliver. Send,
	// SendPrivate and Invite to him are forbidden. What he says in rooms is
	// stored and not shown: Log, Watch and the counts of what is unread pass over
	// it until undo. Every watcher gets a new snapshot then, as one that lagged.
	// who may also be the ID of a peer that was never seen. It survives
	// RemovePeer, after which his row stays. Errors: not-found, ambiguous, usage
	// for oneself.
	Block(ctx context.Context, who string, undo bool) (Blocking, error)

	// SetRetention limits how much of the history this node keeps; what is beyond
	// goes, oldest first, and does not come back. What others have yet to get of
	// ours stays, as does who may do what in rooms. Errors: usage, disk-full.
	SetRetention(ctx context.Context, r Retention) (Storage, error)

	// Send commits one message and waits up to r.Wait for its receipt. A
	// message that was not delivered in time is no error: its State says so,
	// and it goes out when its recipient returns.
	// Errors: not-found, ambiguous, too-long, bad-text, disk-full; not-joined
	// for a room one has left; forbidden to somebody one has blocked.
	Send(ctx context.Context, r SendRequest) (Receipt, error)
	// Await waits up to wait for the receipt of a message of ours that is stored: sent
	// is what was returned for it. Error: not-found.
	Await(ctx context.Context, sent Receipt, wait time.Duration) (Receipt, error)
	// Edit puts a text in place of that of one of our own messages, Retract takes one
	// back, and React reacts to anybody's, or takes that away. They wait for the
	// receipt like Send. Watchers get the message anew, as [ChangeMessage].
	// Errors: those of Send; not-found and ambiguous also for the message, which is
	// not-found too if it was taken back or is none that can be changed; forbidden
	// if it is not ours; usage for an edit that changes nothing.
	Edit(ctx context.Context, r AmendRequest) (Receipt, error)
	Retract(ctx context.Context, r AmendRequest) (Receipt, error)
	React(ctx context.Context, r AmendRequest) (Receipt, error)
	// CreateRoom makes a room and joins it.
	// Errors: usage, too-long, bad-text, disk-full.
	CreateRoom(ctx context.Context, r CreateRoomRequest) (Entry, error)
	// JoinRoom enters a room, through any member that is connected, and waits
	// up to r.Wait for one. Joining a room one is in changes nothing but the
	// nick. An ID nobody knows is not-joined: the room may be hidden.
	// Errors: not-found, ambiguous, not-joined, too-long, bad-text and the
	// codes with which a room refuses.
	JoinRoom(ctx context.Context, r JoinRoomRequest) (Entry, error)
	// LeaveRoom says goodbye to the room; its history stays. Leaving a room
	// one has left changes nothing.
	// Errors: not-found, ambiguous.
	LeaveRoom(ctx context.Context, room string) (Entry, error)
	// RoomStatus is this node's view of a room it joined.
	// Errors: not-found, ambiguous.
	RoomStatus(ctx context.Context, room string) (RoomStatus, error)
	// PingRoom asks a connected member whether we are in the room (XEP-0410)
	// and waits up to wait. Errors: not-found, ambiguous, not-joined and the
	// codes with which a room refuses.
	PingRoom(ctx context.Context, room string, wait time.Duration) (Entry, error)

	// SetSubject changes the subject of a room; "" takes it away.
	// Errors: those of Govern, too-long, bad-text.
	SetSubject(ctx context.Context, room, subject string) (Entry, error)
	// Configure changes settings of a room, all of them or none.
	// Errors: those of Govern, usage.
	Configure(ctx context.Context, r ConfigureRequest) (Entry, error)
	// Govern kicks, bans, grants, retracts … in a room.
	// Errors: not-found, ambiguous, not-joined, usage and the codes with which
	// a room refuses.
	Govern(ctx context.Context, r GovernRequest) (Entry, error)
	// RequestVoice asks the moderators of a moderated room for voice. They are
	// told at once or when they come. Errors: those of Govern.
	RequestVoice(ctx context.Context, room string) (Entry, error)
	// Invite asks somebody into a room. In a members-only room it makes him a
	// member, which those may who may make members. Errors: those of Govern.
	Invite(ctx context.Context, room, who, reason string) (Entry, error)
	// AnswerInvitation accepts or declines an invitation; accepting enters the
	// room like JoinRoom. Errors: not-found, ambiguous and those of JoinRoom.
	AnswerInvitation(ctx context.Context, r AnswerRequest) (Entry, error)
	// SendPrivate sends a message to one person of a room and waits for its
	// receipt like Send. who is a nick there, a name or a peer ID.
	// Errors: those of Send and Govern.
	SendPrivate(ctx context.Context, room, who, text string, wait time.Duration) (Receipt, error)

	// MarkRead says that everything up to and including message id of target
	// has been read here; the others of the conversation are told.
	MarkRead(ctx context.Context, target, id string) error
	// Typing tells the others of target that one is typing. Not kept.
	Typing(ctx context.Context, target string) error
	// SetAway sets or, with away false, clears one's availability; text is a
	// status line of at most [MaxStatus] bytes.
	SetAway(ctx context.Context, away bool, text string) error

	// Watch yields numbered changes after since, starting with a snapshot
	// when since is 0 or too old to be continued from. It ends with ctx, with
	// the node, or when the loop breaks. A watcher that does not keep up gets
	// a change of type [ChangeLagged] followed by a new snapshot.
	Watch(ctx context.Context, since uint64) iter.Seq2[Change, error]

	// Diagnose runs the network and storage checks of `doctor`; it takes up
	// to a few seconds.
	Diagnose(ctx context.Context) ([]Finding, error)
	// CaptureTarget says which packets are this node's, for a capture.
	CaptureTarget(ctx context.Context) (CaptureTarget, error)
	// CaptureSecrets yields all that it takes to read this node's traffic, for a
	// capture whose packets are being collected already: first that it listens,
	// then the keys of rooms and the names of people that are known, in between
	// and from then on whatever comes new. When all that is known was taken, every
	// connection is opened anew, so that each has its handshake in the capture,
	// and [SecretReopened] tells what came of it. Meanwhile only TLS is spoken. It
	// ends with ctx, with the node, or when the loop breaks; the keys that were
	// told open nothing that is said later, since connections are then opened
	// anew again. Whoever does not keep up is told internal.
	CaptureSecrets(ctx context.Context) iter.Seq2[Secret, error]

	// Shutdown asks the node to stop cleanly; it returns at once.
	Shutdown(ctx context.Context) error
}

// Limits on what a person may send, in bytes of UTF-8 unless said otherwise.
const (
	MaxText     = 16 << 10
	MaxStatus   = 256
	MaxRoomName = 64 // characters
	MaxNick     = 32 // characters
	MaxSubject  = 1 << 10
	MaxReason   = 512
	MaxReaction = 32
	// MinID is how many of the first digits of a message's ID are enough to name it.
	MinID = 8
)

// DefaultWait is how long a send waits for its receipt unless told otherwise.
const DefaultWait = 10 * time.Second

// SendRequest is one message to be sent.
type SendRequest struct {
	// Target names the conversation: `name`, `@name`, peer ID, `user:name`
	// (rooms: `#name`, room ID, `room:name`).
	Target string `json:"target"`
	// Text is valid UTF-8, 1 byte to [MaxText]. A leading "/me " makes it an
	// action.
	Text string `json:"text"`
	// ReplyTo is the message of this conversation that it answers: its ID, or the
	// first [MinID] digits or more of it; empty for none. Error: not-found, ambiguous.
	ReplyTo string `json:"reply_to,omitempty"`
	// Wait bounds the wait for the receipt, and for a name that is not known
	// yet; 0 returns as soon as the message is stored.
	Wait time.Duration `json:"wait"`
}

// AmendRequest is something to be said about a message.
type AmendRequest struct {
	Target string `json:"target"` // as in [SendRequest]; a name has to be known
	ID     string `json:"id"`     // of the message, or the first [MinID] digits or more of it
	// Text is the new text of an edit, or a reaction, such as an emoji; a retraction
	// has none.
	Text string `json:"text,omitempty"`
	// Undo takes our reaction away; without a Text the only one there is.
	Undo bool          `json:"undo,omitempty"`
	Wait time.Duration `json:"wait"` // for the receipt; 0: none
}

// LogQuery selects messages of one conversation.
type LogQuery struct {
	Target string `json:"target"`
	// Last is the number of newest messages wanted, 0 for all.
	Last int `json:"last"`
	// Since leaves out what was said before; zero for no bound.
	Since time.Time `json:"since"`
	// Before leaves out this message and what comes after it; "" for none.
	// It pages backwards through history.
	Before string `json:"before,omitempty"`
	// After leaves out this message and what comes before it; "" for none. Last
	// counts from it then: it pages forwards.
	After string `json:"after,omitempty"`
	// All includes joins, leaves and government of a room.
	All bool `json:"all"`
}
