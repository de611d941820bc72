package store

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
)

// logSuffixes are those of the files that SQLite plays into a database.
var logSuffixes = []string{"-wal", "-journal"}

// source is what a new database can be made of.
type source struct {
	main string // the database file; "" if it is gone
	log  string // the file whose log is read with it; "" for without

	// What became of it:
	fresh   string // directory of the new database
	sound   bool   // nothing was wrong with it
	account Account
	out     Repaired
}

// better tells whether src is rather to be taken than other: what is sound, or
// else what more was read of.
func (src *source) better(other *source) bool {
	if src.sound != other.sound {
		return src.sound
	}
	return src.out.Events > other.out.Events
}

// findSources lists what there is to read, at least one that may be empty: the
// database, or, if there is none, what earlier Repairs kept, of which the last may
// not have come further than to move it.
func findSources(path string) ([]source, error) {
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	logged := hasLog(path)
	if err == nil && info.Size() > 0 {
		if logged {
			return []source{{main: path, log: path}, {main: path}}, nil
		}
		return []source{{main: path}}, nil
	}
	all, err := filepath.Glob(path + keptSuffix + "*")
	if err != nil {
		return nil, err
	}
	var kept, lone string
	for _, name := range all {
		base := name
		for _, suffix := range logSuffixes {
			base = strings.TrimSuffix(base, suffix)
		}
		switch {
		case base == name && strings.HasSuffix(name, "Z"):
			kept = max(kept, name)
		case base != name && !slices.Contains(all, base) && hasLog(base):
			lone = max(lone, base)
		}
	}
	var out []source
	switch {
	case kept == "":
	case hasLog(kept):
		out = append(out, source{main: kept, log: kept}, source{main: kept})
	case logged:
		out = append(out, source{main: kept, log: path}, source{main: kept})
	default:
		out = append(out, source{main: kept})
	}
	switch {
	case logged:
		out = append(out, source{log: path})
	case lone != "":
		out = append(out, source{log: lone})
	case len(out) == 0:
		out = append(out, source{})
	}
	return out, nil
}

// hasLog tells whether a log with anything in it lies beside the file of that name.
func hasLog(path string) bool {
	return slices.ContainsFunc(logSuffixes, func(suffix string) bool {
		info, err := os.Stat(path + suffix)
		return err == nil && info.Size() > 0
	})
}

// salvage makes a new database in src.fresh of what can be read. It reads a copy,
// which it makes in the directory scratch and removes. Error: OthersError, and what
// the new database meets.
func (src *source) salvage(ctx context.Context, scratch string, self peer.ID, opt Options) (err error) {
	if err := errors.Join(os.Mkdir(scratch, 0o700), os.Mkdir(src.fresh, 0o700)); err != nil {
		return noSpace(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	var path string
	if src.main != "" || src.log != "" {
		path = filepath.Join(scratch, FileName)
		if err := src.copyTo(path); err != nil {
			return noSpace(err)
		}
		uri := ""
		if src.log == "" {
			uri = "&immutable=1"
		}
		src.sound = soundCopy(ctx, path, uri, self)
		if src.log != "" {
			// What SQLite does not take of it cannot be read.
			if err := foldLog(ctx, path); errors.Is(err, ErrDiskFull) {
				return err
			}
		}
	}
	opt.Existing = false
	fresh, err := Open(ctx, src.fresh, opt)
	if err != nil {
		return err
	}
	s := newSalvage(self, fresh)
	s.mixed = src.log != ""
	err = errors.Join(s.all(ctx, path), fresh.Close())
	src.out, src.account = s.out, s.account
	return err
}

// copyTo copies what is to be read to path, so that SQLite takes it: it refuses a
// file that is shorter than its header says, and passes the log of an empty one over.
func (src *source) copyTo(path string) error {
	if src.main == "" {
		if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
			return err
		}
	} else if err := errors.Join(copyFile(path, src.main), admitShort(path)); err != nil {
		return err
	}
	if src.log == "" {
		return nil
	}
	for _, suffix := range logSuffixes {
		if err := copyFile(path+suffix, src.log+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Where a database's header has the size of a page, the number of pages, and the
// first of the pages that list those not in use, in bytes; see
// https://www.sqlite.org/fileformat2.html, 1.3.
const (
	headerPageSize  = 16
	headerPageCount = 28
	headerFree      = 32
	headerSize      = 100
)

// admitShort has the header of a file that was cut off say no more how long it is:
// then SQLite reads the pages that are there.
func admitShort(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := make([]byte, headerSize)
	if info.Size() < headerSize {
		return f.Truncate(4096) // what is left of it may be all in the log
	}
	if _, err := f.ReadAt(header, 0); err != nil {
		return err
	}
	if int64(pageSize(header))*int64(binary.BigEndian.Uint32(header[headerPageCount:])) <= info.Size() {
		return nil
	}
	_, err = f.WriteAt(make([]byte, 4), headerPageCount) // 0: as long as the file
	return err
}

// soundCopy tells whether nothing is wrong with the database at path, and it is
// self's.
func soundCopy(ctx context.Context, path, uri string, self peer.ID) bool {
	s := &Store{dir: filepath.Dir(path), log: slog.New(slog.DiscardHandler), damaged: func(error) {}}
	if err := s.tryReadOnly(ctx, path, uri, len(migrations)); err != nil {
		return false
	}
	acc, err := s.Account(ctx)
	wrong, faulty := s.Check(ctx, true)
	return errors.Join(err, faulty, s.Close()) == nil && acc.Peer == self && len(wrong) == 0
}
