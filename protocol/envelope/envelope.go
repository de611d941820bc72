package envelope

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// Key is an epoch key: 32 random bytes.
type Key [chacha20poly1305.KeySize]byte

// NewKey draws a key.
func NewKey(rand io.Reader) (Key, error) {
	var k Key
	if _, err := io.ReadFull(rand, k[:]); err != nil {
		return Key{}, fmt.Errorf("draw an epoch key: %w", err)
	}
	return k, nil
}

// MaxPayload is the largest payload on a topic, in bytes.
const MaxPayload = 256 << 10

// Overhead is what sealing adds to a content at most, in bytes.
const Overhead = 128

const topicDomain = "/p2pchat/room/1.0.0/"

// Topic is the name of a room's GossipSub topic. It does not tell the room.
func Topic(room event.Conversation) string {
	sum := sha256.Sum256(room[:])
	return topicDomain + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// Envelope is a payload as it travels, still sealed.
type Envelope struct {
	Epoch event.ID
	// Flooded: the publisher sent it to every member present himself.
	Flooded bool
	nonce   []byte
	sealed  []byte
}

// ErrSealed says that a key does not open an envelope.
var ErrSealed = errors.New("the envelope does not open with this key")

// Seal makes the payload that carries content to the room's topic.
func Seal(rand io.Reader, room event.Conversation, epoch event.ID, key Key, content *Content, flooded bool) ([]byte, error) {
	plain, err := content.encode()
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	payload, err := proto.Marshal(&pb.Envelope{
		Epoch: epoch[:], Nonce: nonce, Sealed: aead.Seal(nil, nonce, plain, additional(room, epoch)), Flooded: flooded,
	})
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("envelope of %d bytes, at most %d", len(payload), MaxPayload)
	}
	return payload, nil
}

func additional(room event.Conversation, epoch event.ID) []byte {
	return append([]byte(Topic(room)), epoch[:]...)
}

// Decode reads a payload strictly. The envelope shares its bytes.
func Decode(payload []byte) (*Envelope, error) {
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("envelope of %d bytes, at most %d", len(payload), MaxPayload)
	}
	var m pb.Envelope
	if err := proto.Unmarshal(payload, &m); err != nil {
		return nil, errors.New("malformed envelope")
	}
	e := &Envelope{Flooded: m.Flooded, nonce: m.Nonce, sealed: m.Sealed}
	if len(m.Epoch) != len(e.Epoch) || len(m.Nonce) != chacha20poly1305.NonceSizeX || len(m.Sealed) <= chacha20poly1305.Overhead {
		return nil, errors.New("malformed envelope: epoch, nonce or content of the wrong length")
	}
	copy(e.Epoch[:], m.Epoch)
	if e.Epoch.IsZero() {
		return nil, errors.New("malformed envelope: no epoch")
	}
	return e, nil
}

// Open unseals what was sealed for room. An error is [ErrSealed], or says what
// is malformed inside, which a member wrote.
func (e *Envelope) Open(room event.Conversation, key Key) (*Content, error) {
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	plain, err := aead.Open(nil, e.nonce, e.sealed, additional(room, e.Epoch))
	if err != nil {
		return nil, ErrSealed
	}
	return decodeContent(plain)
}
