package store

import (
	"fmt"
	"os"
)

// logLength is how long the last commit left the write-ahead log. SQLite does not
// look: behind the end of one that was cut short it would write on, and then move the
// hole into the database file. Owned by the writing goroutine.
type logLength struct {
	path string
	left int64
	cut  bool // it was shorter; nothing is written any more, and nothing moved
}

// committed takes its length. Where it is not to be had, it is missed by
// [original.inPlace].
func (l *logLength) committed() {
	if info, err := os.Stat(l.path); err == nil {
		l.left = info.Size()
	}
}

// whole refuses if it is shorter than that. Error: ErrDamaged, from then on always.
func (l *logLength) whole() error {
	if info, err := os.Stat(l.path); err == nil && info.Size() < l.left {
		l.cut = true
	}
	if l.cut {
		return fmt.Errorf("%w: %s was cut short while it was open", ErrDamaged, l.path)
	}
	return nil
}
