package event

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/pb"
)

// Kind says what a body holds. An event of a kind this version does not know
// is kept, chained, synced and shown as such.
type Kind uint32

// The kinds of the message lane that stand in any conversation; package room has
// those about rooms.
const (
	// KindText is a line of chat: a TextBody. A text that begins with "/me " is an
	// action (XEP-0245).
	KindText Kind = 1
	// KindEdit, KindRetract and KindReact are about a text: an AmendBody each, see
	// [Amend].
	KindEdit    Kind = 2
	KindRetract Kind = 3
	KindReact   Kind = 4
	// KindPrivate is a text between two people of a room; its body is that of
	// package room.
	KindPrivate Kind = 27
)

// MaxText is the longest text, in bytes of UTF-8.
const MaxText = 16 << 10

// Errors of a text, for callers that answer them differently.
var (
	ErrTextTooLong = fmt.Errorf("a text has at most %d bytes", MaxText)
	ErrTextInvalid = errors.New("a text must be valid UTF-8")
	ErrTextEmpty   = errors.New("a text must not be empty")
)

// EncodeText gives the body of a text. Errors: ErrTextTooLong, ErrTextInvalid,
// ErrTextEmpty.
func EncodeText(text string) ([]byte, error) { return EncodeReply(text, ID{}) }

// EncodeReply gives the body of a text that answers message to; a zero ID: none.
// Errors: those of [EncodeText].
func EncodeReply(text string, to ID) ([]byte, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	return proto.Marshal(&pb.TextBody{Text: text, ReplyTo: optional(to[:])})
}

func checkText(text string) error {
	switch {
	case text == "":
		return ErrTextEmpty
	case len(text) > MaxText:
		return ErrTextTooLong
	case !utf8.ValidString(text):
		return ErrTextInvalid
	}
	return nil
}

// DecodeText gives the text in a body of [KindText], which must be canonical.
func DecodeText(body []byte) (string, error) {
	text, _, err := DecodeReply(body)
	return text, err
}

// DecodeReply is the strict inverse of [EncodeReply].
func DecodeReply(body []byte) (text string, to ID, err error) {
	var m pb.TextBody
	if err := proto.Unmarshal(body, &m); err != nil {
		return "", ID{}, errors.New("malformed text body")
	}
	if err := fixed("answered", to[:], m.ReplyTo, true); err != nil {
		return "", ID{}, err
	}
	canonical, err := EncodeReply(m.Text, to)
	if err != nil {
		return "", ID{}, err
	}
	if !bytes.Equal(canonical, body) {
		return "", ID{}, errors.New("text body is not in its canonical form")
	}
	return m.Text, to, nil
}

// ErrNoBody is of an event without its body whose kind does not allow that.
var ErrNoBody = errors.New("its body is missing")

// Droppable tells whether the body of an event of this kind in the message lane
// may be missing: a retraction takes away those of texts and of their edits.
func (k Kind) Droppable() bool { return k.Amendable() || k == KindEdit }

// CheckBody refuses a body that is malformed for its kind, and with ErrNoBody the
// lack of one where none is dropped. One of an unknown kind passes.
func (e *Event) CheckBody() error {
	if e.Lane != LaneMessage || !e.HasBody() && e.Kind.Droppable() {
		return nil
	}
	var err error
	switch {
	case !e.HasBody() && e.Kind.Amends():
		err = ErrNoBody
	case e.Kind == KindText:
		_, err = DecodeText(e.Body)
	case e.Kind.Amends():
		_, err = DecodeAmendment(e.Kind, e.Body)
	}
	return err
}
