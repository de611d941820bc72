package wireshark_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// Sides of a connection: the first dials.
const (
	dialer = iota
	listener
)

var addrs = [2]netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:47700"), netip.MustParseAddrPort("10.0.0.2:47701")}

// talker speaks on streams of one connection, whose packets are recorded. Streams
// are numbered from 0 by whoever calls; open tells whether it is the first on it.
type talker interface {
	// write has a side send bytes on a stream, which are in the capture when it
	// returns. The first who writes on a stream opens it.
	write(side, stream int, b []byte)
	// count is how many packets there are so far.
	count() int
	// done ends the recording.
	done() *capture
}

// transports make talkers; size is how many bytes a packet has at most, 0 for
// what is usual.
var transports = map[string]func(t *testing.T, size int) talker{"tcp": newTCP, "quic": newQUIC}

func tlsConfigs(t *testing.T, keys io.Writer, alpn string) (client, server *tls.Config) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	server = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		NextProtos:   []string{alpn}, MinVersion: tls.VersionTLS13, KeyLogWriter: keys,
	}
	return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}, MinVersion: tls.VersionTLS13, KeyLogWriter: keys}, server
}

// wire records what two sides of a TCP connection write, as segments of at most
// size bytes.
type wire struct {
	mu      sync.Mutex
	size    int
	seq     [2]uint32
	packets []packet
	pipes   [2]chan []byte // to each side
}

func (w *wire) send(side int, flags byte, b []byte) {
	src, dst := addrs[side], addrs[1-side]
	w.packets = append(w.packets, packet{data: tcpFrame(src, dst, w.seq[side], w.seq[1-side], flags, b)})
	w.seq[side] += uint32(len(b))
	if flags&(tcpSYN|tcpFIN) != 0 {
		w.seq[side]++
	}
}

// end is one side of a wire as a connection.
type end struct {
	net.Conn // deadlines and addresses are not asked for
	wire     *wire
	side     int
	have     []byte
}

func (e *end) Write(b []byte) (int, error) {
	e.wire.mu.Lock()
	defer e.wire.mu.Unlock()
	for rest := b; len(rest) > 0; {
		n := min(len(rest), e.wire.size)
		e.wire.send(e.side, tcpPSH|tcpACK, rest[:n])
		rest = rest[n:]
	}
	e.wire.pipes[1-e.side] <- bytes.Clone(b)
	return len(b), nil
}

func (e *end) Read(b []byte) (int, error) {
	if len(e.have) == 0 {
		e.have = <-e.wire.pipes[e.side]
	}
	n := copy(b, e.have)
	e.have = e.have[n:]
	return n, nil
}

// tcpTalker speaks yamux over TLS over TCP, as libp2p does.
type tcpTalker struct {
	t      *testing.T
	wire   *wire
	keys   bytes.Buffer
	conns  [2]*tls.Conn
	ids    map[int]uint32
	opened [2]uint32 // streams
	spoken map[[2]int]bool
}

// dials counts TCP connections, no two of which begin with the same number.
var dials atomic.Uint32

func newTCP(t *testing.T, size int) talker { return dialTCP(t, size, "/yamux/1.0.0") }

func dialTCP(t *testing.T, size int, alpn string) *tcpTalker {
	t.Helper()
	if size == 0 {
		size = 1448
	}
	n := dials.Add(1)
	w := &wire{size: size, seq: [2]uint32{^(300 + n), 100 * n}} // one wraps around
	for side := range w.pipes {
		w.pipes[side] = make(chan []byte, 1<<16) // nobody reads after the handshake
	}
	c := &tcpTalker{t: t, wire: w, ids: map[int]uint32{}, spoken: map[[2]int]bool{}}
	w.send(dialer, tcpSYN, nil)
	w.send(listener, tcpSYN|tcpACK, nil)
	w.send(dialer, tcpACK, nil)
	plain := [2]net.Conn{&end{wire: w, side: dialer}, &end{wire: w, side: listener}}
	say := func(side int, s string) {
		t.Helper()
		if _, err := plain[side].Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(plain[1-side], make([]byte, len(s))); err != nil {
			t.Fatal(err)
		}
	}
	say(dialer, token("/multistream/1.0.0")+token("/tls/1.0.0"))
	say(listener, token("/multistream/1.0.0"))
	say(listener, token("/tls/1.0.0"))
	client, server := tlsConfigs(t, &c.keys, alpn)
	c.conns = [2]*tls.Conn{tls.Client(plain[dialer], client), tls.Server(plain[listener], server)}
	failed := make(chan error, 1)
	go func() { failed <- c.conns[listener].Handshake() }() // ends with the handshake
	if err := errors.Join(c.conns[dialer].Handshake(), <-failed); err != nil {
		t.Fatal(err)
	}
	return c
}

// Types and flags of yamux frames.
const (
	yamuxData, yamuxWindow, yamuxPing, yamuxGoAway = 0, 1, 2, 3
	yamuxSYN, yamuxACK, yamuxFIN, yamuxRST         = 1, 2, 4, 8
)

func yamuxFrame(kind byte, flags uint16, stream, length uint32, payload []byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint16([]byte{0, kind}, flags)
	b = be.AppendUint32(b, stream)
	b = be.AppendUint32(b, length)
	return append(b, payload...)
}

// raw has a side write into TLS.
func (c *tcpTalker) raw(side int, b []byte) {
	c.t.Helper()
	if _, err := c.conns[side].Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *tcpTalker) write(side, stream int, b []byte) {
	c.t.Helper()
	id, ok := c.ids[stream]
	if !ok {
		id = c.opened[side]*2 + 1 + uint32(side)
		c.opened[side]++
		c.ids[stream] = id
	}
	if !c.spoken[[2]int{side, stream}] {
		flags := uint16(yamuxACK)
		if !ok {
			flags = yamuxSYN
		}
		c.spoken[[2]int{side, stream}] = true
		c.raw(side, yamuxFrame(yamuxWindow, flags, id, 0, nil))
	}
	c.raw(side, yamuxFrame(yamuxData, 0, id, uint32(len(b)), b))
}

func (c *tcpTalker) count() int { return len(c.wire.packets) }

func (c *tcpTalker) done() *capture {
	c.wire.send(dialer, tcpFIN|tcpACK, nil)
	c.wire.send(listener, tcpFIN|tcpACK, nil)
	return &capture{keys: c.keys.Bytes(), packets: c.wire.packets}
}

// token is one multistream message.
func token(s string) string { return string(rune(len(s)+1)) + s + "\n" }

// ether carries datagrams between two sides and records them.
type ether struct {
	mu      sync.Mutex
	packets []packet
	pipes   [2]chan []byte
}

// station is one side as a packet connection.
type station struct {
	ether *ether
	side  int
	gone  chan struct{}
	once  sync.Once
}

func (s *station) WriteTo(b []byte, _ net.Addr) (int, error) {
	s.ether.mu.Lock()
	defer s.ether.mu.Unlock()
	s.ether.packets = append(s.ether.packets, packet{data: udpFrame(addrs[s.side], addrs[1-s.side], b)})
	select {
	case s.ether.pipes[1-s.side] <- bytes.Clone(b):
	case <-s.gone:
	}
	return len(b), nil
}

func (s *station) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-s.ether.pipes[s.side]:
		return copy(b, p), net.UDPAddrFromAddrPort(addrs[1-s.side]), nil
	case <-s.gone:
		return 0, nil, net.ErrClosed
	}
}

func (s *station) Close() error {
	s.once.Do(func() { close(s.gone) })
	return nil
}

func (s *station) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(addrs[s.side]) }
func (s *station) SetDeadline(time.Time) error      { return nil }
func (s *station) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline ends reading when the deadline is not in the future, as the
// transport asks for when it closes.
func (s *station) SetReadDeadline(d time.Time) error {
	if !d.IsZero() && !d.After(time.Now()) {
		return s.Close()
	}
	return nil
}

// quicTalker speaks libp2p over QUIC.
type quicTalker struct {
	t       *testing.T
	ether   *ether
	keys    bytes.Buffer
	conns   [2]*quic.Conn
	streams map[int]*[2]*quic.Stream
}

func newQUIC(t *testing.T, size int) talker {
	t.Helper()
	if size == 0 {
		size = 1280
	}
	c := &quicTalker{t: t, ether: &ether{}, streams: map[int]*[2]*quic.Stream{}}
	client, server := tlsConfigs(t, &c.keys, "libp2p")
	config := &quic.Config{InitialPacketSize: uint16(max(size, 1200)), DisablePathMTUDiscovery: true}
	var ends [2]*quic.Transport
	for side := range ends {
		c.ether.pipes[side] = make(chan []byte, 4096)
		ends[side] = &quic.Transport{Conn: &station{ether: c.ether, side: side, gone: make(chan struct{})}}
		t.Cleanup(func() {
			if err := ends[side].Close(); err != nil && !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
		})
	}
	ctx := t.Context()
	l, err := ends[listener].Listen(server, config)
	if err != nil {
		t.Fatal(err)
	}
	if c.conns[dialer], err = ends[dialer].Dial(ctx, net.UDPAddrFromAddrPort(addrs[listener]), client, config); err != nil {
		t.Fatal(err)
	}
	if c.conns[listener], err = l.Accept(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *quicTalker) write(side, stream int, b []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	ends := c.streams[stream]
	fresh := ends == nil
	if fresh {
		ends = &[2]*quic.Stream{}
		c.streams[stream] = ends
		var err error
		if ends[side], err = c.conns[side].OpenStreamSync(ctx); err != nil {
			c.t.Fatal(err)
		}
	}
	failed := make(chan error, 1)
	go func() { // ends when all is written
		_, err := ends[side].Write(b)
		failed <- err
	}()
	if fresh {
		var err error
		if ends[1-side], err = c.conns[1-side].AcceptStream(ctx); err != nil {
			c.t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(ends[1-side], make([]byte, len(b))); err != nil {
		c.t.Fatal(err)
	}
	if err := <-failed; err != nil {
		c.t.Fatal(err)
	}
}

func (c *quicTalker) count() int {
	c.ether.mu.Lock()
	defer c.ether.mu.Unlock()
	return len(c.ether.packets)
}

func (c *quicTalker) done() *capture {
	c.ether.mu.Lock()
	defer c.ether.mu.Unlock()
	return &capture{keys: c.keys.Bytes(), packets: slices.Clone(c.ether.packets)}
}
