package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/auth/account"
)

// Account finds an account.
func (s *Service) Account(r account.Ref) (account.Account, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.accounts[r]
	return a, ok
}

// Accounts lists the accounts of a tenant by name; "" = of all.
func (s *Service) Accounts(tenant string) []account.Account {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []account.Account
	for r, a := range s.accounts {
		if tenant == "" || r.Tenant == tenant {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(x, y account.Account) int {
		return strings.Compare(x.Tenant+"/"+x.Name, y.Tenant+"/"+y.Name)
	})
	return out
}

// changeAccount reads, changes and writes an account; two changes at once are made
// one after the other.
func (s *Service) changeAccount(ctx context.Context, r account.Ref, change func(*account.Account) error) error {
	s.change.Lock()
	defer s.change.Unlock()
	a, ok := s.Account(r)
	if !ok {
		return fmt.Errorf("account %q: %w", r.Name, ErrNotFound)
	}
	// The slices are shared with readers: a change makes new ones.
	a.Recovery, a.Passkeys = slices.Clone(a.Recovery), slices.Clone(a.Passkeys)
	if err := change(&a); err != nil {
		return err
	}
	return s.put(ctx, a)
}

func (s *Service) put(ctx context.Context, a account.Account) error {
	if err := s.store.SaveAccount(ctx, a); err != nil {
		return err
	}
	s.mu.Lock()
	s.accounts[a.Ref] = a
	s.mu.Unlock()
	return nil
}

// errThere: an account of that name is there already.
var errThere = errors.New("auth: there is an account already")

// Add makes an account for a user resource; node makes it one of the whole node.
// It has no password yet: see NewLink.
func (s *Service) Add(ctx context.Context, r account.Ref, node bool) error {
	s.change.Lock()
	defer s.change.Unlock()
	if _, ok := s.Account(r); ok {
		return fmt.Errorf("%w: %q: %w", ErrInvalid, r.Name, errThere)
	}
	if _, ok := s.users.AuthUser(r.Tenant, r.Name); !ok && !node {
		return fmt.Errorf("%w: there is no user %q in tenant %q; apply one first", ErrInvalid, r.Name, r.Tenant)
	}
	now := s.cfg.Now()
	return s.put(ctx, account.Account{Ref: r, Node: node, Created: now, Changed: now})
}

// Remove forgets an account and ends its sessions. The user resource stays.
func (s *Service) Remove(ctx context.Context, r account.Ref) error {
	s.change.Lock()
	defer s.change.Unlock()
	if _, ok := s.Account(r); !ok {
		return fmt.Errorf("account %q: %w", r.Name, ErrNotFound)
	}
	if err := s.store.DeleteAccount(ctx, r); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.accounts, r)
	s.mu.Unlock()
	_, err := s.EndSessions(ctx, r, "", "")
	return err
}

// SetDisabled locks an account out, or lets it in again. Sessions end at once.
func (s *Service) SetDisabled(ctx context.Context, r account.Ref, off bool) error {
	if err := s.changeAccount(ctx, r, func(a *account.Account) error { a.Disabled = off; return nil }); err != nil || !off {
		return err
	}
	_, err := s.EndSessions(ctx, r, "", "")
	return err
}

// SetPassword sets a password and ends all sessions but keep.
func (s *Service) SetPassword(ctx context.Context, r account.Ref, password, keep string) error {
	if err := checkPassword(r.Name, password); err != nil {
		return err
	}
	hash, err := s.hasher.make(ctx, password)
	if err != nil {
		return err
	}
	err = s.changeAccount(ctx, r, func(a *account.Account) error {
		a.Password, a.Changed = hash, s.cfg.Now()
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.dropLinks(ctx, r); err != nil {
		return err
	}
	_, err = s.EndSessions(ctx, r, "", keep)
	return err
}

// ChangePassword is SetPassword by who knows the old one. It is braked as a log-in is.
func (s *Service) ChangePassword(ctx context.Context, r account.Ref, old, password, keep string, source netip.Addr) error {
	if err := s.Prove(ctx, r, old, source); err != nil {
		return err
	}
	return s.SetPassword(ctx, r, password, keep)
}

// Prove checks a password once more, before what a stolen session must not do. An
// account without a password has nothing to prove.
func (s *Service) Prove(ctx context.Context, r account.Ref, password string, source netip.Addr) error {
	a, ok := s.Account(r)
	if !ok {
		return fmt.Errorf("account %q: %w", r.Name, ErrNotFound)
	}
	if a.Password == "" {
		return nil
	}
	now, keys := s.cfg.Now(), brakeKeys(r, source)
	if wait := s.brake.wait(now, keys); wait > 0 {
		return &BrakeError{wait}
	}
	right, err := s.hasher.verify(ctx, a.Password, password)
	if err != nil {
		return err
	}
	if !right {
		s.brake.fail(now, keys)
		return ErrRefused
	}
	return nil
}

// NewLink makes a one-time link: its token sets a password once, before it
// expires. Links made before are good no more.
func (s *Service) NewLink(ctx context.Context, r account.Ref, valid time.Duration) (token string, expires time.Time, err error) {
	a, ok := s.Account(r)
	if !ok {
		return "", expires, fmt.Errorf("account %q: %w", r.Name, ErrNotFound)
	}
	if a.Disabled {
		return "", expires, fmt.Errorf("%w: account %q is disabled", ErrInvalid, r.Name)
	}
	if err := s.dropLinks(ctx, r); err != nil {
		return "", expires, err
	}
	token = random(32)
	l := account.Link{Ref: r, Hash: hashToken(token), Expires: s.cfg.Now().Add(valid)}
	if err := s.store.SaveLink(ctx, l); err != nil {
		return "", expires, err
	}
	s.mu.Lock()
	s.links[l.Hash] = l
	s.mu.Unlock()
	return token, l.Expires, nil
}

func (s *Service) dropLinks(ctx context.Context, r account.Ref) error {
	s.mu.Lock()
	var gone []string
	for h, l := range s.links {
		if l.Ref == r {
			gone = append(gone, h)
			delete(s.links, h)
		}
	}
	s.mu.Unlock()
	for _, h := range gone {
		if err := s.store.DeleteLink(ctx, r.Tenant, h); err != nil {
			return err
		}
	}
	return nil
}

// LinkOf tells whose a one-time link is, without using it up.
func (s *Service) LinkOf(token string) (account.Ref, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l, ok := s.links[hashToken(token)]
	return l.Ref, ok && s.cfg.Now().Before(l.Expires)
}

// UseLink sets the password of a link's account and signs in. A link is good once:
// of two who use it at the same moment one is refused.
func (s *Service) UseLink(ctx context.Context, token, password string, c Client) (string, account.Session, error) {
	now := s.cfg.Now()
	keys := brakeKeys(account.Ref{}, c.Source)
	if wait := s.brake.wait(now, keys); wait > 0 {
		return "", account.Session{}, &BrakeError{wait}
	}
	r, ok := s.LinkOf(token)
	if !ok {
		s.brake.fail(now, keys)
		return "", account.Session{}, ErrRefused
	}
	if err := checkPassword(r.Name, password); err != nil {
		return "", account.Session{}, err
	}
	hash := hashToken(token)
	s.mu.Lock()
	_, ok = s.links[hash]
	delete(s.links, hash)
	s.mu.Unlock()
	if !ok {
		return "", account.Session{}, ErrRefused
	}
	if err := s.store.DeleteLink(ctx, r.Tenant, hash); err != nil {
		return "", account.Session{}, err
	}
	if err := s.SetPassword(ctx, r, password, ""); err != nil {
		return "", account.Session{}, err
	}
	a, _ := s.Account(r)
	if a.Disabled || len(s.roles(a)) == 0 {
		return "", account.Session{}, ErrRefused
	}
	return s.begin(ctx, r, "link", c)
}

// FirstAdmin makes the first account and its link when there is no account at all;
// "" when there is one.
func (s *Service) FirstAdmin(ctx context.Context, tenant string, valid time.Duration) (token string, err error) {
	if len(s.Accounts("")) > 0 {
		return "", nil
	}
	r := account.Ref{Tenant: tenant, Name: DemoAdmin}
	if err := s.Add(ctx, r, true); err != nil {
		return "", err
	}
	token, _, err = s.NewLink(ctx, r, valid)
	return token, err
}

// Person is what the resources say of an account: its display name and its roles.
func (s *Service) Person(a account.Account) (string, []Role) {
	u, _ := s.users.AuthUser(a.Tenant, a.Name)
	roles := s.roles(a)
	if roles == nil {
		roles = []Role{}
	}
	return u.DisplayName, roles
}
