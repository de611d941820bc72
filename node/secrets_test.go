package node

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/api"
)

// logged is a log that a test reads.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// connectionTo waits for a connection that was opened after a moment.
func (n testNode) connectionTo(t *testing.T, other testNode, after time.Time) network.Conn {
	t.Helper()
	for {
		for _, c := range n.host.Network().ConnsToPeer(other.key.ID()) {
			if c.Stat().Opened.After(after) && !c.IsClosed() {
				return c
			}
		}
		select {
		case <-t.Context().Done():
			t.Fatal("no new connection")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// When nobody captures any more, nothing of it is left: no listener, no key, and
// connections whose keys nobody was told.
func TestAfterSecrets(t *testing.T) {
	t.Parallel()
	var log logged
	dir := newAccount(t, "alice")
	lock, key, err := Unlock(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Start(t.Context(), Config{
		Dir: dir, Key: key, Version: "test", NoMDNS: true, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/udp/0/quic-v1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	alice := testNode{n, sync.OnceFunc(func() { n.Close(); _ = lock.Release() })}
	t.Cleanup(alice.halt)
	if _, err := alice.CreateRoom(t.Context(), api.CreateRoomRequest{Name: "dev"}); err != nil {
		t.Fatal(err)
	}
	bob := start(t, newAccount(t, "bob"), alice)
	old := alice.connectionTo(t, bob, time.Time{})

	var secrets []string
	var during network.Conn
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for s, err := range alice.CaptureSecrets(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		switch s.Type {
		case api.SecretSession:
			secrets = append(secrets, strings.Fields(s.Session)[2])
		case api.SecretRoom:
			secrets = append(secrets, s.Room.Key)
		case api.SecretReopened:
			if len(s.Reopened.Missing) > 0 {
				t.Errorf("missing %v", s.Reopened.Missing)
			}
			during = alice.connectionTo(t, bob, old.Stat().Opened) // it ends with the capture
			cancel()
		}
	}
	if !old.IsClosed() {
		t.Error("a connection from before is still open")
	}
	after := alice.connectionTo(t, bob, during.Stat().Opened)
	if !during.IsClosed() || after.IsClosed() {
		t.Error("the connection whose keys were told goes on")
	}
	if len(alice.secrets.listeners) != 0 {
		t.Error("somebody listens still")
	}
	if len(secrets) < 5 {
		t.Errorf("%d secrets", len(secrets))
	}
	text := log.String()
	if !strings.Contains(text, "level=WARN") || !strings.Contains(text, "handed to a capture") {
		t.Error("the log does not tell that keys are handed out")
	}
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("the log holds %q", s)
		}
	}
}

// A listener that takes nothing is told so and does not fill the memory.
func TestSecretsNotTaken(t *testing.T) {
	t.Parallel()
	n := start(t, newAccount(t, "alice"))
	next, stop := iter.Pull2(n.CaptureSecrets(t.Context()))
	defer stop()
	next()
	for range maxSecrets + 1 {
		n.secrets.tell(api.Secret{Type: api.SecretSession, Session: "A B C"})
	}
	for {
		_, err, ok := next()
		if api.IsCode(err, api.CodeInternal) {
			break
		}
		if err != nil || !ok {
			t.Fatalf("%v, %v", err, ok)
		}
	}
}

// Of a node that was recorded from its start all keys are known, and nothing is
// opened anew.
func TestRecorded(t *testing.T) {
	t.Parallel()
	dir := newAccount(t, "alice")
	lock, key, err := Unlock(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Start(t.Context(), Config{
		Dir: dir, Key: key, Version: "test", NoMDNS: true, Logger: testLog(), Recorded: true,
		Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/udp/0/quic-v1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	alice := testNode{n, sync.OnceFunc(func() { n.Close(); _ = lock.Release() })}
	t.Cleanup(alice.halt)
	bob := start(t, newAccount(t, "bob"), alice)
	c := alice.connectionTo(t, bob, time.Time{})
	keys := 0
	for s, err := range alice.CaptureSecrets(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Type == api.SecretSession {
			keys++
		}
		if s.Type == api.SecretReopened && keys >= 4 || c.IsClosed() {
			break
		}
	}
	if c.IsClosed() {
		t.Error("the connection was closed")
	}
}
