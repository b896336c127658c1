package sip

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/coder/websocket"
)

// WebPhones is a door for SIP over WebSocket that another HTTP server opens: the
// console's, so that a page and its phone are of one origin. That server has its own
// caps and time limits before the upgrade; behind it a browser here is like one that
// came to a ws or wss listener.
type WebPhones struct {
	Addr       netip.AddrPort // as bound, shown in Via and Contact
	Advertised string         // host or host:port shown instead
	Secure     bool           // TLS: wss
	// Source is where the request truly comes from; nil = its RemoteAddr.
	Source func(*http.Request) netip.Addr
	// Trusts says whether a page of this origin may; nil = of the very host alone.
	Trusts func(r *http.Request, origin string) bool
	// Conn is the socket below the request, for closing it at once; nil = none.
	Conn func(*http.Request) net.Conn
}

// WebPhoneHandler takes the upgrade and is the connection's reader. Who may open it is for
// the caller to have seen to.
func (s *Stack) WebPhoneHandler(o WebPhones) http.Handler {
	l := &listener{s: s, proto: protoWS, addr: o.Addr, advertised: o.Advertised}
	if o.Secure {
		l.proto = protoWSS
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !offers(r, subprotocol) {
			http.Error(w, `want a WebSocket of subprotocol "sip" (RFC 7118)`, http.StatusBadRequest)
			return
		}
		options := &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, CompressionMode: websocket.CompressionDisabled}
		if origin := r.Header.Get("Origin"); o.Trusts != nil {
			if !o.Trusts(r, origin) {
				http.Error(w, "a page of another origin asked", http.StatusForbidden)
				return
			}
			options.InsecureSkipVerify = true // seen to just now
		}
		remote, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			http.Error(w, "no address", http.StatusBadRequest)
			return
		}
		if o.Source != nil {
			if a := o.Source(r); a.IsValid() {
				remote = netip.AddrPortFrom(a, remote.Port())
			}
		}
		c := &conn{s: s, l: l, proto: l.proto, remote: unmap(remote), inward: true}
		if o.Conn != nil {
			c.raw = o.Conn(r)
		}
		if !s.adopt(c) {
			s.met.dropped[dropConnections].Inc()
			http.Error(w, "too many connections", http.StatusServiceUnavailable)
			return
		}
		defer c.close()
		ws, err := websocket.Accept(w, r, options)
		if err != nil {
			return // answered
		}
		s.serveFrames(c, ws)
	})
}

// serveFrames makes an upgraded connection one of the stack's and reads it to its end.
func (s *Stack) serveFrames(c *conn, ws *websocket.Conn) {
	if !s.enter() {
		_ = ws.CloseNow()
		return
	}
	defer s.wg.Done()
	ws.SetReadLimit(int64(s.cfg.Limits.MaxMessageBytes))
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		_ = ws.CloseNow()
		return
	}
	c.ws = ws
	c.pingLater()
	c.mu.Unlock()
	c.readFrames(ws)
}
