package apitest

import (
	"slices"
	"strings"

	"p2pchat/node/api"
)

func testIdentities(p *party) {
	alice, bob := p.whoami(p.Alice), p.whoami(p.Bob)
	if alice.Name != "alice" || bob.Name != "bob" {
		p.Errorf("names are %q and %q", alice.Name, bob.Name)
	}
	if alice.PeerID == bob.PeerID || alice.Fingerprint == bob.Fingerprint {
		p.Error("two accounts have one identity")
	}
	seen := p.peers(p.Alice)[0]
	if got := (api.Identity{PeerID: seen.PeerID, Name: seen.Name, Fingerprint: seen.Fingerprint}); got != bob {
		p.Errorf("alice sees %+v, bob is %+v", got, bob)
	}
	w := p.watch(p.Alice)
	defer w.stop()
	if w.self != alice {
		p.Errorf("the snapshot is of %+v, want %+v", w.self, alice)
	}
}

func testStatus(p *party) {
	s, err := p.Alice.Status(p.ctx)
	p.must(err)
	if s.PeerID != p.aliceID || s.Name != "alice" || !s.Running || s.Version == "" || *s.Queued != 0 {
		p.Errorf("status is %+v", s)
	}
	if s.Notices == nil || s.Connections == nil || len(s.Addrs) == 0 {
		p.Errorf("status has a null list or no address: %+v", s)
	}
	for _, a := range s.Addrs {
		if !strings.HasSuffix(a, "/p2p/"+p.aliceID) {
			p.Errorf("address %s does not end in the peer ID", a)
		}
	}
	if len(s.Connections) != 1 {
		p.Fatalf("%d connections, want the one to bob: %+v", len(s.Connections), s.Connections)
	}
	c := s.Connections[0]
	if c.PeerID != p.bobID || c.Addr == "" ||
		!slices.Contains([]string{"quic-v1", "tcp"}, c.Transport) ||
		!slices.Contains([]string{"inbound", "outbound"}, c.Direction) {
		p.Errorf("connection is %+v", c)
	}
}

func testRoster(p *party) {
	rows := p.peers(p.Alice)
	if len(rows) != 1 {
		p.Fatalf("%d peers, want bob alone: %+v", len(rows), rows)
	}
	bob := rows[0]
	if bob.PeerID != p.bobID || bob.Name != "bob" || bob.State != api.Online || bob.Verified || bob.Away || bob.Warning != "" {
		p.Errorf("bob is shown as %+v", bob)
	}
	if !slices.Contains([]string{api.ViaMDNS, api.ViaStatic, api.ViaExchange, api.ViaIncoming}, bob.Via) {
		p.Errorf("via is %q", bob.Via)
	}
	if bob.Addrs == nil || bob.Transport == nil || bob.LastSeen.IsZero() {
		p.Errorf("an online peer lacks addresses, transport or last_seen: %+v", bob)
	}
	for _, a := range bob.Addrs {
		if !strings.HasSuffix(a, "/p2p/"+p.bobID) {
			p.Errorf("address %s does not end in the peer ID", a)
		}
	}

	// Online first, then by name.
	p.Join("carol")
	carol := p.waitName(p.Alice, "carol")
	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)
	if rows = p.peers(p.Alice); len(rows) != 2 || rows[0].PeerID != carol || rows[1].PeerID != p.bobID {
		p.Errorf("peers are %+v, want carol, who is online, before bob", rows)
	}
	p.BobReturns()
	p.waitState(p.Alice, p.bobID, api.Online)
	if rows = p.peers(p.Alice); len(rows) != 2 || rows[0].PeerID != p.bobID || rows[1].PeerID != carol {
		p.Errorf("peers are %+v, want bob before carol", rows)
	}
}

// waitName waits until svc sees somebody of that name online and returns the
// peer ID.
func (p *party) waitName(svc api.Service, name string) (peerID string) {
	p.Helper()
	w := p.watch(svc)
	defer w.stop()
	w.until(name+" is online", func(api.Change) bool {
		for _, peer := range w.peers {
			if peer.Name == name && peer.State == api.Online {
				peerID = peer.PeerID
				return true
			}
		}
		return false
	})
	return peerID
}

func testPresence(p *party) {
	w := p.watch(p.Alice)
	defer w.stop()
	is := func(state string) func(api.Change) bool {
		return func(c api.Change) bool {
			return c.Type == api.ChangePeer && c.Peer.PeerID == p.bobID && c.Peer.State == state
		}
	}
	p.BobLeaves()
	c := w.until("bob is offline", is(api.Offline))
	if c.Peer.Transport != nil {
		p.Errorf("an offline peer has transport %s", *c.Peer.Transport)
	}
	bob := p.BobReturns()
	w.until("bob is online", is(api.Online))
	p.say(p.Alice, "bob", "welcome back")
	if got := p.whoami(bob).PeerID; got != p.bobID {
		p.Errorf("bob returned as %s", got)
	}
}

func testAway(p *party) {
	w := p.watch(p.Bob)
	defer w.stop()
	is := func(away bool, status string) func(api.Change) bool {
		return func(c api.Change) bool {
			return c.Type == api.ChangePeer && c.Peer.PeerID == p.aliceID && c.Peer.Away == away && c.Peer.Status == status
		}
	}
	p.must(p.Alice.SetAway(p.ctx, true, "à table"))
	w.until("alice is away", is(true, "à table"))
	longest := strings.Repeat("x", api.MaxStatus)
	p.must(p.Alice.SetAway(p.ctx, true, longest))
	w.until("alice has a long status", is(true, longest))
	p.must(p.Alice.SetAway(p.ctx, false, ""))
	w.until("alice is back", is(false, ""))

	p.refused("a status too long", p.Alice.SetAway(p.ctx, true, longest+"x"), api.CodeTooLong)
	p.refused("a status that is no text", p.Alice.SetAway(p.ctx, true, "\xff"), api.CodeBadText)
}

func testConversations(p *party) {
	// A person one can talk to is there before anything was said.
	c := p.row(p.Alice, p.bobID)
	if len(c.ID) != 64 || !isHex(c.ID) || c.Kind != api.KindDirect || c.Name != "bob" || c.Unread != 0 ||
		!c.LastTime.IsZero() || c.ReadByOther != "" {
		p.Errorf("the conversation is %+v", c)
	}
	if other := p.row(p.Bob, p.aliceID); other.ID != c.ID {
		p.Errorf("bob's ID of the conversation is %s, alice's %s", other.ID, c.ID)
	}
	if r := p.say(p.Alice, c.Target, "hi"); r.Conversation != c.ID {
		p.Errorf("what was sent to its target went to %s", r.Conversation)
	}
	if c = p.row(p.Alice, p.bobID); c.LastTime.IsZero() {
		p.Error("a conversation with a message has no last_time")
	}

	// The latest activity comes first.
	p.Join("carol")
	carol := p.waitName(p.Alice, "carol")
	for _, to := range []string{carol, p.bobID, carol} {
		p.say(p.Alice, to, "ping")
		rows := p.conversations(p.Alice)
		if len(rows) != 2 || rows[0].PeerID != to {
			p.Errorf("after a message to %s the conversations are %+v", to, rows)
		}
	}
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
