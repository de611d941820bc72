package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// pair shows anna's node on 80x24, with bruno on the same LAN.
func TestTextLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := pair(t)
		h.send(tea.PasteMsg{Content: strings.Repeat("x", api.MaxText+1)})
		h.press("enter")
		h.shows("the limit is 16384")
		h.press("backspace", "enter")
		if got := texts(t, bruno, anna); len(got) != 1 || len(got[0]) != api.MaxText {
			t.Errorf("%d messages arrived", len(got))
		}
		h.send(tea.PasteMsg{Content: strings.Repeat("x", maxDraft+1)})
		h.shows("is too much")
		if h.m.draft().text != "" {
			t.Error("the paste was taken")
		}
		h.enter("   ")
		if got := texts(t, bruno, anna); len(got) != 1 {
			t.Errorf("spaces were sent: %q", got)
		}
	})
}

func TestCommandErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"/nosuch", "there is no command /nosuch"},
		{"/", "there is no command /"},
		{"/etc/passwd is broken", "there is no command /etc/passwd"},
		{"/msg", "say whom to"},
		{"/msg nobody hi", `nobody called "nobody" is known`},
		{"/me", "say what you do"},
		{"/add", "say which address"},
		{"/capture x.pcap", "there is no command /capture"},
		{"/search from:", "a name must follow from:"},
		{"/away " + strings.Repeat("x", api.MaxStatus+1), "the limit is 256"},
	} {
		t.Run(c.line[:min(len(c.line), 20)], func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, anna, bruno := pair(t)
				h.enter(c.line)
				if got := strings.ReplaceAll(h.screen(), "\n ", " "); !strings.Contains(got, c.want) {
					t.Errorf("no %q on the screen:\n%s", c.want, got)
				}
				if got := h.m.draft().text; got != c.line {
					t.Errorf("the input holds %q, want %q", got, c.line)
				}
				wantTexts(t, bruno, anna)
			})
		})
	}
}

func TestCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno, clara := lan.Join("anna"), lan.Join("bruno"), lan.Join("clara")
		h := newHarness(t, anna, 80, 24, Options{})
		h.settle()
		row := func() api.Peer {
			ps, err := bruno.Peers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return ps[slices.IndexFunc(ps, func(p api.Peer) bool { return p.Name == "anna" })]
		}
		h.enter("/away  at   lunch ")
		if p := row(); !p.Away || p.Status != "at lunch" {
			t.Errorf("away: %+v", p)
		}
		h.shows("◐ anna (away)")
		h.enter("/back")
		if p := row(); p.Away || p.Status != "" {
			t.Errorf("back: %+v", p)
		}
		h.hides("(away)")

		h.enter("/MSG @clara how are you?\n")
		wantTexts(t, clara, anna, "how are you?")
		h.shows("● clara  online", "write to clara")

		if err := anna.RemovePeer(t.Context(), "bruno"); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.hides("bruno")
		h.enter("/add /ip4/10.0.0.2/tcp/47700/p2p/" + bruno.PeerID())
		h.shows("● bruno")
		h.enter("/add nonsense")
		h.shows("is not an address")

		h.enter("/clear")
		h.hides("how are you?")
		h.press("pgup")
		h.shows("how are you?")

		h.enter("/search HOW you")
		h.shows("how are you?", "1 message")
		h.press("esc")

		h.enter("/quit")
		if !h.quit {
			t.Error("still there")
		}
	})
}

func TestCapture(t *testing.T) {
	bubble(t, func(t *testing.T) {
		anna := apitest.NewLAN().Join("anna")
		var files []string
		fail := errors.New("no permission: run with sudo")
		h := newHarness(t, anna, 100, 24, Options{Capture: func(ctx context.Context, file string, secrets bool, tell func(string)) (string, error) {
			if secrets {
				file += " with secrets"
			}
			files = append(files, file)
			if file == "/forbidden.pcap" {
				return "", fail
			}
			return untilStopped(ctx, file, false, tell)
		}})
		h.settle()
		h.enter("/stop-capture")
		h.shows("no capture is running")
		h.press("ctrl+u")
		h.enter("/capture my file.pcapng")
		h.shows("● 12 packets", "capturing into my file.pcapng")
		h.enter("/capture other.pcap")
		h.shows("a capture into my file.pcapng is running")
		h.press("ctrl+u")
		h.enter("/stop-capture")
		h.shows("captured into my file.pcapng. 12 packets.")
		h.hides("● 12 packets")
		h.enter("/capture /forbidden.pcap")
		h.shows("no permission")
		h.press("ctrl+u")
		h.enter("/capture my keys.pcapng --secrets")
		h.shows("whoever has the file reads all that is said")
		h.enter("/stop-capture")
		h.shows("captured into my keys.pcapng. 12 packets.")
		h.enter("/capture --secrets")
		h.shows("say which file")
		if want := []string{"my file.pcapng", "/forbidden.pcap", "my keys.pcapng with secrets"}; !slices.Equal(files, want) {
			t.Errorf("captured %q, want %q", files, want)
		}
	})
}

// counting counts typing notices.
// A name two people have is told apart, and says so when it is asked for.
func TestTwins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, one, two := lan.Join("anna"), lan.Join("Bob"), lan.Join("Bob")
		h := newHarness(t, anna, 90, 24, Options{})
		h.settle()
		print := func(n *apitest.FakeNode) string {
			id, err := n.Whoami(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return strings.Fields(id.Fingerprint)[0]
		}
		h.shows("Bob~"+print(one), "Bob~"+print(two), "⚠")
		h.enter("/msg bob hi")
		h.shows("2 people are called bob")
		h.press("ctrl+u")
		h.enter("/msg Bob~" + print(two) + " hi")
		wantTexts(t, one, anna)
		wantTexts(t, two, anna, "hi")
	})
}

func TestCompletion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna := lan.Join("anna")
		for _, n := range []string{"bea", "boris", "bruno"} {
			lan.Join(n)
		}
		h := newHarness(t, anna, 80, 24, Options{})
		h.enter("/msg bruno")
		for _, c := range []struct {
			typed string
			keys  []string
			want  string
		}{
			{"/who", []string{"tab", "tab"}, "/whoami "},
			{"/nothing", []string{"tab"}, "/nothing"},
			{"be", []string{"tab"}, "bea: "},
			{"ask be", []string{"tab"}, "ask bea "},
			{"ask @BO", []string{"tab"}, "ask @boris "},
			{"b", []string{"tab"}, "bruno: "}, // whom one talks with comes first
			{"b", []string{"tab", "tab"}, "bea: "},
			{"b", []string{"tab", "tab", "shift+tab"}, "bruno: "},
			{"/msg bo", []string{"tab"}, "/msg boris "},
			{"/verify bo", []string{"tab"}, "/verify boris "},
			{"/unblock br", []string{"tab"}, "/unblock bruno "},
			{"", []string{"tab"}, ""},
			{"x ", []string{"tab"}, "x "},
		} {
			h.typed(c.typed)
			h.press(c.keys...)
			if got := h.m.draft().text; got != c.want {
				t.Errorf("%q %v gave %q, want %q", c.typed, c.keys, got, c.want)
			}
			h.press("ctrl+u")
		}
	})
}

// Drafts belong to their conversations, and history to the person.
func TestDraftsAndHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna := lan.Join("anna")
		lan.Join("bruno")
		lan.Join("clara")
		h := newHarness(t, anna, 80, 24, Options{})
		h.enter("/msg bruno")
		h.enter("one")
		h.enter("two")
		h.typed("for bruno")
		h.press("ctrl+n")
		h.shows("write to clara")
		h.typed("for clara")
		h.press("ctrl+p")
		h.shows("› for bruno")
		for _, c := range []struct{ key, want string }{
			{"up", "two"},
			{"up", "one"},
			{"down", "two"},
			{"down", "for bruno"},
			{"down", "for bruno"},
		} {
			h.press(c.key)
			if got := h.m.draft().text; got != c.want {
				t.Errorf("%s shows %q, want %q", c.key, got, c.want)
			}
		}
		h.press("ctrl+n")
		h.shows("› for clara")
	})
}

func TestQuitKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, _, _ := pair(t)
		h.typed("unsent")
		h.press("f1", "ctrl+c")
		if !h.quit {
			t.Error("Ctrl+C did not quit")
		}
	})
}

// Esc and the next key may arrive as one: neither is lost.
func TestEscThenSlash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := pair(t)
		h.press("f1", "alt+/")
		h.typed("whoami")
		h.shows("› /whoami")
		h.hides("─ Help ─")
		h.press("enter")
		h.shows("─ You ─")
		wantTexts(t, bruno, anna)
	})
}
