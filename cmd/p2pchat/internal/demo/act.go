package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node"
	"p2pchat/node/api"
)

// How long things may take. On a machine at rest they take a few hundredths of
// a second.
const (
	findFor  = 5 * time.Second  // by mDNS
	reachFor = 20 * time.Second // by address
	saidFor  = 10 * time.Second // a line, until its receipt
)

// line is one line of the dialogue.
type line struct {
	from, to string
	text     string
	room     bool // said in the room, to be heard by to
}

func dialogue(say string) []line {
	lines := []line{
		{from: client, to: server, text: "Hi! server, need help"},
		{from: server, to: client, text: "Hi client! glad to help"},
	}
	if say != "" {
		lines = append(lines, line{from: client, to: server, text: say})
	}
	return append(lines,
		line{from: server, to: client, text: "Welcome to the room", room: true},
		line{from: client, to: server, text: "Good to be here", room: true})
}

// roomName is what server calls the room it makes.
const roomName = "help desk"

// play runs the act from the start of its nodes to their stop. rec, if not nil,
// records it.
func (a *act) play(ctx context.Context, loopback string, o Options, rec *recording) (rows []Row, err error) {
	nodes := map[string]*node.Node{}
	// Client leaves first and says goodbye to server.
	defer func() { err = errors.Join(err, stop(nodes[client]), stop(nodes[server])) }()
	for _, p := range []*actor{&a.server, &a.client} {
		other := a.client.key.ID()
		if p == &a.client {
			other = a.server.key.ID()
		}
		n, err := p.start(ctx, a.transport, loopback, other, rec != nil, o)
		if err != nil {
			return nil, err
		}
		nodes[p.name] = n
		if rec != nil {
			defer rec.secrets.of(n)()
		}
	}
	if err := a.meet(ctx, nodes[client], nodes[server], o); err != nil {
		return nil, err
	}
	room, err := a.gather(ctx, nodes[client], nodes[server])
	if err != nil {
		return nil, err
	}
	lines := dialogue(o.Say)
	for _, l := range lines {
		target := a.id(l.to)
		if l.room {
			target = room
		}
		// What came of it is read from the receiver's log.
		if _, err := nodes[l.from].Send(ctx, api.SendRequest{Target: target, Text: l.text, Wait: saidFor}); err != nil {
			return nil, fmt.Errorf("over %s: %s says a line: %w", a, l.from, err)
		}
	}
	return a.compare(ctx, nodes, lines, room)
}

// gather has server make a room and client enter it. It returns the room's ID.
func (a *act) gather(ctx context.Context, c, s *node.Node) (string, error) {
	made, err := s.CreateRoom(ctx, api.CreateRoomRequest{Name: roomName})
	if err != nil {
		return "", fmt.Errorf("over %s: make a room: %w", a, err)
	}
	if _, err := c.JoinRoom(ctx, api.JoinRoomRequest{Room: made.RoomID, Wait: saidFor}); err != nil {
		return "", fmt.Errorf("over %s: enter the room: %w", a, err)
	}
	return made.RoomID, nil
}

// compare reads the receivers' logs, of the two people and of the room.
func (a *act) compare(ctx context.Context, nodes map[string]*node.Node, lines []line, room string) ([]Row, error) {
	var rows []Row
	for _, inRoom := range []bool{false, true} {
		logs := map[string][]api.Message{}
		for _, name := range []string{server, client} {
			target := room
			if !inRoom && name == client {
				target = a.id(server)
			} else if !inRoom {
				target = a.id(client)
			}
			var err error
			if logs[name], err = nodes[name].Log(ctx, api.LogQuery{Target: target}); err != nil {
				return nil, fmt.Errorf("over %s: read the log of %s: %w", a, name, err)
			}
		}
		rows = append(rows, table(a.transport, inRoom, lines, logs)...)
	}
	return rows, nil
}

// String is the transport as people call it.
func (a *act) String() string {
	if a.transport == tcp {
		return "TCP"
	}
	return "QUIC"
}

func (a *act) id(name string) string {
	if name == client {
		return a.client.key.ID().String()
	}
	return a.server.key.ID().String()
}

// start starts the actor's node, for which nobody but other exists.
func (p *actor) start(ctx context.Context, transport, loopback string, other peer.ID, recorded bool, o Options) (*node.Node, error) {
	listen, err := node.ParseAddrs("", []string{p.multiaddr(transport)})
	if err != nil {
		return nil, err
	}
	n, err := node.Start(ctx, node.Config{
		Dir: p.dir, Key: p.key, Version: o.Version, Listen: listen, Interfaces: []string{loopback},
		Only: []peer.ID{other}, Recorded: recorded, Logger: o.Logger.With("node", p.name),
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return n, nil
}

func (p *actor) multiaddr(transport string) string {
	if transport == tcp {
		return fmt.Sprintf("/ip4/%s/tcp/%d", p.at.Addr(), p.at.Port())
	}
	return fmt.Sprintf("/ip4/%s/udp/%d/%s", p.at.Addr(), p.at.Port(), transport)
}

func stop(n *node.Node) error {
	if n == nil {
		return nil
	}
	return n.Close()
}

// meet waits until the two are online for each other, by mDNS or, if that takes
// too long, by address.
func (a *act) meet(ctx context.Context, c, s *node.Node, o Options) error {
	began := time.Now()
	err := a.wait(ctx, findFor, c, s)
	if err != nil && ctx.Err() == nil {
		o.Progress(fmt.Sprintf("over %s: mDNS brought nothing in %v, so client is told the address of server", a, findFor))
		if err := c.AddPeer(ctx, a.server.multiaddr(a.transport)+"/p2p/"+a.id(server)); err != nil {
			return fmt.Errorf("over %s: %w", a, err)
		}
		err = a.wait(ctx, reachFor, c, s)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return api.Errorf(api.CodeInternal, "over %s client and server do not reach each other: a firewall may hold loopback traffic back (%w)", a, err)
	}
	via := "mDNS"
	for _, p := range []*node.Node{c, s} {
		status, err := p.Status(ctx)
		if err != nil {
			return err
		}
		for _, conn := range status.Connections {
			if conn.Transport != a.transport {
				return fmt.Errorf("the nodes were to speak %s only and speak %s", a.transport, conn.Transport)
			}
		}
		peers, err := p.Peers(ctx)
		if err != nil {
			return err
		}
		if p == c && len(peers) > 0 && peers[0].Via != api.ViaMDNS {
			via = "address"
		}
	}
	o.Progress(fmt.Sprintf("over %s: client and server found each other by %s in %.1f s", a, via, time.Since(began).Seconds()))
	return nil
}

// wait until each is online for the other.
func (a *act) wait(ctx context.Context, limit time.Duration, c, s api.Service) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := online(ctx, c, a.id(server)); err != nil {
		return err
	}
	return online(ctx, s, a.id(client))
}

// online waits until a peer is online for svc.
func online(ctx context.Context, svc api.Service, id string) error {
	for change, err := range svc.Watch(ctx, 0) {
		if err != nil {
			return err
		}
		var rows []api.Peer
		switch change.Type {
		case api.ChangeSnapshot:
			rows = change.Snapshot.Peers
		case api.ChangePeer:
			rows = []api.Peer{*change.Peer}
		}
		for _, p := range rows {
			if p.PeerID == id && p.State == api.Online {
				return nil
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("the node stopped")
}
