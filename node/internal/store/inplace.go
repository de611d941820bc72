package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// original is the database file and its write-ahead log as they were opened. SQLite
// writes on without a word into files that have lost their names, which are gone as
// soon as they are closed.
type original struct {
	files []named
}

type named struct {
	path string
	info fs.FileInfo
}

// openedAt notes which files stand for a database that is open and has been written to,
// unless the disk is full: then there may be no log yet, and none is looked for.
func openedAt(path string) (original, error) {
	var o original
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) && name != path {
			continue
		}
		if err != nil {
			return o, err
		}
		_ = os.SameFile(info, info) // Windows looks the file's number up when first asked for it
		o.files = append(o.files, named{name, info})
	}
	return o, nil
}

// inPlace refuses if one of the names now stands for another file, or for none. Error:
// ErrMoved.
func (o original) inPlace() error {
	for _, f := range o.files {
		info, err := os.Stat(f.path)
		if err == nil && !os.SameFile(info, f.info) {
			err = fmt.Errorf("%s: %w", f.path, errReplaced)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMoved, err)
		}
	}
	return nil
}

var errReplaced = errors.New("there is another file in its place")
