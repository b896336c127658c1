//go:build !linux

package port

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The portable loop: a goroutine for each socket reads, Poll hands out. It is for
// development on other systems; it costs more a packet and allocates buffers.

// Dest is an address in the form the system takes.
type Dest struct{ addr netip.AddrPort }

// Socket is one bound UDP socket.
type Socket struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	r      Receiver
	done   chan struct{}
	once   sync.Once
	closed atomic.Bool
}

// Listen binds a socket to addr (port 0: any). It is served only after Loop.Add.
func Listen(addr netip.AddrPort) (*Socket, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("media: bind udp %v: %w", addr, err)
	}
	port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	return &Socket{conn: c, local: netip.AddrPortFrom(addr.Addr(), port), done: make(chan struct{})}, nil
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
	_, err := s.conn.WriteToUDPAddrPort(b, d.addr)
	return err == nil
}

// Close closes the socket and ends its reader.
func (s *Socket) Close() {
	s.once.Do(func() {
		s.closed.Store(true)
		close(s.done)
		s.conn.Close()
	})
}

type packet struct {
	s    *Socket
	b    []byte
	from netip.AddrPort
}

// Loop waits for many sockets. All methods but Wake belong to one goroutine.
type Loop struct {
	in   chan packet
	wake chan struct{}
	done chan struct{}
	pool sync.Pool
}

// NewLoop makes a loop.
func NewLoop() (*Loop, error) {
	return &Loop{in: make(chan packet, 256), wake: make(chan struct{}, 1), done: make(chan struct{}),
		pool: sync.Pool{New: func() any { return make([]byte, bufferSize) }}}, nil
}

// Add serves s: r is told of each packet until Remove. The reader ends with the
// socket or the loop.
func (l *Loop) Add(s *Socket, r Receiver) error {
	s.r = r
	go func() {
		for {
			b := l.pool.Get().([]byte)[:bufferSize]
			n, from, err := s.conn.ReadFromUDPAddrPort(b)
			if err != nil {
				if s.closed.Load() {
					return
				}
				continue
			}
			select {
			case l.in <- packet{s, b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}:
			case <-s.done:
				return
			case <-l.done:
				return
			}
		}
	}()
	return nil
}

// Remove stops serving s and closes it; its Receiver is not called again.
func (l *Loop) Remove(s *Socket) { s.Close() }

// Wake makes a waiting or the next Poll return at once. Safe from any goroutine.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Poll waits for packets, Wake, or the moment until (zero: no end), hands out
// what came and returns the number of packets.
func (l *Loop) Poll(until time.Time) (packets int, err error) {
	var end <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		end = t.C
	}
	select {
	case p := <-l.in:
		now := time.Now()
		for range 256 {
			if !p.s.closed.Load() {
				p.s.r.Receive(p.s, p.b, p.from, now)
				packets++
			}
			l.pool.Put(p.b) //nolint:staticcheck // a slice header is cheap enough here
			select {
			case p = <-l.in:
			default:
				return packets, nil
			}
		}
	case <-l.wake:
	case <-end:
	}
	return packets, nil
}

// Close ends the loop, not its sockets.
func (l *Loop) Close() { close(l.done) }
