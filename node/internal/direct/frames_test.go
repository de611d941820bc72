package direct

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/pb"
)

// pipe is a stream in memory, as far as it is read.
type pipe struct {
	network.Stream
	end net.Conn
}

func (p pipe) Read(b []byte) (int, error)        { return p.end.Read(b) }
func (p pipe) SetReadDeadline(t time.Time) error { return p.end.SetReadDeadline(t) }
func (p pipe) Conn() network.Conn                { return stranger{} }

type stranger struct{ network.Conn }

func (stranger) RemotePeer() peer.ID { return "stranger" }

// TestFrames: a frame may be waited for, and one that has begun not for long; nothing
// much is set aside for what does not come.
func TestFrames(t *testing.T) {
	t.Parallel()
	frame := func(padding int) []byte {
		b, err := proto.Marshal(&pb.DirectFrame{Typing: true})
		if err != nil {
			t.Fatal(err)
		}
		b = protowire.AppendBytes(protowire.AppendTag(b, 900, protowire.BytesType), make([]byte, padding))
		return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
	}
	type part struct {
		after time.Duration
		says  []byte
	}
	for name, test := range map[string]struct {
		says []part
		err  error
		at   time.Duration
	}{
		"a day later":       {[]part{{24 * time.Hour, frame(0)}}, nil, 24 * time.Hour},
		"large":             {[]part{{0, frame(maxFrame - 100)}}, nil, 0},
		"slow":              {[]part{{0, frame(slowest)[:1]}, {29 * time.Second, frame(slowest)[1:9]}, {59 * time.Second, frame(slowest)[9:]}}, nil, 88 * time.Second},
		"too large":         {[]part{{0, binary.AppendUvarint(nil, maxFrame+1)}}, ErrRefused, 0},
		"no message":        {[]part{{0, []byte{2, 0xff, 0xff}}}, ErrRefused, 0},
		"never whole":       {[]part{{time.Hour, frame(100)[:50]}}, os.ErrDeadlineExceeded, time.Hour + frameWithin},
		"a length in parts": {[]part{{0, []byte{0x80}}, {frameWithin / 2, []byte{0x80}}}, os.ErrDeadlineExceeded, frameWithin},
		"large, it says":    {[]part{{0, binary.AppendUvarint(nil, maxFrame)}}, os.ErrDeadlineExceeded, (1 + maxFrame/slowest) * frameWithin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				r := newFrames(pipe{end: ours})
				var says sync.WaitGroup
				says.Go(func() { // ends with the parts or the stream
					for _, p := range test.says {
						time.Sleep(p.after)
						if _, err := theirs.Write(p.says); err != nil {
							return
						}
					}
				})
				start := time.Now()
				f, err := r.next()
				took := time.Since(start)
				_ = ours.Close()
				says.Wait()
				if !errors.Is(err, test.err) || (err == nil) != f.GetTyping() {
					t.Errorf("%v, %v", f, err)
				}
				if took != test.at {
					t.Errorf("took %v, not %v", took, test.at)
				}
				if aside := r.buf.Cap(); aside > slowest {
					t.Errorf("%d bytes are set aside", aside)
				}
			})
		})
	}
}

// TestHeldFrame: whoever begins a frame and leaves it at that loses the stream.
func TestHeldFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		svc := &Service{cfg: Config{Ledger: newMemory(), Handler: newHeard()}, self: "us"}
		ses := newSession(svc, pipe{end: ours}, false, nil)
		done := make(chan error, 1) // what read said
		go func() { done <- ses.read(t.Context()) }()
		opening := []byte{2, 0x0a, 0} // an empty frontier
		if _, err := theirs.Write(binary.AppendUvarint(opening, slowest-1)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != frameWithin {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
