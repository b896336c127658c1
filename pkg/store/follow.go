package store

import (
	"context"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

// Committed returns a channel that the next commit of events closes. Take it before
// looking for what is there, or a commit in between is missed.
func (s *Store) Committed() <-chan struct{} { return s.tail.committed() }

// Newest is the number of the last event committed, 0 for none.
func (s *Store) Newest() uint64 { return s.tail.newest() }

// Since returns events of all tenants from the number from on, at most n, of those
// that are still in memory; false: some of them are in the file alone, see Records.
func (s *Store) Since(from uint64, n int) ([]event.Event, bool) { return s.tail.since(from, n) }

// Records reads a tenant's events with from <= seq <= to as they are stored, in
// order, at most n.
func (s *Store) Records(ctx context.Context, tenant string, from, to uint64, n int) ([]event.Record, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT seq, at, call_id, kind, data FROM events WHERE tenant = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?`, tenant, int64(from), int64(to), n)
	if err != nil {
		return nil, fmt.Errorf("store: read journal: %w", err)
	}
	defer rows.Close()
	var out []event.Record
	for rows.Next() {
		r := event.Record{Tenant: tenant}
		var at int64
		var data string
		if err := rows.Scan(&r.Seq, &at, &r.CallID, &r.Kind, &data); err != nil {
			return nil, fmt.Errorf("store: read journal: %w", err)
		}
		r.At, r.Data = time.UnixMilli(at).UTC(), []byte(data)
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read journal: %w", err)
	}
	return out, nil
}

// LiveCalls lists the running calls of all tenants, as Live does of one.
func (s *Store) LiveCalls() []cdr.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.projector.Open()
}
