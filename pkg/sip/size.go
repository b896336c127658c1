package sip

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Large messages (RFC 3261 18.1.1): a request of more than maxDatagram bytes
// would be cut in pieces on its way by UDP, and many NATs and firewalls lose the
// pieces. It goes by TCP where the peer takes TCP on that port, else by UDP as it
// is: to refuse it is the one thing that cannot work. Before that the SDP is
// relieved of what says nothing.

// maxDatagram is 200 bytes below the usual MTU of 1500.
const maxDatagram = 1300

// How long an attempt to connect may hold a request up, and how long a peer
// without TCP is not asked again.
const (
	tcpPatience = 2 * time.Second
	tcpForget   = 10 * time.Minute
	tcpPeers    = 4096 // peers remembered at most
)

// tcpless remembers who does not answer by TCP, and who waits to know.
type tcpless struct {
	mu      sync.Mutex
	until   map[netip.AddrPort]time.Time
	waiting map[netip.AddrPort][]func(*conn)
}

// tcpTo gives an open TCP connection to a peer; known is false when only trying
// would tell.
func (s *Stack) tcpTo(addr netip.AddrPort, now time.Time) (c *conn, known bool) {
	s.connMu.Lock()
	c = s.byRemote[connKey{protoTCP, addr, ""}]
	s.connMu.Unlock()
	if c != nil && c.isUp() {
		return c, true
	}
	s.noTCP.mu.Lock()
	defer s.noTCP.mu.Unlock()
	until, ok := s.noTCP.until[addr]
	return nil, ok && now.Before(until)
}

func (c *conn) isUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nc != nil && !c.closed && !c.finish
}

// tryTCP connects; then is told the connection, or nil, on another goroutine.
// Many requests to one peer share one attempt.
func (s *Stack) tryTCP(addr netip.AddrPort, then func(*conn)) {
	t := &s.noTCP
	t.mu.Lock()
	if t.waiting == nil {
		t.waiting, t.until = map[netip.AddrPort][]func(*conn){}, map[netip.AddrPort]time.Time{}
	}
	_, under := t.waiting[addr]
	t.waiting[addr] = append(t.waiting[addr], then)
	t.mu.Unlock()
	if under {
		return
	}
	finish := func(c *conn) {
		t.mu.Lock()
		list := t.waiting[addr]
		delete(t.waiting, addr)
		if c == nil {
			if len(t.until) >= tcpPeers {
				clear(t.until)
			}
			t.until[addr] = time.Now().Add(tcpForget)
		} else {
			delete(t.until, addr)
		}
		t.mu.Unlock()
		for _, f := range list {
			f(c)
		}
	}
	if !s.goTrack(func() {
		c, err := s.connTo(protoTCP, addr, "")
		if err != nil {
			finish(nil)
			return
		}
		late := time.NewTimer(tcpPatience)
		defer late.Stop()
		if c.opened != nil {
			select {
			case <-c.opened:
			case <-late.C:
				c.close() // a firewall that drops: no more of it
			case <-s.done:
			}
		}
		if !c.isUp() {
			c = nil
		}
		finish(c)
	}) {
		finish(nil)
	}
}

// fit makes a large request fit for its way, or finds it another one; true: it
// has been or will be sent elsewhere. Owner.
func (sh *shard) fit(d *Dialog, req *sip.Request, h hop, branch string) bool {
	s := sh.s
	if trimMessage(req) && len(sh.write(req)) <= maxDatagram {
		return false
	}
	if !d.direct(req, h) {
		return false
	}
	byTCP := func(c *conn) {
		h := hop{l: c.l, conn: c, remote: c.remote}
		via := req.Via()
		via.Transport = viaName(protoTCP)
		via.Host, via.Port, _ = splitHostPort(h.host())
		s.met.switched.Inc()
		sh.start(d, req, h, branch)
	}
	c, known := s.tcpTo(h.remote, sh.now)
	switch {
	case c != nil:
		byTCP(c)
		return true
	case known:
		return false
	}
	s.tryTCP(h.remote, func(c *conn) {
		sh.do(func() {
			switch {
			case d.gone:
			case c != nil:
				byTCP(c)
			default:
				sh.start(d, req, h, branch) // known now
			}
		})
	})
	return true
}

// direct tells whether the address that a request goes to is the peer's own, not
// a hole in a NAT that nothing but its UDP packets made.
func (d *Dialog) direct(req *sip.Request, h hop) bool {
	if d.target.URI != "" && !tagged(req) {
		return !d.target.flow
	}
	u := &req.Recipient
	if r := firstRoute(req); r != nil {
		u = &r.Address
	}
	a, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	return err == nil && a.Unmap() == h.remote.Addr()
}

// trimMessage takes out of a request's SDP what says nothing; true: it is shorter.
func trimMessage(req *sip.Request) bool {
	ct := req.ContentType()
	if ct == nil {
		return false
	}
	short, ok := trimBody(string(*ct), req.Body())
	if ok {
		req.SetBody(short)
	}
	return ok
}

// trimBody is trimSDP of a body that is SDP; true: it is shorter.
func trimBody(contentType string, body []byte) ([]byte, bool) {
	if len(body) == 0 || !strings.EqualFold(strings.TrimSpace(contentType), "application/sdp") {
		return body, false
	}
	short := trimSDP(body)
	return short, len(short) < len(body)
}

// staticMaps are what RFC 3551 6 says without an rtpmap.
var staticMaps = map[string]bool{
	"a=rtpmap:0 PCMU/8000": true, "a=rtpmap:3 GSM/8000": true, "a=rtpmap:8 PCMA/8000": true, "a=rtpmap:9 G722/8000": true,
	"a=rtpmap:18 G729/8000": true, "a=rtpmap:0 PCMU/8000/1": true, "a=rtpmap:8 PCMA/8000/1": true,
}

// trimSDP drops lines that change nothing for who reads them: descriptions for
// people (RFC 4566 5.4 to 5.6), maps of static payload types, and what is the
// default anyway.
func trimSDP(b []byte) []byte {
	out := make([]byte, 0, len(b))
	media, sided := false, false
	for line := range bytes.SplitAfterSeq(b, []byte("\n")) {
		text := strings.TrimRight(string(line), "\r\n")
		kind, _, _ := strings.Cut(text, "=")
		media = media || kind == "m"
		switch {
		case kind == "i", kind == "u", kind == "e", kind == "p":
		case staticMaps[text], strings.HasPrefix(text, "a=tool:"), strings.HasPrefix(text, "a=charset:"), strings.HasPrefix(text, "a=lang:"):
		case text == "a=sendrecv" && media && !sided, text == "a=ptime:20":
			// RFC 3264 5.1: sendrecv is the default where the session says nothing.
		default:
			sided = sided || !media && (text == "a=sendonly" || text == "a=recvonly" || text == "a=inactive")
			out = append(out, line...)
		}
	}
	return out
}

// answerAgain sends a response by a new connection when the one that its request
// came by has gone: to the sent-by port of the address it really came from (RFC
// 3261 18.2.2). Once.
func (sh *shard) answerAgain(t *tx, err error) bool {
	if !errors.Is(err, errClosed) || t.again || t.req == nil || framed(t.hop.proto()) {
		return false
	}
	via := topVia(t.req)
	if via == nil {
		return false
	}
	port := uint16(via.Port)
	if port == 0 {
		port = defaultPort(t.hop.proto())
	}
	addr := netip.AddrPortFrom(t.hop.remote.Addr(), port)
	c, err := sh.s.connTo(t.hop.proto(), addr, strings.Trim(via.Host, "[]"))
	if err != nil {
		return false
	}
	t.again = true
	c.used.Store(true)
	t.hop = hop{l: c.l, conn: c, remote: addr}
	return t.hop.send(t.bytes) == nil
}
