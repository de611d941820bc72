package tui

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// court is anna's screen of #dev, of which she is the owner; bruno and clara
// are in it, emma is not.
type court struct {
	*harness
	lan                      *apitest.LAN
	anna, bruno, clara, emma *apitest.FakeNode
	dev                      string
}

func newCourt(t *testing.T, w, h int, r api.CreateRoomRequest) court {
	t.Helper()
	lan := apitest.NewLAN()
	c := court{lan: lan, anna: lan.Join("anna"), bruno: lan.Join("bruno"), clara: lan.Join("clara"), emma: lan.Join("emma")}
	r.Name = "dev"
	c.dev = create(t, c.anna, r)
	for _, n := range []*apitest.FakeNode{c.bruno, c.clara} {
		if r.MembersOnly {
			break
		}
		if _, err := n.JoinRoom(t.Context(), api.JoinRoomRequest{Room: c.dev, Password: r.Password}); err != nil {
			t.Fatal(err)
		}
	}
	c.harness = newHarness(t, c.anna, w, h, Options{})
	c.settle()
	c.enter("/join dev")
	return c
}

// as shows somebody else's screen of the room.
func (c court) as(t *testing.T, n *apitest.FakeNode) *harness {
	t.Helper()
	h := newHarness(t, n, 100, 24, Options{})
	h.settle()
	h.enter("/join dev")
	return h
}

func (c court) standing(who *apitest.FakeNode) string {
	c.t.Helper()
	s, err := c.anna.RoomState(c.t.Context(), c.dev)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range s.People {
		if p.PeerID == who.PeerID() {
			return p.Standing
		}
	}
	return api.StandingNone
}

// Every act has its command, is told in the transcript, and shows beside the
// name it was about.
func TestGovernCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{})
		c.shows("you: owner")
		for _, x := range []struct {
			line, told string
			standing   string // of bruno
		}{
			{"/grant bruno member", "anna made bruno member", api.StandingMember},
			{"/grant BRUNO moderator well done", "anna made bruno moderator: well done", api.StandingModerator},
			{"/grant @bruno admin", "anna made bruno admin", api.StandingAdmin},
			{`/grant "bruno" none`, "anna took every standing or ban from bruno", api.StandingNone},
			{"/devoice bruno you shout", "anna took the voice of bruno: you shout", api.StandingNone},
			{"/voice bruno", "anna gave voice to bruno", api.StandingNone},
			{"/kick bruno cool down", "anna kicked bruno: cool down", api.StandingNone},
			{"/ban bruno spam", "anna banned bruno: spam", api.StandingOutcast},
			{"/unban bruno", "anna took every standing or ban from bruno", api.StandingNone},
			{"/subject release on Friday", "anna set the subject: release on Friday", api.StandingNone},
			{"/subject -", "anna took the subject away", api.StandingNone},
			{"/config moderated=true name=the dev room slow_mode=5s", "anna called the room the dev room", api.StandingNone},
		} {
			c.enter(x.line)
			c.shows(x.told)
			if got := c.standing(c.bruno); got != x.standing {
				t.Errorf("%s: bruno is %s, want %s", x.line, got, x.standing)
			}
		}
		c.shows("anna made the room moderated", "anna set slow mode to 5s", "write to #the dev room")
	})
}

func TestGovernCommandErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{})
		for line, want := range map[string]string{
			"/kick": "say whom: /kick WHO", "/grant bruno": "say which standing", "/grant bruno king": "there are member",
			"/kick nobody": "nobody called", `/kick "bruno`: "ends with one", "/unban bruno": "is not banned",
			"/pm bruno": "say what", "/pm emma hi": "is not in the room", "/subject": "say which",
			"/config color=red": "color is no setting", "/config moderated=maybe": "is one of", "/config password=x": "/config alone",
			"/who nobody": "nobody called nobody", "/retract nobody": "nobody called", "/voice-request": "may speak",
			"/destroy --alternate": "takes its place", "/accept": "no invitation", "/decline dev": "no invitation",
			"/kick anna": "touch", "/kick bruno " + strings.Repeat("x", api.MaxReason+1): "at most",
		} {
			c.press("ctrl+u")
			c.enter(line)
			c.shows(want)
		}
	})
}

// Who is put out reads by whom, and why.
func TestPutOut(t *testing.T) {
	for _, x := range []struct{ line, want string }{
		{"/kick bruno cool down", "anna kicked you out of #dev: cool down; /join #dev goes back in"},
		{"/kick bruno", "anna kicked you out of #dev; /join #dev goes back in"},
		{"/ban bruno spam: again", "anna banned you from #dev: spam: again"},
		{"/config access=members-only", "#dev is for members only now, and you are no member; anna changed that"},
	} {
		t.Run(x.line, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCourt(t, 110, 24, api.CreateRoomRequest{})
				b := c.as(t, c.bruno)
				c.enter(x.line)
				b.settle()
				b.shows(x.want)
				b.unlists("#dev")
				b.pass(errorTime)
				b.hides(x.want)
				b.enter("/notices")
				b.shows(x.want)
			})
		})
	}
	t.Run("advice", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCourt(t, 110, 24, api.CreateRoomRequest{})
			b := c.as(t, c.bruno)
			b.typed("abc")
			c.enter("/ban bruno")
			b.settle()
			b.enter(" def")
			b.shows("you were banned from #dev", "› abc def")
			b.hides("goes back in")
			b.press("ctrl+n", "up") // what was written is not lost with the room
			b.shows("› abc def")
		})
	})
	t.Run("membership", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCourt(t, 110, 24, api.CreateRoomRequest{})
			b := c.as(t, c.bruno)
			c.enter("/grant bruno member")
			c.enter("/config access=members-only")
			c.enter("/grant bruno none see you")
			b.settle()
			b.shows("anna took your membership of #dev: see you")
		})
	})
	t.Run("elsewhere", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCourt(t, 110, 24, api.CreateRoomRequest{})
			leave(t, c.anna, c.dev)
			c.settle()
			c.shows("you left #dev")
		})
	})
}

// A room is destroyed once its name has been typed; the others are told where
// to go.
func TestDestroy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{})
		b := c.as(t, c.bruno)
		b.enter("/destroy")
		b.shows("only owners destroy a room")
		create(t, c.anna, api.CreateRoomRequest{Name: "dev two"})
		c.settle()
		c.enter("/destroy --alternate dev two moved")
		c.shows("Destroy #dev", "told to go to #dev two", "that they read: moved")
		c.typed("dev two")
		c.press("enter")
		c.shows("that is not its name: dev")
		c.press("ctrl+u")
		c.typed("#dev")
		c.press("enter")
		b.settle()
		b.shows("anna destroyed #dev: moved; in its place there is #dev two: /join #dev two")
		c.shows("anna destroyed #dev: moved")
	})
}

// Voice is asked for by who may not speak, and told to who can give it.
func TestVoice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{Moderated: true})
		b := c.as(t, c.bruno)
		b.shows("you: visitor", "the room is moderated, and you may listen; /voice-request asks for voice")
		b.enter("hello?")
		b.shows("› hello?", "⚠ the room is moderated")
		b.press("ctrl+u")
		b.enter("/voice-request")
		b.shows("the moderators are asked for voice")
		c.settle()
		c.shows("bruno asks for voice in #dev; /voice bruno gives it", "● bruno         asks")
		c.typed("/voice ")
		c.press("tab")
		if got := c.m.draft().text; got != "/voice bruno " {
			t.Errorf("Tab gave %q", got)
		}
		c.press("enter")
		c.hides("asks\n")
		b.settle()
		b.shows("anna gave voice to bruno", "write to #dev")
		b.enter("thanks")
		c.settle()
		c.shows("bruno  thanks")
		c.enter("/devoice bruno")
		b.settle()
		b.shows("your voice was taken: you may listen")
		c.enter("/msg bruno")
		c.shows("bruno asked for voice in #dev")
		b.enter("/voice-request")
		c.settle()
		c.shows("bruno asks for voice in #dev; there, /voice bruno gives it")
	})
}

// A password is asked for where one is needed, and stands nowhere.
func TestRoomPassword(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{Password: []byte("s3cret")})
		e := newHarness(t, c.emma, 110, 24, Options{})
		e.settle()
		e.enter("/join dev") // nothing is known of it yet
		e.shows("The password of #dev")
		e.typed("s3")
		e.shows("› **")
		e.hides("s3")
		e.press("tab")
		e.shows("› s3")
		e.press("tab", "enter")
		e.shows("not let in: that is not the password")
		e.press("ctrl+u")
		e.send(tea.PasteMsg{Content: "s3cret\n"})
		e.press("enter")
		e.shows("write to #dev", "emma joined")
		e.press("up")
		e.hides("s3cret")
		e.press("ctrl+u", "ctrl+y")
		e.hides("s3cret")
		e.press("ctrl+u")

		// In the dialog, and given up.
		e.enter("/leave")
		e.enter("/rooms")
		e.shows("password")
		e.press("enter")
		e.shows("The password of #dev")
		e.press("esc")
		e.hides("The password of #dev")

		// A new one is set and taken away in the form.
		c.enter("/config")
		c.press("ctrl+end", "up")
		c.shows("password        is set")
		c.typed("n3w")
		c.shows("password      * ***")
		c.press("ctrl+s")
		c.shows("anna set a new password")
		e.enter("/join dev")
		e.typed("n3w")
		e.press("enter")
		e.shows("write to #dev")
		c.enter("/config")
		c.press("ctrl+end", "up", "right")
		c.shows("will be taken away")
		c.press("down", "enter")
		c.shows("anna took the password away")

		c.enter("/create vault --password --hidden")
		c.press("enter")
		c.shows("a password of nothing is none")
		c.typed("x")
		c.press("enter")
		c.shows("write to #vault", "you made #vault")
		rooms, err := c.anna.Rooms(t.Context(), false)
		if err != nil || len(rooms) != 2 || !rooms[1].Password || rooms[1].Visible {
			t.Errorf("the rooms are %+v, %v", rooms, err)
		}
	})
}

// Invitations are told, listed first in the dialog, accepted and declined.
func TestInvitations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{MembersOnly: true, Hidden: true})
		e := newHarness(t, c.emma, 110, 24, Options{})
		e.settle()
		c.enter("/invite emma we meet at ten")
		c.shows("you invited emma into #dev", "anna made emma member")
		e.settle()
		e.shows("anna invites you into #dev: we meet at ten; /accept #dev or /decline #dev")
		e.enter("/msg anna")
		e.shows("anna invited you into #dev: we meet at ten")
		e.enter("/rooms")
		e.shows("▌ #dev", "invited", "Enter accepts, /decline #dev declines")
		e.press("enter")
		e.shows("write to #dev")
		e.enter("/rooms")
		e.hides("invited")
		e.press("esc")
		c.enter("/msg emma")
		c.shows("anna sent an invitation into #dev: we meet", "emma accepted the invitation into #dev")

		// One that waits at the start; a bare /decline takes the only one.
		c.enter("/create ops")
		c.enter("/invite emma")
		again := newHarness(t, c.emma, 110, 24, Options{})
		again.settle()
		again.shows("anna invites you into #ops; /accept #ops")
		again.typed("/decline o")
		again.press("tab")
		again.typed("no time")
		again.press("enter")
		again.shows("you declined the invitation into #ops")
		again.enter("/accept")
		again.shows("no invitation waits")
		c.enter("/msg emma")
		c.shows("emma declined the invitation into #ops: no")
	})
}

func TestPrivateAndLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{})
		b := c.as(t, c.bruno)
		c.enter("/pm bruno just for you")
		c.shows("you wrote to bruno privately")
		b.settle()
		b.enter("/msg anna")
		b.shows("anna  (privately in #dev) just for you")
		c.enter("/config pm_by=nobody logging=true")
		c.shows("anna ended private messages", "members keep readable", "logged", "members of #dev keep readable logs of what")
		c.enter("/pm bruno more")
		c.shows("there are no private messages in this room")
		e := newHarness(t, c.emma, 110, 24, Options{})
		e.settle()
		e.enter("/join dev")
		e.shows("members of #dev keep readable logs of what is said in it")
	})
}

func TestSlowMode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{})
		c.enter("/config slow_mode=5s")
		b := c.as(t, c.bruno)
		b.enter("one")
		b.enter("two")
		b.shows("#dev is in slow mode: wait 5s; then Enter says it", "› two")
		b.pass(5 * time.Second)
		b.press("enter")
		b.shows("anna", "two", "write to #dev")
	})
}

// A message is retracted by choosing it; a tombstone stays.
func TestRetract(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{})
		sayIn(t, c.bruno, c.dev, "spam", "more spam")
		sayIn(t, c.clara, c.dev, "hello")
		c.settle()
		c.enter("/retract bruno off topic")
		c.shows("Retract a message of bruno", "▌ 00:00 bruno  more spam")
		c.hides("hello")
		sayIn(t, c.bruno, c.dev, "innocent")
		c.settle()
		c.press("up", "enter")
		c.shows("(retracted)", "innocent")
		texts := roomTexts(t, c.clara, c.dev)
		if strings.Join(texts, "|") != "spam||hello|innocent" && strings.Join(texts, "|") != "|more spam|hello|innocent" {
			t.Errorf("the room has %q", texts)
		}
		b := c.as(t, c.bruno)
		b.enter("/retract") // without standing there are only one's own
		b.shows("Retract a message", "bruno  innocent")
		b.hides("clara  hello")
		b.press("esc")
		b.enter("/retract clara")
		b.shows("⚠ only moderators, admins and owners retract what others said")
		b.press("ctrl+u")

		// What is out of a moderator's reach can be told apart, and says why.
		sayIn(t, c.anna, c.dev, "from the owner "+strings.Repeat("with much to say ", 10))
		c.enter("/grant bruno moderator")
		b.settle()
		b.enter("/retract")
		b.shows("clara  hello", "anna   from the owner", "… – nobody can touch who made the room")
		b.press("up", "down", "enter")
		b.shows("⚠ nobody can touch who made the room")
	})
}

// TestAnnouncedFirst: what an act did may be heard of before its answer is, which
// says nothing then.
func TestAnnouncedFirst(t *testing.T) {
	t.Parallel()
	m := newModel(nil, Options{}, nil)
	m.note = note{text: "anna destroyed #board"}
	m.Update(doneMsg{})
	if m.note.text == "" {
		t.Error("it is wiped from the screen")
	}
}
