package room

import (
	"bytes"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// Admission is the word of the member who let somebody in through the password
// step, so that others know.
type Admission struct {
	Admitter   peer.ID
	Generation uint64 // of the password
	Signature  []byte // 64 bytes
}

const admissionDomain = "p2pchat admission v1\x00"

// admissionBytes is room ‖ length of the newcomer's ID in one byte ‖ newcomer ‖
// log ‖ generation in 8 bytes big-endian ‖ number of heads in one byte ‖ heads.
func admissionBytes(room event.Conversation, newcomer event.LogKey, generation uint64, ctl []event.ID) []byte {
	var b bytes.Buffer
	b.Write(room[:])
	b.WriteByte(byte(len(newcomer.Author)))
	b.WriteString(string(newcomer.Author))
	b.Write(newcomer.Log[:])
	for shift := 56; shift >= 0; shift -= 8 {
		b.WriteByte(byte(generation >> shift))
	}
	b.WriteByte(byte(len(ctl)))
	for i := range ctl {
		b.Write(ctl[i][:])
	}
	return b.Bytes()
}

// Admit signs, with the admitter's key, that newcomer passed the password step.
// ctl is what the newcomer's join will cite, ascending.
func Admit(k identity.Key, room event.Conversation, newcomer event.LogKey, generation uint64, ctl []event.ID) (*Admission, error) {
	sig, err := k.Sign(admissionDomain, admissionBytes(room, newcomer, generation, ctl))
	if err != nil {
		return nil, fmt.Errorf("sign admission: %w", err)
	}
	return &Admission{Admitter: k.ID(), Generation: generation, Signature: sig}, nil
}

// verifies tells whether a stands for the join with the header h.
func (a *Admission) verifies(h *event.Header) bool {
	return identity.Verify(a.Admitter, admissionDomain,
		admissionBytes(h.Conversation, h.Key(), a.Generation, h.Ctl), a.Signature) == nil
}
