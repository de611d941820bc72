package tui

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// pair shows anna's node on 80x24, with bruno on the same LAN.
func pair(t *testing.T) (h *harness, anna, bruno *apitest.FakeNode) {
	t.Helper()
	lan := apitest.NewLAN()
	anna, bruno = lan.Join("anna"), lan.Join("bruno")
	h = newHarness(t, anna, 80, 24, Options{})
	h.settle()
	return h, anna, bruno
}

// texts are the messages of a conversation as a node has them.
func texts(t testing.TB, n, with *apitest.FakeNode) []string {
	t.Helper()
	ms, err := n.Log(t.Context(), api.LogQuery{Target: with.PeerID()})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range ms {
		if m.Kind == api.MessageAction {
			m.Text = "* " + m.Text
		}
		out = append(out, m.Text)
	}
	return out
}

func wantTexts(t testing.TB, n, with *apitest.FakeNode, want ...string) {
	t.Helper()
	if got := texts(t, n, with); !slices.Equal(got, want) {
		t.Errorf("messages are %q, want %q", got, want)
	}
}

func TestTalking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := pair(t)
		h.enter("hello")
		h.enter("//not a command")
		h.enter("/me waves")
		h.enter("//me is a command")
		h.typed("two")
		h.press("alt+enter")
		h.enter("lines")
		wantTexts(t, bruno, anna, "hello", "/not a command", "* waves", " /me is a command", "two\nlines")
		h.shows("hello", "∗  anna waves", "✓")
		if got := h.m.draft().text; got != "" {
			t.Errorf("the input still holds %q", got)
		}
		say(t, bruno, anna, "hi anna")
		h.settle()
		h.shows("bruno  hi anna")
	})
}

// The mark beside a message follows what becomes of it.
func TestDeliveryStates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := pair(t)
		mark := func() string {
			t.Helper()
			for row := range strings.SplitSeq(h.screen(), "\n") {
				if strings.Contains(row, "anna  ping") {
					f := strings.Fields(row)
					return f[len(f)-1]
				}
			}
			t.Fatalf("no ping on the screen:\n%s", h.screen())
			return ""
		}
		bruno.SetOnline(false)
		h.settle()
		h.enter("ping")
		if got := mark(); got != "…" {
			t.Errorf("absent: %s", got)
		}
		h.shows("1 queued")
		bruno.SetOnline(true)
		h.settle()
		if got := mark(); got != "✓" {
			t.Errorf("back: %s", got)
		}
		h.hides("queued")
		if err := bruno.MarkRead(t.Context(), anna.PeerID(), last(t, bruno, anna)); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got := mark(); got != "✓✓" {
			t.Errorf("read: %s", got)
		}
	})
}

// Only what stood on the screen of somebody who looks at it is marked as read.
func TestMarkRead(t *testing.T) {
	unread := func(t *testing.T, n *apitest.FakeNode) int {
		cs, err := n.Conversations(t.Context())
		if err != nil || len(cs) != 1 {
			t.Fatal(cs, err)
		}
		return cs[0].Unread
	}
	for _, c := range []struct {
		name       string
		hide, show func(h *harness)
	}{
		{"another window has the keyboard", func(h *harness) { h.send(tea.BlurMsg{}) }, func(h *harness) { h.send(tea.FocusMsg{}) }},
		{"a sheet covers it", func(h *harness) { h.press("f1") }, func(h *harness) { h.press("esc") }},
		{"scrolled up", func(h *harness) { h.press("pgup") }, func(h *harness) { h.press("ctrl+end") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, anna, bruno := pair(t)
				for i := range 40 {
					say(t, bruno, anna, fmt.Sprint("line ", i))
				}
				h.settle()
				if n := unread(t, anna); n != 0 {
					t.Fatalf("%d unread although all was shown", n)
				}
				c.hide(h)
				say(t, bruno, anna, "psst")
				h.settle()
				if n := unread(t, anna); n != 1 {
					t.Errorf("hidden: %d unread, want 1", n)
				}
				c.show(h)
				h.shows("psst")
				if n := unread(t, anna); n != 0 {
					t.Errorf("shown: %d unread, want 0", n)
				}
			})
		})
	}
}

// What came in another conversation is counted, announced by a marker when
// that is opened, and then read.
func TestUnreadElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno, clara := lan.Join("anna"), lan.Join("bruno"), lan.Join("clara")
		say(t, clara, anna, "old")
		h := newHarness(t, anna, 80, 24, Options{})
		h.enter("/msg clara")
		h.enter("/msg bruno")
		say(t, clara, anna, "lunch?", "now?")
		h.settle()
		h.shows("● clara      2")
		if got := h.m.View().WindowTitle; got != "(2) p2pchat" {
			t.Errorf("title %q", got)
		}
		h.press("ctrl+o")
		s := h.screen()
		at := func(text string) int { return strings.Index(s, text) }
		if at(" old") < 0 || at("─ new ─") < at(" old") || at("lunch?") < at("─ new ─") {
			t.Errorf("marker not between old and new:\n%s", s)
		}
		h.hides("● clara      2")
		h.press("ctrl+p")
		h.press("ctrl+n")
		h.hides("─ new ─")
		wantTexts(t, bruno, anna)
	})
}

// Lines sent faster than the service answers arrive in the order of writing.
func TestSendOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := pair(t)
		var want []string
		for i := range 50 {
			text := fmt.Sprint("line ", i)
			want = append(want, text)
			h.m.draft().setText(text)
			h.take(keyMsg("enter")) // nothing is waited for
		}
		h.settle()
		wantTexts(t, bruno, anna, want...)
	})
}

// failing is a service some of whose methods fail.
type failing struct {
	api.Service
	send, log, watch error
}

func (f *failing) Watch(ctx context.Context, since uint64) iter.Seq2[api.Change, error] {
	if f.watch != nil {
		return func(yield func(api.Change, error) bool) { yield(api.Change{}, f.watch) }
	}
	return f.Service.Watch(ctx, since)
}

func (f *failing) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	if f.send != nil {
		return api.Receipt{}, f.send
	}
	return f.Service.Send(ctx, r)
}

func (f *failing) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	if f.log != nil {
		return nil, f.log
	}
	return f.Service.Log(ctx, q)
}

func TestSendFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		svc := &failing{Service: anna, send: api.Errorf(api.CodeDiskFull, "the disk is full\x1b[2J")}
		h := newHarness(t, svc, 80, 24, Options{})
		h.settle()
		h.enter("important")
		h.shows("the disk is full␛[2J", "› important")
		svc.send = nil
		h.press("enter")
		wantTexts(t, bruno, anna, "important")
		h.hides("disk is full")
	})
}

// What the node warns of is listed whole, also where the screen has no room for it.
func TestStandingNoticesListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		anna := apitest.NewLAN().Join("anna")
		anna.Notice("the database is damaged: " + strings.Repeat("stop the node, ", 20) + "then repair it")
		h := newHarness(t, anna, 80, 24, Options{})
		h.settle()
		h.hides("then repair it")
		h.enter("/notices")
		h.shows("now", "then repair it")
		h.hides("Nothing yet")
	})
}

type counting struct {
	api.Service
	typing int
}

func (c *counting) Typing(ctx context.Context, target string) error {
	c.typing++
	return c.Service.Typing(ctx, target)
}

func TestTypingNotices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		svc := &counting{Service: anna}
		h := newHarness(t, svc, 80, 24, Options{})
		h.settle()
		h.typed("hello there")
		if svc.typing != 1 {
			t.Errorf("%d notices for one burst, want 1", svc.typing)
		}
		h.pass(typingEvery)
		h.typed("!")
		if svc.typing != 2 {
			t.Errorf("%d notices later, want 2", svc.typing)
		}
		h.press("enter")
		h.typed("and")
		if svc.typing != 3 {
			t.Errorf("%d notices after a message, want 3", svc.typing)
		}
		h.press("ctrl+u")
		h.pass(time.Minute)
		h.typed("/status")
		if svc.typing != 3 {
			t.Errorf("a command was announced")
		}

		if err := bruno.Typing(t.Context(), anna.PeerID()); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.shows("bruno is typing")
		h.pass(typingTime)
		h.hides("is typing")
		if err := bruno.Typing(t.Context(), anna.PeerID()); err != nil {
			t.Fatal(err)
		}
		say(t, bruno, anna, "there")
		h.settle()
		h.hides("is typing")
	})
}

// TestNameOnTop: of a screen full of what one person said, the first message that
// begins on it says whose it is, wherever it is scrolled to.
func TestNameOnTop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := pair(t)
		for i := range 60 {
			say(t, bruno, anna, fmt.Sprint("line ", i, strings.Repeat(" of many words", i%3*3)))
		}
		h.settle()
		for range 40 {
			named, first := 0, ""
			for _, row := range strings.Split(h.screen(), "\n") {
				if strings.Contains(row, "00:00") && first == "" {
					first = row
				}
				if strings.Contains(row, "bruno  line") {
					named++
				}
			}
			if named != 1 || !strings.Contains(first, "bruno  line") {
				t.Fatalf("%d messages have a name, and the first is %q:\n%s", named, first, h.screen())
			}
			h.send(tea.MouseWheelMsg{Button: tea.MouseWheelUp}) // by three rows
		}
		h.shows("begins here")
	})
}
