package node

import (
	"context"
	"iter"
	"testing"

	"p2pchat/node/api"
)

// Whoever watches begins anew after forget, also if he was behind or comes back
// with an old number, and who begins afterwards misses nothing.
func TestHubForgets(t *testing.T) {
	t.Parallel()
	h := newHub()
	snapshot := func(context.Context) (api.Snapshot, error) { return api.Snapshot{}, nil }
	watch := func(since uint64) (more func() api.Change) {
		next, stop := iter.Pull2(h.watch(t.Context(), since, snapshot))
		t.Cleanup(stop)
		return func() api.Change {
			c, err, ok := next()
			if err != nil || !ok {
				t.Fatalf("the watch ended: %v", err)
			}
			return c
		}
	}
	more := watch(0)
	first := more()
	h.publish(api.Change{Type: api.ChangeNotice, Notice: "old"})
	if c := more(); c.Notice != "old" {
		t.Fatalf("got %+v", c)
	}
	old := h.number()
	h.publish(api.Change{Type: api.ChangeNotice, Notice: "no longer true"})
	h.forget()
	h.publish(api.Change{Type: api.ChangeNotice, Notice: "new"})
	lagged, again := more(), more()
	if lagged.Type != api.ChangeLagged || again.Type != api.ChangeSnapshot || lagged.Seq <= old || again.Seq <= lagged.Seq {
		t.Errorf("after number %d came %+v, %+v", old, lagged, again)
	}
	for _, since := range []uint64{first.Seq, old, old + 1, lagged.Seq - 1} {
		if c := watch(since)(); c.Type != api.ChangeSnapshot {
			t.Errorf("a watch since %d began with %+v, want a snapshot", since, c)
		}
	}
	h.publish(api.Change{Type: api.ChangeNotice, Notice: "newer"})
	if c := more(); c.Notice != "newer" || c.Seq <= again.Seq {
		t.Errorf("after the snapshot came %+v", c)
	}
	if c := watch(again.Seq)(); c.Notice != "newer" {
		t.Errorf("who continues from the snapshot gets %+v", c)
	}
}
