package captures

import (
	"net/netip"
	"time"
)

// Limits of the filter's memory.
const (
	// undecidedFor is how long packets of a connection that may be the node's
	// wait for the node to say so.
	undecidedFor = 3 * time.Second
	// rememberFor is how long the filter remembers a connection that proved
	// foreign, and the first fragment of a datagram (RFC 791 and 8200 give
	// reassembly 15 and 60 s).
	rememberFor = 60 * time.Second
	maxFlows    = 4096
	// localFor is how long an address counts as this host's after it has gone:
	// packets from before are still on their way through the kernel.
	localFor = 2 * time.Second
)

// verdict is what the filter says of a packet.
type verdict uint8

const (
	drop verdict = iota
	keep
	undecided // wait; the flow will say
)

// flow is a verdict that may come later than the packet.
type flow struct {
	verdict verdict
	expires time.Time
}

var kept = &flow{verdict: keep}

// filter decides which packets are the node's. It is used by one goroutine.
type filter struct {
	tcp   endpoints
	udp   endpoints
	conns map[Connection]bool
	peers map[netip.AddrPort]bool
	with  map[netip.Addr]bool
	// announcers are the mDNS instances to keep; none: all of the service
	announcers []string
	locals     map[netip.Addr]time.Time // this host's addresses, and when they were last seen to be
	pending    int                      // flows that are undecided

	flows     map[Connection]*flow    // by local and remote side
	fragments map[fragmentID]fragment // first fragments of kept packets
}

type fragmentID struct {
	src, dst netip.Addr
	proto    uint8
	id       uint32
}

type fragment struct {
	flow    *flow
	expires time.Time
}

// endpoints are where the node listens, for one protocol.
type endpoints struct {
	exact map[netip.AddrPort]bool
	any4  map[uint16]bool
	any6  map[uint16]bool
}

func newEndpoints(eps []netip.AddrPort) endpoints {
	e := endpoints{map[netip.AddrPort]bool{}, map[uint16]bool{}, map[uint16]bool{}}
	for _, ep := range eps {
		a := ep.Addr()
		switch {
		case !a.IsValid():
			e.any4[ep.Port()], e.any6[ep.Port()] = true, true
		case a == netip.IPv4Unspecified():
			e.any4[ep.Port()] = true
		case a == netip.IPv6Unspecified():
			e.any6[ep.Port()] = true
		default:
			e.exact[ep] = true
		}
	}
	return e
}

func newFilter(t Target, locals []netip.Addr, now time.Time) *filter {
	f := &filter{
		flows: map[Connection]*flow{}, fragments: map[fragmentID]fragment{}, locals: map[netip.Addr]time.Time{},
	}
	f.setLocals(locals, now)
	f.setTarget(t, now)
	return f
}

// setLocals takes all addresses that this host has now.
func (f *filter) setLocals(locals []netip.Addr, now time.Time) {
	for _, a := range locals {
		f.locals[cleanAddr(a)] = now
	}
	for a, seen := range f.locals {
		if now.Sub(seen) >= localFor {
			delete(f.locals, a)
		}
	}
}

// setTarget takes a clean target and decides the flows that it names.
// Connections that it no longer names are remembered for their last packets.
func (f *filter) setTarget(t Target, now time.Time) {
	gone := f.conns
	f.tcp, f.udp = newEndpoints(t.TCP), newEndpoints(t.UDP)
	f.conns, f.peers, f.with = map[Connection]bool{}, map[netip.AddrPort]bool{}, map[netip.Addr]bool{}
	for _, c := range t.Connections {
		f.conns[c] = true
		delete(gone, c)
		if fl := f.flows[c]; fl != nil && fl.verdict != keep {
			f.decide(fl, keep)
		}
	}
	for c := range gone {
		f.flows[c] = &flow{verdict: keep, expires: now.Add(rememberFor)}
	}
	for _, p := range t.Peers {
		f.peers[p] = true
	}
	for _, a := range t.With {
		f.with[a] = true
	}
	f.announcers = t.Announcers
}

func (f *filter) decide(fl *flow, v verdict) {
	if fl.verdict == undecided {
		f.pending--
	}
	fl.verdict = v
}

// expire gives up waiting for flows and forgets what is old.
func (f *filter) expire(now time.Time) {
	for c, fl := range f.flows {
		switch {
		case now.Before(fl.expires):
		case fl.verdict == undecided:
			f.decide(fl, drop)
			fl.expires = now.Add(rememberFor)
		default:
			delete(f.flows, c)
		}
	}
	for id, fl := range f.fragments {
		if !now.Before(fl.expires) {
			delete(f.fragments, id)
		}
	}
}

// local says whether an address is this host's.
func (f *filter) local(a netip.Addr) bool {
	_, ok := f.locals[a]
	return ok || a.IsLoopback()
}

// foreign: neither side of the packet is an address of this host, as far as we
// know; the caller may want to look at the interfaces again.
func (f *filter) foreign(p packet) bool { return !f.local(p.src.Addr()) && !f.local(p.dst.Addr()) }

// classify returns the flow that decides on a packet, nil to drop it. Its time
// is that of the decision, not the packet's.
func (f *filter) classify(p packet, now time.Time) *flow {
	if p.later {
		return f.fragments[p.fragmentID()].flow
	}
	fl := f.whole(p, now)
	if p.first && fl != nil && len(f.fragments) < maxFlows {
		f.fragments[p.fragmentID()] = fragment{fl, now.Add(rememberFor)}
	}
	return fl
}

func (p packet) fragmentID() fragmentID {
	return fragmentID{p.src.Addr(), p.dst.Addr(), p.proto, p.frag}
}

func (f *filter) whole(p packet, now time.Time) *flow {
	if p.proto == protoUDP && (p.src.Port() == mdnsPort || p.dst.Port() == mdnsPort) {
		if f.wantsMDNS(p) && namesService(p.payload, f.announcers) {
			return kept
		}
	}
	if f.ours(p.proto, p.src, p.dst) || f.ours(p.proto, p.dst, p.src) {
		return kept
	}
	if p.proto != protoTCP {
		return nil
	}
	if fl := f.maybe(p, p.src, p.dst, now); fl != nil {
		return fl
	}
	return f.maybe(p, p.dst, p.src, now)
}

func (f *filter) wantsMDNS(p packet) bool {
	return len(f.with) == 0 || f.with[p.src.Addr()] || f.with[p.dst.Addr()] || f.local(p.src.Addr())
}

// ours says whether local is a side of the node.
func (f *filter) ours(proto uint8, local, remote netip.AddrPort) bool {
	if len(f.with) > 0 && !f.with[remote.Addr()] {
		return false
	}
	e := &f.tcp
	if proto == protoUDP {
		e = &f.udp
	}
	if e.exact[local] || f.conns[Connection{local, remote, proto == protoUDP}] {
		return true
	}
	if local.Addr().Is4() {
		return e.any4[local.Port()] && f.local(local.Addr())
	}
	return e.any6[local.Port()] && f.local(local.Addr())
}

// maybe returns the flow of a TCP connection that was or may be the node's, nil
// if there is none.
func (f *filter) maybe(p packet, local, remote netip.AddrPort, now time.Time) *flow {
	if len(f.with) > 0 && !f.with[remote.Addr()] {
		return nil
	}
	c := Connection{Local: local, Remote: remote}
	fl := f.flows[c]
	// The same ports opened anew may belong to somebody else than last time.
	if fl != nil && (!p.syn || fl.verdict == undecided) {
		return fl
	}
	if !f.peers[remote] || !f.local(local.Addr()) || len(f.flows) >= maxFlows {
		return nil
	}
	fl = &flow{verdict: undecided, expires: now.Add(undecidedFor)}
	f.flows[c] = fl
	f.pending++
	return fl
}
