package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/centrala/centrala/pkg/sip/resolve"
)

// memNet is a network in memory, so that tests in a synctest bubble have
// sockets that block durably. Loss is a function of the test.
type memNet struct {
	mu      sync.Mutex
	udp     map[netip.AddrPort]*memUDP
	tcp     map[netip.AddrPort]*memListener
	port    uint16
	lose    func(from, to netip.AddrPort, b []byte) bool
	host    map[string]netip.Addr
	zone    []string // records: "a.example. 60 IN A 192.0.2.1"
	swallow bool     // TCP connections are neither taken nor refused
}

func newMemNet() *memNet {
	return &memNet{udp: map[netip.AddrPort]*memUDP{}, tcp: map[netip.AddrPort]*memListener{}, port: 40000, host: map[string]netip.Addr{}}
}

type memPacket struct {
	from netip.AddrPort
	b    []byte
}

type memUDP struct {
	n    *memNet
	addr netip.AddrPort
	in   chan memPacket
	done chan struct{}
	once sync.Once
}

func (n *memNet) pick(addr netip.AddrPort) netip.AddrPort {
	if addr.Port() == 0 {
		n.port++
		addr = netip.AddrPortFrom(addr.Addr(), n.port)
	}
	return addr
}

func (n *memNet) listenUDP(addr netip.AddrPort, _ bool) (packetConn, netip.AddrPort, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	addr = n.pick(addr)
	if n.udp[addr] != nil {
		return nil, addr, errors.New("address already in use")
	}
	u := &memUDP{n: n, addr: addr, in: make(chan memPacket, 4096), done: make(chan struct{})}
	n.udp[addr] = u
	return u, addr, nil
}

func (u *memUDP) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-u.in:
		return copy(b, p.b), p.from, nil
	case <-u.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (u *memUDP) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	u.n.mu.Lock()
	dst, lose := u.n.udp[to], u.n.lose
	u.n.mu.Unlock()
	if dst == nil || lose != nil && lose(u.addr, to, b) {
		return len(b), nil
	}
	select {
	case dst.in <- memPacket{u.addr, append([]byte(nil), b...)}:
	default:
	}
	return len(b), nil
}

func (u *memUDP) Close() error {
	u.once.Do(func() {
		close(u.done)
		u.n.mu.Lock()
		delete(u.n.udp, u.addr)
		u.n.mu.Unlock()
	})
	return nil
}

type memListener struct {
	n    *memNet
	addr netip.AddrPort
	in   chan net.Conn
	done chan struct{}
	once sync.Once
}

func (n *memNet) listenTCP(addr netip.AddrPort, _ bool) (net.Listener, netip.AddrPort, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	addr = n.pick(addr)
	l := &memListener{n: n, addr: addr, in: make(chan net.Conn, 1024), done: make(chan struct{})}
	n.tcp[addr] = l
	return l, addr, nil
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *memListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// memConn is a pipe with addresses.
type memConn struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c *memConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *memConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (n *memNet) dialFrom(from netip.Addr, addr netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	l := n.tcp[addr]
	local := n.pick(netip.AddrPortFrom(from, 0))
	n.mu.Unlock()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	a, b := net.Pipe()
	select {
	case l.in <- &memConn{b, addr, local}:
		return &memConn{a, local, addr}, nil
	case <-l.done:
		return nil, errors.New("connection refused")
	}
}

func (n *memNet) dialTCP(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	if n.swallow { // a firewall that drops
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
		return nil, errors.New("timed out")
	}
	return n.dialFrom(netip.MustParseAddr("192.0.2.200"), addr)
}

func (n *memNet) names() resolve.DNS { return n }

// Query implements resolve.DNS: addresses of host, and the records of zone.
func (n *memNet) Query(_ context.Context, name string, qtype uint16) (*dns.Msg, error) {
	time.Sleep(10 * time.Millisecond)
	m := &dns.Msg{}
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.host[strings.TrimSuffix(name, ".")]; ok && qtype == dns.TypeA {
		m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Ttl: 60}, A: a.AsSlice()})
	}
	for _, line := range n.zone {
		if rr, err := dns.NewRR(line); err == nil && rr.Header().Name == name && rr.Header().Rrtype == qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m, nil
}

func (n *memNet) localFor(netip.AddrPort) (netip.Addr, bool) {
	return netip.MustParseAddr("192.0.2.1"), true
}

// wire is a test's own UDP socket.
type wire struct {
	t *testing.T
	u *memUDP
}

func (n *memNet) wire(t *testing.T, addr string) *wire {
	t.Helper()
	u, _, err := n.listenUDP(netip.MustParseAddrPort(addr), false)
	if err != nil {
		t.Fatal(err)
	}
	return &wire{t, u.(*memUDP)}
}

func (w *wire) send(to netip.AddrPort, text string) {
	_, _ = w.u.WriteToUDPAddrPort([]byte(text), to)
}

// read waits at most d for a message; "" if none came.
func (w *wire) read(d time.Duration) string {
	select {
	case p := <-w.u.in:
		return string(p.b)
	case <-time.After(d):
		return ""
	}
}

// exchange sends text and returns the code of the first final response; "" if
// the peer only waits or closes.
func exchange(c net.Conn, text string) string {
	if text != "" { // an empty write to a pipe waits for a reader
		go func() { _, _ = c.Write([]byte(text)) }()
	}
	var all []byte
	buf := make([]byte, 65536)
	for {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		for {
			i := strings.Index(string(all), "\r\n\r\n")
			if i < 0 {
				break
			}
			m := string(all[:i+4]) // our answers to these have no body
			all = all[i+4:]
			if !strings.HasPrefix(m, "SIP/2.0 1") {
				return code(m)
			}
		}
		if err != nil {
			return ""
		}
	}
}
