package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/centrala/centrala/pkg/auth/account"
)

// ErrNoPasskeys: the node has no public URL, which passkeys are bound to.
var ErrNoPasskeys = fmt.Errorf("%w: passkeys need web.public_url in the node file", ErrInvalid)

// passkeys holds the ceremonies that have begun, a few minutes each.
type passkeys struct {
	web *webauthn.WebAuthn

	mu     sync.Mutex
	begun  map[string]ceremony
	bySpan time.Duration
}

type ceremony struct {
	data    webauthn.SessionData
	ref     account.Ref // of a registration; zero at a log-in
	expires time.Time
}

// maxCeremonies bounds what strangers who only begin can fill.
const maxCeremonies = 5000

func newPasskeys(cfg Config) (*passkeys, error) {
	if len(cfg.Origins) == 0 {
		return nil, nil
	}
	u, err := url.Parse(cfg.Origins[0])
	if err != nil {
		return nil, fmt.Errorf("auth: passkeys: %w", err)
	}
	if _, err := netip.ParseAddr(strings.Trim(u.Hostname(), "[]")); err == nil {
		return nil, nil // WebAuthn knows domains alone
	}
	w, err := webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: cfg.Issuer, RPOrigins: cfg.Origins,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired}})
	if err != nil {
		return nil, fmt.Errorf("auth: passkeys: %w", err)
	}
	return &passkeys{web: w, begun: map[string]ceremony{}, bySpan: 5 * time.Minute}, nil
}

func (p *passkeys) keep(now time.Time, data webauthn.SessionData, r account.Ref) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, c := range p.begun {
		if now.After(c.expires) {
			delete(p.begun, id)
		}
	}
	if len(p.begun) >= maxCeremonies {
		return "", ErrBusy
	}
	id := random(16)
	p.begun[id] = ceremony{data, r, now.Add(p.bySpan)}
	return id, nil
}

// take ends a ceremony: a challenge is answered once.
func (p *passkeys) take(now time.Time, id string) (ceremony, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.begun[id]
	delete(p.begun, id)
	return c, ok && now.Before(c.expires)
}

// webUser is an account as webauthn sees it. The handle is tenant and name: an
// account that is made again under its name does not inherit passkeys, for they
// went with it.
type webUser struct{ a account.Account }

func (u webUser) WebAuthnID() []byte          { return handleOf(u.a.Ref) }
func (u webUser) WebAuthnName() string        { return u.a.Name }
func (u webUser) WebAuthnDisplayName() string { return u.a.Name + " (" + u.a.Tenant + ")" }
func (u webUser) WebAuthnCredentials() []webauthn.Credential {
	var out []webauthn.Credential
	for _, k := range u.a.Passkeys {
		var c webauthn.Credential
		if json.Unmarshal(k.Credential, &c) == nil {
			out = append(out, c)
		}
	}
	return out
}

// handleOf is at most 64 bytes (WebAuthn 5.4.3): a hash of the account's name, so
// that the key itself tells nobody whose it is.
func handleOf(r account.Ref) []byte { return []byte(hashToken(r.Tenant + "/" + r.Name)) }

// PasskeysOn tells whether passkeys can be used here.
func (s *Service) PasskeysOn() bool { return s.passkeys != nil }

// BeginPasskey starts the making of a passkey for an account that is signed in:
// options are for navigator.credentials.create.
func (s *Service) BeginPasskey(r account.Ref) (id string, options any, err error) {
	if s.passkeys == nil {
		return "", nil, ErrNoPasskeys
	}
	a, ok := s.Account(r)
	if !ok {
		return "", nil, fmt.Errorf("account %q: %w", r.Name, ErrNotFound)
	}
	u := webUser{a}
	var known []protocol.CredentialDescriptor
	for _, c := range u.WebAuthnCredentials() {
		known = append(known, c.Descriptor())
	}
	creation, data, err := s.passkeys.web.BeginRegistration(u, webauthn.WithExclusions(known))
	if err != nil {
		return "", nil, fmt.Errorf("auth: passkey: %w", err)
	}
	id, err = s.passkeys.keep(s.cfg.Now(), *data, r)
	return id, creation, err
}

// maxPasskeys of an account.
const maxPasskeys = 20

// FinishPasskey keeps the passkey that the authenticator made.
func (s *Service) FinishPasskey(ctx context.Context, r account.Ref, id, label string, answer []byte) (account.Passkey, error) {
	if s.passkeys == nil {
		return account.Passkey{}, ErrNoPasskeys
	}
	c, ok := s.passkeys.take(s.cfg.Now(), id)
	if !ok || c.ref != r {
		return account.Passkey{}, fmt.Errorf("%w: the passkey was begun too long ago; begin again", ErrInvalid)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBody(bytes.NewReader(answer))
	if err != nil {
		return account.Passkey{}, fmt.Errorf("%w: passkey: %w", ErrInvalid, err)
	}
	a, _ := s.Account(r)
	cred, err := s.passkeys.web.CreateCredential(webUser{a}, c.data, parsed)
	if err != nil {
		return account.Passkey{}, fmt.Errorf("%w: passkey: %w", ErrInvalid, err)
	}
	text, err := json.Marshal(cred)
	if err != nil {
		return account.Passkey{}, fmt.Errorf("auth: passkey: %w", err)
	}
	k := account.Passkey{ID: base64.RawURLEncoding.EncodeToString(cred.ID), Label: cut(label, 64), Created: s.cfg.Now(), Credential: text}
	err = s.changeAccount(ctx, r, func(a *account.Account) error {
		if len(a.Passkeys) >= maxPasskeys {
			return fmt.Errorf("%w: %d passkeys are the most", ErrInvalid, maxPasskeys)
		}
		a.Passkeys = append(a.Passkeys, k)
		return nil
	})
	return k, err
}

// RemovePasskey forgets one.
func (s *Service) RemovePasskey(ctx context.Context, r account.Ref, id string) error {
	return s.changeAccount(ctx, r, func(a *account.Account) error {
		for i, k := range a.Passkeys {
			if k.ID == id {
				a.Passkeys = append(a.Passkeys[:i], a.Passkeys[i+1:]...)
				return nil
			}
		}
		return fmt.Errorf("passkey: %w", ErrNotFound)
	})
}

// BeginPasskeyLogin starts a log-in without a name: options are for
// navigator.credentials.get.
func (s *Service) BeginPasskeyLogin() (id string, options any, err error) {
	if s.passkeys == nil {
		return "", nil, ErrNoPasskeys
	}
	assertion, data, err := s.passkeys.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return "", nil, fmt.Errorf("auth: passkey: %w", err)
	}
	id, err = s.passkeys.keep(s.cfg.Now(), *data, account.Ref{})
	return id, assertion, err
}

// SignInPasskey finishes it. A passkey is two factors in one: what one has, and
// what it asked for (user verification is required).
func (s *Service) SignInPasskey(ctx context.Context, id string, answer []byte, client Client) (string, account.Session, error) {
	if s.passkeys == nil {
		return "", account.Session{}, ErrNoPasskeys
	}
	now, keys := s.cfg.Now(), brakeKeys(account.Ref{}, client.Source)
	if wait := s.brake.wait(now, keys); wait > 0 {
		return "", account.Session{}, &BrakeError{wait}
	}
	c, ok := s.passkeys.take(now, id)
	var parsed *protocol.ParsedCredentialAssertionData
	err := errors.New("unknown ceremony")
	if ok && c.ref == (account.Ref{}) {
		parsed, err = protocol.ParseCredentialRequestResponseBody(bytes.NewReader(answer))
	}
	var who account.Account
	var cred *webauthn.Credential
	if err == nil {
		_, cred, err = s.passkeys.web.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
			for _, a := range s.Accounts("") {
				if bytes.Equal(handleOf(a.Ref), handle) && !a.Disabled && len(s.roles(a)) > 0 {
					who = a
					return webUser{a}, nil
				}
			}
			return nil, ErrNotFound
		}, c.data, parsed)
	}
	if err != nil || cred.Authenticator.CloneWarning {
		s.brake.fail(now, keys)
		return "", account.Session{}, ErrRefused
	}
	key := base64.RawURLEncoding.EncodeToString(cred.ID)
	err = s.changeAccount(ctx, who.Ref, func(a *account.Account) error {
		for i := range a.Passkeys {
			if a.Passkeys[i].ID == key {
				text, err := json.Marshal(cred)
				a.Passkeys[i].Credential, a.Passkeys[i].Used = text, now
				return err
			}
		}
		return ErrRefused
	})
	if err != nil {
		return "", account.Session{}, err
	}
	return s.begin(ctx, who.Ref, "passkey", client)
}
