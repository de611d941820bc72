package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// grant is what somebody who lets us in hands over.
type grant struct {
	from      peer.ID
	control   []*event.Event
	keys      map[event.ID]envelope.Key
	below     []Below
	standing  []*event.Event // see room.Room.Lasting
	secret    *pb.RoomSecret
	admission *room.Admission // nil in rooms without a password
	ctl       []event.ID      // what our join is to cite, with admission
}

// talk is the asking side of a stream.
type talk struct {
	say  func(*pb.JoinAsk) error
	next func() (*pb.JoinAnswer, error) // a refusal is an error
}

// ask opens a stream to p, asks, and calls f for each frame of the answer until
// the grant. Errors: *room.Refusal, and what went wrong.
func (s *Service) ask(ctx context.Context, p peer.ID, q *pb.JoinAsk, f func(*pb.JoinAnswer, talk) error) (*pb.JoinGrant, error) {
	openCtx, cancel := context.WithTimeout(network.WithNoDial(ctx, "rooms"), streamWithin)
	defer cancel()
	st, err := s.cfg.Host.NewStream(openCtx, p, JoinProtocol)
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = st.Reset() })
	defer stop()
	defer func() { _ = st.Reset() }()
	r, w := pbio.NewDelimitedReader(st, maxFrame), pbio.NewDelimitedWriter(st)
	t := talk{
		say: func(q *pb.JoinAsk) error {
			_ = st.SetWriteDeadline(time.Now().Add(streamWithin))
			if err := w.WriteMsg(q); err != nil {
				return fmt.Errorf("ask: %w", err)
			}
			return nil
		},
		next: func() (*pb.JoinAnswer, error) {
			_ = st.SetReadDeadline(time.Now().Add(streamWithin))
			var a pb.JoinAnswer
			if err := r.ReadMsg(&a); err != nil {
				return nil, fmt.Errorf("read the answer: %w", err)
			}
			if a.Refusal != nil {
				return nil, refusal(a.Refusal)
			}
			return &a, nil
		},
	}
	if err := t.say(q); err != nil {
		return nil, err
	}
	for {
		a, err := t.next()
		if err != nil {
			return nil, err
		}
		if a.Grant != nil {
			return a.Grant, nil
		}
		if err := f(a, t); err != nil {
			return nil, err
		}
	}
}

// nothingElse is for answers that are a grant or a refusal.
func nothingElse(*pb.JoinAnswer, talk) error { return errors.New("an answer that was not asked for") }

// codeNotJoined is the answer about rooms one is not in, whether they exist or
// not.
const codeNotJoined room.Code = "not-joined"

// lasting are the kinds of what stands, see [room.Room.Lasting].
var lasting = []event.Kind{room.KindJoin, room.KindLeave, room.KindNick, room.KindSubject}

var codes = []room.Code{
	room.Banned, room.MembershipRequired, room.NotAuthorized, room.Full, room.NickConflict, room.Destroyed, codeNotJoined,
}

// refusal is what a peer says no with; a code we don't know is forbidden.
func refusal(m *pb.JoinRefusal) error {
	code := room.Code(m.Code)
	if !slices.Contains(codes, code) {
		code = room.Forbidden
	}
	text := m.Message
	if len(text) > room.MaxReason {
		text = text[:room.MaxReason]
	}
	return &room.Refusal{Code: code, Message: text}
}

// askToEnter asks p to let us in and checks all that p hands over.
func (s *Service) askToEnter(ctx context.Context, p peer.ID, id event.Conversation, nick string, password *guess, log event.LogID) (*grant, error) {
	ctx, cancel := context.WithTimeout(ctx, enterWithin)
	defer cancel()
	g := &grant{}
	size, proved := 0, false
	m, err := s.ask(ctx, p, &pb.JoinAsk{Room: id[:], Enter: &pb.JoinEnter{Nick: nick, Log: log[:]}}, func(a *pb.JoinAnswer, t talk) error {
		if a.Challenge != nil {
			if proved {
				return errors.New("a second challenge") // one guess is enough
			}
			proved = true
			return s.prove(id, p, password, a.Challenge, t.say, t.next)
		}
		if len(a.GetControl().GetEvents())+len(a.GetStanding().GetEvents()) == 0 {
			return errors.New("an answer with nothing in it")
		}
		for _, w := range a.GetControl().GetEvents() {
			e, err := event.FromWire(w)
			if err != nil {
				return err
			}
			if size += e.Size(); size > maxControlLen || len(g.control) >= maxControl {
				return fmt.Errorf("more control events than a room has")
			}
			g.control = append(g.control, e)
		}
		for _, w := range a.GetStanding().GetEvents() {
			e, err := event.FromWire(w)
			if err != nil {
				return err
			}
			if size += e.Size(); size > maxControlLen || len(g.standing) >= maxControl {
				return fmt.Errorf("more people than a room has")
			}
			if e.Lane != event.LaneMessage || !slices.Contains(lasting, e.Kind) {
				return fmt.Errorf("event %s of kind %d is nothing that stands", e.ID, e.Kind)
			}
			g.standing = append(g.standing, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(g.control) == 0 || event.Conversation(g.control[0].ID) != id {
		return nil, fmt.Errorf("%s does not give the room's genesis", p)
	}
	for _, e := range slices.Concat(g.control, g.standing) {
		if err := check(id, e); err != nil {
			return nil, err
		}
		if err := e.Verify(); err != nil { // one by one: these are no range
			return nil, err
		}
	}
	rules, err := room.New(g.control[0])
	if err != nil {
		return nil, err
	}
	for i, res := range rules.AddControl(g.control[1:]...).Results {
		// What is put aside here need not have been there: it depends on the order.
		if res.Err != nil && !errors.Is(res.Err, room.ErrAside) {
			// Not wrapped: it is no refusal of ours, but p who hands over what
			// no rule lets be.
			return nil, fmt.Errorf("control event %s from %s: %v", g.control[i+1].ID, p, res.Err)
		}
	}
	g.control = slices.DeleteFunc(g.control, func(e *event.Event) bool { return !rules.Has(e.ID) })
	sortAlongCtl(rules, g.control)
	g.keys = keysFrom(rules.Epochs(), m.Keys)
	if len(g.keys) == 0 {
		return nil, fmt.Errorf("%s gives no key that fits", p)
	}
	cfg := rules.Config()
	all, _, _ := cfg.History()
	if len(m.Below) > maxBelow {
		return nil, fmt.Errorf("%s names %d logs, at most %d", p, len(m.Below), maxBelow)
	}
	for _, w := range m.Below {
		k, h, err := event.HeadFromWire(w)
		if err != nil {
			return nil, err
		}
		if all || h.Seq > maxBelowSeq {
			return nil, fmt.Errorf("%s keeps from us what the room does not", p)
		}
		if k.Author != s.self {
			g.below = append(g.below, Below{k, h})
		}
	}
	if cfg.Password() == 0 {
		return g, nil
	}
	if !proved || password.generation != cfg.Password() {
		return nil, fmt.Errorf("%s lets us in without the password that is asked for", p)
	}
	// Which is right, as the other side proved; its word for it need not be.
	setting, _ := rules.PasswordBy()
	g.secret = password.proved(setting[:])
	return g, g.takeAdmission(rules, p, m)
}

// takeAdmission reads the word by which others are to know that p let us in.
func (g *grant) takeAdmission(rules *room.Room, p peer.ID, m *pb.JoinGrant) error {
	a := m.Admission
	if a == nil {
		return fmt.Errorf("%s does not sign for us", p)
	}
	if peer.ID(a.Admitter) != p || len(m.Ctl) == 0 || len(m.Ctl) > event.MaxHeads {
		return fmt.Errorf("%s signs for us with a word that is malformed", p)
	}
	g.admission = &room.Admission{Admitter: p, Generation: a.Generation, Signature: a.Signature}
	for _, b := range m.Ctl {
		if len(b) != len(event.ID{}) {
			return fmt.Errorf("%s has us cite what is no event", p)
		}
		// A join that cites what nobody has would wait for it for ever.
		if !rules.Has(event.ID(b)) || len(g.ctl) > 0 && g.ctl[len(g.ctl)-1].Compare(event.ID(b)) >= 0 {
			return fmt.Errorf("%s has us cite what is not among the control events", p)
		}
		g.ctl = append(g.ctl, event.ID(b))
	}
	return nil
}

// keysFrom are those that fit what stored events say of their epochs.
func keysFrom(epochs []room.EpochKey, wire []*pb.EpochKey) map[event.ID]envelope.Key {
	commitments := make(map[event.ID][32]byte, len(epochs))
	for _, e := range epochs {
		commitments[e.ID] = e.Commitment
	}
	out := map[event.ID]envelope.Key{}
	for _, w := range wire[:min(len(wire), maxKeys)] {
		if len(w.GetEpoch()) != len(event.ID{}) || len(w.GetKey()) != len(envelope.Key{}) {
			continue
		}
		id, key := event.ID(w.GetEpoch()), envelope.Key(w.GetKey())
		if c, named := commitments[id]; named && room.EpochCommitment(key) == c {
			out[id] = key
		}
	}
	return out
}
