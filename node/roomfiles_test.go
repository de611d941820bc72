package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/event"
)

func TestRoomFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var told []error
	f := newRoomFiles(dir, func(err error) { told = append(told, err) })
	at := api.Time{Time: time.Date(2026, 11, 25, 18, 0, 0, 0, time.FixedZone("", 3600))}
	lines := []api.Message{
		{Time: at, Nick: "anna", Kind: api.MessageText, Text: "two\nlines \x1b[31m\u202e"},
		{Time: at, Name: "bob", Kind: api.MessageAction, Text: "waves"},
		{Time: at, Nick: "anna", Kind: api.MessageGovern, Text: "kicked bob: spam"},
	}
	id := event.Conversation{1, 2, 3, 4}
	f.write(id, rooms.Scene{Name: "../a b"}, lines) // not logged
	if _, err := os.Stat(filepath.Join(dir, "logs")); !os.IsNotExist(err) {
		t.Fatalf("a room that is not logged left something: %v", err)
	}
	for range 2 {
		f.write(id, rooms.Scene{Name: "../a b", Logging: true}, lines)
	}
	path := filepath.Join(dir, "logs", "___a_b-01020304.log")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "2026-11-25 17:00:00 <anna> two\u2424lines \ufffd[31m\ufffd\n2026-11-25 17:00:00 * bob waves\n2026-11-25 17:00:00 --- anna kicked bob: spam\n"
	if got := string(b); got != strings.Repeat(want, 2) {
		t.Errorf("the log reads\n%s", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "logs")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "logs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.write(id, rooms.Scene{Name: "x", Logging: true}, lines)
	}
	if len(told) != 1 || told[0] == nil {
		t.Errorf("told that a log cannot be written: %v", told)
	}
	if err := os.Remove(filepath.Join(dir, "logs")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f.write(id, rooms.Scene{Name: "x", Logging: true}, lines[1:2])
	}
	if len(told) != 2 || told[1] != nil {
		t.Errorf("told that it can be written again: %v", told)
	}
	if b, err = os.ReadFile(filepath.Join(dir, "logs", "x-01020304.log")); err != nil {
		t.Fatal(err)
	}
	const waves = "2026-11-25 17:00:00 * bob waves\n"
	if got, want := string(b), "2026-11-25 17:00:00 --- what is missing here could not be written (lines: 9)\n"+waves+waves; got != want {
		t.Errorf("the log goes on with\n%s", got)
	}
}
