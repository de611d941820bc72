package discovery

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	lnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	pingproto "github.com/libp2p/go-libp2p/p2p/protocol/ping"
	ma "github.com/multiformats/go-multiaddr"
	msmux "github.com/multiformats/go-multistream"
)

// notifiee reports connections as they open and close.
func (s *Service) notifiee() *lnet.NotifyBundle {
	return &lnet.NotifyBundle{
		ConnectedF: func(_ lnet.Network, c lnet.Conn) {
			s.post(func(now time.Time) { s.opened(now, c) })
		},
		DisconnectedF: func(_ lnet.Network, c lnet.Conn) {
			s.post(func(now time.Time) { s.closed(now, c.ID()) })
		},
	}
}

func (s *Service) opened(now time.Time, c lnet.Conn) {
	if c.IsClosed() {
		return // its closing was reported before, or will be passed over
	}
	stat := c.Stat()
	s.log.Debug("connection opened", "conn", c.ID(), "direction", stat.Direction, "remote", c.RemoteMultiaddr())
	s.conns[c.ID()] = c
	s.policy.opened(now, &link{
		id:       c.ID(),
		peer:     c.RemotePeer(),
		outgoing: stat.Direction == lnet.DirOutbound,
		remote:   c.RemoteMultiaddr(),
		opened:   stat.Opened,
	})
	if !stat.Opened.Before(s.policy.reopened) {
		s.back(c.RemotePeer())
	}
}

func (s *Service) closed(now time.Time, id string) {
	s.log.Debug("connection closed", "conn", id)
	delete(s.conns, id)
	s.policy.closed(now, id)
}

// identifications passes on what connected peers say their addresses are.
func (s *Service) identifications(bus event.Subscription) {
	for e := range bus.Out() {
		done, ok := e.(event.EvtPeerIdentificationCompleted)
		if !ok {
			continue
		}
		s.post(func(now time.Time) {
			addrs := done.ListenAddrs
			s.policy.identified(now, done.Peer, addrs)
		})
	}
}

// dial dials a peer at exactly these addresses.
func (s *Service) dial(ctx context.Context, c dialCmd) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	s.dials[c.peer] = cancel
	s.work.Go(func() {
		defer cancel()
		n := s.cfg.Host.Network()
		// The swarm refuses a peer for five seconds and more after a failure.
		if sw, ok := n.(interface{ Backoff() *swarm.DialBackoff }); ok {
			sw.Backoff().Clear(c.peer)
		}
		// Addresses that turned out wrong, or are off our LAN, would be
		// dialled as well if they stayed in the peerstore.
		n.Peerstore().ClearAddrs(c.peer)
		n.Peerstore().AddAddrs(c.peer, c.addrs, peerstore.TempAddrTTL)
		_, err := n.DialPeer(ctx, c.peer)
		if err != nil {
			err = errors.New(explain(err, c.addrs))
		}
		s.post(func(now time.Time) {
			delete(s.dials, c.peer)
			s.policy.dialed(now, c.peer, err)
		})
	})
}

// explain says on one line why a dial failed.
func explain(err error, addrs []ma.Multiaddr) string {
	if errors.Is(err, context.Canceled) {
		return "given up"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		var to []string
		for _, a := range addrs {
			to = append(to, a.String())
		}
		return "no answer from " + strings.Join(to, ", ")
	}
	var de *swarm.DialError
	if !errors.As(err, &de) || len(de.DialErrors) == 0 {
		return strings.Join(strings.Fields(err.Error()), " ")
	}
	var why []string
	for _, e := range de.DialErrors {
		cause := e.Cause
		for {
			var op *net.OpError
			if !errors.As(cause, &op) {
				break
			}
			cause = op.Err
		}
		why = append(why, fmt.Sprintf("%s: %v", e.Address, cause))
	}
	return strings.Join(strings.Fields(strings.Join(why, "; ")), " ")
}

// ping finds out whether a connection is alive.
func (s *Service) ping(ctx context.Context, c pingCmd) {
	conn := s.conns[c.link]
	if conn == nil {
		return // closed; the policy hears of it, or has
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	s.work.Go(func() {
		defer cancel()
		err := pingConn(ctx, conn)
		if err != nil {
			s.log.Debug("ping", "peer", conn.RemotePeer(), "conn", c.link, "err", err)
		}
		s.post(func(now time.Time) { s.policy.pinged(now, c.link, err == nil) })
	})
}

// pingConn sends one libp2p ping over this very connection and waits for the
// echo until ctx ends. Any answer will do, a refusal too: it returns an error
// only if the connection is closed or silent.
func pingConn(ctx context.Context, c lnet.Conn) error {
	stream, err := c.NewStream(lnet.WithNoDial(ctx, "ping"))
	if err != nil {
		if c.IsClosed() || ctx.Err() != nil {
			return fmt.Errorf("open stream: %w", err)
		}
		return nil // our own limits; nothing is known
	}
	defer stream.Reset() // closing would wait for an answer
	if err := stream.SetProtocol(pingproto.ID); err != nil {
		return nil // our own limits
	}
	deadline, _ := ctx.Deadline()
	if err := stream.SetDeadline(deadline); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	var sent, echo [pingproto.PingSize]byte
	if _, err := rand.Read(sent[:]); err != nil {
		return nil
	}
	err = func() error {
		if err := msmux.SelectProtoOrFail(protocol.ID(pingproto.ID), stream); err != nil {
			return err
		}
		if _, err := stream.Write(sent[:]); err != nil {
			return err
		}
		_, err := io.ReadFull(stream, echo[:])
		return err
	}()
	switch {
	case err == nil:
		if !bytes.Equal(sent[:], echo[:]) {
			return errors.New("wrong echo")
		}
		return nil
	case c.IsClosed(), errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		return err
	case isTimeout(err):
		return err
	}
	// Refused: by a living peer, or because the connection is ending, which
	// shows in the stream a moment before it shows in the connection.
	time.Sleep(refusalSettles)
	if c.IsClosed() {
		return err
	}
	return nil
}

const refusalSettles = 50 * time.Millisecond

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// closeLink closes a connection and reports it closed as soon as a new dial
// would not find it any more; the last words over a dead link may take longer.
func (s *Service) closeLink(c closeCmd) {
	conn := s.conns[c.link]
	if conn == nil {
		return
	}
	s.log.Debug("closing connection", "peer", conn.RemotePeer(), "conn", c.link, "why", c.why)
	s.work.Go(func() { conn.Close() })
	s.work.Go(func() {
		for range 100 {
			if !listed(s.cfg.Host.Network(), conn) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		s.post(func(now time.Time) { s.closed(now, c.link) })
	})
}

func listed(n lnet.Network, conn lnet.Conn) bool {
	for _, c := range n.ConnsToPeer(conn.RemotePeer()) {
		if c.ID() == conn.ID() {
			return true
		}
	}
	return false
}

// write carries out what the policy wants of the book.
func (s *Service) write(c command) {
	var err error
	var id peer.ID
	switch c := c.(type) {
	case saveCmd:
		id, err = c.entry.Peer, s.cfg.Book.Save(c.entry)
	case removeCmd:
		id, err = c.peer, s.cfg.Book.Remove(c.peer)
	}
	if err != nil {
		s.log.Error("address book", "peer", id, "err", err)
	}
}
