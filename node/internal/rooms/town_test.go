package rooms

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

// town is a network in memory: streams are pipes, topics hand on what is
// published. Within synctest it has the bubble's time.
type town struct {
	t *testing.T

	mu     sync.Mutex
	people []*person
	cut    map[[2]peer.ID]bool // who is not connected; both ways round
	deaf   bool                // topics lose everything
	topics map[string][]*topic
	said   map[string][][]byte // payloads published
}

// inTown runs f in a town with synctest's time: who sleeps in it lets the town's clock
// go on, and waits for nothing.
func inTown(t *testing.T, f func(*testing.T, *town)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newTown(t)) })
}

func newTown(t *testing.T) *town {
	return &town{t: t, cut: map[[2]peer.ID]bool{}, topics: map[string][]*topic{}, said: map[string][][]byte{}}
}

// person is somebody with an account and, while he is up, a service.
type person struct {
	*Service
	town *town
	host *pipes
	disk *disk
	keep heard

	stop context.CancelFunc
	done chan struct{}
}

func keyOf(t testing.TB, n byte) identity.Key {
	t.Helper()
	k, err := identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// person adds one, who is up till the end of the test.
func (w *town) person() *person {
	w.t.Helper()
	k := keyOf(w.t, byte(len(w.people)+1))
	p := &person{town: w, disk: newDisk(k)}
	p.host = &pipes{person: p, handlers: map[protocol.ID]network.StreamHandler{}}
	w.mu.Lock()
	w.people = append(w.people, p)
	w.mu.Unlock()
	p.start()
	w.t.Cleanup(p.halt)
	return p
}

func (p *person) id() peer.ID { return p.disk.key.ID() }

// load makes a service of what is on the disk.
func (p *person) load() {
	p.town.t.Helper()
	var err error
	p.Service, err = New(context.Background(), Config{
		Host: p.host, Key: p.disk.key, Rand: rand.Reader, Store: p.disk, Ledger: p.disk, Gossip: topics{p}, Sync: &p.keep,
		Handler: &p.keep, Receipt: p.keep.receipt, Away: func() bool { return p.keep.isAway() }, Logger: slog.New(slog.DiscardHandler),
		CompactAfter: 4, // so that rules read again what they gave up
	})
	if err != nil {
		p.town.t.Fatal(err)
	}
}

func (p *person) start() {
	p.town.t.Helper()
	p.load()
	ctx, cancel := context.WithCancel(context.Background())
	p.stop, p.done = cancel, make(chan struct{})
	go func() { // ends with halt
		defer close(p.done)
		if err := p.Run(ctx); err != nil {
			p.town.t.Error(err)
		}
	}()
	synctest.Wait()
}

func (p *person) halt() {
	p.stop()
	<-p.done
}

// room is one of his.
func (p *person) room(id event.Conversation) *Room {
	p.town.t.Helper()
	r, err := p.Room(id)
	if err != nil {
		p.town.t.Fatal(err)
	}
	return r
}

// inside has the room's goroutine call f.
func (p *person) inside(id event.Conversation, f func(*Room)) {
	p.town.t.Helper()
	r := p.room(id)
	if err := r.do(context.Background(), func() { f(r) }); err != nil {
		p.town.t.Fatal(err)
	}
}

func (p *person) says(id event.Conversation, text string) *event.Event {
	p.town.t.Helper()
	body, err := event.EncodeText(text)
	if err != nil {
		p.town.t.Fatal(err)
	}
	e, err := p.room(id).Say(context.Background(), event.KindText, body)
	if err != nil {
		p.town.t.Fatalf("say %q: %v", text, err)
	}
	return e
}

// does governs.
func (p *person) does(id event.Conversation, ops ...room.Op) {
	p.town.t.Helper()
	err := p.room(id).Govern(context.Background(), func(*room.Room) ([]room.Op, error) { return ops, nil })
	if err != nil {
		p.town.t.Fatal(err)
	}
	synctest.Wait()
}

func ban(p *person) room.Op {
	return room.Op{Kind: room.KindSet, Target: p.id(), Standing: room.Outcast}
}

func grantTo(p *person, s room.Standing) room.Op {
	return room.Op{Kind: room.KindSet, Target: p.id(), Standing: s}
}

// found has the first make a room and the others join it through him.
func (w *town) found(config []room.Setting, all ...*person) event.Conversation {
	w.t.Helper()
	r, err := all[0].Create(context.Background(), "nick0", config, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, p := range all[1:] {
		p.joins(r.id, fmt.Sprintf("nick%d", i+1), all[0])
	}
	time.Sleep(2 * time.Second) // presences
	synctest.Wait()
	return r.id
}

func (p *person) joins(id event.Conversation, nick string, via ...*person) {
	p.town.t.Helper()
	if err := p.tries(id, nick, via...); err != nil {
		p.town.t.Fatal(err)
	}
}

func (p *person) tries(id event.Conversation, nick string, via ...*person) error {
	w := Way{Nick: nick}
	for _, v := range via {
		w.Via = append(w.Via, v.id())
	}
	_, err := p.Join(context.Background(), id, w)
	synctest.Wait()
	if err == nil {
		for _, v := range via {
			p.town.sync(id, p, v)
		}
	}
	return err
}

// sync makes what two hold of a room equal, as far as they serve each other.
func (w *town) sync(id event.Conversation, a, b *person) {
	w.t.Helper()
	for _, way := range [][2]*person{{a, b}, {b, a}, {a, b}} {
		from, to := way[0], way[1]
		if !from.room(id).Entitled(to.id(), true) {
			continue
		}
		from.disk.mu.Lock()
		r := from.disk.of(id)
		all := slices.Concat(r.control, r.messages)
		from.disk.mu.Unlock()
		if _, err := to.room(id).Ingest(context.Background(), from.id(), all); err != nil && !errors.Is(err, ErrClosed) {
			w.t.Errorf("sync: %v", err)
		}
	}
	synctest.Wait()
}

func (w *town) connected(a, b peer.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.cut[[2]peer.ID{a, b}]
}

// cutOff has what two say to each other lost, which neither notices, or no more.
func (w *town) cutOff(a, b *person, off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[[2]peer.ID{a.id(), b.id()}], w.cut[[2]peer.ID{b.id(), a.id()}] = off, off
}

// part takes the connection between two away, or gives it back.
func (w *town) part(a, b *person, apart bool) {
	w.cutOff(a, b, apart)
	w.mu.Lock()
	for _, all := range w.topics {
		for _, x := range all {
			for _, y := range all {
				if x.owner == a && y.owner == b || x.owner == b && y.owner == a {
					y := y.owner.id()
					if apart {
						x.put(func() { x.handler.PeerLeft(y) })
					} else {
						x.put(func() { x.handler.PeerJoined(y) })
					}
				}
			}
		}
	}
	w.mu.Unlock()
	synctest.Wait()
}

// lose has the topics lose everything from now on, or no more.
func (w *town) lose(all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = all
}

// payloads lists what was published in a room.
func (w *town) payloads(id event.Conversation) [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said[envelope.Topic(id)])
}

// topic is one person's part in a topic. Its goroutine calls the handler.
type topic struct {
	name    string
	owner   *person
	handler TopicHandler
	queue   chan func() // more than is said in a test
	left    chan struct{}
	once    sync.Once
	idle    sync.WaitGroup
}

func (x *topic) put(f func()) {
	select {
	case x.queue <- f:
	default:
	}
}

type topics struct{ *person }

func (g topics) FloodsFrom() int { return 3 }

func (g topics) Join(name string, h TopicHandler) (Topic, error) {
	w := g.town
	x := &topic{name: name, owner: g.person, handler: h, queue: make(chan func(), 1<<14), left: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.topics[name] {
		if o.owner == g.person {
			return nil, errors.New("joined already")
		}
		if !w.cut[[2]peer.ID{o.owner.id(), g.id()}] {
			o.put(func() { o.handler.PeerJoined(g.id()) })
			x.put(func() { x.handler.PeerJoined(o.owner.id()) })
		}
	}
	w.topics[name] = append(w.topics[name], x)
	x.idle.Go(func() {
		for {
			select {
			case f := <-x.queue:
				f()
			case <-x.left:
				return
			}
		}
	})
	return x, nil
}

func (x *topic) Leave() error {
	x.once.Do(func() {
		close(x.left)
		x.idle.Wait()
		w := x.owner.town
		w.mu.Lock()
		defer w.mu.Unlock()
		w.topics[x.name] = slices.DeleteFunc(w.topics[x.name], func(o *topic) bool { return o == x })
		for _, o := range w.topics[x.name] {
			o.put(func() { o.handler.PeerLeft(x.owner.id()) })
		}
	})
	return nil
}

func (x *topic) Publish(_ context.Context, payload []byte) error {
	w := x.owner.town
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said[x.name] = append(w.said[x.name], payload)
	if w.deaf {
		return nil
	}
	from := x.owner.id()
	for _, o := range w.topics[x.name] {
		if o != x && !w.cut[[2]peer.ID{o.owner.id(), from}] {
			o.put(func() {
				if v, data := o.handler.Validate(from, payload); v == Accept {
					o.handler.Deliver(from, data)
				}
			})
		}
	}
	return nil
}
