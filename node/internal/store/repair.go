package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrNameless: the database does not tell the account's name any more.
var ErrNameless = errors.New("the database does not tell the name of the account any more")

// Repaired says what [Repair] did.
type Repaired struct {
	// Sound: nothing was wrong and nothing was done.
	Sound bool
	// Kept is where the damaged file lies now; "" if there was none.
	Kept string
	// Events, Contacts and Rooms count what the new database holds.
	Events, Contacts, Rooms int
	// Dropped counts events that were read and left out: they are not as they
	// were signed, or what they build on could not be read.
	Dropped int
}

// The damaged file's new name, followed by the date, and the directory in which
// the new database is made.
const (
	keptSuffix = ".damaged-"
	repairDir  = FileName + ".repair"
)

// Repair makes a new database of what can be read of the one in dir, which is
// damaged or gone, and keeps the damaged file, with its log, beside it. self is
// whose it is; name is the account's if the database does not tell. Whoever is
// called holds the data directory's lock, and no store has it open.
//
// Every log that this installation wrote is retired: what was said last may be
// lost, and the others hold it. They send what else is missing.
//
// It may be interrupted: the damaged file is moved last, and if that is as far
// as it came, the next Repair takes it from there. Errors: ErrNewer, ErrNameless,
// ErrDiskFull; then nothing was changed.
func Repair(ctx context.Context, dir string, self peer.ID, name string, opt Options) (Repaired, error) {
	out, err := repair(ctx, dir, self, name, opt)
	if err != nil {
		return Repaired{}, fmt.Errorf("repair database %s: %w", filepath.Join(dir, FileName), err)
	}
	return out, nil
}

func repair(ctx context.Context, dir string, self peer.ID, name string, opt Options) (Repaired, error) {
	path := filepath.Join(dir, FileName)
	source, err := findDamaged(path)
	if err != nil {
		return Repaired{}, err
	}
	if source == path {
		if sound, err := isSound(ctx, dir, opt); err != nil || sound {
			return Repaired{Sound: sound}, err
		}
	}
	work := filepath.Join(dir, repairDir)
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil {
		return Repaired{}, noSpace(err)
	}
	defer func() { _ = os.RemoveAll(work) }() // what is left of it is removed by the next Repair
	fresh, err := Open(ctx, work, opt)
	if err != nil {
		return Repaired{}, err
	}
	s := newSalvage(self, fresh)
	if err := errors.Join(s.all(ctx, source, name), fresh.Close()); err != nil {
		return Repaired{}, err
	}
	if source == path {
		if s.out.Kept, err = keep(path); err != nil {
			return Repaired{}, err
		}
	} else {
		s.out.Kept = source
	}
	return s.out, errors.Join(os.Rename(filepath.Join(work, FileName), path), syncDir(dir))
}

// findDamaged is the file to read: the database, or, if there is none, the one
// that an interrupted Repair has moved already; "" if there is neither.
func findDamaged(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return path, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	moved, err := filepath.Glob(path + keptSuffix + "*Z") // the main files, without their logs
	if err != nil || len(moved) == 0 {
		return "", err
	}
	newest := slices.Max(moved)
	return newest, moveLog(path, newest)
}

// keep moves a damaged database aside and returns where to.
func keep(path string) (string, error) {
	kept := path + keptSuffix + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Rename(path, kept); err != nil {
		return "", err
	}
	return kept, moveLog(path, kept)
}

// moveLog has the logs follow the file they belong to: a journal left behind
// would be played into the new one.
func moveLog(from, to string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if err := os.Rename(from+suffix, to+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// isSound tells whether nothing is wrong with the database in dir. It is not
// opened for writing before that is known, so that a damaged file is kept as it
// is.
func isSound(ctx context.Context, dir string, opt Options) (bool, error) {
	for _, opt.ReadOnly = range []bool{true, false} {
		s, err := Open(ctx, dir, opt)
		if errors.Is(err, ErrNewer) || errors.Is(err, ErrDiskFull) {
			return false, err
		}
		if err != nil {
			return false, ctx.Err()
		}
		_, nobody := s.Account(ctx)
		wrong, err := s.Check(ctx, opt.ReadOnly)
		if err = errors.Join(err, s.Close()); err != nil || nobody != nil || len(wrong) > 0 {
			return false, ctx.Err()
		}
	}
	return true, nil
}
