package identity

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/pb"
)

func testKey(t testing.TB, n byte) Key {
	t.Helper()
	k, err := KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyRoundTrip(t *testing.T) {
	k := testKey(t, 1)
	again, err := KeyFromSeed(k.Seed())
	if err != nil || again.ID() != k.ID() {
		t.Fatalf("seed does not make the key again: %v, %v", again.ID(), err)
	}
	sig, err := k.Sign("d\x00", []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(k.ID(), "d\x00", []byte("m"), sig); err != nil {
		t.Errorf("own signature: %v", err)
	}
	if Verify(k.ID(), "e\x00", []byte("m"), sig) == nil {
		t.Error("a signature verifies under another domain")
	}
	if Verify(testKey(t, 2).ID(), "d\x00", []byte("m"), sig) == nil {
		t.Error("a signature verifies under another key")
	}
}

func TestParsePeer(t *testing.T) {
	id := testKey(t, 1).ID()
	if got, err := ParsePeer([]byte(id)); err != nil || got != id {
		t.Fatalf("ParsePeer(%s) = %s, %v", id, got, err)
	}
	for name, b := range map[string][]byte{
		"empty":     {},
		"truncated": []byte(id)[:20],
		"trailing":  append([]byte(id), 0),
		"rsa hash":  append([]byte{0x12, 0x20}, make([]byte, 32)...),
	} {
		if got, err := ParsePeer(b); err == nil {
			t.Errorf("%s: accepted as %s", name, got)
		}
	}
}

func TestNormalizeName(t *testing.T) {
	good := map[string]string{
		"alice": "alice", "Älice": "Älice", "A\u0308lice": "Älice", "first": "first", "ユーザー": "ユーザー",
		"ａｌｉｃｅ": "alice", "x_y.z-1": "x_y.z-1", strings.Repeat("é", 32): strings.Repeat("é", 32),
	}
	for in, want := range good {
		if got, err := NormalizeName(in); err != nil || got != want {
			t.Errorf("NormalizeName(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "a b", "a\x1b[31m", "a\u202eb", "a@b", "#room", "user:x", "a/b", "-x", "\xff", "a\u200bb",
		strings.Repeat("é", 33), testKey(t, 1).ID().String(),
	} {
		if got, err := NormalizeName(in); err == nil {
			t.Errorf("NormalizeName(%q) = %q, want an error", in, got)
		}
	}
}

func TestConfusable(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"alice", "Alice", true},
		{"alice", "аlice", true}, // Cyrillic а
		{"paul", "pau1", true},
		{"Ilse", "llse", true},
		{"bob", "b0b", true},
		{"alice", "bob", false},
		{"alice", "alicia", false},
	} {
		if got := Confusable(c.a, c.b); got != c.want {
			t.Errorf("Confusable(%q, %q) = %v", c.a, c.b, got)
		}
	}
	if !SameName("Alice", "alice") || SameName("alice", "аlice") {
		t.Error("SameName folds case and nothing else")
	}
}

func TestFingerprintIsFrozen(t *testing.T) {
	k := testKey(t, 1)
	const id, want = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5", "mkj4-4345-e7tx-nbye-rfon"
	if k.ID().String() != id || Fingerprint(k.ID()) != want {
		t.Errorf("key 01…01: %s %s", k.ID(), Fingerprint(k.ID()))
	}
}

func profile(k Key) Profile {
	return Profile{Peer: k.ID(), Name: "alice", Status: "at lunch", Version: 1, Time: time.UnixMilli(1_800_000_000_000).UTC()}
}

func TestProfileRoundTrip(t *testing.T) {
	k := testKey(t, 1)
	p := profile(k)
	b, err := SignProfile(k, p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenProfile(b, p.Time)
	if err != nil || got != p {
		t.Fatalf("OpenProfile = %+v, %v", got, err)
	}
	var ahead *AheadError
	if _, err := OpenProfile(b, p.Time.Add(-MaxProfileAhead-time.Second)); !errors.As(err, &ahead) || ahead.Peer != p.Peer || ahead.By != MaxProfileAhead+time.Second {
		t.Error("a profile from the future is accepted")
	}
	if _, err := OpenProfile(b, p.Time.Add(-MaxProfileAhead)); err != nil {
		t.Errorf("a profile at the bound: %v", err)
	}
}

// TestProfileRefusals changes one thing each in a good profile and signs it
// again, so that only the check in question can refuse it.
func TestProfileRefusals(t *testing.T) {
	k := testKey(t, 1)
	sign := func(raw []byte) []byte {
		sig, err := k.Sign(profileDomain, raw)
		if err != nil {
			t.Fatal(err)
		}
		b, err := proto.Marshal(&pb.SignedProfile{Profile: raw, Signature: sig})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	mutate := func(f func(*pb.Profile)) []byte {
		m := &pb.Profile{Peer: []byte(k.ID()), Username: "alice", Version: 1, Time: 1_800_000_000_000}
		f(m)
		raw, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return sign(raw)
	}
	good, err := encodeProfile(profile(k))
	if err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1_800_000_000_000)
	if _, err := OpenProfile(mutate(func(*pb.Profile) {}), now); err != nil {
		t.Fatalf("the unchanged profile: %v", err)
	}
	for name, b := range map[string][]byte{
		"escape in name":   mutate(func(m *pb.Profile) { m.Username = "a\x1b[2Jb" }),
		"name not normal":  mutate(func(m *pb.Profile) { m.Username = "ａlice" }),
		"empty name":       mutate(func(m *pb.Profile) { m.Username = "" }),
		"escape in status": mutate(func(m *pb.Profile) { m.Status = "\x1b]0;x\x07" }),
		"long status":      mutate(func(m *pb.Profile) { m.Status = strings.Repeat("x", MaxStatus+1) }),
		"no version":       mutate(func(m *pb.Profile) { m.Version = 0 }),
		"time range":       mutate(func(m *pb.Profile) { m.Time = 1 << 60 }),
		"other's key":      mutate(func(m *pb.Profile) { m.Peer = []byte(testKey(t, 2).ID()) }),
		"unknown field":    sign(append(append([]byte{}, good...), 0x78, 0x01)),
		"field twice":      sign(append(append([]byte{}, good...), 0x20, 0x01)),
		"oversize":         append(sign(good), make([]byte, MaxProfile)...),
		"garbage":          []byte("garbage"),
		"nothing":          nil,
	} {
		if p, err := OpenProfile(b, now); err == nil {
			t.Errorf("%s: accepted as %+v", name, p)
		}
	}
}

func FuzzOpenProfile(f *testing.F) {
	k := testKey(f, 1)
	b, err := SignProfile(k, profile(k))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := OpenProfile(b, time.UnixMilli(1_800_000_000_000))
		if err == nil && p.check() != nil {
			t.Fatalf("accepted a profile that cannot be made: %+v", p)
		}
	})
}
