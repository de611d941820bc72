package captures

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
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

// permissionError carries the command that grants the missing right to the
// running binary.
type permissionError struct {
	binary string
	err    error
}

func newPermissionError(binary string, err error) error {
	if binary == "" {
		binary, _ = os.Executable()
	}
	return &permissionError{binary: binary, err: err}
}

func (e *permissionError) Error() string {
	hint := ""
	if strings.Contains(e.binary, "go-build") {
		hint = " (`go run` makes a new binary each time: `go build` one first)"
	}
	return fmt.Sprintf("%v (%v): run `sudo setcap cap_net_raw+ep %s` once%s, or capture with sudo",
		ErrPermission, e.err, shellWord(e.binary), hint)
}

func (e *permissionError) Is(target error) bool { return target == ErrPermission }
func (e *permissionError) Unwrap() error        { return e.err }

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWord quotes s for a POSIX shell if it needs it.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

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
