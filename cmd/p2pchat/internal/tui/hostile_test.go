package tui

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"p2pchat/node/api"
)

// hostilePieces are what others may put into any field.
var hostilePieces = append([]string{
	"\x1b[2J", "\x1b[H", "\x1b]0;owned\x07", "\x1b]52;c;b3duZWQ=\x1b\\", "\x1b", "\x9b31m", "\u009b2J", "\x00", "\x07", "\x08", "\r", "\v", "\f",
	"\x7f", "\u0085", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\u200e", "\ufeff", "\u00ad", "\xff\xfe", "\xed\xa0\x80", "\x1bP+q\x1b\\",
	"\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309", "\U000e0041", "/p2p/", "/ip4/10.0.0.1/udp/1/quic-v1",
}, somePieces...)

func hostile() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(hostilePieces), 0, 12).Draw(t, "pieces"), "")
	})
}

func hostilePeer(t *rapid.T, id string) api.Peer {
	ms := rapid.Float64Range(0, 1e6).Draw(t, "rtt")
	transport := hostile().Draw(t, "transport")
	return api.Peer{
		Name: hostile().Draw(t, "name"), PeerID: id, Fingerprint: hostile().Draw(t, "fingerprint"),
		Addrs: rapid.SliceOfN(hostile(), 0, 3).Draw(t, "addrs"), Via: hostile().Draw(t, "via"),
		State:    rapid.SampledFrom([]string{api.Online, api.Offline, "\x1b[2J"}).Draw(t, "state"),
		LastSeen: api.Time{Time: time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "seen"), 0)},
		RTT:      &ms, Transport: &transport, Away: rapid.Bool().Draw(t, "away"), Verified: rapid.Bool().Draw(t, "verified"),
		Status: hostile().Draw(t, "status"), Warning: hostile().Draw(t, "warning"),
	}
}

func hostileMessage(t *rapid.T, n int, peers []string) api.Message {
	author := rapid.SampledFrom(append(peers, "me")).Draw(t, "author")
	state := api.Received
	if author == "me" {
		state = rapid.SampledFrom([]string{api.Queued, api.Sent, api.Delivered, api.Read}).Draw(t, "state")
	}
	return api.Message{
		ID: fmt.Sprint(n), Conversation: "conv-" + rapid.SampledFrom(peers).Draw(t, "conversation"), Author: author,
		Name: hostile().Draw(t, "name"), Time: api.Time{Time: time.Unix(int64(n)*rapid.Int64Range(0, 4000).Draw(t, "time"), 0)},
		Log: "log", Seq: uint64(n), Text: hostile().Draw(t, "text"), State: state,
		Kind: rapid.SampledFrom([]string{
			api.MessageText, api.MessageAction, api.MessageUnknown, api.MessagePrivate, api.MessageInvite, api.MessageAnswer,
			api.MessageVoiceRequest, "\x1b[2J",
		}).Draw(t, "kind"),
		Room: rapid.SampledFrom(append([]string{""}, hostileRooms...)).Draw(t, "room"), Retracted: rapid.Bool().Draw(t, "retracted"),
		Skewed: rapid.Bool().Draw(t, "skewed"), Forked: rapid.Bool().Draw(t, "forked"),
	}
}

var hostileRooms = []string{"r1", "r2", "r\x1b[2J3"}

func hostileRoom(t *rapid.T, id string) api.Room {
	return api.Room{
		RoomID: id, Name: hostile().Draw(t, "name"), Subject: hostile().Draw(t, "subject"), Description: hostile().Draw(t, "description"),
		Visible: rapid.Bool().Draw(t, "visible"), Access: hostile().Draw(t, "access"), Password: rapid.Bool().Draw(t, "password"),
		Joined: rapid.Bool().Draw(t, "joined"), Occupants: rapid.IntRange(0, 1e6).Draw(t, "occupants"), Unread: rapid.IntRange(0, 2000).Draw(t, "unread"),
		Moderated: true, Logging: true, Standing: hostile().Draw(t, "standing"), Role: hostile().Draw(t, "role"), Nick: hostile().Draw(t, "nick"),
		Destroyed: rapid.Bool().Draw(t, "destroyed"),
	}
}

func hostileMember(t *rapid.T, id string) api.Member {
	return api.Member{
		PeerID: id, Name: hostile().Draw(t, "name"), Nick: hostile().Draw(t, "nick"), Standing: hostile().Draw(t, "standing"),
		Role: hostile().Draw(t, "role"), Presence: rapid.SampledFrom([]string{api.PresenceOnline, api.PresenceAway, api.PresenceOffline, "\x1b[2J"}).Draw(t, "presence"),
		Warning: hostile().Draw(t, "warning"), Self: id == "me",
	}
}
