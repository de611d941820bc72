package gossip

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSamePayload(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	all := meet(b, 2, nil)
	all[0].publish("same")
	all[1].has("same")
	all[0].publish("same")
	all[1].publish("same")
	all[0].publish("other")
	all[1].has("other")
	if got := get(b, func() []string { return all[1].delivered }); !slices.Equal(got, []string{"same", "other"}) {
		t.Errorf("delivered %q", got)
	}
	if MessageID("a", []byte("bc")) == MessageID("ab", []byte("c")) || MessageID("a", nil) == MessageID("b", nil) {
		t.Error("messages of two topics share an ID")
	}
}

// TestLeaveAndRejoin: who left is sent nothing, and comes back. What was published
// just before that he may get all the same: it is advertised for a moment.
func TestLeaveAndRejoin(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	all := meet(b, 3, nil)
	back := all[2]
	if _, err := back.service.Join(room, back); err == nil {
		t.Error("joined twice")
	}
	if n := len(back.topic.Peers()); n != 2 {
		t.Errorf("%d peers, want 2", n)
	}
	if err := back.topic.Leave(); err != nil {
		t.Fatal(err)
	}
	if err := back.topic.Leave(); err != nil {
		t.Errorf("leave again: %v", err)
	}
	all[0].sees(all[1])
	all[1].sees(all[0])
	all[0].publish("without")
	all[1].has("without")
	if slices.Contains(get(b, func() []string { return back.delivered }), "without") {
		t.Error("delivered to who has left")
	}
	if err := back.topic.Publish(t.Context(), []byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("publish after leaving: %v", err)
	}
	b.note(func() { clear(back.present) })
	back.join(room)
	for i, m := range all {
		m.sees(slices.Delete(slices.Clone(all), i, i+1)...)
	}
	all[0].publish("again")
	back.has("again")
	back.publish("here I am")
	all[0].has("here I am")
}

func TestPeerLost(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	all := meet(b, 3, nil)
	if err := all[2].host.Close(); err != nil {
		t.Fatal(err)
	}
	all[0].sees(all[1])
	all[1].sees(all[0])
}

// The hosts stay; what the services had on them must not.
func TestCloseEndsEverything(t *testing.T) {
	before := goroutines()
	if len(before) > 0 {
		t.Fatalf("run before tests that are parallel; there are\n%s", before[0])
	}
	b := newBoard(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all := meet(b, 3, nil)
	runs := make(chan error, 1)
	go func() { runs <- all[0].service.Run(ctx) }() // ends with ctx
	all[0].publish("hello")
	all[1].has("hello")
	cancel()
	if err := <-runs; err != nil {
		t.Errorf("run: %v", err)
	}
	all[1].service.Close()
	all[1].service.Close()
	all[2].service.Close()
	for _, m := range all {
		if _, err := m.service.Join("another", m); !errors.Is(err, ErrClosed) {
			t.Errorf("join after close: %v", err)
		}
		if err := m.topic.Publish(t.Context(), []byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("publish after close: %v", err)
		}
		if p := m.topic.Peers(); len(p) > 0 {
			t.Errorf("%d peers after close", len(p))
		}
		if err := m.topic.Leave(); err != nil {
			t.Errorf("leave after close: %v", err)
		}
	}
	for deadline := time.Now().Add(giveUp); ; {
		left := goroutines()
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
		runtime.Gosched()
		time.Sleep(10 * time.Millisecond) // they tell nobody when they end
	}
}

// goroutines are the stacks of those that pubsub or we started.
func goroutines() (found []string) {
	buf := make([]byte, 4<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "go-libp2p-pubsub") || (strings.Contains(g, "internal/gossip.") && !strings.Contains(g, "testing.tRunner")) {
			found = append(found, g)
		}
	}
	return found
}

// PubSub's debugging shows payloads; its notices are nothing for people.
func TestQuiet(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(quiet{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})}).With("a", 1).WithGroup("g")
	log.Debug("payload")
	log.Info("notice")
	log.Warn("warning")
	got := out.String()
	if strings.Contains(got, "payload") || !strings.Contains(got, "DEBUG msg=notice") || !strings.Contains(got, "WARN msg=warning") {
		t.Errorf("logged:\n%s", got)
	}
}
