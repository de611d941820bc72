package cli

import (
	"context"
	"io"
	"os"
)

// inputFile is a file that is read until a context ends.
type inputFile struct {
	*untilDone
	io.Closer
}

// openInput opens a file to read until ctx ends. A pipe that nobody writes to can't
// even be opened.
func openInput(ctx context.Context, name string) (inputFile, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1) // the goroutine must not wait for us once ctx has ended
	go func() {                  // ends when it is open
		f, err := os.Open(name)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return inputFile{}, o.err
		}
		return inputFile{newUntilDone(ctx, o.f), o.f}, nil
	case <-ctx.Done():
		return inputFile{}, ctx.Err()
	}
}

// untilDone reads from r until ctx ends. A read that is under way then goes on
// in its goroutine until it returns, at the latest when the process ends: there
// is no other way to leave a read of standard input.
type untilDone struct {
	ctx     context.Context
	r       io.Reader
	results chan readResult
	buf     []byte // handed to the goroutine while it reads
	rest    []byte // read and not yet returned
	err     error  // to be returned after rest
	reading bool
}

type readResult struct {
	n   int
	err error
}

func newUntilDone(ctx context.Context, r io.Reader) *untilDone {
	// 1: the goroutine must not wait for us once ctx has ended.
	return &untilDone{ctx: ctx, r: r, results: make(chan readResult, 1), buf: make([]byte, 32<<10)}
}

func (u *untilDone) Read(p []byte) (int, error) {
	if len(u.rest) == 0 && u.err == nil {
		if !u.reading {
			u.reading = true
			go func() { // ends with its read
				n, err := u.r.Read(u.buf)
				u.results <- readResult{n, err}
			}()
		}
		select {
		case res := <-u.results:
			u.reading = false
			u.rest, u.err = u.buf[:res.n], res.err
		case <-u.ctx.Done():
			return 0, u.ctx.Err()
		}
	}
	if len(u.rest) == 0 {
		return 0, u.err
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}
