package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// ErrNoTerminal means that nobody can be asked.
var ErrNoTerminal = errors.New("not a terminal")

// CanAsk tells whether in and out are terminals, so that a person can be asked.
func CanAsk(in io.Reader, out io.Writer) bool { return IsTerminal(in) && IsTerminal(out) }

// Ask writes question to out and reads one line from the terminal in. It
// returns ctx's error as soon as ctx ends, with the terminal as it was; a read
// under way then goes on until the process ends.
func Ask(ctx context.Context, in io.Reader, out io.Writer, question string) (string, error) {
	f, err := askable(in, out)
	if err != nil {
		return "", err
	}
	if _, err := io.WriteString(out, Clean(question)); err != nil {
		return "", err
	}
	line, err := inBackground(ctx, func() ([]byte, error) { return readLine(f) })
	if ctx.Err() != nil {
		fmt.Fprintln(out)
	}
	return strings.TrimSuffix(string(line), "\r"), err
}

// AskPassword is [Ask] without echo; the answer is not trimmed. The interrupt
// key ends it with [context.Canceled].
func AskPassword(ctx context.Context, in io.Reader, out io.Writer, question string) ([]byte, error) {
	f, err := askable(in, out)
	if err != nil {
		return nil, err
	}
	// Echo is off before the question stands there, so that no answer comes
	// early enough to be seen.
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("switch echo off: %w", err)
	}
	defer fmt.Fprintln(out)
	defer func() { _ = term.Restore(int(f.Fd()), before) }()
	if _, err := io.WriteString(out, Clean(question)); err != nil {
		return nil, err
	}
	return inBackground(ctx, func() ([]byte, error) { return readHidden(f) })
}

func askable(in io.Reader, out io.Writer) (*os.File, error) {
	f, ok := in.(*os.File)
	if !ok || !CanAsk(in, out) {
		return nil, ErrNoTerminal
	}
	return f, nil
}

// inBackground runs read, or gives up waiting for it when ctx ends.
func inBackground(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		line []byte
		err  error
	}
	done := make(chan answer, 1) // 1: the reader never waits for us
	go func() {                  // ends with its read, at the latest with the process
		line, err := read()
		done <- answer{line, err}
	}()
	select {
	case a := <-done:
		return a.line, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readLine reads up to the end of a line, byte by byte: nothing of the next
// answer may be taken with this one.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	for {
		b, err := readByte(r)
		switch {
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case err != nil:
			return nil, err
		case b == '\n':
			return line, nil
		}
		line = append(line, b)
	}
}

// readHidden is readLine on a terminal in raw mode, whose keys for erasing and
// interrupting are ours to obey.
func readHidden(r io.Reader) ([]byte, error) {
	const interrupt, endOfFile, backspace, eraseLine, del = 3, 4, 8, 21, 127
	var line []byte
	for {
		b, err := readByte(r)
		if err != nil {
			return nil, err
		}
		switch b {
		case '\r', '\n':
			return line, nil
		case interrupt:
			return nil, context.Canceled
		case endOfFile:
			if len(line) == 0 {
				return nil, io.EOF
			}
		case backspace, del:
			_, size := utf8.DecodeLastRune(line)
			line = line[:len(line)-size]
		case eraseLine:
			line = line[:0]
		default:
			line = append(line, b)
		}
	}
}

func readByte(r io.Reader) (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(r, b[:])
	return b[0], err
}
