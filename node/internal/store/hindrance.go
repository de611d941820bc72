package store

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// A hindrance is looked at again after firstLook. Where one came back within
	// steady of the end of the last, there is too little space for what is to be
	// kept, and the time doubles, up to lastLook.
	firstLook = 2 * time.Second
	lastLook  = 32 * time.Second
	steady    = time.Minute
	// spaceEnough is how much must fit for a disk not to count as full any more:
	// several of the batches that others send.
	spaceEnough = 1 << 20
)

// hindrance is what keeps commits from succeeding, though nothing is wrong with
// them or the database: the disk is full, or the file is not in its place. It
// stands until it is looked for and not found: that a few bytes could be written
// does not end it. Commits are tried all the same, since they may be small.
type hindrance struct {
	told func(error) // of each commit that fails for it and, with nil, of the end
	log  *slog.Logger
	look func() error // whether much could be kept

	now   atomic.Pointer[error] // nil: there is none
	timer *time.Timer           // the rest belongs to the writer
	pause time.Duration
	ended time.Time // the last one
}

// newHindrance makes one that looks with look when its timer fires.
func newHindrance(told func(error), log *slog.Logger, look func() error) *hindrance {
	h := &hindrance{told: told, log: log, look: look, timer: time.NewTimer(0)}
	h.timer.Stop()
	return h
}

// hinders is the sentinel of the hindrance that err speaks of, or nil.
func hinders(err error) error {
	for _, why := range []error{ErrDiskFull, ErrMoved} {
		if errors.Is(err, why) {
			return why
		}
	}
	return nil
}

// Hindered tells why nothing much can be kept just now: ErrDiskFull, ErrMoved, or
// nil if it can, as far as commits have told.
func (s *Store) Hindered() error { return s.writer.hindrance.err() }

func (h *hindrance) err() error {
	if why := h.now.Load(); why != nil {
		return *why
	}
	return nil
}

// met notes that a commit failed with err.
func (h *hindrance) met(err error) {
	why, was := hinders(err), h.err()
	if why == nil {
		return
	}
	h.told(why) // each time: who was told may have found it gone meanwhile
	if why == was {
		return
	}
	if was == nil {
		if time.Since(h.ended) < steady {
			h.pause = min(2*h.pause, lastLook)
		} else {
			h.pause = firstLook
		}
		h.timer.Reset(h.pause)
	}
	h.now.Store(&why)
	h.log.Warn("nothing can be kept", "err", err)
}

// lookAgain ends the hindrance if it is over, and tells whether it is.
func (h *hindrance) lookAgain() bool {
	if err := h.look(); err != nil {
		h.log.Debug("still nothing can be kept", "err", err)
		h.timer.Reset(h.pause)
		return false
	}
	h.now.Store(nil)
	h.ended = time.Now()
	h.log.Warn("what comes is kept again")
	h.told(nil)
	return true
}
