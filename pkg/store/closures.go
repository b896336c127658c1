package store

import (
	"context"
	"fmt"
	"time"
)

// Closure is a schedule that somebody closed by hand.
type Closure struct {
	Tenant, Schedule string
	Since            time.Time
	Until            time.Time // zero = until somebody opens it
	Reason, By       string
}

// Closures returns those of all tenants, for the start of a node.
func (s *Store) Closures(ctx context.Context) ([]Closure, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT tenant, schedule, since, until, reason, by FROM closures ORDER BY tenant, schedule -- all tenants: each row says whose it is`)
	if err != nil {
		return nil, fmt.Errorf("store: read closures: %w", err)
	}
	defer rows.Close()
	var out []Closure
	for rows.Next() {
		var c Closure
		var since, until int64
		if err := rows.Scan(&c.Tenant, &c.Schedule, &since, &until, &c.Reason, &c.By); err != nil {
			return nil, fmt.Errorf("store: read closures: %w", err)
		}
		c.Since = time.UnixMilli(since).UTC()
		if until != 0 {
			c.Until = time.UnixMilli(until).UTC()
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read closures: %w", err)
	}
	return out, nil
}

// CloseSchedule keeps a closure in place of the schedule's last one. It returns when it is
// committed.
func (s *Store) CloseSchedule(ctx context.Context, c Closure) error {
	until := int64(0)
	if !c.Until.IsZero() {
		until = c.Until.UnixMilli()
	}
	err := s.update(ctx, func(ctx context.Context, tx execer) error {
		return s.exec(ctx, `INSERT INTO closures (tenant, schedule, since, until, reason, by) VALUES (?,?,?,?,?,?)
ON CONFLICT (tenant, schedule) DO UPDATE SET since = excluded.since, until = excluded.until, reason = excluded.reason, by = excluded.by`,
			c.Tenant, c.Schedule, c.Since.UnixMilli(), until, c.Reason, c.By)
	})
	if err != nil {
		return fmt.Errorf("store: write closure: %w", err)
	}
	return nil
}

// OpenSchedule forgets a schedule's closure.
func (s *Store) OpenSchedule(ctx context.Context, tenant, schedule string) error {
	err := s.update(ctx, func(ctx context.Context, tx execer) error {
		return s.exec(ctx, `DELETE FROM closures WHERE tenant = ? AND schedule = ?`, tenant, schedule)
	})
	if err != nil {
		return fmt.Errorf("store: delete closure: %w", err)
	}
	return nil
}
