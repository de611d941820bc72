package p2phost

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
)

// keyLogKeeps is how long a line is kept while nobody listens: longer than a
// handshake on a LAN takes, so that one that is under way when somebody begins to
// listen is told of from its beginning.
const keyLogKeeps = 5 * time.Second

// KeyLog hears the session keys of every TLS handshake of a host, TCP's and
// QUIC's, as lines of the NSS key log format (a label, the client's random and a
// secret, the latter in hex), and tells them to those who listen. Whoever has
// them reads all that is said on the connection. It is safe for concurrent use.
type KeyLog struct {
	all bool // lines are kept from the start, for as long as the host lives

	mu        sync.Mutex
	kept      []keyLine
	forget    *time.Timer // nil: nothing is to be forgotten
	listeners []*func(line string)
	closed    bool
}

type keyLine struct {
	text string
	at   time.Time
}

// Write implements [io.Writer] for crypto/tls, which hands over a line at a time.
func (l *KeyLog) Write(p []byte) (int, error) {
	line := strings.TrimSuffix(string(p), "\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(p), nil
	}
	l.kept = append(l.kept, keyLine{line, time.Now()})
	if l.forget == nil && !l.all {
		l.forget = time.AfterFunc(keyLogKeeps, l.forgetOld) // ends by itself
	}
	for _, tell := range l.listeners {
		(*tell)(line)
	}
	return len(p), nil
}

func (l *KeyLog) forgetOld() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget = nil
	old := time.Now().Add(-keyLogKeeps)
	l.kept = slices.DeleteFunc(l.kept, func(k keyLine) bool { return !k.at.After(old) })
	if len(l.kept) > 0 {
		l.forget = time.AfterFunc(l.kept[0].at.Sub(old), l.forgetOld)
	}
}

// Listen has tell hear every line that is still kept, oldest first, and from now
// on every new one; tell must return at once. While somebody listens the host has
// no Noise. complete says that no key of this host was forgotten before. stop ends
// it.
func (l *KeyLog) Listen(tell func(line string)) (complete bool, stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.kept {
		tell(k.text)
	}
	l.listeners = append(l.listeners, &tell)
	return l.all, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.listeners = slices.DeleteFunc(l.listeners, func(f *func(string)) bool { return f == &tell })
	}
}

func (l *KeyLog) heard() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.listeners) > 0
}

// close forgets all.
func (l *KeyLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forget != nil {
		l.forget.Stop()
	}
	l.kept, l.forget, l.closed = nil, nil, true
}

// errNoNoise: the keys of Noise cannot be told, since its library has no log of
// them.
var errNoNoise = errors.New("no Noise while the traffic is captured with its secrets: only TLS can be decrypted")

// noiseTransport is Noise, unless somebody listens to the key log.
type noiseTransport struct {
	*noise.Transport
	keys *KeyLog
}

var _ sec.SecureTransport = noiseTransport{}

// newNoise makes a constructor for libp2p.Security.
func newNoise(keys *KeyLog) func(protocol.ID, crypto.PrivKey, []tptu.StreamMuxer) (noiseTransport, error) {
	return func(id protocol.ID, key crypto.PrivKey, muxers []tptu.StreamMuxer) (noiseTransport, error) {
		t, err := noise.New(id, key, muxers)
		return noiseTransport{t, keys}, err
	}
}

// SecureInbound implements [sec.SecureTransport].
func (t noiseTransport) SecureInbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	if t.keys.heard() {
		return nil, errors.Join(errNoNoise, insecure.Close())
	}
	return t.Transport.SecureInbound(ctx, insecure, p)
}

// SecureOutbound implements [sec.SecureTransport].
func (t noiseTransport) SecureOutbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	if t.keys.heard() {
		return nil, errors.Join(errNoNoise, insecure.Close())
	}
	return t.Transport.SecureOutbound(ctx, insecure, p)
}
