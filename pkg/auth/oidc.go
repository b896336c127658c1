package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.uber.org/zap"
	"golang.org/x/oauth2"

	"github.com/centrala/centrala/pkg/auth/account"
)

// Provider is one place of single sign-on (OpenID Connect Core 1.0, code flow with
// PKCE).
type Provider struct {
	Name         string // in URLs: "google"
	Label        string // on the button
	Issuer       string
	ClientID     string
	ClientSecret string
	Redirect     string // our callback's URL
	Scopes       []string
	Tenant       string // whose users sign in here
	// UserClaim holds the name of the user resource; "" = preferred_username. What
	// stands before an @ counts.
	UserClaim string
	// RoleClaim lists groups, and Roles says which of them is needed for which role: a
	// user has the roles of the resource that the groups allow. Empty: all of them.
	RoleClaim string
	Roles     map[string]string // group -> role
	Client    *http.Client      // nil = http.DefaultClient with a time-out
}

type provider struct {
	Provider
	mu    sync.Mutex
	found *oidc.Provider // discovered at the first use: a provider that is down must not stop the node
	begun map[string]attempt
}

type attempt struct {
	browser         string // hash of the cookie that this browser was given
	nonce, verifier string
	expires         time.Time
}

// ssoSpan is how long one may take at the provider.
const ssoSpan = 10 * time.Minute

func newProvider(p Provider) *provider {
	if p.Client == nil {
		p.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if p.UserClaim == "" {
		p.UserClaim = "preferred_username"
	}
	return &provider{Provider: p, begun: map[string]attempt{}}
}

// SSO is a button of the log-in page.
type SSO struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// SSO lists the providers.
func (s *Service) SSO() []SSO {
	out := []SSO{}
	for _, p := range s.sso {
		label := p.Label
		if label == "" {
			label = p.Name
		}
		out = append(out, SSO{p.Name, label})
	}
	return out
}

func (s *Service) provider(name string) (*provider, error) {
	for _, p := range s.sso {
		if p.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("single sign-on %q: %w", name, ErrNotFound)
}

// discover reads the provider's own description, once it answers.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		// The provider keeps this context to fetch keys later: it must not end with the request.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.Client), p.Issuer)
		if err != nil {
			return nil, fmt.Errorf("auth: single sign-on %q: %w", p.Name, err)
		}
		p.found = found
	}
	return p.found, nil
}

func (p *provider) oauth(found *oidc.Provider) *oauth2.Config {
	scopes := []string{oidc.ScopeOpenID, "profile"}
	for _, sc := range p.Scopes {
		if !slices.Contains(scopes, sc) {
			scopes = append(scopes, sc)
		}
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: found.Endpoint(), RedirectURL: p.Redirect, Scopes: scopes}
}

// BeginSSO starts a log-in: the browser goes to url and carries the cookie, which
// binds the answer to this browser.
func (s *Service) BeginSSO(ctx context.Context, name string) (url, cookie string, err error) {
	p, err := s.provider(name)
	if err != nil {
		return "", "", err
	}
	found, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	now := s.cfg.Now()
	state, cookie := random(24), random(24)
	a := attempt{browser: hashToken(cookie), nonce: random(24), verifier: oauth2.GenerateVerifier(), expires: now.Add(ssoSpan)}
	p.mu.Lock()
	for k, v := range p.begun {
		if now.After(v.expires) {
			delete(p.begun, k)
		}
	}
	full := len(p.begun) >= maxCeremonies
	if !full {
		p.begun[state] = a
	}
	p.mu.Unlock()
	if full {
		return "", "", ErrBusy
	}
	return p.oauth(found).AuthCodeURL(state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)), cookie, nil
}

// SignInSSO takes the provider's answer. ErrRefused for all that is not as begun;
// the log has why.
func (s *Service) SignInSSO(ctx context.Context, name, state, cookie, code string, client Client) (string, account.Session, error) {
	p, err := s.provider(name)
	if err != nil {
		return "", account.Session{}, err
	}
	p.mu.Lock()
	a, ok := p.begun[state]
	delete(p.begun, state) // an answer is good once
	p.mu.Unlock()
	now := s.cfg.Now()
	if !ok || now.After(a.expires) || subtle.ConstantTimeCompare([]byte(a.browser), []byte(hashToken(cookie))) != 1 {
		return "", account.Session{}, ErrRefused
	}
	ref, err := s.ssoUser(ctx, p, a, code)
	if err != nil {
		s.cfg.Log.Warn("single sign-on refused", zap.String("provider", name), zap.Error(err))
		s.audit("", "session.refused", name, client.Source.String(), "single sign-on", p.Tenant)
		return "", account.Session{}, ErrRefused
	}
	return s.begin(ctx, ref, "oidc", client)
}

func (s *Service) ssoUser(ctx context.Context, p *provider, a attempt, code string) (account.Ref, error) {
	var none account.Ref
	found, err := p.discover(ctx)
	if err != nil {
		return none, err
	}
	ctx = oidc.ClientContext(ctx, p.Client)
	token, err := p.oauth(found).Exchange(ctx, code, oauth2.VerifierOption(a.verifier))
	if err != nil {
		return none, err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return none, errors.New("the answer has no id_token")
	}
	id, err := found.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return none, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.nonce)) != 1 {
		return none, errors.New("the nonce is not ours")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return none, err
	}
	who, _ := claims[p.UserClaim].(string)
	who, _, _ = strings.Cut(strings.ToLower(who), "@")
	// An e-mail address that nobody proved is anybody's.
	if v, there := claims["email_verified"]; p.UserClaim == "email" && (!there || v != true) {
		return none, errors.New("the e-mail address is not verified")
	}
	ref := account.Ref{Tenant: p.Tenant, Name: who}
	u, ok := s.users.AuthUser(ref.Tenant, ref.Name)
	if !ok {
		return none, fmt.Errorf("there is no user %q in tenant %q", who, p.Tenant)
	}
	if p.RoleClaim != "" && !p.allowed(claims, u.Roles) {
		return none, fmt.Errorf("user %q is in no group that gives one of the roles %v", who, u.Roles)
	}
	subject := p.Issuer + " " + id.Subject
	acc, ok := s.Account(ref)
	switch {
	case !ok:
		if err := s.Add(ctx, ref, false); err != nil {
			return none, err
		}
	case acc.Disabled:
		return none, fmt.Errorf("account %q is disabled", who)
	case acc.Node:
		return none, fmt.Errorf("account %q is of the whole node and signs in here alone", who)
	case acc.Subject != "" && acc.Subject != subject:
		// The name was given to another person over there: it is not the same account.
		return none, fmt.Errorf("account %q belongs to another subject of the provider", who)
	}
	return ref, s.changeAccount(ctx, ref, func(a *account.Account) error { a.Subject = subject; return nil })
}

// allowed: each role of the user resource that the map names must be given by a
// group, and one role at least must remain.
func (p *provider) allowed(claims map[string]any, roles []string) bool {
	var groups []string
	switch v := claims[p.RoleClaim].(type) {
	case string:
		groups = strings.Fields(v)
	case []any:
		for _, g := range v {
			if s, ok := g.(string); ok {
				groups = append(groups, s)
			}
		}
	}
	given := map[string]bool{}
	for _, g := range groups {
		if r := p.Roles[g]; r != "" {
			given[r] = true
		}
	}
	for _, r := range roles {
		if !given[r] {
			return false
		}
	}
	return len(roles) > 0
}
