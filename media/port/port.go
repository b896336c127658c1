// Package port is the edge of media: UDP sockets, the loop that waits for many of
// them at once, and the pool of port numbers. It knows bytes and addresses, not
// RTP. A Loop belongs to the one goroutine that calls Poll; the package starts
// none on Linux, one for each socket elsewhere.
package port

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/centrala/centrala/media"
)

// Receiver takes what a socket received. b is valid until it returns and may be
// changed; now is when the loop woke. Called on the loop's goroutine.
type Receiver interface {
	Receive(s *Socket, b []byte, from netip.AddrPort, now time.Time)
}

// bufferSize holds the largest packet taken and one byte more, which tells that
// a packet was larger.
const bufferSize = media.MaxPacket + 1

// Quarantine is how long a port rests after use by default, so that late packets of one call
// do not reach the next.
const Quarantine = 2 * time.Second

// ErrNoPort is wrapped by the error of a Take that finds no port.
var ErrNoPort = errors.New("media: no free port")

// Pool hands out even ports; the odd one above belongs to it (RFC 3550 11). Safe
// for use by several goroutines; every operation is O(1).
type Pool struct {
	min, max uint16
	rest     time.Duration

	mu       sync.Mutex
	free     ring[uint16]
	draining ring[resting]
	limit    int
}

type resting struct {
	port  uint16
	until time.Time
}

// NewPool makes a pool of the pairs in min-max, both inclusive. The first port
// given is picked by random (any value; taken modulo), then they go round, so
// that a port is reused as late as possible and a restart does not begin where
// the peers of the last run still send. rest is how long a pair rests after use;
// 0 = Quarantine.
func NewPool(min, max uint16, rest time.Duration, random uint32) (*Pool, error) {
	first := int(min) + int(min)&1
	n := (int(max) + 1 - first) / 2
	if min == 0 || n < 1 {
		return nil, fmt.Errorf("media: port range %d-%d holds no even/odd pair", min, max)
	}
	if rest <= 0 {
		rest = Quarantine
	}
	p := &Pool{min: min, max: max, rest: rest, limit: n, free: newRing[uint16](n), draining: newRing[resting](n)}
	for i := range n {
		p.free.push(uint16(first + 2*((i+int(random%uint32(n)))%n)))
	}
	return p, nil
}

// Take gives a pair's even port.
func (p *Pool) Take(now time.Time) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// At most two pairs come back for each one taken: O(1), and the draining
	// queue cannot grow faster than it shrinks.
	for range 2 {
		if p.draining.n == 0 || now.Before(p.draining.front().until) {
			break
		}
		p.free.push(p.draining.pop().port)
	}
	if p.free.n == 0 {
		return 0, fmt.Errorf("%w in %d-%d (%d calls, %d draining); widen media.ports or wait",
			ErrNoPort, p.min, p.max, p.limit-p.draining.n, p.draining.n)
	}
	return p.free.pop(), nil
}

// Give returns a pair; it rests before it is given again.
func (p *Pool) Give(port uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining.push(resting{port, now.Add(p.rest)})
}

// Usage tells how many pairs are in use, how many rest, and how many there are.
func (p *Pool) Usage() (inUse, draining, limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit - p.free.n - p.draining.n, p.draining.n, p.limit
}

// ring is a queue of fixed size.
type ring[T any] struct {
	buf  []T
	head int
	n    int
}

func newRing[T any](size int) ring[T] { return ring[T]{buf: make([]T, size)} }

func (r *ring[T]) push(v T) {
	r.buf[(r.head+r.n)%len(r.buf)] = v
	r.n++
}

func (r *ring[T]) front() *T { return &r.buf[r.head] }

func (r *ring[T]) pop() T {
	v := r.buf[r.head]
	r.head = (r.head + 1) % len(r.buf)
	r.n--
	return v
}
