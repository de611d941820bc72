package captures

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// stream is a place to write a capture to that is not a regular file.
func isStream(mode fs.FileMode) bool {
	return mode&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0
}

// newFile is a capture file that does not yet stand under its name if that
// would replace another one.
type newFile struct {
	*os.File
	path string // where it shall stand
	temp string // where it stands until commit; "" if under its name
}

// fileKind is what a file is, as its first bytes tell.
type fileKind struct {
	name string
	is   func(head []byte) bool
}

var captureFile = fileKind{"capture", isCapture}

// createFile makes a file of mode 0600 for path, owned by owner if there is
// one. What is there already is replaced, at commit, only if it is of the same
// kind or empty.
func createFile(path string, owner *owner, kind fileKind) (*newFile, error) {
	f := &newFile{path: path}
	err := replaceable(path, kind)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.File, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	case err == nil:
		err = f.beside()
	}
	if err != nil {
		return nil, err
	}
	if err := f.giveTo(owner); err != nil {
		return nil, err
	}
	return f, nil
}

// beside opens the file under a temporary name in the same directory.
func (f *newFile) beside() (err error) {
	f.File, err = os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*") // 0600 too
	if err == nil {
		f.temp = f.File.Name()
	}
	return err
}

// giveTo makes owner, if there is one, the file's owner. If it cannot, no file
// is left.
func (f *newFile) giveTo(owner *owner) error {
	if owner == nil {
		return nil
	}
	if err := f.Chown(owner.uid, owner.gid); err != nil {
		f.abandon()
		return fmt.Errorf("give %s to the user who called sudo: %w", f.path, err)
	}
	return nil
}

// WriteFile makes a file of mode 0600 that stands under its name only when write
// has written all of it; under sudo it belongs to the user who called sudo.
// What exists is replaced only if it is empty or ours says of its beginning (up
// to 64 bytes) that it is one of the same kind, which kind names; symbolic
// links are not followed. Errors: [UsageError], [ErrDiskFull], others.
func WriteFile(path, kind string, ours func(head []byte) bool, write func(io.Writer) error) error {
	if err := replaceable(path, fileKind{kind, ours}); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f := &newFile{path: path}
	if err := f.beside(); err != nil {
		return err
	}
	if err := f.giveTo(sudoOwner(os.Geteuid(), os.Getenv)); err != nil {
		return err
	}
	err := write(f)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = f.commit()
	}
	if err != nil {
		f.abandon()
		if isFull(err) {
			err = fmt.Errorf("%w (%v)", ErrDiskFull, err)
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// commit puts the file under its name. Renaming replaces the name, never what a
// link of that name points to.
func (f *newFile) commit() error {
	if f.temp == "" {
		return nil
	}
	if err := os.Rename(f.temp, f.path); err != nil {
		return err
	}
	f.temp = ""
	return nil
}

// abandon removes a file that is of no use.
func (f *newFile) abandon() {
	name := f.path
	if f.temp != "" {
		name = f.temp
	}
	_ = f.Close()
	_ = os.Remove(name)
}

// replaceable is nil if a file of a kind may replace what stands at path,
// fs.ErrNotExist if nothing does.
func replaceable(path string, kind fileKind) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return usagef("%s is a symbolic link, and those are not followed here: name the file that you mean", path)
	case info.IsDir():
		return usagef("%s is a directory", path)
	case !info.Mode().IsRegular():
		return usagef("%s is not a regular file", path)
	case info.Size() == 0:
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !kind.is(head[:n]) {
		return usagef("%s exists and is not a %s: not replaced", path, kind.name)
	}
	return nil
}

// isCapture knows the first bytes of .pcap (micro- and nanoseconds, both byte
// orders) and .pcapng.
func isCapture(head []byte) bool {
	for _, known := range []string{
		"\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x4d\x3c\xb2\xa1", "\x0a\x0d\x0d\x0a",
	} {
		if bytes.HasPrefix(head, []byte(known)) {
			return true
		}
	}
	return false
}

// openStream opens a named pipe or character device; it waits until a pipe has
// a reader, and tells notice that it does.
func openStream(ctx context.Context, path string, waiting func()) (*os.File, error) {
	for told := false; ; told = true {
		f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil || !errors.Is(err, syscall.ENXIO) {
			return f, err
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a reader of %s: %w", path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// owner is who gets the file.
type owner struct{ uid, gid int }

// sudoOwner is the user who called sudo, nil if nobody did.
func sudoOwner(euid int, getenv func(string) string) *owner {
	if euid != 0 {
		return nil
	}
	uid, err := strconv.ParseUint(getenv("SUDO_UID"), 10, 31)
	if err != nil || uid == 0 {
		return nil
	}
	gid, err := strconv.ParseUint(getenv("SUDO_GID"), 10, 31)
	if err != nil {
		return nil
	}
	return &owner{uid: int(uid), gid: int(gid)}
}
