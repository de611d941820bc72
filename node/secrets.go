package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
)

const (
	// reopenFor is how long a capture waits to learn who is not connected again.
	reopenFor = 10 * time.Second
	// maxSecrets is how many a listener may be behind: the handshakes of some
	// thousand connections. One that is stuck must not fill the memory.
	maxSecrets = 1 << 14
)

// secrets tells those who capture what it takes to read this node's traffic.
type secrets struct {
	mu        sync.Mutex
	listeners map[*secretsListener]bool
}

func newSecrets() *secrets { return &secrets{listeners: map[*secretsListener]bool{}} }

// tell tells all who listen; it never waits for them.
func (s *secrets) tell(what ...api.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		l.put(what...)
	}
}

func (s *secrets) listen() *secretsListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &secretsListener{news: make(chan struct{}, 1), names: map[string]string{}}
	s.listeners[l] = true
	return l
}

func (s *secrets) leave(l *secretsListener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// secretsListener is one who captures, and what he has not taken yet.
type secretsListener struct {
	mu     sync.Mutex
	in     []api.Secret
	behind bool
	news   chan struct{}     // 1: one signal covers any number
	names  map[string]string // told, by peer ID; owned by whoever takes
}

func (l *secretsListener) put(what ...api.Secret) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.in)+len(what) > maxSecrets {
		l.in, l.behind = nil, true
	}
	if !l.behind {
		l.in = append(l.in, what...)
	}
	select {
	case l.news <- struct{}{}:
	default:
	}
}

func (l *secretsListener) take() (what []api.Secret, behind bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	what, l.in = l.in, nil
	return what, l.behind
}

// CaptureSecrets implements [api.Service].
func (n *Node) CaptureSecrets(ctx context.Context) iter.Seq2[api.Secret, error] {
	return func(yield func(api.Secret, error) bool) {
		if ctx.Err() != nil || n.ctx.Err() != nil {
			return
		}
		n.log.Warn("the keys of this node's traffic are handed to a capture: whoever has its file can read what is said")
		l := n.secrets.listen()
		complete, stop := n.host.Keys.Listen(func(line string) {
			l.put(api.Secret{Type: api.SecretSession, Session: line})
		})
		defer func() {
			n.secrets.leave(l)
			stop()
			// Also while others listen on: this capture's keys open nothing of what is
			// said from now on.
			if !complete && n.ctx.Err() == nil {
				n.reopen(ended())
			}
			n.log.Info("no keys are handed to this capture any more")
		}()
		if !yield(api.Secret{Type: api.SecretListening}, nil) {
			return
		}
		known, err := n.knownSecrets(ctx)
		if err != nil {
			if ctx.Err() == nil {
				yield(api.Secret{}, err)
			}
			return
		}
		// What came meanwhile is repeated rather than missed.
		for _, s := range known {
			if l.fresh(s) && !yield(s, nil) {
				return
			}
		}
		n.tellSecrets(ctx, l, complete, yield)
	}
}

// tellSecrets opens connections anew, unless all keys are known, and yields what
// comes new.
func (n *Node) tellSecrets(ctx context.Context, l *secretsListener, complete bool, yield func(api.Secret, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	var reopening sync.WaitGroup
	defer reopening.Wait()
	defer cancel()
	reopening.Go(func() { // ends with ctx
		var r api.Reopened
		if !complete {
			ctx, cancel := context.WithTimeout(ctx, reopenFor)
			defer cancel()
			r = n.reopen(ctx)
		}
		l.put(api.Secret{Type: api.SecretReopened, Reopened: &r})
	})
	for {
		what, behind := l.take()
		if behind {
			yield(api.Secret{}, api.Errorf(api.CodeInternal, "the capture did not take the node's secrets as fast as they came"))
			return
		}
		for _, s := range what {
			if l.fresh(s) && !yield(s, nil) {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-n.ctx.Done():
			return
		case <-l.news:
		}
	}
}

// fresh tells whether a secret is news: rows of the roster change often, names
// seldom.
func (l *secretsListener) fresh(s api.Secret) bool {
	if s.Type != api.SecretPerson {
		return true
	}
	name, told := l.names[s.Person.PeerID]
	l.names[s.Person.PeerID] = s.Person.Name
	return !told || name != s.Person.Name
}

// reopen opens every connection anew and waits until ctx ends for those who are
// missing.
func (n *Node) reopen(ctx context.Context) api.Reopened {
	var r api.Reopened
	for _, id := range n.discovery.Reopen().Wait(ctx) {
		r.Missing = append(r.Missing, api.Person{PeerID: id.String(), Name: n.people.name(id)})
	}
	return r
}

// ended is a context that has ended: nothing is waited for.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// knownSecrets are the keys of all rooms and the names of all people.
func (n *Node) knownSecrets(ctx context.Context) ([]api.Secret, error) {
	self := n.self.account()
	known := []api.Secret{personSecret(self.Peer, self.Name)}
	for _, id := range n.people.ids() {
		if name := n.people.name(id); name != "" {
			known = append(known, personSecret(id, name))
		}
	}
	for _, r := range n.rooms.Rooms() {
		name, keys, err := r.Keys(ctx)
		if err != nil {
			return nil, roomError(err)
		}
		known = append(known, roomKeys(r.ID(), name, keys)...)
	}
	return known, nil
}

func personSecret(id peer.ID, name string) api.Secret {
	return api.Secret{Type: api.SecretPerson, Person: &api.Person{PeerID: id.String(), Name: name}}
}

// roomKeys are the keys of a room's epochs, in the order of their IDs.
func roomKeys(id event.Conversation, name string, keys map[event.ID]envelope.Key) []api.Secret {
	out := make([]api.Secret, 0, len(keys))
	for epoch, key := range keys {
		out = append(out, api.Secret{Type: api.SecretRoom, Room: &api.RoomKey{
			RoomID: id.String(), Name: name, Topic: envelope.Topic(id), Epoch: epoch.String(), Key: hex.EncodeToString(key[:]),
		}})
	}
	slices.SortFunc(out, func(a, b api.Secret) int { return cmp.Compare(a.Room.Epoch, b.Room.Epoch) })
	return out
}
