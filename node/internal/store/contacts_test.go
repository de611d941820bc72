package store

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestContacts(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	full := Contact{
		Peer: testKey(t, 1).ID(), Name: "Zoë \x1b[31m", Status: "", Away: true, Profile: []byte{0, 1, 255},
		ProfileTime: start, Addrs: []string{"/ip4/10.0.0.1/tcp/47700", "/ip6/fd00::1/udp/47700/quic-v1"}, Via: "mdns", Static: true,
		FirstSeen: start.Add(time.Second), LastSeen: start.Add(time.Millisecond), Verified: true, Blocked: true, PinnedName: "zoë",
	}
	bare := Contact{Peer: testKey(t, 2).ID()}
	for _, c := range []Contact{full, bare, full} {
		update(t, s, func(tx *Tx) error { return tx.PutContact(c) })
		got, err := s.Contact(t.Context(), c.Peer)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, %v, want %+v", got, err, c)
		}
	}
	want := []Contact{full, bare}
	slices.SortFunc(want, func(a, b Contact) int { return slices.Compare([]byte(a.Peer), []byte(b.Peer)) })
	if got := must(t, s.Contacts); !reflect.DeepEqual(got, want) {
		t.Errorf("contacts %+v", got)
	}
	update(t, s, func(tx *Tx) error { return tx.DeleteContact(full.Peer) })
	if _, err := s.Contact(t.Context(), full.Peer); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted contact: %v", err)
	}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.DeleteContact(full.Peer) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestStaticAddrs(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.AddStaticAddr("/ip4/10.0.0.2/tcp/1"), tx.AddStaticAddr("/ip4/10.0.0.1/tcp/1"), tx.AddStaticAddr("/ip4/10.0.0.2/tcp/1"))
	})
	if got := must(t, s.StaticAddrs); !slices.Equal(got, []string{"/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/1"}) {
		t.Errorf("%v", got)
	}
	update(t, s, func(tx *Tx) error { return tx.RemoveStaticAddr("/ip4/10.0.0.2/tcp/1") })
	err := s.Update(t.Context(), func(tx *Tx) error { return tx.RemoveStaticAddr("/ip4/10.0.0.2/tcp/1") })
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if got := must(t, s.StaticAddrs); !slices.Equal(got, []string{"/ip4/10.0.0.1/tcp/1"}) {
		t.Errorf("%v", got)
	}
}

func TestAccountIsFixed(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	if _, err := s.Account(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("no account: %v", err)
	}
	if got := must(t, s.Clock); got != 0 {
		t.Errorf("no clock: %v", got)
	}
	set := func(a Account) error { return s.Update(t.Context(), func(tx *Tx) error { return tx.SetAccount(a) }) }
	a := Account{Peer: testKey(t, 1).ID(), Name: "a", Created: start}
	b := a
	b.Name, b.Status, b.Away = "b", "gone", true
	if err := errors.Join(set(a), set(b)); err != nil {
		t.Fatal(err)
	}
	if err := set(Account{Peer: testKey(t, 2).ID(), Created: start}); err == nil {
		t.Error("the database changed hands")
	}
	if got := must(t, s.Account); got != b {
		t.Errorf("account %+v", got)
	}
}
