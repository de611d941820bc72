package cli_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// govern gives bob rooms that are not open to everybody: ours, which is logged,
// where we are an owner and carol is, hall, where we have no voice, lodge and
// board, for members, which we are in board alone, vault behind a password, shut,
// where we are banned, slow and full. We are invited into board and vault.
func (w world) govern(bob, carol *apitest.FakeNode) {
	ctx := context.Background()
	must := func(_ api.Entry, err error) {
		if err != nil {
			panic(err)
		}
	}
	for _, r := range []api.CreateRoomRequest{
		{Name: "ours"},
		{Name: "hall", Moderated: true},
		{Name: "lodge", MembersOnly: true},
		{Name: "board", MembersOnly: true},
		{Name: "vault", Password: []byte("open sesame")},
		{Name: "shut"},
		{Name: "slow"},
		{Name: "full"},
	} {
		must(bob.CreateRoom(ctx, r))
	}
	for room, s := range map[string]api.Setting{
		"ours": {Key: "logging", Value: "true"}, "slow": {Key: "slow_mode", Value: "1h"}, "full": {Key: "max_occupants", Value: "1"},
	} {
		must(bob.Configure(ctx, api.ConfigureRequest{Room: room, Set: []api.Setting{s}}))
	}
	must(bob.Govern(ctx, api.GovernRequest{Room: "ours", Act: api.ActGrant, Who: w.me.PeerID(), Standing: api.StandingOwner}))
	must(bob.Govern(ctx, api.GovernRequest{Room: "shut", Act: api.ActBan, Who: w.me.PeerID(), Reason: "noise"}))
	must(carol.JoinRoom(ctx, api.JoinRoomRequest{Room: "ours"}))
	must(bob.Invite(ctx, "board", w.me.PeerID(), "we meet at ten"))
	must(bob.Invite(ctx, "vault", w.me.PeerID(), ""))
}

// Audit is of acts that count and one that does not.
func (f fixture) Audit(_ context.Context, room string) ([]api.AuditRow, error) {
	row := func(n int, name, act, did, why string, effective bool) api.AuditRow {
		return api.AuditRow{
			ID: fmt.Sprintf("%064x", n), Time: api.Time{Time: day.Add(time.Duration(n) * time.Second)}, PeerID: "12D3KooW" + name, Name: name,
			Act: act, Did: did, Rank: api.StandingOwner, Effective: effective, Why: why,
		}
	}
	rows := []api.AuditRow{
		row(1, "bob", "genesis", "made the room", "as the creator", true),
		row(2, "bob", "set", "banned eve: <spam>\u202e", "as the creator", true),
		row(3, "eve", "kick", "kicked bob", "as admin by the word of bob; not effective: bob made eve outcast without having heard of it", false),
	}
	rows[1].Target, rows[1].Authority = "12D3KooWeve", rows[0].ID
	return rows, f.findRoom(room)
}

// Invitations are one whose inviter has no name, and one with a hostile text.
func (f fixture) Invitations(context.Context) ([]api.Invitation, error) {
	return []api.Invitation{
		{ID: fmt.Sprintf("%064x", 21), RoomID: fmt.Sprintf("%064x", 31), Room: "den", PeerID: "12D3KooWstranger", Time: api.Time{Time: day}},
		{ID: fmt.Sprintf("%064x", 22), RoomID: fmt.Sprintf("%064x", 32), Room: "a\x1bb", PeerID: "12D3KooWbob", Name: "bob", Reason: "two\nlines", Time: api.Time{Time: day}},
	}, nil
}

// Rooms are dev, which was joined, and with all old, which was left.
func (f fixture) Rooms(_ context.Context, all bool) ([]api.Room, error) {
	rooms := []api.Room{{
		RoomID: fmt.Sprintf("%064x", 8), Name: "dev", Subject: "two\nlines \x1b[31m", Visible: true, Access: api.AccessOpen, Joined: true,
		Occupants: 2, Unread: 3, Standing: api.StandingNone, Role: api.RoleParticipant, Nick: "me too",
	}}
	if all {
		rooms = append(rooms, api.Room{
			RoomID: fmt.Sprintf("%064x", 9), Name: "old", Access: api.AccessMembersOnly, Moderated: true, Password: true,
			Standing: api.StandingOwner, Role: api.RoleNone,
		})
	}
	return rooms, nil
}

func (f fixture) findRoom(room string) error {
	if strings.TrimPrefix(room, "#") != "dev" {
		return api.Errorf(api.CodeNotFound, "no room called %q is known", room)
	}
	return nil
}

func (f fixture) Members(ctx context.Context, room string) ([]api.Member, error) {
	if err := f.findRoom(room); err != nil {
		return nil, err
	}
	self, err := f.me.Whoami(ctx)
	bob := f.lan.Join("stranger").PeerID()
	return []api.Member{
		{PeerID: bob, Nick: "bob (verified)", Standing: api.StandingOwner, Role: api.RoleOwner, Presence: api.PresenceOffline, Warning: "a warning\x07"},
		{PeerID: self.PeerID, Name: self.Name, Nick: "too", Standing: api.StandingNone, Role: api.RoleParticipant, Presence: api.PresenceOffline, Self: true},
	}, err
}

func (f fixture) RoomState(_ context.Context, room string) (api.RoomState, error) {
	return api.RoomState{
		RoomID: fmt.Sprintf("%064x", 8), Creator: "12D3", Root: "00",
		Config:    map[string]string{"name": "dev", "slow_mode": "5s", "description": "<a> \x1b[1m", "password_generation": "2", "access": "open"},
		People:    []api.PersonState{{PeerID: "12D3KooWeve", Standing: api.StandingOutcast, Voice: "unset"}},
		Canonical: "p2pchat room state 1\nconfig name \"a\u202eb\"\n",
	}, f.findRoom(room)
}

// roomLog is what happened in the room dev.
func (f fixture) roomLog(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	self, err := f.me.Whoami(ctx)
	if err != nil {
		return nil, err
	}
	var all []api.Message
	add := func(author api.Identity, nick, kind, text string, verified bool) {
		n := len(all) + 1
		if !q.All && !api.Listed(kind) {
			return
		}
		state := api.Received
		if author == self {
			state = api.Delivered
		}
		all = append(all, api.Message{
			ID: fmt.Sprintf("%064x", n), Conversation: fmt.Sprintf("%064x", 8), Author: author.PeerID, Name: author.Name, Nick: nick,
			Time: api.Time{Time: day}, Log: "0011223344556677", Seq: uint64(n), Kind: kind, Text: text, State: state, Verified: verified,
		})
	}
	bob, eve := api.Identity{PeerID: "12D3KooWbob", Name: "bob"}, api.Identity{PeerID: "12D3KooWeve", Name: "eve"}
	add(self, "me", api.MessageJoin, "me", false)
	add(bob, "bob", api.MessageJoin, "bob", true)
	add(bob, "bob", api.MessageText, "hello", true)
	add(bob, "robert", api.MessageNick, "robert", true)
	add(bob, "robert", api.MessageText, "hi", true)
	add(eve, "bob (verified)", api.MessageText, "I am bob", false)
	add(eve, "bob (verified)", api.MessageSubject, "two\nlines", false)
	add(bob, "robert", api.MessageGovern, "took the voice of eve", true)
	add(bob, "robert", api.MessageEpoch, "", true)
	add(eve, "bob (verified)", api.MessageText, "", false)
	if len(all) > 0 {
		all[len(all)-1].Retracted = true
	}
	add(eve, "bob (verified)", api.MessageLeave, "", false)
	add(self, "me", api.MessageAction, "waves", false)
	return all, nil
}
