package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/auth/account"
)

// loadAll reads the JSON of one column, all rows.
func loadAll[T any](ctx context.Context, s *Store, what, query string) ([]T, error) {
	rows, err := s.read.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("store: read %s: %w", what, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var text string
		var v T
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: read %s: %w", what, err)
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, fmt.Errorf("store: read %s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read %s: %w", what, err)
	}
	return out, nil
}

// saveJSON runs query with args and v's JSON behind them, durably.
func (s *Store) saveJSON(ctx context.Context, what, query string, v any, args ...any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store: write %s: %w", what, err)
	}
	return s.run(ctx, what, query, append(args, string(text))...)
}

func (s *Store) run(ctx context.Context, what, query string, args ...any) error {
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, query, args...); err != nil {
			return fmt.Errorf("store: write %s: %w", what, err)
		}
		return nil
	})
}

// LoadAccounts implements auth.Store, as do the methods below.
func (s *Store) LoadAccounts(ctx context.Context) ([]account.Account, error) {
	return loadAll[account.Account](ctx, s, "accounts", `SELECT account FROM accounts -- all tenants: who signs in names the tenant`)
}

// SaveAccount adds or replaces an account.
func (s *Store) SaveAccount(ctx context.Context, a account.Account) error {
	return s.saveJSON(ctx, "account", `INSERT INTO accounts (tenant, name, account) VALUES (?,?,?) ON CONFLICT (tenant, name) DO UPDATE SET account = excluded.account`, a, a.Tenant, a.Name)
}

// DeleteAccount forgets an account with its sessions and links.
func (s *Store) DeleteAccount(ctx context.Context, r account.Ref) error {
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		for _, query := range []string{`DELETE FROM accounts WHERE tenant = ? AND name = ?`, `DELETE FROM sessions WHERE tenant = ? AND name = ?`, `DELETE FROM links WHERE tenant = ? AND name = ?`} {
			if err := s.exec(ctx, query, r.Tenant, r.Name); err != nil {
				return fmt.Errorf("store: delete account: %w", err)
			}
		}
		return nil
	})
}

// LoadSessions reads all sessions, those that are over too.
func (s *Store) LoadSessions(ctx context.Context) ([]account.Session, error) {
	return loadAll[account.Session](ctx, s, "sessions", `SELECT json_set(session, '$.Seen', strftime('%Y-%m-%dT%H:%M:%fZ', seen / 1000.0, 'unixepoch')) FROM sessions -- all tenants: found by their secret`)
}

// SaveSession adds or replaces a session.
func (s *Store) SaveSession(ctx context.Context, v account.Session) error {
	return s.saveJSON(ctx, "session", `INSERT INTO sessions (tenant, hash, name, seen, session) VALUES (?,?,?,?,?) ON CONFLICT (tenant, hash) DO UPDATE SET seen = excluded.seen, session = excluded.session`,
		v, v.Tenant, v.Hash, v.Name, v.Seen.UnixMilli())
}

// TouchSession notes the last use of a session that is still there.
func (s *Store) TouchSession(ctx context.Context, tenant, hash string, seen time.Time) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, `UPDATE sessions SET seen = ? WHERE tenant = ? AND hash = ?`, seen.UnixMilli(), tenant, hash); err != nil {
			return fmt.Errorf("store: write session: %w", err)
		}
		return nil
	})
}

// DeleteSession forgets a session.
func (s *Store) DeleteSession(ctx context.Context, tenant, hash string) error {
	return s.run(ctx, "session", `DELETE FROM sessions WHERE tenant = ? AND hash = ?`, tenant, hash)
}

// LoadLinks reads all one-time links.
func (s *Store) LoadLinks(ctx context.Context) ([]account.Link, error) {
	return loadAll[account.Link](ctx, s, "links", `SELECT link FROM links -- all tenants: found by their secret`)
}

// SaveLink adds a link.
func (s *Store) SaveLink(ctx context.Context, l account.Link) error {
	return s.saveJSON(ctx, "link", `INSERT INTO links (tenant, hash, name, link) VALUES (?,?,?,?)`, l, l.Tenant, l.Hash, l.Name)
}

// DeleteLink forgets a link.
func (s *Store) DeleteLink(ctx context.Context, tenant, hash string) error {
	return s.run(ctx, "link", `DELETE FROM links WHERE tenant = ? AND hash = ?`, tenant, hash)
}

// LoadKeys reads all API keys.
func (s *Store) LoadKeys(ctx context.Context) ([]account.Key, error) {
	return loadAll[account.Key](ctx, s, "keys", `SELECT json_set(key, '$.Used', strftime('%Y-%m-%dT%H:%M:%fZ', used / 1000.0, 'unixepoch')) FROM api_keys -- all tenants: found by their secret`)
}

// SaveKey adds or replaces an API key.
func (s *Store) SaveKey(ctx context.Context, k account.Key) error {
	return s.saveJSON(ctx, "key", `INSERT INTO api_keys (tenant, id, used, key) VALUES (?,?,?,?) ON CONFLICT (tenant, id) DO UPDATE SET key = excluded.key`, k, k.Tenant, k.ID, k.Used.UnixMilli())
}

// TouchKey notes the last use of a key that is still there.
func (s *Store) TouchKey(ctx context.Context, tenant, id string, used time.Time) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, `UPDATE api_keys SET used = ? WHERE tenant = ? AND id = ?`, used.UnixMilli(), tenant, id); err != nil {
			return fmt.Errorf("store: write key: %w", err)
		}
		return nil
	})
}

// DeleteKey forgets an API key.
func (s *Store) DeleteKey(ctx context.Context, tenant, id string) error {
	return s.run(ctx, "key", `DELETE FROM api_keys WHERE tenant = ? AND id = ?`, tenant, id)
}
