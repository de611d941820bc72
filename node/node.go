package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"p2pchat/node/api"
	"p2pchat/node/internal/antientropy"
	"p2pchat/node/internal/direct"
	"p2pchat/node/internal/discovery"
	"p2pchat/node/internal/gossip"
	"p2pchat/node/internal/hello"
	"p2pchat/node/internal/history"
	"p2pchat/node/internal/p2phost"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// Node is a running peer. It implements [api.Service].
type Node struct {
	cfg Config
	key identity.Key
	log *slog.Logger

	// Parts; none of them knows another.
	store     *store.Store
	host      *p2phost.Host
	discovery *discovery.Service
	hello     *hello.Service
	direct    *direct.Service
	ledger    *history.Ledger
	gossip    *gossip.Service
	sync      *antientropy.Service
	rooms     *rooms.Service

	// State of the node itself, each guarded by its own mutex.
	talk     talk
	hub      *hub
	people   *people
	convs    *convs
	delivery *delivery
	notices  *notices
	twins    *twins
	clocks   *clocks
	secrets  *secrets
	self     *self

	roomFiles *roomFiles
	asked     *mailbox[*event.Event]       // what others ask of us about rooms
	roomsDue  *mailbox[event.Conversation] // rooms whose row faces are to be told
	again     *mailbox[toldAgain]          // messages that are something else now
	judged    atomic.Uint64                // grows with every verdict that changes

	due     chan struct{} // 1: a write-behind that is due covers any number
	writing sync.Mutex    // held while something is written behind
	pruning sync.Mutex    // held while the history is cut to its limits
	telling sync.Mutex    // held while a row of the roster is looked up and published
	showing sync.RWMutex  // held, shared, while faces are told what is said; alone, to change whose is hidden

	ctx    context.Context // ends when the node is to stop
	cancel context.CancelFunc
	done   chan struct{} // closed when it has
	err    error         // why, once done
}

var _ api.Service = (*Node)(nil)

// Start opens the store, starts the host and every service, and returns when
// the node listens. The node runs until Close, Shutdown or the failure of a
// part; ctx bounds the start only.
// Errors: newer-database, damaged, disk-full, usage.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, api.Errorf(api.CodeUsage, "configuration: %w", err)
	}
	if cfg.Notify == nil {
		cfg.Notify = func(string) {}
	}
	if cfg.Seams.Now == nil {
		cfg.Seams.Now = time.Now
	}
	n := &Node{
		cfg: cfg, key: cfg.Key, log: cfg.Logger.With("component", "node"),
		hub: newHub(), secrets: newSecrets(), notices: newNotices(), clocks: newClocks(), roomsDue: newMailbox[event.Conversation](),
		again: newMailbox[toldAgain](), asked: newMailbox[*event.Event](), due: make(chan struct{}, 1), done: make(chan struct{}),
	}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.open(ctx); err != nil {
		n.cancel()
		return nil, errors.Join(apiError(err), n.closeParts())
	}
	go n.run() // ends with n.ctx or when a service fails; Close waits for done
	return n, nil
}

// open builds the parts, from the store up.
func (n *Node) open(ctx context.Context) error {
	var err error
	if n.store, err = store.Open(ctx, n.cfg.Dir, store.Options{Logger: n.cfg.Logger, Existing: true, Damaged: n.damaged, Hindered: n.hindered}); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = noDatabase(n.cfg.Dir)
		}
		return err
	}
	if err = n.openParts(ctx); errors.Is(err, store.ErrDamaged) {
		err = fmt.Errorf("database %s: %w", filepath.Join(n.cfg.Dir, store.FileName), err)
	}
	return err
}

// openParts builds what stands on the store.
func (n *Node) openParts(ctx context.Context) error {
	err := n.openState(ctx)
	if err != nil {
		return err
	}
	n.host, err = p2phost.New(p2phost.Config{
		Key: n.key.Libp2p(), Version: n.cfg.Version, Listen: n.cfg.Listen, Only: n.cfg.Only, KeepKeys: n.cfg.Recorded, Log: n.cfg.Logger,
		LocalAddrs: func() []netip.Addr { return discovery.LocalAddrs(n.cfg.Interfaces) }, Options: n.cfg.Seams.Host,
	})
	if err != nil {
		return api.Errorf(api.CodeUsage, "%w", err)
	}
	if port, moved := n.host.Moved(); moved {
		n.cfg.Notify(fmt.Sprintf("port %d is taken; this node uses port %d", p2phost.DefaultPort, port))
	}
	n.discovery, err = discovery.New(discovery.Config{
		Host: n.host, MDNS: !n.cfg.NoMDNS, Interfaces: n.cfg.Interfaces, Look: n.cfg.Seams.Interfaces, Static: n.cfg.Peers, Only: n.cfg.Only, Book: book{n},
		OnEvent: n.discovered,
		OnAddrsChanged: func() {
			if err := n.host.Refresh(); err != nil {
				n.log.Debug("announce addresses", "err", err)
			}
		},
		Log: n.cfg.Logger,
	})
	if err != nil {
		return api.Errorf(api.CodeUsage, "%w", err)
	}
	var instance hello.Instance
	if _, err := rand.Read(instance[:]); err != nil {
		return fmt.Errorf("make an instance ID: %w", err)
	}
	n.hello = hello.New(hello.Config{
		Host: n.streams(), Instance: instance, Self: n.self.sign, Handler: helloHandler{n}, Now: n.cfg.Seams.Now, Logger: n.cfg.Logger,
	})
	n.direct = direct.New(direct.Config{
		Host: n.streams(), Ledger: directLedger{n}, Handler: directHandler{n}, Barred: n.people.blocked, Logger: n.cfg.Logger,
	})
	return n.openRooms(ctx)
}

// streams is the host as those who open and serve streams see it.
func (n *Node) streams() host.Host {
	if wrap := n.cfg.Seams.Streams; wrap != nil {
		return wrap(n.host)
	}
	return n.host
}

// openRooms builds what rooms take.
func (n *Node) openRooms(ctx context.Context) error {
	var err error
	// It outlives the services, so that rooms can say goodbye; closeParts ends it.
	n.gossip, err = gossip.New(context.WithoutCancel(ctx), gossip.Config{
		Host: n.streams(), Flooded: flooded, Tracer: n.cfg.Seams.Gossip, Logger: n.cfg.Logger,
	})
	if err != nil {
		return err
	}
	n.sync = antientropy.New(antientropy.Config{Host: n.streams(), Rooms: syncRooms{n}, Talking: n.talk.underWay, Hindered: func() bool { return n.store.Hindered() != nil }, Logger: n.cfg.Logger})
	n.rooms, err = rooms.New(ctx, rooms.Config{
		Host: n.streams(), Key: n.key, Rand: rand.Reader, Store: roomStore{n.store}, Ledger: roomLedger{n.ledger},
		Gossip: roomGossip{n.gossip, &n.talk}, Sync: n.sync, Handler: roomHandler{n}, Receipt: n.hello.Receipt,
		Away: func() bool { return n.self.account().Away }, Now: n.cfg.Seams.Now, Logger: n.cfg.Logger, CompactAfter: n.cfg.Seams.CompactAfter,
	})
	return err
}

// openState reads what the node keeps in memory.
func (n *Node) openState(ctx context.Context) error {
	acc, err := storedAccount(ctx, n.cfg.Dir, n.store)
	if err != nil {
		return err
	}
	if acc.Peer != n.key.ID() {
		return othersDatabase(n.cfg.Dir, n.key.ID(), acc.Peer)
	}
	contacts, err := n.store.Contacts(ctx)
	if err != nil {
		return err
	}
	n.self = newSelf(n.key, acc, n.cfg.Seams.Now)
	n.people = newPeople(person{acc.Peer, acc.Name}, contacts)
	if n.convs, err = newConvs(ctx, acc.Peer, n.store); err != nil {
		return err
	}
	n.delivery = newDelivery(acc.Peer, n.store, n.hub.publish)
	n.twins = newTwins(n)
	n.roomFiles = newRoomFiles(n.cfg.Dir, func(err error) {
		text := ""
		if err != nil {
			text = fmt.Sprintf("the readable log of a room cannot be written (%v); what is said is kept all the same", err)
		}
		n.notice(causeRoomFile, text)
	})
	n.ledger = history.New(history.Config{Store: storeAdapter{n.store, n.self}, Key: n.key, Rand: rand.Reader, Now: n.cfg.Seams.Now, Stored: n.stored})
	return nil
}

// run lasts as long as the node. The services stop together; what they wrote
// behind is written before the store closes.
func (n *Node) run() {
	g, ctx := errgroup.WithContext(n.ctx)
	g.Go(func() error { return n.hello.Run(ctx) })
	g.Go(func() error { return n.direct.Run(ctx) })
	g.Go(func() error { return n.sync.Run(ctx) })
	g.Go(func() error { return n.rooms.Run(ctx) })
	g.Go(func() error { return n.tellRooms(ctx) })
	g.Go(func() error { return n.discovery.Run(ctx) })
	g.Go(func() error { return n.persist(ctx) })
	g.Go(func() error { return n.retain(ctx) })
	err := g.Wait()
	n.cancel()
	n.twins.stop()
	n.hub.close()
	n.err = errors.Join(err, n.closeParts())
	close(n.done)
}

// closeParts closes what open opened, in reverse order.
func (n *Node) closeParts() error {
	var errs []error
	if n.gossip != nil {
		n.gossip.Close()
	}
	if n.host != nil {
		errs = append(errs, n.host.Close())
	}
	if n.store != nil {
		if n.rooms != nil {
			// Best effort: what is lost here is said again by the others.
			_ = n.writeBehind(context.WithoutCancel(n.ctx))
		}
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}

// Close stops the node cleanly: goodbye to everybody, services, host, store.
// It waits for the end and returns what went wrong. It may be called often.
func (n *Node) Close() error {
	n.cancel()
	<-n.done
	return n.err
}

// Done is closed when the node has stopped, for whatever reason.
func (n *Node) Done() <-chan struct{} { return n.done }

// Shutdown implements [api.Service].
func (n *Node) Shutdown(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n.cancel()
	return nil
}

// Watch implements [api.Service].
func (n *Node) Watch(ctx context.Context, since uint64) iter.Seq2[api.Change, error] {
	return n.hub.watch(ctx, since, n.snapshot)
}

func (n *Node) snapshot(ctx context.Context) (api.Snapshot, error) {
	peers, err := n.Peers(ctx)
	if err != nil {
		return api.Snapshot{}, err
	}
	convs, err := n.Conversations(ctx)
	if err != nil {
		return api.Snapshot{}, err
	}
	joined, err := n.joinedRooms(ctx)
	if err != nil {
		return api.Snapshot{}, err
	}
	id, err := n.Whoami(ctx)
	return api.Snapshot{Self: id, Peers: peers, Conversations: convs, Rooms: joined, Notices: n.notices.list()}, err
}

// persistSoon has what was noted in memory written before long.
func (n *Node) persistSoon() {
	select {
	case n.due <- struct{}{}:
	default:
	}
}

// persist writes roster, acks and read markers behind. They are cheap to learn
// again, so they wait a moment and share a commit.
func (n *Node) persist(ctx context.Context) error {
	const gather = 100 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.due:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(gather):
		}
		if err := n.writeBehind(ctx); err != nil && ctx.Err() == nil {
			// Still due; the next change tries again.
			n.uncommitted("write behind", err)
		}
	}
}

func (n *Node) writeBehind(ctx context.Context) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	return errors.Join(
		n.rooms.Flush(ctx),
		n.people.flush(ctx, func(ctx context.Context, due []store.Contact) error {
			return n.store.Update(ctx, func(tx *store.Tx) error {
				for _, c := range due {
					if err := tx.PutContact(c); err != nil {
						return err
					}
				}
				return nil
			})
		}),
		n.delivery.flush(ctx, func(ctx context.Context, due []report) error {
			return n.store.Update(ctx, func(tx *store.Tx) error {
				for _, r := range due {
					if err := tx.SetAck(r.conv, r.peer, r.acked); err != nil {
						return err
					}
					for k, h := range r.read {
						if err := tx.SetRead(r.conv, r.peer, k, h); err != nil {
							return err
						}
					}
				}
				return nil
			})
		}),
	)
}

// discovered hears from discovery. Connections are hello's matter; here the
// log learns why somebody cannot be reached.
func (n *Node) discovered(e discovery.Event) {
	n.log.Debug("discovery", "what", e.Kind, "peer", e.Peer, "via", e.Via, "err", e.Err)
	switch e.Kind {
	case discovery.Connected:
		n.rosterChanged(e.Peer)
	case discovery.Disconnected:
		n.people.parted(e.Peer)
		n.rosterChanged(e.Peer)
	case discovery.Twin:
		n.twins.heard(e.Addrs)
	case discovery.TwinGone:
		n.twins.parted()
	}
}

// rosterChanged tells the faces of one row. What is looked up first is told
// first, whoever noticed: a face keeps what it was told last.
func (n *Node) rosterChanged(id peer.ID) {
	n.telling.Lock()
	defer n.telling.Unlock()
	if row, ok := n.peerRow(id); ok {
		n.secrets.tell(personSecret(id, row.Name))
		n.hub.publish(api.Change{Type: api.ChangePeer, Peer: &row})
		if !n.convs.has(id) { // whoever is met can be talked to
			n.publishConversation(summary{peer: id, id: event.Direct(n.key.ID(), id)})
		}
	}
}

func (n *Node) publishConversation(s summary) {
	row := conversationRow(s, n.people, n.readBy)
	n.hub.publish(api.Change{Type: api.ChangeConversation, Conversation: &row})
}

// readBy is the newest of our messages that p has read.
func (n *Node) readBy(p peer.ID) string {
	pr, err := n.delivery.of(n.ctx, p)
	if err != nil {
		return ""
	}
	return n.delivery.newestRead(pr)
}
