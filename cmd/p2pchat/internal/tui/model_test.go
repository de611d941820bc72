package tui

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
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
	send, log error
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
		{"/search", "nothing to search"},
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
		h.shows("found")
		h.enter("/search")
		h.shows("nothing further up")
		h.press("ctrl+u", "esc")

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
		h := newHarness(t, anna, 100, 24, Options{Capture: func(ctx context.Context, file string) (string, error) {
			files = append(files, file)
			if file == "/forbidden.pcap" {
				return "", fail
			}
			return untilStopped(ctx, file)
		}})
		h.settle()
		h.enter("/stop-capture")
		h.shows("no capture is running")
		h.press("ctrl+u")
		h.enter("/capture my file.pcapng")
		h.shows("● capture", "capturing into my file.pcapng")
		h.enter("/capture other.pcap")
		h.shows("a capture into my file.pcapng is running")
		h.press("ctrl+u")
		h.enter("/stop-capture")
		h.shows("captured into my file.pcapng. 12 packets.")
		h.hides("● capture")
		h.enter("/capture /forbidden.pcap")
		h.shows("no permission")
		if want := []string{"my file.pcapng", "/forbidden.pcap"}; !slices.Equal(files, want) {
			t.Errorf("captured %q, want %q", files, want)
		}
	})
}

// counting counts typing notices.
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
		h.press("ctrl+u")
		h.pass(time.Minute)
		h.typed("/status")
		if svc.typing != 2 {
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
			{"/wh", []string{"tab"}, "/whoami "},
			{"/nothing", []string{"tab"}, "/nothing"},
			{"be", []string{"tab"}, "bea: "},
			{"ask be", []string{"tab"}, "ask bea "},
			{"ask @BO", []string{"tab"}, "ask @boris "},
			{"b", []string{"tab"}, "bruno: "}, // whom one talks with comes first
			{"b", []string{"tab", "tab"}, "bea: "},
			{"b", []string{"tab", "tab", "shift+tab"}, "bruno: "},
			{"/msg bo", []string{"tab"}, "/msg boris "},
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

// Older messages come as one scrolls, without gaps, and the view stays where
// it is when new ones arrive.
func TestScrollback(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		const n = 250
		for i := range n {
			say(t, bruno, anna, fmt.Sprintf("line %03d", i))
		}
		h := newHarness(t, anna, 80, 24, Options{})
		h.settle()
		seen := map[string]bool{}
		look := func() {
			for f := range strings.FieldsSeq(h.screen()) {
				seen[f] = true
			}
		}
		look()
		for range n / 10 {
			h.press("pgup")
			look()
		}
		h.shows("the conversation with bruno begins here", "line 000")
		for i := range n {
			if !seen[fmt.Sprintf("%03d", i)] {
				t.Errorf("line %d never stood on the screen", i)
			}
		}
		h.press("pgdown", "pgdown")
		before := h.screen()
		say(t, bruno, anna, "one more")
		h.settle()
		after := h.screen()
		if cutRule(before) != cutRule(after) {
			t.Errorf("the view moved\nfrom:\n%s\nto:\n%s", before, after)
		}
		h.press("ctrl+end")
		h.shows("one more")
		h.press("ctrl+home")
		h.shows("line 000")
	})
}

// cutRule leaves the messages of a screen of 80 by 24.
func cutRule(s string) string {
	rows := strings.Split(s, "\n")[1:21]
	for i, r := range rows {
		if _, r, ok := strings.Cut(r, "│"); ok {
			rows[i] = r
		}
	}
	return strings.Join(rows, "\n")
}

// Changes that were missed are made up for by the snapshot after them.
func TestLagged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		h := newHarness(t, deaf{anna}, 80, 24, Options{})
		snapshot := func() tea.Msg {
			for c := range anna.Watch(t.Context(), 0) {
				return changeMsg(c)
			}
			return nil
		}
		h.send(snapshot())
		say(t, bruno, anna, "missed")
		h.settle()
		h.hides("missed")
		clara := lan.Join("clara")
		h.send(changeMsg{Type: api.ChangeLagged}, snapshot())
		h.shows("missed", "● clara")

		// More than a page was missed: no hole is left between old and new.
		for i := range 3 * pageSize {
			say(t, bruno, anna, fmt.Sprint("line ", i))
		}
		if err := anna.RemovePeer(t.Context(), clara.PeerID()); err != nil {
			t.Fatal(err)
		}
		h.send(changeMsg{Type: api.ChangeLagged}, snapshot())
		h.shows(fmt.Sprint("line ", 3*pageSize-1))
		h.hides("clara")
		for range 50 {
			h.press("pgup")
		}
		h.shows("missed")
		var got []string
		for _, l := range h.m.people.focus.log.lines {
			got = append(got, l.Text)
		}
		if want := texts(t, anna, bruno); !slices.Equal(got, want) {
			t.Errorf("the transcript has %d lines, the log %d, or in another order", len(got), len(want))
		}
	})
}

// deaf is a service without changes.
type deaf struct{ api.Service }

func (deaf) Watch(ctx context.Context, _ uint64) iter.Seq2[api.Change, error] {
	return func(func(api.Change, error) bool) { <-ctx.Done() }
}

// A node that stops and comes back, as behind a socket.
func TestNodeComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		svc := &flaky{Service: anna}
		mend := svc.breakable()
		h := newHarness(t, svc, 80, 24, Options{})
		h.settle()
		h.enter("before")
		close(*svc.broken.Load())
		h.settle()
		h.shows("no node", "the node does not answer", "○ bruno")
		say(t, bruno, anna, "while away")
		h.pass(time.Minute)
		h.hides("while away")
		mend()
		h.pass(lastRetry)
		h.shows("the node answers again", "● bruno", "before", "while away")
		h.hides("no node")
	})
}

// flaky is a service that cannot be reached while broken is closed.
type flaky struct {
	api.Service
	broken atomic.Pointer[chan struct{}]
}

// breakable makes it work; it returns how to do so again.
func (f *flaky) breakable() (mend func()) {
	mend = func() {
		c := make(chan struct{})
		f.broken.Store(&c)
	}
	mend()
	return mend
}

func (f *flaky) Watch(ctx context.Context, since uint64) iter.Seq2[api.Change, error] {
	return func(yield func(api.Change, error) bool) {
		broken := *f.broken.Load()
		select {
		case <-broken:
			yield(api.Change{}, errors.New("connection refused"))
			return
		default:
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { // ends with ctx
			select {
			case <-broken:
				cancel()
			case <-ctx.Done():
			}
		}()
		for c, err := range f.Service.Watch(ctx, since) {
			if !yield(c, err) {
				return
			}
		}
		select {
		case <-broken:
			yield(api.Change{}, errors.New("connection refused"))
		default:
		}
	}
}

// A log that cannot be read is told once, not asked for again and again.
func TestLogFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna := lan.Join("anna")
		lan.Join("bruno")
		h := newHarness(t, &failing{Service: anna, log: api.Errorf(api.CodeDamaged, "the database is damaged")}, 80, 24, Options{})
		h.settle()
		h.shows("the database is damaged")
	})
}

func TestMouse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		lan.Join("clara")
		for i := range 60 {
			say(t, bruno, anna, fmt.Sprint("line ", i))
		}
		h := newHarness(t, anna, 80, 24, Options{})
		h.settle()
		if h.m.View().MouseMode != tea.MouseModeNone {
			t.Error("the mouse is on by itself")
		}
		h.enter("/mouse")
		if h.m.View().MouseMode == tea.MouseModeNone {
			t.Error("the mouse is off")
		}
		h.send(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
		h.shows("line 56")
		h.hides("line 57")
		h.send(tea.MouseClickMsg{X: 3, Y: 2})
		h.shows("write to clara")
		h.send(tea.MouseClickMsg{X: 3, Y: 15}, tea.MouseClickMsg{X: 60, Y: 1})
		h.shows("write to clara")
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

func TestNotices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHarness(t, apitest.NewLAN().Join("anna"), 80, 24, Options{Notices: []string{"port 47700 is taken,\x1b[2J using 47701"}})
		h.settle()
		h.shows("port 47700 is taken,␛[2J using 47701")
		h.pass(noteTime)
		h.hides("47701")
	})
}
