package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/auth"
)

// WebConfig is the listener for people and programs of other machines: console,
// API and the browser phone's signalling on one origin.
type WebConfig struct {
	// PublicURL is how browsers reach it, "https://console.example.com"; nil = as they
	// named it.
	PublicURL *url.URL
	// Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.
	Proxies []netip.Prefix
	// Origins of other pages that may use the API with a session.
	Origins []string
	// Demo: loopback signs in without a password.
	Demo bool
	// Phone serves the WebSocket of browser phones at /sip, for who is signed in.
	Phone http.Handler
	// Console serves everything that is not the API.
	Console http.Handler
	Secure  bool // TLS is spoken here
}

// Web serves the API to who signs in, and the console.
type Web struct {
	api  *HTTP
	cfg  WebConfig
	log  *zap.Logger
	http *http.Server
	rate *limiter

	wg sync.WaitGroup
}

// Bounds of a connection. A slow sender holds a goroutine and a few KiB, no more
// than this long; long answers (events, recordings) set their own write deadline.
const (
	webHeaderTime = 5 * time.Second
	webReadTime   = 60 * time.Second
	webWriteTime  = 60 * time.Second
	webIdleTime   = 2 * time.Minute
	webConns      = 8192 // at once; more wait in the kernel
)

// NewWeb makes the listener's side of api, with accounts.
func NewWeb(h *HTTP, cfg WebConfig, log *zap.Logger) *Web {
	if log == nil {
		log = zap.NewNop()
	}
	w := &Web{api: h, cfg: cfg, log: log, rate: newLimiter()}
	w.http = &http.Server{Handler: w, ReadHeaderTimeout: webHeaderTime, ReadTimeout: webReadTime, WriteTimeout: webWriteTime, IdleTimeout: webIdleTime,
		MaxHeaderBytes: 16 << 10,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			return context.WithValue(ctx, rawConn{}, c)
		},
		ErrorLog: zap.NewStdLog(log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel)))}
	return w
}

// SetAccounts gives the API its accounts; before a listener serves it.
func (h *HTTP) SetAccounts(s *auth.Service) { h.auth = s }

// rawConn is the key of a request's connection, for what takes it over.
type rawConn struct{}

// ConnOf is the connection below a request of a Web, nil when it is none.
func ConnOf(r *http.Request) net.Conn {
	c, _ := r.Context().Value(rawConn{}).(net.Conn)
	return c
}

// Serve answers on l until Stop; secure is nil where TLS is not spoken.
func (w *Web) Serve(l net.Listener, secure *tls.Config) {
	l = &boundedListener{Listener: l, free: make(chan struct{}, webConns)}
	serve := func() error { return w.http.Serve(l) }
	if secure != nil {
		w.http.TLSConfig = secure
		serve = func() error { return w.http.ServeTLS(l, "", "") } // HTTP/2 too: many streams of a page in one connection
	}
	w.wg.Go(func() {
		if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			w.log.Error("web listener stopped", zap.Error(err))
		}
	})
}

// Stop ends requests within ctx and waits. Safe to call twice.
func (w *Web) Stop(ctx context.Context) error {
	w.api.end()
	err := w.http.Shutdown(ctx)
	if err != nil {
		w.http.Close()
	}
	w.wg.Wait()
	return err
}

// boundedListener holds at most cap(free) connections.
type boundedListener struct {
	net.Listener
	free chan struct{}
}

// Accept waits for a place, then for a connection.
func (b *boundedListener) Accept() (net.Conn, error) {
	b.free <- struct{}{}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { <-b.free })}, nil
}

type boundedConn struct {
	net.Conn
	leave func()
}

func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

type webKey struct{}

// webRequest is what the listener knows of a request.
type webRequest struct {
	web      *Web
	source   netip.Addr
	secure   bool
	loopback bool   // from this machine, under a loopback name
	origin   string // our own, as this browser sees it
	cookie   bool   // who asks was known by a cookie
}

// ServeHTTP finds out where a request comes from and who asks, refuses what a
// foreign page has sent, and passes it on.
func (w *Web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	q := w.look(r)
	head := rw.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	if q.secure {
		head.Set("Strict-Transport-Security", "max-age=31536000")
	}
	r = r.WithContext(context.WithValue(r.Context(), webKey{}, q))
	isAPI := strings.HasPrefix(r.URL.Path, "/api/")
	switch {
	case !w.hostOK(r, q):
		problem(rw, http.StatusMisdirectedRequest, "this host name is not web.public_url", nil)
	case isAPI || r.URL.Path == "/sip":
		head.Set("Cache-Control", "no-store")
		head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		p, err := w.identify(r, q)
		if err != nil {
			w.api.fail(rw, r, err, nil)
			return
		}
		if reason := w.foreign(r, q); reason != "" {
			problem(rw, http.StatusForbidden, reason, nil)
			return
		}
		if wait := w.rate.take(p, q.source); wait > 0 {
			head.Set("Retry-After", fmt.Sprint(int(wait/time.Second)+1))
			problem(rw, http.StatusTooManyRequests, "too many requests", nil)
			return
		}
		r = r.WithContext(auth.With(r.Context(), p))
		if r.URL.Path == "/sip" {
			w.phone(rw, r, p)
			return
		}
		if w.cors(head, r) {
			rw.WriteHeader(http.StatusNoContent)
			return
		}
		w.api.mux.ServeHTTP(rw, r)
	case w.cfg.Console != nil:
		w.cfg.Console.ServeHTTP(rw, r)
	default:
		http.NotFound(rw, r)
	}
}

// look finds the true source behind proxies that are believed.
func (w *Web) look(r *http.Request) *webRequest {
	q := &webRequest{web: w, secure: r.TLS != nil}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil {
		q.source = peer.Addr().Unmap()
	}
	believed := func(a netip.Addr) bool {
		return slices.ContainsFunc(w.cfg.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	proxied := false
	if believed(q.source) {
		// From the right: each hop that is believed says who came to it.
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			a, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				break
			}
			q.source, proxied = a.Unmap(), true
			if !believed(q.source) {
				break
			}
		}
		if proto := r.Header.Get("X-Forwarded-Proto"); proto != "" {
			q.secure, proxied = proto == "https", true
		}
	}
	q.loopback = !proxied && q.source.IsLoopback() && loopbackName(r.Host)
	scheme := "http"
	if q.secure {
		scheme = "https"
	}
	q.origin = scheme + "://" + strings.ToLower(r.Host)
	return q
}

func loopbackName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback() || strings.EqualFold(host, "localhost")
}

// hostOK refuses names that were bent to us (DNS rebinding), where we know our own.
func (w *Web) hostOK(r *http.Request, q *webRequest) bool {
	switch {
	case w.cfg.PublicURL != nil:
		return strings.EqualFold(r.Host, w.cfg.PublicURL.Host) || q.loopback
	case w.cfg.Demo:
		return loopbackName(r.Host)
	}
	return true
}

// cookieName: the prefix makes browsers refuse the cookie from other hosts and from
// connections without TLS.
func cookieName(secure bool) string {
	if secure {
		return "__Host-centrala"
	}
	return "centrala"
}

func (w *Web) setCookie(rw http.ResponseWriter, q *webRequest, token string, expires time.Time) {
	http.SetCookie(rw, &http.Cookie{Name: cookieName(q.secure), Value: token, Path: "/", Expires: expires, Secure: q.secure, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// identify finds who asks: by key in Authorization, or by the session's cookie. A
// key that is wrong is an error; a cookie that is over is nobody.
func (w *Web) identify(r *http.Request, q *webRequest) (*auth.Principal, error) {
	if kind, secret, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "Bearer") {
		if wait := w.rate.braked(q.source); wait > 0 {
			return nil, &auth.BrakeError{Wait: wait}
		}
		p := w.api.auth.ByKey(strings.TrimSpace(secret), q.source.String())
		if p == nil {
			w.rate.failed(q.source)
			return nil, errSignIn
		}
		return p, nil
	}
	c, err := r.Cookie(cookieName(q.secure))
	if err != nil {
		return nil, nil
	}
	p := w.api.auth.BySession(c.Value, q.source.String())
	q.cookie = p != nil
	return p, nil
}

// foreign says why a request is refused that another page has sent. Only cookies
// are sent by browsers on their own; who shows a key has been asked for it. Signing
// in is guarded too: a page must not sign its visitor in under another name.
func (w *Web) foreign(r *http.Request, q *webRequest) string {
	origin := r.Header.Get("Origin")
	upgrade := strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	unsafe := r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
	if !q.cookie && !unsafe && !upgrade {
		return ""
	}
	if !q.cookie && r.Header.Get("Authorization") != "" {
		return ""
	}
	if origin != "" {
		if w.ours(origin, q) {
			return ""
		}
		return "a page of another origin asked"
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return ""
	case "":
		// No browser of today, or a safe request: those say nothing they could not read anyway.
		if q.cookie && (unsafe || upgrade) {
			return "a request with a session must name its Origin"
		}
		return ""
	}
	if unsafe || upgrade || q.cookie {
		return "a page of another site asked"
	}
	return ""
}

// ours: the page is our own console, or of an origin that the node file names.
func (w *Web) ours(origin string, q *webRequest) bool {
	if w.cfg.PublicURL != nil && strings.EqualFold(origin, w.cfg.PublicURL.Scheme+"://"+w.cfg.PublicURL.Host) {
		return true
	}
	return strings.EqualFold(origin, q.origin) || slices.ContainsFunc(w.cfg.Origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// cors lets pages of allowed origins read answers; true: it was the browser's own
// question before one, and is answered.
func (w *Web) cors(head http.Header, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.ContainsFunc(w.cfg.Origins, func(o string) bool { return strings.EqualFold(o, origin) }) {
		return false
	}
	head.Set("Access-Control-Allow-Origin", origin)
	head.Set("Access-Control-Allow-Credentials", "true")
	head.Add("Vary", "Origin")
	head.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	head.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	head.Set("Access-Control-Allow-Headers", "Content-Type, Idempotency-Key, If-Match, Last-Event-ID, Authorization")
	head.Set("Access-Control-Max-Age", "600")
	return true
}

// phone lets a signed-in browser open its SIP WebSocket.
func (w *Web) phone(rw http.ResponseWriter, r *http.Request, p *auth.Principal) {
	switch {
	case w.cfg.Phone == nil:
		problem(rw, http.StatusNotFound, "there are no browser phones here; see media.webrtc", nil)
	case p == nil || p.Session == "":
		w.api.fail(rw, r, errSignIn, nil)
	case p.Can("phone.use") == auth.None:
		w.api.fail(rw, r, fmt.Errorf("%w: phone.use", errNoRight), nil)
	default:
		w.cfg.Phone.ServeHTTP(rw, r)
	}
}

// SourceOf is where a request of a Web truly comes from, behind believed proxies.
func SourceOf(r *http.Request) netip.Addr {
	if q, ok := r.Context().Value(webKey{}).(*webRequest); ok {
		return q.source
	}
	return netip.Addr{}
}

// Trusts tells whether origin is the console's own or one that the node file allows.
func Trusts(r *http.Request, origin string) bool {
	q, ok := r.Context().Value(webKey{}).(*webRequest)
	return ok && q.web.ours(origin, q)
}
