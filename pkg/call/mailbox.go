package call

import "sync"

// mailbox is the bounded queue in front of one owner, and says who works it off:
// whoever puts something into an idle one has to, and until then nobody else
// does. put never blocks: SIP shards and media workers serve other calls too.
type mailbox struct {
	mu     sync.Mutex
	items  []any
	spare  []any
	busy   bool // somebody works it off
	lost   bool // something did not fit
	closed bool
}

// mailboxCap bounds what one call may have waiting; a call in trouble, not a busy one.
const mailboxCap = 512

// boxState is what became of a put.
type boxState uint8

const (
	boxTaken  boxState = iota
	boxFull            // lost
	boxClosed          // the owner is gone
)

// put queues v. start: the mailbox was idle, the caller has to work it off.
func (b *mailbox) put(v any) (s boxState, start bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return boxClosed, false
	}
	if len(b.items) >= mailboxCap {
		b.lost = true
		return boxFull, false
	}
	b.items = append(b.items, v)
	start = !b.busy
	b.busy = true
	return boxTaken, start
}

// take returns all that waits, in order, and whether something was lost; the
// slice is good until the next take. Nothing: the mailbox is idle from now on.
func (b *mailbox) take() (got []any, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	got, lost = b.items, b.lost
	clear(b.spare)
	b.items, b.spare, b.lost = b.spare[:0], got, false
	b.busy = len(got) > 0
	return got, lost
}

// close takes nothing more and returns what nobody took.
func (b *mailbox) close() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.items
	b.closed, b.items = true, nil
	return left
}
