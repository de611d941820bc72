package account

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"filippo.io/age"
)

var (
	// ErrArchive: a file is no archive of an account, or not a whole one.
	ErrArchive = errors.New("it is no whole export of an account")
	// ErrIrregular: it is a directory, a pipe or a device.
	ErrIrregular = errors.New("it is not a regular file")
)

// ageIntro begins every age file; nothing else that is read here does.
const ageIntro = "age-encryption.org/"

// Pack writes an archive of the account in dir to path, 0600, whole or not at all:
// the key file as it is and the database copied to db, encrypted to password unless
// that is empty. Nothing is replaced: fs.ErrExist.
func Pack(path, dir, db string, password []byte) error {
	err := vacant(path)
	if err != nil {
		return err
	}
	key, err := read(dir)
	if err != nil {
		return err
	}
	return replace(path, func(w io.Writer) error {
		if err := pack(w, key, db, password); err != nil {
			return err
		}
		return vacant(path) // it took a while
	})
}

func vacant(path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func pack(w io.Writer, key []byte, db string, password []byte) error {
	f, err := os.Open(db)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 1<<16)
	sealed := io.WriteCloser(nopCloser{buffered})
	if len(password) > 0 {
		defer debug.FreeOSMemory() // scrypt's working memory is not needed again
		r, err := age.NewScryptRecipient(string(password))
		if err != nil {
			return err
		}
		r.SetWorkFactor(workFactor)
		if sealed, err = age.Encrypt(buffered, r); err != nil {
			return err
		}
	}
	t := tar.NewWriter(sealed)
	for _, e := range []struct {
		name    string
		size    int64
		content io.Reader
	}{{KeyFile, int64(len(key)), bytes.NewReader(key)}, {filepath.Base(db), info.Size(), f}} {
		if err := t.WriteHeader(&tar.Header{Name: e.name, Size: e.size, Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := io.CopyN(t, e.content, e.size); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	if err := sealed.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// Archive is an archive that is read.
type Archive struct {
	f    *os.File
	size int64 // of the file; nothing in it can be larger
	in   io.Reader
	tar  *tar.Reader
	key  []byte
}

// openArchive opens the file at path, which is read more than once.
func openArchive(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = ErrIrregular
	}
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// ArchiveLocked tells whether the archive at path is encrypted.
func ArchiveLocked(path string) (bool, error) {
	f, err := openArchive(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	begins, err := bufio.NewReader(f).Peek(len(ageIntro))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return string(begins) == ageIntro, nil
}

// OpenArchive opens the archive at path and reads the key file in it; password is
// ignored if it is not encrypted. Errors: ErrWrongPassword, ErrArchive.
func OpenArchive(path string, password []byte) (*Archive, error) {
	locked, err := ArchiveLocked(path)
	if err != nil {
		return nil, err
	}
	f, err := openArchive(path)
	if err != nil {
		return nil, err
	}
	a := &Archive{f: f, in: f}
	if err := a.begin(locked, password); err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	return a, nil
}

func (a *Archive) begin(locked bool, password []byte) error {
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	a.size = info.Size()
	if locked {
		if a.in, err = open(a.f, password); err != nil {
			return err
		}
	}
	a.tar = tar.NewReader(a.in)
	size, err := a.next(KeyFile)
	if err != nil {
		return err
	}
	if size > maxKeyFile {
		return fmt.Errorf("%w: its %s is too large", ErrArchive, KeyFile)
	}
	a.key, err = io.ReadAll(a.tar)
	return foreign(err)
}

// open decrypts an archive.
func open(r io.Reader, password []byte) (io.Reader, error) {
	defer debug.FreeOSMemory()
	id, err := age.NewScryptIdentity(string(password))
	if err != nil {
		return nil, ErrWrongPassword // it is empty
	}
	id.SetMaxWorkFactor(workFactor)
	out, err := age.Decrypt(r, id)
	var no *age.NoIdentityMatchError
	if errors.As(err, &no) {
		return nil, ErrWrongPassword
	}
	return out, foreign(err)
}

// next goes to the next entry, which is to be a file of this name.
func (a *Archive) next(name string) (size int64, err error) {
	h, err := a.tar.Next()
	switch {
	case errors.Is(err, io.EOF):
		return 0, fmt.Errorf("%w: there is no %s in it", ErrArchive, name)
	case err != nil:
		return 0, foreign(err)
	case h.Name != name || h.Typeflag != tar.TypeReg:
		return 0, fmt.Errorf("%w: there is %q where %s should be", ErrArchive, h.Name, name)
	case h.Size > a.size: // a hole that takes no space
		return 0, fmt.Errorf("%w: its %s says that it has %d bytes", ErrArchive, name, h.Size)
	}
	return h.Size, nil
}

// Unpack writes what is in the archive, and has to be nothing but the key file and
// the database called db, into dir, which is empty. It is called once.
// Error: ErrArchive.
func (a *Archive) Unpack(dir, db string) error {
	if err := place(filepath.Join(dir, KeyFile), bytes.NewReader(a.key)); err != nil {
		return err
	}
	if _, err := a.next(db); err != nil {
		return err
	}
	if err := place(filepath.Join(dir, db), archived{a.tar}); err != nil {
		return err
	}
	if _, err := a.tar.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is more in it", ErrArchive)
	}
	// Up to its end, which only now is known to be the right one.
	n, err := io.Copy(io.Discard, a.in)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d bytes follow", n)
	}
	return foreign(err)
}

// Close closes the file.
func (a *Archive) Close() error { return a.f.Close() }

// archived tells what is wrong with an archive from what is wrong with the disk.
type archived struct{ r io.Reader }

func (a archived) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = foreign(err)
	}
	return n, err
}

// foreign is for errors of reading an archive, unless the file could not be read.
func foreign(err error) error {
	var disk *fs.PathError
	if err == nil || errors.As(err, &disk) {
		return err
	}
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrArchive // which says it all
	}
	return fmt.Errorf("%w: %w", ErrArchive, err)
}

// place makes a new file, synced.
func place(path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

// Move moves the key file from one directory to another, where it is the last that
// an account lacks. On disk it is there after whatever was made in that directory
// before.
func Move(from, to string) error {
	if err := syncDir(to); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(from, KeyFile), filepath.Join(to, KeyFile)); err != nil {
		return err
	}
	return syncDir(to)
}
