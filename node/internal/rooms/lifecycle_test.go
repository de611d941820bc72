package rooms

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestAskedBeforeRun: sync and hello begin beside rooms, and may ask before rooms
// run.
func TestAskedBeforeRun(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		a.halt()
		a.load()
		served := make(chan bool, 1)
		go func() { served <- a.room(id).Entitled(b.id()) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		a.stop, a.done = cancel, make(chan struct{})
		go func() {
			defer close(a.done)
			if err := a.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		if !<-served {
			t.Error("a member is not served")
		}
	})
}
