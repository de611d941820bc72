package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// ID names an event: SHA-256(header ‖ signature).
type ID [32]byte

// String is the ID in lower-case hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero tells whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Compare orders IDs bytewise.
func (id ID) Compare(o ID) int { return bytes.Compare(id[:], o[:]) }

// ParseID decodes 64 hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("an ID has %d hex digits, not %d", 2*len(id), len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("an ID is hex: %w", err)
	}
	return id, nil
}

// Conversation names a conversation: of two people by [Direct], of a room by
// the ID of its genesis event.
type Conversation [32]byte

// String is the conversation ID in lower-case hex.
func (c Conversation) String() string { return hex.EncodeToString(c[:]) }

const directDomain = "p2pchat direct v1\x00"

// Direct is the conversation of two people: SHA-256(domain ‖ both peer IDs,
// each preceded by its length in one byte, in ascending order). It is the same
// whichever comes first.
func Direct(a, b peer.ID) Conversation {
	ids := []string{string(a), string(b)}
	slices.Sort(ids)
	h := sha256.New()
	h.Write([]byte(directDomain))
	for _, id := range ids {
		h.Write([]byte{byte(len(id))})
		h.Write([]byte(id))
	}
	return Conversation(h.Sum(nil))
}

// LogID tells an author's logs apart: 8 random bytes per installation, not all
// zero.
type LogID [8]byte

// String is the log ID in lower-case hex.
func (l LogID) String() string { return hex.EncodeToString(l[:]) }

// LogKey names a log within a conversation.
type LogKey struct {
	Author peer.ID
	Log    LogID
}

// Compare orders logs by author, then log.
func (k LogKey) Compare(o LogKey) int {
	if c := bytes.Compare([]byte(k.Author), []byte(o.Author)); c != 0 {
		return c
	}
	return bytes.Compare(k.Log[:], o.Log[:])
}
