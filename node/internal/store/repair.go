package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrNameless: the database does not tell the account's name any more.
var ErrNameless = errors.New("the database does not tell the name of the account any more")

// SpaceError: there is too little space for a repair. It wraps ErrDiskFull.
type SpaceError struct{ Need, Free int64 } // in bytes; Need is about right

func (e SpaceError) Error() string {
	return fmt.Sprintf("%d bytes are free, of about %d", e.Free, e.Need)
}
func (e SpaceError) Unwrap() error { return ErrDiskFull }

// repairTakes is how many times the space of what it reads a repair takes beside it:
// for a copy, and for the new file and its log.
const repairTakes = 3

// tooLittle says what a repair lacked of space that failed for it.
func tooLittle(dir string) error {
	sources, err := findSources(filepath.Join(dir, FileName))
	if err != nil {
		return err
	}
	free, err := freeSpace(dir)
	if err != nil {
		return err
	}
	e := SpaceError{Free: free}
	read := []string{sources[0].main}
	for _, suffix := range logSuffixes {
		read = append(read, sources[0].log+suffix)
	}
	for _, name := range read {
		if info, err := os.Stat(name); err == nil {
			e.Need += repairTakes * info.Size()
		}
	}
	if e.Free >= e.Need { // a quota, or something else used it meanwhile
		return nil
	}
	return e
}

// Repaired says what [Repair] did.
type Repaired struct {
	// Sound: nothing was wrong and nothing was done.
	Sound bool
	// Kept is where the damaged file lies now, or the log of one that is gone;
	// "" if there was none.
	Kept string
	// Events, Contacts and Rooms count what the new database holds.
	Events, Contacts, Rooms int
	// Dropped counts events that were read and left out: they are not as they
	// were signed, or what they build on could not be read, or they are of a
	// conversation between others.
	Dropped int
	// Unread counts the pages of the file that could not be read, or not all of them,
	// as far as they are known to be of it: below such a page there may be others.
	Unread int
	// RoomsLost counts rooms of which something was read and that are not among Rooms.
	RoomsLost int
}

// The damaged file's new name, followed by the date, and the directory in which
// the new database is made.
const (
	keptSuffix = ".damaged-"
	keptDate   = "20060102T150405.000Z"
	repairDir  = FileName + ".repair"
)

// Repair makes a new database of what can be read of the one in dir, which is
// damaged or gone, and keeps the damaged file, with its log, beside it. self is
// whose it is; name is the account's if the database does not tell. Whoever is
// called holds the data directory's lock, and no store has it open.
//
// What is damaged may be the file, or its log, or that the log is another's: a file
// put back from a backup has the log of the one before beside it. So the file is
// read with its log and without it, see [source.better].
//
// Every log that this installation wrote is retired: what was said last may be
// lost, and the others hold it. They send what else is missing.
//
// It may be interrupted: the damaged file is moved when the new one is whole, then
// its log, then the new one takes its name; the next Repair takes it from wherever
// that ended. Errors: ErrNewer, OthersError, ErrNameless, ErrDiskFull, with a
// SpaceError where that tells more; then nothing was changed.
func Repair(ctx context.Context, dir string, self peer.ID, name string, opt Options) (Repaired, error) {
	out, err := repair(ctx, dir, self, name, opt)
	if errors.Is(err, ErrDiskFull) {
		err = errors.Join(err, tooLittle(dir))
	}
	if err != nil {
		return Repaired{}, fmt.Errorf("repair database %s: %w", filepath.Join(dir, FileName), err)
	}
	return out, nil
}

func repair(ctx context.Context, dir string, self peer.ID, name string, opt Options) (Repaired, error) {
	path := filepath.Join(dir, FileName)
	work := filepath.Join(dir, repairDir)
	if err := os.RemoveAll(work); err != nil {
		return Repaired{}, err
	}
	sources, err := findSources(path)
	if err != nil {
		return Repaired{}, err
	}
	if sources[0].main == path {
		if sound, err := isSound(ctx, dir, self, opt); err != nil || sound {
			return Repaired{Sound: sound}, err
		}
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return Repaired{}, noSpace(err)
	}
	defer func() { _ = os.RemoveAll(work) }() // what is left of it is removed by the next Repair
	best, err := salvageBest(ctx, work, sources, self, name, opt)
	if err != nil {
		return Repaired{}, err
	}
	fresh := filepath.Join(best.fresh, FileName)
	if err := settle(ctx, best.fresh, best.account, opt); err != nil {
		return Repaired{}, err
	}
	if best.out.Kept, err = keep(path, best); err != nil {
		return Repaired{}, err
	}
	if err := errors.Join(os.Rename(fresh, path), syncDir(dir)); err != nil {
		return best.out, err
	}
	return best.out, unmarkCut(dir)
}

// salvageBest makes a new database of each source in turn and returns the best,
// whose account has a name. The databases are in work.
func salvageBest(ctx context.Context, work string, sources []source, self peer.ID, name string, opt Options) (*source, error) {
	var best *source
	var refused error
	for i := range sources {
		src := &sources[i]
		src.fresh = filepath.Join(work, fmt.Sprint("new", i))
		err := src.salvage(ctx, filepath.Join(work, fmt.Sprint("old", i)), self, opt)
		if errors.As(err, new(OthersError)) {
			refused = err
			continue
		}
		if err != nil {
			return nil, err
		}
		if name == "" { // another source may be better and not tell
			name = src.account.Name
		}
		worse := src
		if best == nil || src.better(best) {
			worse, best = best, src
		}
		if worse != nil {
			if err := os.RemoveAll(worse.fresh); err != nil {
				return nil, err
			}
		}
		if best.sound {
			break
		}
	}
	if best == nil {
		return nil, refused
	}
	if best.account.Name == "" {
		best.account.Name = name
	}
	if best.account.Name == "" {
		return nil, ErrNameless
	}
	return best, nil
}

// settle gives the new database in dir its account and makes sure that all of it
// is in the one file that will be moved. SQLite folds the log into it when it is
// closed, but does not tell if that failed for want of space.
func settle(ctx context.Context, dir string, acc Account, opt Options) error {
	s, err := Open(ctx, dir, opt)
	if err != nil {
		return err
	}
	var want map[string]int64
	err = errors.Join(
		s.Update(ctx, func(tx *Tx) error { return tx.SetAccount(acc) }),
		s.readers.with(ctx, func(c *conn) (err error) { want, err = counts(ctx, c); return err }),
	)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	path := filepath.Join(dir, FileName)
	if err := foldLog(ctx, path); err != nil {
		return err
	}
	if err := s.verifyCopy(ctx, path, len(migrations), want); err != nil {
		return fmt.Errorf("the new database: %w", err)
	}
	return nil
}

// foldLog moves all that is in the log of a database that nobody has open into its
// file, and empties it.
func foldLog(ctx context.Context, path string) error {
	db, err := openWriter(path)
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(-1)
	c, err := openConn(ctx, db, filepath.Dir(path))
	if err != nil {
		return errors.Join(err, db.Close())
	}
	var busy, pages, folded int
	err = c.row(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`, nil, &busy, &pages, &folded)
	if err = errors.Join(err, c.close(), db.Close()); err != nil {
		return err
	}
	info, err := os.Stat(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && (busy != 0 || info.Size() > 0) {
		err = fmt.Errorf("its log of %d bytes is left", info.Size())
	}
	return err
}

// keep moves aside what the new database takes the place of and returns where to.
// A log goes with its file, and it goes also if there is no file: it would be
// played into the new one. What was kept before stays as it is.
func keep(path string, from *source) (kept string, err error) {
	to, err := freeName(path)
	if err != nil {
		return "", err
	}
	switch from.main {
	case "":
	case path:
		kept = to
		if err := errors.Join(os.Rename(path, to), syncDir(filepath.Dir(path))); err != nil {
			return "", err
		}
	default:
		kept = from.main
		if from.log == path {
			to = from.main // which was moved by a Repair that went no further
		}
	}
	for _, suffix := range logSuffixes {
		info, err := os.Stat(path + suffix)
		switch {
		case err != nil:
		case info.Size() == 0:
			err = os.Remove(path + suffix)
		default:
			if err = os.Rename(path+suffix, to+suffix); kept == "" {
				kept = to + suffix
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	// The index of the log, of which it is made anew.
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return kept, syncDir(filepath.Dir(path))
}

// freeName is a name for what is to be kept, of which there is neither a file nor
// a log.
func freeName(path string) (string, error) {
	for at := time.Now().UTC(); ; at = at.Add(time.Millisecond) {
		name := path + keptSuffix + at.Format(keptDate)
		taken, err := filepath.Glob(name + "*")
		if err != nil || len(taken) == 0 {
			return name, err
		}
	}
}

// isSound tells whether nothing is wrong with the database in dir. It is not
// opened for writing before that is known, so that a damaged file is kept as it
// is.
func isSound(ctx context.Context, dir string, self peer.ID, opt Options) (bool, error) {
	for _, opt.ReadOnly = range []bool{true, false} {
		s, err := Open(ctx, dir, opt)
		if errors.Is(err, ErrNewer) || errors.Is(err, ErrDiskFull) {
			return false, err
		}
		if err != nil {
			return false, ctx.Err()
		}
		acc, nobody := s.Account(ctx)
		wrong, err := s.Check(ctx, opt.ReadOnly)
		if err = errors.Join(err, s.Close()); err != nil || nobody != nil || acc.Peer != self || len(wrong) > 0 {
			return false, ctx.Err()
		}
	}
	return true, nil
}
