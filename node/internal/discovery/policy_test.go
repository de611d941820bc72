package discovery

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// testID makes a peer ID that sorts by n.
func testID(n int) peer.ID {
	raw := sha256.Sum256(fmt.Append(nil, n))
	raw[0], raw[1] = byte(n>>8), byte(n)
	key, err := crypto.UnmarshalEd25519PublicKey(raw[:])
	if err != nil {
		panic(err)
	}
	id, err := peer.IDFromPublicKey(key)
	if err != nil {
		panic(err)
	}
	return id
}

var (
	t0         = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	lanNet     = network{[]Interface{{Name: "eth0", Index: 2, Used: true, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}}}
	errRefused = errors.New("refused")
)

func onLan(n int) ma.Multiaddr {
	return ma.StringCast(fmt.Sprintf("/ip4/10.0.0.%d/tcp/47700", n))
}

// world is a policy with a clock, and what the policy asked for.
type world struct {
	*policy
	t    testing.TB
	now  time.Time
	next time.Time

	pending []due // what is to come back from the network
}

type due struct {
	at time.Time
	f  func()
}

// newWorld makes node number self on the LAN 10.0.0.0/24.
func newWorld(t testing.TB, self int) *world {
	w := &world{policy: newPolicy(testID(self), 48, rand.New(rand.NewPCG(1, 2))), t: t, now: t0}
	w.networkIs(w.now, lanNet, change{gained: true})
	return w
}

// run lets the policy act at the present time and returns what it wants.
func (w *world) run() []command {
	w.next = w.tick(w.now)
	return w.take()
}

// until lets time pass, from one moment of the policy's choosing to the next.
// Dials fail after their timeout, pings too.
func (w *world) until(end time.Time) (all []command) {
	for {
		out := w.run()
		all = append(all, out...)
		for _, c := range out {
			switch c := c.(type) {
			case dialCmd:
				w.pending = append(w.pending, due{w.now.Add(c.timeout), func() { w.dialed(w.now, c.peer, errRefused) }})
			case pingCmd:
				w.pending = append(w.pending, due{w.now.Add(c.timeout), func() { w.pinged(w.now, c.link, false) }})
			case closeCmd:
				w.pending = append(w.pending, due{w.now, func() { w.closed(w.now, c.link) }})
			}
		}
		at := w.next
		for _, d := range w.pending {
			if at.IsZero() || d.at.Before(at) {
				at = d.at
			}
		}
		if at.IsZero() || at.After(end) {
			w.now = end
			return all
		}
		w.now = at
		arrived := slices.Clone(w.pending)
		w.pending = slices.DeleteFunc(w.pending, func(d due) bool { return !d.at.After(at) })
		for _, d := range arrived {
			if !d.at.After(at) {
				d.f()
			}
		}
	}
}

func (w *world) hear(n int, boot string, addrs ...ma.Multiaddr) {
	w.heardFrom(w.now, announcement{Peer: testID(n), Boot: boot, Addrs: addrs}, "eth0")
}

func (w *world) open(n int, id string, outgoing bool) {
	w.opened(w.now, &link{id: id, peer: testID(n), outgoing: outgoing, remote: onLan(n % 251), opened: w.now})
}

func dials(cs []command, n int) (out []dialCmd) {
	for _, c := range cs {
		if d, ok := c.(dialCmd); ok && d.peer == testID(n) {
			out = append(out, d)
		}
	}
	return out
}

func pings(cs []command) (out []string) {
	for _, c := range cs {
		if p, ok := c.(pingCmd); ok {
			out = append(out, p.link)
		}
	}
	return out
}

func closes(cs []command) (out []string) {
	for _, c := range cs {
		if p, ok := c.(closeCmd); ok {
			out = append(out, p.link)
		}
	}
	return out
}

func events(cs []command) (out []EventKind) {
	for _, c := range cs {
		if e, ok := c.(eventCmd); ok {
			out = append(out, e.event.Kind)
		}
	}
	return out
}

func TestLowerIDDialsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.hear(2, "a", onLan(2))
	if got := dials(w.run(), 2); len(got) != 1 || !got[0].addrs[0].Equal(onLan(2)) {
		t.Errorf("the lower ID dials %v", got)
	}
}

func TestHigherIDWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.hear(1, "a", onLan(1))
	if got := dials(w.until(t0.Add(higherWaits-time.Millisecond)), 1); len(got) != 0 {
		t.Errorf("dialled at %v", w.now.Sub(t0))
	}
	// Further announcements don't make it wait longer.
	w.hear(1, "a", onLan(1))
	if got := dials(w.until(t0.Add(higherWaits)), 1); len(got) != 1 {
		t.Errorf("after the wait: %v", got)
	}
}

func TestHigherIDLeavesItToTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.hear(1, "a", onLan(1))
	w.until(t0.Add(time.Second))
	w.open(1, "c", false)
	if got := dials(w.until(t0.Add(time.Hour)), 1); len(got) != 0 {
		t.Errorf("dialled though connected: %v", got)
	}
}

// A dial every few seconds for ten minutes, then about one a minute.
func TestRedialRate(t *testing.T) {
	t.Parallel()
	for _, self := range []int{1, 3} {
		w := newWorld(t, self)
		w.open(2, "c", false)
		w.now = t0.Add(time.Hour)
		lost := w.now
		w.closed(w.now, "c")

		last, count := w.now, 0
		for w.now.Before(lost.Add(fullRateFor)) {
			step := w.now.Add(100 * time.Millisecond)
			if len(dials(w.until(step), 2)) > 0 {
				if gap := w.now.Sub(last); gap > 7*time.Second {
					t.Errorf("node %d: no dial for %v at %v after the loss", self, gap, w.now.Sub(lost))
				}
				last = w.now
				count++
			}
		}
		if count < 150 || count > 600 {
			t.Errorf("node %d: %d dials in ten minutes", self, count)
		}
		w.until(lost.Add(fullRateFor + 2*time.Minute))
		slow := dials(w.until(lost.Add(fullRateFor+32*time.Minute)), 2)
		if len(slow) < 15 || len(slow) > 45 {
			t.Errorf("node %d: %d dials in the half hour after that", self, len(slow))
		}
		// A sign of life starts anew.
		w.hear(2, "a", onLan(2))
		if got := dials(w.until(w.now.Add(time.Minute)), 2); len(got) < 15 {
			t.Errorf("node %d: %d dials in the minute after a hint", self, len(got))
		}
	}
}

func TestGoodbyeIsNoLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.open(2, "c", false)
	w.left(w.now, testID(2))
	w.now = w.now.Add(time.Second)
	w.closed(w.now, "c")
	if got := dials(w.until(w.now.Add(30*time.Second)), 2); len(got) != 0 {
		t.Errorf("%d dials after a goodbye", len(got))
	}
	if m := w.missing(w.now); len(m) != 0 {
		t.Errorf("searched by name after a goodbye: %v", m)
	}
	w.hear(2, "b", onLan(2))
	if got := dials(w.run(), 2); len(got) != 1 {
		t.Errorf("back again, but %d dials", len(got))
	}
}

// A goodbye in somebody else's name must not end anything.
func TestForgedGoodbye(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.open(2, "c", false)
	w.run()
	w.now = w.now.Add(time.Minute)
	w.heardFrom(w.now, announcement{Peer: testID(2), Goodbye: true}, "eth0")
	if got := w.run(); !slices.Equal(pings(got), []string{"c"}) {
		t.Fatalf("after a goodbye: %v", got)
	}
	w.pinged(w.now, "c", true)
	w.now = w.now.Add(time.Minute)
	w.closed(w.now, "c")
	if len(w.missing(w.now)) != 1 {
		t.Error("a real loss after a forged goodbye is not searched for")
	}
}

func TestReasonsForDoubt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		doubt func(*world)
		want  bool
	}{
		{"same announcement", func(w *world) { w.hear(2, "a", onLan(2), onLan(22)) }, false},
		{"restarted", func(w *world) { w.hear(2, "b", onLan(2), onLan(22)) }, true},
		{"new address", func(w *world) { w.hear(2, "a", onLan(2), onLan(22), onLan(23)) }, true},
		{"address gone", func(w *world) { w.hear(2, "a", onLan(2)) }, true},
		{"asks for us", func(w *world) { w.soughtBy(w.now, testID(2)) }, true},
		{"our address went", func(w *world) { w.networkIs(w.now, network{}, change{lost: true}) }, true},
		{"our link came", func(w *world) { w.networkIs(w.now, lanNet, change{gained: true}) }, true},
		{"nothing new", func(w *world) { w.networkIs(w.now, lanNet, change{}) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.hear(2, "a", onLan(2), onLan(22))
			w.run()
			w.open(2, "c", true)
			w.dialed(w.now, testID(2), nil)
			w.run()
			w.now = w.now.Add(time.Minute)
			tt.doubt(w)
			got := w.run()
			if (len(pings(got)) == 1) != tt.want {
				t.Fatalf("pings %v, want one: %v", pings(got), tt.want)
			}
			if !tt.want {
				return
			}
			w.now = w.now.Add(pingTimeout)
			w.pinged(w.now, "c", false)
			if got := closes(w.run()); !slices.Equal(got, []string{"c"}) {
				t.Fatalf("no answer, closed %v", got)
			}
			w.networkIs(w.now, lanNet, change{gained: true})
			w.closed(w.now, "c")
			if got := dials(w.until(w.now.Add(100*time.Millisecond)), 2); len(got) != 1 {
				t.Errorf("dead connection closed, %d dials", len(got))
			}
		})
	}
}

func TestOnlyTheLanIsDialled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	far := ma.StringCast("/ip4/192.0.2.2/tcp/47700")
	w.hear(2, "a", far, ma.StringCast("/ip4/127.0.0.1/tcp/47700"), ma.StringCast("/ip6/fe80::2/tcp/47700"))
	got := w.until(t0.Add(time.Minute))
	if len(dials(got, 2)) != 0 {
		t.Errorf("dialled beyond the LAN: %v", got)
	}
	if !slices.Equal(events(got), []EventKind{Found, Unreachable}) {
		t.Errorf("events %v", events(got))
	}
	w.addStatic(w.now, peer.AddrInfo{ID: testID(2), Addrs: []ma.Multiaddr{far}})
	if got := dials(w.run(), 2); len(got) != 1 || !got[0].addrs[0].Equal(far) || len(got[0].addrs) != 1 {
		t.Errorf("named by the user: %v", got)
	}
	if via := w.peers[testID(2)].via; via != Static {
		t.Errorf("via %s", via)
	}
}

// Whoever announces our own address would have us dial ourselves. Another port
// of it is another node on this machine.
func TestOwnAddressIsNotDialled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.own = lanNet.own([]ma.Multiaddr{ma.StringCast("/ip4/0.0.0.0/tcp/47700"), ma.StringCast("/ip4/0.0.0.0/udp/47700/quic-v1")})
	other := ma.StringCast("/ip4/10.0.0.1/tcp/47701")
	w.hear(2, "a", onLan(1), ma.StringCast("/ip4/10.0.0.1/udp/47700/quic-v1"), other, ma.StringCast("/ip4/10.0.0.255/tcp/47700"))
	if got := dials(w.run(), 2); len(got) != 1 || len(got[0].addrs) != 1 || !got[0].addrs[0].Equal(other) {
		t.Errorf("dialled %v, want %s alone", got, other)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	for i := 1; i <= 48; i++ {
		w.open(i, fmt.Sprint("c", i), false)
	}
	w.hear(100, "a", onLan(100))
	w.hear(101, "a", onLan(101))
	if got := w.until(t0.Add(10 * time.Minute)); len(dials(got, 100)) != 0 {
		t.Errorf("dialled above the limit")
	}
	w.want(w.now, testID(100))
	if got := dials(w.run(), 100); len(got) != 1 {
		t.Errorf("wanted, but %d dials", len(got))
	}
	w.addStatic(w.now, peer.AddrInfo{ID: testID(102), Addrs: []ma.Multiaddr{onLan(102)}})
	if got := dials(w.run(), 102); len(got) != 1 {
		t.Errorf("named by the user, but %d dials", len(got))
	}
	w.closed(w.now, "c1")
	w.closed(w.now, "c2")
	w.hear(101, "a", onLan(101))
	w.dialed(w.now, testID(100), errRefused)
	w.dialed(w.now, testID(102), errRefused)
	if got := dials(w.run(), 101); len(got) != 1 {
		t.Errorf("room again, but %d dials", len(got))
	}
}

func TestHintRestartsOnlyStaleDials(t *testing.T) {
	t.Parallel()
	for _, fresh := range []bool{false, true} {
		w := newWorld(t, 1)
		w.open(2, "c", true)
		w.now = w.now.Add(time.Hour)
		w.closed(w.now, "c")
		w.hear(2, "a", onLan(2))
		w.now = w.now.Add(5 * time.Second)
		if fresh {
			w.hear(2, "a", onLan(2))
		}
		if len(dials(w.run(), 2)) != 1 {
			t.Fatal("no dial")
		}
		w.now = w.now.Add(redialOnHint)
		w.hear(2, "a", onLan(2))
		aborted := slices.Contains(w.run(), command(abortCmd{testID(2)}))
		if aborted == fresh {
			t.Errorf("dial begun after a sign of life: %v; given up: %v", fresh, aborted)
		}
		if !aborted {
			continue
		}
		w.dialed(w.now, testID(2), errors.New("given up"))
		if len(dials(w.run(), 2)) != 1 {
			t.Error("given up and not begun again")
		}
	}
}

// The one with the lower ID must not give up its dial for the other's.
func TestCrossingDials(t *testing.T) {
	t.Parallel()
	for _, self := range []int{1, 3} {
		w := newWorld(t, self)
		w.hear(2, "a", onLan(2))
		w.until(t0.Add(higherWaits)) // the world's dials fail only later
		w.now = w.now.Add(time.Millisecond)
		w.peers[testID(2)].dialing = true
		w.open(2, "in", false)
		aborted := slices.Contains(w.run(), command(abortCmd{testID(2)}))
		if aborted != (self == 3) {
			t.Errorf("node %d: own dial given up: %v", self, aborted)
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.addStatic(w.now, peer.AddrInfo{ID: testID(2), Addrs: []ma.Multiaddr{onLan(2)}})
	w.run()
	w.dialed(w.now, testID(2), errRefused)
	w.remove(testID(2))
	got := w.until(t0.Add(time.Hour))
	if len(dials(got, 2)) != 0 || !slices.Contains(got, command(removeCmd{testID(2)})) {
		t.Errorf("after removal: %v", got)
	}
	if len(w.peers) != 0 {
		t.Errorf("still known: %v", w.peers)
	}
}

func TestBookIsUsedAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.load(w.now, []Remembered{
		{Peer: testID(2), Addrs: []ma.Multiaddr{onLan(2)}, LastSeen: t0.Add(-time.Minute)},
		{Peer: testID(3), Addrs: []ma.Multiaddr{onLan(3)}, LastSeen: t0.Add(-24 * time.Hour)},
		{Peer: testID(4), Addrs: []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.4/tcp/1")}, LastSeen: t0.Add(-time.Minute)},
		{Peer: testID(5), Addrs: []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.5/tcp/1")}, Static: true, Via: Static},
	})
	got := w.until(t0)
	for n, want := range map[int]int{2: 1, 3: 1, 4: 0, 5: 1} {
		if len(dials(got, n)) != want {
			t.Errorf("peer %d: %d dials, want %d", n, len(dials(got, n)), want)
		}
	}
	m := w.missing(w.now)
	if _, old := m[testID(3)]; old || len(m) != 3 {
		t.Errorf("searched by name: %v", m)
	}
	later := w.until(t0.Add(time.Minute))
	if a, b := len(dials(later, 2)), len(dials(later, 3)); a < 15 || b > 2 {
		t.Errorf("in a minute %d dials of one seen lately, %d of one long gone", a, b)
	}
}

// Whatever is announced, memory and dials stay bounded.
func TestFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.open(1, "friend", false)
	var addrs []ma.Multiaddr
	for i := range 40 {
		addrs = append(addrs, ma.StringCast(fmt.Sprintf("/ip4/10.0.0.9/tcp/%d", i+1)))
	}
	for i := 2; i < 3*maxPeers; i++ {
		w.hear(i, "x", addrs...)
		w.now = w.now.Add(time.Millisecond)
	}
	if len(w.peers) > maxPeers || w.peers[testID(1)] == nil {
		t.Errorf("%d peers known, the one we met among them: %v", len(w.peers), w.peers[testID(1)] != nil)
	}
	for _, p := range w.peers {
		if len(p.addrs) > maxAddrs {
			t.Fatalf("%d addresses of one peer", len(p.addrs))
		}
	}
	dialled := 0
	for _, c := range w.run() {
		if _, ok := c.(dialCmd); ok {
			dialled++
		}
	}
	if dialled == 0 || dialled > maxDials {
		t.Errorf("%d dials at once", dialled)
	}
	w.dials = 0
	w.now = w.now.Add(forgetHeard + time.Minute)
	for _, p := range w.peers {
		p.dialing = false
	}
	w.run()
	if len(w.peers) != 1 {
		t.Errorf("%d peers remembered, want the one we met", len(w.peers))
	}
}

// On a machine with too much to do, timeouts grow and dials get fewer; as soon
// as things go fast again, both go back.
func TestPace(t *testing.T) {
	t.Parallel()
	var p pace
	idle := p.stretch(time.Second)
	if idle != time.Second || p.dials() != maxDials {
		t.Errorf("idle: %v, %d dials", idle, p.dials())
	}
	p.late(300 * time.Millisecond)
	if got := p.stretch(time.Second); got < 3*time.Second || got > maxTimeout || p.dials() >= maxDials {
		t.Errorf("timers late: %v, %d dials", got, p.dials())
	}
	for range 100 {
		p.late(0)
	}
	p.took(800 * time.Millisecond)
	if got := p.stretch(time.Second); got < 3*time.Second || p.dials() >= maxDials {
		t.Errorf("slow handshakes: %v, %d dials", got, p.dials())
	}
	for range 100 {
		p.took(5 * time.Millisecond)
	}
	if got := p.stretch(time.Second); got > 1100*time.Millisecond || p.dials() != maxDials {
		t.Errorf("fast again: %v, %d dials", got, p.dials())
	}
}

// Identities are free: whoever only calls, again and again with another one,
// is soon forgotten and never asked for.
func TestCallersAreForgotten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		worth func(*world)
		want  bool
	}{
		{"caller", func(w *world) { w.open(2, "c", false) }, false},
		{"heard", func(w *world) { w.open(2, "c", false); w.hear(2, "a", onLan(2)) }, true},
		{"heard before", func(w *world) { w.hear(2, "a", onLan(2)); w.open(2, "c", false) }, true},
		{"heard from elsewhere", func(w *world) {
			w.open(2, "c", false)
			w.addrsOf(2, nil)
			w.hear(2, "a", ma.StringCast("/ip4/192.0.2.1/tcp/1"))
		}, false},
		{"answered", func(w *world) { w.open(2, "c", true) }, true},
		{"named", func(w *world) {
			w.open(2, "c", false)
			w.addStatic(w.now, peer.AddrInfo{ID: testID(2), Addrs: []ma.Multiaddr{onLan(2)}})
		}, true},
		{"stayed", func(w *world) { w.open(2, "c", false); w.until(w.now.Add(worthAfter)) }, true},
		{"came again", func(w *world) {
			w.open(2, "b", false)
			w.now = w.now.Add(worthAfter - 2*time.Second)
			w.closed(w.now, "b")
			w.open(2, "c", false)
			w.now = w.now.Add(time.Second)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			tt.worth(w)
			w.now = w.now.Add(time.Second)
			w.closed(w.now, "c")
			saved := slices.ContainsFunc(w.run(), func(c command) bool { _, ok := c.(saveCmd); return ok })
			if asked := len(w.missing(w.now)) == 1; asked != tt.want || saved != tt.want {
				t.Errorf("asked for by name: %v, in the book: %v, want %v", asked, saved, tt.want)
			}
			n := len(dials(w.until(w.now.Add(5*time.Minute)), 2))
			if tt.want && n < 60 || !tt.want && n > 10 {
				t.Errorf("%d dials in five minutes", n)
			}
			if !tt.want && w.peers[testID(2)] != nil && w.peers[testID(2)].heard.IsZero() {
				t.Error("a caller is still known")
			}
		})
	}
}

// An address that is heard of after the connection was made is remembered too.
func TestLateAddressIsSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.hear(2, "a", onLan(2))
	w.open(2, "c", false)
	w.run()
	second := ma.StringCast("/ip4/10.0.0.202/tcp/1")
	w.heardFrom(w.now.Add(time.Second), announcement{Peer: testID(2), Boot: "a", Addrs: []ma.Multiaddr{second}}, "eth1")
	for _, c := range w.run() {
		if s, ok := c.(saveCmd); ok && slices.ContainsFunc(s.entry.Addrs, second.Equal) {
			return
		}
	}
	t.Error("the book is not told of the second address")
}

// addrsOf replaces what is known of a peer's addresses.
func (w *world) addrsOf(n int, addrs []address) { w.peers[testID(n)].addrs = addrs }

// Of many lost peers those known longest are searched for at full rate, as are
// those that the user named.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	const lost = 100
	for i := 1; i <= lost; i++ {
		w.open(i, fmt.Sprint("c", i), true)
		w.now = w.now.Add(time.Second)
	}
	w.open(200, "named", true)
	w.addStatic(w.now, peer.AddrInfo{ID: testID(200), Addrs: []ma.Multiaddr{onLan(200)}})
	w.limit = 2 * lost
	for i := lost; i >= 1; i-- {
		w.closed(w.now, fmt.Sprint("c", i))
	}
	w.closed(w.now, "named")
	m := w.missing(w.now)
	_, named := m[testID(200)]
	_, oldest := m[testID(1)]
	_, last := m[testID(maxSearched)]
	if len(m) != maxSearched+1 || !named || !oldest || !last {
		t.Errorf("%d searched by name; the named one %v, the longest known %v, %v", len(m), named, oldest, last)
	}
	got := w.until(w.now.Add(5 * time.Minute))
	for i := 1; i <= lost; i++ {
		if n := len(dials(got, i)); n > 10 && i > maxSearched || n < 20 && i <= maxSearched {
			t.Errorf("peer %d: %d dials in five minutes", i, n)
		}
	}
	// One of them is back: there is room for the next.
	w.open(1, "again", true)
	if _, next := w.missing(w.now)[testID(maxSearched+1)]; !next {
		t.Error("the next one is not searched for")
	}
}

// A flood of identities that announce themselves and connect for a moment
// leaves room for newcomers, and those who stayed.
func TestFloodOfConnections(t *testing.T) {
	t.Parallel()
	for _, announced := range []bool{false, true} {
		w := newWorld(t, 0)
		w.open(1, "friend", false)
		w.now = w.now.Add(worthAfter)
		w.closed(w.now, "friend")
		for i := 2; i < 2*maxPeers; i++ {
			if announced {
				w.hear(i, "x", onLan(9))
			}
			w.open(i, fmt.Sprint("c", i), false)
			w.now = w.now.Add(time.Millisecond)
			w.closed(w.now, fmt.Sprint("c", i))
			if w.peers[testID(i)] == nil {
				t.Fatalf("announced %v: no room for newcomer %d", announced, i)
			}
		}
		if len(w.peers) > maxPeers || w.peers[testID(1)] == nil {
			t.Errorf("announced %v: %d peers, the friend among them: %v", announced, len(w.peers), w.peers[testID(1)] != nil)
		}
		if n := len(w.missing(w.now)); n > maxSearched {
			t.Errorf("announced %v: %d searched by name", announced, n)
		}
	}
}

// Announcing many peers at somebody else's address does not have him flooded
// with dials, nor keep others from being dialled.
func TestNoReflection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	var victim []ma.Multiaddr
	for i := range maxAddrs {
		victim = append(victim, ma.StringCast(fmt.Sprintf("/ip4/10.0.0.9/tcp/%d", i+1)))
	}
	for i := 1; i <= 200; i++ {
		w.hear(i, "x", victim...)
	}
	w.hear(201, "x", onLan(201))
	at := w.run()
	sent := 0
	for _, c := range at {
		if d, ok := c.(dialCmd); ok && d.peer != testID(201) {
			sent++
			if len(d.addrs) > maxStrangerAddrs {
				t.Errorf("%d ports in one dial", len(d.addrs))
			}
		}
	}
	if sent != maxStrangerDials || len(dials(at, 201)) != 1 {
		t.Errorf("%d dials at once to one address, %d to another", sent, len(dials(at, 201)))
	}
	// Refused at once, over and over: the rate is what bounds them then.
	const seconds = 10
	var open []peer.ID
	for _, c := range at {
		if d, ok := c.(dialCmd); ok {
			open = append(open, d.peer)
		}
	}
	for end := w.now.Add(seconds * time.Second); w.now.Before(end); w.now = w.now.Add(10 * time.Millisecond) {
		for _, id := range open {
			w.dialed(w.now, id, errRefused)
		}
		open = nil
		for _, c := range w.run() {
			if d, ok := c.(dialCmd); ok {
				open = append(open, d.peer)
				if d.peer != testID(201) {
					sent++
				}
			}
		}
	}
	if most := maxStrangerDials + seconds*int(time.Second/strangerGap); sent > most || sent < most/2 {
		t.Errorf("%d dials in %d seconds, want at most %d", sent, seconds, most)
	}
}
