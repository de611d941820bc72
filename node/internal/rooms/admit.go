package rooms

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

var errNoSuchRoom = &room.Refusal{Code: codeNotJoined, Message: "not in this room"}

// serveJoin answers one who asks to enter, for keys, or whether he is in.
func (s *Service) serveJoin(st network.Stream) {
	s.serve(st, func(ctx context.Context, p peer.ID) error {
		var q pb.JoinAsk
		if err := pbio.NewDelimitedReader(st, maxAsk).ReadMsg(&q); err != nil {
			return err
		}
		w := pbio.NewDelimitedWriter(st)
		send := func(a *pb.JoinAnswer) error {
			_ = st.SetWriteDeadline(time.Now().Add(streamWithin))
			return w.WriteMsg(a)
		}
		err := s.answerJoin(ctx, p, &q, send)
		var no *room.Refusal
		if errors.As(err, &no) {
			return send(&pb.JoinAnswer{Refusal: &pb.JoinRefusal{Code: string(no.Code), Message: no.Message}})
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

func (s *Service) answerJoin(ctx context.Context, p peer.ID, q *pb.JoinAsk, send func(*pb.JoinAnswer) error) error {
	if len(q.Room) != len(event.Conversation{}) {
		return errNoSuchRoom
	}
	r, err := s.Room(event.Conversation(q.Room))
	if err != nil {
		return errNoSuchRoom
	}
	switch {
	case q.Enter != nil:
		return r.admit(ctx, p, q.Enter, send)
	case q.Keys != nil:
		return r.giveKeys(ctx, p, q.Keys, send)
	case q.Ping:
		return r.answerPing(ctx, p, send)
	}
	return errNoSuchRoom
}

// admit lets p in or says why not, in the order of the door. Whether p may
// come in is decided by the rules; capacity and nick by who is here.
func (r *Room) admit(ctx context.Context, p peer.ID, q *pb.JoinEnter, send func(*pb.JoinAnswer) error) error {
	nick, err := room.NormalizeNick(q.Nick)
	if err != nil || nick != q.Nick || len(q.Log) != len(event.LogID{}) {
		return &room.Refusal{Code: room.Forbidden, Message: "the nick or the log is malformed"}
	}
	var ids []event.ID
	var cfg room.Config
	var newcomer bool
	e := r.do(ctx, func() {
		if !r.joined || !r.isOccupant(r.svc.self) {
			err = errNoSuchRoom
			return
		}
		_, before := r.rules.LastWord(p)
		newcomer = !before
		ids, cfg = r.rules.AlongCtl(), r.rules.Config()
		err = r.rules.Admits(p, room.Entry{Occupants: r.presentCount(p), NickTaken: r.nickTaken(p, nick)})
	})
	if e != nil {
		return e
	}
	if err != nil {
		return err
	}
	for len(ids) > 0 {
		events, err := r.svc.cfg.Store.EventsByID(ctx, ids, maxFrame*3/4)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return errors.New("a control event is not stored")
		}
		if err := send(&pb.JoinAnswer{Control: batch(events)}); err != nil {
			return err
		}
		ids = ids[len(events):]
	}
	g := r.grantOf(nil)
	if all, last, since := cfg.History(); newcomer && !all {
		var from time.Time
		if since > 0 {
			from = time.Now().Add(-since)
		}
		below, err := r.svc.cfg.Store.Newest(ctx, r.id, last, from)
		if err != nil {
			return err
		}
		for _, b := range below[:min(len(below), maxBelow)] {
			g.Below = append(g.Below, b.Wire(b.Head))
		}
	}
	return send(&pb.JoinAnswer{Grant: g})
}

func batch(events []*event.Event) *pb.EventBatch {
	b := &pb.EventBatch{}
	for _, e := range events {
		b.Events = append(b.Events, e.Wire())
	}
	return b
}

// grantOf has the keys of the epochs asked for; nil: all.
func (r *Room) grantOf(epochs [][]byte) *pb.JoinGrant {
	g := &pb.JoinGrant{}
	for id, k := range *r.keys.Load() {
		wanted := epochs == nil
		for _, e := range epochs {
			wanted = wanted || string(e) == string(id[:])
		}
		if wanted && len(g.Keys) < maxKeys {
			g.Keys = append(g.Keys, &pb.EpochKey{Epoch: id[:], Key: k[:]})
		}
	}
	return g
}

// giveKeys hands keys to who may have them.
func (r *Room) giveKeys(ctx context.Context, p peer.ID, q *pb.JoinKeys, send func(*pb.JoinAnswer) error) error {
	if n := len(q.Epochs); n == 0 || n > maxKeysAsked {
		return errNoSuchRoom
	}
	if !r.Entitled(p) {
		return errNoSuchRoom
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return send(&pb.JoinAnswer{Grant: r.grantOf(q.Epochs)})
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
