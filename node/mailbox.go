package node

import "sync"

// mailbox holds things to be done, each once however often it is put in.
type mailbox[T comparable] struct {
	mu   sync.Mutex
	in   []T
	has  map[T]bool
	news chan struct{} // 1: one signal covers any number
}

func newMailbox[T comparable]() *mailbox[T] {
	return &mailbox[T]{has: map[T]bool{}, news: make(chan struct{}, 1)}
}

func (m *mailbox[T]) put(x T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.has[x] {
		return
	}
	m.has[x] = true
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
	m.in, m.has = nil, map[T]bool{}
	return out
}
