package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/centrala/centrala/pkg/webhook"
)

var _ webhook.Store = (*Store)(nil)

// LoadHooks implements webhook.Store, as do the methods below.
func (s *Store) LoadHooks(ctx context.Context) ([]webhook.State, error) {
	return loadAll[webhook.State](ctx, s, "webhooks", `SELECT state FROM webhooks -- all tenants: one runner for all`)
}

// SaveHook keeps how far a hook is.
func (s *Store) SaveHook(ctx context.Context, st webhook.State) error {
	text, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("store: write webhook: %w", err)
	}
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, `INSERT INTO webhooks (tenant, name, state) VALUES (?,?,?) ON CONFLICT (tenant, name) DO UPDATE SET state = excluded.state`, st.Tenant, st.Name, string(text)); err != nil {
			return fmt.Errorf("store: write webhook: %w", err)
		}
		return nil
	})
}

// AddDead lays an event aside.
func (s *Store) AddDead(ctx context.Context, tenant, hook string, d webhook.Dead) error {
	return s.saveJSON(ctx, "dead letter", `INSERT INTO webhook_dead (tenant, name, seq, dead) VALUES (?,?,?,?) ON CONFLICT (tenant, name, seq) DO UPDATE SET dead = excluded.dead`, d, tenant, hook, int64(d.Seq))
}

// DropDead takes an event off the dead letters.
func (s *Store) DropDead(ctx context.Context, tenant, hook string, seq uint64) error {
	return s.run(ctx, "dead letter", `DELETE FROM webhook_dead WHERE tenant = ? AND name = ? AND seq = ?`, tenant, hook, int64(seq))
}

// maxDead is how many dead letters are listed at once.
const maxDead = 1000

// DeadLetters lists what was laid aside, the oldest first.
func (s *Store) DeadLetters(ctx context.Context, tenant, hook string) ([]webhook.Dead, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT dead FROM webhook_dead WHERE tenant = ? AND name = ? ORDER BY seq LIMIT ?`, tenant, hook, maxDead)
	if err != nil {
		return nil, fmt.Errorf("store: read dead letters: %w", err)
	}
	defer rows.Close()
	out := []webhook.Dead{}
	for rows.Next() {
		var text string
		var d webhook.Dead
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: read dead letters: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return nil, fmt.Errorf("store: read dead letters: %w", err)
		}
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read dead letters: %w", err)
	}
	return out, nil
}
