package labtest

import (
	"errors"
	"fmt"
	"testing"
)

// sameTexts says where two lists of messages differ first.
func sameTexts(who string, got, want []string) error {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("%s: message %d is %q, want %q", who, i+1, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s has %d messages, want %d", who, len(got), len(want))
	}
	return nil
}

// agree checks by the commands' output that two people have the same
// conversation, each message once.
func agree(t *testing.T, a, b *person, want []string) {
	t.Helper()
	ours, theirs := a.log(b), b.log(a)
	seen := map[string]bool{}
	for i, m := range ours {
		if seen[m.ID] {
			t.Errorf("message %s %q twice", m.ID, m.Text)
		}
		seen[m.ID] = true
		if i < len(theirs) && (theirs[i].ID != m.ID || theirs[i].Text != m.Text || theirs[i].Author != m.Author) {
			t.Fatalf("message %d is %+v for %s, %+v for %s", i+1, m, a.who.Name, theirs[i], b.who.Name)
		}
	}
	if err := errors.Join(
		sameTexts(a.who.Name, texts(ours), want),
		sameTexts(b.who.Name, texts(theirs), want),
	); err != nil {
		t.Fatal(err)
	}
}

// sameLogs is agree for a conversation in which both spoke at the same time:
// each one's messages are in order, and both have the same log.
func sameLogs(t *testing.T, a, b *person, fromA, fromB []string) {
	t.Helper()
	ours := a.log(b)
	agree(t, a, b, texts(ours))
	var gotA, gotB []string
	for _, m := range ours {
		if m.Author == a.who.PeerID {
			gotA = append(gotA, m.Text)
		} else {
			gotB = append(gotB, m.Text)
		}
	}
	if err := errors.Join(sameTexts("of "+a.who.Name, gotA, fromA), sameTexts("of "+b.who.Name, gotB, fromB)); err != nil {
		t.Error(err)
	}
}

func texts(log []message) []string {
	got := make([]string, len(log))
	for i, m := range log {
		got[i] = m.Text
	}
	return got
}
