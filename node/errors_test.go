package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/api"
	"p2pchat/node/internal/account"
	"p2pchat/node/internal/store"
)

// TestNotInTheRoom: who is not in a room is told how to enter that one.
func TestNotInTheRoom(t *testing.T) {
	t.Parallel()
	n := start(t, newAccount(t, "alice"))
	for name, enter := range map[string]string{"dev": "room join '#dev'", "it's": "room join '"} {
		room := n.create(t, api.CreateRoomRequest{Name: name})
		said, err := n.Send(t.Context(), api.SendRequest{Target: room, Text: "hi"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.LeaveRoom(t.Context(), room); err != nil {
			t.Fatal(err)
		}
		if name != "dev" {
			enter += room
		}
		_, sent := n.Send(t.Context(), api.SendRequest{Target: room, Text: "hi"})
		_, reacted := n.React(t.Context(), api.AmendRequest{Target: room, ID: said.ID, Text: "+1"})
		_, retracted := n.Retract(t.Context(), api.AmendRequest{Target: room, ID: said.ID})
		_, governed := n.SetSubject(t.Context(), room, "new")
		for what, err := range map[string]error{"send": sent, "react": reacted, "retract": retracted, "subject": governed} {
			if !api.IsCode(err, api.CodeNotJoined) || !strings.Contains(err.Error(), enter) {
				t.Errorf("%s in %s: %v", what, name, err)
			}
		}
	}
}

// TestHosts: a notice names machines, not addresses.
func TestHosts(t *testing.T) {
	t.Parallel()
	var all []ma.Multiaddr
	for _, a := range []string{"/ip4/10.77.0.5/tcp/47700", "/ip4/10.77.0.5/udp/47700/quic-v1", "/ip6/fd00::5/tcp/47700", "/dns4/there/tcp/1"} {
		all = append(all, ma.StringCast(a))
	}
	if got := hosts(all); got != "10.77.0.5 and fd00::5 and /dns4/there/tcp/1" {
		t.Errorf("got %q", got)
	}
}

// TestAPIErrors: a person is told what to do, and what went on inside only where it
// says which file it is about; programs and logs find it behind the error.
func TestAPIErrors(t *testing.T) {
	inside := errors.New("database or disk is full (13)")
	for _, c := range []struct {
		is   error
		code api.Code
		says string
		bare bool
	}{
		{store.ErrDiskFull, api.CodeDiskFull, "free some space", true},
		{store.ErrTooManyLogs, api.CodeFull, "use another room", true},
		{store.ErrNewer, api.CodeNewerDatabase, "newer p2pchat", false},
		{store.ErrForeign, api.CodeDamaged, "another program's", false},
		{store.ErrDamaged, api.CodeDamaged, "`p2pchat doctor --repair`", false},
		{account.ErrDamaged, api.CodeDamaged, "from a backup", false},
	} {
		err := roomError(fmt.Errorf("commit to room 182f2a6f: %w: %w", c.is, inside))
		if !api.IsCode(err, c.code) || !errors.Is(err, c.is) || !errors.Is(err, inside) {
			t.Errorf("%v became %#v", c.is, err)
		}
		if text := err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "182f2a6f") == c.bare {
			t.Errorf("%v reads %q", c.is, text)
		}
	}
}
