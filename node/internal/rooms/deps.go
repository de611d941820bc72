package rooms

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

// Config configures a [Service]. All fields but Now and the last are needed.
type Config struct {
	Host    host.Host
	Key     identity.Key
	Rand    io.Reader // epoch keys, nonces, the nonces of rooms
	Store   Store
	Ledger  Ledger
	Gossip  Gossip
	Sync    Sync
	Handler Handler
	// Receipt tells p that events of his log k are committed here up to h.
	Receipt func(p peer.ID, room event.Conversation, k event.LogKey, h event.Head)
	// Away tells whether the person here is away.
	Away   func() bool
	Now    func() time.Time // the time of day; nil: time.Now
	Logger *slog.Logger
	// CompactAfter is how many messages come before the rules give up those
	// that they can read again. 0: 4096.
	CompactAfter int
}

// Membership is what is kept of a room beside its events.
type Membership struct {
	Room   event.Conversation
	Joined bool
	Nick   string // ours
	// Present is when somebody was last known to be here; PutMembership leaves
	// it alone.
	Present time.Time
}

// Below says that nothing of a log up to Seq is wanted. ID is the event's there.
type Below struct {
	event.LogKey
	event.Head
}

// Store keeps rooms. Reading gives what is committed.
type Store interface {
	Memberships(ctx context.Context) ([]Membership, error)
	PutMembership(ctx context.Context, m Membership) error
	PutPresent(ctx context.Context, room event.Conversation, at time.Time) error
	// Enter keeps, as a whole or not at all, what somebody who lets us in
	// hands over. Control events come after those they cite, the genesis first.
	// What stands, of others, is kept as waiting for a verdict.
	Enter(ctx context.Context, m Membership, control []*event.Event, keys map[event.ID]envelope.Key, below []Below, standing []*event.Event) error

	// Controls lists a room's control events, each after those it cites.
	Controls(ctx context.Context, room event.Conversation) ([]*event.Event, error)
	// EachPiece yields a room's messages by log, then seq, with the verdict they
	// were stored with, and lines that were put and still are as they were in
	// place of the messages they stand for.
	EachPiece(ctx context.Context, room event.Conversation, f func(*room.Line, *event.Event, room.Status) error) error
	// PutLines keeps lines in place of those before.
	PutLines(ctx context.Context, room event.Conversation, lines []room.Line) error
	// SetVerdicts puts right what a crash left behind.
	SetVerdicts(ctx context.Context, verdicts map[event.ID]room.Status) error
	// EventsByID gives those that are held, in the order asked for, up to
	// limit bytes but one at least.
	EventsByID(ctx context.Context, ids []event.ID, limit int) ([]*event.Event, error)
	// Latest gives the newest n messages that are shown, the oldest of them first.
	Latest(ctx context.Context, room event.Conversation, n int) ([]*event.Event, error)
	// Line gives all messages in a piece of a log that are not [Refused], by
	// seq.
	Line(ctx context.Context, room event.Conversation, r event.Range) ([]*event.Event, error)
	// Message gives one of the room's that is not [Refused], nil if there is
	// none.
	Message(ctx context.Context, room event.Conversation, id event.ID) (*event.Event, error)
	// Bodiless lists, ascending, at most limit texts that are held without their
	// body though nothing that counts took it back.
	Bodiless(ctx context.Context, room event.Conversation, after event.ID, limit int) ([]event.ID, error)
	// LacksBody tells whether a text that is held lacks its body.
	LacksBody(ctx context.Context, id event.ID) (bool, error)
	// TakesLog tells whether an author may open log k, or has: he may have so
	// many.
	TakesLog(ctx context.Context, room event.Conversation, k event.LogKey) (bool, error)
	Lows(ctx context.Context, room event.Conversation) (map[event.LogKey]uint64, error)
	// Prune removes what is below low of a log, but for what the rules need.
	Prune(ctx context.Context, room event.Conversation, k event.LogKey, low uint64) error
	// Newest gives the positions below which nothing is needed by somebody who
	// is to see the last n messages, or those since since (of n and since one
	// is set; neither: none): one for each log held.
	Newest(ctx context.Context, room event.Conversation, n uint64, since time.Time) ([]Below, error)

	Keys(ctx context.Context, room event.Conversation) (map[event.ID]envelope.Key, error)
	PutKeys(ctx context.Context, room event.Conversation, keys map[event.ID]envelope.Key) error

	// Admitted lists whom PutAdmitted named: they may be served without another
	// word for it.
	Admitted(ctx context.Context, room event.Conversation) ([]peer.ID, error)
	PutAdmitted(ctx context.Context, room event.Conversation, people []peer.ID) error
	// Secret is what PutSecret kept last; generation 0: nothing.
	Secret(ctx context.Context, room event.Conversation) (generation uint64, sealed []byte, err error)
	PutSecret(ctx context.Context, room event.Conversation, generation uint64, sealed []byte) error

	Frontier(ctx context.Context, room event.Conversation) (event.Frontier, error)
	Range(ctx context.Context, room event.Conversation, r event.Range, limit int) ([]*event.Event, error)
	// Acks gives what each member is known to hold of our logs.
	Acks(ctx context.Context, room event.Conversation) (map[peer.ID]event.Frontier, error)
	PutAcks(ctx context.Context, room event.Conversation, acks map[peer.ID]event.Frontier) error
}

// Batch is what the rules decided of events that came from elsewhere.
type Batch struct {
	Control, Messages []*event.Event
	Verdicts          map[event.ID]room.Status // of Messages, and of others that changed
	Dropped           []event.ID
}

// Ledger signs and commits.
type Ledger interface {
	// OwnLog is the log our events of the room go to.
	OwnLog(ctx context.Context, room event.Conversation) (event.LogKey, error)
	// Found signs and commits a genesis, with the key of the room's first
	// epoch.
	// joined: we are in it from then on.
	Found(ctx context.Context, body []byte, nick string, joined bool, key envelope.Key) (*event.Event, error)
	// Append signs and commits our next events, all or none.
	Append(ctx context.Context, room event.Conversation, drafts []room.Draft) ([]*event.Event, error)
	// Commit commits what came from elsewhere and was judged.
	Commit(ctx context.Context, room event.Conversation, b Batch) (Committed, error)
}

// Committed is what came of a batch.
type Committed struct {
	At time.Time
	// Spoken are texts that came after an edit, a retraction or a reaction that is
	// about them, or were here without their body.
	Spoken map[event.ID]bool
}

// Verdict is what is to happen to a payload.
type Verdict int

// The verdicts.
const (
	Accept Verdict = iota
	Ignore
	Reject
)

// TopicHandler hears from a topic.
type TopicHandler interface {
	// Validate judges a payload; it may be called concurrently. What it returns
	// is handed to Deliver.
	Validate(from peer.ID, payload []byte) (Verdict, any)
	Deliver(from peer.ID, data any)
	PeerJoined(p peer.ID)
	PeerLeft(p peer.ID)
}

// Topic is a topic we are in.
type Topic interface {
	Publish(ctx context.Context, payload []byte) error
	Peers() []peer.ID // connected peers that are in it too
	Leave() error
}

// Gossip carries payloads on topics.
type Gossip interface {
	Join(topic string, h TopicHandler) (Topic, error)
	// FloodsFrom is the number of members from which a payload that its
	// publisher sent to all of them is not forwarded.
	FloodsFrom() int
}

// Sync repairs.
type Sync interface {
	Follow(room event.Conversation)
	Forget(room event.Conversation)
	// Kick asks for a run with p soon.
	Kick(room event.Conversation, p peer.ID)
}

// Message is a message of a room as it is told to faces.
type Message struct {
	*event.Event
	At      time.Time
	Nick    string
	Verdict room.Verdict
	// Fresh: it was not here before; else only its verdict changed.
	Fresh bool
	// Spoken: it came after something that is about it, or was here without its body.
	Spoken bool
}

// Scene is what a room is while something happens in it.
type Scene struct {
	Name    string
	Logging bool // members keep readable logs
}

// Handler hears what happens in rooms, in order for each room. It must be quick
// and must not call the service.
type Handler interface {
	// Messages: these entered the history, or their verdict changed.
	Messages(room event.Conversation, s Scene, ms []Message)
	// Governed: control events that entered the history, and of each what the rules
	// say now.
	Governed(room event.Conversation, s Scene, events []*event.Event, asides []Aside, at time.Time)
	// RoomChanged: name, subject, occupants, our standing … may have changed.
	RoomChanged(room event.Conversation)
	// MemberChanged: somebody came, changed or went.
	MemberChanged(room event.Conversation, m Member, gone bool)
	// Delivered: somebody else has committed our log k up to h.
	Delivered(room event.Conversation, k event.LogKey, h event.Head)
	// Keyed: these keys of epochs are held from now on. They open all that is said
	// under them.
	Keyed(room event.Conversation, s Scene, keys map[event.ID]envelope.Key)
	// Failed: events could not be committed.
	Failed(room event.Conversation, err error)
}

// Member is somebody who joined a room and did not leave.
type Member struct {
	room.Occupant
	Present bool
	Away    bool
}
