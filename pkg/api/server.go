package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/centrala/centrala/pkg/api/feed"
	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/resource"
)

// Bounds of a request's body: an apply takes what pkg/resource reads at once,
// some ten thousand documents; anything else is a few words.
const (
	maxDocuments = 16 << 20
	maxBody      = 64 << 10
)

// HTTP serves the API.
type HTTP struct {
	app  Server
	log  *zap.Logger
	mux  http.Handler  // the API without a word on who asks
	auth *auth.Service // nil: no accounts, the socket alone
	feed *feed.Feed    // nil: no events

	streams streams
	mirrors mirrors
	flying  inFlight
	ending  context.Context // done when Stop begins: streams end, requests go on to their end
	end     context.CancelFunc
	http    *http.Server

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
	h.mux = h.routes()
	h.ending, h.end = context.WithCancel(context.Background())
	h.http = &http.Server{Handler: guard(h.mux), ConnContext: markTCP, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	return h
}

// ListenUnix serves on a socket file of mode 0600. A socket left by a killed
// process is replaced; the store's lock already proved that no other runs.
func (h *HTTP) ListenUnix(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("api: socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("api: socket %q: a file that is no socket lies there; choose another api.socket", path)
	default:
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("api: socket: %w", err)
		}
	}
	// sun_path of unix(7) has 108 bytes with the zero at the end.
	if len(path) > 107 {
		return fmt.Errorf("api: socket %q: %d bytes; a socket's path has at most 107: choose a shorter api.socket or data folder", path, len(path))
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
		next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), &auth.Principal{Name: "cli", Local: true, Node: true})))
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
	h.end()
	err := h.http.Shutdown(ctx)
	if err != nil {
		h.http.Close()
	}
	h.wg.Wait()
	h.mirrors.wg.Wait()
	return err
}

func (h *HTTP) routes() http.Handler {
	mux := http.NewServeMux()
	for _, op := range h.operations() {
		mux.Handle(op.method+" /api/v1"+op.path, h.route(op))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, m := range []string{"DELETE", "GET", "PATCH", "POST", "PUT"} {
			other := *r
			other.Method = m
			if _, pattern := mux.Handler(&other); pattern != "/" {
				allowed = append(allowed, m)
			}
		}
		if allowed == nil {
			problem(w, http.StatusNotFound, "no such resource; see docs/api.md", nil)
			return
		}
		allow := strings.Join(allowed, ", ")
		w.Header().Set("Allow", allow)
		problem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not for this resource; want %s", r.Method, allow), nil)
	})
	return mux
}

// known refuses query parameters that the resource does not have and those
// given twice: a misspelt dry_run must not change anything. tenant is for all.
func known(next http.Handler, names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			problem(w, http.StatusUnprocessableEntity, fmt.Sprintf("query: %v", err), nil)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(q)) {
			if name != "tenant" && !slices.Contains(names, name) {
				problem(w, http.StatusUnprocessableEntity, fmt.Sprintf("query: unknown %q; want one of %s", name, strings.Join(append([]string{"tenant"}, names...), ", ")), nil)
				return
			}
			if len(q[name]) > 1 {
				problem(w, http.StatusUnprocessableEntity, fmt.Sprintf("query: %s is given %d times", name, len(q[name])), nil)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// flag reads a yes-or-no query parameter; absent is no.
func flag(r *http.Request, name string) (bool, error) {
	switch s := r.URL.Query().Get(name); s {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, fmt.Errorf("%w: %s %q: want true or false", ErrInvalid, name, s)
	}
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
		return t // whether the asker may name it is what allow has seen to
	}
	if p := auth.From(r.Context()); p != nil && p.Tenant != "" {
		return p.Tenant
	}
	return resource.DefaultTenant
}

func filter(r *http.Request) (CallFilter, error) {
	q := r.URL.Query()
	f := CallFilter{Limit: 50, Cursor: q.Get("cursor"), Caller: q.Get("caller"), Dialled: q.Get("dialled"), Agent: q.Get("agent"), Queue: q.Get("queue"), Disposition: q.Get("disposition")}
	var err error
	if f.Live, err = flag(r, "live"); err != nil {
		return f, err
	}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 500 {
			return f, fmt.Errorf("%w: limit %q: want 1 to 500", ErrInvalid, s)
		}
		f.Limit = n
	}
	return f, nil
}

// legOf is who asks of a leg's phone; who may ask for the own calls alone asks for
// the agent's.
func legOf(r *http.Request, leg *int) (int, error) {
	switch {
	case leg == nil:
		return -1, nil
	case *leg < 0 || *leg > 1000:
		return 0, fmt.Errorf("%w: leg: want 0 to 1000", ErrInvalid)
	case isOwn(r):
		return 0, fmt.Errorf("%w: leg: you ask for your own phone, which is what leaving it out means", errNoRight)
	}
	return *leg, nil
}

// command reads the body of a call's transfer, conference, attended, merge, hold and park.
func (h *HTTP) command(r *http.Request, action string) error {
	var in struct {
		Target string `json:"target"`
		Slot   string `json:"slot"`
		Leg    *int   `json:"leg"`
		On     *bool  `json:"on"`
		Call   string `json:"call"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	c := CallCommand{Action: action, Leg: -1, Target: in.Target, By: whoAsks(r)}
	wants := func(field string, given, allowed bool) error {
		if given && !allowed {
			return fmt.Errorf("%w: body: %s has no place in %s", ErrInvalid, field, action)
		}
		return nil
	}
	targets := action == "transfer" || action == "conference"
	others := action == "attended" || action == "merge"
	if err := errors.Join(wants("target", in.Target != "", targets), wants("slot", in.Slot != "", action == "park"), wants("on", in.On != nil, action == "hold"), wants("call", in.Call != "", others)); err != nil {
		return err
	}
	switch {
	case targets && (in.Target == "" || len(in.Target) > 128):
		return fmt.Errorf("%w: target: want a number, queue:NAME, flow:NAME, agent:NAME or device:NAME", ErrInvalid)
	case others && (in.Call == "" || len(in.Call) > 64 || in.Call == r.PathValue("id")):
		return fmt.Errorf("%w: call: want the id of another call", ErrInvalid)
	case len(in.Slot) > 8:
		return fmt.Errorf("%w: slot: want digits", ErrInvalid)
	}
	leg, err := legOf(r, in.Leg)
	if err != nil {
		return err
	}
	c.Leg = leg
	switch {
	case action == "park":
		c.Target = in.Slot
	case others:
		c.Target = in.Call
	case in.On != nil && !*in.On:
		c.Action = "resume"
	}
	return h.app.CommandCall(r.Context(), tenant(r), r.PathValue("id"), c)
}

// record reads the body of a call's recording.
func (h *HTTP) record(r *http.Request) error {
	var in struct {
		Action string `json:"action"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if actions := []string{"start", "stop", "pause", "resume"}; !slices.Contains(actions, in.Action) {
		return fmt.Errorf("%w: action %q: want one of %s", ErrInvalid, in.Action, strings.Join(actions, ", "))
	}
	return h.app.CommandCall(r.Context(), tenant(r), r.PathValue("id"), CallCommand{Action: "record", Leg: -1, Target: in.Action, By: whoAsks(r)})
}

// stream begins or ends a call's stream to a machine.
func (h *HTTP) stream(r *http.Request, in *StreamRequest) error {
	return h.app.CommandCall(r.Context(), tenant(r), r.PathValue("id"), CallCommand{Action: "stream", Leg: -1, Stream: in, By: whoAsks(r)})
}

func (h *HTTP) stopStream(r *http.Request) error {
	return h.app.CommandCall(r.Context(), tenant(r), r.PathValue("id"), CallCommand{Action: "stream_stop", Leg: -1, Target: r.URL.Query().Get("stream"), By: whoAsks(r)})
}

// decode reads one JSON object strictly.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: body: %w", ErrInvalid, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: body: more than one JSON value", ErrInvalid)
	}
	return nil
}

func (h *HTTP) handle(made int, most int64, f func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, most)
		v, err := f(r)
		if err != nil {
			h.fail(w, r, err, v)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if made != 0 {
			w.WriteHeader(made)
		}
		if err := json.NewEncoder(w).Encode(v); err != nil {
			h.log.Debug("api answer not sent", zap.Error(err))
		}
	})
}

func (h *HTTP) fail(w http.ResponseWriter, r *http.Request, err error, detail any) {
	if signInProblem(w, err) {
		return
	}
	status := http.StatusInternalServerError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, errNoRight):
		status = http.StatusForbidden
	case errors.Is(err, ErrNotFound), errors.Is(err, auth.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, ErrConflict):
		status = http.StatusConflict
	case errors.Is(err, ErrChanged):
		status = http.StatusPreconditionFailed
	case errors.Is(err, ErrInvalid), errors.Is(err, auth.ErrInvalid):
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
	Code   string `json:"code,omitempty"`   // for programs that branch
	Result any    `json:"result,omitempty"` // what an apply found
}

func problem(w http.ResponseWriter, status int, detail string, result any) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Result: result})
}

// apply takes YAML documents. Query: name, dry_run, prune, by.
func (h *HTTP) apply(r *http.Request) (any, error) {
	q := r.URL.Query()
	dry, err := flag(r, "dry_run")
	if err != nil {
		return nil, err
	}
	prune, err := flag(r, "prune")
	if err != nil {
		return nil, err
	}
	docs, err := resource.ParseYAML(r.Body, q.Get("name"))
	if err != nil {
		var faults resource.Faults
		if errors.As(err, &faults) {
			return ApplyResult{Changes: []string{}, Faults: faults}, fmt.Errorf("%w: %d faults", ErrInvalid, len(faults))
		}
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err) // the body ended early, or is too large
	}
	if err := ownDocuments(r, docs); err != nil {
		return nil, err
	}
	res, err := h.app.Apply(r.Context(), docs, ApplyOptions{Dry: dry, Prune: prune, By: whoAsks(r), Via: viaOf(r)})
	return res, err
}

// tenantOf is whose a document is; a tenant's settings are its own.
func tenantOf(d resource.Document) string {
	if d.Kind == resource.KindTenant {
		return d.Name
	}
	return orDefault(d.Tenant)
}

// ownDocumentsRead: a tenant's settings are seen by itself and the node.
func ownDocumentsRead(r *http.Request, name string) error {
	p := auth.From(r.Context())
	if p.Node || p.Local || name == p.Tenant {
		return nil
	}
	return fmt.Errorf("tenant %q: %w", name, ErrNotFound)
}

// ownDocuments: who is not of the node changes the own tenant's resources, and not
// the tenant's settings, which bound what it may spend.
func ownDocuments(r *http.Request, docs []resource.Document) error {
	p := auth.From(r.Context())
	if p.Node || p.Local {
		return nil
	}
	for _, d := range docs {
		if tenantOf(d) != p.Tenant || d.Kind == resource.KindTenant {
			return fmt.Errorf("%w: %s %q of tenant %q", errNoRight, d.Kind, d.Name, tenantOf(d))
		}
	}
	return nil
}

func by(s string) string {
	if s == "" || len(s) > 64 {
		return "api"
	}
	return s
}

// export writes YAML. Query: secrets, kind, name.
func (h *HTTP) export(w http.ResponseWriter, r *http.Request) {
	secrets, err := flag(r, "secrets")
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	p := auth.From(r.Context())
	if secrets && !p.Local {
		h.fail(w, r, fmt.Errorf("%w: secrets are exported over the node's own socket alone", errNoRight), nil)
		return
	}
	docs, err := h.app.Export(r.Context(), secrets)
	q := r.URL.Query()
	kind, name, whose := q.Get("kind"), q.Get("name"), q.Get("tenant")
	if !p.Node {
		whose = p.Tenant
	}
	docs = slices.DeleteFunc(slices.Clone(docs), func(d resource.Document) bool {
		return whose != "" && !p.Local && tenantOf(d) != whose || kind != "" && string(d.Kind) != kind || name != "" && d.Name != name
	})
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
