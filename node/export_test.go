package node

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/internal/store"
)

// TestExport: a member's copy of a room and a direct chat are exported while the
// node runs, and verify; what was taken back is not in them.
func TestExport(t *testing.T) {
	t.Parallel()
	ownerDir, aliceDir := newAccount(t, "owner"), newAccount(t, "alice")
	owner := start(t, ownerDir)
	alice := start(t, aliceDir, owner)
	wait(t, "alice sees the owner", func() bool { return alice.people.online(owner.key.ID()) })
	room := owner.create(t, api.CreateRoomRequest{Name: "dev"})
	alice.enters(t, room, "")
	alice.says(t, room, "good morning")
	bad := alice.says(t, room, "a rude word")
	owner.hears(t, room, "a rude word")
	owner.governs(t, api.GovernRequest{Room: room, Act: api.ActRetract, ID: bad.ID, Reason: "manners"})
	wait(t, "alice's line is taken back", func() bool { return !alice.has(t, room, "a rude word") })
	if _, err := alice.Send(t.Context(), api.SendRequest{Target: "@owner", Text: "sorry", Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	wait(t, "the owner is on alice's disk", func() bool { // people are written behind
		all, err := alice.store.Contacts(t.Context())
		return err == nil && slices.ContainsFunc(all, func(c store.Contact) bool { return c.Name == "owner" })
	})
	for _, dir := range []string{ownerDir, aliceDir} {
		r, err := OpenReader(t.Context(), dir, "test")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for _, format := range []string{"text", "jsonl", "html"} {
			var file bytes.Buffer
			if err := r.Export(t.Context(), room, format, &file); err != nil {
				t.Fatal(err)
			}
			got := file.String()
			for _, want := range []string{"good morning", "retracted", "manners"} {
				if !strings.Contains(got, want) {
					t.Errorf("%s lacks %q", format, want)
				}
			}
			if strings.Contains(got, "a rude word") {
				t.Errorf("%s shows what was taken back", format)
			}
			report, err := VerifyTranscript(&file)
			if err != nil || report.Name != "dev" || report.Authors != 2 || report.Missing > 0 || report.Conversation != room {
				t.Errorf("%s: %+v, %v", format, report, err)
			}
		}
		if r.acc.Name == "owner" {
			continue
		}
		var file bytes.Buffer
		if err := r.Export(t.Context(), "@owner", "text", &file); err != nil || !strings.Contains(file.String(), "alice: sorry") {
			t.Errorf("%v\n%s", err, &file)
		}
		if report, err := VerifyTranscript(&file); err != nil || report.Name != "owner" || report.Events != 1 {
			t.Errorf("a chat of two: %+v, %v", report, err)
		}
	}
	if _, err := VerifyTranscript(strings.NewReader("hello")); !api.IsCode(err, api.CodeDamaged) {
		t.Errorf("something else: %v", err)
	}
}
