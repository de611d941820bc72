package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// batch is how many messages a run sends, window of them at a time.
const batch = 1000

// pipelined measures messages delivered per second.
func pipelined(ctx context.Context, b *bench) (t table, err error) {
	for _, tr := range transports {
		r, err := meet(ctx, b, "pipe-"+tr.name, tr.listen)
		if err != nil {
			return t, err
		}
		rate := row{What: tr.name, Unit: "messages/s", More: true}
		for range b.runs {
			start := time.Now()
			err1 := r.pipeline(payload, batch)
			yard := time.Since(start)
			start = time.Now()
			err2 := r.sendMany(ctx, batch)
			subj := time.Since(start)
			if err := errors.Join(err1, err2); err != nil {
				return t, errors.Join(err, r.close())
			}
			rate.Subject = append(rate.Subject, batch/subj.Seconds())
			rate.Yardstick = append(rate.Yardstick, batch/yard.Seconds())
			settle()
		}
		t.Rows = append(t.Rows, rate)
		if err := r.close(); err != nil {
			return t, err
		}
	}
	t.Notes = []string{fmt.Sprintf("%d messages, %d under way at a time, each *delivered*. Yardstick: as above, pipelined\n"+
		"as deep; on both of its sides, too, what is waiting shares a commit.", batch, window)}
	return t, nil
}

// sendMany sends n messages, window at a time, and waits for all receipts.
func (p *pair) sendMany(ctx context.Context, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(window)
	for range n {
		g.Go(func() error { return p.send(ctx, text) })
	}
	return g.Wait()
}
