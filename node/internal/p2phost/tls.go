package p2phost

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// tlsTransport is libp2p's TLS 1.3 (specs/tls/tls.md) with a log of the session
// keys, which the one of go-libp2p has no option for. On the wire it is the same,
// also in how the muxer is chosen by ALPN (specs/connections/inlined-muxer-negotiation.md).
type tlsTransport struct {
	id       protocol.ID
	identity *libp2ptls.Identity
	self     peer.ID
	muxers   []string
}

var _ sec.SecureTransport = (*tlsTransport)(nil)

// newTLS makes a constructor for libp2p.Security; keys are logged to w.
func newTLS(w io.Writer) func(protocol.ID, crypto.PrivKey, []tptu.StreamMuxer) (*tlsTransport, error) {
	return func(id protocol.ID, key crypto.PrivKey, muxers []tptu.StreamMuxer) (*tlsTransport, error) {
		self, err := peer.IDFromPrivateKey(key)
		if err != nil {
			return nil, err
		}
		identity, err := libp2ptls.NewIdentity(key, libp2ptls.WithKeyLogWriter(w))
		if err != nil {
			return nil, err
		}
		t := &tlsTransport{id: id, identity: identity, self: self}
		for _, m := range muxers {
			t.muxers = append(t.muxers, string(m.ID))
		}
		return t, nil
	}
}

// ID implements [sec.SecureTransport].
func (t *tlsTransport) ID() protocol.ID { return t.id }

// SecureOutbound implements [sec.SecureTransport].
func (t *tlsTransport) SecureOutbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	config, key := t.identity.ConfigForPeer(p)
	config.NextProtos = append(slices.Clone(t.muxers), config.NextProtos...)
	return t.handshake(ctx, insecure, tls.Client(insecure, config), key)
}

// SecureInbound implements [sec.SecureTransport].
func (t *tlsTransport) SecureInbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	config, key := t.identity.ConfigForPeer(p)
	config.NextProtos = append(slices.Clone(t.muxers), config.NextProtos...)
	// crypto/tls takes the server's preference; the muxer is the client's choice.
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, proto := range hello.SupportedProtos {
			if slices.Contains(t.muxers, proto) {
				config.NextProtos = []string{proto}
				break
			}
		}
		return config, nil
	}
	return t.handshake(ctx, insecure, tls.Server(insecure, config), key)
}

func (t *tlsTransport) handshake(ctx context.Context, insecure net.Conn, conn *tls.Conn, key <-chan crypto.PubKey) (sec.SecureConn, error) {
	c, err := t.secured(ctx, conn, key)
	if err != nil {
		return nil, errors.Join(err, insecure.Close())
	}
	return c, nil
}

func (t *tlsTransport) secured(ctx context.Context, conn *tls.Conn, key <-chan crypto.PubKey) (sec.SecureConn, error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	var remote crypto.PubKey
	select {
	case remote = <-key: // there once the certificate is verified
	default:
	}
	if remote == nil {
		return nil, errors.New("TLS handshake without the other side's key")
	}
	id, err := peer.IDFromPublicKey(remote)
	if err != nil {
		return nil, err
	}
	// "libp2p" says that the other side negotiates its muxer later.
	muxer := conn.ConnectionState().NegotiatedProtocol
	if muxer == "libp2p" {
		muxer = ""
	}
	return &tlsConn{Conn: conn, self: t.self, remote: id, key: remote, state: network.ConnectionState{
		StreamMultiplexer: protocol.ID(muxer), UsedEarlyMuxerNegotiation: muxer != "",
	}}, nil
}

// tlsConn is a connection with what the handshake proved.
type tlsConn struct {
	*tls.Conn
	self, remote peer.ID
	key          crypto.PubKey
	state        network.ConnectionState
}

var _ sec.SecureConn = (*tlsConn)(nil)

func (c *tlsConn) LocalPeer() peer.ID                 { return c.self }
func (c *tlsConn) RemotePeer() peer.ID                { return c.remote }
func (c *tlsConn) RemotePublicKey() crypto.PubKey     { return c.key }
func (c *tlsConn) ConnState() network.ConnectionState { return c.state }
