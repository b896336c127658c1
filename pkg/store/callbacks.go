package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/centrala/centrala/pkg/acd"
)

// LoadCallbacks returns the saved callbacks of a tenant (dispatch.Callbacks).
func (s *Store) LoadCallbacks(ctx context.Context, tenant string) ([]acd.Callback, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT saved FROM callbacks WHERE tenant = ? ORDER BY id`, tenant)
	if err != nil {
		return nil, fmt.Errorf("store: read callbacks: %w", err)
	}
	defer rows.Close()
	var out []acd.Callback
	for rows.Next() {
		var text string
		var c acd.Callback
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: read callbacks: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return nil, fmt.Errorf("store: read callbacks: %w", err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read callbacks: %w", err)
	}
	return out, nil
}

// SaveCallbacks replaces those of list and forgets those of gone (dispatch.Callbacks).
func (s *Store) SaveCallbacks(ctx context.Context, tenant string, list []acd.Callback, gone []string) error {
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		for _, c := range list {
			text, err := json.Marshal(c)
			if err != nil {
				return fmt.Errorf("store: callback %q: %w", c.ID, err)
			}
			if err := s.exec(ctx, `INSERT INTO callbacks (tenant, id, saved) VALUES (?,?,?) ON CONFLICT (tenant, id) DO UPDATE SET saved = excluded.saved`, tenant, c.ID, string(text)); err != nil {
				return fmt.Errorf("store: write callback: %w", err)
			}
		}
		for _, id := range gone {
			if err := s.exec(ctx, `DELETE FROM callbacks WHERE tenant = ? AND id = ?`, tenant, id); err != nil {
				return fmt.Errorf("store: delete callback: %w", err)
			}
		}
		return nil
	})
}
