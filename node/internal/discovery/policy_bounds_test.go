package discovery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

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
