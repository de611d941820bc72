package account

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

const testDB = "p2pchat.db"

// packed makes an account and its archive.
func packed(t *testing.T, accountPassword, password []byte) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	if err := Write(dir, testKey(t), accountPassword); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(dir, testDB)
	if err := os.WriteFile(db, bytes.Repeat([]byte("a database "), 20_000), 0o600); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "alice.p2pchat")
	if err := Pack(file, dir, db, password); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

func unpack(t *testing.T, file string, password []byte) (dir string, err error) {
	t.Helper()
	a, err := OpenArchive(file, password)
	if err != nil {
		return "", err
	}
	dir = t.TempDir()
	return dir, errors.Join(a.Unpack(dir, testDB), a.Close())
}

func content(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is unpacked is what was packed, the key still encrypted to its own password.
func TestArchive(t *testing.T) {
	t.Parallel()
	for name, password := range map[string][]byte{"plain": nil, "encrypted": []byte("for the way")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, file := packed(t, []byte("for the key"), password)
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if locked, err := ArchiveLocked(file); err != nil || locked != (password != nil) {
				t.Errorf("locked: %v, %v", locked, err)
			}
			whole := content(t, file)
			if bytes.Contains(whole, []byte("a database")) != (password == nil) {
				t.Error("what is in it can be read, or cannot, without the password")
			}
			to, err := unpack(t, file, password)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{KeyFile, testDB} {
				if !bytes.Equal(content(t, from, name), content(t, to, name)) {
					t.Errorf("%s is another", name)
				}
			}
			if entries, err := os.ReadDir(to); err != nil || len(entries) != 2 {
				t.Errorf("unpacked %v, %v", entries, err)
			}
			if err := Pack(file, from, filepath.Join(from, testDB), password); !errors.Is(err, fs.ErrExist) {
				t.Errorf("over a file: %v", err)
			}
			if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
				t.Errorf("beside the file: %v, %v", entries, err)
			}
			if password == nil {
				return
			}
			for _, wrong := range []string{"", "for the Way"} {
				if _, err := unpack(t, file, []byte(wrong)); !errors.Is(err, ErrWrongPassword) {
					t.Errorf("password %q: %v", wrong, err)
				}
			}
		})
	}
}

// A file that was cut, altered or continued is refused.
func TestArchiveDamaged(t *testing.T) {
	t.Parallel()
	password := []byte("for the way")
	for name, password := range map[string][]byte{"plain": nil, "encrypted": password} {
		_, file := packed(t, nil, password)
		whole := content(t, file)
		spoilt := map[string][]byte{
			"empty": {}, "something else": []byte("Dear diary"), "continued": append(bytes.Clone(whole), 1),
		}
		for _, n := range []int{1, 30, 300, 3_000, len(whole) / 2, len(whole) - 1500} {
			spoilt[fmt.Sprintf("cut to %d", n)] = whole[:n]
		}
		if password != nil {
			spoilt["cut by one"] = whole[:len(whole)-1]
			altered := bytes.Clone(whole)
			altered[len(altered)/2] ^= 1
			spoilt["altered"] = altered
		}
		for what, b := range spoilt {
			file := filepath.Join(t.TempDir(), "spoilt")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := unpack(t, file, password); !errors.Is(err, ErrArchive) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// An archive with anything but the two files is refused, and writes nowhere else.
func TestArchiveHostile(t *testing.T) {
	t.Parallel()
	key := tar.Header{Name: KeyFile, Typeflag: tar.TypeReg}
	db := tar.Header{Name: testDB, Typeflag: tar.TypeReg}
	with := func(h tar.Header, change func(*tar.Header)) tar.Header {
		change(&h)
		return h
	}
	for name, entries := range map[string][]tar.Header{
		"no database":      {key},
		"no key":           {db},
		"the wrong order":  {db, key},
		"a path":           {key, with(db, func(h *tar.Header) { h.Name = "../" + testDB })},
		"an absolute path": {with(key, func(h *tar.Header) { h.Name = "/tmp/" + KeyFile }), db},
		"a link":           {key, with(db, func(h *tar.Header) { h.Typeflag, h.Linkname = tar.TypeSymlink, "/etc/passwd" })},
		"a directory":      {key, with(db, func(h *tar.Header) { h.Typeflag = tar.TypeDir })},
		"a file more":      {key, db, {Name: "lock", Typeflag: tar.TypeReg}},
		"a large key":      {with(key, func(h *tar.Header) { h.Size = maxKeyFile + 1 }), db},
		"a database twice": {key, db, db},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for _, h := range entries {
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(make([]byte, h.Size)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "hostile")
			if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := unpack(t, file, nil); !errors.Is(err, ErrArchive) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A hole takes no space in the archive: it cannot fill the disk.
func TestArchiveWithAHole(t *testing.T) {
	t.Parallel()
	record := func(s string) string { return fmt.Sprintf("%d %s\n", len(s)+4, s) } // of two digits
	records := record("GNU.sparse.major=1") + record("GNU.sparse.minor=0") + record("GNU.sparse.realsize=1099511627776")
	sparseMap := append([]byte("1\n1099511627776\n0\n"), make([]byte, 512)...)[:512]
	var b bytes.Buffer
	for _, part := range [][]byte{
		block(KeyFile, tar.TypeReg, 0), block("records", tar.TypeXHeader, len(records)), append([]byte(records), make([]byte, 512-len(records))...),
		block(testDB, tar.TypeReg, 512), sparseMap, make([]byte, 1024),
	} {
		b.Write(part)
	}
	r := tar.NewReader(bytes.NewReader(b.Bytes()))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if h, err := r.Next(); err != nil || h.Size != 1<<40 || h.Typeflag != tar.TypeReg {
		t.Fatalf("this is no hole: %+v, %v", h, err)
	}
	file := filepath.Join(t.TempDir(), "hole")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := unpack(t, file, nil); !errors.Is(err, ErrArchive) {
		t.Errorf("got %v", err)
	}
}

// block is a header in ustar's format.
func block(name string, kind byte, size int) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000600")
	copy(h[124:], fmt.Sprintf("%011o", size))
	copy(h[136:], "00000000000")
	copy(h[148:], "        ")
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// What an export left that was killed tells by its name what it is, and goes with the
// next one to that file; what others called alike stays.
func TestArchiveLeftover(t *testing.T) {
	t.Parallel()
	dir, file := packed(t, nil, nil)
	again := file + " 2 [a]"
	var during []string
	err := replace(again, func(io.Writer) error {
		var err error
		during, err = filepath.Glob(filepath.Join(filepath.Dir(file), "*"+unfinished+"*"))
		return errors.Join(err, errors.New("stop"))
	})
	if err == nil || len(during) != 1 {
		t.Fatalf("%v, %v", during, err)
	}
	for _, name := range []string{during[0], again + unfinished + "notes", file + unfinished + "17"} {
		if err := os.WriteFile(name, []byte("half a key"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Pack(again, dir, filepath.Join(dir, testDB), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(during[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is there: %v", err)
	}
	for _, name := range []string{again + unfinished + "notes", file + unfinished + "17"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}
