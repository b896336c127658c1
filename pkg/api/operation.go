package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/cdr"
)

// operation is one row of the API: what is asked, who may, what comes back. The
// routes, the table of rights' test, docs/openapi.json and its contract test are
// all made of these rows.
type operation struct {
	method string
	path   string // behind /api/v1, with {name} for what stands in it
	// right is a row of the table of rights, auth.Public or auth.Self.
	right auth.Right
	// own checks a request of who has the right for the own things alone; nil refuses them.
	own func(h *HTTP, r *http.Request, p *auth.Principal) error

	summary string
	query   []param
	in      any    // a value of the body's type; nil: no body
	out     any    // a value of the answer's type; nil: {}
	made    int    // status of success; 0 = 200
	content string // type of the answer when it is no JSON
	most    int64  // bytes of the body; 0 = maxBody

	// seen is the audit log's word for a GET that is kept account of; other methods
	// always are, unless journalled: the journal itself says who did it.
	seen       string
	journalled bool
	secret     bool // the answer holds a secret: it is not kept for an Idempotency-Key

	do    func(r *http.Request) (any, error)           // answers JSON
	serve func(w http.ResponseWriter, r *http.Request) // writes by itself
}

// param is one query parameter.
type param struct{ name, kind, doc string }

// Parameters that many operations have.
var (
	byParam     = param{"by", "string", "Who asks, for the journal: over the socket alone, else it is who signed in; up to 64 characters."}
	limitParam  = param{"limit", "integer", "1 to 500; default 50."}
	cursorParam = param{"cursor", "string", "next of the page before."}
)

type scopeKey struct{}

// scopeOf is how far the right of this request reaches.
func scopeOf(r *http.Request) auth.Scope {
	s, _ := r.Context().Value(scopeKey{}).(auth.Scope)
	return s
}

// isOwn: the request may touch the asker's own things alone.
func isOwn(r *http.Request) bool { return scopeOf(r) == auth.Own }

// route is the operation's handler: strict parameters, rights, audit.
func (h *HTTP) route(op operation) http.Handler {
	names := make([]string, len(op.query))
	for i, q := range op.query {
		names[i] = q.name
	}
	most := op.most
	if most == 0 {
		most = maxBody
	}
	inner := http.Handler(http.HandlerFunc(op.serve))
	if op.serve == nil {
		inner = h.handle(op.made, most, op.do)
	}
	inner = h.once(op, known(inner, names))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := h.allow(op, r)
		if err != nil {
			h.fail(w, r, err, nil)
			return
		}
		if !h.audits(op) {
			inner.ServeHTTP(w, r)
			return
		}
		note := &noteStatus{ResponseWriter: w}
		if op.seen != "" { // what is shown is written down before it is shown
			h.audit(r, op.seen, pathObject(r), "")
			inner.ServeHTTP(note, r)
			return
		}
		inner.ServeHTTP(note, r)
		if note.status < 400 && note.Header().Get("Idempotency-Replayed") == "" {
			h.audit(r, op.method+" "+op.path, pathObject(r), "")
		}
	})
}

func (h *HTTP) audits(op operation) bool {
	return op.seen != "" || op.method != http.MethodGet && !op.journalled && op.right != auth.Public
}

// pathObject is what stands in the path's braces.
func pathObject(r *http.Request) string {
	var parts []string
	pattern := r.Pattern
	for {
		_, rest, ok := strings.Cut(pattern, "{")
		if !ok {
			return strings.Join(parts, "/")
		}
		name, after, _ := strings.Cut(rest, "}")
		parts, pattern = append(parts, r.PathValue(strings.TrimSuffix(name, "..."))), after
	}
}

// audit writes a line of the audit log.
func (h *HTTP) audit(r *http.Request, action, object, detail string) {
	l, ok := h.app.(Auditor)
	if !ok {
		return
	}
	p := auth.From(r.Context())
	l.Audited(tenant(r), action, cutText(object, 200), cutText(detail, 200), whoAsks(r), sourceOf(p))
}

// Auditor may be implemented by the application: it keeps the audit log.
type Auditor interface {
	Audited(tenant, action, object, detail, by, source string)
}

func sourceOf(p *auth.Principal) string {
	if p == nil {
		return ""
	}
	return p.Source
}

func cutText(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// noteStatus remembers the status of an answer.
type noteStatus struct {
	http.ResponseWriter
	status int
}

func (n *noteStatus) WriteHeader(code int) {
	if n.status == 0 {
		n.status = code
	}
	n.ResponseWriter.WriteHeader(code)
}

func (n *noteStatus) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// Errors of who may.
var (
	errSignIn  = errors.New("sign in first")           // 401
	errNoRight = errors.New("no right to this")        // 403
	errTenant  = fmt.Errorf("tenant: %w", ErrNotFound) // 404: whether there is one is nobody's business
)

// allow finds out whether the asker may, and how far.
func (h *HTTP) allow(op operation, r *http.Request) (*http.Request, error) {
	p := auth.From(r.Context())
	if op.right == auth.Public {
		return r, nil
	}
	if p == nil {
		return r, errSignIn
	}
	if t := r.URL.Query().Get("tenant"); t != "" && t != p.Tenant && !p.Node && !p.Local {
		return r, errTenant
	}
	scope := p.Can(op.right)
	r = r.WithContext(context.WithValue(r.Context(), scopeKey{}, scope))
	switch {
	case scope == auth.None:
		return r, fmt.Errorf("%w: %s", errNoRight, op.right)
	case scope == auth.Own && op.right != auth.Self:
		if op.own == nil {
			return r, fmt.Errorf("%w: %s", errNoRight, op.right)
		}
		return r, op.own(h, r, p)
	}
	return r, nil
}

// ownName: the {name} of the path is the asker's.
func ownName(_ *HTTP, r *http.Request, p *auth.Principal) error {
	if r.PathValue("name") != p.Name || p.Session == "" {
		return fmt.Errorf("%w: it is not you", errNoRight)
	}
	return nil
}

// ownBound: the handler itself keeps to the asker's own things.
func ownBound(*HTTP, *http.Request, *auth.Principal) error { return nil }

// ownCall: the asker talks or talked in the call {id}.
func ownCall(h *HTTP, r *http.Request, p *auth.Principal) error {
	c, err := h.app.Call(r.Context(), tenant(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	if !partOf(&c.Call, p) {
		return fmt.Errorf("call %q: %w", r.PathValue("id"), ErrNotFound) // as if it were not there
	}
	return nil
}

// ownTalk: the asker is the agent of the running call {id}, or dialled it.
func ownTalk(h *HTTP, r *http.Request, p *auth.Principal) error {
	c, err := h.app.Call(r.Context(), tenant(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	if c.Agent != p.Name && (p.Device == "" || c.Device != p.Device) {
		return fmt.Errorf("call %q: %w", r.PathValue("id"), ErrNotFound)
	}
	return nil
}

func partOf(c *cdr.Call, p *auth.Principal) bool {
	if c.Agent == p.Name || p.Device != "" && c.Device == p.Device {
		return true
	}
	for _, s := range c.Segments {
		if s.Agent == p.Name {
			return true
		}
	}
	return false
}

// whoAsks is the name for journal and history: who signed in, or what the caller on
// the node's own socket says of itself.
func whoAsks(r *http.Request) string {
	p := auth.From(r.Context())
	if p == nil || p.Local {
		return by(r.URL.Query().Get("by"))
	}
	return p.Name
}

// viaOf is by which way a request comes, for the history of resources.
func viaOf(r *http.Request) string {
	switch p := auth.From(r.Context()); {
	case p == nil || p.Local:
		return "cli"
	case p.Session != "":
		return "console"
	}
	return "api"
}

// Operation is one row of the API as others see it.
type Operation struct {
	Method, Path string // behind /api/v1
	Right        auth.Right
	Own          bool // who has the right for the own things alone may ask too
	Stream       bool // the answer has no end
}

// Operations lists the API.
func Operations() []Operation {
	var out []Operation
	for _, op := range (&HTTP{}).operations() {
		out = append(out, Operation{op.method, op.path, op.right, op.own != nil, op.content == "text/event-stream"})
	}
	return out
}
