package apitest

import "p2pchat/node/api"

func testVerify(p *party) {
	first := p.say(p.Bob, "alice", "before")
	bob := p.peer(p.Alice, p.bobID)
	w := p.watch(p.Alice)
	defer w.stop()
	marked := func(verified bool) func(api.Change) bool {
		return func(c api.Change) bool {
			return c.Type == api.ChangePeer && c.Peer.PeerID == p.bobID && c.Peer.Verified == verified
		}
	}
	check := func(want bool) {
		p.Helper()
		if got := p.peer(p.Alice, p.bobID).Verified; got != want {
			p.Errorf("the roster says that bob is verified: %v, want %v", got, want)
		}
		for _, m := range p.log(p.Alice, api.LogQuery{Target: "bob"}) {
			if m.Verified != (want && m.Author == p.bobID) {
				p.Errorf("verified is %v of %+v", m.Verified, m)
			}
		}
	}

	for range 2 { // a second time changes nothing
		v, err := p.Alice.Verify(p.ctx, "bob", false)
		p.must(err)
		if want := (api.Verification{PeerID: p.bobID, Name: "bob", Fingerprint: bob.Fingerprint, Verified: true}); v != want {
			p.Errorf("verify gave %+v, want %+v", v, want)
		}
	}
	w.until("bob is verified", marked(true))
	check(true) // also what was said before
	r := p.say(p.Bob, "alice", "after")
	w.until("bob's message", func(api.Change) bool { return w.messages[r.ID].Verified })
	p.say(p.Alice, "bob", "mine")
	check(true)
	if p.peer(p.Bob, p.aliceID).Verified {
		p.Error("bob has verified nobody, and alice is marked there")
	}

	// He is the same one when he returns.
	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)
	p.BobReturns()
	p.waitState(p.Alice, p.bobID, api.Online)
	check(true)

	v, err := p.Alice.Verify(p.ctx, p.bobID, true)
	p.must(err)
	if v.Verified || v.PeerID != p.bobID {
		p.Errorf("undo gave %+v", v)
	}
	w.until("bob is not verified", marked(false))
	check(false)
	if rows := p.log(p.Alice, api.LogQuery{Target: "bob"}); rows[0].ID != first.ID {
		p.Errorf("the log is %+v", rows)
	}
	_, err = p.Alice.Verify(p.ctx, "alice", false)
	p.refused("verify of oneself", err, api.CodeUsage)
	_, err = p.Alice.Verify(p.ctx, p.aliceID, true)
	p.refused("verify of oneself by peer ID", err, api.CodeUsage)
}
