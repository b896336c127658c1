package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/pkg/resource"
)

// maxBody bounds a request: an apply of some ten thousand documents.
const maxBody = 32 << 20

// HTTP serves the API.
type HTTP struct {
	app  Server
	log  *zap.Logger
	http *http.Server

	mu        sync.Mutex
	listeners []net.Listener
	wg        sync.WaitGroup
}

// New makes the HTTP side over app. log may be nil.
func New(app Server, log *zap.Logger) *HTTP {
	if log == nil {
		log = zap.NewNop()
	}
	h := &HTTP{app: app, log: log}
	h.http = &http.Server{Handler: guard(h.routes()), ConnContext: markTCP, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	return h
}

// ListenUnix serves on a socket file of mode 0600. A socket left by a killed
// process is replaced; the store's lock already proved that no other runs.
func (h *HTTP) ListenUnix(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("api: socket %q: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("api: socket %q: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("api: socket %q: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("api: socket %q: %w", path, err)
	}
	h.serve(&ownListener{l.(*net.UnixListener), h.log})
	return nil
}

// ListenTCP serves on a loopback address; any other is refused, for the API
// has no accounts yet.
func (h *HTTP) ListenTCP(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("api: listen %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("api: listen %q: only a loopback address such as 127.0.0.1:8080", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("api: listen %q: %w", addr, err)
	}
	h.serve(l)
	return nil
}

// overTCP marks requests that did not come over the socket.
type overTCP struct{}

func markTCP(ctx context.Context, c net.Conn) context.Context {
	_, tcp := c.(*net.TCPConn)
	return context.WithValue(ctx, overTCP{}, tcp)
}

// guard refuses over TCP what a browser was made to send: a name that was bent
// to 127.0.0.1 (DNS rebinding), or another page's request.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if tcp, _ := r.Context().Value(overTCP{}).(bool); tcp && !local(r) {
			problem(w, http.StatusForbidden, "only programs of this machine may use this address, and no web page", nil)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func local(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return (err == nil && a.IsLoopback() || host == "localhost") && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == ""
}

// ownListener takes connections of our own user and root alone. The socket's
// mode says so too; this closes the moment between bind and chmod.
type ownListener struct {
	*net.UnixListener
	log *zap.Logger
}

// Accept waits for the next connection of our own user.
func (l *ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.UnixListener.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && (uid == 0 || int(uid) == os.Geteuid()) {
			return c, nil
		}
		l.log.Warn("connection of another user refused", zap.Uint32("uid", uid), zap.Error(err))
		c.Close()
	}
}

func peerUID(c *net.UnixConn) (uid uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = cred.Uid
		}
	})
	return uid, errors.Join(err, cerr)
}

func (h *HTTP) serve(l net.Listener) {
	h.mu.Lock()
	h.listeners = append(h.listeners, l)
	h.mu.Unlock()
	h.wg.Go(func() {
		if err := h.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("api listener stopped", zap.Error(err))
		}
	})
}

// Stop ends requests within ctx and waits. Safe to call twice.
func (h *HTTP) Stop(ctx context.Context) error {
	err := h.http.Shutdown(ctx)
	if err != nil {
		h.http.Close()
	}
	h.wg.Wait()
	return err
}

func (h *HTTP) routes() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, f func(r *http.Request) (any, error)) { mux.Handle("GET /api/v1"+path, h.handle(f)) }
	post := func(path string, f func(r *http.Request) (any, error)) { mux.Handle("POST /api/v1"+path, h.handle(f)) }

	get("/status", func(r *http.Request) (any, error) { return h.app.Status(r.Context()) })
	get("/calls", func(r *http.Request) (any, error) {
		f, err := filter(r)
		if err != nil {
			return nil, err
		}
		return h.app.Calls(r.Context(), tenant(r), f)
	})
	get("/calls/{id}", func(r *http.Request) (any, error) { return h.app.Call(r.Context(), tenant(r), r.PathValue("id")) })
	post("/calls/{id}/hangup", func(r *http.Request) (any, error) {
		return struct{}{}, h.app.HangUp(r.Context(), tenant(r), r.PathValue("id"))
	})
	get("/agents", func(r *http.Request) (any, error) { return wrap(h.app.Agents(r.Context(), tenant(r))) })
	post("/agents/{name}/state", func(r *http.Request) (any, error) {
		var in struct {
			State  string `json:"state"`
			Reason string `json:"reason"`
		}
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		return struct{}{}, h.app.SetAgentState(r.Context(), tenant(r), r.PathValue("name"), in.State, in.Reason)
	})
	get("/queues", func(r *http.Request) (any, error) { return wrap(h.app.Queues(r.Context(), tenant(r))) })
	get("/devices", func(r *http.Request) (any, error) { return wrap(h.app.Devices(r.Context(), tenant(r))) })
	get("/recordings", func(r *http.Request) (any, error) {
		f, err := filter(r)
		if err != nil {
			return nil, err
		}
		return wrap(h.app.Recordings(r.Context(), tenant(r), f.Limit))
	})
	post("/resources", h.apply)
	post("/reload", func(r *http.Request) (any, error) { return h.app.Reload(r.Context()) })
	post("/drain", func(r *http.Request) (any, error) { return struct{}{}, h.app.Drain(r.Context()) })
	mux.HandleFunc("GET /api/v1/resources", h.export)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "no such resource; see docs/api.md", nil)
	})
	return mux
}

// wrap puts a list into an object, so that it can grow fields later.
func wrap[T any](items []T, err error) (any, error) {
	if items == nil {
		items = []T{}
	}
	return map[string]any{"items": items}, err
}

func tenant(r *http.Request) string {
	if t := r.URL.Query().Get("tenant"); t != "" {
		return t
	}
	return resource.DefaultTenant
}

func filter(r *http.Request) (CallFilter, error) {
	q := r.URL.Query()
	f := CallFilter{Limit: 50, Cursor: q.Get("cursor"), Caller: q.Get("caller"), Dialled: q.Get("dialled"), Agent: q.Get("agent"), Queue: q.Get("queue"), Live: q.Get("live") == "true"}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 500 {
			return f, fmt.Errorf("%w: limit %q: want 1 to 500", ErrInvalid, s)
		}
		f.Limit = n
	}
	return f, nil
}

// decode reads one JSON object strictly.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: body: %v", ErrInvalid, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: body: more than one JSON value", ErrInvalid)
	}
	return nil
}

func (h *HTTP) handle(f func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		v, err := f(r)
		if err != nil {
			h.fail(w, r, err, v)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			h.log.Debug("api answer not sent", zap.Error(err))
		}
	})
}

func (h *HTTP) fail(w http.ResponseWriter, r *http.Request, err error, detail any) {
	status := http.StatusInternalServerError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, ErrConflict):
		status = http.StatusConflict
	case errors.Is(err, ErrInvalid):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	}
	if status == http.StatusInternalServerError {
		h.log.Error("api request failed", zap.String("path", r.URL.Path), zap.Error(err))
	}
	problem(w, status, err.Error(), detail)
}

// Problem is the body of every error (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Result any    `json:"result,omitempty"` // what an apply found
}

func problem(w http.ResponseWriter, status int, detail string, result any) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(Problem{"about:blank", http.StatusText(status), status, detail, result})
}

// apply takes YAML documents. Query: dry_run, prune, by.
func (h *HTTP) apply(r *http.Request) (any, error) {
	q := r.URL.Query()
	docs, err := resource.ParseYAML(r.Body, q.Get("name"))
	if err != nil {
		var faults resource.Faults
		if errors.As(err, &faults) {
			return ApplyResult{Faults: faults}, fmt.Errorf("%w: %d faults", ErrInvalid, len(faults))
		}
		return nil, err
	}
	res, err := h.app.Apply(r.Context(), docs, ApplyOptions{Dry: q.Get("dry_run") == "true", Prune: q.Get("prune") == "true", By: by(q.Get("by"))})
	return res, err
}

func by(s string) string {
	if s == "" || len(s) > 64 {
		return "api"
	}
	return s
}

// export writes YAML. Query: secrets.
func (h *HTTP) export(w http.ResponseWriter, r *http.Request) {
	secrets := r.URL.Query().Get("secrets") == "true"
	docs, err := h.app.Export(r.Context(), secrets)
	var out bytes.Buffer
	if err == nil {
		err = resource.Export(&out, docs, secrets)
	}
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(out.Bytes())
}
