package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// LoadValue returns a value of the node, nil when there is none of that name
// (sip.Memory). Values belong to the process as a whole: bans, brakes, keys.
func (s *Store) LoadValue(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := s.read.QueryRowContext(ctx, `SELECT value FROM node_values WHERE name = ? -- all tenants: values of the node`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: read value %q: %w", name, err)
	}
	return value, nil
}

// SaveValue keeps a value of the node (sip.Memory). It survives the process; see
// SaveBindings.
func (s *Store) SaveValue(ctx context.Context, name string, value []byte) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, `INSERT INTO node_values (name, value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = excluded.value -- all tenants: values of the node`, name, value); err != nil {
			return fmt.Errorf("store: write value %q: %w", name, err)
		}
		return nil
	})
}
