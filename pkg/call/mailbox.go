package call

import "sync"

// mailbox is the bounded queue in front of one owner. put never blocks: SIP
// shards and media workers serve other calls too. When it is full the caller of
// put learns so; the call is then ended, for it has lost track of its own story.
type mailbox struct {
	mu     sync.Mutex
	items  []any
	spare  []any
	closed bool
	wake   chan struct{} // capacity 1
}

// mailboxCap bounds what one call may have waiting; a call in trouble, not a busy one.
const mailboxCap = 512

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// put queues v; false when full. After close it takes and forgets.
func (b *mailbox) put(v any) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return true
	}
	if len(b.items) >= mailboxCap {
		b.mu.Unlock()
		return false
	}
	b.items = append(b.items, v)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns all that waits, in order; the slice is good until the next take.
func (b *mailbox) take() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.items
	clear(b.spare)
	b.items, b.spare = b.spare[:0], got
	return got
}

func (b *mailbox) close() {
	b.mu.Lock()
	b.closed, b.items = true, nil
	b.mu.Unlock()
}
