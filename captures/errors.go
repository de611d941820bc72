package captures

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrPermission: the operating system does not let this process capture.
	// The error's text says what to do.
	ErrPermission = errors.New("no permission to capture")

	// ErrUnsupported: this build cannot capture on this system.
	ErrUnsupported = errors.New("capturing is not supported on this system")

	// ErrDiskFull: no room was left for the capture file (full device, quota or
	// file size limit). What had been written is whole and readable.
	ErrDiskFull = errors.New("disk full")
)

// UsageError says what is wrong with what the user asked for.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

func usagef(format string, args ...any) error {
	return &UsageError{Text: fmt.Sprintf(format, args...)}
}

// permissionError carries what the user of this system can do.
type permissionError struct {
	hint string
	err  error
}

func (e *permissionError) Error() string {
	return fmt.Sprintf("%v (%v): %s", ErrPermission, e.err, e.hint)
}

func (e *permissionError) Is(target error) bool { return target == ErrPermission }
func (e *permissionError) Unwrap() error        { return e.err }

// writeError names the reason of a failed write in a way callers can branch on.
func writeError(path string, err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: capture stopped, what %s holds so far is readable (%v)", ErrDiskFull, path, err)
	}
	return fmt.Errorf("write capture: %w", err)
}

// isFull: no room was left, for whatever reason.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
