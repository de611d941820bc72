package envelope

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

var seed = bytes.Repeat([]byte{3}, 32)

func sealLocal(t testing.TB, purpose, plain string) []byte {
	t.Helper()
	b, err := SealLocal(new(counter), seed, purpose, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealLocal(t *testing.T) {
	for _, plain := range []string{"", "x", strings.Repeat("secret", 1000)} {
		sealed := sealLocal(t, "room secret", plain)
		if len(sealed) != len(plain)+LocalOverhead || len(plain) > 1 && bytes.Contains(sealed, []byte(plain)) {
			t.Errorf("%d bytes are sealed as %d, or shown", len(plain), len(sealed))
		}
		got, err := OpenLocal(seed, "room secret", sealed)
		if err != nil || string(got) != plain {
			t.Errorf("opened %q, %v; want %q", got, err, plain)
		}
	}
	var c counter
	a, err := SealLocal(&c, seed, "p", []byte("same"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := SealLocal(&c, seed, "p", []byte("same"))
	if err != nil || bytes.Equal(a, b) {
		t.Errorf("sealed twice alike, %v", err)
	}
}

func TestOnlySeedAndPurposeOpen(t *testing.T) {
	good := sealLocal(t, "room secret", "stretched")
	open := func(seed []byte, purpose string, sealed []byte) error {
		_, err := OpenLocal(seed, purpose, sealed)
		return err
	}
	for name, err := range map[string]error{
		"another seed":    open(bytes.Repeat([]byte{4}, 32), "room secret", good),
		"another purpose": open(seed, "room secrets", good),
		"cut short":       open(seed, "room secret", good[:len(good)-1]),
		"only a nonce":    open(seed, "room secret", good[:24]),
		"nothing":         open(seed, "room secret", nil),
		"more":            open(seed, "room secret", append(bytes.Clone(good), 0)),
	} {
		if !errors.Is(err, errLocal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if err := open(seed, "room secret", bad); !errors.Is(err, errLocal) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for _, n := range []int{0, 31, 33, 64} {
		if open(make([]byte, n), "p", good) == nil {
			t.Errorf("opened with a seed of %d bytes", n)
		}
		if _, err := SealLocal(new(counter), make([]byte, n), "p", nil); err == nil {
			t.Errorf("sealed with a seed of %d bytes", n)
		}
	}
	dry := iotest.ErrReader(errors.New("no randomness"))
	if _, err := SealLocal(dry, seed, "p", nil); err == nil {
		t.Error("sealed without randomness")
	}
}

func FuzzOpenLocal(f *testing.F) {
	f.Add("p", sealLocal(f, "p", "plain"))
	f.Add("p", []byte{})
	f.Add("", make([]byte, LocalOverhead))
	f.Fuzz(func(t *testing.T, purpose string, sealed []byte) {
		plain, err := OpenLocal(seed, purpose, sealed)
		if err != nil {
			return
		}
		again, err := SealLocal(bytes.NewReader(sealed[:24]), seed, purpose, plain)
		if err != nil || !bytes.Equal(again, sealed) {
			t.Fatalf("%x seals to %s, %v", plain, hex.EncodeToString(again), err)
		}
	})
}
