package cli

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"p2pchat/node/api"
)

const (
	// baseline is how many of the newest messages a follower looks at when it
	// starts: they tell how far each author's log had come.
	baseline = 1000
	// catchUpPage is how many messages are read at a time when changes were
	// dropped.
	catchUpPage = 500
	// recent is how many message IDs are remembered, so that a message which
	// is both in the log and among the changes is printed once. It bounds how
	// many messages may come while the log is being read.
	recent = 1 << 16
)

// follower prints the messages of one conversation as the node tells of them.
// When the node drops changes because we were slow, it reads what is missing
// from the log: every message that stands behind what was known of its
// author's log before. Nothing is printed twice, unless it became something else
// meanwhile, and nothing left out.
type follower struct {
	svc    api.Service
	target string
	last   int
	print  func(api.Message) error

	conversation string            // "" until a first message shows it
	heads        map[string]uint64 // by author and log: the newest seq known
	floor        time.Time         // before it, logs that are not in heads are old
	seen         map[string]uint64 // IDs of order; what they looked like
	order        []string          // the recent messages' IDs, a ring from next on
	next         int
}

// run follows until ctx ends, the node does, or print fails.
func (f *follower) run(ctx context.Context) error {
	f.heads, f.seen = map[string]uint64{}, map[string]uint64{}
	started := false
	for change, err := range f.svc.Watch(ctx, 0) {
		switch {
		case err != nil:
		case change.Type == api.ChangeSnapshot && !started:
			// The log is read after the snapshot, so nothing falls between.
			started = true
			err = f.start(ctx)
		case change.Type == api.ChangeSnapshot:
			err = f.catchUp(ctx)
		case change.Type == api.ChangeMessage && change.Message != nil && api.Listed(change.Message.Kind):
			err = f.take(ctx, *change.Message)
		}
		if err != nil {
			return err
		}
	}
	return first(ctx.Err(), api.Errorf(api.CodeNoNode, "the node has stopped"))
}

// start notes what is there already and prints the last of it.
func (f *follower) start(ctx context.Context) error {
	page, err := f.svc.Log(ctx, api.LogQuery{Target: f.target, Last: max(baseline, f.last)})
	if err != nil {
		return err
	}
	if len(page) == max(baseline, f.last) {
		f.floor = page[0].Time.Time
	}
	for i, m := range page {
		f.note(m)
		if i >= len(page)-f.last {
			if err := f.print(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// take prints a message that the node told of, if it is of this conversation.
func (f *follower) take(ctx context.Context, m api.Message) error {
	if f.conversation == "" {
		// Nothing had been said. Whether this is the first of ours, the log
		// tells; it is read again until there is one.
		return f.catchUp(ctx)
	}
	// One that was edited, reacted to or retracted is printed once more.
	if was, seen := f.seen[m.ID]; m.Conversation != f.conversation || seen && was == look(m) {
		return nil
	}
	f.note(m)
	return f.print(m)
}

// catchUp prints what the log has beyond what is known, oldest first. It reads
// backwards until each known author's log is back at its known head; within a
// log, order of display is order of seq.
func (f *follower) catchUp(ctx context.Context) error {
	behind := map[string]bool{}
	for log := range f.heads {
		behind[log] = true
	}
	var missing []api.Message // newest first
	before := ""
	for {
		page, err := f.svc.Log(ctx, api.LogQuery{Target: f.target, Last: catchUpPage, Before: before})
		if err != nil {
			return err
		}
		fresh := false
		for i := len(page) - 1; i >= 0; i-- {
			m := page[i]
			if was, seen := f.seen[m.ID]; seen && was != look(m) {
				missing = append(missing, m)
				continue
			}
			head, known := f.heads[logKey(m)]
			if m.Seq <= head {
				delete(behind, logKey(m))
				continue
			}
			if !known && m.Time.Before(f.floor) {
				continue
			}
			fresh = true
			if _, seen := f.seen[m.ID]; !seen {
				missing = append(missing, m)
			}
		}
		if len(page) < catchUpPage || (len(behind) == 0 && !fresh) {
			break
		}
		before = page[0].ID
	}
	for i := len(missing) - 1; i >= 0; i-- {
		f.note(missing[i])
		if err := f.print(missing[i]); err != nil {
			return err
		}
	}
	return nil
}

// look is the same for a message that looks the same.
func look(m api.Message) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%q %q %t %v", m.Kind, m.Text, m.Retracted, m.Edited.UnixMilli()) // never fails
	for _, r := range m.Reactions {
		_, _ = fmt.Fprintf(h, " %q %q", r.Text, r.By)
	}
	return h.Sum64()
}

// note remembers that m needs no printing any more.
func (f *follower) note(m api.Message) {
	f.conversation = m.Conversation
	f.heads[logKey(m)] = max(f.heads[logKey(m)], m.Seq)
	_, seen := f.seen[m.ID]
	f.seen[m.ID] = look(m)
	if seen {
		return
	}
	if len(f.order) < recent {
		f.order = append(f.order, m.ID)
		return
	}
	delete(f.seen, f.order[f.next])
	f.order[f.next] = m.ID
	f.next = (f.next + 1) % recent
}

func logKey(m api.Message) string { return m.Author + " " + m.Log }
