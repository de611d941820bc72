package gossip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Verdict is what a validator says of a payload.
type Verdict int

const (
	// Accept: deliver the payload and pass it on.
	Accept Verdict = iota
	// Ignore: do neither, and hold it against nobody.
	Ignore
	// Reject: do neither; who sent it is at fault.
	Reject
)

// Handler is what a topic's owner does with what arrives.
type Handler interface {
	// Validate judges a payload of others before it is delivered and passed on.
	// What it returns as data is handed to Deliver unchanged, so that nothing
	// is decoded or verified twice. It is called for one payload at a time, of
	// all topics, in the order of arrival, and must be quick; ctx ends with
	// the service. The payload must not be changed. A payload seen in the last
	// ten minutes, whatever became of it, is not shown again.
	Validate(ctx context.Context, from peer.ID, payload []byte) (Verdict, any)
	// Deliver is called for each accepted payload of others, in order, from
	// the topic's own goroutine; it must not block for long: what 1024 others
	// wait behind is lost. From is who sent it to us, not its author.
	Deliver(from peer.ID, data any)
	// PeerJoined and PeerLeft: a connected peer subscribed to the topic, or
	// left it or was lost. They never overlap with each other or Deliver. One
	// that comes and goes in a moment may not be told of.
	PeerJoined(p peer.ID)
	PeerLeft(p peer.ID)
}

// Topic is a topic we take part in.
type Topic struct {
	name    string
	service *Service
	handler Handler
	topic   *pubsub.Topic
	sub     *pubsub.Subscription
	events  *pubsub.TopicEventHandler
	others  atomic.Int64 // connected subscribers
	calls   sync.Mutex   // held while the handler is called, but for Validate
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	leave   sync.Once
}

// Join subscribes to a topic. Topics have short names: an RPC has 4 KiB to
// spare for it. Errors: the topic is joined already; ErrClosed.
func (s *Service) Join(topic string, h Handler) (*Topic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.topics[topic] != nil:
		return nil, fmt.Errorf("join %s: joined already", topic)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	t := &Topic{name: topic, service: s, handler: h, cancel: cancel}
	if err := t.subscribe(); err != nil {
		t.unsubscribe()
		return nil, fmt.Errorf("join %s: %w", topic, err)
	}
	s.topics[topic] = t
	s.start(t, func() { t.deliver(ctx) }) // these end with Leave or the service
	s.start(t, func() { t.watch(ctx) })
	return t, nil
}

// start runs f as a goroutine of a topic and of the service.
func (s *Service) start(t *Topic, f func()) {
	s.wg.Add(1)
	t.wg.Go(func() {
		defer s.wg.Done()
		f()
	})
}

func (t *Topic) subscribe() (err error) {
	ps := t.service.pubsub
	if t.topic, err = ps.Join(t.name); err != nil {
		return err
	}
	if err = t.topic.SetScoreParams(topicScore()); err != nil {
		return err
	}
	if err = ps.RegisterTopicValidator(t.name, t.validate, pubsub.WithValidatorInline(true)); err != nil {
		return err
	}
	if t.events, err = t.topic.EventHandler(); err != nil {
		return err
	}
	t.sub, err = t.topic.Subscribe(pubsub.WithBufferSize(deliveryQueue), pubsub.WithMessageFilter(t.route))
	return err
}

// unsubscribe undoes subscribe, as far as that came, and ends the goroutines.
func (t *Topic) unsubscribe() {
	if t.sub != nil {
		t.sub.Cancel() // nothing is accepted from here on
	}
	if t.events != nil {
		t.events.Cancel()
	}
	t.cancel()
	t.wg.Wait()
	if t.topic == nil {
		return
	}
	// What fails here fails because there was none, or pubsub is gone.
	_ = t.service.pubsub.UnregisterTopicValidator(t.name)
	_ = t.topic.Close()
}

// Leave unsubscribes. No handler is called afterwards. It must not be called
// from a handler. Leaving twice does nothing.
func (t *Topic) Leave() error {
	t.leave.Do(func() {
		t.unsubscribe()
		t.service.mu.Lock()
		delete(t.service.topics, t.name)
		t.service.mu.Unlock()
	})
	return nil
}

// Publish sends a payload to every connected subscriber; it is not delivered
// to ourselves. It returns once the payload is queued, and does nothing if the
// same was published or received in the last ten minutes. The payload must not
// be changed afterwards. Errors: ErrTooLong, ErrClosed, ctx.
func (t *Topic) Publish(ctx context.Context, payload []byte) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("publish: %w: it has %d", ErrTooLong, len(payload))
	}
	err := t.topic.Publish(ctx, payload)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pubsub.ErrTopicClosed), t.service.ctx.Err() != nil:
		return fmt.Errorf("publish: %w", ErrClosed)
	}
	return fmt.Errorf("publish: %w", err)
}

// Peers are the connected peers that are subscribed to the topic, in no order.
func (t *Topic) Peers() []peer.ID { return t.topic.ListPeers() }

// validate runs in the one goroutine that validates, and for our own messages
// in Publish.
func (t *Topic) validate(ctx context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if from == t.service.self {
		return pubsub.ValidationAccept
	}
	if len(m.Data) > MaxPayload {
		return pubsub.ValidationReject
	}
	v, data := t.handler.Validate(ctx, from, m.Data)
	m.ValidatorData = data
	switch v {
	case Accept:
		return pubsub.ValidationAccept
	case Reject:
		return pubsub.ValidationReject
	}
	return pubsub.ValidationIgnore
}

// deliver hands what arrives to the handler until ctx ends.
func (t *Topic) deliver(ctx context.Context) {
	for {
		m, err := t.sub.Next(ctx)
		if err != nil {
			return
		}
		t.call(ctx, func() { t.handler.Deliver(m.ReceivedFrom, m.ValidatorData) })
	}
}

// watch tells the handler of peers until ctx ends.
func (t *Topic) watch(ctx context.Context) {
	for {
		e, err := t.events.NextPeerEvent(ctx)
		if err != nil {
			return
		}
		if e.Type == pubsub.PeerJoin {
			t.others.Add(1)
			t.call(ctx, func() { t.handler.PeerJoined(e.Peer) })
		} else {
			t.others.Add(-1)
			t.call(ctx, func() { t.handler.PeerLeft(e.Peer) })
		}
	}
}

func (t *Topic) call(ctx context.Context, f func()) {
	t.calls.Lock()
	defer t.calls.Unlock()
	if ctx.Err() == nil {
		f()
	}
}
