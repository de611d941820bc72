package rooms

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
)

func (x *topic) Peers() []peer.ID {
	w := x.owner.town
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []peer.ID
	for _, o := range w.topics[x.name] {
		if o != x && !w.cut[[2]peer.ID{o.owner.id(), x.owner.id()}] {
			out = append(out, o.owner.id())
		}
	}
	return out
}

// pipes is a host whose streams are pipes.
type pipes struct {
	host.Host
	person *person

	mu       sync.Mutex
	handlers map[protocol.ID]network.StreamHandler
}

func (h *pipes) ID() peer.ID { return h.person.id() }

func (h *pipes) SetStreamHandler(id protocol.ID, f network.StreamHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handlers[id] = f
}

func (h *pipes) RemoveStreamHandler(id protocol.ID) { h.SetStreamHandler(id, nil) }

func (h *pipes) Network() network.Network { return neighbours{nil, h.person} }

func (h *pipes) NewStream(ctx context.Context, p peer.ID, ids ...protocol.ID) (network.Stream, error) {
	w := h.person.town
	w.mu.Lock()
	i := slices.IndexFunc(w.people, func(o *person) bool { return o.id() == p })
	w.mu.Unlock()
	if ctx.Err() != nil || i < 0 || !w.connected(h.person.id(), p) {
		return nil, errors.New("no connection")
	}
	to := w.people[i].host
	to.mu.Lock()
	serve := to.handlers[ids[0]]
	to.mu.Unlock()
	if serve == nil {
		return nil, errors.New("protocol not spoken")
	}
	a, b := net.Pipe()
	go serve(&pipe{end: b, id: ids[0], remote: h.person.id()}) // ends with the stream
	return &pipe{end: a, id: ids[0], remote: p}, nil
}

type neighbours struct {
	network.Network
	person *person
}

func (n neighbours) Peers() []peer.ID {
	w := n.person.town
	w.mu.Lock()
	all := slices.Clone(w.people)
	w.mu.Unlock()
	var out []peer.ID
	for _, p := range all {
		if p != n.person && w.connected(p.id(), n.person.id()) {
			out = append(out, p.id())
		}
	}
	return out
}

// pipe is a stream in memory.
type pipe struct {
	network.Stream
	end    net.Conn
	id     protocol.ID
	remote peer.ID
}

func (s *pipe) Read(b []byte) (int, error) { return s.end.Read(b) }

// Write does not wait with nothing to write, as a pipe does.
func (s *pipe) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return s.end.Write(b)
}

func (s *pipe) Close() error                       { return s.end.Close() }
func (s *pipe) CloseWrite() error                  { return nil } // nobody reads on
func (s *pipe) Reset() error                       { return s.end.Close() }
func (s *pipe) SetDeadline(t time.Time) error      { return s.end.SetDeadline(t) }
func (s *pipe) SetReadDeadline(t time.Time) error  { return s.end.SetReadDeadline(t) }
func (s *pipe) SetWriteDeadline(t time.Time) error { return s.end.SetWriteDeadline(t) }
func (s *pipe) Protocol() protocol.ID              { return s.id }
func (s *pipe) Conn() network.Conn                 { return connection{nil, s.remote} }

type connection struct {
	network.Conn
	remote peer.ID
}

func (c connection) RemotePeer() peer.ID { return c.remote }

func (c connection) RemoteMultiaddr() ma.Multiaddr { return ma.StringCast("/ip4/192.0.2.1/tcp/1") }
