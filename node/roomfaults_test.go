package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"p2pchat/node/api"
)

// TestRoomSnapshotThatWentOn: an account put back from an older copy talks in a
// room before it learns what it had said there already, so that its log has two
// branches. Everybody ends with both, also who meets the branches only after
// others made them one.
func TestRoomSnapshotThatWentOn(t *testing.T) {
	t.Parallel()
	aliceDir, bobDir, carolDir := newAccount(t, "alice"), newAccount(t, "bob"), newAccount(t, "carol")
	alice := start(t, aliceDir)
	bob := start(t, bobDir, alice)
	carol := start(t, carolDir, alice, bob)
	id := roomOf(t, api.CreateRoomRequest{Name: "dev"}, alice, bob, carol).String()
	hold := func(want []string, all ...testNode) {
		t.Helper()
		for _, n := range all {
			wait(t, "all hold what was said", func() bool { return slices.Equal(textsOf(t, n, id), want) })
		}
	}
	says(t, bob, id, "one")
	hold([]string{"one"}, alice, carol)
	bob.halt()
	older := filepath.Join(t.TempDir(), "d")
	if err := os.CopyFS(older, os.DirFS(bobDir)); err != nil {
		t.Fatal(err)
	}
	bob = start(t, bobDir, alice, carol)
	for _, text := range []string{"two", "three", "four"} {
		says(t, bob, id, text)
	}
	want := []string{"one", "two", "three", "four"}
	hold(want, alice, carol)
	bob.halt()
	alice.halt()
	carol.halt()

	bob = start(t, older) // nobody is there
	for _, text := range []string{"again two", "again three"} {
		if _, err := bob.Send(t.Context(), api.SendRequest{Target: id, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, "again two", "again three")
	carol = start(t, carolDir, bob)
	hold(want, bob, carol)
	says(t, bob, id, "five")
	want = append(want, "five")
	hold(want, bob, carol)
	alice = start(t, aliceDir, bob, carol)
	hold(want, alice)
	log := logOf(t, alice, id)
	if five, four := log[6], log[3]; five.Log == four.Log {
		t.Errorf("what bob says after the restore is still in log %s", four.Log)
	}
	for _, n := range []testNode{alice, bob, carol} {
		var s api.RoomStatus
		wait(t, "nobody misses anything", func() bool {
			var err error
			s, err = n.RoomStatus(t.Context(), id)
			return err == nil && !s.Missing && s.Parked == 0
		})
	}
}
