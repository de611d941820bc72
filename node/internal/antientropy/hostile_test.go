package antientropy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// outsider speaks the raw protocol, well or badly.
type outsider struct {
	t  *testing.T
	h  host.Host
	to *node
}

func newOutsider(t *testing.T, num byte, to *node) *outsider {
	t.Helper()
	o := &outsider{t: t, h: newHost(t, testKey(t, num)), to: to}
	if err := o.h.Connect(t.Context(), peer.AddrInfo{ID: to.id(), Addrs: to.cfg.Host.Addrs()}); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *outsider) stream() *link {
	o.t.Helper()
	st, err := o.h.NewStream(o.t.Context(), o.to.id(), Protocol)
	if err != nil {
		o.t.Fatal(err)
	}
	_ = st.SetDeadline(time.Now().Add(time.Minute))
	return newLink(st)
}

// ended expects that the other side ends the stream before it says another n
// frames.
func ended(t *testing.T, l *link, n int) {
	t.Helper()
	for range n {
		if _, err := l.read(time.Minute); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the stream lives")
			}
			return
		}
	}
	t.Fatal("the stream lives and goes on")
}

func everything() []byte { return bytes.Repeat([]byte{0xff}, 32) }

func frame(m *pb.SyncFrame) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

func batch(events ...*event.Event) *pb.EventBatch {
	b := &pb.EventBatch{}
	for _, e := range events {
		b.Events = append(b.Events, e.Wire())
	}
	return b
}

// TestHostile: whatever a peer sends at whatever point, the run ends, nothing is
// taken in that should not be, and others are served.
func TestHostile(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	elsewhere, foreign := newRoom(t, 10)
	good := c.other(11).say(1, 2)
	forged := *good[0]
	forged.Signature = bytes.Repeat([]byte{7}, 64)
	open := frame(&pb.SyncFrame{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}})
	all := &pb.SyncListed{Control: everything(), Logs: everything()}
	lists := frame(&pb.SyncFrame{Listed: all, End: true})
	many := &pb.Frontier{}
	for i := range maxPerFrame + 1 {
		k := event.LogKey{Author: c.key.ID(), Log: event.LogID(binary.BigEndian.AppendUint64(nil, uint64(i+1)))}
		many.Heads = append(many.Heads, k.Wire(event.Head{Seq: 1, ID: event.ID{1}}))
	}
	for name, says := range map[string][][]byte{ // turn by turn; what is endless is the last
		"garbage":                   {bytes.Repeat([]byte("not a frame "), 1000)},
		"an oversize frame":         {binary.AppendUvarint(nil, maxFrame+1)},
		"an endless length":         {bytes.Repeat([]byte{0xff}, 100)},
		"no opening":                {lists},
		"an opening for no room":    {frame(&pb.SyncFrame{Open: &pb.SyncOpen{Room: []byte{1}, Digest: make([]byte, 32)}})},
		"an opening without digest": {frame(&pb.SyncFrame{Open: &pb.SyncOpen{Room: c.room[:]}})},
		"events too early":          {open, frame(&pb.SyncFrame{Listed: all, Events: batch(good...), End: true})},
		"nothing listed":            {open, frame(&pb.SyncFrame{End: true})},
		"half a set of buckets":     {open, frame(&pb.SyncFrame{Listed: &pb.SyncListed{Control: []byte{1}}, End: true})},
		"listed twice":              {open, append(frame(&pb.SyncFrame{Listed: all}), lists...)},
		"an ID that is not listed":  {open, frame(&pb.SyncFrame{Listed: &pb.SyncListed{}, Control: make([]byte, 32), End: true})},
		"half an ID":                {open, frame(&pb.SyncFrame{Listed: all, Control: make([]byte, 33), End: true})},
		"endless IDs":               {open, frame(&pb.SyncFrame{Control: make([]byte, 32*4096)})},
		"endless wishes":            {open, frame(&pb.SyncFrame{Want: make([]byte, 32*4096)})},
		"endless nothing":           {open, make([]byte, 1000)},
		"too many positions":        {open, frame(&pb.SyncFrame{Listed: all, Heads: many, End: true})},
		"a position of nobody":      {open, frame(&pb.SyncFrame{Listed: all, Heads: &pb.Frontier{Heads: []*pb.LogHead{{Seq: 1}}}, End: true})},
		"a low mark of nothing":     {open, frame(&pb.SyncFrame{Listed: all, Low: []*pb.SyncLow{{Author: []byte(c.key.ID()), Log: make([]byte, 8), Seq: 1}}, End: true})},
		"half a digest":             {open, lists, frame(&pb.SyncFrame{Digest: make([]byte, 31), End: true, Done: true})},
		"another room's message":    {open, lists, frame(&pb.SyncFrame{Events: batch(elsewhere.say(1, 1)...), End: true, Done: true})},
		"another room's genesis":    {open, lists, frame(&pb.SyncFrame{Events: batch(foreign), End: true, Done: true})},
		"a forged event":            {open, lists, frame(&pb.SyncFrame{Events: batch(&forged), End: true, Done: true})},
		"a malformed event":         {open, lists, frame(&pb.SyncFrame{Events: &pb.EventBatch{Events: []*pb.Event{{Header: []byte{1, 2, 3}}}}, End: true})},
		"endless turns":             {open, lists},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, 1, c.room, genesis)
			before := n.contents()
			l := newOutsider(t, 2, n).stream()
			for i, turn := range says {
				_, err := l.stream.Write(turn)
				if i == len(says)-1 {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := l.read(time.Minute); err != nil {
					t.Fatalf("answer %d: %v", i, err)
				}
			}
			var endless sync.WaitGroup
			if strings.HasPrefix(name, "endless") {
				endless.Go(func() { // ends with the stream
					for err := error(nil); err == nil; {
						_, err = l.stream.Write(says[len(says)-1])
					}
				})
			}
			ended(t, l, maxTurns+1)
			_ = l.stream.Reset()
			endless.Wait()
			if !maps.Equal(before, n.contents()) || n.ingested > 0 {
				t.Error("something was taken in")
			}
			honest := newNode(t, 3, c.room, genesis)
			honest.put(good...)
			honest.connect(t, n)
			honest.sync(t, c.room, n)
			same(t, honest, n)
		})
	}
}

// TestHostileAnswers: the same for the side that was asked.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	sketch := func(control, logs *pb.SyncBuckets) []byte {
		return frame(&pb.SyncFrame{Answer: pb.SyncAnswer_SYNC_ANSWER_DIFFERENT, Sketch: &pb.SyncSketch{Control: control, Logs: logs}})
	}
	none := &pb.SyncBuckets{}
	for name, says := range map[string][]byte{
		"nothing known":              frame(&pb.SyncFrame{}),
		"too large an answer":        frame(&pb.SyncFrame{Answer: pb.SyncAnswer_SYNC_ANSWER_EQUAL, Control: make([]byte, maxAnswer)}),
		"an answer to come":          frame(&pb.SyncFrame{Answer: 77}),
		"hashes of nothing":          sketch(&pb.SyncBuckets{Present: make([]byte, 32), Hashes: make([]byte, 32)}, none),
		"no hashes":                  sketch(none, &pb.SyncBuckets{Present: everything()}),
		"lists nothing":              append(sketch(none, none), frame(&pb.SyncFrame{End: true, Done: true})...),
		"lists what was not":         append(sketch(none, none), frame(&pb.SyncFrame{Listed: &pb.SyncListed{Logs: everything()}, End: true})...),
		"a forged event":             append(sketch(none, none), frame(&pb.SyncFrame{Events: &pb.EventBatch{Events: []*pb.Event{{Header: []byte{1}}}}})...),
		"part of a frame, then ends": {100, 1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, 1, c.room, genesis)
			o := newOutsider(t, 2, n)
			o.h.SetStreamHandler(Protocol, func(st network.Stream) {
				_, _ = newLink(st).read(time.Minute)
				_, _ = st.Write(says)
				_ = st.CloseWrite()
			})
			ctx := t.Context()
			if err := n.Sync(ctx, c.room, o.h.ID()); err == nil {
				t.Error("went well")
			}
			if equal, _ := n.lastSynced(o.h.ID()); equal {
				t.Error("counted as equal")
			}
			if n.ingested > 0 {
				t.Error("something was taken in")
			}
		})
	}
}

// TestStalled: a peer that says nothing keeps a few streams of its own waiting
// and nobody else, and the end of the node does not wait for it.
func TestStalled(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	n := newNode(t, 1, c.room, genesis)
	o := newOutsider(t, 2, n)
	open := frame(&pb.SyncFrame{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}})
	var stalled []*link
	for range maxServed - 1 {
		l := o.stream()
		if _, err := l.stream.Write(open[:10]); err != nil {
			t.Fatal(err)
		}
		stalled = append(stalled, l)
	}
	for start := time.Now(); n.servedTo(o.h.ID()) < maxServed-1; time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("the streams that stall are not served")
		}
	}
	last := o.stream()
	if _, err := last.stream.Write(open); err != nil {
		t.Fatal(err)
	}
	if f, err := last.read(time.Minute); err != nil || f.Answer != pb.SyncAnswer_SYNC_ANSWER_DIFFERENT {
		t.Fatalf("%v, %v", f, err)
	}
	over := o.stream() // one too many
	_, _ = over.stream.Write(open)
	ended(t, over, 1)

	honest := newNode(t, 3, c.room, append([]*event.Event{genesis}, c.say(1, 3)...)...)
	honest.connect(t, n)
	honest.sync(t, c.room, n)
	same(t, honest, n)
	n.stop()
	ended(t, last, 1)
	for _, l := range stalled {
		ended(t, l, 1)
	}
}

// TestDeadline: a frame that does not come in time ends the run.
func TestDeadline(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	n := newNode(t, 1, c.room, genesis)
	l := newOutsider(t, 2, n).stream()
	open := frame(&pb.SyncFrame{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}})
	if _, err := l.stream.Write(open); err != nil {
		t.Fatal(err)
	}
	if _, err := l.read(time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := l.read(time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
}

// TestReplaced: a run opened anew by the same peer takes the place of the one
// before.
func TestReplaced(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	n := newNode(t, 1, c.room, genesis)
	o := newOutsider(t, 2, n)
	open := frame(&pb.SyncFrame{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}})
	var before *link
	for range 5 {
		l := o.stream()
		if _, err := l.stream.Write(open); err != nil {
			t.Fatal(err)
		}
		if f, err := l.read(time.Minute); err != nil || f.Answer != pb.SyncAnswer_SYNC_ANSWER_DIFFERENT {
			t.Fatalf("%v, %v", f, err)
		}
		if before != nil {
			ended(t, before, 1)
		}
		before = l
	}
}

// TestLaterVersion: fields that are not known are passed over.
func TestLaterVersion(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	n := newNode(t, 1, c.room, genesis)
	l := newOutsider(t, 2, n).stream()
	b, err := proto.Marshal(&pb.SyncFrame{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	b = protowire.AppendBytes(protowire.AppendTag(b, 900, protowire.BytesType), []byte("to come"))
	if _, err := l.stream.Write(append(binary.AppendUvarint(nil, uint64(len(b))), b...)); err != nil {
		t.Fatal(err)
	}
	if f, err := l.read(time.Minute); err != nil || f.Answer != pb.SyncAnswer_SYNC_ANSWER_DIFFERENT {
		t.Fatalf("%v, %v", f, err)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	var q quota
	now := time.Unix(1000, 0)
	for i := range servedBurst {
		if wait := q.take(now); wait > 0 {
			t.Fatalf("run %d waits %v", i, wait)
		}
	}
	if wait := q.take(now); wait != servedEvery {
		t.Errorf("one too many waits %v", wait)
	}
	if wait := q.take(now.Add(time.Hour)); wait != 0 {
		t.Errorf("an hour later one waits %v", wait)
	}
}

// FuzzFrame: no frame breaks the decoder, and none has more parts than it may.
func FuzzFrame(f *testing.F) {
	c, genesis := newRoom(f, 9)
	k := event.LogKey{Author: c.key.ID(), Log: event.LogID{1}}
	heads := event.Frontier{k: {Seq: 3, ID: event.ID{1}}}
	buckets := wireBuckets(splitFrontier(heads).hashes(nil))
	for _, m := range []*pb.SyncFrame{
		{},
		{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}},
		{Answer: pb.SyncAnswer_SYNC_ANSWER_DIFFERENT, Sketch: &pb.SyncSketch{Control: buckets, Logs: buckets}},
		{
			Listed: &pb.SyncListed{Control: everything(), Logs: everything()}, Control: genesis.ID[:], Want: genesis.ID[:],
			Heads: heads.Wire(), Unknown: heads.Wire(), Low: []*pb.SyncLow{{Author: []byte(k.Author), Log: k.Log[:], Seq: 2}},
		},
		{Events: batch(genesis, c.say(1, 1)[0]), Digest: make([]byte, 32), End: true, Done: true},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseFrame(b)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Errorf("the peer is not blamed: %v", err)
			}
			return
		}
		for _, n := range []int{len(m.Heads.GetHeads()), len(m.Unknown.GetHeads()), len(m.Low), len(m.Events.GetEvents())} {
			if n > maxPerFrame {
				t.Errorf("%d parts", n)
			}
		}
		if err := newTurn().add(m); err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("the peer is not blamed: %v", err)
		}
		if _, err := eventsOf(c.room, m.Events); err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("the peer is not blamed: %v", err)
		}
		for _, side := range []*pb.SyncBuckets{m.Sketch.GetControl(), m.Sketch.GetLogs()} {
			if hashes, err := bucketsFromWire(side); err == nil {
				again, err := bucketsFromWire(wireBuckets(hashes))
				if err != nil || *again != *hashes {
					t.Errorf("a sketch does not survive: %v", err)
				}
			}
		}
	})
}

// servedTo is how many streams of p are served.
func (s *Service) servedTo(p peer.ID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.served[p]; q != nil {
		return q.open
	}
	return 0
}

// TestWarnsSeldom: of whoever does what he may not the log has one line, however
// often he does it.
func TestWarnsSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &Service{ctx: t.Context(), log: slog.New(slog.NewTextHandler(&log, nil)), served: map[peer.ID]*quota{}}
		lines := func() int { return bytes.Count(log.Bytes(), []byte("\n")) }
		for _, p := range []peer.ID{"a", "a", "b", "a"} {
			s.note("served", p, refused("too long"))
		}
		if lines() != 2 {
			t.Errorf("%d lines of two peers", lines())
		}
		time.Sleep(2 * warnEvery) // of virtual time
		s.note("served", "a", refused("too long"))
		if lines() != 3 {
			t.Errorf("%d lines, later", lines())
		}
	})
}
