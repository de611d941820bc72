package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// A message that was found is shown with what was said around it, and both ways
// from there the rest loads as one reaches it.
func TestFind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno, clara := lan.Join("anna"), lan.Join("bruno"), lan.Join("clara")
		dev := create(t, bruno, api.CreateRoomRequest{Name: "dev"})
		join(t, anna, dev, "")
		var texts []string
		for i := range 400 {
			texts = append(texts, fmt.Sprint("line ", i))
		}
		texts[150] = "the needle \x1b[31mis\u202e here"
		sayIn(t, bruno, dev, texts...)
		say(t, clara, anna, "no needle with me", "lunch?")
		h := newHarness(t, anna, 100, 24, Options{})
		h.settle()
		h.hides("needle")

		h.enter("/search needle")
		h.shows("2 messages, the newest first", "#dev", "bruno", "clara", "the needle ␛[31mis� here", "▌ ")
		h.press("down", "enter")
		h.shows("write to #dev", "the needle", "line 149", "line 151", "more below", "F4")
		if !h.m.people.focus.log.apart.on {
			t.Error("all of the room was loaded")
		}

		// What is said meanwhile does not tear a hole.
		sayIn(t, bruno, dev, "news")
		h.settle()
		h.hides("news")
		seen := []string{}
		collect := func(key string) {
			for range 400 {
				h.press(key)
				for _, row := range strings.Split(h.screen(), "\n") {
					if _, text, ok := strings.Cut(row, "line "); ok {
						seen = append(seen, strings.Fields(text)[0])
					}
				}
			}
		}
		collect("shift+down")
		h.shows("news")
		collect("shift+up")
		var all []string
		for i := range 400 {
			if i != 150 {
				all = append(all, fmt.Sprint(i))
			}
		}
		missing := 0
		for _, want := range all {
			found := false
			for _, s := range seen {
				found = found || s == want
			}
			if !found {
				missing++
			}
		}
		if missing > 0 {
			t.Errorf("%d of 400 lines were never on the screen", missing)
		}
		lg := &h.m.people.focus.log
		said := 0
		for _, l := range lg.lines {
			if api.Listed(l.Kind) {
				said++
			}
		}
		if said != 401 || lg.apart.on {
			t.Errorf("%d messages are loaded, want 401; apart: %v", said, lg.apart.on)
		}

		// Esc goes down, F4 back to what was found, and on to the other.
		h.press("esc")
		h.shows("news")
		h.press("f4")
		h.shows("▌ ", "2 messages")
		h.press("up", "enter")
		h.shows("write to clara", "no needle with me")
		h.press("f4", "esc")
		h.shows("lunch?")
	})
}

// Leaving what was found loads the newest again, however one does it.
func TestFindBack(t *testing.T) {
	for _, how := range []string{"esc", "ctrl+end", "say", "away and back", "clear"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				lan := apitest.NewLAN()
				anna, bruno := lan.Join("anna"), lan.Join("bruno")
				lan.Join("clara")
				texts := []string{"a needle"}
				for i := range 300 {
					texts = append(texts, fmt.Sprint("line ", i))
				}
				say(t, bruno, anna, texts...)
				h := newHarness(t, anna, 80, 24, Options{})
				h.settle()
				h.enter("/search needle")
				h.press("enter")
				h.shows("a needle", "more below", "begins here")
				say(t, bruno, anna, "news")
				h.settle()
				h.hides("news")
				switch how {
				case "say":
					h.enter("hello")
				case "away and back":
					h.press("ctrl+n", "ctrl+p")
				case "clear":
					h.enter("/clear")
					h.hides("needle")
					h.press("pgup", "ctrl+end")
				default:
					h.press(how)
				}
				h.shows("news", "line 299")
				h.hides("more below", "below")
			})
		})
	}
}

func TestFindWords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := pair(t)
		say(t, bruno, anna, strings.Repeat("padding ", 30)+"the Needle is far down "+strings.Repeat("in it ", 30))
		h.settle()
		h.press("f4")
		h.shows("words that were said anywhere", "Whole words")
		h.press("enter")
		h.shows("nothing is searched for")
		h.send(tea.PasteMsg{Content: "needle\nmore"})
		h.shows("Enter searches")
		h.press("enter")
		h.shows("Needle is far", "Enter goes there")
		h.typed("s")
		h.shows("Enter searches")
		h.press("enter")
		h.shows("Nothing was found")
		h.hides("Needle is far")
		h.press("ctrl+u")
		h.typed("from:nobody x")
		h.press("enter")
		h.shows("nobody called")
		h.press("esc")
		h.hides("nobody called")
		h.press("f4")
		h.shows("from:nobody x")
		h.press("ctrl+u")
		h.typed(`from:bruno "far down`)
		h.press("enter", "enter")
		h.shows("Needle is far down", "F4 to what was found")
	})
}

// A room one has left is searched too, under its name; what was said there can be
// looked at, and nothing else be done until one is back in.
func TestFindLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, _, dev := trio(t)
		h.enter("/join dev")
		for i := range 150 {
			sayIn(t, bruno, dev, fmt.Sprint("line ", i))
		}
		sayIn(t, bruno, dev, "a needle", "more of it")
		if _, err := anna.LeaveRoom(t.Context(), dev); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.enter("/search needle")
		h.shows("a needle", "#dev", "bruno")
		h.press("enter")
		const out = "you are no longer in #dev; /join #dev goes back in"
		h.shows("#dev  you are no longer in it", "line 149", "a needle", "more of it", "› "+out)
		for range 5 {
			h.press("ctrl+home")
		}
		h.shows("bruno joined", "line 0")
		h.press("esc")
		h.shows("more of it")
		for _, line := range []string{"hello?", "/subject x", "/nick an", "/names"} {
			h.enter(line)
			h.shows("⚠ " + out)
			h.press("ctrl+u", "esc")
		}
		h.press("ctrl+n") // it is on no list
		h.hides("#dev")
		h.press("f4")
		h.shows("#dev")
		h.press("enter")
		h.shows("more of it")

		h.enter("/join #dev")
		h.shows("write to #dev", "2 of 2 here")
		h.press("ctrl+n", "f4", "enter")
		h.shows("write to #dev", "a needle")
	})
}

// What was said in a room that was destroyed can be looked at, too.
func TestFindDestroyed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, _, bruno, _, dev := trio(t)
		h.enter("/join dev")
		sayIn(t, bruno, dev, "a needle")
		if _, err := bruno.Govern(t.Context(), api.GovernRequest{Room: dev, Act: api.ActDestroy}); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.enter("/search needle")
		h.shows("a needle", "#dev")
		h.press("enter")
		h.shows("#dev  you are no longer in it", "a needle", "› #dev was destroyed")
	})
}

// Of two rooms with one name, one of which one has left, the ID says which.
func TestFindLeftTwin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, _, dev := trio(t)
		h.enter("/join dev")
		sayIn(t, bruno, dev, "a needle")
		if _, err := anna.LeaveRoom(t.Context(), dev); err != nil {
			t.Fatal(err)
		}
		create(t, anna, api.CreateRoomRequest{Name: "dev"})
		h.settle()
		h.enter("/search needle")
		h.shows("#dev~" + dev[:4])
		h.press("enter")
		h.shows("you are no longer in #dev~" + dev[:4] + "; /join " + dev[:30])
	})
}

// hay is a long conversation of anna and bruno that begins with a needle of his and a
// pin of hers.
func hay(t *testing.T) (h *harness, anna, bruno *apitest.FakeNode) {
	t.Helper()
	lan := apitest.NewLAN()
	anna, bruno = lan.Join("anna"), lan.Join("bruno")
	say(t, bruno, anna, "a needle")
	say(t, anna, bruno, "a pin")
	for i := range 150 {
		say(t, bruno, anna, fmt.Sprint("his ", i))
		say(t, anna, bruno, fmt.Sprint("hers ", i))
	}
	h = newHarness(t, anna, 100, 24, Options{})
	h.settle()
	return h, anna, bruno
}

// amendments are what bruno has of edits, reactions and answers: which text became
// what, newest last.
func amendments(t *testing.T, bruno, anna *apitest.FakeNode) string {
	t.Helper()
	all, err := bruno.Log(t.Context(), api.LogQuery{Target: anna.PeerID()})
	if err != nil {
		t.Fatal(err)
	}
	texts, out := map[string]string{}, []string{}
	for _, m := range all {
		texts[m.ID] = m.Text
		if !m.Edited.IsZero() {
			out = append(out, "edited "+m.Text)
		}
		for _, r := range m.Reactions {
			out = append(out, m.Text+" "+r.Text)
		}
		if m.ReplyTo != "" {
			out = append(out, texts[m.ReplyTo]+" > "+m.Text)
		}
	}
	return strings.Join(out, "|")
}

// TestFoundMeant: after a jump, /edit, /react and /reply are about what was found, or
// about nothing; never about a message that is not on the screen.
func TestFoundMeant(t *testing.T) {
	const instead = "; Esc goes down to the newest message, F3 chooses one"
	for _, c := range []struct{ name, find, then, line, says, want string }{
		{"react", "needle", "", "/react ok", "reacted ok to bruno: a needle", "a needle ok"},
		{"reply", "needle", "", "/reply yes", "replying to bruno: a needle", "a needle > yes"},
		{"edit", "pin", "", "/edit a pen", "editing anna: a pin", "edited a pen"},
		{"edit another's", "needle", "", "/edit a pen", "what was found is not yours" + instead, ""},
		{"edit another's, prepared", "needle", "", "/edit", "what was found is not yours" + instead, ""},
		{"react to one's own", "pin", "", "/react ok", "what was found is your own" + instead, ""},
		{"reply to one's own", "pin", "", "/reply", "what was found is your own" + instead, ""},
		{"scrolled away", "needle", "pgdown pgdown", "/react ok", "what was found is no longer on the screen" + instead, ""},
		{"back at the bottom", "needle", "esc", "/react ok", "reacted ok to bruno: his 149", "his 149 ok"},
		{"scrolled up to it", "his-149", "", "/react ok", "reacted ok to bruno: his 149", "his 149 ok"},
		{"among what was loaded", "his-110", "", "/react ok", "reacted ok to bruno: his 110", "his 110 ok"},
		{"scrolled away there", "his-110", "pgup pgup", "/edit x", "what was found is no longer on the screen" + instead, ""},
		{"scrolled down there", "his-130", "pgdown pgdown pgdown", "/edit x", "hers 148", "edited x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, anna, bruno := hay(t)
				h.enter("/search \"" + strings.ReplaceAll(c.find, "-", " ") + "\"")
				h.press("enter")
				h.press(strings.Fields(c.then)...)
				h.enter(c.line)
				h.shows(c.says)
				if got := amendments(t, bruno, anna); got != c.want {
					t.Errorf("bruno has %q, want %q", got, c.want)
				}
			})
		})
	}
}

// What was found and taken back since is not answered.
func TestFoundRetracted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := hay(t)
		h.enter("/search needle")
		h.press("enter")
		first, err := bruno.Log(t.Context(), api.LogQuery{Target: anna.PeerID()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bruno.Retract(t.Context(), api.AmendRequest{Target: anna.PeerID(), ID: first[0].ID}); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.enter("/reply yes")
		h.shows("what was found was taken back; Esc goes down")
	})
}

// TestScrolledMeant: where one has scrolled up, it is the newest, and said which.
func TestScrolledMeant(t *testing.T) {
	for line, says := range map[string]string{
		"/react ok":  "reacted ok to bruno: his 149",
		"/reply yes": "replying to bruno: his 149",
		"/edit x":    "editing anna: hers 149",
	} {
		t.Run(line, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, _, _ := hay(t)
				h.press("pgup", "pgup")
				h.hides("149")
				h.enter(line)
				h.shows(says)
			})
		})
	}
}

// TestFoundListed: the lists of messages begin at what was found, and the bottom line
// says their keys.
func TestFoundListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, _, _ := hay(t)
		h.enter("/search pin")
		h.press("enter")
		h.shows("F4 to what was found")
		h.press("f3")
		h.shows("▌ 00:00 anna   a pin", "Enter chooses")
		h.hides("F4 to what was found")
		h.press("esc")
		h.enter("/retract")
		h.shows("▌ 00:00 anna  a pin")
		h.press("esc", "pgdown", "esc", "f3")
		h.shows("▌ 00:00 anna   hers 149")
		h.press("esc")
		h.enter("/frob")
		h.shows("there is no command /frob")
		h.press("f3")
		h.hides("/frob:")
		h.press("f4") // from one list to the other
		h.shows("─ Search ─", "Enter goes there")
		h.press("esc")
		h.press("enter")
		h.shows("there is no command /frob")
		h.press("f1")
		h.shows("Esc closes")
		h.hides("there is no command")
	})
}

// TestFindAgain: the dialog opens with what was found last, under an input that is
// empty for other words.
func TestFindAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, _, _ := hay(t)
		h.enter("/search a")
		h.shows("2 messages", "▌  1 Jan 00:00  bruno  anna   a pin")
		h.press("enter", "f4", "down", "enter", "f4")
		h.shows("› a", "2 messages", "▌  1 Jan 00:00  bruno  bruno  a needle", "Enter goes there")
		h.typed("pin")
		h.shows("› pin", "Enter searches")
		h.press("ctrl+u")
		h.shows("2 messages", "Enter goes there")
		h.typed("pin")
		h.press("enter")
		h.shows("1 message,", "a pin")
		h.press("esc", "f4", "ctrl+y")
		h.typed("s")
		h.shows("› pins")
	})
}

func TestSnippet(t *testing.T) {
	terms, err := api.ParseSearch("fox", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	const text = "the lazy dog was jumped over by a quick brown fox"
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{text, 60, text},
		{text, len(text), text},
		{text, len(text) - 1, "…e lazy dog was jumped over by a quick brown fox"},
		{text, 20, "…y a quick brown fox"},
		{"fox " + text, 20, "fox the lazy dog wa…"},
		{text + " and then it ran on and on", 20, "…brown fox and then…"},
		{"fox", 1, "…"},
		{text, 0, "…"},
	} {
		got := snippet(ansi.WcWidth, c.text, terms, c.width)
		if got != c.want || ansi.WcWidth.StringWidth(got) > max(c.width, 1) {
			t.Errorf("in %d columns %q is %q, want %q", c.width, c.text, got, c.want)
		}
	}
}
