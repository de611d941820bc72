package room

import (
	"errors"
	"fmt"

	"p2pchat/protocol/event"
)

// Code names why something was refused, on the wire and in the API alike.
type Code string

// The codes of refusals.
const (
	Banned             Code = "banned"
	MembershipRequired Code = "membership-required"
	NotAuthorized      Code = "not-authorized" // every failure of the password step
	Full               Code = "full"
	NickConflict       Code = "nick-conflict"
	Forbidden          Code = "forbidden"
	Destroyed          Code = "destroyed"
	TooFast            Code = "too-fast"
)

// Refusal is a decision of the constitution, with a sentence for people. An
// event refused with one is refused on every node, for ever.
type Refusal struct {
	Code    Code
	Message string
}

func (r *Refusal) Error() string { return r.Message }

func refuse(code Code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// MissingError says which control events must be here first.
type MissingError struct {
	IDs []event.ID // ascending
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%d control events it cites are missing", len(e.IDs))
}

// Errors of events handed in that are no decision of the constitution.
var (
	// ErrMalformed: no honest node makes or passes on such bytes.
	ErrMalformed = errors.New("malformed")
	// ErrAside: an ineffective control event beyond [MaxIneffective] that no
	// effective one cites. It may be handed in again with one that does.
	ErrAside = errors.New("too many ineffective events of its author")
	// ErrSuperseded: beyond [MaxForks] with the same author, log and seq.
	ErrSuperseded = errors.New("two events with lower IDs stand in its place")
	// ErrPruned: below what is kept of its log.
	ErrPruned = errors.New("below what is kept of its log")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
