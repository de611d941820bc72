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

// A node that answers that it cannot read is not one that does not answer.
func TestWatchCannotRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		svc := &failing{Service: apitest.NewLAN().Join("anna"), watch: api.Errorf(api.CodeDamaged, "the database is damaged")}
		h := newHarness(t, svc, 80, 24, Options{})
		h.settle()
		h.shows("cannot read", "the database is damaged")
		h.hides("no node", "starting", "looking for it")
		svc.watch = nil // repaired
		h.pass(lastRetry)
		h.hides("cannot read", "the database is damaged")
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

func TestNotices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHarness(t, apitest.NewLAN().Join("anna"), 80, 24, Options{Notices: []string{"port 47700 is taken,\x1b[2J using 47701"}})
		h.settle()
		h.shows("port 47700 is taken,␛[2J using 47701")
		h.pass(noteTime)
		h.hides("47701")
	})
}
