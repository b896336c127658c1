package sip

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"
)

// listener is one socket served.
type listener struct {
	s          *Stack
	proto      string
	addr       netip.AddrPort // as bound
	advertised string         // "" = addr, or the address facing the peer
	own        string         // addr as text, spared from making it each time; "" where it is that of all interfaces
	only6      bool           // bound to [::] without IPv4
	udp        packetConn
	tcp        net.Listener
	certs      *certs       // tls, wss
	ws         WebSocket    // ws, wss
	web        *http.Server // ws, wss
}

// hop is a way to a peer: the UDP socket and address, or the connection.
type hop struct {
	l      *listener // UDP: to send from; TCP: the listener whose address we show
	conn   *conn     // all but UDP
	remote netip.AddrPort
}

func (h hop) ok() bool { return h.conn != nil || h.l != nil && h.l.udp != nil }

func (h hop) proto() string {
	if h.conn != nil {
		return h.conn.proto
	}
	return protoUDP
}

func (h hop) reliable() bool { return h.conn != nil }

var (
	errNoListener = errors.New("sip: no listener for this transport and address family")
	errClosed     = errors.New("sip: connection closed")
	errFull       = errors.New("sip: the peer does not read: send queue full")
)

// send puts a message on the wire. b is not kept.
func (h hop) send(b []byte) error {
	if h.conn != nil {
		return h.conn.write(b)
	}
	if h.l == nil || h.l.udp == nil {
		return errNoListener
	}
	// What is over 1300 bytes here and did not find TCP (see size.go) may be
	// fragmented: refusing to send is the one answer that cannot work.
	_, err := h.l.udp.WriteToUDPAddrPort(b, h.remote)
	return err
}

// host is "addr:port" as we name ourselves in Via and Contact to that peer.
func (h hop) host() string {
	l := h.l
	if l == nil {
		if h.conn != nil { // no TCP listener: all we have is this connection's own end
			h.conn.mu.Lock()
			defer h.conn.mu.Unlock()
			if h.conn.nc != nil {
				a := addrOf(h.conn.nc.LocalAddr())
				return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
			}
		}
		return "127.0.0.1"
	}
	if l.advertised != "" {
		return l.advertised
	}
	if l.own != "" {
		return l.own
	}
	addr := l.addr.Addr().Unmap()
	if addr.IsUnspecified() {
		addr = l.s.facing(h.remote)
	}
	return netip.AddrPortFrom(addr.WithZone(""), l.addr.Port()).String()
}

// facing returns our address as seen by a peer, for a socket bound to all.
func (s *Stack) facing(remote netip.AddrPort) netip.Addr {
	key := remote.Addr()
	s.faceMu.Lock()
	a, ok := s.face[key]
	s.faceMu.Unlock()
	if ok {
		return a
	}
	a, ok = s.net.localFor(remote)
	a = a.WithZone("") // a zone means nothing to the peer
	if !ok && key.Unmap().Is4() {
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	} else if !ok {
		a = netip.IPv6Loopback()
	}
	s.faceMu.Lock()
	defer s.faceMu.Unlock()
	if len(s.face) >= 4096 { // strangers' addresses must not fill memory; start again
		clear(s.face)
	}
	s.face[key] = a
	return a
}

// maxHere is how long a reader does messages itself without its socket having run
// empty. Beyond it they go to the owners' own goroutines, which work on several
// cores, put what is in progress first and see how long each waited.
const maxHere = time.Millisecond

// serveUDP reads one socket until it is closed.
func (l *listener) serveUDP() {
	defer l.s.wg.Done()
	buf := make([]byte, 65536)
	waits, _ := l.udp.(interface{ Waited() bool })
	empty := time.Now() // when the socket last was
	early := newEarly(l)
	came, _ := l.udp.(interface{ Came() time.Time })
	for {
		n, from, err := l.udp.ReadFromUDPAddrPort(buf)
		now := time.Now()
		if waits != nil && waits.Waited() {
			empty = now
		}
		if err != nil {
			if l.s.stopping.Load() || errors.Is(err, net.ErrClosed) {
				return
			}
			// ICMP errors of an earlier send show up here; they are not the socket's end.
			l.s.met.dropped[dropRead].Inc()
			time.Sleep(time.Millisecond)
			continue
		}
		from = unmap(from)
		if l.s.shut(from) {
			continue
		}
		b := buf[:n]
		if n < 20 { // RFC 5626 4.4.1 keep-alives, STUN bindings and noise
			if !onlyCRLF(b) {
				l.s.met.parseError(protoUDP, badNotSIP)
				l.s.actUnread(hop{l: l, remote: from})
			}
			continue
		}
		if n > l.s.cfg.Limits.MaxMessageBytes {
			l.s.met.parseError(protoUDP, badSize)
			continue
		}
		if early.handled(b, from, now) {
			continue
		}
		at := now
		if came != nil {
			at = arrived(now, came.Came())
		}
		l.s.receive(string(b), hop{l: l, remote: from}, at, false, now.Sub(empty) < maxHere)
	}
}

// arrived brings the kernel's time, which is the wall clock's and may be set, in line
// with ours.
func arrived(now, kernel time.Time) time.Time {
	if kernel.IsZero() {
		return now
	}
	// Both are read by the wall clock; the result keeps the monotonic one.
	return now.Add(-min(max(now.Round(0).Sub(kernel), 0), 10*time.Second))
}

func onlyCRLF(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' && c != 0 {
			return false
		}
	}
	return true
}

// receive reads a message and gives it to the owner of its Call-ID. It reports
// whether the stream it came by can go on.
//
// at is when it came; here lets the reader do the message itself.
func (s *Stack) receive(text string, h hop, at time.Time, stream, here bool) (goOn bool) {
	defer func() {
		if p := recover(); p != nil { // as in shard.guard: one message must not end the node
			s.met.dropped[dropPanic].Inc()
			s.log.Error("sip reader failed; the message was dropped", zap.String("err", fmt.Sprint(p)), zap.ByteString("stack", debug.Stack()))
			goOn = false
		}
	}()
	if stream && s.shut(h.remote) {
		return false
	}
	// RFC 7118 5: a WebSocket message ends where its frame does.
	m, perr := parse(text, &s.cfg.Limits, stream && !framed(h.proto()))
	proto := h.proto()
	if m.req != nil {
		s.met.request(string(m.req.Method), proto)
	}
	if perr != nil {
		s.met.parseError(proto, perr.reason)
		s.actUnread(h)
		if m.req != nil && perr.code != 0 && !s.slow(h) {
			s.refuseMalformed(m.req, perr, h)
		}
		s.log.Debug("sip message refused", zap.String("remote", h.remote.String()), zap.String("transport", proto),
			zap.String("reason", perr.reason), zap.String("detail", perr.text), zap.Int("size_bytes", len(text)))
		// Only a message whose end is in doubt ends the stream.
		return perr.reason != badLength && perr.reason != badSize && perr.reason != badNotSIP
	}
	id := m.data().CallID()
	if m.req != nil {
		stampVia(m.req.Via(), h.remote)
	}
	sh := s.shardOf(string(*id))
	in := inbound{req: m.req, res: m.res, hop: h}
	if begins(m.req) {
		in.at = at
	}
	switch {
	case here && sh.offer(in):
	case stream:
		// A stream may wait: its peer then sees TCP's own back-pressure.
		return sh.putWait(in)
	case !sh.put(in):
		// The peer sends again; what does not fit now is better late than queued.
		s.met.dropped[dropQueue].Inc()
	}
	return true
}

// conn is one connection (TCP, TLS, WebSocket), ours or a peer's.
type conn struct {
	s      *Stack
	id     uint64
	l      *listener // whose address we show; nil without a listener of its kind
	proto  string
	remote netip.AddrPort
	server string        // TLS that we opened: the name its certificate was checked for
	inward bool          // the peer opened it
	used   atomic.Bool   // our requests went out here: tell the shards when it closes
	bound  atomic.Bool   // a REGISTER came by it
	flow   atomic.Bool   // RFC 5626: the peer keeps it alive or it is dead
	cert   []string      // names of the peer's verified certificate; set before the first message
	opened chan struct{} // that we opened: closed once it is up or has failed

	mu      sync.Mutex
	raw     net.Conn // WebSocket: the socket below
	nc      net.Conn // nil while connecting, and for a WebSocket
	ws      *websocket.Conn
	ping    *time.Timer // WebSocket
	up      bool        // opened and connected
	ends    []int       // WebSocket: where in queue the messages end
	queue   []byte
	flying  []byte // the writer's half
	writing bool
	closed  bool
	finish  bool // close when the queue is empty

	// Reader only.
	heard time.Time // last bytes
	asked time.Time // our ping, zero: none outstanding
	pongs bool      // the peer answers pings
}

// maxQueue bounds what waits for a peer that does not read, as large as a few
// hundred messages.
const maxQueue = 512 << 10

func (c *conn) write(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.finish {
		return errClosed
	}
	if len(c.queue)+len(b) > maxQueue {
		return errFull
	}
	c.queue = append(c.queue, b...)
	if framed(c.proto) {
		c.ends = append(c.ends, len(c.queue))
	}
	c.kick()
	return nil
}

// kick starts a writer if there is none: a connection at rest has one goroutine,
// its reader. mu is held.
func (c *conn) kick() {
	if c.writing || c.nc == nil && c.ws == nil || c.closed {
		return
	}
	if !c.s.goTrack(c.flush) {
		return
	}
	c.writing = true
}

func (c *conn) flush() {
	for {
		c.mu.Lock()
		if c.closed || len(c.queue) == 0 {
			c.writing = false
			end := c.finish && !c.closed
			c.mu.Unlock()
			if end {
				c.close()
			}
			return
		}
		c.flying, c.queue = c.queue, c.flying[:0]
		nc, ws, ends := c.nc, c.ws, c.ends
		c.ends = nil
		c.mu.Unlock()
		if ws != nil {
			if err := c.frames(ws, c.flying, ends); err != nil {
				c.close()
			}
		} else {
			_ = nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
			if _, err := nc.Write(c.flying); err != nil {
				c.close()
			}
		}
		if cap(c.flying) > 64<<10 {
			c.flying = nil
		}
	}
}

// closeSoon closes once what is queued went out.
func (c *conn) closeSoon() {
	c.mu.Lock()
	c.finish = true
	idle := !c.writing
	c.mu.Unlock()
	if idle {
		c.close()
	}
}

func (c *conn) close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	nc, raw, ws := c.nc, c.raw, c.ws
	c.queue, c.ends = nil, nil
	if c.ping != nil {
		c.ping.Stop()
	}
	if c.opened != nil && !c.up {
		close(c.opened)
	}
	c.mu.Unlock()
	if nc != nil {
		_ = nc.Close()
	}
	if raw != nil {
		_ = raw.Close()
	}
	if ws != nil { // behind the socket: it waits for its reader to let go
		_ = ws.CloseNow()
	}
	c.s.forget(c)
}

func (c *conn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && !c.finish
}

// serveTCP accepts until the listener is closed.
func (l *listener) serveTCP() {
	defer l.s.wg.Done()
	for {
		nc, err := l.tcp.Accept()
		if err != nil {
			if l.s.stopping.Load() || errors.Is(err, net.ErrClosed) {
				return
			}
			l.s.met.dropped[dropRead].Inc()
			time.Sleep(10 * time.Millisecond) // out of file descriptors: let some close
			continue
		}
		c := &conn{s: l.s, l: l, proto: l.proto, nc: nc, remote: addrOf(nc.RemoteAddr()), inward: true}
		if l.certs != nil {
			c.nc = tls.Server(nc, l.certs.config())
		}
		if !l.s.adopt(c) {
			l.s.met.dropped[dropConnections].Inc()
			_ = nc.Close()
			continue
		}
		if !l.s.goTrack(c.read) {
			c.close()
		}
	}
}

// adopt counts a connection in, or refuses it.
func (s *Stack) adopt(c *conn) bool {
	if c.inward && s.shut(c.remote) {
		return false
	}
	s.connMu.Lock()
	defer s.connMu.Unlock()
	ip := c.remote.Addr()
	if s.stopping.Load() || len(s.conns) >= s.cfg.Limits.MaxConnections {
		return false
	}
	if c.inward && s.perIP[ip] >= s.cfg.Limits.MaxConnectionsPerIP {
		return false
	}
	s.lastConn++
	c.id = s.lastConn
	s.conns[c.id] = c
	s.perIP[ip]++
	s.byRemote[c.key()] = c
	s.met.connections.Set(float64(len(s.conns)))
	return true
}

func (s *Stack) forget(c *conn) {
	s.connMu.Lock()
	if s.conns[c.id] == c {
		delete(s.conns, c.id)
		ip := c.remote.Addr()
		if s.perIP[ip]--; s.perIP[ip] <= 0 {
			delete(s.perIP, ip)
		}
		if s.byRemote[c.key()] == c {
			delete(s.byRemote, c.key())
		}
	}
	s.met.connections.Set(float64(len(s.conns)))
	s.connMu.Unlock()
	if c.bound.Load() {
		s.connectionGone(c.id)
	}
	if c.used.Load() {
		for _, sh := range s.shards {
			sh.do(func() { sh.connClosed(c) })
		}
	}
}

// connKey finds a connection again by where it leads.
type connKey struct {
	proto  string
	remote netip.AddrPort
	server string
}

func (c *conn) key() connKey { return connKey{c.proto, c.remote, c.server} }

// connByID returns an open connection, nil when it is gone.
func (s *Stack) connByID(id uint64) *conn {
	if id == 0 {
		return nil
	}
	s.connMu.Lock()
	c := s.conns[id]
	s.connMu.Unlock()
	if c == nil || !c.alive() {
		return nil
	}
	return c
}

// connTo returns an open connection by TCP or TLS or starts one; it never
// blocks. server is the name that a TLS peer must prove.
func (s *Stack) connTo(proto string, addr netip.AddrPort, server string) (*conn, error) {
	if proto != protoTLS {
		server = ""
	}
	s.connMu.Lock()
	c := s.byRemote[connKey{proto, addr, server}]
	s.connMu.Unlock()
	if c != nil && c.alive() {
		return c, nil
	}
	if !addr.IsValid() {
		return nil, errClosed
	}
	if proto != protoTCP && proto != protoTLS {
		return nil, errFlow // RFC 7118: only a browser opens a WebSocket
	}
	c = &conn{s: s, l: s.listenerFor(proto, addr), proto: proto, server: server, remote: addr, opened: make(chan struct{})}
	if !s.adopt(c) {
		return nil, errFull
	}
	if !s.goTrack(c.connect) {
		c.close()
		return nil, errClosed
	}
	return c, nil
}

func (c *conn) connect() {
	nc, err := c.s.net.dialTCP(c.s.ctx, c.remote)
	if err == nil && c.proto == protoTLS {
		nc, err = c.s.tlsClient(nc, c.server)
	}
	if err != nil {
		c.s.log.Debug("sip connection failed", zap.String("remote", c.remote.String()), zap.String("transport", c.proto), zap.Error(err))
		c.close()
		return
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		_ = nc.Close()
		return
	}
	c.nc, c.up = nc, true
	close(c.opened)
	if len(c.queue) > 0 {
		c.kick()
	}
	c.mu.Unlock()
	c.read()
}

// read is the connection's reader: it cuts the stream into messages. Nothing is
// allocated on the word of a Content-Length: the buffer grows with what came.
func (c *conn) read() {
	defer c.close()
	lim := &c.s.cfg.Limits
	if c.inward && c.proto == protoTLS && !c.handshake() {
		return
	}
	buf := make([]byte, 0, 2048)
	c.heard = time.Now()
	first, scanned := true, 0 // scanned: no end of headers before here
	var began time.Time       // of the unfinished message
	for {
		now := time.Now()
		deadline := c.idleUntil(now)
		if len(buf) > 0 {
			if began.IsZero() {
				began = now
			}
			deadline = began.Add(lim.MessageTimeout)
		} else {
			began = time.Time{}
			if first && c.inward {
				deadline = now.Add(lim.FirstMessageTimeout)
			}
		}
		_ = c.nc.SetReadDeadline(deadline)
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), min(2*cap(buf), lim.MaxMessageBytes+4096))
			copy(grown, buf)
			buf = grown
		}
		n, err := c.nc.Read(buf[len(buf):cap(buf)])
		if n == 0 && err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				if len(buf) == 0 && c.pinged(time.Now()) {
					continue
				}
				c.s.met.dropped[dropSlow].Inc()
			}
			return
		}
		c.heard, c.asked = time.Now(), time.Time{}
		buf = buf[:len(buf)+n]
		used := 0
		for {
			rest := buf[used:]
			// RFC 5626 4.4.1: a double CRLF between messages is a ping, answered by one.
			skip := 0
			for skip+1 < len(rest) && rest[skip] == '\r' && rest[skip+1] == '\n' {
				skip += 2
			}
			if skip > 0 {
				switch {
				case skip >= 4 && c.inward:
					_ = c.write([]byte("\r\n"))
				case skip == 2 && !c.inward:
					c.pongs = true // 4.4.1: the answer to our ping
				}
				used += skip
				scanned = 0
				continue
			}
			size, ok := c.frame(rest, &scanned)
			if !ok {
				c.s.actUnread(hop{l: c.l, conn: c, remote: c.remote})
				c.wind()
				return
			}
			if size == 0 {
				break
			}
			if !c.s.receive(string(rest[:size]), hop{l: c.l, conn: c, remote: c.remote}, time.Now(), true, false) {
				c.wind()
				return
			}
			first, began, scanned = false, time.Time{}, 0
			used += size
		}
		if used > 0 {
			buf = buf[:copy(buf, buf[used:])]
			if len(buf) == 0 && cap(buf) > 8192 {
				buf = make([]byte, 0, 2048) // one large message must not stay in memory
			}
		}
	}
}

// wind ends a connection whose stream cannot go on: answers to what came before
// may still leave, and what the peer sends is read away for a moment, so that
// closing does not reset the answer on its way.
func (c *conn) wind() {
	late := time.NewTimer(100 * time.Millisecond)
	defer late.Stop()
	select {
	case <-late.C:
	case <-c.s.done:
	}
	c.closeSoon()
	_ = c.nc.SetReadDeadline(time.Now().Add(time.Second))
	var b [512]byte
	for range 64 {
		if _, err := c.nc.Read(b[:]); err != nil {
			return
		}
	}
}

// frame returns the size of the first message in b, 0 while more must come, or
// false when the stream cannot go on.
func (c *conn) frame(b []byte, scanned *int) (int, bool) {
	lim := &c.s.cfg.Limits
	if len(b) == 0 || len(b) == 1 && b[0] == '\r' {
		return 0, true
	}
	if !tokenTable[b[0]] {
		c.s.met.parseError(c.proto, badNotSIP)
		return 0, false
	}
	end := -1
	for i := max(*scanned-3, 0); i+3 < len(b); i++ {
		if b[i] == '\r' && b[i+1] == '\n' && b[i+2] == '\r' && b[i+3] == '\n' {
			end = i + 4
			break
		}
	}
	if end < 0 {
		*scanned = len(b)
		if len(b) > lim.MaxHeaderBytes {
			c.s.met.parseError(c.proto, badSize)
			return 0, false
		}
		return 0, true
	}
	length, perr := contentLength(b[:end])
	if perr == nil && (length > lim.MaxBodyBytes || end+length > lim.MaxMessageBytes) {
		perr = &parseError{413, badSize, "Request Entity Too Large"}
	}
	if perr != nil {
		// RFC 3261 18.3: without a length the next message cannot be found. Say so, close.
		c.s.met.parseError(c.proto, perr.reason)
		if m, _ := parse(string(b[:end]), lim, false); m.req != nil {
			c.s.met.request(string(m.req.Method), c.proto)
			c.s.refuseMalformed(m.req, perr, hop{l: c.l, conn: c, remote: c.remote})
		}
		return 0, false
	}
	if len(b) < end+length {
		return 0, true
	}
	return end + length, true
}

// contentLength finds the one Content-Length of a header section without
// reading the rest of it.
func contentLength(head []byte) (int, *parseError) {
	length := -1
	for i := 0; i < len(head); {
		end := i
		for end < len(head) && head[end] != '\r' {
			end++
		}
		line := head[i:end]
		i = end + 2
		colon := -1
		if len(line) > 0 && (line[0]|0x20 == 'c' || line[0]|0x20 == 'l') {
			for j, ch := range line {
				if ch == ':' {
					colon = j
					break
				}
			}
		}
		if colon < 0 {
			continue
		}
		name := trimBytes(line[:colon])
		if !equalFold(name, "content-length") && !equalFold(name, "l") {
			continue
		}
		v, ok := parseUint(string(trimBytes(line[colon+1:])), 1<<31-1)
		if !ok || length >= 0 || i < len(head) && (head[i] == ' ' || head[i] == '\t') {
			return 0, bad(badLength, "Malformed Content-Length")
		}
		length = int(v)
	}
	if length < 0 {
		return 0, bad(badLength, "Missing Content-Length")
	}
	return length, nil
}

func trimBytes(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// listenerFor picks the listener whose address stands for us towards a peer: the
// one bound to the address that the routing table would send from, one bound to
// all of the family, else any of the family.
func (s *Stack) listenerFor(proto string, to netip.AddrPort) *listener {
	var best *listener
	score := 0
	ip := to.Addr().Unmap()
	var own netip.Addr
	for _, l := range s.listeners {
		if l.proto != proto {
			continue
		}
		la := l.addr.Addr().Unmap()
		n := 0
		switch {
		case la.Is4() == ip.Is4() && la.IsUnspecified():
			n = 4
		case la.Is6() && la.IsUnspecified() && !l.only6:
			n = 3 // dual stack
		case la.Is4() != ip.Is4():
			continue
		case len(s.listeners) == 1:
			return l
		default:
			if !own.IsValid() {
				own = s.facing(to)
			}
			switch {
			case la == own:
				n = 5
			case la.IsLoopback() == ip.IsLoopback():
				n = 2
			default:
				n = 1
			}
		}
		if n > score {
			best, score = l, n
		}
	}
	return best
}

func itoa(n int) string { return strconv.Itoa(n) }
