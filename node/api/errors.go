package api

import (
	"errors"
	"fmt"
)

// Code names why something was refused or failed. The codes are the same on
// the wire, in the local API and on the command line, whose exit code they
// decide.
type Code string

// The codes, grouped by exit code.
const (
	// exit 1: failed
	CodeInternal      Code = "internal"
	CodeNoNode        Code = "no-node"
	CodeAccountExists Code = "account-exists"
	CodeDiskFull      Code = "disk-full"
	CodeDamaged       Code = "damaged"
	// exit 2: wrong usage
	CodeUsage   Code = "usage"
	CodeTooLong Code = "too-long"
	CodeBadText Code = "bad-text"
	// exit 3: not delivered or joined within the wait
	CodeNotDelivered Code = "not-delivered"
	CodeNotJoined    Code = "not-joined"
	// exit 4: refused by a room or a person's standing
	CodeForbidden          Code = "forbidden"
	CodeBanned             Code = "banned"
	CodeMembershipRequired Code = "membership-required"
	CodeNotAuthorized      Code = "not-authorized" // every failure of the password step
	CodeFull               Code = "full"
	CodeNickConflict       Code = "nick-conflict"
	CodeDestroyed          Code = "destroyed"
	CodeTooFast            Code = "too-fast"
	// exit 5: names
	CodeNotFound  Code = "not-found"
	CodeAmbiguous Code = "ambiguous"
	// exit 6: the account
	CodeNoAccount         Code = "no-account"
	CodeWrongPassword     Code = "wrong-password"
	CodeInUse             Code = "in-use"
	CodeNetworkFilesystem Code = "network-filesystem"
	CodeNewerDatabase     Code = "newer-database"
	// exit 7: the operating system
	CodeNoPermission Code = "no-permission"
	CodeUnsupported  Code = "unsupported"
)

var exitCodes = map[Code]int{
	CodeInternal: 1, CodeNoNode: 1, CodeAccountExists: 1, CodeDiskFull: 1, CodeDamaged: 1,
	CodeUsage: 2, CodeTooLong: 2, CodeBadText: 2,
	CodeNotDelivered: 3, CodeNotJoined: 3,
	CodeForbidden: 4, CodeBanned: 4, CodeMembershipRequired: 4, CodeNotAuthorized: 4, CodeFull: 4, CodeNickConflict: 4,
	CodeDestroyed: 4, CodeTooFast: 4,
	CodeNotFound: 5, CodeAmbiguous: 5,
	CodeNoAccount: 6, CodeWrongPassword: 6, CodeInUse: 6, CodeNetworkFilesystem: 6, CodeNewerDatabase: 6,
	CodeNoPermission: 7, CodeUnsupported: 7,
}

// Exit is the process exit code for c; 1 for a code it does not know.
func (c Code) Exit() int {
	if n, ok := exitCodes[c]; ok {
		return n
	}
	return 1
}

// Error is a failure a person or a program can act on: Message names what was
// wrong and what to do, in one sentence.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	// Candidates are the meanings an ambiguous name could have.
	Candidates []string `json:"candidates,omitempty"`
	cause      error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the error behind it, nil for one that came over the socket.
func (e *Error) Unwrap() error { return e.cause }

// Errorf makes an [Error]; a %w verb is kept as its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// Because makes cause what is behind e, for programs and logs: a person is told
// e's message, which says what to do.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// AsError returns err as an [Error], wrapped as [CodeInternal] if it is none.
// It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: err.Error(), cause: err}
}

// IsCode tells whether err carries code c.
func IsCode(err error, c Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == c
}
