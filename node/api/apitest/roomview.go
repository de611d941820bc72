package apitest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"p2pchat/node/api"
)

// RoomStatus implements [api.Service].
func (n *FakeNode) RoomStatus(ctx context.Context, target string) (api.RoomStatus, error) {
	if err := n.enter(ctx); err != nil {
		return api.RoomStatus{}, err
	}
	defer n.leave()
	p, err := n.resolvePlace(target)
	if err != nil {
		return api.RoomStatus{}, err
	}
	sum := sha256.New()
	for _, e := range p.log {
		sum.Write([]byte(e.ID))
	}
	s := api.RoomStatus{
		RoomID: p.room.id, Name: p.room.name, Peers: []string{}, Epoch: p.room.id, Epochs: 1, Root: p.room.root(),
		Digest: hex.EncodeToString(sum.Sum(nil)), Messages: uint64(len(p.log)),
	}
	for _, m := range p.members() {
		s.Members++
		if m.Presence != api.PresenceOffline {
			s.Present++
		}
	}
	if p.joined {
		for _, other := range p.near() {
			s.Peers = append(s.Peers, other.owner.self.PeerID)
			s.LastSync = api.Time{Time: n.lan.now()}
		}
	}
	s.SyncPeers = slices.Clone(s.Peers)
	return s, nil
}

func (r *room) root() string {
	sum := sha256.Sum256([]byte(r.id))
	return hex.EncodeToString(sum[:])
}

// RoomState implements [api.Service].
func (n *FakeNode) RoomState(ctx context.Context, target string) (api.RoomState, error) {
	if err := n.enter(ctx); err != nil {
		return api.RoomState{}, err
	}
	defer n.leave()
	p, err := n.resolvePlace(target)
	if err != nil {
		return api.RoomState{}, err
	}
	r := p.room
	s := api.RoomState{
		RoomID: r.id, Creator: r.creator, Root: r.root(),
		Config: map[string]string{
			"name": r.name, "description": "", "visible": strconv.FormatBool(!r.hidden),
			"access": api.AccessOpen, "moderated": "false", "history": cmp.Or(r.history, "all"),
		},
		People: []api.PersonState{{PeerID: r.creator, Standing: api.StandingOwner, Voice: "unset"}},
	}
	s.Canonical = fmt.Sprintf("p2pchat room state 1\nroom %s\ncreator %s\ncontrol 1 %s\n", s.RoomID, s.Creator, s.Root)
	for _, key := range slices.Sorted(maps.Keys(s.Config)) {
		s.Canonical += fmt.Sprintf("config %s %q by %s\n", key, s.Config[key], r.id)
	}
	s.Canonical += fmt.Sprintf("standing %s owner 0 by %s\n", r.creator, r.id)
	return s, nil
}
