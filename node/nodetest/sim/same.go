package sim

import (
	"context"
	"errors"
	"fmt"

	"p2pchat/node/api"
)

// Same reports how two nodes differ in what they show of a room: logs, state,
// or what is held. It returns what all of them show.
func Same(ctx context.Context, room string, nodes ...*Node) (lines []string, err error) {
	var state string
	for i, n := range nodes {
		mine, itsState, err := n.view(ctx, room)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		if i == 0 {
			lines, state = mine, itsState
			continue
		}
		if err := differ(lines, mine); err != nil {
			return nil, fmt.Errorf("the logs of %s and %s: %w", nodes[0].Name, n.Name, err)
		}
		if state != itsState {
			return nil, fmt.Errorf("the states of %s and %s differ:\n%s\n%s", nodes[0].Name, n.Name, state, itsState)
		}
	}
	return lines, nil
}

// view is what a node shows of a room.
func (n *Node) view(ctx context.Context, room string) (lines []string, state string, err error) {
	if n.Node == nil {
		return nil, "", errors.New("it is stopped")
	}
	ms, err := n.Lines(ctx, room)
	if err != nil {
		return nil, "", err
	}
	seen := map[string]bool{}
	for _, m := range ms {
		if seen[m.ID] {
			return nil, "", fmt.Errorf("message %s is shown twice", m.ID)
		}
		seen[m.ID] = true
		if m.Kind == api.MessageGovern {
			continue // acts that came to nothing need not be everywhere; the state tells what did
		}
		lines = append(lines, fmt.Sprint(m.ID, " ", m.Kind, " ", m.Nick, ": ", m.Text))
	}
	held, err := n.RoomStatus(ctx, room)
	if err != nil {
		return nil, "", err
	}
	// What is parked is no matter: an outsider may have made it up.
	if held.Missing {
		return nil, "", errors.New("a log has a gap")
	}
	s, err := n.RoomState(ctx, room)
	return lines, s.Canonical + "digest " + held.Digest, err
}

// differ reports the first difference of two logs.
func differ(a, b []string) error {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Errorf("line %d of %d and %d: %q and %q", i, len(a), len(b), a[i], b[i])
		}
	}
	if len(a) != len(b) {
		return fmt.Errorf("have %d and %d lines", len(a), len(b))
	}
	return nil
}
