package room

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// Kinds of bodies in the message lane of a room.
const (
	KindJoin    event.Kind = 16
	KindLeave   event.Kind = 17
	KindNick    event.Kind = 18
	KindSubject event.Kind = 19
	KindEpoch   event.Kind = 20
)

// Kinds of bodies about rooms in the direct conversation of two people.
const (
	KindInvite       event.Kind = 24
	KindInviteAnswer event.Kind = 25
	KindVoiceRequest event.Kind = 26
	KindPrivate                 = event.KindPrivate
)

// MaxNick is the longest nick, in characters.
const MaxNick = 32

// NormalizeNick brings a nick into the one form that is signed and shown: the
// PRECIS profile Nickname (RFC 8266).
func NormalizeNick(nick string) (string, error) {
	if len(nick) > MaxNick*utf8.UTFMax {
		return "", fmt.Errorf("a nick has at most %d characters", MaxNick)
	}
	n, err := precis.Nickname.String(nick)
	if err != nil || n == "" {
		return "", fmt.Errorf("nick %q may only hold letters, digits, punctuation and single spaces", nick)
	}
	if utf8.RuneCountInString(n) > MaxNick {
		return "", fmt.Errorf("a nick has at most %d characters", MaxNick)
	}
	return n, nil
}

// SameNick tells whether two normalized nicks are the same to a reader
// (RFC 8266, 2.4).
func SameNick(a, b string) bool { return NickKey(a) == NickKey(b) }

// NickKey is the same for nicks that are, see [SameNick].
func NickKey(n string) string {
	if k, err := precis.Nickname.CompareKey(n); err == nil {
		return k
	}
	return n
}

func checkNick(nick string) error {
	n, err := NormalizeNick(nick)
	if err != nil {
		return err
	}
	if n != nick {
		return fmt.Errorf("nick %q is not in its normal form", nick)
	}
	return nil
}

// Body is the body of a message kind of this package.
type Body interface {
	// Kind is the body's number.
	Kind() event.Kind
	check() error
	wire() proto.Message
}

// EncodeBody gives the bytes of b.
func EncodeBody(b Body) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	return marshal(b.wire())
}

// DecodeBody is the strict inverse of [EncodeBody]. It returns nil and no error
// for a kind that is not of this package.
func DecodeBody(kind event.Kind, raw []byte) (Body, error) {
	b, err := parseBody(kind, raw)
	if b == nil || err != nil {
		return nil, err
	}
	canonical, err := EncodeBody(b)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(canonical, raw) {
		return nil, errNotCanonical
	}
	return b, nil
}

func parseBody(kind event.Kind, raw []byte) (Body, error) {
	var p parser
	var b Body
	switch kind {
	case KindJoin:
		var m pb.RoomJoin
		p.open(raw, &m)
		b = p.join(&m)
	case KindLeave:
		var m pb.RoomLeave
		p.open(raw, &m)
		b = &Leave{}
	case KindNick:
		var m pb.RoomNick
		p.open(raw, &m)
		b = &Nick{m.Nick}
	case KindSubject:
		var m pb.RoomSubject
		p.open(raw, &m)
		b = &Subject{m.Subject}
	case KindEpoch:
		var m pb.RoomEpoch
		e := &Epoch{}
		p.open(raw, &m)
		p.fixed("commitment", e.Commitment[:], m.Commitment)
		b = e
	case KindInvite:
		var m pb.RoomInvite
		i := &Invitation{}
		p.open(raw, &m)
		p.fixed("room", i.Room[:], m.Room)
		i.Name, i.Reason, b = m.Name, m.Reason, i
	case KindInviteAnswer:
		var m pb.RoomInviteAnswer
		a := &InviteAnswer{}
		p.open(raw, &m)
		p.fixed("invitation", a.Invite[:], m.Invite)
		a.Accepted, a.Reason, b = m.Accepted, m.Reason, a
	case KindVoiceRequest:
		var m pb.RoomVoiceRequest
		v := &VoiceRequest{}
		p.open(raw, &m)
		p.fixed("room", v.Room[:], m.Room)
		b = v
	case KindPrivate:
		var m pb.RoomPrivate
		v := &Private{}
		p.open(raw, &m)
		p.fixed("room", v.Room[:], m.Room)
		v.Text, b = m.Text, v
	default:
		return nil, nil
	}
	return b, p.err
}

// Join comes before everything else an author says in a log. Another one comes
// after a kick, or changes what the first said.
type Join struct {
	Nick      string
	Low       []Low // what is not wanted of the history; ascending
	Admission *Admission
}

// Low says that nothing of a log below Seq is wanted. Seq is at least 2.
type Low struct {
	event.LogKey
	Seq uint64
}

// MaxLow is the most entries of a join's Low.
const MaxLow = 512

// Kind is [KindJoin].
func (*Join) Kind() event.Kind { return KindJoin }

func (j *Join) check() error {
	if err := checkNick(j.Nick); err != nil {
		return err
	}
	if len(j.Low) > MaxLow {
		return fmt.Errorf("a join names at most %d logs", MaxLow)
	}
	for i, l := range j.Low {
		if l.Seq < 2 || l.Author == "" || l.Log == (event.LogID{}) || i > 0 && j.Low[i-1].Compare(l.LogKey) >= 0 {
			return errors.New("a join's logs are ascending, each with a seq above 1")
		}
	}
	if a := j.Admission; a != nil && (a.Generation == 0 || a.Admitter == "" || len(a.Signature) != 64) {
		return errors.New("an admission has an admitter, a generation and a signature")
	}
	return nil
}

func (j *Join) wire() proto.Message {
	m := &pb.RoomJoin{Nick: j.Nick}
	for i := range j.Low {
		l := &j.Low[i]
		m.Low = append(m.Low, &pb.RoomLow{Author: []byte(l.Author), Log: l.Log[:], Seq: l.Seq})
	}
	if a := j.Admission; a != nil {
		m.Admission = &pb.RoomAdmission{Admitter: []byte(a.Admitter), Generation: a.Generation, Signature: a.Signature}
	}
	return m
}

func (p *parser) join(m *pb.RoomJoin) *Join {
	j := &Join{Nick: m.Nick}
	if len(m.Low) > MaxLow {
		p.fail(fmt.Errorf("a join names at most %d logs", MaxLow))
		return j
	}
	for _, w := range m.Low {
		l := Low{LogKey: event.LogKey{Author: p.peer(w.GetAuthor())}, Seq: w.GetSeq()}
		p.fixed("log", l.Log[:], w.GetLog())
		j.Low = append(j.Low, l)
	}
	if a := m.Admission; a != nil {
		j.Admission = &Admission{Admitter: p.peer(a.Admitter), Generation: a.Generation, Signature: a.Signature}
	}
	return j
}

// Leave says that its author went. Whoever may enter may leave.
type Leave struct{}

// Kind is [KindLeave].
func (*Leave) Kind() event.Kind    { return KindLeave }
func (*Leave) check() error        { return nil }
func (*Leave) wire() proto.Message { return &pb.RoomLeave{} }

// Nick changes its author's nick.
type Nick struct{ Nick string }

// Kind is [KindNick].
func (*Nick) Kind() event.Kind      { return KindNick }
func (n *Nick) check() error        { return checkNick(n.Nick) }
func (n *Nick) wire() proto.Message { return &pb.RoomNick{Nick: n.Nick} }

// Subject is the room's subject; empty takes it away.
type Subject struct{ Text string }

// Kind is [KindSubject].
func (*Subject) Kind() event.Kind      { return KindSubject }
func (s *Subject) check() error        { return checkLine("a subject", s.Text, MaxSubject) }
func (s *Subject) wire() proto.Message { return &pb.RoomSubject{Subject: s.Text} }

// Epoch announces an epoch key by its commitment. The epoch's ID is the event's.
type Epoch struct{ Commitment [32]byte }

// Kind is [KindEpoch].
func (*Epoch) Kind() event.Kind { return KindEpoch }

func (e *Epoch) check() error {
	if e.Commitment == [32]byte{} {
		return errors.New("an epoch has a commitment")
	}
	return nil
}
func (e *Epoch) wire() proto.Message { return &pb.RoomEpoch{Commitment: e.Commitment[:]} }

// Invitation asks somebody into a room.
type Invitation struct {
	Room   event.Conversation
	Name   string // of the room, as the inviter saw it
	Reason string
}

// Kind is [KindInvite].
func (*Invitation) Kind() event.Kind { return KindInvite }

func (i *Invitation) check() error {
	if i.Room == (event.Conversation{}) {
		return errNoRoom
	}
	if err := checkLine("a room's name", i.Name, fieldSpecs[FieldName].limit); err != nil {
		return err
	}
	return checkLine("a reason", i.Reason, MaxReason)
}

func (i *Invitation) wire() proto.Message {
	return &pb.RoomInvite{Room: i.Room[:], Name: i.Name, Reason: i.Reason}
}

var errNoRoom = errors.New("which room is not said")

// InviteAnswer accepts or declines an invitation.
type InviteAnswer struct {
	Invite   event.ID // the invitation's event
	Accepted bool
	Reason   string
}

// Kind is [KindInviteAnswer].
func (*InviteAnswer) Kind() event.Kind { return KindInviteAnswer }

func (a *InviteAnswer) check() error {
	if a.Invite.IsZero() {
		return errors.New("an answer names the invitation")
	}
	return checkLine("a reason", a.Reason, MaxReason)
}

func (a *InviteAnswer) wire() proto.Message {
	return &pb.RoomInviteAnswer{Invite: a.Invite[:], Accepted: a.Accepted, Reason: a.Reason}
}

// VoiceRequest asks a moderator for voice.
type VoiceRequest struct{ Room event.Conversation }

// Kind is [KindVoiceRequest].
func (*VoiceRequest) Kind() event.Kind { return KindVoiceRequest }

func (v *VoiceRequest) check() error {
	if v.Room == (event.Conversation{}) {
		return errNoRoom
	}
	return nil
}
func (v *VoiceRequest) wire() proto.Message { return &pb.RoomVoiceRequest{Room: v.Room[:]} }

// Private is a message to one person of a room.
type Private struct {
	Room event.Conversation
	Text string
}

// Kind is [KindPrivate].
func (*Private) Kind() event.Kind { return KindPrivate }

func (v *Private) check() error {
	if v.Room == (event.Conversation{}) {
		return errNoRoom
	}
	_, err := event.EncodeText(v.Text)
	return err
}
func (v *Private) wire() proto.Message { return &pb.RoomPrivate{Room: v.Room[:], Text: v.Text} }

// CheckBody refuses an event of a room whose body is malformed for its lane and
// kind, or missing though its kind is none whose body is dropped. Those of unknown
// kinds pass.
func CheckBody(e *event.Event) error {
	var err error
	switch {
	case e.Lane == event.LaneMessage:
		_, err = messageBody(e)
	case e.Kind == KindGenesis:
		_, err = DecodeGenesis(e.Body)
	default:
		_, _, err = DecodeOp(e.Kind, e.Body) // none is good without a body
	}
	if err != nil {
		return malformed("%v", err)
	}
	return nil
}

// messageBody is the body of an event of the message lane; nil if it was dropped or
// its kind is not of this package.
func messageBody(e *event.Event) (Body, error) {
	if err := e.CheckBody(); err != nil || !e.HasBody() && e.Kind.Droppable() {
		return nil, err
	}
	b, err := DecodeBody(e.Kind, e.Body)
	if b != nil && !e.HasBody() {
		return nil, event.ErrNoBody
	}
	return b, err
}
