package node

import (
	"context"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// conversationRef is what a TARGET names: a person, or a room we know.
type conversationRef struct {
	peer peer.ID
	room *rooms.Room
}

// namedRoom is what name resolution needs to know of a room.
type namedRoom struct {
	id     event.Conversation
	name   string
	joined bool
	over   bool // it was destroyed
}

// targetKind says whom a target can name.
type targetKind int

const (
	anyTarget targetKind = iota
	personTarget
	roomTarget
)

func kindOf(target string) targetKind {
	switch {
	case strings.HasPrefix(target, "@"), strings.HasPrefix(target, "user:"):
		return personTarget
	case strings.HasPrefix(target, "#"), strings.HasPrefix(target, "room:"):
		return roomTarget
	}
	if _, err := event.ParseID(target); err == nil {
		return roomTarget
	}
	if _, err := peer.Decode(target); err == nil {
		return personTarget
	}
	return anyTarget
}

// roomName is the name, or ID, in a target that names a room.
func roomName(target string) string {
	if name, ok := strings.CutPrefix(target, "room:"); ok {
		return name
	}
	return strings.TrimPrefix(target, "#")
}

func sameRoomName(a, b string) bool { return a == b || a != "" && identity.SameName(a, b) }

// pickRoom finds the room a ROOM or TARGET names among those we know. One we are
// in goes before one we left, and that before one that is no more. Errors:
// not-found, ambiguous.
func pickRoom(target string, known []namedRoom) (event.Conversation, error) {
	name := roomName(target)
	if name == "" {
		return event.Conversation{}, api.Errorf(api.CodeNotFound, "no room given (a shell may have eaten it: quote names that begin with # or @)")
	}
	if id, err := event.ParseID(name); err == nil {
		if slices.ContainsFunc(known, func(r namedRoom) bool { return r.id == event.Conversation(id) }) {
			return event.Conversation(id), nil
		}
		return event.Conversation{}, noRoom(name)
	}
	matching := func(same func(a, b string) bool, joined, over bool) []string {
		var ids []string
		for _, r := range known {
			if (over || r.joined == joined) && r.over == over && same(r.name, name) {
				ids = append(ids, r.id.String())
			}
		}
		return ids
	}
	equal := func(a, b string) bool { return a == b }
	for _, ids := range [][]string{
		matching(equal, true, false), matching(sameRoomName, true, false),
		matching(equal, false, false), matching(sameRoomName, false, false),
		matching(equal, false, true), matching(sameRoomName, false, true),
	} {
		switch len(ids) {
		case 0:
			continue
		case 1:
			id, err := event.ParseID(ids[0])
			return event.Conversation(id), err
		}
		return event.Conversation{}, ambiguousRoom(name, ids)
	}
	return event.Conversation{}, noRoom(name)
}

func noRoom(name string) error {
	return api.Errorf(api.CodeNotFound, "no room called %q is known; `p2pchat rooms --all` lists those that are, and a hidden one is joined by its ID", name)
}

func ambiguousRoom(name string, ids []string) error {
	slices.Sort(ids)
	e := api.Errorf(api.CodeAmbiguous, "%d rooms are called %q: say which by its ID: %s", len(ids), name, strings.Join(ids, ", "))
	e.Candidates = ids
	return e
}

// pickTarget decides between a person and a room that a bare name could mean.
func pickTarget[R interface{ ID() event.Conversation }](target string, person func() (peer.ID, error), room func() (R, error)) (p peer.ID, r R, isRoom bool, err error) {
	switch kindOf(target) {
	case personTarget:
		p, err = person()
		return p, r, false, err
	case roomTarget:
		r, err = room()
		return p, r, true, err
	}
	p, perr := person()
	r, rerr := room()
	switch {
	case perr == nil && rerr == nil:
		e := api.Errorf(api.CodeAmbiguous, "%q is the name of a person and of a room: say '@%s' or '#%s'", target, target, target)
		e.Candidates = []string{p.String(), r.ID().String()}
		return p, r, false, e
	case rerr == nil:
		return p, r, true, nil
	case perr == nil:
		return p, r, false, nil
	case api.IsCode(perr, api.CodeNotFound) && !api.IsCode(rerr, api.CodeNotFound):
		return p, r, true, rerr
	}
	return p, r, false, perr
}

// resolveTarget finds the person or the room a TARGET names.
func (n *Node) resolveTarget(ctx context.Context, target string) (conversationRef, error) {
	p, r, isRoom, err := pickTarget(target,
		func() (peer.ID, error) { return n.resolve(target) },
		func() (*rooms.Room, error) { return n.resolveRoom(ctx, target) })
	if err != nil {
		return conversationRef{}, err
	}
	if isRoom {
		return conversationRef{room: r}, nil
	}
	return conversationRef{peer: p}, nil
}

// resolveRoom finds the room a ROOM names among those we are or were in.
func (n *Node) resolveRoom(ctx context.Context, target string) (*rooms.Room, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var known []namedRoom
	for _, r := range n.rooms.Rooms() {
		info, err := r.Info(ctx)
		if err != nil {
			return nil, roomError(err)
		}
		known = append(known, namedRoom{info.Room, info.Config.Name(), info.Joined, info.Destroyed})
	}
	id, err := pickRoom(target, known)
	if err != nil {
		return nil, err
	}
	r, err := n.rooms.Room(id)
	return r, roomError(err)
}
