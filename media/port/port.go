// Package port is the edge of media: UDP sockets, the loop that waits for many of
// them at once, and the pool of port numbers. It knows bytes and addresses, not
// RTP. A Loop is waited for by one goroutine; the package starts none on Linux, one
// for each socket elsewhere.
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
// changed; now is when the loop woke. Called by whoever calls Deal.
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

// Pair is an even port and the odd one above, which belongs to it (RFC 3550 11).
type Pair struct {
	Port uint16 // the even one
	// RTP and RTCP are bound to them; nil in a pair that nobody has used yet.
	RTP, RTCP *Socket
}

// Close closes the sockets, if there are any.
func (p *Pair) Close() {
	for _, s := range []*Socket{p.RTP, p.RTCP} {
		if s != nil {
			s.Close()
		}
	}
	p.RTP, p.RTCP = nil, nil
}

// quiet throws away what has come for a pair while nobody used it; false when
// something had.
func (p *Pair) quiet() bool {
	a, b := p.RTP.Drain(), p.RTCP.Drain()
	return a+b == 0
}

const (
	// maxKept bounds the pairs whose sockets stay open while nobody uses them: what
	// 250 calls a second of two legs leave behind in the time that a pair rests.
	maxKept = 1024
	// maxLooks bounds how many kept pairs a Take looks at.
	maxLooks = 4
)

// Pool hands out pairs of ports. Safe for use by several goroutines; every
// operation is O(1).
//
// Sockets of pairs that were given back stay open (to make, bind and close them is
// a part of a call's set-up that is worth saving), and those pairs are given before
// others. That is also how a stale sender is noticed: a pair at which something
// has arrived while it rested is not given, but rests again, so that nobody who
// still sends to the call before is heard in the next.
type Pool struct {
	min, max uint16
	rest     time.Duration

	mu       sync.Mutex
	free     ring[Pair] // without sockets
	kept     ring[Pair] // with; they have rested
	draining ring[resting]
	open     int // pairs with sockets in kept and draining
	limit    int
	closed   bool
}

type resting struct {
	pair  Pair
	until time.Time
}

// NewPool makes a pool of the pairs in min-max, both inclusive. The first port
// given is picked by random (any value; taken modulo), then they go round, so
// that a restart does not begin where the peers of the last run still send. rest is
// how long a pair rests after use; 0 = Quarantine.
func NewPool(min, max uint16, rest time.Duration, random uint32) (*Pool, error) {
	first := int(min) + int(min)&1
	n := (int(max) + 1 - first) / 2
	if min == 0 || n < 1 {
		return nil, fmt.Errorf("media: port range %d-%d holds no even/odd pair", min, max)
	}
	if rest <= 0 {
		rest = Quarantine
	}
	p := &Pool{min: min, max: max, rest: rest, limit: n, free: newRing[Pair](n), kept: newRing[Pair](maxKept), draining: newRing[resting](n)}
	for i := range n {
		p.free.push(Pair{Port: uint16(first + 2*((i+int(random%uint32(n)))%n))})
	}
	return p, nil
}

// Take gives a pair, with empty sockets or none.
func (p *Pool) Take(now time.Time) (Pair, error) {
	var loud [maxLooks]Pair // somebody sends to them
	var pair Pair
	var err error
	n := 0
	for {
		pair, err = p.take(now, n < maxLooks)
		if err != nil || pair.RTP == nil || pair.quiet() {
			break
		}
		loud[n] = pair
		n++
	}
	if err != nil && n > 0 {
		// Better than to refuse a call: a leg takes nothing from strangers, and what is
		// under way to this pair goes nowhere.
		n--
		pair, err = loud[n], nil
		pair.Close()
	}
	for _, other := range loud[:n] {
		p.Give(other, now)
	}
	return pair, err
}

func (p *Pool) take(now time.Time, kept bool) (Pair, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// At most two pairs come back for each one taken: O(1), and the draining
	// queue cannot grow faster than it shrinks.
	for range 2 {
		if p.draining.n == 0 || now.Before(p.draining.front().until) {
			break
		}
		if pair := p.draining.pop().pair; pair.RTP != nil {
			p.kept.push(pair)
		} else {
			p.free.push(pair)
		}
	}
	if kept && p.kept.n > 0 {
		p.open--
		return p.kept.pop(), nil
	}
	if p.free.n > 0 {
		return p.free.pop(), nil
	}
	return Pair{}, fmt.Errorf("%w in %d-%d (%d calls, %d draining); widen media.ports or wait",
		ErrNoPort, p.min, p.max, p.limit-p.draining.n-p.kept.n, p.draining.n)
}

// Give returns a pair, with the sockets if they are bound and no loop serves
// them; it rests before it is given again.
func (p *Pool) Give(pair Pair, now time.Time) {
	if pair.RTP != nil {
		pair.quiet() // what comes from now on is of a stale sender
	}
	p.mu.Lock()
	if pair.RTP == nil || pair.RTCP == nil || p.open >= maxKept || p.closed || !keepSockets {
		defer pair.Close()
		p.draining.push(resting{Pair{Port: pair.Port}, now.Add(p.rest)})
	} else {
		p.open++
		p.draining.push(resting{pair, now.Add(p.rest)})
	}
	p.mu.Unlock()
}

// Usage tells how many pairs are in use, how many rest, and how many there are.
func (p *Pool) Usage() (inUse, draining, limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit - p.free.n - p.kept.n - p.draining.n, p.draining.n, p.limit
}

// Close closes the sockets that wait. Later pairs are closed as they are given
// back; the pool can still be used.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for p.kept.n > 0 {
		pair := p.kept.pop()
		pair.Close()
		p.free.push(pair)
	}
	for i := range p.draining.n {
		p.draining.at(i).pair.Close()
	}
	p.open = 0
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

func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)%len(r.buf)] }

func (r *ring[T]) front() *T { return r.at(0) }

func (r *ring[T]) pop() T {
	v := r.buf[r.head]
	clear(r.buf[r.head : r.head+1])
	r.head = (r.head + 1) % len(r.buf)
	r.n--
	return v
}
