package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// checkScreen says what is wrong with a screen, "" if nothing: a line wider or
// more lines than the terminal, or anything but text and colours.
func checkScreen(m *model) string {
	v := m.View()
	rows := strings.Split(v.Content, "\n")
	if len(rows) != m.h {
		return fmt.Sprintf("%d rows on a screen of %d", len(rows), m.h)
	}
	for i, row := range rows {
		if w := m.width.StringWidth(row); w > m.w {
			return fmt.Sprintf("row %d has %d columns on a screen of %d: %q", i, w, m.w, row)
		}
		for rest := row; rest != ""; {
			seq, _, n, _ := ansi.DecodeSequence(rest, 0, nil)
			rest = rest[n:]
			if sgr := strings.HasPrefix(seq, "\x1b[") && strings.HasSuffix(seq, "m") &&
				strings.Trim(seq[2:len(seq)-1], "0123456789;:") == ""; sgr {
				continue
			}
			for _, r := range seq {
				if unicode.Is(unicode.Cc, r) || strings.ContainsRune("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff", r) {
					return fmt.Sprintf("row %d holds %q", i, seq)
				}
			}
		}
	}
	if strings.ContainsFunc(v.WindowTitle, unicode.IsControl) {
		return fmt.Sprintf("title %q", v.WindowTitle)
	}
	if c := v.Cursor; c != nil && (c.X < 0 || c.X >= m.w || c.Y < 0 || c.Y >= m.h) {
		return fmt.Sprintf("cursor at %d,%d on %dx%d", c.X, c.Y, m.w, m.h)
	}
	return ""
}

// Whatever others send and whoever types, on a terminal of any size: no line
// is wider than it, and nothing leaves but text and colours.
func TestScreenHolds(t *testing.T) {
	t.Parallel()
	peers := []string{"p1", "p2", "p3", "p\x1b[2J4"}
	svc := apitest.NewLAN().Join("anna")
	now := time.Unix(1e9, 0).UTC()
	keyNames := []string{
		"enter", "tab", "shift+tab", "up", "down", "left", "right", "ctrl+n", "ctrl+p", "ctrl+o", "pgup", "pgdown", "ctrl+home", "ctrl+end",
		"f1", "f2", "f3", "f4", "esc", "ctrl+s", " ", "x", "backspace", "ctrl+w", "ctrl+u", "alt+enter", "home", "end",
	}
	rapid.Check(t, func(t *rapid.T) {
		c := newCalls(context.Background())
		defer c.close()
		m := newModel(svc, Options{Environ: rapid.SampledFrom([][]string{{"TERM=linux"}, {"TERM=xterm"}}).Draw(t, "env")}, c)
		m.now = func() time.Time { return now }
		n := 0
		m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
		t.Repeat(map[string]func(*rapid.T){
			"size": func(t *rapid.T) {
				m.Update(tea.WindowSizeMsg{
					Width: rapid.IntRange(1, 300).Draw(t, "width"), Height: rapid.IntRange(1, 60).Draw(t, "height"),
				})
			},
			"snapshot": func(t *rapid.T) {
				s := api.Snapshot{
					Self:    api.Identity{PeerID: "me", Name: hostile().Draw(t, "self"), Fingerprint: hostile().Draw(t, "print")},
					Notices: rapid.SliceOfN(hostile(), 0, 2).Draw(t, "notices"),
				}
				for _, p := range peers {
					s.Conversations = append(s.Conversations, api.Conversation{
						ID: "conv-" + p, Kind: api.KindDirect, PeerID: p, Name: hostile().Draw(t, "name"),
						Unread: rapid.IntRange(0, 2000).Draw(t, "unread"),
					})
					if rapid.Bool().Draw(t, "listed") {
						s.Peers = append(s.Peers, hostilePeer(t, p))
					}
				}
				for _, id := range hostileRooms {
					if rapid.Bool().Draw(t, "joined") {
						s.Rooms = append(s.Rooms, hostileRoom(t, id))
						s.Conversations = append(s.Conversations, api.Conversation{
							ID: id, Kind: api.KindRoom, Target: id, Name: hostile().Draw(t, "name"), Unread: rapid.IntRange(0, 9).Draw(t, "unread"),
						})
					}
				}
				m.Update(changeMsg{Type: api.ChangeSnapshot, Snapshot: &s})
			},
			"peer": func(t *rapid.T) {
				p := hostilePeer(t, rapid.SampledFrom(peers).Draw(t, "peer"))
				m.Update(changeMsg{Type: api.ChangePeer, Peer: &p})
			},
			"removed": func(t *rapid.T) {
				m.Update(changeMsg{Type: api.ChangePeerRemoved, PeerID: rapid.SampledFrom(peers).Draw(t, "peer")})
			},
			"message": func(t *rapid.T) {
				n++
				msg := hostileMessage(t, n, peers)
				m.Update(changeMsg{Type: api.ChangeMessage, Message: &msg})
			},
			"page": func(t *rapid.T) {
				if tk := m.people.focus; tk != nil && tk.log.loading {
					var page []api.Message
					for range rapid.IntRange(0, 5).Draw(t, "messages") {
						n++
						page = append(page, hostileMessage(t, n, peers))
					}
					m.Update(pageMsg{t: tk, older: tk.log.loaded, first: tk.log.first(), asked: rapid.IntRange(1, 5).Draw(t, "asked"), page: page})
				}
			},
			"room": func(t *rapid.T) {
				r := hostileRoom(t, rapid.SampledFrom(hostileRooms).Draw(t, "id"))
				m.Update(changeMsg{Type: api.ChangeRoom, Room: &r})
			},
			"room left": func(t *rapid.T) {
				r := hostileRoom(t, rapid.SampledFrom(hostileRooms).Draw(t, "id"))
				m.Update(changeMsg{Type: api.ChangeRoomLeft, Room: &r})
			},
			"member": func(t *rapid.T) {
				m.Update(changeMsg{Type: api.ChangeMember, Member: &api.MemberChange{
					RoomID: rapid.SampledFrom(hostileRooms).Draw(t, "id"),
					Member: hostileMember(t, rapid.SampledFrom(peers).Draw(t, "peer")), Gone: rapid.Bool().Draw(t, "gone"),
				}})
			},
			"members": func(t *rapid.T) {
				if tk := m.people.focus; tk != nil && tk.room != nil && tk.room.members.loading {
					var rows []api.Member
					for _, p := range append(peers, "me") {
						if rapid.Bool().Draw(t, "in") {
							rows = append(rows, hostileMember(t, p))
						}
					}
					m.Update(membersMsg{t: tk, rows: rows})
				}
			},
			"room message": func(t *rapid.T) {
				n++
				msg := hostileMessage(t, n, peers)
				msg.Conversation, msg.Nick = rapid.SampledFrom(hostileRooms).Draw(t, "id"), hostile().Draw(t, "nick")
				msg.Kind = rapid.SampledFrom([]string{
					api.MessageText, api.MessageJoin, api.MessageLeave, api.MessageNick, api.MessageSubject, api.MessageGovern, api.MessageEpoch, "x",
				}).Draw(t, "kind")
				m.Update(changeMsg{Type: api.ChangeMessage, Message: &msg})
			},
			"rules": func(t *rapid.T) {
				tk := m.people.focus
				if tk == nil || tk.room == nil || !tk.room.rules.loading {
					return
				}
				s := api.RoomState{Creator: rapid.SampledFrom(append(peers, "me")).Draw(t, "creator"), Config: map[string]string{}}
				for _, spec := range api.RoomSettings() {
					s.Config[spec.Key] = hostile().Draw(t, "value")
				}
				for _, p := range append(peers, "q\x1b[2J") {
					s.People = append(s.People, api.PersonState{
						PeerID: p, Standing: rapid.SampledFrom([]string{api.StandingOutcast, api.StandingOwner, "\x1b[2J"}).Draw(t, "standing"), Voice: hostile().Draw(t, "voice"),
					})
				}
				m.Update(rulesMsg{t: tk, state: s})
			},
			"own standing": func(t *rapid.T) {
				if tk := m.people.focus; tk != nil && tk.room != nil {
					tk.room.Standing = rapid.SampledFrom([]string{api.StandingNone, api.StandingModerator, api.StandingOwner}).Draw(t, "standing")
				}
			},
			"invitation": func(t *rapid.T) {
				m.Update(changeMsg{Type: api.ChangeInvitation, Invitation: &api.Invitation{
					ID: "i", RoomID: rapid.SampledFrom(append(hostileRooms, "other")).Draw(t, "id"), Room: hostile().Draw(t, "room"),
					PeerID: rapid.SampledFrom(peers).Draw(t, "peer"), Name: hostile().Draw(t, "name"), Reason: hostile().Draw(t, "reason"),
				}})
			},
			"voice request": func(t *rapid.T) {
				m.Update(changeMsg{Type: api.ChangeVoiceRequest, VoiceRequest: &api.VoiceRequest{
					RoomID: rapid.SampledFrom(hostileRooms).Draw(t, "id"), PeerID: rapid.SampledFrom(peers).Draw(t, "peer"), Name: hostile().Draw(t, "name"),
				}})
			},
			"put out": func(t *rapid.T) {
				r := hostileRoom(t, rapid.SampledFrom(hostileRooms).Draw(t, "id"))
				tk := m.people.byKey[r.RoomID]
				if tk == nil || tk.room == nil {
					return
				}
				m.Update(putOutMsg{t: tk, row: r, other: clean(hostile().Draw(t, "other")), state: api.RoomState{
					Reason: hostile().Draw(t, "reason"), Alternate: hostile().Draw(t, "alternate"),
				}, audit: []api.AuditRow{{
					PeerID: "p1", Name: hostile().Draw(t, "name"), Act: rapid.SampledFrom([]string{"kick", "set", "destroy"}).Draw(t, "act"),
					Target: "me", Did: "kicked x: " + hostile().Draw(t, "did"), Effective: true,
				}}})
			},
			"audit": func(t *rapid.T) {
				if tk := m.people.focus; tk != nil && tk.room != nil {
					m.Update(auditMsg{id: m.open("a", m.wait("")), t: tk, rows: []api.AuditRow{{
						PeerID: "p1", Name: hostile().Draw(t, "name"), Did: hostile().Draw(t, "did"), Why: hostile().Draw(t, "why"),
					}, {PeerID: "\x1b[2J", Did: "set name to \"\x1b[2J\"", Effective: true}}})
				}
			},
			"dialog": func(t *rapid.T) {
				tk := m.people.focus
				if tk == nil || tk.room == nil {
					return
				}
				switch rapid.IntRange(0, 4).Draw(t, "which") {
				case 0:
					m.openConfig(tk)
				case 1:
					m.openMembers(tk)
				case 2:
					m.openActions(tk, rapid.SampledFrom(append(peers, "me", "q\x1b[2J")).Draw(t, "who"))
				case 3:
					m.askPassword(door{target: tk.key, label: tk.label()})
				case 4:
					_, _ = cmdRetract(m, "")
				}
			},
			"hidden": func(t *rapid.T) {
				m.Update(changeMsg{Type: api.ChangeHidden, Hidden: &api.Hidden{
					Conversation: rapid.SampledFrom(hostileRooms).Draw(t, "id"), ID: fmt.Sprint(rapid.IntRange(0, n).Draw(t, "message")),
				}})
			},
			"listing": func(t *rapid.T) {
				var rooms []api.Room
				for _, id := range append(hostileRooms, "other", "another") {
					if rapid.Bool().Draw(t, "known") {
						rooms = append(rooms, hostileRoom(t, id))
					}
				}
				m.listing.asking = false
				m.Update(listingMsg{rooms: rooms})
			},
			"joined": func(t *rapid.T) {
				id := 0
				if j, ok := m.dialog.(joiner); ok && rapid.Bool().Draw(t, "by dialog") {
					id = j.number()
				}
				m.Update(joinedMsg{dialog: id, entry: api.Entry{RoomID: rapid.SampledFrom(hostileRooms).Draw(t, "id")}})
			},
			"refused": func(t *rapid.T) {
				if j, ok := m.dialog.(joiner); ok {
					m.Update(joinedMsg{dialog: j.number(), door: door{label: "#x"}, err: api.Errorf(api.CodeNickConflict, "%s", hostile().Draw(t, "error"))})
				}
			},
			"typing": func(t *rapid.T) {
				p := rapid.SampledFrom(peers).Draw(t, "peer")
				m.Update(changeMsg{Type: api.ChangeTyping, Typing: &api.Typing{Conversation: "conv-" + p, PeerID: p}})
			},
			"notice": func(t *rapid.T) {
				m.Update(changeMsg{Type: api.ChangeNotice, Notice: hostile().Draw(t, "notice")})
			},
			"status": func(t *rapid.T) {
				st := api.Status{
					Name: hostile().Draw(t, "name"), Version: hostile().Draw(t, "version"), Queued: rapid.Ptr(rapid.IntRange(0, 99), true).Draw(t, "queued"),
					Addrs: rapid.SliceOfN(hostile(), 0, 2).Draw(t, "addrs"), Notices: rapid.SliceOfN(hostile(), 0, 3).Draw(t, "notices"),
					Connections: []api.Connection{{PeerID: hostile().Draw(t, "id"), Addr: hostile().Draw(t, "addr"), Transport: hostile().Draw(t, "tr")}},
				}
				m.Update(statusMsg{status: st})
				m.Update(statusSheetMsg{id: m.open("s", m.wait("")), status: st})
			},
			"doctor": func(t *rapid.T) {
				m.Update(findingsMsg{id: m.open("d", m.wait("")), findings: []api.Finding{{
					Check: hostile().Draw(t, "check"), Level: api.LevelWarn, Seen: hostile().Draw(t, "seen"), Advice: hostile().Draw(t, "advice"),
				}}})
			},
			"error": func(t *rapid.T) {
				m.Update(doneMsg{err: api.Errorf(api.CodeInternal, "%s", hostile().Draw(t, "error"))})
			},
			"command": func(t *rapid.T) {
				m.draft().setText("/" + rapid.SampledFrom(m.commands).Draw(t, "command").name + " " + typeable(hostile().Draw(t, "arg")))
				m.Update(keyMsg("enter"))
			},
			"paste": func(t *rapid.T) { m.Update(tea.PasteMsg{Content: hostile().Draw(t, "paste")}) },
			"key":   func(t *rapid.T) { m.Update(keyMsg(rapid.SampledFrom(keyNames).Draw(t, "key"))) },
			"look": func(t *rapid.T) {
				m.colour, m.dark = rapid.Bool().Draw(t, "colour"), rapid.Bool().Draw(t, "dark")
				m.width = someMeasure().Draw(t, "measure")
				m.restyle()
			},
			"": func(t *rapid.T) {
				if wrong := checkScreen(m); wrong != "" {
					t.Fatal(wrong)
				}
			},
		})
	})
}

// Every size, with everything on the screen.
func TestEverySize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newOffice(t)
		h := newHarness(t, o.anna, 80, 24, Options{})
		o.anna.Notice("a standing warning")
		h.enter("/msg bruno")
		h.pass(time.Minute)
		check := func() {
			for _, w := range []int{1, 2, 5, 13, 29, 30, 43, 44, 59, 60, 80, 103, 104, 300} {
				for _, hh := range []int{1, 2, 3, 4, 5, 6, 8, 24, 100} {
					h.m.Update(tea.WindowSizeMsg{Width: w, Height: hh})
					if wrong := checkScreen(h.m); wrong != "" {
						t.Fatalf("%dx%d: %s", w, hh, wrong)
					}
				}
			}
		}
		check()
		h.send(tea.PasteMsg{Content: strings.Repeat("many words\n", 20)})
		check()
		for _, cmd := range []string{"help", "peers", "status", "whoami", "doctor"} {
			h.m.draft().setText("/" + cmd)
			h.press("enter")
			check()
		}
		h.press("esc")
		h.enter("/create dev --moderated")
		for _, cmd := range []string{"who", "who anna", "config", "audit", "retract", "destroy for a reason", "create x --password", "notices"} {
			h.press("esc", "ctrl+u")
			h.m.draft().setText("/" + cmd)
			h.press("enter")
			check()
			h.press("down", "down", "esc", "esc")
		}
	})
}
