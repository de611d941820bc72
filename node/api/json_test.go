package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
)

// The keys are what scripts rely on: more may come, none may go.
func TestKeys(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value any
		keys  string
	}{
		{api.Identity{}, "peer_id name fingerprint"},
		{api.Status{}, "peer_id name addrs connections rooms queued storage version running notices"},
		{api.Connection{}, "peer_id transport direction addr"},
		{api.Peer{}, "name peer_id fingerprint addrs via state rtt_ms last_seen verified away status transport warning"},
		{api.Conversation{}, "id kind target name peer_id unread mentions last_time read_by_other"},
		{api.Message{}, "id conversation author name nick time log seq kind text state verified skewed forked retracted room"},
		{api.Receipt{}, "id conversation state acked members"},
		{api.Finding{}, "check level seen advice"},
		{api.CaptureTarget{}, "tcp_ports udp_ports interfaces connections names"},
		{api.Flow{}, "network local remote peer_id"},
		{api.Snapshot{}, "self peers conversations rooms notices"},
		{api.Hidden{}, "conversation id"},
		{api.MemberChange{}, "room_id member gone"},
		{api.Room{}, "room_id name subject description visible access moderated password joined occupants unread mentions logging destroyed standing role nick"},
		{api.Member{}, "peer_id name nick standing role presence self warning"},
		{api.Entry{}, "room_id standing role"},
		{api.CreateRoomRequest{Password: []byte{0}}, "name hidden history nick members_only moderated password"},
		{api.JoinRoomRequest{Password: []byte{0}}, "room nick wait password"},
		{api.ConfigureRequest{Password: []byte{0}}, "room set password no_password"},
		{api.Setting{}, "key value"},
		{api.GovernRequest{}, "room act who standing id reason alternate"},
		{api.Invitation{}, "id room_id room peer_id name reason time"},
		{api.AnswerRequest{Password: []byte{0}}, "room accept reason nick wait password"},
		{api.AuditRow{}, "id time peer_id name act target did authority rank effective why"},
		{api.VoiceRequest{}, "room_id peer_id name"},
		{api.RoomStatus{}, "room_id name peers members present epoch epochs root digest messages parked missing last_sync sync_peers"},
		{api.RoomState{}, "room_id creator config people subject destroyed reason alternate root canonical"},
		{api.PersonState{}, "peer_id standing voice"},
		{api.StateChange{}, "conversation log seq state"},
		{api.Typing{}, "conversation peer_id"},
		{api.Change{}, "seq type"},
		{api.Error{}, "code message"},
		{api.Error{Candidates: []string{""}}, "code message candidates"},
		{api.SendRequest{}, "target text wait"},
		{api.LogQuery{Before: "00"}, "target last since before all"},
	}
	for _, tt := range tests {
		b, err := json.Marshal(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		for _, key := range strings.Fields(tt.keys) {
			if _, ok := got[key]; !ok {
				t.Errorf("%T has lost its key %q: %s", tt.value, key, b)
			}
		}
	}
}

// What is not known is null, what is empty is not, and no list is null.
func TestRoomJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value any
		has   []string
	}{
		{api.Room{}, []string{`"subject":null`}},
		{api.Room{Subject: "<x>"}, []string{`"subject":"\u003cx\u003e"`}}, // json.Marshal's escapes, once
		{api.Room{Joined: true}, []string{`"subject":""`}},
		{api.Member{}, []string{`"name":null`, `"nick":""`}},
		{api.Invitation{Reason: "<x>"}, []string{`"name":null`, `"time":null`, `"reason":"\u003cx\u003e"`}},
		{api.AuditRow{}, []string{`"name":null`, `"target":""`}},
		{api.RoomStatus{}, []string{`"peers":[]`, `"sync_peers":[]`, `"epoch":null`, `"last_sync":null`}},
		{api.RoomStatus{Epoch: "00"}, []string{`"epoch":"00"`}},
		{api.RoomState{}, []string{`"people":[]`, `"config":{}`, `"reason":""`}},
	} {
		b, err := json.Marshal(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range tt.has {
			if strings.Count(string(b), part) != 1 {
				t.Errorf("%+v is %s, want %s in it", tt.value, b, part)
			}
		}
	}
}

func TestListed(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]bool{
		api.MessageText: true, api.MessageAction: true, api.MessageUnknown: true, "of-the-future": true,
		api.MessageJoin: false, api.MessageLeave: false, api.MessageNick: false, api.MessageSubject: false,
		api.MessageGovern: false, api.MessageEpoch: false, api.MessagePrivate: true,
		api.MessageInvite: false, api.MessageAnswer: false, api.MessageVoiceRequest: false,
	} {
		if api.Listed(kind) != want {
			t.Errorf("listed %s: %v", kind, !want)
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("somewhere", 5*3600)
	for want, at := range map[string]time.Time{
		`null`:                       {},
		`"2026-01-02T03:04:05.000Z"`: time.Date(2026, 1, 2, 8, 4, 5, 999_999, zone),
		`"2026-01-02T03:04:05.600Z"`: time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC),
	} {
		b, err := json.Marshal(api.Time{Time: at})
		if err != nil || string(b) != want {
			t.Errorf("%v is %s (%v), want %s", at, b, err, want)
		}
		var back api.Time
		if err := json.Unmarshal(b, &back); err != nil || !back.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("%s came back as %v (%v)", b, back, err)
		}
	}
	for _, bad := range []string{`"yesterday"`, `1`, `""`, `"2026-01-02"`} {
		if err := json.Unmarshal([]byte(bad), new(api.Time)); err == nil {
			t.Errorf("%s was taken for a time", bad)
		}
	}
}

func TestCheckText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want api.Code
	}{
		{"a", ""},
		{" ", ""},
		{"/me", ""},
		{"/me x", ""},
		{strings.Repeat("x", api.MaxText), ""},
		{strings.Repeat("x", api.MaxText+1), api.CodeTooLong},
		{"", api.CodeBadText},
		{"/me ", api.CodeBadText},
		{"a\xc3", api.CodeBadText},
		{"\xed\xa0\x80", api.CodeBadText},
	}
	for _, tt := range tests {
		if err := api.CheckText(tt.text); (err == nil) != (tt.want == "") || err != nil && !api.IsCode(err, tt.want) {
			t.Errorf("%.20q: %v, want code %q", tt.text, err, tt.want)
		}
	}
	for _, tt := range []struct {
		name string
		want api.Code
	}{
		{"dev", ""},
		{"Küche & Flur", ""},
		{strings.Repeat("語", api.MaxRoomName), ""},
		{strings.Repeat("x", api.MaxRoomName+1), api.CodeTooLong},
		{"", api.CodeBadText},
		{" \u00a0", api.CodeBadText},
		{"dev ", api.CodeBadText},
		{"two\nlines", api.CodeBadText},
		{"a\xff", api.CodeBadText},
	} {
		if err := api.CheckRoomName(tt.name); (err == nil) != (tt.want == "") || err != nil && !api.IsCode(err, tt.want) {
			t.Errorf("room %.20q: %v, want code %q", tt.name, err, tt.want)
		}
	}
	for _, tt := range []struct {
		err  error
		want api.Code
	}{
		{api.CheckSubject(""), ""},
		{api.CheckSubject(strings.Repeat("x", api.MaxSubject)), ""},
		{api.CheckSubject(strings.Repeat("x", api.MaxSubject+1)), api.CodeTooLong},
		{api.CheckSubject("two\nlines"), api.CodeBadText},
		{api.CheckReason("a\xff"), api.CodeBadText},
		{api.CheckReason(strings.Repeat("x", api.MaxReason+1)), api.CodeTooLong},
		{api.CheckReason("spam"), ""},
	} {
		if (tt.err == nil) != (tt.want == "") || tt.err != nil && !api.IsCode(tt.err, tt.want) {
			t.Errorf("%v, want code %q", tt.err, tt.want)
		}
	}
	if kind, kept := api.SplitAction("/me  waves"); kind != api.MessageAction || kept != " waves" {
		t.Errorf("/me gives %q, %q", kind, kept)
	}
	if kind, kept := api.SplitAction("/meow"); kind != api.MessageText || kept != "/meow" {
		t.Errorf("/meow gives %q, %q", kind, kept)
	}
}

// Every code has the exit status that the command line promises.
func TestExit(t *testing.T) {
	t.Parallel()
	byExit := [][]api.Code{
		1: {"internal", "no-node", "account-exists", "disk-full", "damaged", "of-the-future"},
		2: {"usage", "too-long", "bad-text"},
		3: {"not-delivered", "not-joined"},
		4: {"forbidden", "banned", "membership-required", "not-authorized", "full", "nick-conflict", "destroyed", "too-fast"},
		5: {"not-found", "ambiguous"},
		6: {"no-account", "wrong-password", "in-use", "network-filesystem", "newer-database"},
		7: {"no-permission", "unsupported"},
	}
	for want, codes := range byExit {
		for _, code := range codes {
			if got := code.Exit(); got != want {
				t.Errorf("%s exits with %d, want %d", code, got, want)
			}
		}
	}
}
