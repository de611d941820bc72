package node

import (
	"slices"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
)

// crowd starts n nodes that know each other; the first is the room's creator.
func crowd(t *testing.T, names ...string) []testNode {
	t.Helper()
	var all []testNode
	for _, name := range names {
		all = append(all, start(t, newAccount(t, name), all...))
	}
	for _, n := range all {
		for _, name := range names {
			if id, _ := n.Whoami(t.Context()); id.Name != name {
				wait(t, name+" online", func() bool { id, err := n.resolve(name); return err == nil && n.people.online(id) })
			}
		}
	}
	return all
}

func (n testNode) create(t *testing.T, r api.CreateRoomRequest) string {
	t.Helper()
	e, err := n.CreateRoom(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return e.RoomID
}

func (n testNode) enters(t *testing.T, room, password string) {
	t.Helper()
	if _, err := n.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Password: []byte(password), Wait: time.Minute}); err != nil {
		t.Fatalf("%s enters: %v", n.self.account().Name, err)
	}
}

func (n testNode) says(t *testing.T, room, text string) api.Receipt {
	t.Helper()
	r, err := n.Send(t.Context(), api.SendRequest{Target: room, Text: text, Wait: time.Minute})
	if err != nil {
		t.Fatalf("%s says %q: %v", n.self.account().Name, text, err)
	}
	return r
}

func (n testNode) hears(t *testing.T, room, text string) {
	t.Helper()
	wait(t, n.self.account().Name+" hears "+text, func() bool { return n.has(t, room, text) })
}

func (n testNode) has(t *testing.T, room, text string) bool {
	t.Helper()
	log, err := n.Log(t.Context(), api.LogQuery{Target: room})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(log, func(m api.Message) bool { return m.Text == text })
}

func (n testNode) governs(t *testing.T, r api.GovernRequest) {
	t.Helper()
	if _, err := n.Govern(t.Context(), r); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
}

// standing is the node's own in a room, as it knows it.
func (n testNode) standing(t *testing.T, room string) string {
	t.Helper()
	members, err := n.Members(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.PeerID == n.key.ID().String() {
			return m.Standing
		}
	}
	return ""
}

func (n testNode) refused(t *testing.T, room, password string, want api.Code) string {
	t.Helper()
	_, err := n.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Password: []byte(password), Wait: 10 * time.Second})
	if !api.IsCode(err, want) {
		t.Fatalf("%s enters: %v, want %s", n.self.account().Name, err, want)
	}
	return err.Error()
}

func roomID(t *testing.T, room string) event.Conversation {
	t.Helper()
	id, err := event.ParseID(room)
	if err != nil {
		t.Fatal(err)
	}
	return event.Conversation(id)
}
