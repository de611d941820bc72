package lab

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
)

// Output collects what a process writes.
type Output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	file  *os.File
	ended bool
	more  chan struct{} // closed and replaced at every write, and at the end
}

func newOutput(name string) (*Output, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &Output{file: f, more: make(chan struct{})}, nil
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(b)
	close(o.more)
	o.more = make(chan struct{})
	return o.file.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Await returns the first complete line, counted from the beginning, that ok
// accepts, as soon as there is one. The error is the context's, or io.EOF if
// the process has ended without.
func (o *Output) Await(ctx context.Context, ok func(line string) bool) (string, error) {
	seen := 0
	for {
		o.mu.Lock()
		text, more, ended := o.buf.String()[seen:], o.more, o.ended
		o.mu.Unlock()
		for {
			line, _, complete := strings.Cut(text, "\n")
			if !complete {
				break
			}
			if ok(line) {
				return line, nil
			}
			seen += len(line) + 1
			text = text[len(line)+1:]
		}
		if ended {
			return "", io.EOF
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// Lines returns the complete lines so far.
func (o *Output) Lines() []string {
	var lines []string
	s := bufio.NewScanner(strings.NewReader(o.String()))
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	return lines
}

func (o *Output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	close(o.more)
	o.more = make(chan struct{})
}

func (o *Output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.file.Close()
}

func (o *Output) last(n int) string {
	s := o.String()
	if len(s) > n {
		s = "[...]" + s[len(s)-n:]
	}
	return s
}
