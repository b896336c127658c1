package auth

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/auth/account"
)

// keyPrefix lets scanners of leaked secrets know a key of ours.
const keyPrefix = "cen_"

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// NewKey makes an API key and returns its secret, once.
func (s *Service) NewKey(ctx context.Context, k account.Key) (secret string, made account.Key, err error) {
	now := s.cfg.Now()
	switch {
	case !keyName.MatchString(k.Name):
		return "", k, fmt.Errorf("%w: name %q: want letters, digits, - _ and ., at most 64", ErrInvalid, k.Name)
	case !slices.Contains(Roles, Role(k.Role)):
		return "", k, fmt.Errorf("%w: role %q: want one of %v", ErrInvalid, k.Role, Roles)
	case !k.Expires.IsZero() && !k.Expires.After(now):
		return "", k, fmt.Errorf("%w: expires: want a time to come", ErrInvalid)
	}
	if _, err := ParseRights(k.Rights); err != nil {
		return "", k, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	s.change.Lock()
	defer s.change.Unlock()
	for _, o := range s.Keys(k.Tenant) {
		if o.Name == k.Name {
			return "", k, fmt.Errorf("%w: there is a key %q already", ErrInvalid, k.Name)
		}
	}
	secret = keyPrefix + random(32)
	k.ID, k.Hash, k.Created, k.Used = random(9), hashToken(secret), now, time.Time{}
	if err := s.store.SaveKey(ctx, k); err != nil {
		return "", k, err
	}
	s.mu.Lock()
	s.keys[k.Hash] = k
	s.mu.Unlock()
	return secret, k, nil
}

// Keys lists a tenant's API keys by name.
func (s *Service) Keys(tenant string) []account.Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []account.Key
	for _, k := range s.keys {
		if k.Tenant == tenant {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(x, y account.Key) int { return strings.Compare(x.Name, y.Name) })
	return out
}

// RevokeKey ends a key, by id or name.
func (s *Service) RevokeKey(ctx context.Context, tenant, id string) error {
	s.change.Lock()
	defer s.change.Unlock()
	for _, k := range s.Keys(tenant) {
		if k.ID == id || k.Name == id {
			if err := s.store.DeleteKey(ctx, tenant, k.ID); err != nil {
				return err
			}
			s.mu.Lock()
			delete(s.keys, k.Hash)
			s.mu.Unlock()
			return nil
		}
	}
	return fmt.Errorf("key %q: %w", id, ErrNotFound)
}

// ByKey finds who holds an API key; nil when nobody does.
func (s *Service) ByKey(secret, source string) *Principal {
	if !strings.HasPrefix(secret, keyPrefix) {
		return nil
	}
	now := s.cfg.Now()
	hash := hashToken(secret)
	s.mu.RLock()
	k, ok := s.keys[hash]
	s.mu.RUnlock()
	if !ok || !k.Expires.IsZero() && !now.Before(k.Expires) {
		return nil
	}
	if now.Sub(k.Used) >= seenEvery {
		s.mu.Lock()
		k.Used = now
		if _, ok := s.keys[hash]; ok {
			s.keys[hash] = k
		}
		s.mu.Unlock()
		s.lost(s.store.TouchKey(context.Background(), k.Tenant, k.ID, now))
	}
	only, err := ParseRights(k.Rights)
	if err != nil {
		return nil // a right that this build does not know opens nothing
	}
	return &Principal{Tenant: k.Tenant, Name: "key:" + k.Name, Roles: []Role{Role(k.Role)}, Node: k.Node, Only: only, Source: source}
}
