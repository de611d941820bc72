package apitest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"

	"p2pchat/node/api"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
)

// CaptureSecrets implements [api.Service]. Keys are made up; all connections are
// opened anew at once.
func (n *FakeNode) CaptureSecrets(ctx context.Context) iter.Seq2[api.Secret, error] {
	return func(yield func(api.Secret, error) bool) {
		if ctx.Err() != nil || n.isStopped() || !yield(api.Secret{Type: api.SecretListening}, nil) {
			return
		}
		told := map[api.Secret]bool{} // by what they tell
		sessions := 0
		tell := func(s api.Secret) bool {
			key := s
			switch {
			case s.Person != nil:
				key = api.Secret{Type: s.Type, Session: s.Person.PeerID + s.Person.Name}
			case s.Room != nil:
				key = api.Secret{Type: s.Type, Session: s.Room.Epoch}
			}
			if told[key] {
				return true
			}
			told[key] = true
			return yield(s, nil)
		}
		person := func(id, name string) bool {
			return tell(api.Secret{Type: api.SecretPerson, Person: &api.Person{PeerID: id, Name: name}})
		}
		online := map[string]bool{}
		peer := func(p api.Peer) bool {
			was := online[p.PeerID]
			online[p.PeerID] = p.State == api.Online
			if !person(p.PeerID, p.Name) {
				return false
			}
			for _, label := range sessionLabels {
				if was || !online[p.PeerID] {
					break
				}
				line := fmt.Sprintf("%s %s %s", label, digest(n.self.PeerID, p.PeerID, sessions), digest(label, sessions))
				if !tell(api.Secret{Type: api.SecretSession, Session: line}) {
					return false
				}
			}
			sessions++
			return true
		}
		for c, err := range n.Watch(ctx, 0) {
			if err != nil {
				yield(api.Secret{}, err)
				return
			}
			switch c.Type {
			case api.ChangeSnapshot:
				for _, r := range c.Snapshot.Rooms {
					if !tell(keyOf(r)) {
						return
					}
				}
				if !person(c.Snapshot.Self.PeerID, c.Snapshot.Self.Name) {
					return
				}
				for _, p := range c.Snapshot.Peers {
					if !peer(p) {
						return
					}
				}
				if !yield(api.Secret{Type: api.SecretReopened, Reopened: &api.Reopened{}}, nil) {
					return
				}
			case api.ChangePeer:
				if !peer(*c.Peer) {
					return
				}
			case api.ChangeRoom:
				if !tell(keyOf(*c.Room)) {
					return
				}
			}
		}
	}
}

// sessionLabels are the lines of the key log that open a TLS 1.3 session.
var sessionLabels = []string{
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0",
}

// keyOf is a key for a room of this network, where nobody seals anything.
func keyOf(r api.Room) api.Secret {
	k := &api.RoomKey{RoomID: r.RoomID, Name: r.Name, Epoch: r.RoomID, Key: digest(r.RoomID)}
	if raw, err := hex.DecodeString(r.RoomID); err == nil && len(raw) == len(event.Conversation{}) {
		k.Topic = envelope.Topic(event.Conversation(raw))
	}
	return api.Secret{Type: api.SecretRoom, Room: k}
}

func digest(of ...any) string {
	sum := sha256.Sum256(fmt.Append(nil, of...))
	return hex.EncodeToString(sum[:])
}
