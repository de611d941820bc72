package cli

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"p2pchat/captures"
	"p2pchat/node/api"
)

// captureTarget asks the node which packets are its own and brings the answer
// into the words of package captures; with, if not empty, restricts it to
// these people.
func captureTarget(ctx context.Context, svc api.Service, with []string) (captures.Target, error) {
	own, err := svc.CaptureTarget(ctx)
	if err != nil {
		return captures.Target{}, err
	}
	peers, err := svc.Peers(ctx)
	if err != nil {
		return captures.Target{}, err
	}
	t := captures.Target{
		TCP: captures.AnyAddr(own.TCPPorts...), UDP: captures.AnyAddr(own.UDPPorts...),
		Interfaces: own.Interfaces, Names: map[netip.Addr]string{},
	}
	for ip, name := range own.Names {
		if addr, err := netip.ParseAddr(ip); err == nil {
			t.Names[addr] = name
		}
	}
	for _, p := range peers {
		for _, addr := range p.Addrs {
			at := parseAddr(addr)
			if port, err := netip.ParseAddrPort(joinHostPort(at)); err == nil && at.transport == "tcp" {
				t.Peers = append(t.Peers, port)
			}
		}
	}
	for _, f := range own.Connections {
		local, localErr := netip.ParseAddrPort(f.Local)
		remote, remoteErr := netip.ParseAddrPort(f.Remote)
		if localErr == nil && remoteErr == nil {
			t.Connections = append(t.Connections, captures.Connection{Local: local, Remote: remote, UDP: f.Network == "udp"})
		}
	}
	for _, who := range with {
		addrs, err := addrsOf(who, peers, own)
		if err != nil {
			return captures.Target{}, err
		}
		t.With = append(t.With, addrs...)
	}
	return t, nil
}

func joinHostPort(at place) string {
	if strings.Contains(at.ip, ":") {
		return fmt.Sprintf("[%s]:%s", at.ip, at.port)
	}
	return at.ip + ":" + at.port
}

// addrsOf lists the addresses of a person: announced ones, and those of live
// connections.
func addrsOf(who string, peers []api.Peer, own api.CaptureTarget) ([]netip.Addr, error) {
	p, err := findPeer(who, peers)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, addr := range p.Addrs {
		if ip, err := netip.ParseAddr(parseAddr(addr).ip); err == nil {
			addrs = append(addrs, ip)
		}
	}
	for _, f := range own.Connections {
		if remote, err := netip.ParseAddrPort(f.Remote); err == nil && f.PeerID == p.PeerID {
			addrs = append(addrs, remote.Addr())
		}
	}
	if len(addrs) == 0 {
		return nil, api.Errorf(api.CodeNotFound, "no address of %q is known yet", who)
	}
	return addrs, nil
}

// findPeer finds who (name, @name, user:name or peer ID) in the roster.
func findPeer(who string, peers []api.Peer) (api.Peer, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(who, "user:"), "@")
	var found []api.Peer
	for _, p := range peers {
		if p.PeerID == name {
			return p, nil
		}
		if strings.EqualFold(p.Name, name) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return api.Peer{}, api.Errorf(api.CodeNotFound, "nobody named %q has been seen; `p2pchat peers` lists who has", who)
	case 1:
		return found[0], nil
	}
	err := api.Errorf(api.CodeAmbiguous, "%q could be several people: name one by peer ID", who)
	for _, p := range found {
		err.Candidates = append(err.Candidates, p.PeerID)
	}
	return api.Peer{}, err
}
