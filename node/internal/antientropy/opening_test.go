package antientropy

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// pipe is a stream in memory, with somebody who is served nothing.
type pipe struct {
	network.Stream
	end net.Conn
}

func (p pipe) Read(b []byte) (int, error)         { return p.end.Read(b) }
func (p pipe) Write(b []byte) (int, error)        { return p.end.Write(b) }
func (p pipe) Close() error                       { return p.end.Close() }
func (p pipe) Reset() error                       { return p.end.Close() }
func (p pipe) SetReadDeadline(t time.Time) error  { return p.end.SetReadDeadline(t) }
func (p pipe) SetWriteDeadline(t time.Time) error { return p.end.SetWriteDeadline(t) }
func (p pipe) Conn() network.Conn                 { return stranger{} }

type stranger struct{ network.Conn }

func (stranger) RemotePeer() peer.ID { return "stranger" }

// TestOpening: the frame that opens a stream is small and complete in time, whatever
// size it says it has.
func TestOpening(t *testing.T) {
	t.Parallel()
	open := func(padding int) []byte {
		b, err := proto.Marshal(&pb.SyncFrame{Open: &pb.SyncOpen{Room: make([]byte, len(event.Conversation{})), Digest: make([]byte, 32)}})
		if err != nil {
			t.Fatal(err)
		}
		b = protowire.AppendBytes(protowire.AppendTag(b, 900, protowire.BytesType), make([]byte, padding))
		return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
	}
	for name, test := range map[string]struct {
		says  []byte
		every time.Duration // of its bytes
		lasts time.Duration // at most
		ok    bool
	}{
		"as it should be":       {says: open(0), ok: true},
		"with fields to come":   {says: open(maxOpening - 100), ok: true},
		"large":                 {says: open(maxOpening)},
		"large, it says":        {says: binary.AppendUvarint(nil, maxFrame)},
		"nothing":               {lasts: openWithin},
		"part of it":            {says: open(0)[:10], lasts: openWithin},
		"a length byte by byte": {says: []byte{0x80, 0x80, 0x80, 0x80}, every: openWithin / 2, lasts: openWithin},
		"byte by byte":          {says: open(0), every: openWithin / 10, lasts: openWithin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &Service{cfg: Config{Rooms: &testRooms{}}, log: slog.New(slog.DiscardHandler)}
				ours, theirs := net.Pipe()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				var lasted time.Duration
				done := make(chan error, 1) // what serve said
				go func() {
					err := s.serve(ctx, cancel, pipe{end: ours}, 0)
					lasted = time.Since(start)
					done <- err
				}()
				var says sync.WaitGroup
				says.Go(func() { // ends with the stream
					rest := test.says
					for n := len(rest); len(rest) > 0; rest = rest[n:] {
						if test.every > 0 {
							n = 1
							time.Sleep(test.every)
						}
						if _, err := theirs.Write(rest[:n]); err != nil {
							return
						}
					}
				})
				defer says.Wait()
				answer, _ := io.ReadAll(theirs)
				if err := <-done; (err == nil) != test.ok || (len(answer) > 0) != test.ok {
					t.Errorf("answered with %d bytes; %v", len(answer), err)
				} else if err != nil && test.lasts == 0 && !errors.Is(err, ErrRefused) {
					t.Errorf("the peer is not blamed: %v", err)
				}
				if lasted > test.lasts {
					t.Errorf("lasted %v", lasted)
				}
			})
		})
	}
}
