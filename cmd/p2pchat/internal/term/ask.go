package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
	return ask(ctx, in, out, question, func(f *os.File) ([]byte, error) {
		// Byte by byte: nothing of the next answer may be taken with this one.
		var line []byte
		for b := make([]byte, 1); ; {
			n, err := f.Read(b)
			if n == 1 && b[0] == '\n' {
				return line, nil
			}
			line = append(line, b[:n]...)
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return line, nil
			}
			if err != nil {
				return nil, err
			}
		}
	})
}

// AskPassword is [Ask] without echo; the answer is not trimmed.
func AskPassword(ctx context.Context, in io.Reader, out io.Writer, question string) ([]byte, error) {
	s, err := ask(ctx, in, out, question, func(f *os.File) ([]byte, error) {
		defer fmt.Fprintln(out)
		return term.ReadPassword(int(f.Fd()))
	})
	return []byte(s), err
}

func ask(ctx context.Context, in io.Reader, out io.Writer, question string, read func(*os.File) ([]byte, error)) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !CanAsk(in, out) {
		return "", ErrNoTerminal
	}
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return "", fmt.Errorf("read terminal state: %w", err)
	}
	if _, err := io.WriteString(out, Clean(question)); err != nil {
		return "", err
	}
	type answer struct {
		line []byte
		err  error
	}
	done := make(chan answer, 1) // 1: the reader never waits for us
	go func() {                  // ends with its read, at the latest with the process
		line, err := read(f)
		done <- answer{line, err}
	}()
	select {
	case a := <-done:
		return strings.TrimSuffix(string(a.line), "\r"), a.err
	case <-ctx.Done():
		_ = term.Restore(int(f.Fd()), before)
		fmt.Fprintln(out)
		return "", ctx.Err()
	}
}
