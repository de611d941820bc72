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

// KindText is a line of chat: a TextBody. A text that begins with "/me " is an
// action (XEP-0245).
const KindText Kind = 1

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
func EncodeText(text string) ([]byte, error) {
	switch {
	case text == "":
		return nil, ErrTextEmpty
	case len(text) > MaxText:
		return nil, ErrTextTooLong
	case !utf8.ValidString(text):
		return nil, ErrTextInvalid
	}
	return proto.Marshal(&pb.TextBody{Text: text})
}

// DecodeText is the strict inverse of [EncodeText].
func DecodeText(body []byte) (string, error) {
	var m pb.TextBody
	if err := proto.Unmarshal(body, &m); err != nil {
		return "", errors.New("malformed text body")
	}
	canonical, err := EncodeText(m.Text)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(canonical, body) {
		return "", errors.New("text body is not in its canonical form")
	}
	return m.Text, nil
}

// CheckBody refuses a body that is malformed for its kind. A dropped body and
// one of an unknown kind pass.
func (e *Event) CheckBody() error {
	if e.Lane == LaneMessage && e.Kind == KindText && e.HasBody() {
		_, err := DecodeText(e.Body)
		return err
	}
	return nil
}
