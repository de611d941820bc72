package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/direct"
	"p2pchat/node/internal/discovery"
	"p2pchat/node/internal/hello"
	"p2pchat/node/internal/history"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
)

// storeAdapter lets the ledger write through the store without either knowing
// the other.
type storeAdapter struct {
	s    *store.Store
	self *self
}

func (a storeAdapter) Update(ctx context.Context, f func(history.Tx) error) error {
	return a.s.Update(ctx, func(tx *store.Tx) error { return f(ledgerTx{tx, a.self.account()}) })
}

type ledgerTx struct {
	*store.Tx
	self store.Account
}

func (t ledgerTx) SetVerdict(id event.ID, verdict uint8) error {
	return t.Tx.SetVerdict(id, store.Verdict(verdict))
}

func (t ledgerTx) RegisterRoom(id event.Conversation) error {
	return t.PutConversation(id, store.KindRoom, "")
}

func (t ledgerTx) PutRoom(id event.Conversation, joined bool, nick string) error {
	return t.Tx.PutRoom(store.RoomRow{Conv: id, Joined: joined, Nick: nick})
}

// directLedger is the history as direct chat moves it.
type directLedger struct{ n *Node }

func (l directLedger) Frontier(ctx context.Context, conv event.Conversation) (event.Frontier, error) {
	return l.n.store.Frontier(ctx, conv)
}

func (l directLedger) Range(ctx context.Context, conv event.Conversation, r event.Range, limit int) ([]*event.Event, error) {
	return l.n.store.Range(ctx, conv, r, limit)
}

func (l directLedger) Forked(ctx context.Context, conv event.Conversation, k event.LogKey, h event.Head) (bool, error) {
	mine, err := l.n.store.Frontier(ctx, conv)
	if err != nil || mine[k].Seq < h.Seq || mine[k] == h {
		return false, err
	}
	held, err := holds(ctx, l.n.store, conv, k, h)
	return !held, err
}

// holds tells whether the event h of log k is stored, or was removed for its age.
func holds(ctx context.Context, st deliveryStore, conv event.Conversation, k event.LogKey, h event.Head) (bool, error) {
	lows, err := st.Lows(ctx, conv)
	if err != nil || h.Seq < lows[k] {
		return err == nil, err
	}
	events, err := st.Range(ctx, conv, event.Range{LogKey: k, From: h.Seq, To: h.Seq}, event.MaxEvent)
	return slices.ContainsFunc(events, func(e *event.Event) bool { return e.ID == h.ID }), err
}

func (l directLedger) Ingest(ctx context.Context, from peer.ID, events []*event.Event) error {
	if l.n.people.blocked(from) { // since the stream was opened
		return fmt.Errorf("%w: blocked", direct.ErrRefused)
	}
	conv, err := l.n.convs.with(ctx, from)
	if err != nil {
		return err
	}
	l.n.talk.note()
	err = l.n.ledger.Ingest(ctx, conv, events)
	if errors.Is(err, history.ErrInvalid) || errors.Is(err, store.ErrTooManyLogs) {
		return fmt.Errorf("%w: %w", direct.ErrRefused, err)
	}
	if err == nil {
		l.n.broughtBack(from, events)
	}
	return err
}

// broughtBack counts our own messages as delivered to who brought them: our data was
// put back from an older copy, and when he said what he holds they were not here yet.
func (n *Node) broughtBack(from peer.ID, events []*event.Event) {
	ours := event.Frontier{}
	for _, e := range events {
		if k := e.Key(); e.Author == n.key.ID() && e.Seq > ours[k].Seq {
			ours[k] = event.Head{Seq: e.Seq, ID: e.ID}
		}
	}
	if len(ours) > 0 {
		_, err := n.delivery.acked(n.ctx, from, ours)
		n.note("acked", from, err)
		n.persistSoon()
	}
}

// directHandler hears from direct chat.
type directHandler struct{ n *Node }

// Opened says again what is not kept: how far we have read.
func (h directHandler) Opened(p peer.ID) {
	marks, err := h.n.store.Read(h.n.ctx, event.Direct(h.n.key.ID(), p), h.n.key.ID())
	if err != nil {
		h.n.log.Warn("read markers", "peer", p, "err", err)
		return
	}
	for k, head := range marks {
		h.n.direct.MarkRead(p, k, head)
	}
}

func (h directHandler) Sent(p peer.ID, f event.Frontier) {
	_, err := h.n.delivery.sent(h.n.ctx, p, f)
	h.n.note("sent", p, err)
}

func (h directHandler) Acked(p peer.ID, f event.Frontier) {
	strange, err := h.n.delivery.acked(h.n.ctx, p, f)
	h.n.note("acked", p, err)
	// The peer holds something of our logs that we don't: our data was put
	// back from an older copy. Nothing more may be said in such a log.
	for _, k := range strange {
		h.n.note("retired", p, h.n.ledger.Retire(h.n.ctx, event.Direct(h.n.key.ID(), p), k.Log))
	}
	h.n.persistSoon()
}

func (h directHandler) Read(p peer.ID, k event.LogKey, head event.Head) {
	_, err := h.n.delivery.read(h.n.ctx, p, event.Frontier{k: head})
	h.n.note("read", p, err)
	h.n.persistSoon()
	if c, ok := h.n.convs.get(p); ok {
		h.n.publishConversation(c)
	}
}

func (h directHandler) Typing(p peer.ID) {
	h.n.hub.publish(api.Change{Type: api.ChangeTyping, Typing: &api.Typing{
		Conversation: event.Direct(h.n.key.ID(), p).String(), PeerID: p.String(),
	}})
}

// note logs what went wrong with bookkeeping that is made up for later.
func (n *Node) note(what string, p peer.ID, err error) {
	if err != nil && n.ctx.Err() == nil {
		n.uncommitted("delivery state", err, "of", what, "peer", p)
	}
}

// helloHandler hears who comes and goes.
type helloHandler struct{ n *Node }

func (h helloHandler) PeerUp(p hello.Peer) {
	h.n.clockNoted(p.Profile.Peer, p.Profile.Time.Sub(h.n.cfg.Seams.Now()))
	h.PeerChanged(p)
	if h.n.convs.has(p.Profile.Peer) {
		h.n.direct.Wake(p.Profile.Peer)
	}
}

func (h helloHandler) PeerAhead(p peer.ID, by time.Duration) { h.n.clockNoted(p, by) }

func (h helloHandler) PeerChanged(p hello.Peer) {
	if h.n.people.met(p.Profile, p.Signed, p.Away, time.Now()) {
		h.n.rooms.Renamed(p.Profile.Peer)
	}
	h.n.persistSoon()
	h.n.rosterChanged(p.Profile.Peer)
}

func (h helloHandler) PeerDown(p peer.ID, leaving bool) {
	if leaving {
		h.n.discovery.Left(p)
	}
	h.n.people.left(p, time.Now())
	h.n.sync.Gone(p)
	h.n.delivery.lost(p)
	h.n.persistSoon()
	h.n.rosterChanged(p)
}

// book is the roster as discovery remembers it.
type book struct{ n *Node }

func (b book) Load() ([]discovery.Remembered, error) { return b.n.people.remembered(), nil }

func (b book) Save(r discovery.Remembered) error {
	b.n.people.remember(r)
	b.n.persistSoon()
	b.n.rosterChanged(r.Peer)
	return nil
}

// Remove does nothing: people are forgotten by RemovePeer, which then tells
// discovery.
func (b book) Remove(peer.ID) error { return nil }
