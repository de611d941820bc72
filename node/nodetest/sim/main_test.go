package sim

import (
	"log/slog"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"
)

func TestMain(m *testing.M) {
	// A hundred nodes live in some hundred megabytes; collecting them over and
	// over is a fourth of the time.
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// inBubble runs f with a network in virtual time.
func inBubble(t *testing.T, seed uint64, f func(t *testing.T, n *Net)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := Options{Seed: seed}
		if os.Getenv("P2PCHAT_TEST_LOG") != "" {
			o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		n, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		f(t, n)
	})
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
