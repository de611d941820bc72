package rooms

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-msgio/pbio"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

var errNoSuchRoom = &room.Refusal{Code: codeNotJoined, Message: "not in this room"}

// dialogue is a stream on which one side asks and the other answers.
type dialogue struct {
	send   func(*pb.JoinAnswer) error
	read   func(within time.Duration) (*pb.JoinAsk, error)
	remote ma.Multiaddr
}

// serveJoin answers one who asks to enter, for keys, or whether he is in.
func (s *Service) serveJoin(st network.Stream) {
	s.serve(st, func(ctx context.Context, p peer.ID) error {
		r, w := pbio.NewDelimitedReader(st, maxFrame), pbio.NewDelimitedWriter(st)
		d := dialogue{remote: st.Conn().RemoteMultiaddr()}
		d.read = func(within time.Duration) (*pb.JoinAsk, error) {
			_ = st.SetReadDeadline(time.Now().Add(within))
			var q pb.JoinAsk
			err := r.ReadMsg(&q)
			return &q, err
		}
		d.send = func(a *pb.JoinAnswer) error {
			_ = st.SetWriteDeadline(time.Now().Add(streamWithin))
			return w.WriteMsg(a)
		}
		q, err := d.read(streamWithin)
		if err != nil {
			return err
		}
		err = s.answerJoin(ctx, p, q, d)
		var no *room.Refusal
		if errors.As(err, &no) {
			return d.send(&pb.JoinAnswer{Refusal: &pb.JoinRefusal{Code: string(no.Code), Message: no.Message}})
		}
		return err
	})
}

// serve runs one answering stream within what its peer may ask for.
func (s *Service) serve(st network.Stream, f func(ctx context.Context, p peer.ID) error) {
	p := st.Conn().RemotePeer()
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		_ = st.Reset()
		return
	}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	if !s.mayAsk(p) {
		_ = st.Reset()
		return
	}
	stop := context.AfterFunc(s.ctx, func() { _ = st.Reset() })
	defer stop()
	_ = st.SetDeadline(time.Now().Add(streamWithin))
	if err := f(s.ctx, p); err != nil {
		s.log.Debug("answer", "peer", p, "protocol", st.Protocol(), "err", err)
		_ = st.Reset()
		return
	}
	_ = st.Close()
}

func (s *Service) answerJoin(ctx context.Context, p peer.ID, q *pb.JoinAsk, d dialogue) error {
	if len(q.Room) != len(event.Conversation{}) {
		return errNoSuchRoom
	}
	r, err := s.Room(event.Conversation(q.Room))
	if err != nil {
		return errNoSuchRoom
	}
	switch {
	case q.Enter != nil:
		return r.admit(ctx, p, q.Enter, d)
	case q.Keys != nil:
		return r.giveKeys(ctx, p, q.Keys, d.send)
	case q.Ping:
		return r.answerPing(ctx, p, d.send)
	case q.Push != nil:
		return r.takePush(ctx, p, q.Push)
	}
	return errNoSuchRoom
}

// admit lets p in or says why not, in the order of the door: the rules decide on
// standing and membership, then the password, then capacity and nick.
func (r *Room) admit(ctx context.Context, p peer.ID, q *pb.JoinEnter, d dialogue) error {
	nick, err := room.NormalizeNick(q.Nick)
	if err != nil || nick != q.Nick || len(q.Log) != len(event.LogID{}) || event.LogID(q.Log) == (event.LogID{}) {
		return &room.Refusal{Code: room.Forbidden, Message: "the nick or the log is malformed"}
	}
	var s secret
	guarded := false
	e := r.do(ctx, func() {
		if !r.joined || !r.isOccupant(r.svc.self) {
			err = errNoSuchRoom
		} else if err = r.rules.MayEnter(p); err == nil {
			cfg := r.rules.Config()
			if guarded = cfg.Password() > 0; !guarded {
				return
			}
			var known bool
			if s, known = r.knownSecret(); !known {
				err = errNoSuchRoom // ask another
			}
		}
	})
	if e != nil || err != nil {
		return cmp.Or(e, err)
	}
	if guarded {
		if err := r.challenge(d, p, s); err != nil {
			return err
		}
	}
	if q.Again {
		if !guarded {
			return errNoSuchRoom
		}
		g, err := r.readmit(ctx, p, s)
		if err != nil {
			return err
		}
		return d.send(&pb.JoinAnswer{Grant: g})
	}
	in, err := r.welcome(ctx, p, nick, guarded, s, event.LogKey{Author: p, Log: event.LogID(q.Log)})
	if err != nil {
		return err
	}
	if err := r.handOver(ctx, in, d); err != nil {
		return err
	}
	return d.send(&pb.JoinAnswer{Grant: in.grant})
}

// admitted is what somebody who is let in gets.
type admitted struct {
	control []event.ID
	grant   *pb.JoinGrant
	config  room.Config
	// newcomer: he was never here before.
	newcomer bool
}

// welcome decides on what is left, and signs for p.
func (r *Room) welcome(ctx context.Context, p peer.ID, nick string, guarded bool, s secret, k event.LogKey) (*admitted, error) {
	in := &admitted{}
	var err error
	e := r.do(ctx, func() {
		if err = r.rules.Admits(p, room.Entry{Password: true, Occupants: r.presentCount(p), NickTaken: r.nickTaken(p, nick)}); err != nil {
			return
		}
		_, before := r.rules.LastWord(p)
		in.newcomer, in.control, in.config = !before, r.rules.AlongCtl(), r.rules.Config()
		if cfg := r.rules.Config(); cfg.Password() > 0 != guarded || guarded && !r.stillKnows(s) {
			err = errNoSuchRoom // the password changed meanwhile: once more
			return
		}
		in.grant = r.grantAll()
		if !guarded {
			r.welcomed(p)
			return
		}
		if err = r.letInNow(r.svc.ctx, p); err != nil {
			return
		}
		ctl := r.rules.Cite(p)
		var a *room.Admission
		if a, err = room.Admit(r.svc.cfg.Key, r.id, k, s.generation, ctl); err != nil {
			return
		}
		if in.grant.Secret = r.wireSecret(); in.grant.Secret == nil {
			in.grant.Secret = r.wireSetting()
		}
		in.grant.Admission = &pb.RoomAdmission{Admitter: []byte(a.Admitter), Generation: a.Generation, Signature: a.Signature}
		for _, id := range ctl {
			in.grant.Ctl = append(in.grant.Ctl, id[:])
		}
	})
	return in, cmp.Or(e, err)
}

// handOver sends the control lane and what stands in the room: without that he could
// neither tell who is there and what the room is about nor show what they say. It
// fills in what of the history is not for a newcomer.
func (r *Room) handOver(ctx context.Context, in *admitted, d dialogue) error {
	err := r.sendAll(ctx, in.control, func(b *pb.EventBatch) error { return d.send(&pb.JoinAnswer{Control: b}) })
	if err != nil {
		return err
	}
	if all, last, since := in.config.History(); !all && in.newcomer {
		var from time.Time
		if since > 0 {
			from = r.svc.cfg.Now().Add(-since)
		}
		below, err := r.svc.cfg.Store.Newest(ctx, r.id, last, from)
		if err != nil {
			return err
		}
		for _, b := range below[:min(len(below), maxBelow)] {
			in.grant.Below = append(in.grant.Below, b.Wire(b.Head))
		}
	}
	// After below was read, so that nothing of it below that is missing.
	var standing []event.ID
	if err := r.do(ctx, func() { standing = r.rules.Lasting() }); err != nil {
		return err
	}
	return r.sendAll(ctx, standing, func(b *pb.EventBatch) error { return d.send(&pb.JoinAnswer{Standing: b}) })
}

// sendAll sends events that are stored in as many frames as it takes.
func (r *Room) sendAll(ctx context.Context, ids []event.ID, send func(*pb.EventBatch) error) error {
	for len(ids) > 0 {
		events, err := r.svc.cfg.Store.EventsByID(ctx, ids, maxFrame*3/4)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return errors.New("an event of the room is not stored")
		}
		if err := send(batch(events)); err != nil {
			return err
		}
		ids = ids[len(events):]
	}
	return nil
}

func batch(events []*event.Event) *pb.EventBatch {
	b := &pb.EventBatch{}
	for _, e := range events {
		b.Events = append(b.Events, e.Wire())
	}
	return b
}

// grantOf has the keys of the epochs asked for.
func (r *Room) grantOf(epochs ...event.ID) *pb.JoinGrant {
	g := &pb.JoinGrant{}
	held := *r.keys.Load()
	for _, id := range epochs {
		if k, ok := held[id]; ok && len(g.Keys) < maxKeys {
			g.Keys = append(g.Keys, &pb.EpochKey{Epoch: id[:], Key: k[:]})
		}
	}
	return g
}

// grantAll has the keys held, those that are sent under first: a room has had
// more epochs than a grant takes.
func (r *Room) grantAll() *pb.JoinGrant {
	var covering, rest []event.ID
	for _, e := range r.epochs() {
		if e.Covers {
			covering = append(covering, e.ID)
		} else {
			rest = append(rest, e.ID)
		}
	}
	return r.grantOf(append(covering, rest...)...)
}

// giveKeys hands keys to who may have them.
func (r *Room) giveKeys(ctx context.Context, p peer.ID, q *pb.JoinKeys, send func(*pb.JoinAnswer) error) error {
	if n := len(q.Epochs); n == 0 || n > maxKeysAsked {
		return errNoSuchRoom
	}
	if !r.Entitled(p, true) {
		return errNoSuchRoom
	}
	var epochs []event.ID
	for _, b := range q.Epochs {
		if len(b) == len(event.ID{}) {
			epochs = append(epochs, event.ID(b))
		}
	}
	g := r.grantOf(epochs...)
	if err := r.do(ctx, func() { g.Secret = r.wireSecret() }); err != nil {
		return err
	}
	return send(&pb.JoinAnswer{Grant: g})
}

// answerPing tells p whether he is in the room.
func (r *Room) answerPing(ctx context.Context, p peer.ID, send func(*pb.JoinAnswer) error) error {
	in := false
	if err := r.do(ctx, func() { in = r.joined && r.isOccupant(p) }); err != nil {
		return err
	}
	if !in {
		return errNoSuchRoom
	}
	return send(&pb.JoinAnswer{Grant: &pb.JoinGrant{}})
}
