package demo

import (
	"context"
	"iter"
	"sync"

	"p2pchat/captures"
	"p2pchat/node"
	"p2pchat/node/api"
)

// secrets gathers what the nodes tell the capture. A handshake of two nodes here
// gives the same keys twice, as everything that both know: it is told once.
type secrets struct {
	out   chan captures.Secret // 0: the capture takes it or has ended
	ended chan struct{}        // closed when the capture has

	mu   sync.Mutex
	told map[captures.Secret]bool
}

func newSecrets() *secrets {
	return &secrets{out: make(chan captures.Secret), ended: make(chan struct{}), told: map[captures.Secret]bool{}}
}

// all is what the capture takes.
func (s *secrets) all(ctx context.Context) iter.Seq2[captures.Secret, error] {
	return func(yield func(captures.Secret, error) bool) {
		defer close(s.ended)
		for {
			select {
			case secret := <-s.out:
				if !yield(secret, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// of has a node tell its secrets until it stops, and returns once it listens. What
// it knows when it stops is told before stop returns.
func (s *secrets) of(n *node.Node) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background()) // ends with stop
	listening := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		once := sync.OnceFunc(func() { close(listening) })
		defer once()
		for secret, err := range n.CaptureSecrets(ctx) {
			if err != nil {
				return // the node is stopping; what it told is there
			}
			once()
			s.tell(secret)
		}
	})
	<-listening
	return func() { cancel(); telling.Wait() }
}

func (s *secrets) tell(secret api.Secret) {
	var out captures.Secret
	switch secret.Type {
	case api.SecretSession:
		out.KeyLog = secret.Session
	case api.SecretRoom:
		k := secret.Room
		out.Comment = captures.RoomComment(k.RoomID, k.Topic, k.Epoch, k.Key, k.Name)
	case api.SecretPerson:
		out.Comment = captures.PersonComment(secret.Person.PeerID, secret.Person.Name)
	default:
		return
	}
	s.mu.Lock()
	known := s.told[out]
	s.told[out] = true
	s.mu.Unlock()
	if known {
		return
	}
	select {
	case s.out <- out:
	case <-s.ended:
	}
}
