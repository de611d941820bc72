package room

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

// Kinds of bodies in a room's control lane.
const (
	KindGenesis   event.Kind = 16
	KindSet       event.Kind = 17
	KindKick      event.Kind = 18
	KindVoice     event.Kind = 19
	KindDevoice   event.Kind = 20
	KindRetract   event.Kind = 21
	KindConfigure event.Kind = 22
	KindDestroy   event.Kind = 23
)

// Version is the highest version of the constitution this package knows.
const Version = 1

// introduced is the version each control operation came with. One that came
// with version n counts only if a configuration among its ancestors asks for
// at least n.
var introduced = map[event.Kind]uint64{
	KindSet: 1, KindKick: 1, KindVoice: 1, KindDevoice: 1, KindRetract: 1, KindConfigure: 1, KindDestroy: 1,
}

// MaxTips is how many IDs a cut lists per log.
const MaxTips = 4

// Cut is how far its author held one log.
type Cut struct {
	event.LogKey
	Tips []event.ID // held IDs without a held successor, highest seq first
}

// Op is a control operation: the body of a control event other than the
// genesis. Which fields it has depends on the kind.
type Op struct {
	Kind      event.Kind
	Auth      event.ID           // the setting it is issued under; the genesis for the creator
	Target    peer.ID            // all but configure and destroy
	Standing  Standing           // set
	Message   event.ID           // retract
	Setting   Setting            // configure
	Reason    string             // all but configure
	Alternate event.Conversation // destroy; zero for none
	Cuts      []Cut              // set, kick, devoice, destroy, and switches; ascending
}

// cutting tells whether the operation carries a cut.
func (o *Op) cutting() bool {
	switch o.Kind {
	case KindSet, KindKick, KindDevoice, KindDestroy:
		return true
	case KindConfigure:
		return o.Setting.narrows()
	}
	return false
}

// Encode gives the operation's body.
func (o *Op) Encode() ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.encode()
}

func (o *Op) encode() ([]byte, error) {
	auth, target := o.Auth[:], []byte(o.Target)
	var m proto.Message
	switch o.Kind {
	case KindSet:
		m = &pb.RoomSet{Auth: auth, Target: target, Standing: o.Standing.wire(), Reason: o.Reason, Cut: cutsWire(o.Cuts)}
	case KindKick:
		m = &pb.RoomKick{Auth: auth, Target: target, Reason: o.Reason, Cut: cutsWire(o.Cuts)}
	case KindVoice:
		m = &pb.RoomVoice{Auth: auth, Target: target, Reason: o.Reason}
	case KindDevoice:
		m = &pb.RoomDevoice{Auth: auth, Target: target, Reason: o.Reason, Cut: cutsWire(o.Cuts)}
	case KindRetract:
		m = &pb.RoomRetract{Auth: auth, Target: target, Message: o.Message[:], Reason: o.Reason}
	case KindConfigure:
		m = &pb.RoomConfigure{Auth: auth, Setting: o.Setting.wire(), Cut: cutsWire(o.Cuts)}
	case KindDestroy:
		d := &pb.RoomDestroy{Auth: auth, Reason: o.Reason, Cut: cutsWire(o.Cuts)}
		if o.Alternate != (event.Conversation{}) {
			d.Alternate = o.Alternate[:]
		}
		m = d
	default:
		return nil, fmt.Errorf("kind %d is no control operation", o.Kind)
	}
	return marshal(m)
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// check refuses what no author may sign.
func (o *Op) check() error {
	if o.Auth.IsZero() {
		return errors.New("control operation without its authority")
	}
	if err := checkLine("a reason", o.Reason, MaxReason); err != nil {
		return err
	}
	if targeted := o.Kind != KindConfigure && o.Kind != KindDestroy; targeted != (o.Target != "") {
		return errors.New("control operation without its target")
	}
	if (o.Kind == KindSet) != (o.Standing != 0) || o.Kind == KindSet && !o.Standing.Valid() {
		return fmt.Errorf("no such standing: %d", o.Standing)
	}
	if (o.Kind == KindRetract) == o.Message.IsZero() {
		return errors.New("a retraction names a message, and nothing else does")
	}
	if (o.Kind == KindConfigure) != (o.Setting.Field != 0) {
		return errors.New("a configuration names a field, and nothing else does")
	}
	if o.Kind == KindConfigure {
		if err := o.Setting.check(); err != nil {
			return err
		}
		if o.Reason != "" {
			return errors.New("a configuration has no reason")
		}
	}
	// What a value unknown to this version needs, it cannot tell.
	if len(o.Cuts) > 0 && !o.cutting() && (o.Kind != KindConfigure || o.Setting.known()) {
		return errors.New("this operation carries no cut")
	}
	return o.checkCuts()
}

func (o *Op) checkCuts() error {
	for i, c := range o.Cuts {
		if i > 0 && o.Cuts[i-1].Compare(c.LogKey) >= 0 {
			return errors.New("a cut's logs are not in ascending order")
		}
		if o.Target != "" && c.Author != o.Target {
			return errors.New("a cut names a log of somebody else")
		}
		if len(c.Tips) == 0 || len(c.Tips) > MaxTips {
			return fmt.Errorf("a cut has 1 to %d tips per log, not %d", MaxTips, len(c.Tips))
		}
		for j, t := range c.Tips {
			if t.IsZero() || indexOf(c.Tips[:j], t) >= 0 {
				return errors.New("a cut names a tip twice or none")
			}
		}
	}
	return nil
}

func indexOf(ids []event.ID, id event.ID) int {
	for i := range ids {
		if ids[i] == id {
			return i
		}
	}
	return -1
}

func cutsWire(cuts []Cut) []*pb.CutLog {
	out := make([]*pb.CutLog, len(cuts))
	for i := range cuts {
		c := &cuts[i]
		m := &pb.CutLog{Author: []byte(c.Author), Log: c.Log[:]}
		for j := range c.Tips {
			m.Tips = append(m.Tips, c.Tips[j][:])
		}
		out[i] = m
	}
	return out
}

// parser gathers the first error of a body's fields.
type parser struct{ err error }

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parser) fixed(what string, dst, src []byte) {
	if len(src) != len(dst) {
		p.fail(fmt.Errorf("%s of %d bytes, want %d", what, len(src), len(dst)))
		return
	}
	copy(dst, src)
}

func (p *parser) peer(b []byte) peer.ID {
	id, err := identity.ParsePeer(b)
	if err != nil {
		p.fail(err)
	}
	return id
}

func (p *parser) cuts(in []*pb.CutLog) []Cut {
	var out []Cut
	for _, m := range in {
		if p.err != nil {
			return nil
		}
		c := Cut{LogKey: event.LogKey{Author: p.peer(m.GetAuthor())}}
		p.fixed("log", c.Log[:], m.GetLog())
		if len(m.GetTips()) > MaxTips {
			p.fail(fmt.Errorf("a cut has at most %d tips per log", MaxTips))
			return nil
		}
		for _, t := range m.GetTips() {
			var id event.ID
			p.fixed("tip", id[:], t)
			c.Tips = append(c.Tips, id)
		}
		out = append(out, c)
	}
	return out
}

// DecodeOp is the strict inverse of [Op.Encode]. ok is false for a kind, field
// or value this version does not know: the event is kept and counts for
// nothing here.
func DecodeOp(kind event.Kind, body []byte) (op Op, ok bool, err error) {
	op.Kind = kind
	var p parser
	switch kind {
	case KindSet:
		var m pb.RoomSet
		p.open(body, &m)
		op.Target, op.Standing, op.Reason, op.Cuts = p.peer(m.Target), Standing(m.Standing), m.Reason, p.cuts(m.Cut)
		if m.Standing < 1 || m.Standing > pb.Standing_STANDING_OWNER {
			p.fail(fmt.Errorf("no such standing: %d", m.Standing))
		}
		p.fixed("auth", op.Auth[:], m.Auth)
	case KindKick:
		var m pb.RoomKick
		p.open(body, &m)
		op.Target, op.Reason, op.Cuts = p.peer(m.Target), m.Reason, p.cuts(m.Cut)
		p.fixed("auth", op.Auth[:], m.Auth)
	case KindVoice:
		var m pb.RoomVoice
		p.open(body, &m)
		op.Target, op.Reason = p.peer(m.Target), m.Reason
		p.fixed("auth", op.Auth[:], m.Auth)
	case KindDevoice:
		var m pb.RoomDevoice
		p.open(body, &m)
		op.Target, op.Reason, op.Cuts = p.peer(m.Target), m.Reason, p.cuts(m.Cut)
		p.fixed("auth", op.Auth[:], m.Auth)
	case KindRetract:
		var m pb.RoomRetract
		p.open(body, &m)
		op.Target, op.Reason = p.peer(m.Target), m.Reason
		p.fixed("message", op.Message[:], m.Message)
		p.fixed("auth", op.Auth[:], m.Auth)
	case KindConfigure:
		var m pb.RoomConfigure
		p.open(body, &m)
		s, err := settingFromWire(m.Setting)
		if err != nil {
			p.fail(err)
		}
		op.Setting, op.Cuts = s, p.cuts(m.Cut)
		p.fixed("auth", op.Auth[:], m.Auth)
	case KindDestroy:
		var m pb.RoomDestroy
		p.open(body, &m)
		op.Reason, op.Cuts = m.Reason, p.cuts(m.Cut)
		if len(m.Alternate) > 0 {
			p.fixed("alternate room", op.Alternate[:], m.Alternate)
		}
		p.fixed("auth", op.Auth[:], m.Auth)
	case KindGenesis:
		return op, false, errors.New("a room has one genesis")
	default:
		return op, false, nil
	}
	if p.err == nil {
		p.err = op.check()
	}
	if p.err != nil {
		return Op{}, false, p.err
	}
	canonical, err := op.encode()
	if err != nil || !bytes.Equal(canonical, body) {
		return Op{}, false, errNotCanonical
	}
	return op, kind != KindConfigure || op.Setting.known(), nil
}

var errNotCanonical = errors.New("body is not in its canonical form")

func (p *parser) open(body []byte, m proto.Message) {
	if proto.Unmarshal(body, m) != nil {
		p.fail(errors.New("malformed body"))
	}
}

// Genesis is the body of a room's first event, whose ID is the room's.
type Genesis struct {
	Nonce  [32]byte  // random
	Epoch  [32]byte  // commitment to the first epoch key, see [EpochCommitment]
	Config []Setting // ascending by field; what differs from the default
}

// Encode gives the genesis' body.
func (g *Genesis) Encode() ([]byte, error) {
	m := &pb.RoomGenesis{Nonce: g.Nonce[:], Epoch: g.Epoch[:]}
	for i, s := range g.Config {
		if err := s.check(); err != nil {
			return nil, err
		}
		if i > 0 && g.Config[i-1].Field >= s.Field {
			return nil, errors.New("a genesis' settings are not in ascending order")
		}
		if s.Field < fields && s == defaultConfig()[s.Field] {
			return nil, fmt.Errorf("a genesis leaves out defaults, such as %s", s.Field.Key())
		}
		m.Config = append(m.Config, s.wire())
	}
	if g.Nonce == [32]byte{} || g.Epoch == [32]byte{} {
		return nil, errors.New("a genesis has a nonce and an epoch")
	}
	return marshal(m)
}

// DecodeGenesis is the strict inverse of [Genesis.Encode].
func DecodeGenesis(body []byte) (Genesis, error) {
	var m pb.RoomGenesis
	var p parser
	p.open(body, &m)
	var g Genesis
	p.fixed("nonce", g.Nonce[:], m.Nonce)
	p.fixed("epoch", g.Epoch[:], m.Epoch)
	for _, w := range m.Config {
		s, err := settingFromWire(w)
		if err != nil {
			p.fail(err)
		}
		g.Config = append(g.Config, s)
	}
	if p.err != nil {
		return Genesis{}, p.err
	}
	canonical, err := g.Encode()
	if err != nil {
		return Genesis{}, err
	}
	if !bytes.Equal(canonical, body) {
		return Genesis{}, errNotCanonical
	}
	return g, nil
}
