package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/centrala/centrala/pkg/agent"
	"github.com/centrala/centrala/pkg/sip/registrar"
)

var _ registrar.Store = (*Store)(nil)

// SaveBindings implements registrar.Store. It returns when the bindings are
// committed: they survive the process, and a power cut takes at most what came
// since the last Sync (the phones register again).
func (s *Store) SaveBindings(ctx context.Context, list []registrar.Binding) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		for _, b := range list {
			text, err := json.Marshal(b)
			if err != nil {
				return fmt.Errorf("store: binding of %s/%s: %w", b.Tenant, b.Device, err)
			}
			if err := s.exec(ctx, `INSERT INTO bindings (tenant, device, contact, expires, binding) VALUES (?,?,?,?,?)
ON CONFLICT (tenant, device, contact) DO UPDATE SET expires = excluded.expires, binding = excluded.binding`,
				b.Tenant, b.Device, b.Contact, b.Expires.UnixMilli(), string(text)); err != nil {
				return fmt.Errorf("store: write binding: %w", err)
			}
		}
		return nil
	})
}

// DeleteBindings implements registrar.Store.
func (s *Store) DeleteBindings(ctx context.Context, ids []registrar.ID) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		for _, id := range ids {
			if err := s.exec(ctx, `DELETE FROM bindings WHERE tenant = ? AND device = ? AND contact = ?`, id.Tenant, id.Device, id.Contact); err != nil {
				return fmt.Errorf("store: delete binding: %w", err)
			}
		}
		return nil
	})
}

// LoadBindings implements registrar.Store.
func (s *Store) LoadBindings(ctx context.Context) ([]registrar.Binding, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT binding FROM bindings ORDER BY tenant, device, contact -- all tenants: the registrar serves them all and checks each request itself`)
	if err != nil {
		return nil, fmt.Errorf("store: read bindings: %w", err)
	}
	defer rows.Close()
	var out []registrar.Binding
	for rows.Next() {
		var text string
		var b registrar.Binding
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: read bindings: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			return nil, fmt.Errorf("store: read bindings: %w", err)
		}
		out = append(out, b)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read bindings: %w", err)
	}
	return out, nil
}

// LoadAgentStates returns the saved states of a tenant's agents (dispatch.AgentStates).
func (s *Store) LoadAgentStates(ctx context.Context, tenant string) ([]agent.Saved, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT saved FROM agent_states WHERE tenant = ? ORDER BY agent`, tenant)
	if err != nil {
		return nil, fmt.Errorf("store: read agent states: %w", err)
	}
	defer rows.Close()
	var out []agent.Saved
	for rows.Next() {
		var text string
		var a agent.Saved
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: read agent states: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return nil, fmt.Errorf("store: read agent states: %w", err)
		}
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read agent states: %w", err)
	}
	return out, nil
}

// SaveAgentStates replaces the states of the agents named (dispatch.AgentStates).
func (s *Store) SaveAgentStates(ctx context.Context, tenant string, states []agent.Saved) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		for _, a := range states {
			text, err := json.Marshal(a)
			if err != nil {
				return fmt.Errorf("store: state of agent %q: %w", a.Agent, err)
			}
			if err := s.exec(ctx, `INSERT INTO agent_states (tenant, agent, saved) VALUES (?,?,?) ON CONFLICT (tenant, agent) DO UPDATE SET saved = excluded.saved`, tenant, a.Agent, string(text)); err != nil {
				return fmt.Errorf("store: write agent state: %w", err)
			}
		}
		return nil
	})
}
