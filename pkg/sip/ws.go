package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// SIP over WebSocket (RFC 7118): a browser's phone. The HTTP part is net/http's,
// a goroutine for each connection, so that a slow handshake delays nobody; once
// it is a WebSocket it is a conn like any other, and requests to the browser go
// by the connection it registered on.

// WebSocket configures a ws or wss listener.
type WebSocket struct {
	Path string // of the upgrade; "" = "/sip". All else gets 404
	// Origins that may open it: "https://console.example.com", or host patterns
	// such as "*.example.com". A page of the very host is always allowed, and so
	// is a client that is no browser and sends no Origin.
	Origins []string
}

// subprotocol is what both sides must name (RFC 7118 4).
const subprotocol = "sip"

// wsDoor counts connections before a byte is read of them.
type wsDoor struct {
	net.Listener
	l *listener
}

// wsSocket is a counted connection below HTTP.
type wsSocket struct {
	net.Conn
	c *conn
}

// Close is called by net/http before the upgrade and by the WebSocket after it,
// whose lock is held then: the reader does the rest.
func (w *wsSocket) Close() error {
	w.c.mu.Lock()
	upgraded := w.c.ws != nil
	w.c.mu.Unlock()
	if upgraded {
		return w.Conn.Close()
	}
	w.c.close()
	return nil
}

func (d *wsDoor) Accept() (net.Conn, error) {
	for {
		nc, err := d.Listener.Accept()
		if err != nil {
			if d.l.s.stopping.Load() || errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			d.l.s.met.dropped[dropRead].Inc()
			time.Sleep(10 * time.Millisecond)
			continue
		}
		c := &conn{s: d.l.s, l: d.l, proto: d.l.proto, raw: nc, remote: addrOf(nc.RemoteAddr()), inward: true}
		if !d.l.s.adopt(c) {
			d.l.s.met.dropped[dropConnections].Inc()
			_ = nc.Close()
			continue
		}
		return &wsSocket{nc, c}, nil
	}
}

type wsKey struct{}

// webServer is the HTTP part of a ws or wss listener.
func (l *listener) webServer() *http.Server {
	lim := &l.s.cfg.Limits
	return &http.Server{
		Handler:           l,
		ReadHeaderTimeout: lim.FirstMessageTimeout, // TLS's handshake included
		ReadTimeout:       lim.FirstMessageTimeout,
		WriteTimeout:      lim.FirstMessageTimeout,
		IdleTimeout:       lim.FirstMessageTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // strangers' TLS errors; they are counted
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			if t, ok := nc.(*tls.Conn); ok {
				nc = t.NetConn()
			}
			return context.WithValue(ctx, wsKey{}, nc.(*wsSocket).c)
		},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
	}
}

func (l *listener) serveWS() {
	defer l.s.wg.Done()
	var door net.Listener = &wsDoor{l.tcp, l}
	if l.certs != nil {
		door = tls.NewListener(door, l.certs.config())
	}
	_ = l.web.Serve(door)
}

// ServeHTTP takes the upgrade and then is the connection's reader.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := l.s
	path := l.ws.Path
	if path == "" {
		path = "/sip"
	}
	if r.URL.Path != path {
		http.NotFound(w, r)
		return
	}
	if !offers(r, subprotocol) {
		http.Error(w, `want a WebSocket of subprotocol "sip" (RFC 7118)`, http.StatusBadRequest)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, OriginPatterns: l.ws.Origins,
		CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // answered: 403 for the Origin, 426 or 400 for the form
	}
	c := r.Context().Value(wsKey{}).(*conn)
	defer c.close()
	s.serveFrames(c, ws)
}

// offers reports whether the client names a subprotocol.
func offers(r *http.Request, name string) bool {
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(p), name) {
				return true
			}
		}
	}
	return false
}

// enter counts the calling goroutine as one that Stop waits for; false after Stop.
func (s *Stack) enter() bool {
	s.goMu.Lock()
	defer s.goMu.Unlock()
	if s.goShut {
		return false
	}
	s.wg.Add(1)
	return true
}

// readFrames is the reader: a frame, text or binary, is a message (RFC 7118 5).
func (c *conn) readFrames(ws *websocket.Conn) {
	lim := &c.s.cfg.Limits
	wait := lim.FirstMessageTimeout
	for {
		ctx, cancel := context.WithTimeout(c.s.ctx, wait)
		_, b, err := ws.Read(ctx)
		cancel()
		if err != nil {
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				c.s.met.dropped[dropSlow].Inc()
			case errors.Is(err, websocket.ErrMessageTooBig):
				c.s.met.parseError(c.proto, badSize)
			}
			return
		}
		if onlyCRLF(b) {
			continue // no keep-alive of RFC 5626 belongs here, and none is answered (RFC 7118 6)
		}
		if !c.s.receive(string(b), hop{l: c.l, conn: c, remote: c.remote}, time.Now(), true, false) {
			// What was answered may still leave.
			late := time.NewTimer(100 * time.Millisecond)
			defer late.Stop()
			select {
			case <-late.C:
			case <-c.s.done:
			}
			return
		}
		wait = lim.IdleTimeout
	}
}

// frames sends queued messages, each in a frame of its own.
func (c *conn) frames(ws *websocket.Conn, b []byte, ends []int) error {
	from := 0
	for _, end := range ends {
		m := b[from:end]
		from = end
		typ := websocket.MessageText
		if !utf8.Valid(m) {
			typ = websocket.MessageBinary // RFC 7118 4.2: text frames are UTF-8
		}
		ctx, cancel := context.WithTimeout(c.s.ctx, 10*time.Second)
		err := ws.Write(ctx, typ, m)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// pingLater arms the next ping; mu is held. There is a goroutine only while a
// pong is awaited.
func (c *conn) pingLater() {
	if c.closed {
		return
	}
	c.ping = time.AfterFunc(c.s.cfg.Keepalive.WebSocketPing, func() {
		c.s.goTrack(func() {
			ctx, cancel := context.WithTimeout(c.s.ctx, c.s.cfg.Keepalive.WebSocketPing)
			defer cancel()
			if err := c.ws.Ping(ctx); err != nil {
				c.s.met.dropped[dropSlow].Inc()
				c.close()
				return
			}
			c.mu.Lock()
			c.pingLater()
			c.mu.Unlock()
		})
	})
}
