package discovery

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Times of the policy. The design page of each is in the comment.
const (
	higherWaits    = 2 * time.Second         // the peer with the higher ID leaves the first dial to the other
	reopenWaits    = time.Second             // so too when we closed the connection to open it anew
	fullRateFor    = 10 * time.Minute        // after a loss
	eagerFor       = time.Minute             // of these, at twice the rate
	slowEvery      = time.Minute             // after that, and for peers that said goodbye
	pingTimeout    = time.Second             // a connection under suspicion
	doubleTimeout  = 1500 * time.Millisecond // a connection whose double has just arrived
	pingGap        = 700 * time.Millisecond  // between two pings of one connection
	settleAfter    = 3 * time.Second         // the higher ID leaves closing of duplicates to the other
	redialOnHint   = 250 * time.Millisecond  // a dial older than this is given up when its peer speaks up
	hintGap        = 200 * time.Millisecond  // between a dial that failed and one that a hint brings about
	wantedFor      = 30 * time.Second        // after Want
	forgetHeard    = 10 * time.Minute        // peers only heard of
	forgetStranger = 10 * time.Second        // peers that called, never worth a search
	worthAfter     = time.Minute             // connected in all, by then worth a search
	goodbyeCovers  = 10 * time.Second        // a loss this soon after a goodbye is no fault
	firstDialAfter = 60 * time.Millisecond   // a loss: the search by name goes first, see search
)

// Bounds of the policy's memory and work.
const (
	maxPeers     = 2048 // peers known, by whatever way
	maxAddrs     = 16   // addresses kept per peer
	maxSaved     = 8    // of these, in the book
	maxDials     = 16   // at the same time
	maxDialAddrs = 8    // addresses tried in one dial
	maxSearched  = 32   // lost peers searched at full rate, beside those the user named
)

// dialTimeouts of successive attempts, over and over. Short, since a new
// attempt costs little and an old one may be waiting in a retransmission; now
// and then long, for a peer so busy that a handshake takes seconds.
var dialTimeouts = []time.Duration{
	1200 * time.Millisecond, 1600 * time.Millisecond, 1200 * time.Millisecond, 3 * time.Second,
	1200 * time.Millisecond, 1600 * time.Millisecond, 1200 * time.Millisecond, maxTimeout,
}

// maxTimeout bounds dials and pings on the busiest machine.
const maxTimeout = 5 * time.Second

// pace is how slow things are at the moment, on this machine and with its
// peers. Timeouts that are right for a LAN would, on a machine with too much
// to do, give up handshakes and connections that only need time, and cause
// more work than they end.
type pace struct {
	lag  time.Duration // how late our own timers are
	dial time.Duration // how long a successful dial takes
}

// late takes in how late a timer was.
func (p *pace) late(d time.Duration) { p.lag = max(d, p.lag*7/8) }

// took takes in how long a successful dial took.
func (p *pace) took(d time.Duration) { p.dial = max(d, p.dial*7/8) }

// stretch makes a timeout as long as it has to be.
func (p *pace) stretch(d time.Duration) time.Duration {
	return min(d+3*p.dial+8*p.lag, maxTimeout)
}

// dials is how many dials at the same time make sense.
func (p *pace) dials() int {
	if p.lag > 20*time.Millisecond || p.dial > 250*time.Millisecond {
		return maxDials / 4
	}
	return maxDials
}

// source is where an address came from.
type source int

const (
	fromBook source = iota
	fromRecord
	fromMDNS
	fromPeer // the peer's own word or behaviour on a connection
	fromUser
)

type address struct {
	ma    ma.Multiaddr
	src   source
	iface string // fromMDNS: where it was heard
	seen  time.Time
}

// link is an open connection.
type link struct {
	id       string
	peer     peer.ID
	outgoing bool
	remote   ma.Multiaddr
	opened   time.Time
	pinging  bool
	asked    time.Time // of the last ping's start
	alive    time.Time // of the last proof
	closing  bool
}

// target is a peer.
type target struct {
	id    peer.ID
	lower bool // our ID is the lower one: we dial
	via   Via
	addrs []address
	links []*link

	static bool
	met    bool          // we shook hands, now or in an earlier life
	worth  bool          // it was heard, answered a dial, was in the book or stayed: no mere caller
	proven bool          // it was in the book, or stayed: not had for the price of a key
	first  time.Time     // when we shook hands first; zero: in an earlier life
	up     time.Time     // connected since then; zero: not, or forgotten since
	stayed time.Duration // connected in all, until up
	boot   string
	iface  string // where it was heard last

	heard    time.Time // by mDNS
	lastSeen time.Time // connected
	goodbye  time.Time
	wanted   time.Time // until then, whatever the limits

	since    time.Time // when the search for it began; zero when connected
	next     time.Time // of the next dial; zero: none planned
	dialing  bool
	started  time.Time    // of the last dial
	stray    []netip.Addr // the hosts of the dial under way that count in policy.stray
	tries    int
	settleAt time.Time

	err      string // of the last failed dial
	reported bool   // Unreachable was told
}

// policy decides whom to dial, when, and which connections to keep. It is a
// state machine without clock, network or goroutine: inputs are its methods,
// outputs are collected in out until taken. One goroutine owns it.
type policy struct {
	self  peer.ID
	limit int       // connections above which none is opened unasked
	only  []peer.ID // if any, the only peers there are
	rand  *rand.Rand
	net   network
	own   map[string]bool // our own addresses, never dialled
	peers map[peer.ID]*target
	links map[string]*link
	pace  pace
	dials int
	stray reflector
	out   []command

	reopened time.Time // connections opened before are to be opened anew
}

// command is something the policy wants done.
type command interface{ isCommand() }

type (
	dialCmd struct {
		peer    peer.ID
		addrs   []ma.Multiaddr
		timeout time.Duration
	}
	abortCmd struct{ peer peer.ID } // give up the dial in progress
	pingCmd  struct {
		link    string
		timeout time.Duration
	}
	closeCmd struct {
		link string
		why  string
	}
	saveCmd   struct{ entry Remembered }
	removeCmd struct{ peer peer.ID }
	eventCmd  struct{ event Event }
)

func (dialCmd) isCommand()   {}
func (abortCmd) isCommand()  {}
func (pingCmd) isCommand()   {}
func (closeCmd) isCommand()  {}
func (saveCmd) isCommand()   {}
func (removeCmd) isCommand() {}
func (eventCmd) isCommand()  {}

func newPolicy(self peer.ID, limit int, r *rand.Rand) *policy {
	return &policy{self: self, limit: limit, rand: r, peers: map[peer.ID]*target{}, links: map[string]*link{}, stray: reflector{}}
}

// admits reports a peer that may exist for us.
func (p *policy) admits(id peer.ID) bool { return len(p.only) == 0 || slices.Contains(p.only, id) }

// take returns the commands since the last call, in order.
func (p *policy) take() []command {
	out := p.out
	p.out = nil
	return out
}

func (p *policy) do(c command) { p.out = append(p.out, c) }

func (p *policy) tell(now time.Time, kind EventKind, t *target) {
	e := Event{Kind: kind, Peer: t.id, Via: t.via, Addrs: t.multiaddrs(), At: now}
	if kind == Unreachable {
		e.Err = t.err
	}
	p.do(eventCmd{e})
}

// jitter returns a duration around d, ± a quarter.
func (p *policy) jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(p.rand.Int64N(int64(d/2)+1))
}

// target returns what is known of a peer, making a place for it. Nil: it is us,
// it is not admitted, or there is no place.
func (p *policy) target(now time.Time, id peer.ID, via Via) *target {
	if id == p.self || id == "" || !p.admits(id) {
		return nil
	}
	t := p.peers[id]
	if t == nil {
		if len(p.peers) >= maxPeers && !p.evict() {
			return nil
		}
		t = &target{id: id, lower: p.self < id, via: via}
		p.peers[id] = t
		p.tell(now, Found, t)
	}
	if via.rank() > t.via.rank() {
		t.via = via
	}
	return t
}

// evict forgets, of the peers that are not worth keeping, the quarter whose
// last sign is longest ago: many at once, so that a flood of announcements is
// cheap. If there are none, it takes those that a flood can make too, by
// announcing each identity and connecting for a moment.
func (p *policy) evict() bool {
	var strangers, unproven []*target
	for _, t := range p.peers {
		switch {
		case t.dialing || len(t.links) > 0 || t.static:
		case !t.keep():
			strangers = append(strangers, t)
		case !t.proven:
			unproven = append(unproven, t)
		}
	}
	if len(strangers) == 0 {
		strangers = unproven
	}
	slices.SortFunc(strangers, func(a, b *target) int {
		return cmp.Or(a.sign().Compare(b.sign()), cmp.Compare(a.id, b.id))
	})
	for _, t := range strangers[:(len(strangers)+3)/4] {
		if t.keep() {
			p.do(removeCmd{t.id})
		}
		delete(p.peers, t.id)
	}
	return len(strangers) > 0
}

// keep reports a peer that is remembered and searched for. Shaking hands is
// not enough: identities are free, and whoever called with many of them would
// have us search for every one.
func (t *target) keep() bool { return t.static || t.met && t.worth }

// worthy notes that a peer is worth a search.
func (p *policy) worthy(t *target) {
	if !t.worth {
		t.worth = true
		p.save(t)
	}
}

// forgotten reports a peer that is not kept and of which nothing was heard for
// long enough.
func (t *target) forgotten(now time.Time) bool {
	return !t.keep() && !t.dialing && len(t.links) == 0 && !t.wanted.After(now) &&
		now.Sub(t.heard) > forgetHeard && now.Sub(t.lastSeen) > forgetStranger
}

// sign is when a peer was heard or connected last.
func (t *target) sign() time.Time {
	if t.heard.After(t.lastSeen) {
		return t.heard
	}
	return t.lastSeen
}

// gone reports a peer that took its leave: nothing is wrong, it is not searched.
func (t *target) gone() bool {
	return !t.goodbye.IsZero() && t.lastSeen.Sub(t.goodbye) < goodbyeCovers
}

// recent reports a peer whose search began soon after its last sign of life,
// or that the user wants to be searched for.
func (t *target) recent() bool {
	return t.static || !t.since.After(t.sign().Add(fullRateFor))
}

func (t *target) connected() bool {
	return slices.ContainsFunc(t.links, func(l *link) bool { return !l.closing })
}

// add notes an address, the newest word on it first.
func (t *target) add(now time.Time, a ma.Multiaddr, src source, iface string) (isNew bool) {
	i := slices.IndexFunc(t.addrs, func(b address) bool { return b.ma.Equal(a) })
	if i >= 0 {
		old := t.addrs[i]
		src = max(src, old.src)
		if iface == "" {
			iface = old.iface
		}
		t.addrs = slices.Delete(t.addrs, i, i+1)
	}
	t.addrs = slices.Insert(t.addrs, 0, address{a, src, iface, now})
	if len(t.addrs) > maxAddrs {
		// What the user named stays, of the rest the oldest goes.
		for j := len(t.addrs) - 1; j >= 0; j-- {
			if t.addrs[j].src != fromUser {
				t.addrs = slices.Delete(t.addrs, j, j+1)
				break
			}
		}
	}
	return i < 0
}

func (t *target) multiaddrs() []ma.Multiaddr {
	out := make([]ma.Multiaddr, 0, len(t.addrs))
	for _, a := range t.addrs {
		out = append(out, a.ma)
	}
	return out
}

// dialable lists the addresses of a peer that may be dialled: those on our
// LAN, but not our own; what the user named; and of a peer that the user named, where it was
// connected before.
func (p *policy) dialable(t *target) []ma.Multiaddr {
	var out []address
	for _, a := range t.addrs {
		ip, ok := addrIP(a.ma)
		switch {
		case p.own[a.ma.String()]:
		case a.src == fromUser, ok && p.net.onLink(ip), t.static && ok && a.src == fromPeer:
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b address) int {
		return cmp.Or(b.seen.Compare(a.seen), cmp.Compare(b.src, a.src))
	})
	addrs := make([]ma.Multiaddr, 0, len(out))
	for _, a := range out[:min(len(out), maxDialAddrs)] {
		addrs = append(addrs, a.ma)
	}
	return addrs
}

func addrIP(a ma.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}

// full reports that no more connections are to be opened unasked.
func (p *policy) full() bool {
	n := p.dials
	for _, t := range p.peers {
		if t.connected() {
			n++
		}
	}
	return n >= p.limit
}

// save writes a peer to the book, if it belongs there.
func (p *policy) save(t *target) {
	if !t.keep() {
		return
	}
	e := Remembered{Peer: t.id, Via: t.via, Static: t.static, LastSeen: t.lastSeen}
	add := func(user bool) {
		for _, a := range t.addrs {
			if len(e.Addrs) < maxSaved && (a.src == fromUser) == user {
				e.Addrs = append(e.Addrs, a.ma)
			}
		}
	}
	add(true)
	if !t.static {
		add(false)
	}
	p.do(saveCmd{e})
}
