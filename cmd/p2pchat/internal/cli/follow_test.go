package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

var errEnough = errors.New("enough")

// say sends n numbered messages.
func say(t *testing.T, from *apitest.FakeNode, to string, first, n int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		if _, err := from.Send(t.Context(), api.SendRequest{Target: to, Text: fmt.Sprintf("%s %d", to, i)}); err != nil {
			t.Error(err)
		}
	}
}

// collect follows alice's conversation with bob until it has seen want
// messages; at is called after each.
func collect(t *testing.T, svc api.Service, last, want int, at func(n int)) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var texts []string
	f := follower{svc: svc, target: "bob", last: last, print: func(m api.Message) error {
		texts = append(texts, m.Text)
		at(len(texts))
		if len(texts) == want {
			return errEnough
		}
		return nil
	}}
	if err := f.run(ctx); !errors.Is(err, errEnough) {
		t.Fatalf("got %d of %d: %v", len(texts), want, err)
	}
	return texts
}

// Changes are dropped while a line is being printed: more than the node keeps.
func TestFollowerCatchesUp(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice, bob, carol := lan.Join("alice"), lan.Join("bob"), lan.Join("carol")
	say(t, bob, "alice", 0, 5) // before: not wanted, save for the last two
	const lost = 3 * apitest.Backlog
	texts := collect(t, alice, 2, 2+2*lost+10, func(n int) {
		switch n {
		case 2: // the last of what was there
			say(t, carol, "alice", 1000000, lost) // another conversation
			say(t, bob, "alice", 5, lost)
		case 2 + lost/2: // in the middle of catching up: also in the log, later
			say(t, bob, "alice", 5+lost, lost)
		case 2 + 2*lost:
			say(t, bob, "alice", 5+2*lost, 10)
		}
	})
	for i, text := range texts {
		if want := fmt.Sprintf("alice %d", i+3); text != want {
			t.Fatalf("line %d is %q, want %q", i, text, want)
		}
	}
}

// What a peer wrote while it was away sorts before what has been printed
// already; it comes all the same, also when the node dropped the change.
func TestFollowerGetsLateMessages(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice, bob := lan.Join("alice"), lan.Join("bob")
	say(t, bob, "alice", 0, 3)
	say(t, alice, "bob", 0, 3)
	bob.SetOnline(false)
	const late = 2 * apitest.Backlog
	say(t, bob, "alice", 3, late)
	say(t, alice, "bob", 3, 3)
	seen := map[string]int{}
	for _, text := range collect(t, alice, 1, 1+late, func(n int) {
		if n == 1 {
			bob.SetOnline(true)
		}
	})[1:] {
		seen[text]++
	}
	for i := range late {
		if n := seen[fmt.Sprintf("alice %d", 3+i)]; n != 1 {
			t.Fatalf("message %d was printed %d times", 3+i, n)
		}
	}
}

// What is retracted after it was printed is printed once more, as such.
func TestFollowerOfRetraction(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice, bob := lan.Join("alice"), lan.Join("bob")
	if _, err := alice.CreateRoom(t.Context(), api.CreateRoomRequest{Name: "dev"}); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.JoinRoom(t.Context(), api.JoinRoomRequest{Room: "dev"}); err != nil {
		t.Fatal(err)
	}
	say(t, bob, "#dev", 0, 2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	f := follower{svc: alice, target: "#dev", last: 2, print: func(m api.Message) error {
		got = append(got, fmt.Sprint(m.Text, m.Retracted))
		switch len(got) {
		case 2:
			_, err := alice.Govern(ctx, api.GovernRequest{Room: "dev", Act: api.ActRetract, ID: m.ID})
			if err == nil {
				_, err = alice.Govern(ctx, api.GovernRequest{Room: "dev", Act: api.ActRetract, ID: m.ID})
			}
			say(t, bob, "#dev", 2, 1)
			return err
		case 4:
			return errEnough
		}
		return nil
	}}
	if err := f.run(ctx); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if want := []string{"#dev 0false", "#dev 1false", "true", "#dev 2false"}; !slices.Equal(got, want) {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// The first message ever is one of the followed conversation, or not.
func TestFollowerOfSilence(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice, bob, carol := lan.Join("alice"), lan.Join("bob"), lan.Join("carol")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f := follower{svc: notifying{alice, func() {
		say(t, carol, "alice", 0, 1)
		say(t, bob, "alice", 0, 1)
	}}, target: "bob", print: func(m api.Message) error {
		if m.Name != "bob" {
			t.Errorf("printed %q of %s", m.Text, m.Name)
		}
		return errEnough
	}}
	if err := f.run(ctx); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
}

// notifying tells when the log was read.
type notifying struct {
	api.Service
	then func()
}

func (n notifying) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	m, err := n.Service.Log(ctx, q)
	if len(m) == 0 {
		n.then()
	}
	return m, err
}

func TestFollowerEnds(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice := lan.Join("alice")
	lan.Join("bob")
	f := follower{svc: alice, target: "nobody"}
	if err := f.run(t.Context()); !api.IsCode(err, api.CodeNotFound) {
		t.Errorf("unknown target: %v", err)
	}
	f = follower{svc: notifying{alice, func() { _ = alice.Shutdown(t.Context()) }}, target: "bob"}
	if err := f.run(t.Context()); !api.IsCode(err, api.CodeNoNode) {
		t.Errorf("node gone: %v", err)
	}
}
