package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"p2pchat/protocol/event"
)

// childEnv names what a copy of the test binary is to do instead of testing.
const childEnv = "P2PCHAT_STORE_CHILD"

func TestMain(m *testing.M) {
	if dir, ok := strings.CutPrefix(os.Getenv(childEnv), "write:"); ok {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir, ok := strings.CutPrefix(os.Getenv(childEnv), "open:"); ok {
		if err := openOnce(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// roomWriter stands for the log of a room in what the writers print.
const (
	killWriters = 4
	roomWriter  = killWriters + 1
)

// writeUntilKilled appends to one log per writer and prints what was
// acknowledged, "log seq id" per line. It ends when standard input does.
func writeUntilKilled(dir string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	k, err := seedKey(1)
	if err != nil {
		return err
	}
	for w := range killWriters {
		wg.Go(func() {
			log := event.LogID{byte(w + 1)}
			for ctx.Err() == nil {
				var e *event.Event
				err := s.Update(ctx, func(tx *Tx) error {
					h, _, err := tx.Head(conv1, event.LogKey{Author: k.ID(), Log: log})
					if err != nil {
						return err
					}
					body, err := event.EncodeText(strings.Repeat("text ", 1+int(h.Seq%300)))
					if err != nil {
						return err
					}
					e, err = event.Sign(k, event.Header{
						Conversation: conv1, Lane: event.LaneMessage, Kind: event.KindText, Log: log, Seq: h.Seq + 1, Prev: h.ID,
						Time: event.At(time.Now()),
					}, body)
					if err != nil {
						return err
					}
					_, err = tx.Insert(e, time.Now())
					return err
				})
				if err != nil {
					if ctx.Err() == nil {
						fmt.Fprintln(os.Stderr, err)
						os.Exit(1)
					}
					return
				}
				mu.Lock()
				fmt.Printf("%d %d %s\n", w+1, e.Seq, e.ID)
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			var e *event.Event
			err := s.Update(ctx, func(tx *Tx) (err error) {
				e, err = roomStep(tx, k)
				return err
			})
			if err != nil {
				if ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				return
			}
			mu.Lock()
			fmt.Printf("%d %d %s\n", roomWriter, e.Seq, e.ID)
			mu.Unlock()
		}
	})
	wg.Wait()
	return s.Close()
}

// writerProcess starts the test binary as a writer on dir.
type writerProcess struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	errs  bytes.Buffer
}

func startWriter(t *testing.T, dir string) *writerProcess {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &writerProcess{cmd: exec.CommandContext(t.Context(), exe)}
	p.cmd.Env = append(os.Environ(), childEnv+"=write:"+dir)
	p.cmd.Stderr = &p.errs
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// acked is what the next line says was acknowledged. Only a whole line counts:
// the process may have died in the middle of one.
func (p *writerProcess) acked(t *testing.T) (e ackedEvent, ok bool) {
	t.Helper()
	if !p.lines.Scan() {
		return e, false
	}
	var id string
	if n, err := fmt.Sscanf(p.lines.Text(), "%d %d %s", &e.log, &e.seq, &id); n != 3 || err != nil || len(id) != 64 {
		return e, false
	}
	parsed, err := event.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	e.id = parsed
	return e, true
}

type ackedEvent struct {
	log byte
	seq uint64
	id  event.ID
}

// TestKill kills a writer again and again, at random places, and counts what it
// had acknowledged. P2PCHAT_KILL_ROUNDS sets the number of rounds.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 32
	if v := os.Getenv("P2PCHAT_KILL_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	dir := t.TempDir()
	var acked []ackedEvent
	for round := range rounds {
		p := startWriter(t, dir)
		if round%4 == 0 {
			// At any time, also while it opens, migrates or recovers.
			kill := time.AfterFunc(rand.N(40*time.Millisecond), func() { _ = p.cmd.Process.Kill() })
			defer kill.Stop()
		}
		for left := rand.IntN(150); ; left-- {
			if left == 0 {
				_ = p.cmd.Process.Kill() // the rest of its output still counts
			}
			e, ok := p.acked(t)
			if !ok {
				break
			}
			acked = append(acked, e)
		}
		if err := p.cmd.Wait(); err == nil || p.errs.Len() > 0 {
			t.Fatalf("round %d: the writer ended by itself: %v, %s", round, err, p.errs.String())
		}
		s, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		checkAcked(t, s, acked)
		if err := s.Close(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("%d rounds, %d events acknowledged", rounds, len(acked))
	if len(acked) < rounds {
		t.Errorf("only %d events acknowledged in %d rounds", len(acked), rounds)
	}
}

// checkAcked finds each of acked at its place, no log with a gap, and the file
// in order.
func checkAcked(t *testing.T, s *Store, acked []ackedEvent) {
	t.Helper()
	if faults := must(t, fullCheck(s)); len(faults) > 0 {
		t.Error(faults)
	}
	f, err := s.Frontier(t.Context(), conv1)
	if err != nil {
		t.Fatal(err)
	}
	author := testKey(t, 1).ID()
	held := map[event.ID]uint64{}
	for w := range byte(killWriters) {
		k := event.LogKey{Author: author, Log: event.LogID{w + 1}}
		events, err := s.Range(t.Context(), conv1, event.Range{LogKey: k, From: 1, To: 1 << 40}, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if uint64(len(events)) != f[k].Seq {
			t.Errorf("log %d: %d events up to %d", w+1, len(events), f[k].Seq)
		}
		for i, e := range events {
			if i > 0 && e.Prev != events[i-1].ID {
				t.Errorf("log %d is broken at %d", w+1, e.Seq)
			}
			held[e.ID] = e.Seq
		}
	}
	checkRoomSteps(t, s, held)
	for _, a := range acked {
		if held[a.id] != a.seq {
			t.Errorf("event %d of log %d was acknowledged and is lost", a.seq, a.log)
		}
	}
}

// TestReadOnlyBesideProcess reads what another process is writing: what that
// has acknowledged is there.
func TestReadOnlyBesideProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startWriter(t, dir)
	defer func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}()
	first, ok := p.acked(t)
	if !ok {
		t.Fatal(p.errs.String())
	}
	s := openStore(t, dir, Options{ReadOnly: true})
	for e := first; ok && e.seq < 100; e, ok = p.acked(t) {
		if has, err := s.HasEvent(t.Context(), e.id); err != nil || !has {
			t.Errorf("event %d of log %d: %v, %v", e.seq, e.log, has, err)
		}
	}
	// It dies with its log unfinished; a reader alone reads that too.
	_ = p.cmd.Process.Kill()
	var last ackedEvent
	for e, more := p.acked(t); more; e, more = p.acked(t) {
		last = e
	}
	alone := openStore(t, dir, Options{ReadOnly: true})
	for _, s := range []*Store{s, alone} {
		if faults := must(t, fullCheck(s)); len(faults) > 0 {
			t.Error(faults)
		}
		if has, err := s.HasEvent(t.Context(), last.id); last.seq > 0 && (err != nil || !has) {
			t.Errorf("the last event: %v, %v", has, err)
		}
	}
}
