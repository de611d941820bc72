package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Time is a point in time whose JSON form is RFC 3339, UTC, milliseconds; the
// zero Time is null.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// lastTime is the last that RFC 3339 can write; a clock that claims to be
// beyond it is shown as this.
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	if t.After(lastTime) {
		t.Time = lastTime
	}
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		t.Time = time.Time{}
		return nil
	}
	v, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(b))
	if err != nil {
		return fmt.Errorf("time %s: %w", b, err)
	}
	t.Time = v.UTC()
	return nil
}

// Identity is an account as others see it.
type Identity struct {
	PeerID      string `json:"peer_id"`
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
}

// Status describes a running node.
type Status struct {
	PeerID      string       `json:"peer_id"`
	Name        string       `json:"name"`
	Addrs       []string     `json:"addrs"`
	Connections []Connection `json:"connections"`
	Rooms       *int         `json:"rooms"`   // joined; null: the database is damaged there
	Queued      *int         `json:"queued"`  // messages not yet delivered; null likewise
	Storage     int64        `json:"storage"` // bytes
	Version     string       `json:"version"`
	Running     bool         `json:"running"`
	// Notices are standing warnings a person should act on, such as a second
	// live node with our peer ID. Never null.
	Notices []string `json:"notices"`
}

// Connection is one libp2p connection.
type Connection struct {
	PeerID    string `json:"peer_id"`
	Transport string `json:"transport"` // quic-v1 or tcp
	Direction string `json:"direction"` // inbound or outbound
	Addr      string `json:"addr"`
}

// Presence states of a peer.
const (
	Online  = "online"
	Offline = "offline"
)

// How a peer was found.
const (
	ViaMDNS     = "mdns"
	ViaStatic   = "static"
	ViaExchange = "exchange"
	ViaIncoming = "incoming"
)

// Peer is one row of the roster: what replaces a hand-kept index table.
type Peer struct {
	Name        string   `json:"name"`
	PeerID      string   `json:"peer_id"`
	Fingerprint string   `json:"fingerprint"`
	Addrs       []string `json:"addrs"`
	Via         string   `json:"via"` // empty: never found
	State       string   `json:"state"`
	RTT         *float64 `json:"rtt_ms"`
	LastSeen    Time     `json:"last_seen"`
	Verified    bool     `json:"verified"`
	Away        bool     `json:"away"`
	Status      string   `json:"status"`    // status line, may be empty
	Transport   *string  `json:"transport"` // of the live connection
	// Warning is non-empty when the name is the same as, or confusable with,
	// that of a peer seen earlier (or ours), or the peer changed its name.
	Warning string `json:"warning"`
	// Blocked: nothing goes directly between him and us, and what he says in
	// rooms is not shown.
	Blocked bool `json:"blocked"`
}

// Verification is what was marked, with what is to be compared.
type Verification struct {
	PeerID      string `json:"peer_id"`
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	Verified    bool   `json:"verified"`
}

// Blocking is who was blocked, or no longer is.
type Blocking struct {
	PeerID      string `json:"peer_id"`
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	Blocked     bool   `json:"blocked"`
}

// MarshalJSON implements json.Marshaler: the name of somebody who never
// introduced himself is null.
func (b Blocking) MarshalJSON() ([]byte, error) {
	type plain Blocking
	return marshal(struct {
		PeerID string  `json:"peer_id"` // these, for their place
		Name   *string `json:"name"`
		plain
	}{b.PeerID, known(b.Name), plain(b)})
}

// MarshalJSON implements json.Marshaler: the name of somebody who never
// introduced himself is null.
func (v Verification) MarshalJSON() ([]byte, error) {
	type plain Verification
	return marshal(struct {
		PeerID string  `json:"peer_id"` // these, for their place
		Name   *string `json:"name"`
		plain
	}{v.PeerID, known(v.Name), plain(v)})
}

// MarshalJSON implements json.Marshaler: the name of somebody who never
// introduced himself is null, and so is how somebody was found who never was.
func (p Peer) MarshalJSON() ([]byte, error) {
	type plain Peer
	if p.Addrs == nil {
		p.Addrs = []string{}
	}
	return marshal(struct {
		Name        *string  `json:"name"` // these, for their place
		PeerID      string   `json:"peer_id"`
		Fingerprint string   `json:"fingerprint"`
		Addrs       []string `json:"addrs"`
		Via         *string  `json:"via"`
		plain
	}{known(p.Name), p.PeerID, p.Fingerprint, p.Addrs, known(p.Via), plain(p)})
}

// marshal leaves <, > and & to whoever encodes the whole: an encoder that does
// not escape them would otherwise find them escaped.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(buf.Bytes()), err
}

// known is nil for the empty string, whose JSON form is null.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Conversation kinds.
const (
	KindDirect = "direct"
	KindRoom   = "room"
)

// Conversation is one row of a face's list.
type Conversation struct {
	ID     string `json:"id"`   // 64 hex digits
	Kind   string `json:"kind"` // direct or room
	Target string `json:"target"`
	Name   string `json:"name"` // of the other person or the room
	PeerID string `json:"peer_id"`
	Unread int    `json:"unread"`
	// Mentions are the unread messages that name us: our username, or our nick in
	// the room, as a word.
	Mentions int  `json:"mentions"`
	LastTime Time `json:"last_time"`
	// ReadByOther is the ID of our newest message the other side has read.
	ReadByOther string `json:"read_by_other"`
	// Fetching is how many messages of the past a room lacked when it began to
	// fetch them, and Fetched how many of those have come; 0 while nothing much
	// is fetched.
	Fetched  int `json:"fetched"`
	Fetching int `json:"fetching"`
}

// MarshalJSON implements json.Marshaler: what is not known is null.
func (c Conversation) MarshalJSON() ([]byte, error) {
	type plain Conversation
	return marshal(struct {
		ID     string  `json:"id"` // these, for their place
		Kind   string  `json:"kind"`
		Target string  `json:"target"`
		Name   *string `json:"name"`
		plain
		ReadByOther *string `json:"read_by_other"`
	}{c.ID, c.Kind, c.Target, known(c.Name), plain(c), known(c.ReadByOther)})
}

// Delivery states of one's own messages; others' are [Received].
const (
	Queued    = "queued"    // committed here
	Sent      = "sent"      // handed to a connection
	Delivered = "delivered" // committed by the other side
	Read      = "read"      // seen by the other person
	Received  = "received"
)

// Message kinds.
const (
	MessageText    = "text"
	MessageAction  = "action" // text began with "/me "; Text has it stripped
	MessageUnknown = "unknown"
	// Of rooms; listed only on demand.
	MessageJoin    = "join" // Text is the nick
	MessageLeave   = "leave"
	MessageNick    = "nick"    // Text is the new nick
	MessageSubject = "subject" // Text is the subject, empty if it was taken away
	MessageGovern  = "govern"  // Text says what was done; no log and seq
	MessageEpoch   = "epoch"   // a new key was announced
	// About a message, which is shown as they leave it; listed only on demand.
	MessageEdit       = "edit" // Text is the new text
	MessageRetraction = "retraction"
	MessageReaction   = "reaction"        // Text is the reaction
	MessageUnreaction = "reaction-undone" // likewise
	// Of two people, about a room.
	MessagePrivate      = "private"       // said within Room
	MessageInvite       = "invite"        // into Room; Text is its name, then the reason; listed only on demand, like the next two
	MessageAnswer       = "answer"        // to an invitation; Text is accepted or declined, with the reason
	MessageVoiceRequest = "voice-request" // in Room
)

// Message is one line of a conversation.
type Message struct {
	ID           string `json:"id"`
	Conversation string `json:"conversation"`
	Author       string `json:"author"` // peer ID
	Name         string `json:"name"`   // the author's username as known here
	Time         Time   `json:"time"`
	Log          string `json:"log"`
	Seq          uint64 `json:"seq"`
	Kind         string `json:"kind"`
	Text         string `json:"text"`
	State        string `json:"state"`
	Verified     bool   `json:"verified"` // the author is a verified contact
	// Skewed marks a message whose clock was more than 5 minutes off ours
	// when it arrived.
	Skewed bool `json:"skewed"`
	// Forked marks proof of equivocation: another event of the same author,
	// log and seq exists.
	Forked bool   `json:"forked"`
	Nick   string `json:"nick"` // the author's in the room, empty elsewhere
	// Retracted: its author or a moderator took the message back; Text is empty.
	Retracted bool `json:"retracted"`
	// Room is the ID of the room that a private message, an invitation, its answer or
	// a request for voice is about; empty elsewhere, and in an answer to an invitation
	// that is not held.
	Room string `json:"room"`
	// Edited is when its author wrote the text that is shown in place of the first;
	// null if he did not.
	Edited Time `json:"edited"`
	// ReplyTo is the ID of the message that it answers, About that of the one that an
	// edit, a retraction or a reaction is about; empty if there is none.
	ReplyTo   string     `json:"reply_to"`
	About     string     `json:"about"`
	Reactions []Reaction `json:"reactions"`
	// Place is the conversation of a message that was searched for; absent elsewhere.
	Place *Place `json:"place,omitempty"`
}

// Place names a conversation.
type Place struct {
	Kind   string `json:"kind"`   // direct or room
	Target string `json:"target"` // peer ID or room ID
	Name   string `json:"name"`   // of the other person or the room
}

// MarshalJSON implements json.Marshaler: the name of somebody who was forgotten is
// null.
func (p Place) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		Kind   string  `json:"kind"`
		Target string  `json:"target"`
		Name   *string `json:"name"`
	}{p.Kind, p.Target, known(p.Name)})
}

// Reaction is one to a message.
type Reaction struct {
	Text string   `json:"text"`
	By   []string `json:"by"` // peer IDs, never empty
}

// MarshalJSON implements json.Marshaler: the name of an author who was
// forgotten is null.
func (m Message) MarshalJSON() ([]byte, error) {
	type plain Message
	if m.Reactions == nil {
		m.Reactions = []Reaction{}
	}
	return marshal(struct {
		ID           string  `json:"id"` // these, for their place
		Conversation string  `json:"conversation"`
		Author       string  `json:"author"`
		Name         *string `json:"name"`
		plain
	}{m.ID, m.Conversation, m.Author, known(m.Name), plain(m)})
}

// Transcript is what the check of an exported conversation found good: every
// signature, and that all that can be read is what was signed.
type Transcript struct {
	Format       string `json:"format"` // text, jsonl or html
	Conversation string `json:"conversation"`
	Name         string `json:"name"`     // as the exporter calls it, as the two below
	Exported     Time   `json:"exported"` // when
	By           string `json:"by"`       // peer ID of who exported it
	Events       int    `json:"events"`
	Authors      int    `json:"authors"`
	// Missing is how many places in logs, between the first and the last in the
	// file, are not in it: hidden, or not for this member.
	Missing uint64 `json:"missing"`
	Forks   int    `json:"forks"` // places with more than one event of an author
	// Bare is how many messages are in the file without their text though nothing
	// in it took them back, BareEdits how many edits are: those of a text that was
	// taken back go with it, and nobody can tell any more whose they were.
	Bare      int `json:"bare"`
	BareEdits int `json:"bare_edits"`
}

// Receipt is what became of a message that was sent.
type Receipt struct {
	ID           string `json:"id"`
	Conversation string `json:"conversation"`
	State        string `json:"state"`
	Acked        int    `json:"acked"`   // members who committed it
	Members      int    `json:"members"` // others in the conversation
}

// Levels of a finding.
const (
	LevelOK   = "ok"
	LevelWarn = "warn"
	LevelFail = "fail"
)

// Finding is one line of `doctor`.
type Finding struct {
	Check  string `json:"check"`  // what was tested, a short constant such as "multicast"
	Level  string `json:"level"`  // ok, warn or fail
	Seen   string `json:"seen"`   // what was seen
	Advice string `json:"advice"` // what to do, empty if nothing
}

// Retention is how much of the history a node keeps; null: no limit.
type Retention struct {
	MaxAge  *Duration `json:"max_age"`  // of a message by its author's clock, at least [MinAge]
	MaxSize *int64    `json:"max_size"` // of the database in bytes, at least [MinSize]
}

// The least that a node can be limited to.
const (
	MinAge  = time.Hour
	MinSize = 1 << 20
)

// Check refuses limits that are none.
func (r Retention) Check() error {
	if r.MaxAge != nil && r.MaxAge.Duration < MinAge {
		return Errorf(CodeUsage, "a limit of %s is too little: at least %s", r.MaxAge.Short(), Duration{MinAge}.Short())
	}
	if r.MaxSize != nil && *r.MaxSize < MinSize {
		return Errorf(CodeUsage, "a limit of %d bytes is too little: at least %d (1M)", *r.MaxSize, MinSize)
	}
	return nil
}

// Storage is what the history takes.
type Storage struct {
	Bytes int64 `json:"bytes"` // on disk
	Used  int64 `json:"used"`  // of the database file; the rest is free for what comes
	Retention
	Conversations []StoredConversation `json:"conversations"` // the largest first
}

// StoredConversation is what is held of one.
type StoredConversation struct {
	ID     string `json:"conversation"`
	Kind   string `json:"kind"` // direct or room
	Name   string `json:"name"`
	Events int    `json:"events"` // messages, and what governs a room
	Bytes  int64  `json:"bytes"`
	Oldest *Time  `json:"oldest"` // message; null if none is held
}

// Duration is written as Go prints it.
type Duration struct{ time.Duration }

// Short is d as a person writes it, without minutes and seconds that are none.
func (d Duration) Short() string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(b []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(b))
	return err
}

// Repair is what `doctor --repair` did.
type Repair struct {
	Repaired bool `json:"repaired"` // false: the database was sound, nothing was done
	// Kept is where the damaged file lies now, or its log if that was all; null if
	// there was none.
	Kept     *string `json:"kept"`
	Events   int     `json:"events"`   // what the new database holds
	Dropped  int     `json:"dropped"`  // events that were read and not saved: not as they were signed, or their base is missing
	Contacts int     `json:"contacts"` // of people
	Rooms    int     `json:"rooms"`    // that we are or were in
	// UnreadablePages counts the parts of the file of which something could not be
	// read, as far as they are known: what they led to may be missing as well.
	UnreadablePages int `json:"unreadable_pages"`
	RoomsLost       int `json:"rooms_lost"` // known to have been there and not saved: to be joined again
}

// AccountFile is an account that was exported.
type AccountFile struct {
	File   string `json:"file"`
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
}

// CaptureTarget says which packets are a node's own.
type CaptureTarget struct {
	TCPPorts   []uint16 `json:"tcp_ports"`
	UDPPorts   []uint16 `json:"udp_ports"`
	Interfaces []string `json:"interfaces"` // names; "lo" included if a peer is local
	// Connections are the live 4-tuples: outgoing TCP may use another port.
	Connections []Flow `json:"connections"`
	// Names maps IP addresses to usernames.
	Names map[string]string `json:"names"`
}

// Flow is one transport connection, both ends as "ip:port".
type Flow struct {
	Network string `json:"network"` // tcp or udp
	Local   string `json:"local"`
	Remote  string `json:"remote"`
	PeerID  string `json:"peer_id"`
}
