package call

import "sync"

// mailbox is the bounded queue in front of one owner. put never blocks: SIP
// shards and media workers serve other calls too. When it is full the caller of
// put learns so, and what it brought is lost.
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

// boxState is what became of a put.
type boxState uint8

const (
	boxTaken  boxState = iota
	boxFull            // lost
	boxClosed          // the owner is gone
)

// put queues v.
func (b *mailbox) put(v any) boxState {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return boxClosed
	}
	if len(b.items) >= mailboxCap {
		b.mu.Unlock()
		return boxFull
	}
	b.items = append(b.items, v)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return boxTaken
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

// close takes nothing more and returns what nobody took.
func (b *mailbox) close() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.items
	b.closed, b.items = true, nil
	return left
}
