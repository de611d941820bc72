package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"p2pchat/node"
	"p2pchat/node/api"
	"p2pchat/protocol/identity"
)

// Names of the two accounts.
const (
	client = "client"
	server = "server"
)

// Transports as the node names them.
const (
	tcp  = "tcp"
	quic = "quic-v1"
)

// stage is all that is there before the first packet leaves.
type stage struct {
	dir      string // temporary
	loopback string // the interface
	acts     []*act
}

// act is two fresh nodes and the one transport they speak.
type act struct {
	transport      string
	client, server actor
}

// actor is an account and where its node is to listen.
type actor struct {
	name string
	dir  string
	at   netip.AddrPort
	key  identity.Key
	lock *node.Lock
}

// setStage makes accounts and chooses addresses and ports.
func setStage(ctx context.Context) (*stage, error) {
	loopback, err := loopbackName()
	if err != nil {
		return nil, err
	}
	places, err := choosePlaces()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "p2pchat-demo-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the nodes: %w", err)
	}
	s := &stage{dir: dir, loopback: loopback}
	for _, transport := range []string{tcp, quic} {
		a := &act{transport: transport}
		s.acts = append(s.acts, a)
		if err := a.cast(ctx, filepath.Join(dir, transport)); err != nil {
			return nil, errors.Join(err, s.clear())
		}
		a.client.at, a.server.at = places[transport][0], places[transport][1]
	}
	return s, nil
}

// clear removes what setStage made.
func (s *stage) clear() error {
	for _, a := range s.acts {
		a.dismiss()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the nodes' directory: %w", err)
	}
	return nil
}

func (s *stage) actors() []actor {
	var all []actor
	for _, a := range s.acts {
		all = append(all, a.client, a.server)
	}
	return all
}

// cast makes the two accounts, again until client's peer ID is the lower one:
// every other time.
func (a *act) cast(ctx context.Context, dir string) error {
	for try := 0; ; try++ {
		for _, p := range []*actor{&a.client, &a.server} {
			p.name = client
			if p == &a.server {
				p.name = server
			}
			p.dir = filepath.Join(dir, fmt.Sprint(try), p.name)
			if _, err := node.CreateAccount(ctx, p.dir, p.name, nil); err != nil {
				return fmt.Errorf("make the account of %s: %w", p.name, err)
			}
			var err error
			if p.lock, p.key, err = node.Unlock(p.dir, nil); err != nil {
				return fmt.Errorf("open the account of %s: %w", p.name, err)
			}
		}
		if a.client.key.ID() < a.server.key.ID() {
			return nil
		}
		a.dismiss()
	}
}

// dismiss lets go of the accounts.
func (a *act) dismiss() {
	for _, p := range []*actor{&a.client, &a.server} {
		if p.lock != nil {
			_ = p.lock.Release() // the directory goes too
			p.lock = nil
		}
	}
}

func loopbackName() (string, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return "", fmt.Errorf("list network interfaces: %w", err)
	}
	down := ""
	for _, i := range ifaces {
		if i.Flags&net.FlagLoopback == 0 {
			continue
		}
		if i.Flags&net.FlagUp != 0 {
			return i.Name, nil
		}
		down = i.Name
	}
	if down == "" {
		return "", api.Errorf(api.CodeInternal, "this machine has no loopback interface, over which the demonstration runs")
	}
	return "", api.Errorf(api.CodeInternal, "the loopback interface, over which the demonstration runs, is down: switch it on (`sudo ip link set %s up`)", down)
}

// The ports to choose from, see the package comment.
const (
	firstPort = 28000
	ports     = 1400
)

// choosePlaces finds free places for client and server, by transport.
func choosePlaces() (map[string][2]netip.AddrPort, error) {
	hosts := [2]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.AddrFrom4([4]byte{127, 0, 0, 2})}
	if bind(tcp, netip.AddrPortFrom(hosts[1], 0)) != nil {
		hosts[1] = hosts[0]
	}
	places := map[string][2]netip.AddrPort{}
	next := rand.IntN(ports)
	for _, transport := range []string{tcp, quic} {
		var pair [2]netip.AddrPort
		for i, host := range hosts {
			var err error
			for range ports {
				pair[i] = netip.AddrPortFrom(host, uint16(firstPort+next%ports))
				next++
				if err = bind(transport, pair[i]); err == nil {
					break
				}
			}
			if err != nil {
				return nil, api.Errorf(api.CodeInternal, "no free port between %d and %d on loopback: %w", firstPort, firstPort+ports-1, err)
			}
		}
		places[transport] = pair
	}
	return places, nil
}

// bind finds out whether a place is free.
func bind(transport string, at netip.AddrPort) error {
	if transport == tcp {
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
		if err != nil {
			return err
		}
		return l.Close()
	}
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	return c.Close()
}
