package store

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/centrala/centrala/pkg/event"
)

// op is one thing for the writer: an event, a change to do, or a wish to know
// when all before it is durable.
type op struct {
	event event.Event
	do    func(ctx context.Context, tx execer) error // nil for an event or a sync
	done  chan<- error                               // told once; nil for an event
	lax   bool                                       // what do does need not be durable when done is told: committed is enough
}

// queue is what waits for the writer. It is bounded: put blocks when full.
type queue struct {
	mu      sync.Mutex
	room    sync.Cond // signalled when the writer took something
	max     int
	ops     []op
	closed  bool
	gaveUp  bool
	dropped int
	behind  atomic.Bool  // more than half full: put may soon wait
	n       atomic.Int64 // len(ops), for who only looks

	wake    chan struct{} // something waits
	plenty  chan struct{} // a full batch waits, or the end has come: do not gather longer
	abandon func()
	stop    <-chan struct{} // closed when Close gave up
}

// batchMax bounds one transaction, so that a Sync never waits long behind a flood.
const batchMax = 1024

func (q *queue) init(max int) {
	q.max = max
	q.room.L = &q.mu
	q.wake, q.plenty = make(chan struct{}, 1), make(chan struct{}, 1)
	stop := make(chan struct{})
	q.stop = stop
	q.abandon = sync.OnceFunc(func() { close(stop) })
}

// put adds o and reports false when the store is closed.
func (q *queue) put(o op) bool {
	q.mu.Lock()
	for len(q.ops) >= q.max && !q.closed {
		q.room.Wait()
	}
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.ops = append(q.ops, o)
	n := len(q.ops)
	q.n.Store(int64(n))
	if n == q.max/2 {
		q.behind.Store(true)
	}
	q.mu.Unlock()
	if n == 1 {
		signal(q.wake)
	}
	if n >= batchMax {
		signal(q.plenty)
	}
	return true
}

// take moves up to batchMax ops into batch. end: closed, and nothing is left.
func (q *queue) take(batch []op) (got []op, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.ops), batchMax)
	batch = append(batch, q.ops[:n]...)
	rest := copy(q.ops, q.ops[n:])
	clear(q.ops[rest:])
	q.ops = q.ops[:rest]
	q.n.Store(int64(rest))
	if rest < q.max/4 {
		q.behind.Store(false)
	}
	if rest > 0 || q.closed { // closed: come again for the end
		signal(q.wake)
	}
	q.room.Broadcast()
	return batch, q.closed && len(batch) == 0
}

// refuse tells everyone who waits for durability behind the writer's batch that
// it failed: nobody should stand in line at a broken disk. Events stay.
func (q *queue) refuse(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ops = slices.DeleteFunc(q.ops, func(o op) bool {
		if o.done != nil {
			o.done <- err
		}
		return o.done != nil
	})
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops)
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.room.Broadcast()
	signal(q.wake)
	signal(q.plenty)
}

// isClosed: no more is taken in.
func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// drop forgets batch and all that waits, when the end was abandoned.
func (q *queue) drop(batch []op, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range append(batch, q.ops...) {
		if o.done != nil {
			o.done <- err
		} else {
			q.dropped++
		}
	}
	q.ops = nil
}

func (q *queue) lost() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
