package apitest

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
)

// FakeNode is one account's running node on a [LAN]. It implements
// [api.Service].
type FakeNode struct {
	lan  *LAN
	self api.Identity
	id   peer.ID
	log  string // the installation's log, hex

	stopped  chan struct{}
	stopOnce sync.Once

	// Guarded by lan.mu.
	online   bool
	addrs    []string
	away     bool
	status   string
	notices  []string
	limits   api.Retention
	contacts map[string]*contact // by peer ID
	places   []*place            // rooms it is or was in
	invites  []invite            // not answered yet
	changes  changes
}

var _ api.Service = (*FakeNode)(nil)

func newFakeNode(l *LAN, name string, number int) *FakeNode {
	self := identityFor(name, number)
	id, err := peer.Decode(self.PeerID)
	if err != nil {
		panic(err) // identityFor makes none that is malformed
	}
	ip := fmt.Sprintf("10.0.%d.%d", number/250, number%250+1)
	return &FakeNode{
		lan:  l,
		self: self,
		id:   id,
		log:  hex.EncodeToString([]byte(self.PeerID)[40:48]),
		addrs: []string{
			"/ip4/" + ip + "/udp/47700/quic-v1/p2p/" + self.PeerID,
			"/ip4/" + ip + "/tcp/47700/p2p/" + self.PeerID,
		},
		notices:  []string{},
		contacts: make(map[string]*contact),
		changes:  newChanges(),
		stopped:  make(chan struct{}),
	}
}

// PeerID is the node's peer ID.
func (n *FakeNode) PeerID() string { return n.self.PeerID }

// SetOnline plugs the node's cable in or out. The node itself runs on.
func (n *FakeNode) SetOnline(online bool) {
	n.lan.mu.Lock()
	defer n.lan.mu.Unlock()
	switch {
	case online == n.online || n.isStopped():
	case online:
		n.lan.appear(n)
	default:
		n.lan.vanish(n)
	}
}

// Notice adds a standing warning, as a node does that finds something wrong.
func (n *FakeNode) Notice(text string) {
	n.lan.mu.Lock()
	defer n.lan.mu.Unlock()
	n.notices = append(n.notices, text)
	n.publish(api.Change{Type: api.ChangeNotice, Notice: text})
}

// SetVerified marks a contact as verified, or not.
func (n *FakeNode) SetVerified(peerID string, verified bool) {
	n.lan.mu.Lock()
	defer n.lan.mu.Unlock()
	if c := n.contacts[peerID]; c != nil {
		c.verified = verified
		n.publishPeer(c)
	}
}

// Stopped is closed when the node was shut down.
func (n *FakeNode) Stopped() <-chan struct{} { return n.stopped }

func (n *FakeNode) isStopped() bool {
	select {
	case <-n.stopped:
		return true
	default:
		return false
	}
}

// enter starts a call: with the lock held unless it failed.
func (n *FakeNode) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n.lan.mu.Lock()
	if n.isStopped() {
		n.lan.mu.Unlock()
		return api.Errorf(api.CodeNoNode, "the node has stopped")
	}
	return nil
}

func (n *FakeNode) leave() { n.lan.mu.Unlock() }

// meet returns the contact for a peer, new if it was never seen.
func (n *FakeNode) meet(peer *FakeNode, via string) *contact {
	c := n.contacts[peer.self.PeerID]
	isNew := c == nil
	if isNew {
		c = &contact{owner: n, peer: peer}
		n.contacts[peer.self.PeerID] = c
	}
	if isNew || c.removed {
		c.via = via
	}
	c.removed, c.lastSeen = false, n.lan.now()
	if isNew {
		n.publishConversation(c)
	}
	return c
}

func (n *FakeNode) peers() []api.Peer {
	rows := []api.Peer{}
	for _, c := range n.contacts {
		if !c.removed {
			rows = append(rows, c.row())
		}
	}
	slices.SortFunc(rows, func(a, b api.Peer) int {
		// "online" sorts after "offline".
		return cmp.Or(cmp.Compare(b.State, a.State), cmp.Compare(a.Name, b.Name), cmp.Compare(a.PeerID, b.PeerID))
	})
	return rows
}

func (n *FakeNode) conversations() []api.Conversation {
	type open struct {
		api.Conversation
		latest uint64
	}
	var all []open
	for _, c := range n.contacts {
		if !c.removed || len(c.log) > 0 {
			all = append(all, open{c.conversation(), c.latest()})
		}
	}
	for _, p := range n.places {
		if p.joined {
			all = append(all, open{p.conversation(), p.latest()})
		}
	}
	slices.SortFunc(all, func(a, b open) int {
		return cmp.Or(cmp.Compare(b.latest, a.latest), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Target, b.Target))
	})
	rows := []api.Conversation{}
	for _, o := range all {
		rows = append(rows, o.Conversation)
	}
	return rows
}

// Whoami implements [api.Service].
func (n *FakeNode) Whoami(ctx context.Context) (api.Identity, error) {
	if err := n.enter(ctx); err != nil {
		return api.Identity{}, err
	}
	defer n.leave()
	return n.self, nil
}

// Peers implements [api.Service].
func (n *FakeNode) Peers(ctx context.Context) ([]api.Peer, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	return n.peers(), nil
}

// Conversations implements [api.Service].
func (n *FakeNode) Conversations(ctx context.Context) ([]api.Conversation, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	return n.conversations(), nil
}

// Status implements [api.Service].
func (n *FakeNode) Status(ctx context.Context) (api.Status, error) {
	if err := n.enter(ctx); err != nil {
		return api.Status{}, err
	}
	defer n.leave()
	s := api.Status{
		PeerID: n.self.PeerID, Name: n.self.Name, Addrs: slices.Clone(n.addrs), Rooms: new(0), Queued: new(0),
		Connections: []api.Connection{}, Storage: 4096, Version: "fake", Running: true,
		Notices: slices.Clone(n.notices),
	}
	for _, p := range n.places {
		if p.joined {
			*s.Rooms++
		}
		for _, e := range p.own() {
			if p.others() > 0 && api.Listed(e.Kind) && ranks[e.State] < ranks[api.Delivered] {
				*s.Queued++
			}
		}
	}
	for _, c := range n.contacts {
		for _, e := range c.own() {
			if ranks[e.State] < ranks[api.Delivered] {
				*s.Queued++
			}
		}
		if c.connected {
			direction := "outbound"
			if c.via == api.ViaIncoming {
				direction = "inbound"
			}
			s.Connections = append(s.Connections, api.Connection{
				PeerID: c.peer.self.PeerID, Transport: "quic-v1", Direction: direction, Addr: c.peer.addrs[0],
			})
		}
	}
	slices.SortFunc(s.Connections, func(a, b api.Connection) int { return cmp.Compare(a.PeerID, b.PeerID) })
	return s, nil
}

// AddPeer implements [api.Service]. It connects to the node that has the
// address, also after [FakeNode.RemovePeer].
func (n *FakeNode) AddPeer(ctx context.Context, addr string) error {
	if err := n.enter(ctx); err != nil {
		return err
	}
	defer n.leave()
	host, peerID, named := strings.Cut(addr, "/p2p/")
	parts := strings.Split(host, "/")
	if !named || len(peerID) != len(n.self.PeerID) || len(parts) < 5 || parts[0] != "" || (parts[3] != "tcp" && parts[3] != "udp") {
		return api.Errorf(api.CodeUsage, "%q is not an address such as /ip4/10.0.0.2/tcp/47700/p2p/PEER-ID", addr)
	}
	if _, err := netip.ParseAddrPort(net.JoinHostPort(parts[2], parts[4])); err != nil {
		return api.Errorf(api.CodeUsage, "%q is not an address: %w", addr, err)
	}
	for _, other := range n.lan.nodes {
		if other != n && other.online && n.online && slices.ContainsFunc(other.addrs, func(a string) bool {
			return a == addr
		}) {
			n.lan.connect(n, other, api.ViaStatic)
		}
	}
	return nil
}

// RemovePeer implements [api.Service]. The peer stays away until it comes
// online anew, or is added.
func (n *FakeNode) RemovePeer(ctx context.Context, who string) error {
	if err := n.enter(ctx); err != nil {
		return err
	}
	defer n.leave()
	c, err := n.resolve(who)
	if err != nil {
		return err
	}
	n.lan.disconnect(n, c.peer)
	if c.blocked { // forgotten with him, the block would end
		c.verified = false
		n.publishPeer(c)
		return nil
	}
	c.removed = true
	if len(c.peer.addrs) == 0 { // never seen, so nothing was said
		delete(n.contacts, c.peer.self.PeerID)
	}
	n.publish(api.Change{Type: api.ChangePeerRemoved, PeerID: c.peer.self.PeerID})
	return nil
}

// Verify implements [api.Service].
func (n *FakeNode) Verify(ctx context.Context, who string, undo bool) (api.Verification, error) {
	if err := n.enter(ctx); err != nil {
		return api.Verification{}, err
	}
	defer n.leave()
	c, err := n.resolve(who)
	if err != nil {
		return api.Verification{}, err
	}
	c.verified = !undo
	n.publishPeer(c)
	return api.Verification{
		PeerID: c.peer.self.PeerID, Name: c.peer.self.Name, Fingerprint: c.peer.self.Fingerprint, Verified: c.verified,
	}, nil
}

// Block implements [api.Service].
func (n *FakeNode) Block(ctx context.Context, who string, undo bool) (api.Blocking, error) {
	if err := n.enter(ctx); err != nil {
		return api.Blocking{}, err
	}
	defer n.leave()
	c, err := n.resolve(who)
	if id := strings.TrimPrefix(strings.TrimPrefix(who, "user:"), "@"); api.IsCode(err, api.CodeNotFound) && !undo {
		if _, bad := peer.Decode(id); bad == nil {
			c, err = n.stranger(id), nil
		}
	}
	if err != nil {
		return api.Blocking{}, err
	}
	was := c.blocked
	c.blocked, c.removed = !undo, c.removed && undo
	if was == undo {
		n.changes.forget()
	}
	n.publishPeer(c)
	if other := c.peer.contacts[n.self.PeerID]; undo && other != nil {
		n.lan.handOver(c, other)
	}
	return api.Blocking{
		PeerID: c.peer.self.PeerID, Name: c.peer.self.Name, Fingerprint: c.peer.self.Fingerprint, Blocked: c.blocked,
	}, nil
}

// stranger is the contact for somebody who was never seen.
func (n *FakeNode) stranger(peerID string) *contact {
	nobody := &FakeNode{lan: n.lan, self: api.Identity{PeerID: peerID}, addrs: []string{}, contacts: make(map[string]*contact)}
	c := n.meet(nobody, "")
	c.lastSeen = time.Time{}
	return c
}

// SetAway implements [api.Service].
func (n *FakeNode) SetAway(ctx context.Context, away bool, text string) error {
	if err := api.CheckStatus(text); err != nil {
		return err
	}
	if err := n.enter(ctx); err != nil {
		return err
	}
	defer n.leave()
	n.lan.tellMembers(func() { n.away = away })
	n.status = text
	if !away {
		n.status = ""
	}
	for _, other := range n.lan.nodes {
		if c := other.contacts[n.self.PeerID]; c != nil && c.connected {
			other.publishPeer(c)
		}
	}
	return nil
}

// Diagnose implements [api.Service].
func (n *FakeNode) Diagnose(ctx context.Context) ([]api.Finding, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	if !n.online {
		return []api.Finding{{
			Check: "interfaces", Level: api.LevelFail, Seen: "no interface is up",
			Advice: "plug in the cable",
		}}, nil
	}
	return []api.Finding{
		{Check: "interfaces", Level: api.LevelOK, Seen: "eth0, wired, " + n.addrs[0]},
		{Check: "multicast", Level: api.LevelOK, Seen: "leaves and arrives on eth0"},
	}, nil
}

// CaptureTarget implements [api.Service].
func (n *FakeNode) CaptureTarget(ctx context.Context) (api.CaptureTarget, error) {
	if err := n.enter(ctx); err != nil {
		return api.CaptureTarget{}, err
	}
	defer n.leave()
	t := api.CaptureTarget{
		TCPPorts: []uint16{47700}, UDPPorts: []uint16{47700}, Interfaces: []string{"eth0"},
		Connections: []api.Flow{}, Names: map[string]string{n.ip(): n.self.Name},
	}
	for _, c := range n.contacts {
		if len(c.peer.addrs) == 0 {
			continue // never seen
		}
		t.Names[c.peer.ip()] = c.peer.self.Name
		if c.connected {
			t.Connections = append(t.Connections, api.Flow{
				Network: "udp", Local: n.ip() + ":47700", Remote: c.peer.ip() + ":47700", PeerID: c.peer.self.PeerID,
			})
		}
	}
	return t, nil
}

func (n *FakeNode) ip() string { return strings.Split(n.addrs[0], "/")[2] }

// Shutdown implements [api.Service]: the node leaves the network for good,
// its watchers end, and later calls fail with no-node.
func (n *FakeNode) Shutdown(ctx context.Context) error {
	if err := n.enter(ctx); err != nil {
		return err
	}
	defer n.leave()
	n.lan.vanish(n)
	n.stopOnce.Do(func() { close(n.stopped) })
	return nil
}
