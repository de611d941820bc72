package node

import "sync"

// mailbox holds things to be done, each once however often it is put in.
type mailbox[T comparable] struct {
	mu   sync.Mutex
	in   []T
	news chan struct{} // 1: one signal covers any number
}

func newMailbox[T comparable]() *mailbox[T] { return &mailbox[T]{news: make(chan struct{}, 1)} }

func (m *mailbox[T]) put(x T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, y := range m.in {
		if x == y {
			return
		}
	}
	m.in = append(m.in, x)
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// take empties the box.
func (m *mailbox[T]) take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.in
	m.in = nil
	return out
}
