package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// logLength is how long the last commit left the write-ahead log. SQLite does not
// look: behind the end of one that was cut short it would write on, and then move the
// hole into the database file. Owned by the writing goroutine.
type logLength struct {
	path string
	left int64
	// cut: it was shorter; nothing is written any more, and nothing moved. marked: that
	// is to be seen after us.
	cut, marked bool
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
	if !l.cut {
		return nil
	}
	if !l.marked { // on a full disk there may be space later
		l.marked = markCut(filepath.Dir(l.path)) == nil
	}
	return errCut
}

var errCut = fmt.Errorf("%w: %s was cut short while it was open", ErrDamaged, FileName+"-wal")

// cutMark is a file beside the database that tells that its log was cut short. The file
// itself does not: it is whole and only older than what others hold of it, and who went
// on from there would contradict himself. [Repair], which retires his logs, ends it.
const cutMark = FileName + ".cut"

// markCut makes the mark.
func markCut(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, cutMark), []byte(errCut.Error()+"\n"), 0o600); err != nil {
		return err
	}
	return syncDir(dir)
}

// wasCut refuses a database with the mark. Error: ErrDamaged.
func wasCut(dir string) error {
	_, err := os.Lstat(filepath.Join(dir, cutMark))
	switch {
	case err == nil:
		return errCut
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// unmarkCut takes the mark away.
func unmarkCut(dir string) error {
	if err := os.Remove(filepath.Join(dir, cutMark)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(dir)
}
