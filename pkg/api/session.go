package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/auth/account"
	"github.com/centrala/centrala/pkg/resource"
)

// Session is who is signed in and what the log-in page may offer.
type Session struct {
	User *SignedIn `json:"user,omitempty"` // absent: nobody
	// Rights of the user: right -> own or tenant. What is not here is refused.
	Rights map[auth.Right]string `json:"rights,omitempty"`
	Login  LoginWays             `json:"login"`
	// Server's clock, for pages that count time.
	Now     time.Time `json:"now"`
	Version string    `json:"version"`
}

// SignedIn is the user of a session.
type SignedIn struct {
	Tenant      string      `json:"tenant"`
	Name        string      `json:"name"`
	DisplayName string      `json:"display_name,omitempty"`
	Roles       []auth.Role `json:"roles"`
	Device      string      `json:"device,omitempty"`
	Node        bool        `json:"node,omitempty"` // may name every tenant
	Method      string      `json:"method,omitempty"`
	Expires     time.Time   `json:"expires,omitzero"`
	TOTP        bool        `json:"totp"` // has a second factor
}

// LoginWays are the ways to sign in here.
type LoginWays struct {
	Password bool       `json:"password"`
	Passkeys bool       `json:"passkeys"`
	SSO      []auth.SSO `json:"sso,omitempty"`
	// Demo users sign in without a password, on loopback.
	Demo []DemoUser `json:"demo,omitempty"`
}

// DemoUser is one of the demonstration.
type DemoUser struct {
	Tenant      string   `json:"tenant"`
	Name        string   `json:"name"`
	DisplayName string   `json:"display_name,omitempty"`
	Roles       []string `json:"roles"`
}

// Bodies of signing in.
type (
	loginBody struct {
		Tenant   string `json:"tenant,omitempty" doc:"Left out: default."`
		Name     string `json:"name"`
		Password string `json:"password"`
		Code     string `json:"code,omitempty" doc:"Of the second factor, when the first answer was code_wanted; or a recovery code."`
	}
	demoBody struct {
		Tenant string `json:"tenant,omitempty"`
		Name   string `json:"name"`
	}
	tokenBody struct {
		Token string `json:"token"`
	}
	linkBody struct {
		Token    string `json:"token"`
		Password string `json:"password" minLength:"10" maxLength:"256"`
	}
	passwordBody struct {
		Old string `json:"old"`
		New string `json:"new" minLength:"10" maxLength:"256"`
	}
	codeBody struct {
		Code string `json:"code"`
	}
	proofBody struct {
		Password string `json:"password"`
	}
	// AccountRef names an account.
	linkOf struct {
		Tenant string `json:"tenant"`
		Name   string `json:"name"`
	}
	totpBegun struct {
		Secret string `json:"secret" doc:"Base32, to be typed."`
		URL    string `json:"url" doc:"otpauth://, for the QR code."`
	}
	totpDone struct {
		Recovery []string `json:"recovery" doc:"Each is good once; they are shown here alone."`
	}
	endedBody struct {
		Ended int `json:"ended"`
	}
)

// SessionInfo is one session in a list.
type SessionInfo struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`
	Expires time.Time `json:"expires"`
	Source  string    `json:"source"`
	Agent   string    `json:"agent"`
	Method  string    `json:"method"`
	Current bool      `json:"current,omitempty"`
}

func (h *HTTP) sessionOperations() []operation {
	return []operation{
		{method: "GET", path: "/session", right: auth.Public, summary: "Who is signed in, with what rights; and the ways to sign in.", out: Session{},
			do: func(r *http.Request) (any, error) { return h.session(r, auth.From(r.Context())), nil }},
		{method: "POST", path: "/session", right: auth.Public, summary: "Signs in with a password.", in: loginBody{}, out: Session{}, serve: h.signIn},
		{method: "DELETE", path: "/session", right: auth.Self, journalled: true, summary: "Signs out.", serve: h.signOut},
		{method: "POST", path: "/session/demo", right: auth.Public, summary: "Signs a user of the demonstration in.", in: demoBody{}, out: Session{}, serve: h.signInDemo},
		{method: "POST", path: "/session/link", right: auth.Public, summary: "Uses a one-time link: sets the password and signs in.", in: linkBody{}, out: Session{}, serve: h.useLink},
		{method: "POST", path: "/session/link/look", right: auth.Public, summary: "Whose a one-time link is.", in: tokenBody{}, out: linkOf{}, do: h.lookLink},
		{method: "GET", path: "/me/sessions", right: auth.Self, summary: "The own sessions.", out: items[SessionInfo]{},
			do: func(r *http.Request) (any, error) { return wrap(h.sessionsOf(r, me(r))) }},
		{method: "DELETE", path: "/me/sessions", right: auth.Self, summary: "Ends all own sessions but this one.", out: endedBody{},
			do: func(r *http.Request) (any, error) {
				n, err := h.auth.EndSessions(r.Context(), me(r), "", auth.From(r.Context()).Session)
				return endedBody{n}, err
			}},
		{method: "DELETE", path: "/me/sessions/{id}", right: auth.Self, summary: "Ends one of the own sessions.", do: func(r *http.Request) (any, error) {
			n, err := h.auth.EndSessions(r.Context(), me(r), r.PathValue("id"), "")
			if err == nil && n == 0 {
				err = ErrNotFound
			}
			return done(err)
		}},
		{method: "POST", path: "/me/password", right: auth.Self, summary: "Changes the own password; all other sessions end.", in: passwordBody{}, do: func(r *http.Request) (any, error) {
			var in passwordBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			p := auth.From(r.Context())
			return done(h.auth.ChangePassword(r.Context(), me(r), in.Old, in.New, p.Session, clientOf(r).Source))
		}},
		{method: "POST", path: "/me/totp", secret: true, right: auth.Self, summary: "Begins a second factor; it counts once it is confirmed.", in: proofBody{}, out: totpBegun{}, do: func(r *http.Request) (any, error) {
			var in proofBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			if err := h.auth.Prove(r.Context(), me(r), in.Password, clientOf(r).Source); err != nil {
				return nil, err
			}
			secret, url, err := h.auth.BeginTOTP(r.Context(), me(r))
			return totpBegun{secret, url}, err
		}},
		{method: "POST", path: "/me/totp/confirm", secret: true, right: auth.Self, summary: "Confirms it by a code, and gives the recovery codes.", in: codeBody{}, out: totpDone{}, do: func(r *http.Request) (any, error) {
			var in codeBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			codes, err := h.auth.ConfirmTOTP(r.Context(), me(r), in.Code)
			return totpDone{codes}, err
		}},
		{method: "DELETE", path: "/me/totp", right: auth.Self, summary: "Takes the second factor away.", in: proofBody{}, do: func(r *http.Request) (any, error) {
			var in proofBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			return done(h.auth.TOTPOff(r.Context(), me(r), in.Password, clientOf(r).Source))
		}},
	}
}

func me(r *http.Request) account.Ref {
	p := auth.From(r.Context())
	return account.Ref{Tenant: p.Tenant, Name: p.Name}
}

// clientOf is where a request comes from, as the web listener has found it out.
func clientOf(r *http.Request) auth.Client {
	c := auth.Client{Agent: r.UserAgent()}
	if w, ok := r.Context().Value(webKey{}).(*webRequest); ok {
		c.Source = w.source
	} else if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.Source = ap.Addr()
	}
	return c
}

// session describes p to the page.
func (h *HTTP) session(r *http.Request, p *auth.Principal) Session {
	s := Session{Now: time.Now().UTC(), Login: LoginWays{Password: true}}
	if st, err := h.app.Status(r.Context()); err == nil {
		s.Version = st.Version
	}
	if h.auth != nil {
		s.Login.Passkeys, s.Login.SSO = h.auth.PasskeysOn(), h.auth.SSO()
	}
	if h.demo(r) {
		s.Login.Demo = h.demoUsers()
	}
	if p != nil && p.Session != "" {
		s.User = &SignedIn{Tenant: p.Tenant, Name: p.Name, DisplayName: p.DisplayName, Roles: p.Roles, Device: p.Device, Node: p.Node, Method: p.Method, Expires: p.Expires}
		a, _ := h.auth.Account(account.Ref{Tenant: p.Tenant, Name: p.Name})
		s.User.TOTP = a.TOTP != ""
		s.Rights = p.Rights()
	}
	return s
}

// demo: this request may sign in without a password.
func (h *HTTP) demo(r *http.Request) bool {
	w, ok := r.Context().Value(webKey{}).(*webRequest)
	return ok && w.web.cfg.Demo && w.loopback
}

// DemoUsers may be implemented by the application: who can be signed in by a click
// in the demonstration.
type DemoUsers interface{ DemoUsers() []DemoUser }

func (h *HTTP) demoUsers() []DemoUser {
	out := []DemoUser{{resource.DefaultTenant, auth.DemoAdmin, "Administrator", []string{string(auth.RoleAdmin)}}}
	if d, ok := h.app.(DemoUsers); ok {
		for _, u := range d.DemoUsers() {
			if u.Tenant != resource.DefaultTenant || u.Name != auth.DemoAdmin {
				out = append(out, u)
			}
		}
	}
	return out
}

func orDefault(t string) string {
	if t == "" {
		return resource.DefaultTenant
	}
	return t
}

func (h *HTTP) signIn(w http.ResponseWriter, r *http.Request) {
	var in loginBody
	h.enter(w, r, &in, func() (string, account.Session, error) {
		return h.auth.SignIn(r.Context(), auth.Login{Ref: account.Ref{Tenant: orDefault(in.Tenant), Name: in.Name}, Password: in.Password, Code: in.Code, Client: clientOf(r)})
	})
}

func (h *HTTP) signInDemo(w http.ResponseWriter, r *http.Request) {
	var in demoBody
	h.enter(w, r, &in, func() (string, account.Session, error) {
		if !h.demo(r) {
			return "", account.Session{}, ErrNotFound
		}
		return h.auth.SignInDemo(r.Context(), account.Ref{Tenant: orDefault(in.Tenant), Name: in.Name}, clientOf(r))
	})
}

func (h *HTTP) useLink(w http.ResponseWriter, r *http.Request) {
	var in linkBody
	h.enter(w, r, &in, func() (string, account.Session, error) {
		return h.auth.UseLink(r.Context(), in.Token, in.Password, clientOf(r))
	})
}

func (h *HTTP) lookLink(r *http.Request) (any, error) {
	var in tokenBody
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if h.auth == nil {
		return nil, ErrNotFound
	}
	ref, ok := h.auth.LinkOf(in.Token)
	if !ok {
		return nil, ErrNotFound
	}
	return linkOf{ref.Tenant, ref.Name}, nil
}

// enter begins a session and sets its cookie. A session that the browser brought
// along ends: nobody goes on under two names.
func (h *HTTP) enter(w http.ResponseWriter, r *http.Request, in any, sign func() (string, account.Session, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	web, ok := r.Context().Value(webKey{}).(*webRequest)
	if h.auth == nil || !ok {
		h.fail(w, r, ErrNotFound, nil) // a cookie has no place on the socket
		return
	}
	if err := decode(r, in); err != nil {
		h.fail(w, r, err, nil)
		return
	}
	token, v, err := sign()
	if err != nil {
		h.fail(w, r, err, nil)
		return
	}
	if old := auth.From(r.Context()); old != nil && old.Session != "" {
		_, _ = h.auth.EndSessions(r.Context(), account.Ref{Tenant: old.Tenant, Name: old.Name}, old.Session, "")
	}
	web.web.setCookie(w, web, token, v.Expires)
	p := h.auth.BySession(token, clientOf(r).Source.String())
	h.handle(0, maxBody, func(*http.Request) (any, error) { return h.session(r, p), nil }).ServeHTTP(w, r)
}

func (h *HTTP) signOut(w http.ResponseWriter, r *http.Request) {
	p := auth.From(r.Context())
	if p.Session != "" {
		if _, err := h.auth.EndSessions(r.Context(), me(r), p.Session, ""); err != nil {
			h.fail(w, r, err, nil)
			return
		}
		h.audit(r, "session.ended", p.Name, "")
	}
	if web, ok := r.Context().Value(webKey{}).(*webRequest); ok {
		web.web.setCookie(w, web, "", time.Unix(0, 0))
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}\n"))
}

func (h *HTTP) sessionsOf(r *http.Request, ref account.Ref) ([]SessionInfo, error) {
	var out []SessionInfo
	p := auth.From(r.Context())
	for _, v := range h.auth.Sessions(ref) {
		out = append(out, SessionInfo{v.ID, v.Created.UTC(), v.Seen.UTC(), v.Expires.UTC(), v.Source, v.Agent, v.Method, v.ID == p.Session})
	}
	return out, nil
}

// Codes of problems that a program branches on.
const (
	codeRefused = "refused"     // name, password or code is wrong
	codeWanted  = "code_wanted" // the password is right, a code is wanted beside it
	codeBraked  = "braked"      // too many failed tries; Retry-After
	codeSignIn  = "sign_in"     // no session, or it is over
)

// signInProblem answers the errors of signing in; false: it is another error.
func signInProblem(w http.ResponseWriter, err error) bool {
	var brake *auth.BrakeError
	p := Problem{Type: "about:blank", Status: http.StatusUnauthorized}
	switch {
	case errors.As(err, &brake):
		p.Status, p.Code, p.Detail = http.StatusTooManyRequests, codeBraked, "too many failed tries"
		w.Header().Set("Retry-After", strconv.Itoa(int(brake.Wait/time.Second)+1))
	case errors.Is(err, auth.ErrBusy):
		p.Status, p.Code, p.Detail = http.StatusServiceUnavailable, codeBraked, "too many sign in at once"
		w.Header().Set("Retry-After", "1")
	case errors.Is(err, auth.ErrCode):
		p.Code, p.Detail = codeWanted, "a code of the second factor is wanted"
	case errors.Is(err, auth.ErrRefused):
		p.Code, p.Detail = codeRefused, "name, password or code is wrong"
	case errors.Is(err, errSignIn):
		p.Code, p.Detail = codeSignIn, "sign in first"
		w.Header().Set("WWW-Authenticate", "Bearer")
	default:
		return false
	}
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
	return true
}
