package store

import (
	"context"
	"errors"
	"fmt"
)

type deviceKey struct{ tenant, device string }

// DND tells whether a device takes no calls (call.DND). It asks memory alone.
func (s *Store) DND(tenant, device string) bool {
	_, on := s.dnd.Load(deviceKey{tenant, device})
	return on
}

// SetDND keeps a device's "do not disturb" (call.DND). It returns when it is
// committed, and survives a restart.
func (s *Store) SetDND(ctx context.Context, tenant, device string, on bool) error {
	err := s.update(ctx, func(ctx context.Context, tx execer) error {
		query := `INSERT INTO device_states (tenant, device, dnd) VALUES (?,?,1) ON CONFLICT (tenant, device) DO UPDATE SET dnd = 1`
		if !on {
			query = `DELETE FROM device_states WHERE tenant = ? AND device = ?`
		}
		return s.exec(ctx, query, tenant, device)
	})
	if err != nil {
		return fmt.Errorf("store: write device state: %w", err)
	}
	if on {
		s.dnd.Store(deviceKey{tenant, device}, struct{}{})
	} else {
		s.dnd.Delete(deviceKey{tenant, device})
	}
	return nil
}

func (s *Store) restoreDND(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, `SELECT tenant, device FROM device_states WHERE dnd = 1 -- all tenants: asked with the tenant from memory`)
	if err != nil {
		return fmt.Errorf("store: read device states: %w", err)
	}
	for rows.Next() {
		var k deviceKey
		if err := rows.Scan(&k.tenant, &k.device); err != nil {
			rows.Close()
			return fmt.Errorf("store: read device states: %w", err)
		}
		s.dnd.Store(k, struct{}{})
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("store: read device states: %w", err)
	}
	return nil
}
