package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"time"
)

// trips of each kind in a run.
const trips = 100

// roundTrip measures Send until delivered, which is a commit here, the way to
// the other, a commit there and the way back.
func roundTrip(ctx context.Context, b *bench) (t table, err error) {
	raw, err := newTCPEcho()
	if err != nil {
		return t, err
	}
	defer raw.close()
	var tcp []float64
	for _, tr := range transports {
		r, err := meet(ctx, b, "trip-"+tr.name, tr.listen)
		if err != nil {
			return t, err
		}
		half := row{What: tr.name + ", p50", Unit: "ms", Aim: 1.5}
		tail := row{What: tr.name + ", p99", Unit: "ms"}
		for range b.runs {
			yard, err1 := timed(trips, func() error { return r.trip(payload) })
			subj, err2 := timed(trips, func() error { return r.send(ctx, text) })
			bare, err3 := timed(trips, func() error { return raw.trip(payload) })
			if err := errors.Join(err1, err2, err3); err != nil {
				return t, errors.Join(err, r.close())
			}
			half.Subject, half.Yardstick = append(half.Subject, median(subj)), append(half.Yardstick, median(yard))
			tail.Subject, tail.Yardstick = append(tail.Subject, quantile(subj, 0.99)), append(tail.Yardstick, quantile(yard, 0.99))
			tcp = append(tcp, median(bare))
			settle()
		}
		t.Rows = append(t.Rows, half, tail)
		if err := r.close(); err != nil {
			return t, err
		}
	}
	signature, err := signatures(b.runs)
	if err != nil {
		return t, err
	}
	t.Rows = append(t.Rows,
		row{What: "raw TCP echo, nothing committed, p50", Unit: "ms", Yardstick: tcp},
		row{What: "an Ed25519 signature made and verified, p50", Unit: "ms", Yardstick: signature})
	t.Notes = []string{
		"`Send` with a wait, until *delivered*: on disk on both sides, two nodes in one process, loopback.\n" +
			"Yardstick: one row committed (SQLite, WAL, `synchronous=FULL`), sent over a bare go-libp2p\n" +
			"stream on the same transport, committed there, answered; same file system. It signs nothing, has\n" +
			"one table and no index; the faster the disk syncs, the more of the ratio these are.",
	}
	return t, nil
}

// signatures measures what no message of ours can do without.
func signatures(runs int) ([]float64, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	var out []float64
	for range runs {
		each, err := timed(trips, func() error {
			if !ed25519.Verify(pub, payload, ed25519.Sign(key, payload)) {
				return errors.New("a signature does not verify")
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		out = append(out, median(each))
	}
	return out, nil
}

// timed calls f n times and returns how long each took, in milliseconds.
func timed(n int, f func() error) ([]float64, error) {
	out := make([]float64, 0, n)
	for range n {
		start := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		out = append(out, millis(time.Since(start)))
	}
	return out, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
