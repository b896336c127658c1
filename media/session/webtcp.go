package session

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/port"
	"github.com/centrala/centrala/media/secure"
)

// Bounds on browsers' TCP connections. One is a call in a network without UDP.
const (
	maxWebTCP      = 2000
	maxWebTCPofIP  = 200 // an office behind one address
	webTCPFirst    = 5 * time.Second
	webTCPIdle     = time.Minute // a browser's checks come every few seconds
	webTCPWrite    = 5 * time.Second
	webTCPOut      = 64 // packets that wait for a slow connection: 1.3 s of sound
	webTCPKeepByte = 2  // RFC 4571: the length before each packet
)

// webTCP is the passive TCP candidate (RFC 6544): framed packets (RFC 4571), two
// goroutines a connection. It is a fall-back; UDP is what is made cheap.
type webTCP struct {
	x    *webPort
	l    *net.TCPListener
	next atomic.Uint64
	done sync.WaitGroup

	mu     sync.Mutex
	conns  map[uint64]*webTCPConn
	ofIP   map[netip.Addr]int
	closed bool
}

type webTCPConn struct {
	c    net.Conn
	path secure.Path
	out  chan []byte
	end  chan struct{}
	once sync.Once
}

func newWebTCP(x *webPort, addr netip.AddrPort) (*webTCP, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	return &webTCP{x: x, l: l, conns: map[uint64]*webTCPConn{}, ofIP: map[netip.Addr]int{}}, nil
}

func (t *webTCP) start() {
	t.done.Add(1)
	go t.accept()
}

func (t *webTCP) stop() {
	_ = t.l.Close()
	t.mu.Lock()
	t.closed = true
	for _, c := range t.conns {
		c.close()
	}
	t.mu.Unlock()
	t.done.Wait()
}

func (t *webTCP) accept() {
	defer t.done.Done()
	for {
		c, err := t.l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			t.x.e.log.Warn("browser's connection not accepted", zap.Error(err))
			time.Sleep(50 * time.Millisecond) // out of descriptors: do not spin
			continue
		}
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort()
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		id := t.next.Add(1)
		conn := &webTCPConn{c: c, path: secure.Path{Addr: from, Conn: id}, out: make(chan []byte, webTCPOut), end: make(chan struct{})}
		t.mu.Lock()
		refused := t.closed || len(t.conns) >= maxWebTCP || t.ofIP[from.Addr()] >= maxWebTCPofIP
		if !refused {
			t.conns[id] = conn
			t.ofIP[from.Addr()]++
			t.done.Add(2)
		}
		n := len(t.conns)
		t.mu.Unlock()
		if refused {
			t.x.published.tcpRefused.Add(1)
			_ = c.Close()
			continue
		}
		t.x.published.tcpConns.Store(int64(n))
		go t.read(conn)
		go t.write(conn)
	}
}

func (c *webTCPConn) close() {
	c.once.Do(func() {
		close(c.end)
		_ = c.c.Close()
	})
}

func (t *webTCP) read(c *webTCPConn) {
	defer t.done.Done()
	defer t.gone(c)
	var head [webTCPKeepByte]byte
	b := make([]byte, media.MaxPacket)
	wait := webTCPFirst
	for {
		_ = c.c.SetReadDeadline(time.Now().Add(wait))
		if _, err := io.ReadFull(c.c, head[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(head[:]))
		if n > len(b) {
			return
		}
		if _, err := io.ReadFull(c.c, b[:n]); err != nil {
			return
		}
		if wait == webTCPFirst {
			if !secure.IsSTUN(b[:n]) {
				return // whoever comes must prove itself first
			}
			wait = webTCPIdle
		}
		t.x.w.hand(nil, b[:n], c.path)
	}
}

func (t *webTCP) write(c *webTCPConn) {
	defer t.done.Done()
	for {
		select {
		case b := <-c.out:
			_ = c.c.SetWriteDeadline(time.Now().Add(webTCPWrite))
			if _, err := c.c.Write(b); err != nil {
				c.close()
				return
			}
		case <-c.end:
			return
		}
	}
}

// gone takes a connection from the tables.
func (t *webTCP) gone(c *webTCPConn) {
	c.close()
	t.mu.Lock()
	delete(t.conns, c.path.Conn)
	ip := c.path.Addr.Addr()
	if t.ofIP[ip]--; t.ofIP[ip] <= 0 {
		delete(t.ofIP, ip)
	}
	t.x.published.tcpConns.Store(int64(len(t.conns)))
	t.mu.Unlock()
	t.x.w.post(func(time.Time) { t.x.mux.Forget(c.path) }, true)
}

// send queues a packet; false when the connection is gone or too slow.
func (t *webTCP) send(id uint64, b []byte) bool {
	t.mu.Lock()
	c := t.conns[id]
	t.mu.Unlock()
	if c == nil || len(b) > 0xFFFF {
		return false
	}
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, len(b)+webTCPKeepByte), uint16(len(b)))
	select {
	case c.out <- append(framed, b...):
		return true
	default:
		return false
	}
}

// byTCP handles a packet that came on a connection. On the first worker.
func (x *webPort) byTCP(b []byte, p secure.Path, now time.Time) {
	if r := x.take(b, p, now); r != nil {
		x.tcp.send(p.Conn, r)
	}
}

// tcpConn is what a leg sends by over TCP.
type tcpConn struct {
	t  *webTCP
	id uint64
}

// Send implements conn.
func (c tcpConn) Send(b []byte, _ *port.Dest) bool { return c.t.send(c.id, b) }

// Dest implements conn: a connection leads to one peer.
func (c tcpConn) Dest(addr netip.AddrPort) (port.Dest, bool) { return port.Dest{}, addr.IsValid() }
