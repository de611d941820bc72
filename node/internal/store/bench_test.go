package store

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

var (
	benchEvents = flag.Int("store.events", 20_000, "events in the database of the benchmarks that read")
	benchConvs  = flag.Int("store.conversations", 200, "conversations in it")
)

// BenchmarkGroupCommit is what one durable commit costs when 1, 8 or 64 writers
// want one at the same time; it inserts one event each.
func BenchmarkGroupCommit(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openStore(b, b.TempDir(), Options{})
			k := testKey(b, 1)
			events := make([]*event.Event, b.N)
			for i := range events {
				events[i] = text(b, k, event.Header{Log: event.LogID{1}, Seq: uint64(i + 1)}, "a line of chat of the usual length")
			}
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						err := s.Update(b.Context(), func(tx *Tx) error {
							_, err := tx.Insert(events[i], start)
							return err
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkInsert is what an event costs in a large transaction, as when a
// range arrives.
func BenchmarkInsert(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{})
	k := testKey(b, 1)
	const batch = 256
	events := make([]*event.Event, b.N)
	for i := range events {
		events[i] = text(b, k, event.Header{Log: event.LogID{1}, Seq: uint64(i + 1)}, "a line of chat of the usual length")
	}
	b.ResetTimer()
	for len(events) > 0 {
		n := min(batch, len(events))
		insert(b, s, events[:n]...)
		events = events[n:]
	}
}

// fill makes a database of the size the flags ask for: half of it in one
// conversation, the rest spread over all.
func fill(b *testing.B) (s *Store, me, other identity.Key) {
	b.Helper()
	s = openStore(b, b.TempDir(), Options{})
	me, other = testKey(b, 1), testKey(b, 2)
	conv := func(i int) (c event.Conversation) {
		binary.BigEndian.PutUint64(c[:], uint64(i+1))
		return c
	}
	update(b, s, func(tx *Tx) error {
		if err := tx.SetAccount(Account{Peer: me.ID(), Name: "me", Created: start}); err != nil {
			return err
		}
		for i := range *benchConvs {
			if err := tx.PutConversation(conv(i), KindDirect, other.ID()); err != nil {
				return err
			}
		}
		return nil
	})
	var batch []*event.Event
	began := time.Now()
	for i := range *benchEvents {
		c := 0
		if i%2 == 1 {
			c = i / 2 % *benchConvs
		}
		k := me
		if i/2%2 == 1 {
			k = other
		}
		// Seqs are dense per log only roughly; what is read does not depend on it.
		batch = append(batch, text(b, k, event.Header{
			Conversation: conv(c), Log: event.LogID{1}, Seq: uint64(i + 1),
			Time: event.At(start.Add(time.Duration(i) * time.Second)),
		}, "a line of chat of the usual length"))
		if len(batch) == 5000 || i == *benchEvents-1 {
			insert(b, s, batch...)
			batch = batch[:0]
		}
	}
	size := must(b, s.Size)
	b.Logf("%d events, %d conversations: %d bytes per event, %v", *benchEvents, *benchConvs, size/int64(*benchEvents), time.Since(began))
	return s, me, other
}

// BenchmarkRead is what the faces ask for, on a database of the flags' size.
func BenchmarkRead(b *testing.B) {
	s, _, _ := fill(b)
	big := event.Conversation{7: 1}
	run := func(name string, fn func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := fn(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("last-50", func() error {
		log, err := s.Log(b.Context(), LogQuery{Conv: big, Last: 50})
		if len(log) != 50 {
			b.Fatal(len(log))
		}
		return err
	})
	run("page-in-the-middle", func() error {
		middle, err := s.Log(b.Context(), LogQuery{Conv: big, Last: 50})
		if err != nil {
			return err
		}
		_, err = s.Log(b.Context(), LogQuery{Conv: big, Last: 50, Before: &middle[0].ID})
		return err
	})
	run("conversations", func() error { _, err := s.Conversations(b.Context()); return err })
	run("conversation", func() error { _, err := s.Conversation(b.Context(), big); return err })
	run("queued", func() error { _, err := s.QueuedCount(b.Context()); return err })
	run("frontier", func() error { _, err := s.Frontier(b.Context(), big); return err })
	run("integrity", func() error { _, err := s.Check(b.Context(), false); return err })
}

// BenchmarkIdle reports what an open database that has been used adds to the
// process's memory once it is idle.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		before := resident(b)
		s := openStore(b, b.TempDir(), Options{})
		opened := resident(b)
		insert(b, s, chain(b, testKey(b, 1), 1, 2000)...)
		if _, err := s.Log(b.Context(), LogQuery{Conv: conv1, Last: 500}); err != nil {
			b.Fatal(err)
		}
		used := resident(b)
		time.Sleep(readersIdleIn + time.Second)
		b.ReportMetric(float64(opened-before), "KiB-opened")
		b.ReportMetric(float64(used-before), "KiB-used")
		b.ReportMetric(float64(resident(b)-before), "KiB-idle")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// resident is the process's resident memory in KiB, after a collection.
func resident(b *testing.B) int64 {
	b.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skipf("no /proc: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
