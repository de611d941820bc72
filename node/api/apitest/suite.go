package apitest

import (
	"context"
	"testing"
	"time"

	"p2pchat/node/api"
)

// Fixture is two accounts on one network, "alice" and "bob", made for one test
// and gone with it. They find each other by themselves.
type Fixture struct {
	Alice, Bob api.Service

	// BobLeaves takes bob off the network so that alice learns of it at once,
	// as when he quits; Bob need not answer any more. BobReturns brings the
	// same account back and returns its service, which may be another value.
	BobLeaves  func()
	BobReturns func() api.Service

	// Join puts one more account on the network and returns its service.
	Join func(name string) api.Service

	// Backlog is how many changes alice's node keeps for a slow watcher.
	Backlog int
}

// patience bounds a test of the suite. It is for what hangs, not for what is
// slow.
const patience = 2 * time.Minute

// Run checks that what make returns keeps the contract of [api.Service]. Every
// test gets a fixture of its own and they run in parallel.
func Run(t *testing.T, make func(t *testing.T) Fixture) {
	tests := []struct {
		name string
		test func(*party)
	}{
		{"identities", testIdentities},
		{"status", testStatus},
		{"roster", testRoster},
		{"presence", testPresence},
		{"away", testAway},
		{"conversations", testConversations},
		{"storage", testStorage},
		{"names", testNames},
		{"name unknown", testNameUnknown},
		{"name appears", testNameAppears},
		{"name ambiguous", testNameAmbiguous},
		{"send at once", testSendAtOnce},
		{"send and wait", testSendAndWait},
		{"send to the absent", testSendToTheAbsent},
		{"await", testAwait},
		{"texts are exact", testTextsAreExact},
		{"texts refused", testTextsRefused},
		{"logs agree", testLogsAgree},
		{"log pages", testLogPages},
		{"log since", testLogSince},
		{"log around", testLogAround},
		{"search", testSearch},
		{"search refused", testSearchRefused},
		{"search hidden", testSearchHidden},
		{"search amended", testSearchAmended},
		{"read", testRead},
		{"read refused", testReadRefused},
		{"amend", testAmend},
		{"amend for the absent", testAmendAbsent},
		{"amend for the blocked", testAmendBlocked},
		{"room amend", testRoomAmend},
		{"room amend slow", testRoomAmendSlow},
		{"mentions", testMentions},
		{"mentions in rooms", testMentionsInRooms},
		{"typing", testTyping},
		{"watch from the start", testWatchFromStart},
		{"watch from a number", testWatchFromNumber},
		{"watch ends", testWatchEnds},
		{"watch adds up", testWatchAddsUp},
		{"watch lags", testWatchLags},
		{"cancelled before", testCancelledBefore},
		{"cancelled while waiting", testCancelledWhileWaiting},
		{"many at once", testManyAtOnce},
		{"add peer", testAddPeer},
		{"remove peer", testRemovePeer},
		{"verify", testVerify},
		{"block", testBlock},
		{"block a stranger", testBlockStranger},
		{"block in rooms", testBlockRooms},
		{"rooms found", testRoomsFound},
		{"room join", testRoomJoin},
		{"room appears", testRoomAppears},
		{"room hidden", testRoomHidden},
		{"room nick", testRoomNick},
		{"room refused", testRoomRefused},
		{"room names", testRoomNames},
		{"room talk", testRoomTalk},
		{"room absent", testRoomAbsent},
		{"room read", testRoomRead},
		{"room leave", testRoomLeave},
		{"room state", testRoomState},
		{"room ping", testRoomPing},
		{"room conversations", testRoomConversations},
		{"room watch adds up", testRoomWatchAddsUp},
		{"room privileges", testRoomPrivileges},
		{"room lower", testRoomLower},
		{"room kick", testRoomKick},
		{"room ban", testRoomBan},
		{"room members only", testRoomMembersOnly},
		{"room password", testRoomPassword},
		{"room full", testRoomFull},
		{"room destroyed", testRoomDestroyed},
		{"room slow", testRoomSlow},
		{"room config", testRoomConfig},
		{"room voice", testRoomVoice},
		{"room retract", testRoomRetract},
		{"room subject", testRoomSubject},
		{"room invite", testRoomInvite},
		{"room invite members only", testRoomInviteMembersOnly},
		{"room private", testRoomPrivate},
		{"room audit", testRoomAudit},
		{"diagnose", testDiagnose},
		{"capture target", testCaptureTarget},
		{"secrets", testSecrets},
		{"secrets end", testSecretsEnd},
		{"shutdown", testShutdown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			tt.test(begin(ctx, t, make(t)))
		})
	}
}

// party is one test's fixture with what is the same in all of them.
type party struct {
	*testing.T
	Fixture
	ctx            context.Context // of the test, which a party is as short-lived as
	aliceID, bobID string
	// conversation is the ID of alice's and bob's.
	conversation string
}

// begin waits until alice and bob see each other.
func begin(ctx context.Context, t *testing.T, f Fixture) *party {
	t.Helper()
	p := &party{T: t, Fixture: f, ctx: ctx}
	p.aliceID, p.bobID = p.whoami(f.Alice).PeerID, p.whoami(f.Bob).PeerID
	p.waitState(f.Alice, p.bobID, api.Online)
	p.waitState(f.Bob, p.aliceID, api.Online)
	p.conversation = p.row(f.Alice, p.bobID).ID
	return p
}

func (p *party) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// refused checks that err carries a code and a message for a person.
func (p *party) refused(what string, err error, want api.Code) *api.Error {
	p.Helper()
	if !api.IsCode(err, want) {
		p.Fatalf("%s: got error %v, want code %s", what, err, want)
	}
	e := api.AsError(err)
	if e.Message == "" {
		p.Errorf("%s: error of code %s has no message", what, want)
	}
	return e
}

func (p *party) whoami(svc api.Service) api.Identity {
	p.Helper()
	self, err := svc.Whoami(p.ctx)
	p.must(err)
	return self
}

func (p *party) peers(svc api.Service) []api.Peer {
	p.Helper()
	rows, err := svc.Peers(p.ctx)
	p.must(err)
	return rows
}

func (p *party) conversations(svc api.Service) []api.Conversation {
	p.Helper()
	rows, err := svc.Conversations(p.ctx)
	p.must(err)
	return rows
}

// peer is svc's row of a peer.
func (p *party) peer(svc api.Service, peerID string) api.Peer {
	p.Helper()
	for _, row := range p.peers(svc) {
		if row.PeerID == peerID {
			return row
		}
	}
	p.Fatalf("nobody in the roster is %s", peerID)
	return api.Peer{}
}

// row is svc's conversation with a peer.
func (p *party) row(svc api.Service, peerID string) api.Conversation {
	p.Helper()
	for _, c := range p.conversations(svc) {
		if c.PeerID == peerID {
			return c
		}
	}
	p.Fatalf("no conversation with %s", peerID)
	return api.Conversation{}
}

func (p *party) log(svc api.Service, q api.LogQuery) []api.Message {
	p.Helper()
	rows, err := svc.Log(p.ctx, q)
	p.must(err)
	if rows == nil {
		p.Error("Log returned null instead of an empty list")
	}
	return rows
}

// say sends and waits for the receipt.
func (p *party) say(svc api.Service, target, text string) api.Receipt {
	p.Helper()
	r, err := svc.Send(p.ctx, api.SendRequest{Target: target, Text: text, Wait: patience})
	p.must(err)
	if r.State != api.Delivered && r.State != api.Read {
		p.Fatalf("send to %s: state %s, want delivered", target, r.State)
	}
	return r
}

// waitState waits until svc sees a peer online or offline.
func (p *party) waitState(svc api.Service, peerID, state string) {
	p.Helper()
	w := p.watch(svc)
	defer w.stop()
	w.until("peer "+peerID+" is "+state, func(api.Change) bool {
		peer, ok := w.peers[peerID]
		return ok && peer.State == state
	})
}
