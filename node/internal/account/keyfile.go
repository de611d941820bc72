package account

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"p2pchat/protocol/identity"
)

// KeyFile is the key file's name in the data directory.
const KeyFile = "account.key"

const (
	keyPrefix = "p2pchat-key-1 "
	// workFactor 15 takes 32 MiB and about 50 ms; age's default of 18 takes
	// a quarter of a gigabyte, too much for the machines this runs on.
	workFactor = 15
	// maxKeyFile bounds what is read of a file that may be anything.
	maxKeyFile = 4 << 10
)

// Errors a person can act on.
var (
	ErrNoAccount     = errors.New("there is no account")
	ErrExists        = errors.New("there is an account already")
	ErrWrongPassword = errors.New("wrong password")
	ErrDamaged       = errors.New("the key file is damaged")
)

// State tells whether dir holds an account and whether its key needs a
// password. A directory that does not exist holds none.
func State(dir string) (exists, locked bool, err error) {
	b, err := read(dir)
	if errors.Is(err, ErrNoAccount) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	return true, isEncrypted(b), nil
}

// Unlock reads the key of dir. password is ignored if the key is not
// encrypted. Errors: ErrNoAccount, ErrWrongPassword, ErrDamaged.
func Unlock(dir string, password []byte) (identity.Key, error) {
	b, err := read(dir)
	if err != nil {
		return identity.Key{}, err
	}
	if isEncrypted(b) {
		if b, err = decrypt(b, password); err != nil {
			return identity.Key{}, err
		}
	}
	line, ok := strings.CutPrefix(strings.TrimSpace(string(b)), keyPrefix)
	if !ok {
		return identity.Key{}, fmt.Errorf("%w: %s does not begin with %q", ErrDamaged, filepath.Join(dir, KeyFile), strings.TrimSpace(keyPrefix))
	}
	seed, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil {
		return identity.Key{}, fmt.Errorf("%w: %s: not base64", ErrDamaged, filepath.Join(dir, KeyFile))
	}
	key, err := identity.KeyFromSeed(seed)
	if err != nil {
		return identity.Key{}, fmt.Errorf("%w: %s: %w", ErrDamaged, filepath.Join(dir, KeyFile), err)
	}
	return key, nil
}

// Write keeps key in dir, encrypted to password unless that is empty. It never
// replaces a key: ErrExists.
func Write(dir string, key identity.Key, password []byte) error {
	data, err := encode(key, password)
	if err != nil {
		return err
	}
	// The caller holds the directory's lock, so nobody comes between.
	if _, err := os.Lstat(filepath.Join(dir, KeyFile)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the key: %w", ErrExists)
	}
	return write(dir, data)
}

// Rewrite replaces the file of dir's key with one encrypted to password, or not
// encrypted if that is empty; old is the password until now. It needs no lock: a
// node that runs has read its key, and what is read is one file or the other.
// Errors: those of Unlock.
func Rewrite(dir string, old, password []byte) (identity.Key, error) {
	key, err := Unlock(dir, old)
	if err != nil {
		return key, err
	}
	data, err := encode(key, password)
	if err != nil {
		return key, err
	}
	return key, write(dir, data)
}

// encode makes the content of a key file.
func encode(key identity.Key, password []byte) ([]byte, error) {
	plain := []byte(keyPrefix + base64.StdEncoding.EncodeToString(key.Seed()) + "\n")
	if len(password) == 0 {
		return plain, nil
	}
	data, err := encrypt(plain, password)
	if err != nil {
		return nil, fmt.Errorf("encrypt the key: %w", err)
	}
	return data, nil
}

func write(dir string, data []byte) error {
	err := replace(filepath.Join(dir, KeyFile), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return nil
}

// unfinished is what comes after the name of a file that is not whole yet, before
// a number.
const unfinished = ".unfinished-"

// replace makes a file of what fill writes that is whole, or leaves what is there.
// What an earlier one left that was killed it removes: there may be a key in it.
func replace(path string, fill func(io.Writer) error) error {
	if err := removeUnfinished(path); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+unfinished+"*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err = fill(tmp); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func removeUnfinished(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+unfinished)
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		if err := os.Remove(filepath.Join(filepath.Dir(path), e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func read(dir string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, KeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoAccount
	}
	if err != nil {
		return nil, fmt.Errorf("open the key: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%w: %s is larger than a key file", ErrDamaged, f.Name())
	}
	return b, nil
}

func isEncrypted(b []byte) bool { return bytes.HasPrefix(b, []byte(armor.Header)) }

func encrypt(plain, password []byte) ([]byte, error) {
	defer debug.FreeOSMemory() // scrypt's working memory is not needed again
	r, err := age.NewScryptRecipient(string(password))
	if err != nil {
		return nil, err
	}
	r.SetWorkFactor(workFactor)
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, r)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := a.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decrypt(b, password []byte) ([]byte, error) {
	defer debug.FreeOSMemory()
	if len(password) == 0 {
		return nil, ErrWrongPassword
	}
	id, err := age.NewScryptIdentity(string(password))
	if err != nil {
		return nil, ErrWrongPassword
	}
	id.SetMaxWorkFactor(workFactor)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(b)), id)
	if err != nil {
		var no *age.NoIdentityMatchError
		if errors.As(err, &no) {
			return nil, ErrWrongPassword
		}
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return plain, nil
}
