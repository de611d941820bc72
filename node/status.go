package node

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"p2pchat/node/api"
	"p2pchat/node/internal/discovery"
	"p2pchat/node/internal/p2phost"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/identity"
)

// Whoami implements [api.Reader].
func (n *Node) Whoami(ctx context.Context) (api.Identity, error) {
	return whoami(n.self.account()), ctx.Err()
}

func whoami(acc store.Account) api.Identity {
	return api.Identity{PeerID: acc.Peer.String(), Name: acc.Name, Fingerprint: identity.Fingerprint(acc.Peer)}
}

// Status implements [api.Service].
func (n *Node) Status(ctx context.Context) (api.Status, error) {
	n.outOfPlace(n.store.InPlace()) // also before anything is to be written
	// What was acknowledged a moment ago counts.
	if err := n.writeBehind(ctx); err != nil {
		n.uncommitted("write behind", err)
	}
	id, err := n.Whoami(ctx)
	if err != nil {
		return api.Status{}, err
	}
	s, err := storedStatus(ctx, n.store, id, n.cfg.Version)
	if err != nil {
		return api.Status{}, err
	}
	s.Running, s.Notices = true, n.notices.list()
	for _, a := range n.host.Addrs() {
		s.Addrs = append(s.Addrs, a.String()+"/p2p/"+id.PeerID)
	}
	for _, c := range n.host.Conns() {
		dir := "outbound"
		if c.Incoming {
			dir = "inbound"
		}
		s.Connections = append(s.Connections, api.Connection{
			PeerID: c.Peer.String(), Transport: c.Transport, Direction: dir, Addr: c.Remote.String(),
		})
	}
	return s, nil
}

// storedStatus is the part of a status that needs no running node.
func storedStatus(ctx context.Context, st *store.Store, id api.Identity, version string) (api.Status, error) {
	size, err := st.Size(ctx)
	if err != nil {
		return api.Status{}, apiError(err)
	}
	joined, err := counted(ctx, func(ctx context.Context) (n int, err error) {
		mine, err := st.Rooms(ctx)
		for _, r := range mine {
			if r.Joined {
				n++
			}
		}
		return n, err
	})
	if err != nil {
		return api.Status{}, err
	}
	queued, err := counted(ctx, st.QueuedCount)
	if err != nil {
		return api.Status{}, err
	}
	return api.Status{
		Rooms: joined, PeerID: id.PeerID, Name: id.Name, Addrs: []string{}, Connections: []api.Connection{}, Queued: queued, Storage: size,
		Version: version, Notices: []string{},
	}, nil
}

// counted is what count gives, or nil where the database is damaged there: all
// else can be told.
func counted(ctx context.Context, count func(context.Context) (int, error)) (*int, error) {
	n, err := count(ctx)
	if errors.Is(err, store.ErrDamaged) {
		return nil, nil
	}
	if err != nil {
		return nil, apiError(err)
	}
	return &n, nil
}

// Peers implements [api.Reader].
func (n *Node) Peers(ctx context.Context) ([]api.Peer, error) {
	rows := n.people.list()
	for i := range rows {
		if id, err := peer.Decode(rows[i].PeerID); err == nil {
			n.live(id, &rows[i])
		}
	}
	return rows, ctx.Err()
}

func (n *Node) peerRow(id peer.ID) (api.Peer, bool) {
	row, ok := n.people.row(id)
	if ok {
		n.live(id, &row)
	}
	return row, ok
}

// live adds what only a connection tells.
func (n *Node) live(id peer.ID, row *api.Peer) {
	if d, ok := n.hello.RTT(id); ok && row.State == api.Online {
		ms := float64(d.Microseconds()) / 1000
		row.RTT = &ms
	}
	conns := n.host.Network().ConnsToPeer(id)
	if len(conns) == 0 {
		return
	}
	c := conns[0]
	transport := p2phost.Info(c).Transport
	row.Transport = &transport
	if c.Stat().Direction == network.DirOutbound || len(row.Addrs) == 0 {
		// Where it answers comes first; an incoming connection may come from
		// another port, and is better than nothing.
		row.Addrs = first(row.Addrs, c.RemoteMultiaddr().String()+"/p2p/"+row.PeerID)
	}
}

// first moves or puts s to the front.
func first(list []string, s string) []string {
	return append([]string{s}, slices.DeleteFunc(list, func(x string) bool { return x == s })...)
}

// Conversations implements [api.Reader].
func (n *Node) Conversations(ctx context.Context) ([]api.Conversation, error) {
	rows := conversationRows(n.convs.list(), n.people, n.readBy)
	joined, err := n.roomConversations(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, joined...)
	sortConversations(rows)
	return rows, ctx.Err()
}

// AddPeer implements [api.Service].
func (n *Node) AddPeer(ctx context.Context, addr string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a, err := ma.NewMultiaddr(addr)
	if err != nil {
		return api.Errorf(api.CodeUsage, "%q is no multiaddr such as /ip4/192.168.1.5/tcp/47700/p2p/PEER-ID: %w", addr, err)
	}
	infos, err := discovery.ParsePeers([]ma.Multiaddr{a})
	if err == nil {
		err = n.discovery.AddPeer(a)
	}
	if err != nil {
		return api.Errorf(api.CodeUsage, "%w", err)
	}
	for _, info := range infos {
		n.people.remember(discovery.Remembered{Peer: info.ID, Addrs: info.Addrs, Via: discovery.Static, Static: true})
		n.rosterChanged(info.ID)
	}
	n.persistSoon()
	return nil
}

// RemovePeer implements [api.Service].
func (n *Node) RemovePeer(ctx context.Context, who string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	id, err := n.resolve(who)
	if err != nil {
		return err
	}
	if !n.people.has(id) {
		return api.Errorf(api.CodeNotFound, "%s is not in the roster", who)
	}
	n.discovery.RemovePeer(id)
	if n.people.blocked(id) {
		// His row stays: forgotten with him, the block would end.
		err := n.mark(ctx, id, func(c *store.Contact) { c.Addrs, c.Static, c.Verified = nil, false, false })
		_ = n.host.Network().ClosePeer(id)
		return err
	}
	// A write-behind that is under way would bring the row back.
	n.writing.Lock()
	n.people.remove(id)
	err = n.store.Update(ctx, func(tx *store.Tx) error { return tx.DeleteContact(id) })
	n.writing.Unlock()
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return apiError(err)
	}
	_ = n.host.Network().ClosePeer(id)
	n.hub.publish(api.Change{Type: api.ChangePeerRemoved, PeerID: id.String()})
	return nil
}

// maySay is mayWrite for what somebody says or does, for which the past makes way.
func (n *Node) maySay() error {
	n.talk.note()
	return n.mayWrite()
}

// mayWrite refuses to say anything while another live node uses our key.
func (n *Node) mayWrite() error {
	if n.notices.stands(causeTwin) {
		return api.Errorf(api.CodeInUse, "another node with this account's key is running on the LAN; stop one of the two")
	}
	return nil
}

// CaptureTarget implements [api.Service].
func (n *Node) CaptureTarget(ctx context.Context) (api.CaptureTarget, error) {
	t := api.CaptureTarget{
		TCPPorts: ports(n.host.Ports(p2phost.TCP)), UDPPorts: ports(n.host.Ports(p2phost.QUIC)),
		Interfaces: []string{}, Connections: []api.Flow{}, Names: map[string]string{},
	}
	ifaces, err := discovery.Interfaces(n.cfg.Interfaces)
	if err != nil {
		return t, apiError(err)
	}
	for _, i := range ifaces {
		if i.Used {
			t.Interfaces = append(t.Interfaces, i.Name)
		}
	}
	for _, c := range n.host.Network().Conns() {
		f, ok := flow(c)
		if !ok {
			continue
		}
		t.Connections = append(t.Connections, f)
		remote := netip.MustParseAddrPort(f.Remote).Addr()
		if name := n.people.name(c.RemotePeer()); name != "" {
			t.Names[remote.String()] = name
		}
		if remote.IsLoopback() && !slices.Contains(t.Interfaces, loopback) {
			t.Interfaces = append(t.Interfaces, loopback)
		}
	}
	return t, ctx.Err()
}

// flow is the 4-tuple of a connection; false if it has none.
func flow(c network.Conn) (api.Flow, bool) {
	local, localNet, lok := endpoint(c.LocalMultiaddr())
	remote, remoteNet, rok := endpoint(c.RemoteMultiaddr())
	f := api.Flow{Network: localNet, Local: local.String(), Remote: remote.String(), PeerID: c.RemotePeer().String()}
	return f, lok && rok && localNet == remoteNet
}

// endpoint is the address and port a multiaddr begins with, and tcp or udp.
func endpoint(a ma.Multiaddr) (at netip.AddrPort, network string, ok bool) {
	ip, err := manet.ToIP(a)
	if err != nil {
		return at, "", false
	}
	addr, ok := netip.AddrFromSlice(ip)
	for code, name := range map[int]string{ma.P_TCP: "tcp", ma.P_UDP: "udp"} {
		if port, err := a.ValueForProtocol(code); err == nil && ok {
			n, err := strconv.ParseUint(port, 10, 16)
			return netip.AddrPortFrom(addr.Unmap(), uint16(n)), name, err == nil
		}
	}
	return at, "", false
}

// loopback is the interface to capture on when a peer is local.
const loopback = "lo"

func ports(in []int) []uint16 {
	out := make([]uint16, len(in))
	for i, p := range in {
		out[i] = uint16(p)
	}
	return out
}
