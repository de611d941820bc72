package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// TestLateText: a text that comes after it was taken back, or edited, is shown as
// it is now at once, and never as it was.
func TestLateText(t *testing.T) {
	t.Parallel()
	alice := start(t, newAccount(t, "alice"))
	bob, err := identity.KeyFromSeed(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	conv, err := alice.convs.with(t.Context(), bob.ID())
	if err != nil {
		t.Fatal(err)
	}
	var prev event.ID
	seq := uint64(0)
	sign := func(kind event.Kind, body []byte, err error) *event.Event {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		seq++
		e, err := event.Sign(bob, event.Header{
			Conversation: conv, Lane: event.LaneMessage, Kind: kind, Log: event.LogID{1}, Seq: seq, Prev: prev,
			Time: event.At(time.Now()) + event.Time(seq),
		}, body)
		if err != nil {
			t.Fatal(err)
		}
		prev = e.ID
		return e
	}
	amend := func(kind event.Kind, a event.Amendment) *event.Event {
		t.Helper()
		body, err := event.EncodeAmendment(kind, a)
		return sign(kind, body, err)
	}
	text := func(s string) *event.Event {
		t.Helper()
		body, err := event.EncodeText(s)
		return sign(event.KindText, body, err)
	}
	secret, typo := text("secret"), text("helo")
	edit := amend(event.KindEdit, event.Amendment{Target: typo.ID, Text: "hello"})
	gone := amend(event.KindRetract, event.Amendment{Target: secret.ID})
	told := map[string][]api.Message{}
	started := make(chan struct{})
	done := make(chan struct{})
	go func() { // ends when it has heard of both
		defer close(done)
		for c, err := range alice.Watch(t.Context(), 0) {
			if err != nil {
				return
			}
			if c.Type == api.ChangeSnapshot {
				close(started)
			}
			if c.Type == api.ChangeMessage {
				told[c.Message.ID] = append(told[c.Message.ID], *c.Message)
			}
			if len(told) == 2 {
				return
			}
		}
	}()
	<-started
	for _, e := range []*event.Event{gone, edit, typo, secret} {
		if err := alice.ledger.Ingest(t.Context(), conv, []*event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	for _, m := range told[secret.ID.String()] {
		if !m.Retracted || m.Text != "" || m.State != api.Received {
			t.Errorf("a watcher heard %+v", m)
		}
	}
	for _, m := range told[typo.ID.String()] {
		if m.Text != "hello" || m.Edited.IsZero() {
			t.Errorf("a watcher heard %+v", m)
		}
	}
	if e, err := alice.store.EventByID(t.Context(), secret.ID); err != nil || e.Body != nil {
		t.Errorf("kept: %+v, %v", e, err)
	}
	if s, ok := alice.convs.get(bob.ID()); !ok || s.unread.messages != 2 || s.last != typo.Time {
		t.Errorf("the conversation is %+v", s)
	}
}

// TestLoggedAmendments: the file of a room that is logged tells of an edit and a
// retraction, of those only that have an effect.
func TestLoggedAmendments(t *testing.T) {
	t.Parallel()
	ownerDir, aliceDir := newAccount(t, "owner"), newAccount(t, "alice")
	owner := start(t, ownerDir)
	alice := start(t, aliceDir, owner)
	wait(t, "alice sees the owner", func() bool { return alice.people.online(owner.key.ID()) })
	room := owner.create(t, api.CreateRoomRequest{Name: "dev"})
	if _, err := owner.Configure(t.Context(), api.ConfigureRequest{Room: room, Set: []api.Setting{{Key: "logging", Value: "true"}}}); err != nil {
		t.Fatal(err)
	}
	alice.enters(t, room, "")
	first := alice.says(t, room, "helo")
	owner.hears(t, room, "helo")
	files := map[string]string{"owner": ownerDir, "alice": aliceDir}
	tells := func(want string) {
		t.Helper()
		for who, dir := range files {
			wait(t, who+"'s file tells of it: "+want, func() bool {
				names, err := filepath.Glob(filepath.Join(dir, "logs", "dev-*.log"))
				if err != nil || len(names) != 1 {
					return false
				}
				b, err := os.ReadFile(names[0])
				return err == nil && strings.Contains(string(b), want) && !strings.Contains(string(b), "👍")
			})
		}
	}
	tells(" <alice> helo\n")
	day := time.Now().UTC().Format("2006")
	for _, step := range []struct {
		call func(api.AmendRequest) (api.Receipt, error)
		text string
		want string
	}{
		{func(r api.AmendRequest) (api.Receipt, error) { return alice.Edit(t.Context(), r) }, "hello\nthere", " --- alice edited what was said at " + day},
		{func(r api.AmendRequest) (api.Receipt, error) { return owner.React(t.Context(), r) }, "👍", ": hello\u2424there\n"},
		{func(r api.AmendRequest) (api.Receipt, error) { return alice.Retract(t.Context(), r) }, "", " --- alice took back what was said at " + day},
	} {
		if _, err := step.call(api.AmendRequest{Target: room, ID: first.ID, Text: step.text, Wait: time.Minute}); err != nil {
			t.Fatal(err)
		}
		tells(step.want)
	}
}
