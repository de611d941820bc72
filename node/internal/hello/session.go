package hello

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio/pbio"
	mstream "github.com/multiformats/go-multistream"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

// errForeign: the other side does not speak this protocol.
var errForeign = errors.New("no p2pchat at the other end")

// errGoodbye: the other side is stopping.
var errGoodbye = errors.New("the peer said goodbye")

// session is the protocol on one connection.
type session struct {
	svc     *Service
	conn    network.Conn
	stream  network.Stream // nil until opened
	dialled bool
	isUp    bool         // guarded by svc.mu
	rtt     atomic.Int64 // ns, 0 unknown

	// Guarded by svc.mu.
	due       receipts // to be sent
	gathering bool     // a goroutine sends what is due
	heard     receipts // to be told to the handler

	writeMu sync.Mutex
	w       pbio.Writer

	pingMu    sync.Mutex
	pingSent  time.Time // zero: no ping is out
	pingSince time.Time // of the last ping that rode on a pong
	pingID    uint64
}

// run lasts as long as the session. Whatever ends it closes the connection,
// unless the other side turns out not to be one of us.
func (s *session) run(ctx context.Context) error {
	if s.dialled {
		// A node that is only just starting listens before it knows the
		// protocol, so being told that it does not is not the last word.
		err := errForeign
		for wait := firstReopen; errors.Is(err, errForeign) && wait <= lastReopen && !s.conn.IsClosed(); wait *= 2 {
			if err = s.open(ctx); errors.Is(err, errForeign) && !sleep(ctx, wait) {
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
	}
	s.writeMu.Lock()
	s.w = pbio.NewDelimitedWriter(s.stream)
	s.writeMu.Unlock()
	// Closing the connection is what makes an absent peer show as such and
	// lets discovery dial again.
	defer s.conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.stream.Reset() })
	defer stop()

	self, err := s.svc.cfg.Self()
	if err != nil {
		return fmt.Errorf("introduce ourselves: %w", err)
	}
	if err := s.write(introduction(self, s.svc.cfg.Instance[:])); err != nil {
		return fmt.Errorf("introduce ourselves: %w", err)
	}
	if s.dialled {
		var pinger sync.WaitGroup
		inner, cancel := context.WithCancel(ctx)
		pinger.Go(func() { s.ping(inner) })
		defer pinger.Wait()
		defer cancel()
	}
	return s.read(ctx)
}

func (s *session) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	st, err := s.conn.NewStream(network.WithAllowLimitedConn(ctx, "hello"))
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	_ = st.SetDeadline(time.Now().Add(openWithin))
	if err := mstream.SelectProtoOrFail(Protocol, st); err != nil {
		_ = st.Reset()
		if errors.Is(err, mstream.ErrNotSupported[protocol.ID]{}) {
			return errForeign
		}
		_ = s.conn.Close()
		return fmt.Errorf("negotiate: %w", err)
	}
	_ = st.SetDeadline(time.Time{})
	if err := st.SetProtocol(Protocol); err != nil {
		_ = st.Reset()
		return fmt.Errorf("account for the stream: %w", err)
	}
	s.stream = st
	return nil
}

func (s *session) write(f *pb.HelloFrame) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	if s.w == nil {
		return errors.New("stream is not open")
	}
	_ = s.stream.SetWriteDeadline(time.Now().Add(writeWithin))
	return s.w.WriteMsg(f)
}

// read handles frames until the stream ends.
func (s *session) read(ctx context.Context) error {
	r := pbio.NewDelimitedReader(s.stream, maxFrame)
	var p Peer
	var lastFrame, lastChange, lastReceipt time.Time // when the last of each was handled
	_ = s.stream.SetReadDeadline(time.Now().Add(openWithin))
	for first := true; ; first = false {
		var f pb.HelloFrame
		if err := r.ReadMsg(&f); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		_ = s.stream.SetReadDeadline(time.Now().Add(silence))
		if f.Goodbye {
			return errGoodbye
		}
		if first && (f.Profile == nil || len(f.Instance) != len(p.Instance)) {
			return errors.New("the first frame introduces nobody")
		}
		// At once: what it waits below would count as part of the way.
		measured := f.Pong != 0 && s.ponged(f.Pong)
		changes := f.Profile != nil || f.Availability != pb.Availability_AVAILABILITY_UNSPECIFIED
		// Whatever comes too fast waits in the stream and costs its sender.
		every, last := frameEvery, &lastFrame
		switch {
		case changes:
			every, last = changeEvery, &lastChange
		case len(f.Receipts) > 0:
			every, last = receiptEvery, &lastReceipt
		}
		if wait := time.Until(last.Add(every)); wait > 0 && !sleep(ctx, wait) {
			return ctx.Err()
		}
		*last = time.Now()
		if f.Profile != nil {
			if err := s.accept(&p, f.Profile); err != nil {
				return err
			}
		}
		if f.Availability != pb.Availability_AVAILABILITY_UNSPECIFIED {
			p.Away = f.Availability == pb.Availability_AVAILABILITY_AWAY
		}
		switch {
		case first:
			p.Conn = s.conn
			copy(p.Instance[:], f.Instance)
			s.svc.up(s, p)
		case changes:
			s.svc.changed(p)
		}
		if err := s.svc.receive(s, f.Receipts); err != nil {
			return err
		}
		if f.Ping != 0 {
			if err := s.write(&pb.HelloFrame{Pong: f.Ping, Ping: s.rides()}); err != nil {
				return fmt.Errorf("answer a ping: %w", err)
			}
		}
		if measured {
			s.svc.changed(p) // the first measurement is news
		}
	}
}

func (s *session) accept(p *Peer, signed *pb.SignedProfile) error {
	raw, err := proto.Marshal(signed)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	profile, err := identity.OpenProfile(raw, s.svc.cfg.Now())
	if err != nil {
		var ahead *identity.AheadError
		if errors.As(err, &ahead) && ahead.Peer == s.conn.RemotePeer() {
			s.svc.ahead(ahead.Peer, ahead.By)
		}
		return err
	}
	if profile.Peer != s.conn.RemotePeer() {
		return errors.New("profile is another's")
	}
	p.Profile, p.Signed = profile, raw
	return nil
}

// ping beats until ctx ends or an answer is missing, in which case it breaks
// the stream, which ends read.
func (s *session) ping(ctx context.Context) {
	for {
		s.pingMu.Lock()
		s.pingID++
		s.pingSent = time.Now()
		id := s.pingID
		s.pingMu.Unlock()
		if err := s.write(&pb.HelloFrame{Ping: id}); err != nil {
			_ = s.stream.Reset()
			return
		}
		if !sleep(ctx, pongWithin) {
			return
		}
		s.pingMu.Lock()
		overdue := !s.pingSent.IsZero()
		s.pingMu.Unlock()
		if overdue {
			_ = s.stream.Reset()
			return
		}
		if !sleep(ctx, pingEvery-pongWithin) {
			return
		}
	}
}

// sleep waits for d and tells whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// rides gives, now and then, a ping of our own to send along with a pong, so
// that the side that is pinged measures the round trip too; 0 for none.
func (s *session) rides() uint64 {
	s.pingMu.Lock()
	defer s.pingMu.Unlock()
	if s.dialled || time.Since(s.pingSince) < ridesEvery {
		return 0
	}
	s.pingID++
	s.pingSent, s.pingSince = time.Now(), time.Now()
	return s.pingID
}

// ponged notes an answer and tells whether it was the first.
func (s *session) ponged(id uint64) bool {
	s.pingMu.Lock()
	defer s.pingMu.Unlock()
	if id == s.pingID && !s.pingSent.IsZero() {
		took := int64(max(time.Since(s.pingSent), 1))
		s.pingSent = time.Time{}
		return s.rtt.Swap(took) == 0
	}
	return false
}

// goodbye tells the other side that we are leaving, if it still listens.
func (s *session) goodbye() {
	if err := s.write(&pb.HelloFrame{Goodbye: true}); err == nil {
		_ = s.stream.CloseWrite()
	}
}

func unmarshalSigned(b []byte) *pb.SignedProfile {
	var m pb.SignedProfile
	if err := proto.Unmarshal(b, &m); err != nil {
		panic(fmt.Sprintf("our own profile is malformed: %v", err)) // made by identity.SignProfile
	}
	return &m
}
