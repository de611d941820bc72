package apitest

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
)

func testNames(p *party) {
	for _, target := range []string{"bob", "@bob", "user:bob", p.bobID, "user:" + p.bobID} {
		r, err := p.Alice.Send(p.ctx, api.SendRequest{Target: target, Text: target})
		if err != nil || r.Conversation != p.conversation {
			p.Errorf("send to %q: %+v, %v", target, r, err)
		}
		if _, err := p.Alice.Log(p.ctx, api.LogQuery{Target: target}); err != nil {
			p.Errorf("log of %q: %v", target, err)
		}
		if err := p.Alice.Typing(p.ctx, target); err != nil {
			p.Errorf("typing to %q: %v", target, err)
		}
		if err := p.Alice.MarkRead(p.ctx, target, r.ID); err != nil {
			p.Errorf("read of %q: %v", target, err)
		}
	}
}

// block blocks who is named, unless that is a peer ID: one need not have seen him.
func (p *party) block(target string) error {
	_, err := p.Alice.Block(p.ctx, target, peerID(target))
	return err
}

func peerID(target string) bool {
	_, err := peer.Decode(target)
	return err == nil
}

// byTarget are the calls that take a name, each with it.
func (p *party) byTarget(target string) map[string]error {
	_, sent := p.Alice.Send(p.ctx, api.SendRequest{Target: target, Text: "hi"})
	_, logged := p.Alice.Log(p.ctx, api.LogQuery{Target: target})
	blocked := p.block(target)
	_, verified := p.Alice.Verify(p.ctx, target, false)
	return map[string]error{
		"send": sent, "log": logged,
		"read":        p.Alice.MarkRead(p.ctx, target, "00"),
		"typing":      p.Alice.Typing(p.ctx, target),
		"verify":      verified,
		"block":       blocked,
		"remove peer": p.Alice.RemovePeer(p.ctx, target),
	}
}

func testNameUnknown(p *party) {
	const stranger = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
	for _, target := range []string{"nobody", "@nobody", "user:nobody", stranger, "", "@", "#room", "room:room"} {
		for call, err := range p.byTarget(target) {
			p.refused(call+" of "+target, err, api.CodeNotFound)
		}
	}
	_, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "nobody", Text: "hi", Wait: 20 * time.Millisecond})
	p.refused("send to nobody after a wait", err, api.CodeNotFound)
}

func testNameAppears(p *party) {
	type result struct {
		receipt api.Receipt
		err     error
	}
	done := make(chan result, 1) // the one result
	go func() {                  // ends with the call, whose wait is bounded
		r, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "@carol", Text: "are you there?", Wait: patience})
		done <- result{r, err}
	}()
	carol := p.Join("carol")
	got := <-done
	if got.err != nil || got.receipt.State != api.Delivered {
		p.Fatalf("send to a name that appeared: %+v, %v", got.receipt, got.err)
	}
	if log := p.log(carol, api.LogQuery{Target: p.aliceID}); len(log) != 1 || log[0].ID != got.receipt.ID {
		p.Errorf("carol's log is %+v", log)
	}
}

func testNameAmbiguous(p *party) {
	other := p.Join("bob")
	otherID := p.whoami(other).PeerID
	p.waitState(p.Alice, otherID, api.Online)
	want := []string{p.bobID, otherID}
	slices.Sort(want)
	for _, target := range []string{"bob", "@bob", "user:bob"} {
		for call, err := range p.byTarget(target) {
			e := p.refused(call+" of "+target, err, api.CodeAmbiguous)
			got := slices.Sorted(slices.Values(e.Candidates))
			if !slices.Equal(got, want) {
				p.Errorf("%s of %s: candidates %q, want the peer IDs %q", call, target, got, want)
			}
		}
	}
	for _, id := range want {
		p.say(p.Alice, id, "to one of you")
	}
	// Waiting would not make it less ambiguous.
	_, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: "hi", Wait: patience})
	p.refused("send with a wait", err, api.CodeAmbiguous)

	warned := false
	for _, row := range p.peers(p.Alice) {
		warned = warned || row.Warning != ""
	}
	if !warned {
		p.Error("two peers of one name, and no warning")
	}
}
