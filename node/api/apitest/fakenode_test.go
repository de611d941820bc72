package apitest

import (
	"strings"
	"testing"

	"p2pchat/node/api"
)

func TestPeerIDsLookReal(t *testing.T) {
	t.Parallel()
	a, b := NewLAN().Join("alice"), identityFor("alice", 1)
	if !strings.HasPrefix(a.PeerID(), "12D3KooW") || len(a.PeerID()) != 52 {
		t.Errorf("peer ID %q is not like one of an Ed25519 key", a.PeerID())
	}
	if a.PeerID() == b.PeerID {
		t.Error("two accounts of one name have one peer ID")
	}
}

// What was said while apart arrives on reconnection, in the order it was said
// in, and the two logs agree.
func TestApartAndTogether(t *testing.T) {
	t.Parallel()
	lan := NewLAN()
	alice, bob := lan.Join("alice"), lan.Join("bob")
	bob.SetOnline(false)
	for _, s := range []struct {
		from *FakeNode
		to   string
		text string
	}{{alice, "bob", "1"}, {bob, "alice", "2"}, {alice, "bob", "3"}} {
		r, err := s.from.Send(t.Context(), api.SendRequest{Target: s.to, Text: s.text})
		if err != nil || r.State != api.Queued {
			t.Fatalf("send %s: %+v, %v", s.text, r, err)
		}
	}
	bob.SetOnline(true)
	for node, other := range map[*FakeNode]string{alice: "bob", bob: "alice"} {
		log, err := node.Log(t.Context(), api.LogQuery{Target: other})
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, m := range log {
			got += m.Text
			if m.State == api.Queued {
				t.Errorf("%s's log shows %q as queued", node.self.Name, m.Text)
			}
		}
		if got != "123" {
			t.Errorf("%s's log is %q, want 123", node.self.Name, got)
		}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) Fixture {
		f, _, _ := NewFixture()
		return f
	})
}
