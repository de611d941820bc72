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

var freeze = flag.Bool("store.freeze", false, "write the testdata of the newest schema anew, which is right before its release only")

// frozenFile is a database as the program wrote it when there were so many
// migrations.
func frozenFile(version int) string { return filepath.Join("testdata", fmt.Sprintf("v%d.db", version)) }

// What the frozen databases hold. It is built by code, so that what is expected
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
	want := ConvSummary{Conv: conv1, Kind: KindDirect, Other: other, Last: dropped.Time, Unread: 6}
	people := slices.DeleteFunc(must(t, s.Conversations), func(c ConvSummary) bool { return c.Kind == KindRoom })
	if !reflect.DeepEqual(people, []ConvSummary{want}) {
		t.Errorf("conversations %+v", people)
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
	if faults := must(t, fullCheck(s)); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

// frozenRoom is what the rooms of the frozen database hold, from version 2 on.
func frozenRoom(t testing.TB) (room event.Conversation, control []*event.Event, messages map[*event.Event]Verdict, low event.LogKey, below event.Head) {
	all, control := roomPool(t)
	messages = map[*event.Event]Verdict{}
	for i, v := range []Verdict{VerdictVisible, VerdictVisible, VerdictHidden, VerdictWaiting, VerdictRetracted, VerdictRefused} {
		messages[all[i]] = v
	}
	low = event.LogKey{Author: testKey(t, frozenPeople[2]).ID(), Log: event.LogID{9}}
	return event.Conversation(control[0].ID), control, messages, low, event.Head{Seq: 6, ID: event.ID{6}}
}

func writeFrozenRoom(t testing.TB, s *Store) {
	room, control, messages, low, below := frozenRoom(t)
	update(t, s, func(tx *Tx) error {
		for _, e := range control {
			if _, err := tx.InsertControl(room, e, start); err != nil {
				return err
			}
		}
		for e, v := range messages {
			if _, err := tx.InsertRoom(e, start, v, e.Kind == quietKind); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.PutRoom(RoomRow{Conv: room, Joined: true, Nick: "me"}),
			tx.PutEpoch(room, control[0].ID, [32]byte{1}),
			tx.SetLowAt(room, low, below.Seq+1, below.ID),
		)
	})
}

// checkFrozenRoom compares what s holds with what was put in.
func checkFrozenRoom(t *testing.T, s *Store) {
	t.Helper()
	room, control, messages, low, below := frozenRoom(t)
	if got := must(t, s.Rooms); !slices.Equal(got, []RoomRow{{Conv: room, Joined: true, Nick: "me"}}) {
		t.Errorf("rooms %+v", got)
	}
	if keys, err := s.Epochs(t.Context(), room); err != nil || keys[control[0].ID] != [32]byte{1} {
		t.Errorf("epochs %v, %v", keys, err)
	}
	if got, err := s.Controls(t.Context(), room); err != nil || !reflect.DeepEqual(got, control) {
		t.Errorf("%d control events, %v", len(got), err)
	}
	n := 0
	err := s.EachRoomMessage(t.Context(), room, func(e *event.Event, v Verdict) error {
		n++
		for want, verdict := range messages {
			if want.ID == e.ID && (v != verdict || !reflect.DeepEqual(want, e)) {
				t.Errorf("message %s has verdict %d, want %d", e.ID, v, verdict)
			}
		}
		return nil
	})
	if err != nil || n != len(messages) {
		t.Errorf("%d messages, %v", n, err)
	}
	if f, err := s.Frontier(t.Context(), room); err != nil || f[low] != below {
		t.Errorf("frontier %v, %v", f, err)
	}
	if c, err := s.Conversation(t.Context(), room); err != nil || c.Kind != KindRoom || c.Last == 0 {
		t.Errorf("summary %+v, %v", c, err)
	}
}

// TestFrozenSchema opens the databases that each version wrote.
func TestFrozenSchema(t *testing.T) {
	t.Parallel()
	newest := len(migrations)
	if *freeze {
		dir := t.TempDir()
		s := openStore(t, dir, Options{})
		writeFrozenRoom(t, s)
		writeFrozen(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(frozenFile(newest), readFile(t, filepath.Join(dir, FileName)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for version := range newest {
		version++
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		if err := os.WriteFile(path, readFile(t, frozenFile(version)), 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, dir, Options{})
		checkFrozen(t, s)
		if version == 1 {
			writeFrozenRoom(t, s) // it knew no rooms
		}
		checkFrozenRoom(t, s)
		// And it is good for more than looking at.
		if n := insert(t, s, chain(t, testKey(t, frozenPeople[1]), 2, 6)...); n != 1 {
			t.Errorf("version %d: %d new, want the one that was missing", version, n)
		}
		// What it was is kept beside it, unless it is of the newest version.
		_, err := os.Stat(fmt.Sprintf("%s.v%d.bak", path, version))
		if (err == nil) != (version < newest) {
			t.Errorf("version %d: backup %v", version, err)
		}
	}
}

// TestMigrationsAreFrozen: the schema a new database gets from the migrations
// is that of the frozen ones, to the letter.
func TestMigrationsAreFrozen(t *testing.T) {
	t.Parallel()
	schema := func(dir string, version int) string {
		s, err := open(t.Context(), dir, Options{}, migrations[:version])
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
	for version := range len(migrations) {
		version++
		frozen := t.TempDir()
		if err := os.WriteFile(filepath.Join(frozen, FileName), readFile(t, frozenFile(version)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, want := schema(t.TempDir(), version), schema(frozen, version); got != want {
			t.Errorf("the migrations up to %d make\n%s\nand the frozen database has\n%s", version, got, want)
		}
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
	if _, err := open(t.Context(), dir, Options{ReadOnly: true}, good); !errors.Is(err, ErrOlder) {
		t.Errorf("an older schema, opened for reading only: %v", err)
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
	if err := os.WriteFile(filepath.Join(restored, FileName), readFile(t, backup), 0o600); err != nil {
		t.Fatal(err)
	}
	checkFrozen(t, openStore(t, restored, Options{}))

	// It goes when the new schema has served: what is taken back would stay in it.
	if s, err = open(t.Context(), dir, Options{}, good); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(backup); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the backup is still there: %v", err)
	}
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
	want, err := counts(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
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
		if err := s.verifyCopy(t.Context(), path, len(migrations), want); (err == nil) != tc.good {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
