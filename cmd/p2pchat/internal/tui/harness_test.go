package tui

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

var update = flag.Bool("update", false, "write the recorded screens of testdata anew")

// harness drives a model as Bubble Tea's loop does, inside a synctest bubble:
// it knows when nothing more happens by itself.
type harness struct {
	t    testing.TB
	m    *model
	msgs chan tea.Msg // room for more than any test causes: nobody may wait
	quit bool
}

// bubble runs a test with a clock of its own, which starts at midnight UTC,
// 2000-01-01.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// newHarness shows svc on a screen of w by h cells.
func newHarness(t testing.TB, svc api.Service, w, h int, o Options) *harness {
	t.Helper()
	if o.Environ == nil {
		o.Environ = []string{"TERM=xterm-256color", "LANG=C.UTF-8"}
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := newCalls(ctx)
	hn := &harness{t: t, m: newModel(svc, o, c), msgs: make(chan tea.Msg, 1<<16)}
	hn.m.now = func() time.Time { return time.Now().UTC() }
	watched := make(chan struct{})
	go func() { // ends with ctx
		defer close(watched)
		watch(ctx, svc, func(msg tea.Msg) { hn.msgs <- msg })
	}()
	t.Cleanup(func() {
		cancel()
		c.close()
		<-watched
	})
	hn.do(hn.m.Init())
	hn.send(tea.WindowSizeMsg{Width: w, Height: h})
	return hn
}

// do starts a command; its message arrives by itself.
func (h *harness) do(cmd tea.Cmd) {
	if cmd != nil {
		go func() { h.msgs <- cmd() }() // ends with the command
	}
}

func (h *harness) take(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil:
	case tea.QuitMsg:
		h.quit = true
	case tea.BatchMsg:
		for _, cmd := range msg {
			h.do(cmd)
		}
	default:
		_, cmd := h.m.Update(msg)
		h.do(cmd)
		h.m.View()
	}
}

// settle lets everything happen that happens without the clock.
func (h *harness) settle() {
	for {
		synctest.Wait()
		select {
		case msg := <-h.msgs:
			h.take(msg)
		default:
			return
		}
	}
}

// send gives the model messages.
func (h *harness) send(msgs ...tea.Msg) {
	for _, msg := range msgs {
		h.take(msg)
		h.settle()
	}
}

func resized(w, h int) tea.Msg { return tea.WindowSizeMsg{Width: w, Height: h} }

// pass lets time go by.
func (h *harness) pass(d time.Duration) {
	time.Sleep(d)
	h.settle()
}

// typed sends text as it is typed on a keyboard.
func (h *harness) typed(text string) {
	for _, r := range text {
		h.send(tea.KeyPressMsg{Text: string(r), Code: r})
	}
}

var namedKeys = map[string]rune{
	"enter": tea.KeyEnter, "tab": tea.KeyTab, "esc": tea.KeyEscape, "backspace": tea.KeyBackspace,
	"delete": tea.KeyDelete, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight,
	"home": tea.KeyHome, "end": tea.KeyEnd, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "f1": tea.KeyF1, "f2": tea.KeyF2, "f3": tea.KeyF3, "f4": tea.KeyF4,
}

// key makes the message of a key such as "ctrl+n" or "enter".
func keyMsg(name string) tea.KeyPressMsg {
	var k tea.Key
	parts := strings.Split(name, "+")
	for _, mod := range parts[:len(parts)-1] {
		k.Mod |= map[string]tea.KeyMod{"ctrl": tea.ModCtrl, "alt": tea.ModAlt, "shift": tea.ModShift}[mod]
	}
	last := parts[len(parts)-1]
	if c, ok := namedKeys[last]; ok {
		k.Code = c
	} else {
		k.Code = []rune(last)[0]
	}
	return tea.KeyPressMsg(k)
}

func (h *harness) press(names ...string) {
	for _, n := range names {
		h.send(keyMsg(n))
	}
}

// enter types a line and sends it.
func (h *harness) enter(line string) {
	h.typed(line)
	h.press("enter")
}

// screen is what stands on the screen, without colours.
func (h *harness) screen() string {
	rows := strings.Split(ansi.Strip(h.m.View().Content), "\n")
	for i, r := range rows {
		rows[i] = strings.TrimRight(r, " ")
	}
	return strings.Join(rows, "\n") + "\n"
}

func (h *harness) shows(texts ...string) {
	h.t.Helper()
	s := h.screen()
	for _, text := range texts {
		if !strings.Contains(s, text) {
			h.t.Errorf("the screen does not show %q:\n%s", text, s)
		}
	}
}

func (h *harness) hides(texts ...string) {
	h.t.Helper()
	s := h.screen()
	for _, text := range texts {
		if strings.Contains(s, text) {
			h.t.Errorf("the screen shows %q:\n%s", text, s)
		}
	}
}

// unlists checks that no conversation on the left is called label.
func (h *harness) unlists(label string) {
	h.t.Helper()
	if slices.ContainsFunc(h.m.people.rows, func(t *talk) bool { return t.label() == label }) {
		h.t.Errorf("%s is still listed:\n%s", label, h.screen())
	}
}

// golden compares the screen with the recorded one.
func (h *harness) golden(name string) {
	h.t.Helper()
	got := h.screen()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			h.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		h.t.Fatal(err)
	}
	if got != string(want) {
		h.t.Errorf("%s (-update writes it anew)\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

// say has one node write to another.
func say(t testing.TB, from, to *apitest.FakeNode, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := from.Send(t.Context(), api.SendRequest{Target: to.PeerID(), Text: text}); err != nil {
			t.Fatal(err)
		}
	}
}
