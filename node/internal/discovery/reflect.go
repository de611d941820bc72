package discovery

import (
	"net/netip"
	"time"

	ma "github.com/multiformats/go-multiaddr"
)

// Bounds on the dials of peers never met, per IP address dialled. Anyone can
// announce any number of peers at somebody else's address.
const (
	maxStrangerDials = 4                      // at the same time
	strangerGap      = 125 * time.Millisecond // between two, in the long run
	maxStrangerAddrs = 4                      // ports of one IP address, per dial
)

// strangerDials is what goes to one IP address for the sake of strangers.
type strangerDials struct {
	open int       // dials under way
	free time.Time // when all that began would have, one per strangerGap
}

// reflector counts the dials of peers never met by where they go. At most
// maxDials are under way, so that the map is small: idle entries go at once.
type reflector map[netip.Addr]*strangerDials

// allow picks the addresses that may be dialled now, and lists their hosts,
// which are to be given back with done.
func (r reflector) allow(now time.Time, addrs []ma.Multiaddr) (allowed []ma.Multiaddr, hosts []netip.Addr) {
	for ip, d := range r {
		if d.open == 0 && !d.free.After(now) {
			delete(r, ip)
		}
	}
	ports := map[netip.Addr]int{} // negative: refused
	for _, a := range addrs {
		ip, ok := addrIP(a)
		if !ok {
			continue
		}
		if ports[ip] == 0 {
			d := r[ip]
			if d == nil {
				d = &strangerDials{free: now}
				r[ip] = d
			}
			if d.open >= maxStrangerDials || d.free.Sub(now) >= maxStrangerDials*strangerGap {
				ports[ip] = -1
				continue
			}
			if d.free.Before(now) {
				d.free = now
			}
			d.open++
			d.free = d.free.Add(strangerGap)
			hosts = append(hosts, ip)
		}
		if n := ports[ip]; n >= 0 && n < maxStrangerAddrs {
			ports[ip]++
			allowed = append(allowed, a)
		}
	}
	return allowed, hosts
}

// done gives back what allow listed.
func (r reflector) done(hosts []netip.Addr) {
	for _, ip := range hosts {
		if d := r[ip]; d != nil {
			d.open--
		}
	}
}
