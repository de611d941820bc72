package discovery

import "sync"

// mailbox is a queue without bound between the goroutine that decides, which
// must not wait, and one that may: what is in it is bounded by what can happen
// to the peers known.
type mailbox[T any] struct {
	mu     sync.Mutex
	queue  []T
	closed bool
	wake   chan struct{} // one pending wake-up covers the whole queue
}

func newMailbox[T any]() *mailbox[T] {
	return &mailbox[T]{wake: make(chan struct{}, 1)}
}

func (m *mailbox[T]) put(v T) {
	m.mu.Lock()
	m.queue = append(m.queue, v)
	m.mu.Unlock()
	m.signal()
}

// close lets drain return once the queue is empty.
func (m *mailbox[T]) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.signal()
}

func (m *mailbox[T]) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// drain hands over what is put, in order, until the mailbox is closed.
func (m *mailbox[T]) drain(handle func(T)) {
	for range m.wake {
		for {
			m.mu.Lock()
			batch, closed := m.queue, m.closed
			m.queue = nil
			m.mu.Unlock()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			for _, v := range batch {
				handle(v)
			}
		}
	}
}
