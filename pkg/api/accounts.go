package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/auth/account"
)

// Account is how a user signs in, as administrators see it.
type Account struct {
	Tenant      string      `json:"tenant"`
	Name        string      `json:"name"`
	DisplayName string      `json:"display_name,omitempty"`
	Roles       []auth.Role `json:"roles"`
	Node        bool        `json:"node,omitempty"`
	Disabled    bool        `json:"disabled,omitempty"`
	Password    bool        `json:"password"` // one is set
	TOTP        bool        `json:"totp"`
	Passkeys    int         `json:"passkeys"`
	SSO         bool        `json:"sso"`
	Sessions    int         `json:"sessions"` // that live
	Created     time.Time   `json:"created"`
	LastLogin   time.Time   `json:"last_login,omitzero"`
}

// Link is a one-time link: who opens it sets a password.
type Link struct {
	Token   string    `json:"token"`
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
}

// Key is an API key without its secret.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Rights  []string  `json:"rights,omitempty"`
	Node    bool      `json:"node,omitempty"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Used    time.Time `json:"used,omitzero"`
}

// NewKey is a key just made: the secret is shown here alone.
type NewKey struct {
	Key
	Secret string `json:"secret"`
}

// Passkey is one of the own, without its credential.
type Passkey struct {
	ID      string    `json:"id"`
	Label   string    `json:"label"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero"`
}

// AuditPage is one page of the audit log.
type AuditPage struct {
	Items []account.Audit `json:"items"`
	Next  string          `json:"next,omitempty"`
}

// Ceremony is WebAuthn's: options go to the browser's navigator.credentials.
type Ceremony struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

// Bodies.
type (
	accountBody struct {
		Name string `json:"name" doc:"Of the user resource."`
		Node bool   `json:"node,omitempty" doc:"Of the whole node; who asks must be too."`
	}
	accountState struct {
		Disabled bool `json:"disabled"`
	}
	setPassword struct {
		Password string `json:"password" minLength:"10" maxLength:"256"`
	}
	keyBody struct {
		Name    string    `json:"name" maxLength:"64"`
		Role    string    `json:"role" enum:"agent,supervisor,quality,admin,ops,api"`
		Rights  []string  `json:"rights,omitempty" doc:"Only these of the role's."`
		Expires time.Time `json:"expires,omitzero" doc:"Left out: never."`
		Node    bool      `json:"node,omitempty"`
	}
	passkeyBody struct {
		ID     string          `json:"id"`
		Label  string          `json:"label,omitempty" maxLength:"64"`
		Answer json.RawMessage `json:"answer" doc:"Of navigator.credentials, as JSON."`
	}
)

// AccountLinks may be implemented by the application: where the console is.
type AccountLinks interface {
	LinkURL(token string) string
	LinkTime() time.Duration
}

// AuditLog may be implemented by the application.
type AuditLog interface {
	Audit(ctx context.Context, tenant string, f account.AuditFilter) ([]account.Audit, error)
}

func (h *HTTP) accountOperations() []operation {
	const read, change = auth.Right("accounts.read"), auth.Right("accounts.change")
	return []operation{
		{method: "GET", path: "/accounts", right: read, summary: "Accounts of the tenant.", out: items[Account]{},
			do: func(r *http.Request) (any, error) { return wrap(h.accounts(r)) }},
		{method: "POST", path: "/accounts", secret: true, right: change, summary: "Makes an account for a user; a one-time link sets its password.", in: accountBody{}, out: Link{}, do: h.addAccount},
		{method: "DELETE", path: "/accounts/{name}", right: change, summary: "Forgets an account; the user stays.",
			do: func(r *http.Request) (any, error) {
				return h.onAccount(r, func(ref account.Ref) error { return h.auth.Remove(r.Context(), ref) })
			}},
		{method: "POST", path: "/accounts/{name}/state", right: change, summary: "Disables an account and ends its sessions, or lets it in again.", in: accountState{}, do: func(r *http.Request) (any, error) {
			var in accountState
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			return h.onAccount(r, func(ref account.Ref) error { return h.auth.SetDisabled(r.Context(), ref, in.Disabled) })
		}},
		{method: "POST", path: "/accounts/{name}/link", secret: true, right: change, summary: "Makes a one-time link that sets a new password.", out: Link{}, do: h.accountLink},
		{method: "POST", path: "/accounts/{name}/password", right: change, summary: "Sets a password; over the socket alone.", in: setPassword{}, do: func(r *http.Request) (any, error) {
			var in setPassword
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			if !auth.From(r.Context()).Local {
				return nil, fmt.Errorf("%w: others' passwords are set by link", errNoRight)
			}
			return h.onAccount(r, func(ref account.Ref) error { return h.auth.SetPassword(r.Context(), ref, in.Password, "") })
		}},
		{method: "POST", path: "/accounts/{name}/reset-2fa", right: change, summary: "Takes second factor and passkeys away, for who lost them.",
			do: func(r *http.Request) (any, error) {
				return h.onAccount(r, func(ref account.Ref) error { return h.auth.Reset2FA(r.Context(), ref) })
			}},
		{method: "GET", path: "/accounts/{name}/sessions", right: read, summary: "Sessions of an account.", out: items[SessionInfo]{},
			do: func(r *http.Request) (any, error) { return wrap(h.sessionsOf(r, refOf(r))) }},
		{method: "DELETE", path: "/accounts/{name}/sessions", right: change, summary: "Ends all sessions of an account.", out: endedBody{}, do: func(r *http.Request) (any, error) {
			var n int
			_, err := h.onAccount(r, func(ref account.Ref) (err error) { n, err = h.auth.EndSessions(r.Context(), ref, "", ""); return err })
			return endedBody{n}, err
		}},
		{method: "DELETE", path: "/accounts/{name}/sessions/{id}", right: change, summary: "Ends one session of an account.", do: func(r *http.Request) (any, error) {
			return h.onAccount(r, func(ref account.Ref) error {
				n, err := h.auth.EndSessions(r.Context(), ref, r.PathValue("id"), "")
				if err == nil && n == 0 {
					err = fmt.Errorf("session %q: %w", r.PathValue("id"), ErrNotFound)
				}
				return err
			})
		}},
		{method: "GET", path: "/keys", right: "keys.read", summary: "API keys.", out: items[Key]{}, do: func(r *http.Request) (any, error) {
			out := []Key{}
			for _, k := range h.auth.Keys(tenant(r)) {
				out = append(out, keyOf(k))
			}
			return wrap(out, nil)
		}},
		{method: "POST", path: "/keys", secret: true, right: "keys.change", made: http.StatusCreated, summary: "Makes an API key; its secret is shown in the answer alone.", in: keyBody{}, out: NewKey{}, do: h.newKey},
		{method: "DELETE", path: "/keys/{id}", right: "keys.change", summary: "Revokes an API key, by id or name.",
			do: func(r *http.Request) (any, error) {
				return done(h.auth.RevokeKey(r.Context(), tenant(r), r.PathValue("id")))
			}},
		{method: "GET", path: "/audit", right: "audit.read", seen: "audit.read", summary: "Who saw and changed what, newest first.", out: AuditPage{}, do: h.auditLog,
			query: []param{{"by", "string", "Exact."}, {"action", "string", "Exact; recording.* is all that begin so."}, {"object", "string", "Exact."},
				{"from", "string", "RFC 3339."}, {"to", "string", "RFC 3339."}, cursorParam, {"limit", "integer", "1 to 1000; default 100."}}},
		{method: "GET", path: "/me/passkeys", right: auth.Self, summary: "The own passkeys.", out: items[Passkey]{}, do: func(r *http.Request) (any, error) {
			a, _ := h.auth.Account(me(r))
			out := []Passkey{}
			for _, k := range a.Passkeys {
				out = append(out, Passkey{k.ID, k.Label, k.Created.UTC(), k.Used})
			}
			return wrap(out, nil)
		}},
		{method: "POST", path: "/me/passkeys/begin", right: auth.Self, summary: "Begins the making of a passkey.", in: proofBody{}, out: Ceremony{}, do: func(r *http.Request) (any, error) {
			var in proofBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			if err := h.auth.Prove(r.Context(), me(r), in.Password, clientOf(r).Source); err != nil {
				return nil, err
			}
			id, options, err := h.auth.BeginPasskey(me(r))
			return Ceremony{id, options}, err
		}},
		{method: "POST", path: "/me/passkeys", right: auth.Self, made: http.StatusCreated, summary: "Keeps the passkey that was made.", in: passkeyBody{}, out: Passkey{}, do: func(r *http.Request) (any, error) {
			var in passkeyBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			k, err := h.auth.FinishPasskey(r.Context(), me(r), in.ID, in.Label, in.Answer)
			return Passkey{k.ID, k.Label, k.Created.UTC(), k.Used}, err
		}},
		{method: "DELETE", path: "/me/passkeys/{id}", right: auth.Self, summary: "Forgets a passkey.",
			do: func(r *http.Request) (any, error) {
				return done(h.auth.RemovePasskey(r.Context(), me(r), r.PathValue("id")))
			}},
		{method: "POST", path: "/session/passkey/begin", right: auth.Public, summary: "Begins to sign in by passkey.", out: Ceremony{}, do: func(r *http.Request) (any, error) {
			if h.auth == nil {
				return nil, ErrNotFound
			}
			id, options, err := h.auth.BeginPasskeyLogin()
			return Ceremony{id, options}, err
		}},
		{method: "POST", path: "/session/passkey", right: auth.Public, summary: "Signs in by passkey.", in: passkeyBody{}, out: Session{}, serve: func(w http.ResponseWriter, r *http.Request) {
			var in passkeyBody
			h.enter(w, r, &in, func() (string, account.Session, error) {
				return h.auth.SignInPasskey(r.Context(), in.ID, in.Answer, clientOf(r))
			})
		}},
		{method: "GET", path: "/session/sso/{provider}", right: auth.Public, made: http.StatusSeeOther, summary: "Goes to a place of single sign-on.", content: "text/html", serve: h.beginSSO},
		{method: "GET", path: "/session/sso/{provider}/callback", right: auth.Public, made: http.StatusSeeOther, summary: "Comes back from it.", content: "text/html", serve: h.endSSO,
			query: []param{{"state", "string", ""}, {"code", "string", ""}, {"error", "string", ""}, {"error_description", "string", ""}, {"iss", "string", ""}, {"session_state", "string", ""}, {"scope", "string", ""},
				{"authuser", "string", ""}, {"prompt", "string", ""}, {"hd", "string", ""}}},
	}
}

func refOf(r *http.Request) account.Ref {
	return account.Ref{Tenant: tenant(r), Name: r.PathValue("name")}
}

// onAccount does something to the account of the path. Accounts of the whole node
// are changed by their like alone: else a tenant's administrator would become one.
func (h *HTTP) onAccount(r *http.Request, do func(account.Ref) error) (any, error) {
	if h.auth == nil {
		return nil, ErrNotFound
	}
	ref := refOf(r)
	a, ok := h.auth.Account(ref)
	if !ok {
		return nil, fmt.Errorf("account %q: %w", ref.Name, ErrNotFound)
	}
	if p := auth.From(r.Context()); a.Node && !p.Node {
		return nil, fmt.Errorf("%w: account %q is of the whole node", errNoRight, ref.Name)
	}
	return done(do(ref))
}

func (h *HTTP) accounts(r *http.Request) ([]Account, error) {
	if h.auth == nil {
		return nil, ErrNotFound
	}
	var out []Account
	for _, a := range h.auth.Accounts(tenant(r)) {
		display, roles := h.auth.Person(a)
		out = append(out, Account{Tenant: a.Tenant, Name: a.Name, DisplayName: display, Roles: roles, Node: a.Node, Disabled: a.Disabled, Password: a.Password != "",
			TOTP: a.TOTP != "", Passkeys: len(a.Passkeys), SSO: a.Subject != "", Sessions: len(h.auth.Sessions(a.Ref)), Created: a.Created.UTC(), LastLogin: a.LastLogin})
	}
	return out, nil
}

func (h *HTTP) addAccount(r *http.Request) (any, error) {
	var in accountBody
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if h.auth == nil {
		return nil, ErrNotFound
	}
	if in.Node && !auth.From(r.Context()).Node {
		return nil, fmt.Errorf("%w: node", errNoRight)
	}
	ref := account.Ref{Tenant: tenant(r), Name: in.Name}
	if err := h.auth.Add(r.Context(), ref, in.Node); err != nil {
		return nil, err
	}
	return h.link(r, ref)
}

func (h *HTTP) accountLink(r *http.Request) (any, error) {
	var l any
	_, err := h.onAccount(r, func(ref account.Ref) (err error) { l, err = h.link(r, ref); return err })
	return l, err
}

func (h *HTTP) link(r *http.Request, ref account.Ref) (Link, error) {
	where, ok := h.app.(AccountLinks)
	if !ok {
		return Link{}, ErrNotFound
	}
	token, expires, err := h.auth.NewLink(r.Context(), ref, where.LinkTime())
	return Link{token, where.LinkURL(token), expires.UTC()}, err
}

func keyOf(k account.Key) Key {
	return Key{k.ID, k.Name, k.Role, k.Rights, k.Node, k.By, k.Created.UTC(), k.Expires, k.Used}
}

func (h *HTTP) newKey(r *http.Request) (any, error) {
	var in keyBody
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if h.auth == nil {
		return nil, ErrNotFound
	}
	if in.Node && !auth.From(r.Context()).Node {
		return nil, fmt.Errorf("%w: node", errNoRight)
	}
	secret, k, err := h.auth.NewKey(r.Context(), account.Key{Tenant: tenant(r), Name: in.Name, Role: in.Role, Rights: in.Rights, Node: in.Node, Expires: in.Expires, By: whoAsks(r)})
	return NewKey{keyOf(k), secret}, err
}

func (h *HTTP) auditLog(r *http.Request) (any, error) {
	l, ok := h.app.(AuditLog)
	if !ok {
		return nil, ErrNotFound
	}
	q := r.URL.Query()
	f := account.AuditFilter{By: q.Get("by"), Action: q.Get("action"), Object: q.Get("object"), Limit: 100}
	for name, into := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if s := q.Get(name); s != "" {
			at, err := time.Parse(time.RFC3339, s)
			if err != nil {
				return nil, fmt.Errorf("%w: %s %q: want RFC 3339", ErrInvalid, name, s)
			}
			*into = at
		}
	}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1000 {
			return nil, fmt.Errorf("%w: limit %q: want 1 to 1000", ErrInvalid, s)
		}
		f.Limit = n
	}
	if s := q.Get("cursor"); s != "" {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%w: cursor %q", ErrInvalid, s)
		}
		f.Before = n
	}
	lines, err := l.Audit(r.Context(), tenant(r), f)
	page := AuditPage{Items: lines}
	if len(lines) == f.Limit {
		page.Next = strconv.FormatUint(lines[len(lines)-1].Seq, 10)
	}
	return page, err
}

// ssoCookie binds the provider's answer to this browser. It is Lax: the answer comes
// from the provider's site.
func ssoCookie(secure bool, value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName(secure) + "-sso", Value: value, Path: "/", MaxAge: age, Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

func (h *HTTP) beginSSO(w http.ResponseWriter, r *http.Request) {
	q, ok := r.Context().Value(webKey{}).(*webRequest)
	if h.auth == nil || !ok {
		h.fail(w, r, ErrNotFound, nil)
		return
	}
	url, cookie, err := h.auth.BeginSSO(r.Context(), r.PathValue("provider"))
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	http.SetCookie(w, ssoCookie(q.secure, cookie, 600))
	http.Redirect(w, r, url, http.StatusSeeOther)
}

func (h *HTTP) endSSO(w http.ResponseWriter, r *http.Request) {
	q, ok := r.Context().Value(webKey{}).(*webRequest)
	if h.auth == nil || !ok {
		h.fail(w, r, ErrNotFound, nil)
		return
	}
	v := r.URL.Query()
	token, session, err := "", account.Session{}, error(auth.ErrRefused)
	if c, cerr := r.Cookie(cookieName(q.secure) + "-sso"); cerr == nil && v.Get("error") == "" {
		token, session, err = h.auth.SignInSSO(r.Context(), r.PathValue("provider"), v.Get("state"), c.Value, v.Get("code"), clientOf(r))
	}
	http.SetCookie(w, ssoCookie(q.secure, "", -1))
	if err != nil { // the page says it; a bare problem would strand a person
		http.Redirect(w, r, "/#/login?error=sso", http.StatusSeeOther)
		return
	}
	q.web.setCookie(w, q, token, session.Expires)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
