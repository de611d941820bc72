package store

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"p2pchat/protocol/event"
)

var freeze = flag.Bool("store.freeze", false, "write testdata/v1.db anew, which is right before the first release only")

// What the frozen database holds. It is built by code, so that what is expected
// of it can be told from what is in it.
var (
	frozenOwnLog = event.LogID{7}
	frozenPeople = [3]byte{1, 2, 3}
)

func frozenEvents(t testing.TB) (theirs, mine, fork []*event.Event, dropped *event.Event) {
	me, other := testKey(t, frozenPeople[0]), testKey(t, frozenPeople[1])
	theirs = chain(t, other, 2, 6)
	mine = chain(t, me, 7, 4)
	fork = forks(t, testKey(t, frozenPeople[2]), 3, 1, 2)
	full := text(t, other, event.Header{Log: event.LogID{4}, Seq: 1, Time: 1<<64 - 1}, "gone")
	dropped, err := event.Decode(full.Raw, full.Signature, nil)
	if err != nil {
		t.Fatal(err)
	}
	return theirs, mine, fork, dropped
}

func frozenContact(t testing.TB) Contact {
	return Contact{
		Peer: testKey(t, frozenPeople[1]).ID(), Name: "other", Status: "there", Away: true, Profile: []byte{1, 2, 3}, ProfileTime: start,
		Addrs: []string{"/ip4/10.0.0.1/tcp/47700"}, Via: "mdns", FirstSeen: start, LastSeen: start, Verified: true, PinnedName: "other",
	}
}

func frozenAccount(t testing.TB) Account {
	return Account{Peer: testKey(t, frozenPeople[0]).ID(), Name: "me", Status: "here", Created: start}
}

// writeFrozen fills a new database.
func writeFrozen(t testing.TB, s *Store) {
	theirs, mine, fork, dropped := frozenEvents(t)
	other := testKey(t, frozenPeople[1]).ID()
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.SetAccount(frozenAccount(t)),
			tx.SetClock(1<<63+5),
			tx.PutConversation(conv1, KindDirect, other),
			tx.SetOwnLog(conv1, event.LogID{6}),
			tx.SetOwnLog(conv1, frozenOwnLog),
			tx.PutContact(frozenContact(t)),
			tx.AddStaticAddr("/ip4/10.0.0.9/tcp/1"),
		)
	})
	insert(t, s, slices.Concat(theirs[:3], theirs[4:], mine, fork, []*event.Event{dropped})...) // the fourth is missing
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.SetAck(conv1, other, event.Frontier{mine[0].Key(): at(mine[2])}),
			tx.SetRead(conv1, frozenAccount(t).Peer, theirs[0].Key(), at(theirs[1])),
		)
	})
}

// checkFrozen compares what s holds with what was put in.
func checkFrozen(t *testing.T, s *Store) {
	t.Helper()
	theirs, mine, fork, dropped := frozenEvents(t)
	other := testKey(t, frozenPeople[1]).ID()
	if got := must(t, s.Account); got != frozenAccount(t) {
		t.Errorf("account %+v", got)
	}
	if got := must(t, s.Clock); got != 1<<63+5 {
		t.Errorf("clock %v", got)
	}
	if got := must(t, s.Contacts); !reflect.DeepEqual(got, []Contact{frozenContact(t)}) {
		t.Errorf("contacts %+v", got)
	}
	if got := must(t, s.StaticAddrs); !slices.Equal(got, []string{"/ip4/10.0.0.9/tcp/1"}) {
		t.Errorf("static addresses %v", got)
	}
	want := ConvSummary{Conv: conv1, Kind: KindDirect, Other: other, Last: dropped.Time, Active: start, Unread: 6}
	if got := must(t, s.Conversations); !reflect.DeepEqual(got, []ConvSummary{want}) {
		t.Errorf("conversations %+v", got)
	}
	if n := must(t, s.QueuedCount); n != 1 {
		t.Errorf("queued %d", n)
	}
	frontier := event.Frontier{
		theirs[0].Key(): at(theirs[2]), mine[0].Key(): at(mine[3]), fork[0].Key(): at(fork[0]), dropped.Key(): at(dropped),
	}
	if got, err := s.Frontier(t.Context(), conv1); err != nil || !reflect.DeepEqual(got, frontier) {
		t.Errorf("frontier %v, %v", got, err)
	}
	all := slices.Concat(theirs[:3], theirs[4:], mine, fork, []*event.Event{dropped})
	slices.SortFunc(all, func(a, b *event.Event) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	log, err := s.Log(t.Context(), LogQuery{Conv: conv1})
	if err != nil || len(log) != len(all) {
		t.Fatalf("%d events, %v, want %d", len(log), err, len(all))
	}
	for i, e := range all {
		if !reflect.DeepEqual(log[i].Event, e) || log[i].Forked != (e.Author == fork[0].Author) {
			t.Errorf("event %d is %v, want %v", i, log[i], e)
		}
	}
	err = s.View(t.Context(), func(r *Reader) error {
		if log, ok, err := r.OwnLog(conv1); err != nil || !ok || log != frozenOwnLog {
			t.Errorf("own log %v %v %v", log, ok, err)
		}
		if own, err := r.IsOwnLog(conv1, event.LogID{6}); err != nil || !own {
			t.Errorf("the retired log: %v, %v", own, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if faults := must(t, s.Integrity); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

// TestFrozenSchema opens a database that the first version wrote.
func TestFrozenSchema(t *testing.T) {
	t.Parallel()
	file := filepath.Join("testdata", "v1.db")
	if *freeze {
		dir := t.TempDir()
		s := openStore(t, dir, Options{})
		writeFrozen(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, readFile(t, filepath.Join(dir, FileName)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), readFile(t, file), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir, Options{})
	checkFrozen(t, s)
	// And it is good for more than looking at.
	if n := insert(t, s, chain(t, testKey(t, frozenPeople[1]), 2, 6)...); n != 1 {
		t.Errorf("%d new, want the one that was missing", n)
	}
}

// TestFirstMigrationIsFrozen: the schema a new database gets from the first
// migration is that of the frozen one, to the letter.
func TestFirstMigrationIsFrozen(t *testing.T) {
	t.Parallel()
	dir, frozen := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(frozen, FileName), readFile(t, filepath.Join("testdata", "v1.db")), 0o600); err != nil {
		t.Fatal(err)
	}
	schema := func(dir string) string {
		s, err := open(t.Context(), dir, Options{}, migrations[:1])
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var out strings.Builder
		err = s.readers.with(t.Context(), func(c *conn) error {
			return c.rows(t.Context(), `SELECT ifnull(sql, name) FROM sqlite_schema ORDER BY name`, nil, func(scan func(...any) error) (bool, error) {
				var line string
				err := scan(&line)
				fmt.Fprintln(&out, line)
				return true, err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got, want := schema(dir), schema(frozen); got != want {
		t.Errorf("the first migration makes\n%s\nand the frozen database has\n%s", got, want)
	}
}

// next is a migration that a later version might bring.
var next = migration{name: "next", sql: `ALTER TABLE contact ADD COLUMN colour TEXT; CREATE TABLE more (x) STRICT_OR_NOT`}

func TestMigration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	s := openStore(t, dir, Options{})
	writeFrozen(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, path)

	// One that fails leaves all as it was, and a backup.
	broken := append(slices.Clone(migrations), next)
	if s, err := open(t.Context(), dir, Options{}, broken); err == nil {
		s.Close()
		t.Fatal("a broken migration went through")
	}
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("a migration that failed changed the file")
	}

	good := append(slices.Clone(migrations), migration{name: "good", sql: `ALTER TABLE contact ADD COLUMN colour TEXT; DELETE FROM static_addr`})
	if s, err := open(t.Context(), dir, Options{ReadOnly: true}, good); err == nil {
		s.Close()
		t.Error("an older schema was opened for reading only")
	}
	s, err := open(t.Context(), dir, Options{}, good)
	if err != nil {
		t.Fatal(err)
	}
	if got := must(t, s.StaticAddrs); len(got) != 0 {
		t.Errorf("the migration did nothing: %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("opened by the older program: %v", err)
	}

	// The backup is what was there before.
	backup := fmt.Sprintf("%s.v%d.bak", path, len(migrations))
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("backup %v, %v", info, err)
	}
	if _, err := os.Stat(backup + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a half backup is left: %v", err)
	}
	restored := t.TempDir()
	if err := os.Rename(backup, filepath.Join(restored, FileName)); err != nil {
		t.Fatal(err)
	}
	checkFrozen(t, openStore(t, restored, Options{}))
}

// TestBackupIsVerified breaks a copy and looks whether it passes.
func TestBackupIsVerified(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	writeFrozen(t, s)
	c, err := openConn(t.Context(), s.readers.db, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, tc := range []struct {
		name  string
		spoil func(path string)
		good  bool
	}{
		{"as it is", func(string) {}, true},
		{"a row is missing", func(path string) { rawDB(t, path, `DELETE FROM event WHERE n = 1`) }, false},
		{"another version", func(path string) { rawDB(t, path, `PRAGMA user_version = 0`) }, false},
		{"broken pages", func(path string) {
			b := readFile(t, path)
			for i := len(b) / 2; i < len(b); i++ {
				b[i] = 0xa5
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		path := filepath.Join(t.TempDir(), "copy")
		if _, err := c.c.ExecContext(t.Context(), `VACUUM INTO ?`, path); err != nil {
			t.Fatal(err)
		}
		tc.spoil(path)
		if err := s.verifyBackup(t.Context(), c, path, len(migrations)); (err == nil) != tc.good {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
