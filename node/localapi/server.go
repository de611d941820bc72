package localapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/netutil"

	"p2pchat/node/api"
)

// Server offers a service to faces. It is safe for concurrent use.
type Server struct {
	svc  api.Service
	log  *slog.Logger
	http *http.Server

	mu       sync.Mutex
	attached int           // requests under way, attach streams among them
	closed   bool          // no further requests are taken
	idle     chan struct{} // closed when attached falls to 0
	unused   map[net.Conn]struct{}
}

// NewServer makes a server for svc. log gets what a client did wrong, never
// what it said.
func NewServer(svc api.Service, log *slog.Logger) *Server {
	s := &Server{
		svc: svc, log: log.With("component", "localapi"),
		idle: make(chan struct{}), unused: make(map[net.Conn]struct{}),
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	s.http = &http.Server{
		Handler:                      s.handler(),
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  serverIdle,
		MaxHeaderBytes:               maxHeader,
		ConnState:                    s.connState,
		Protocols:                    &protocols,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	return s
}

// Serve answers on l, which [Listen] made, until ctx ends; then it lets answers
// under way finish, ends streams, closes l and returns nil. Every goroutine it
// started has ended by then. A server serves once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	// Calls outlive ctx by as long as it takes to refuse further ones.
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.http.BaseContext = func(net.Listener) context.Context { return calls }

	var served error
	over := make(chan struct{})
	go func() { // ends when the listener is closed, below at the latest
		defer close(over)
		served = s.http.Serve(netutil.LimitListener(l, maxConns))
	}()
	select {
	case <-ctx.Done():
	case <-over:
	}

	s.stop()
	cancel()
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer done()
	if err := s.http.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("clients that did not read were cut off")
		_ = s.http.Close() // its error would be the listener's, closed already
	}
	<-over
	if errors.Is(served, http.ErrServerClosed) {
		served = nil
	}
	if err := s.Drain(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if err := errors.Join(served, l.Close()); err != nil {
		return fmt.Errorf("local API: %w", err)
	}
	return nil
}

// Attached is the number of clients that hold the node, and of calls under way.
func (s *Server) Attached() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attached
}

// Drain waits until no client is attached and lets none attach from that
// moment on: whoever comes later is told that there is no node. A node that was
// started for one command calls it before it stops. It returns ctx's error if
// ctx ends first; clients can attach then as before.
func (s *Server) Drain(ctx context.Context) error {
	for {
		s.mu.Lock()
		if s.attached == 0 {
			s.closed = true
			s.mu.Unlock()
			return nil
		}
		idle := s.idle
		s.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// enter counts a request in, or tells that none is taken any more.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.attached++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attached--; s.attached == 0 {
		close(s.idle)
		s.idle = make(chan struct{})
	}
}

// stop takes no further requests and drops connections that never carried
// one: HTTP clients keep such spares, and a stop would wait for them.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.unused {
		_ = conn.Close()
	}
}

func (s *Server) connState(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.unused, conn)
	case s.closed:
		_ = conn.Close()
	default:
		s.unused[conn] = struct{}{}
	}
}
