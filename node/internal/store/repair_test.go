package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"p2pchat/protocol/event"
)

// livedFiles is a database as a closed one leaves it, and one as a crash does,
// with a part in the log.
func livedFiles(t *testing.T) (l lived, closed, crashed, log []byte) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	s := openStore(t, dir, Options{})
	l = writeLived(t, s)
	crashed, log = readFile(t, path), readFile(t, path+"-wal")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return l, readFile(t, path), crashed, log
}

// placeFiles writes the files of a database, none for nil.
func placeFiles(t *testing.T, dir string, main, log []byte) (path string) {
	t.Helper()
	path = filepath.Join(dir, FileName)
	for suffix, b := range map[string][]byte{"": main, "-wal": log} {
		if b != nil {
			write(t, path+suffix, b)
		}
	}
	return path
}

// TestRepairTruncated: of a file that was cut off nearly all is saved.
func TestRepairTruncated(t *testing.T) {
	t.Parallel()
	l, closed, _, _ := livedFiles(t)
	for _, cut := range []int{100, 4096, 5000, 2 * 4096, 10 * 4096} {
		dir := t.TempDir()
		short := closed[:len(closed)-cut]
		placeFiles(t, dir, short, nil)
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "me", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := l.checkRepaired(t, "cut", dir, r); n < len(l.texts)*(len(closed)-2*cut)/len(closed) {
			t.Errorf("cut by %d bytes of %d: %d messages of %d saved, %+v", cut, len(closed), n, len(l.texts), r)
		}
		if !bytes.Equal(readFile(t, r.Kept), short) {
			t.Error("the damaged file was not kept as it was")
		}
	}
}

// TestRepairLogWithoutFile: the database is gone or empty, its log is not. The log
// moves aside, also beside what was kept before, of which nothing changes.
func TestRepairLogWithoutFile(t *testing.T) {
	t.Parallel()
	l, closed, _, log := livedFiles(t)
	journal := bytes.Repeat([]byte("journal!"), 1000)
	for name, tc := range map[string]struct {
		main, log, journal []byte
		kept               bool
	}{
		"gone": {log: log}, "empty": {main: []byte{}, log: log}, "gone, a journal": {journal: journal},
		"gone, one kept": {log: log, kept: true}, "gone, one kept, a log of zeros": {log: make([]byte, 8192), kept: true},
	} {
		dir := t.TempDir()
		path := placeFiles(t, dir, tc.main, tc.log)
		if tc.journal != nil {
			write(t, path+"-journal", tc.journal)
		}
		old := path + keptSuffix + "20270101T000000.000Z"
		oldLog := []byte("the log of what was kept")
		if tc.kept {
			write(t, old, closed)
			write(t, old+"-wal", oldLog)
		}
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "me", Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n := l.checkRepaired(t, name, dir, r)
		if tc.kept && (n != len(l.texts) || r.Kept != old) {
			t.Errorf("%s: %d messages saved, kept %s", name, n, r.Kept)
		}
		if tc.kept && (!bytes.Equal(readFile(t, old), closed) || !bytes.Equal(readFile(t, old+"-wal"), oldLog)) {
			t.Errorf("%s: what was kept before was changed", name)
		}
		var aside [][]byte
		files, err := filepath.Glob(path + keptSuffix + "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			aside = append(aside, readFile(t, file))
		}
		for _, b := range [][]byte{tc.log, tc.journal} {
			if b != nil && !slices.ContainsFunc(aside, func(a []byte) bool { return bytes.Equal(a, b) }) {
				t.Errorf("%s: the log was not kept", name)
			}
		}
		if again, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{}); err != nil || !again.Sound {
			t.Errorf("%s: repaired again: %+v, %v", name, again, err)
		}
	}
}

// TestRepairStrangeLog: a log that is not the file's, be it of an earlier state of
// the same account or of another's, does not spoil what the file has.
func TestRepairStrangeLog(t *testing.T) {
	t.Parallel()
	l, closed, crashed, log := livedFiles(t)
	// Another account, with a room of its own, whose rows have the same numbers.
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	other, third := testKey(t, frozenPeople[1]), testKey(t, frozenPeople[2])
	conv := event.Direct(other.ID(), third.ID())
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.SetAccount(Account{Peer: other.ID(), Name: "other", Created: start}),
			tx.PutContact(Contact{Peer: third.ID(), Name: "third"}), tx.PutConversation(conv, KindDirect, third.ID()))
	})
	var prev event.ID
	for i := range 300 {
		e := text(t, other, event.Header{Conversation: conv, Log: event.LogID{1}, Seq: uint64(i + 1), Prev: prev}, "not yours "+strings.Repeat("x", i))
		insert(t, s, e)
		prev = e.ID
	}
	path := filepath.Join(dir, FileName)
	othersLog, others := readFile(t, path+"-wal"), readFile(t, path)
	me := frozenAccount(t).Peer
	for name, tc := range map[string]struct {
		main, log []byte
		least     int // messages saved
	}{
		"a backup put back beside the log of a crash": {closed, log[:len(log)/2], len(l.texts)},
		"another account's log":                       {closed, othersLog, len(l.texts)},
		"a log cut in two":                            {crashed, log[:len(log)/2], 1},
		"another account's file with our log":         {others, log, 0},
	} {
		dir := t.TempDir()
		placeFiles(t, dir, tc.main, tc.log)
		r, err := Repair(t.Context(), dir, me, "me", Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := l.checkRepaired(t, name, dir, r)
		if n < tc.least {
			t.Errorf("%s: %d messages of %d saved, %+v", name, n, len(l.texts), r)
		}
		s := openStore(t, dir, Options{ReadOnly: true})
		for _, c := range must(t, s.Contacts) {
			if c.Peer == third.ID() {
				t.Errorf("%s: another account's contact was taken over", name)
			}
		}
	}
	// All of it is another's: nothing is done.
	dir = t.TempDir()
	path = placeFiles(t, dir, others, othersLog)
	if _, err := Repair(t.Context(), dir, me, "me", Options{}); !errors.As(err, new(OthersError)) {
		t.Errorf("another's: %v", err)
	}
	if !bytes.Equal(readFile(t, path), others) || !bytes.Equal(readFile(t, path+"-wal"), othersLog) {
		t.Error("another's database was changed")
	}
}

// TestRepairInterruptedAnywhere: the file was moved, its log not yet; and both were.
func TestRepairInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	l, _, crashed, log := livedFiles(t)
	for _, moved := range []bool{false, true} {
		dir := t.TempDir()
		path := placeFiles(t, dir, crashed, log)
		kept := path + keptSuffix + "20270101T000000.000Z"
		err := os.Rename(path, kept)
		if moved {
			err = errors.Join(err, os.Rename(path+"-wal", kept+"-wal"))
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{})
		if err != nil || r.Kept != kept || r.Dropped > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if n := l.checkRepaired(t, "interrupted", dir, r); n != len(l.texts) {
			t.Errorf("%d messages, want %d", n, len(l.texts))
		}
		if !bytes.Equal(readFile(t, kept), crashed) || !bytes.Equal(readFile(t, kept+"-wal"), log) {
			t.Error("not kept as it was")
		}
		if _, err := os.Stat(path + "-shm"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an index of the log is left: %v", err)
		}
	}
}

// TestRepairReferences: rows that refer to nothing are found, and the events among
// them are saved.
func TestRepairReferences(t *testing.T) {
	t.Parallel()
	l, closed, _, _ := livedFiles(t)
	for _, table := range []string{"peer", "log", "conversation"} {
		dir := t.TempDir()
		path := placeFiles(t, dir, closed, nil)
		rawDB(t, path, `DELETE FROM `+table+` WHERE n > 1`)
		s := openStore(t, dir, Options{ReadOnly: true})
		wrong := must(t, fullCheck(s))
		if err := s.Close(); err != nil || len(wrong) == 0 || !strings.Contains(wrong[0], "refers to a row of "+table) {
			t.Errorf("%s: found %q, %v", table, wrong, err)
		}
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{})
		if err != nil || r.Sound {
			t.Fatalf("%s: %+v, %v", table, r, err)
		}
		if n := l.checkRepaired(t, table, dir, r); n != len(l.texts) {
			t.Errorf("%s: %d messages, want %d", table, n, len(l.texts))
		}
	}
}

// TestRepairKeepsTheClock: where one page of the logs is damaged, the clock is what
// the others say, and does not go back to what we said last.
func TestRepairKeepsTheClock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	me := testKey(t, 1)
	s := openStore(t, dir, Options{})
	update(t, s, func(tx *Tx) error { return tx.SetAccount(Account{Peer: me.ID(), Name: "me", Created: start}) })
	var clock event.Time
	for i := range 600 {
		other := testKey(t, byte(2+i/event.MaxLogs)) // one author has so many in a conversation
		e := text(t, other, event.Header{Conversation: event.Direct(me.ID(), other.ID()), Log: event.LogID{1, byte(i), byte(i >> 8)}, Seq: 1}, "x")
		clock = e.Time + 1<<40
		update(t, s, func(tx *Tx) error {
			if _, err := tx.Insert(e, start); err != nil {
				return err
			}
			return tx.SetClock(clock)
		})
	}
	var page int64
	err := s.readers.with(t.Context(), func(c *conn) error {
		return c.row(t.Context(), `SELECT pageno FROM dbstat WHERE name = 'log' AND pagetype = 'leaf' ORDER BY pageno LIMIT 1 OFFSET 2`, nil, &page)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	b := readFile(t, path)
	copy(b[(page-1)*4096:page*4096], bytes.Repeat([]byte{0xff}, 4096))
	write(t, path, b)
	if _, err := Repair(t.Context(), dir, me.ID(), "me", Options{}); err != nil {
		t.Fatal(err)
	}
	if got := must(t, openStore(t, dir, Options{}).Clock); got != clock {
		t.Errorf("the clock was at %v and is at %v", clock.Wall(), got.Wall())
	}
}
