//go:build !linux || portable

package port

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// The portable loop: a goroutine for each socket reads, Deal hands out. It is for
// development on other systems; it costs more a packet. The tag portable builds it
// on Linux too, for tests.

// queueLimit bounds the packets of one socket that wait for its loop, as the
// system's receive buffer does; what exceeds it is dropped.
const queueLimit = 128

// Dest is an address in the form the system takes.
type Dest struct{ addr netip.AddrPort }

// Socket is one bound UDP socket.
type Socket struct {
	conn  *net.UDPConn
	local netip.AddrPort
	r     Receiver // its loop's goroutine only
	ended chan struct{}

	mu     sync.Mutex
	loop   *Loop // nil: nobody serves it
	listed bool  // in loop.ready
	queue  []packet
	closed bool
}

type packet struct {
	b    []byte
	from netip.AddrPort
}

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Listen binds a socket to addr (port 0: any). It is served only after Loop.Add.
func Listen(addr netip.AddrPort) (*Socket, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("media: bind udp %v: %w", addr, err)
	}
	port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	return &Socket{conn: c, local: netip.AddrPortFrom(addr.Addr(), port)}, nil
}

// Local is the address bound.
func (s *Socket) Local() netip.AddrPort { return s.local }

// Dest prepares addr for Send. ok is false when the socket cannot reach it:
// another address family, no address, port 0.
func (s *Socket) Dest(addr netip.AddrPort) (d Dest, ok bool) {
	ip := addr.Addr()
	if !ip.IsValid() || ip.IsUnspecified() || addr.Port() == 0 {
		return d, false
	}
	if s.local.Addr().Unmap().Is4() && !ip.Unmap().Is4() {
		return d, false
	}
	return Dest{addr}, true
}

// Send sends b to d; false when the system did not take it.
func (s *Socket) Send(b []byte, d *Dest) bool {
	if len(b) == 0 || !d.addr.IsValid() {
		return false
	}
	_, err := s.conn.WriteToUDPAddrPort(b, d.addr)
	return err == nil
}

// keepSockets: a socket's goroutine would go on reading for nobody.
const keepSockets = false

// Drain throws away what has come and tells how much that was; never called here.
func (s *Socket) Drain() int { return 0 }

// Close closes the socket and ends its reader.
func (s *Socket) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed, s.loop = true, nil
	for _, p := range s.queue {
		buffers.Put((*[bufferSize]byte)(p.b[:bufferSize]))
	}
	s.queue = nil
	ended := s.ended
	s.mu.Unlock()
	if first {
		_ = s.conn.Close()
		if ended != nil {
			<-ended
		}
	}
}

// read is the goroutine of one socket.
func (s *Socket) read() {
	defer close(s.ended)
	for {
		b := buffers.Get().(*[bufferSize]byte)
		n, from, err := s.conn.ReadFromUDPAddrPort(b[:])
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		if err == nil && len(s.queue) < queueLimit {
			s.queue = append(s.queue, packet{b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())})
			s.list()
		}
		s.mu.Unlock()
	}
}

// list tells the loop that there is something. s.mu is held.
func (s *Socket) list() {
	if l := s.loop; l != nil && !s.listed && len(s.queue) > 0 {
		s.listed = true
		l.mu.Lock()
		l.ready = append(l.ready, s)
		l.mu.Unlock()
		l.Wake()
	}
}

// Loop waits for many sockets. Wait belongs to one goroutine, Wake to all; the rest
// may be called by any, one at a time, also while Wait waits.
type Loop struct {
	wake  chan struct{}
	spare []*Socket

	mu    sync.Mutex
	ready []*Socket
}

// NewLoop makes a loop.
func NewLoop() (*Loop, error) { return &Loop{wake: make(chan struct{}, 1)}, nil }

// Add serves s: r is told of each packet until Remove or Release.
func (l *Loop) Add(s *Socket, r Receiver) error {
	s.r = r
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.loop, s.listed = l, false
	s.list()
	if s.ended == nil {
		s.ended = make(chan struct{})
		go s.read()
	}
	return nil
}

// Remove stops serving s and closes it; its Receiver is not called again.
func (l *Loop) Remove(s *Socket) { s.Close() }

// Release stops serving s without closing it, so that another loop may Add it;
// its Receiver is not called by this loop again. What has arrived and was not
// handed out yet waits for the next loop.
func (l *Loop) Release(s *Socket) {
	s.mu.Lock()
	if s.loop == l {
		s.loop, s.r = nil, nil
	}
	s.mu.Unlock()
}

// Wake makes a waiting or the next Wait return at once. Safe from any goroutine.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Wait returns when packets, Wake, or the moment until has come (zero: no end).
// Deal must follow, on the same goroutine.
func (l *Loop) Wait(until time.Time) error {
	var end <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		end = t.C
	}
	select {
	case <-l.wake:
	case <-end:
	}
	return nil
}

// Look is Wait without waiting.
func (l *Loop) Look() {
	select {
	case <-l.wake:
	default:
	}
}

// Deal hands out what has come and returns the number of packets: of each socket
// one, so that a flood on one does not hold up the others.
func (l *Loop) Deal() (packets int) {
	l.mu.Lock()
	batch := l.ready
	l.ready = l.spare[:0]
	l.mu.Unlock()
	now := time.Now()
	for _, s := range batch {
		s.mu.Lock()
		if s.loop != l || len(s.queue) == 0 { // it has left, or came back and is listed twice
			s.mu.Unlock()
			continue
		}
		p := s.queue[0]
		s.queue = append(s.queue[:0], s.queue[1:]...)
		s.listed = false
		s.list()
		s.mu.Unlock()
		s.r.Receive(s, p.b, p.from, now)
		buffers.Put((*[bufferSize]byte)(p.b[:bufferSize]))
		packets++
	}
	clear(batch)
	l.spare = batch
	return packets
}

// Close ends the loop, not its sockets.
func (l *Loop) Close() {}
