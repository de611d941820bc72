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

// Every connection is closed and dialled again, by the lower ID at once; a dial under
// way is given up, and what it brings all the same is not kept.
func TestReopen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	for _, n := range []int{1, 3} {
		w.hear(n, "a", onLan(n))
		w.open(n, fmt.Sprint("old", n), n == 3)
	}
	w.hear(4, "a", onLan(4))
	w.until(t0.Add(time.Second))
	w.peers[testID(4)].dialing = true
	old := w.now

	w.now = w.now.Add(time.Second)
	if got := w.reopen(w.now); len(got) != 2 {
		t.Errorf("reopened %v", got)
	}
	out := w.until(w.now)
	if got := closes(out); len(got) != 2 {
		t.Errorf("closed %v", got)
	}
	if !slices.Contains(out, command(abortCmd{testID(4)})) {
		t.Errorf("the dial under way goes on: %v", out)
	}
	if got := dials(out, 3); len(got) != 1 {
		t.Errorf("the lower ID dials %d times at once", len(got))
	}
	closed := w.now
	if got := dials(w.until(closed.Add(reopenWaits-time.Millisecond)), 1); len(got) != 0 {
		t.Errorf("the higher ID dials at once: %v", got)
	}
	if got := dials(w.until(closed.Add(reopenWaits)), 1); len(got) != 1 {
		t.Errorf("the higher ID dials %d times when the other does not", len(got))
	}
	w.opened(w.now, &link{id: "late", peer: testID(4), outgoing: true, remote: onLan(4), opened: old})
	w.open(1, "new1", true)
	if got := closes(w.run()); !slices.Equal(got, []string{"late"}) {
		t.Errorf("closed %v, want what was opened before", got)
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
