package discovery

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// probeFor is how long Diagnose listens for the echo of its probe and for
// answers to it.
const probeFor = 1200 * time.Millisecond

// Report is what discovery knows of the network it works on.
type Report struct {
	Multicast bool   // announcing and listening
	Trouble   string // why multicast does not work at all; empty: it does
	// LinkLocalOnly: the interfaces in use have no address but fe80::, which
	// go-libp2p neither announces nor dials.
	LinkLocalOnly bool
	Malformed     int // packets about our service that made no sense
	Interfaces    []InterfaceReport
	Heard         []HeardPeer
}

// InterfaceReport is one interface and what multicast does on it.
type InterfaceReport struct {
	Interface
	Probed   bool   // a query was sent on it for this report
	Echo     bool   // and came back to us: multicast leaves and arrives here
	Others   int    // nodes heard on it in the last five minutes
	SendFail string // why the last packet could not be sent
}

// HeardPeer is a node that was heard on the LAN in the last five minutes.
type HeardPeer struct {
	Peer      peer.ID
	Interface string
	Addrs     []ma.Multiaddr
	Last      time.Time
	Connected bool
	OnLink    bool   // at least one of its addresses is in a subnet of ours
	Err       string // of the last attempt to connect
}

// heardFor is how long a node counts as heard.
const heardFor = 5 * time.Minute

// heardLog notes what multicast did, for Report. It belongs to the deciding
// goroutine.
type heardLog struct {
	socketErr error
	malformed int
	twinTold  time.Time
	echoes    map[int]time.Time // by interface
	failures  map[int]string
	peers     map[heardKey]heardEntry
}

type heardKey struct {
	peer  peer.ID
	iface string
}

type heardEntry struct {
	addrs []ma.Multiaddr
	at    time.Time
}

func newHeardLog() heardLog {
	return heardLog{echoes: map[int]time.Time{}, failures: map[int]string{}, peers: map[heardKey]heardEntry{}}
}

func (h *heardLog) self(now time.Time, i Interface, ours bool) {
	if ours {
		h.echoes[i.Index] = now
	}
}

func (h *heardLog) sent(i Interface, err error) {
	delete(h.failures, i.Index)
	if err != nil {
		h.failures[i.Index] = err.Error()
	}
}

func (h *heardLog) peer(now time.Time, a announcement, iface string) {
	key := heardKey{a.Peer, iface}
	if a.Goodbye {
		delete(h.peers, key)
		return
	}
	if len(h.peers) >= maxPeers {
		for k, e := range h.peers {
			if now.Sub(e.at) > heardFor {
				delete(h.peers, k)
			}
		}
		if len(h.peers) >= maxPeers {
			return
		}
	}
	h.peers[key] = heardEntry{a.Addrs, now}
}

// Diagnose sends a query on every interface in use, listens for a second, and
// reports. It returns early, with what is known, if ctx ends or Run does.
func (s *Service) Diagnose(ctx context.Context) Report {
	var began time.Time
	started := make(chan struct{})
	s.post(func(now time.Time) {
		began = now
		s.send(sending{query: true, askAll: true}, false)
		close(started)
	})
	select {
	case <-started:
		timer := time.NewTimer(probeFor)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-s.stopped:
		}
	case <-ctx.Done():
	case <-s.stopped:
	}
	result := make(chan Report, 1) // nobody may be waiting any more
	s.post(func(now time.Time) { result <- s.report(now, began) })
	select {
	case r := <-result:
		return r
	case <-s.stopped:
		return Report{Trouble: "discovery is not running"}
	}
}

func (s *Service) report(now, began time.Time) Report {
	r := Report{
		Multicast:     s.sockets != nil,
		LinkLocalOnly: s.policy.net.linkLocalOnly(),
		Malformed:     s.heard.malformed,
	}
	switch {
	case s.heard.socketErr != nil:
		r.Trouble = s.heard.socketErr.Error()
	case !s.cfg.MDNS:
		r.Trouble = "switched off with --no-mdns"
	}
	for _, i := range s.all {
		ir := InterfaceReport{Interface: i, Probed: i.Used && s.sockets != nil, SendFail: s.heard.failures[i.Index]}
		ir.Echo = ir.Probed && !began.IsZero() && !s.heard.echoes[i.Index].Before(began)
		for k, e := range s.heard.peers {
			if k.iface == i.Name && now.Sub(e.at) < heardFor {
				ir.Others++
			}
		}
		r.Interfaces = append(r.Interfaces, ir)
	}
	for k, e := range s.heard.peers {
		if now.Sub(e.at) >= heardFor {
			continue
		}
		p := HeardPeer{Peer: k.peer, Interface: k.iface, Addrs: e.addrs, Last: e.at}
		p.OnLink = slices.ContainsFunc(e.addrs, func(a ma.Multiaddr) bool {
			ip, ok := addrIP(a)
			return ok && s.policy.net.onLink(ip)
		})
		if t := s.policy.peers[k.peer]; t != nil {
			p.Connected, p.Err = t.connected(), t.err
		}
		r.Heard = append(r.Heard, p)
	}
	slices.SortFunc(r.Heard, func(a, b HeardPeer) int {
		return cmp.Or(cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Interface, b.Interface))
	})
	return r
}
