package sim

import (
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/marcopolo/simnet"
	"github.com/quic-go/quic-go"
	"go.uber.org/fx"
)

const (
	defaultLatency = time.Millisecond
	gigabit        = 1_000_000_000 // bits per second of each interface
	// burst is what an interface sends at one instant, in bytes. Less would
	// make every packet an instant of its own, which is what virtual time
	// costs.
	burst = 1 << 20
)

// subnet is where all interfaces are.
var subnet = netip.MustParsePrefix("10.77.0.0/16")

// Lan carries packets between interfaces.
type Lan struct {
	net simnet.Simnet

	mu      sync.Mutex
	random  *rand.Rand
	latency time.Duration
	jitter  time.Duration
	loss    float64
	side    map[netip.Addr]int // of a cut; nil: there is none
	slow    map[netip.Addr]time.Duration
	mute    map[netip.Addr]bool
	sent    int64
}

// newLan starts a network; random decides what is lost and how late the rest
// comes.
func newLan(random *rand.Rand) *Lan {
	l := &Lan{random: random, latency: defaultLatency, slow: map[netip.Addr]time.Duration{}, mute: map[netip.Addr]bool{}}
	l.net.LatencyFunc = func(p *simnet.Packet) time.Duration { return l.delay(addrOf(p.From), addrOf(p.To)) }
	l.net.Logger = slog.New(slog.DiscardHandler) // packets to who is switched off
	l.net.Start()
	return l
}

// addrOf is the address of an interface's socket.
func addrOf(a net.Addr) netip.Addr {
	if u, ok := a.(*net.UDPAddr); ok {
		return u.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (l *Lan) delay(from, to netip.Addr) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.latency + l.slow[from] + l.slow[to]
	if l.jitter > 0 {
		d += time.Duration(l.random.Int64N(int64(l.jitter)))
	}
	return d
}

// SetLatency sets how long packets take from now on: latency, and up to jitter
// more, so that they overtake each other.
func (l *Lan) SetLatency(latency, jitter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency, l.jitter = latency, jitter
}

// Slow has every packet from and to a node take so much longer from now on.
func (l *Lan) Slow(n *Node, by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow[n.addr] = by
}

// silence has everything lost that a node sends, until it is told otherwise.
func (l *Lan) silence(n *Node, mute bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mute[n.addr] = mute
}

// SetLoss sets the share of packets that get lost from now on, 0 to 1.
func (l *Lan) SetLoss(share float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loss = share
}

// Cut lets packets pass only within a group of nodes, from now on. Nodes in no
// group are together.
func (l *Lan) Cut(groups ...[]*Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.side = map[netip.Addr]int{}
	for i, g := range groups {
		for _, n := range g {
			l.side[n.addr] = i + 1
		}
	}
}

// Heal ends a cut.
func (l *Lan) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.side = nil
}

// Sent is how many bytes of UDP payload were sent.
func (l *Lan) Sent() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// drops decides what becomes of a packet.
func (l *Lan) drops(from, to netip.Addr, size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent += int64(size)
	return l.mute[from] || l.side[from] != l.side[to] || l.loss > 0 && l.random.Float64() < l.loss
}

// plug is an interface's end of a wire.
type plug struct {
	*simnet.SimConn
	lan  *Lan
	addr netip.Addr
}

// WriteTo implements net.PacketConn. A lost packet is no error.
func (p *plug) WriteTo(b []byte, to net.Addr) (int, error) {
	if p.lan.drops(p.addr, addrOf(to), len(b)) {
		return len(b), nil
	}
	return p.SimConn.WriteTo(b, to)
}

// plugIn makes the socket of an address.
func (l *Lan) plugIn(at *net.UDPAddr) *plug {
	link := simnet.LinkSettings{BitsPerSecond: gigabit, MTU: burst}
	l.mu.Lock() // simnet counts its links
	conn := l.net.NewEndpoint(at, simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link})
	l.mu.Unlock()
	return &plug{conn, l, at.AddrPort().Addr().Unmap()}
}

// source is where packets of an interface come from.
type source netip.Addr

func (s source) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) {
	return netip.Addr(s).AsSlice(), nil
}

// option has a libp2p host with the address addr use this network for QUIC.
func (l *Lan) option(addr netip.Addr) libp2p.Option {
	opts := []quicreuse.Option{
		quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return source(addr), nil }),
		quicreuse.OverrideListenUDP(func(_ string, at *net.UDPAddr) (net.PacketConn, error) { return l.plugIn(at), nil }),
	}
	return libp2p.QUICReuse(
		func(life fx.Lifecycle, reset quic.StatelessResetKey, token quic.TokenGeneratorKey, opts ...quicreuse.Option) (*quicreuse.ConnManager, error) {
			m, err := quicreuse.NewConnManager(reset, token, opts...)
			if err == nil {
				life.Append(fx.StopHook(m.Close)) // libp2p closes only one of its own
			}
			return m, err
		}, opts...)
}
