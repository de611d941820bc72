package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/protocol/event"
)

// lived is a database that has lived a while: the contact we talk to, a room, and
// what was said in both.
type lived struct {
	direct, room event.Conversation
	mine         event.LogKey
	texts        map[event.ID]string
	control      []*event.Event
}

func writeLived(t testing.TB, s *Store) lived {
	t.Helper()
	me, other := testKey(t, frozenPeople[0]), testKey(t, frozenPeople[1])
	room, control, _, _, _ := frozenRoom(t)
	l := lived{direct: event.Direct(me.ID(), other.ID()), room: room, texts: map[event.ID]string{}, control: control}
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.SetAccount(frozenAccount(t)), tx.SetClock(event.At(start)), tx.SetRetention(Retention{Size: 5 << 20}), tx.PutContact(frozenContact(t)), tx.AddStaticAddr("/ip4/10.0.0.9/tcp/1"),
			tx.PutConversation(l.direct, KindDirect, other.ID()), tx.SetOwnLog(l.direct, event.LogID{7}),
			tx.PutRoom(RoomRow{Conv: room, Joined: true, Nick: "me"}), tx.PutEpoch(room, control[0].ID, [32]byte{1}),
			tx.PutSecret(room, 3, []byte("sealed")), tx.PutAdmitted(room, other.ID()), tx.SetOwnLog(room, event.LogID{8}),
		)
	})
	update(t, s, func(tx *Tx) error {
		for _, e := range control {
			if _, err := tx.InsertControl(room, e, start); err != nil {
				return err
			}
		}
		return nil
	})
	var heads [2]event.Head
	say := func(k key, conv event.Conversation, log byte, n int, ctl ...event.ID) (last *event.Event) {
		var prev event.ID
		for i := range n {
			what := fmt.Sprintf("line %d of log %d %s", i+1, log, strings.Repeat("blah ", i%40))
			e := text(t, k, event.Header{Conversation: conv, Log: event.LogID{log}, Seq: uint64(i + 1), Prev: prev, Ctl: ctl}, what)
			l.texts[e.ID], prev, last = what, e.ID, e
			if conv == room {
				update(t, s, func(tx *Tx) error { _, err := tx.InsertRoom(e, e.Time.Wall(), VerdictVisible, false); return err })
			} else {
				insert(t, s, e)
			}
		}
		return last
	}
	l.mine = say(me, l.direct, 7, 150).Key()
	heads[0] = at(say(other, l.direct, 2, 150))
	say(me, room, 8, 100, control[0].ID)
	say(other, room, 3, 200, control[0].ID)
	heads[1] = event.Head{Seq: 40, ID: event.ID{4}}
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.SetRead(l.direct, me.ID(), event.LogKey{Author: other.ID(), Log: event.LogID{2}}, heads[0]),
			tx.SetAck(l.direct, other.ID(), event.Frontier{l.mine: heads[1]}),
			tx.SetLowAt(room, event.LogKey{Author: testKey(t, frozenPeople[2]).ID(), Log: event.LogID{9}}, 7, event.ID{6}),
		)
	})
	return l
}

// shown reads what a face would show, and fails if any of it was never said. It
// returns how many messages that were.
func (l lived) shown(t *testing.T, s *Store) int {
	t.Helper()
	n := 0
	for _, conv := range []event.Conversation{l.direct, l.room} {
		log, err := s.Log(t.Context(), LogQuery{Conv: conv})
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("log: %v", err)
		}
		if err != nil {
			continue
		}
		n += len(log)
		for _, e := range log {
			if said, err := event.DecodeText(e.Body); err != nil || said != l.texts[e.ID] {
				t.Errorf("shown %q, %v; said was %q", said, err, l.texts[e.ID])
			}
		}
	}
	return n
}

// damages are ways in which a file may be damaged. Each returns the bytes that
// are there instead. step tells how many to leave out.
func damages(b []byte, step int) map[string][]byte {
	out := map[string][]byte{
		"zeros": make([]byte, len(b)), "a text": bytes.Repeat([]byte("Dear diary, "), 500), "first page zeroed": slices.Concat(make([]byte, 4096), b[4096:]),
		"twice": slices.Concat(b, b), "a page too many": slices.Concat(b, make([]byte, 4096)), "not a whole page": b[:len(b)-100],
	}
	for k := range 8 {
		out[fmt.Sprintf("truncated to %d/8", k)] = b[:len(b)*k/8]
	}
	for at := 0; at < 100; at += step { // the header
		c := slices.Clone(b)
		c[at] ^= 0xff
		out[fmt.Sprintf("header byte %d", at)] = c
	}
	random := rand.New(rand.NewPCG(1, uint64(len(b))))
	for i := range 30 / step {
		c := slices.Clone(b)
		page := c[4096*random.IntN(len(b)/4096):][:4096]
		for j := range page {
			page[j] = byte(random.Uint32())
		}
		out[fmt.Sprintf("random page %d", i)] = c
		c = slices.Clone(b)
		for range 1 + random.IntN(20) {
			c[random.IntN(len(c))] ^= 1 << random.IntN(8)
		}
		out[fmt.Sprintf("random bits %d", i)] = c
	}
	return out
}

// TestAllDamage opens, reads and repairs a database damaged in many ways: nothing
// panics, nothing is shown that was not said, and in the end there is a sound
// database, with the damaged one beside it.
func TestAllDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	l := writeLived(t, s)
	if n := l.shown(t, s); n != len(l.texts) {
		t.Fatalf("%d messages shown, want %d", n, len(l.texts))
	}
	// As a crash leaves it: a part in the log.
	crashedLog := readFile(t, filepath.Join(dir, FileName+"-wal"))
	crashed := readFile(t, filepath.Join(dir, FileName))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b := readFile(t, filepath.Join(dir, FileName))
	step := 5
	if os.Getenv("P2PCHAT_KILL_ROUNDS") != "" {
		step = 1
	}
	type files struct{ main, log []byte }
	all := map[string]files{}
	for name, c := range damages(b, step) {
		all[name] = files{main: c}
	}
	for name, c := range damages(crashedLog, step) {
		if !strings.HasPrefix(name, "header") {
			all["log: "+name] = files{crashed, c}
		}
	}
	saved := 0
	for name, f := range all {
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		if err := errors.Join(os.WriteFile(path, f.main, 0o600), os.WriteFile(path+"-wal", f.log, 0o600)); err != nil {
			t.Fatal(err)
		}
		told := 0
		s, err := Open(t.Context(), dir, Options{Existing: true, Damaged: func(error) { told++ }})
		if err == nil {
			whole := l.shown(t, s) == len(l.texts)
			wrong := must(t, fullCheck(s))
			if len(wrong) == 0 && !whole && f.log == nil {
				t.Errorf("%s: not all is shown, and the check finds nothing", name)
			}
			if told == 0 && len(wrong) > 0 {
				t.Errorf("%s: nobody was told of %q", name, wrong)
			}
			if err := s.Close(); err != nil && !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: close: %v", name, err)
			}
		} else if !slices.ContainsFunc([]error{ErrDamaged, ErrForeign, ErrNewer, ErrNotFound, fs.ErrPermission}, func(e error) bool { return errors.Is(err, e) }) {
			t.Errorf("%s: open: %v", name, err)
		}
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "me", Options{})
		if errors.Is(err, ErrNewer) {
			continue
		}
		if err != nil {
			t.Errorf("%s: repair: %v", name, err)
			continue
		}
		saved += l.checkRepaired(t, name, dir, r)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kinds of damage, %d messages saved of each on average, of %d", len(all), saved/len(all), len(l.texts))
}

// checkRepaired looks at what Repair left and returns how many messages it saved.
func (l lived) checkRepaired(t *testing.T, name, dir string, r Repaired) int {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{Existing: true})
	if err != nil {
		t.Errorf("%s: open what was repaired: %v", name, err)
		return 0
	}
	defer s.Close()
	if wrong := must(t, fullCheck(s)); len(wrong) > 0 {
		t.Errorf("%s: repaired and %q", name, wrong)
	}
	if a := must(t, s.Account); a.Peer != frozenAccount(t).Peer || a.Name == "" {
		t.Errorf("%s: account %+v", name, a)
	}
	n := l.shown(t, s)
	if r.Sound {
		return n
	}
	if info, err := os.Stat(r.Kept); r.Kept != "" && (err != nil || info.Size() == 0) {
		t.Errorf("%s: kept %q: %v", name, r.Kept, err)
	}
	if _, err := os.Stat(filepath.Join(dir, repairDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: the working directory is left: %v", name, err)
	}
	for _, conv := range []event.Conversation{l.direct, l.room} {
		if err := s.View(t.Context(), func(r *Reader) error {
			if log, ok, err := r.OwnLog(conv); ok || err != nil {
				t.Errorf("%s: our log %s goes on, %v", name, log, err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	return n
}

// TestRepairSaves: of a file in which one message is not as it was signed, all
// the rest is saved.
func TestRepairSaves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	s := openStore(t, dir, Options{})
	l := writeLived(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b := readFile(t, path)
	at := bytes.Index(b, []byte("line 77 of log 2"))
	b[at] = 'L'
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{})
	want := Repaired{Kept: r.Kept, Events: len(l.texts) - 1 + len(l.control), Dropped: 1, Contacts: 1, Rooms: 1}
	if err != nil || r != want || r.Kept == "" {
		t.Fatalf("%+v, %v, want %+v", r, err, want)
	}
	if !bytes.Equal(readFile(t, r.Kept), b) {
		t.Error("the damaged file was not kept as it was")
	}
	if n := l.checkRepaired(t, "a letter", dir, r); n != len(l.texts)-1 {
		t.Errorf("%d messages, want %d", n, len(l.texts)-1)
	}
	s = openStore(t, dir, Options{})
	if a := must(t, s.Account); a != frozenAccount(t) {
		t.Errorf("account %+v", a)
	}
	if c := must(t, s.Contacts); len(c) != 1 || c[0].Name != "other" || !c[0].Verified {
		t.Errorf("contacts %+v", c)
	}
	if got := must(t, s.Rooms); !slices.Equal(got, []RoomRow{{Conv: l.room, Joined: true, Nick: "me"}}) {
		t.Errorf("rooms %+v", got)
	}
	if keys, err := s.Epochs(t.Context(), l.room); err != nil || keys[l.control[0].ID] != [32]byte{1} {
		t.Errorf("epochs %v, %v", keys, err)
	}
	if limits := must(t, s.Retention); limits != (Retention{Size: 5 << 20}) {
		t.Errorf("limits %+v", limits)
	}
	if g, sealed, err := s.Secret(t.Context(), l.room); err != nil || g != 3 || string(sealed) != "sealed" {
		t.Errorf("secret %d %q, %v", g, sealed, err)
	}
	if who, err := s.Admitted(t.Context(), l.room); err != nil || len(who) != 1 {
		t.Errorf("admitted %v, %v", who, err)
	}
	if lows, err := s.Lows(t.Context(), l.room); err != nil || len(lows) != 1 {
		t.Errorf("lows %v, %v", lows, err)
	}
	c, err := s.Conversation(t.Context(), l.direct)
	if err != nil || c.Kind != KindDirect || c.Unread != 0 {
		t.Errorf("conversation %+v, %v", c, err)
	}
	if n := must(t, s.QueuedCount); n != 150-40 {
		t.Errorf("%d queued, want %d", n, 150-40)
	}
	// A log that is held with a gap is asked for from there on.
	f, err := s.Frontier(t.Context(), l.direct)
	if k := (event.LogKey{Author: testKey(t, frozenPeople[1]).ID(), Log: event.LogID{2}}); err != nil || f[k].Seq != 76 || f[l.mine].Seq != 150 {
		t.Errorf("frontier %v, %v", f, err)
	}
	if clock := must(t, s.Clock); clock < event.At(start.Add(150*time.Second)) {
		t.Errorf("the clock was put back to %v", clock)
	}
	err = s.View(t.Context(), func(r *Reader) error {
		own, err := r.IsOwnLog(l.direct, l.mine.Log)
		if !own {
			t.Error("our log is forgotten")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{}); err != nil || !again.Sound {
		t.Errorf("repaired again: %+v, %v", again, err)
	}
}

// TestRepairInterrupted: the damaged file was moved, the new one not yet put in
// its place.
func TestRepairInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	s := openStore(t, dir, Options{})
	l := writeLived(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kept := path + keptSuffix + "20270101T000000.000Z"
	if err := errors.Join(os.Rename(path, kept), os.Mkdir(filepath.Join(dir, repairDir), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{Existing: true}); !errors.Is(err, ErrNotFound) {
		t.Errorf("opened where there is none: %v", err)
	}
	r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{})
	if err != nil || r.Kept != kept || r.Dropped > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := l.checkRepaired(t, "interrupted", dir, r); n != len(l.texts) {
		t.Errorf("%d messages, want %d", n, len(l.texts))
	}
	// With nothing at all the name is missing.
	if _, err := Repair(t.Context(), t.TempDir(), frozenAccount(t).Peer, "", Options{}); !errors.Is(err, ErrNameless) {
		t.Errorf("without a name: %v", err)
	}
	empty := t.TempDir()
	if r, err := Repair(t.Context(), empty, frozenAccount(t).Peer, "anna", Options{}); err != nil || r != (Repaired{}) {
		t.Errorf("from nothing: %+v, %v", r, err)
	}
	if a := must(t, openStore(t, empty, Options{Existing: true}).Account); a.Name != "anna" {
		t.Errorf("account %+v", a)
	}
}
