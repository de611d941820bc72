package apitest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
	constitution "p2pchat/protocol/room"
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
	sum, root := sha256.New(), p.rules.Root()
	sum.Write(root[:])
	for _, e := range p.all() {
		sum.Write(e.event.ID[:])
	}
	s := api.RoomStatus{
		RoomID: p.room.id, Name: p.name(), Peers: []string{}, Epoch: p.room.id, Epochs: 1, Root: hex.EncodeToString(root[:]),
		Digest: hex.EncodeToString(sum.Sum(nil)), Messages: uint64(len(p.held)),
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
	s := p.rules.State()
	out := api.RoomState{
		RoomID: p.room.id, Creator: s.Creator.String(), Config: map[string]string{}, People: []api.PersonState{},
		Subject: s.Topic.Text, Destroyed: !s.Ended.IsZero(), Reason: s.Reason,
		Root: hex.EncodeToString(s.Root[:]), Canonical: string(s.Encode()),
	}
	for _, v := range s.Config {
		out.Config[v.Field.Key()] = v.Value()
	}
	for _, person := range s.People {
		out.People = append(out.People, api.PersonState{
			PeerID: person.Peer.String(), Standing: person.Standing.String(), Voice: person.Voice.String(),
		})
	}
	if s.Alternate != (event.Conversation{}) {
		out.Alternate = s.Alternate.String()
	}
	return out, nil
}

var acts = map[event.Kind]string{
	constitution.KindGenesis: "genesis", constitution.KindSet: "set", constitution.KindKick: "kick", constitution.KindVoice: "voice",
	constitution.KindDevoice: "devoice", constitution.KindRetract: "retract", constitution.KindConfigure: "configure",
	constitution.KindDestroy: "destroy",
}

// Audit implements [api.Service].
func (n *FakeNode) Audit(ctx context.Context, target string) ([]api.AuditRow, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	p, err := n.resolvePlace(target)
	if err != nil {
		return nil, err
	}
	rows := []api.AuditRow{}
	for _, d := range p.rules.Audit(n.called) {
		row := api.AuditRow{
			ID: d.ID.String(), Time: api.Time{Time: d.Time.Wall()}, PeerID: d.Author.String(), Name: n.nameOf(d.Author.String()),
			Act: acts[d.Op.Kind], Did: d.Did, Rank: d.Rank.String(), Effective: d.Effective, Why: d.Why,
		}
		if d.Op.Target != "" {
			row.Target = d.Op.Target.String()
		}
		if !d.Authority.IsZero() {
			row.Authority = d.Authority.String()
		}
		rows = append(rows, row)
	}
	return rows, nil
}
