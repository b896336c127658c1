package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Recording is a row of the index of recordings.
type Recording struct {
	ID         string    `json:"id"`
	CallID     string    `json:"call_id"`
	Path       string    `json:"path"` // relative to the recordings folder
	Started    time.Time `json:"started"`
	DurationMs int64     `json:"duration_ms"`
	SizeBytes  int64     `json:"size_bytes"`
	Fault      string    `json:"fault,omitempty"`
	Closed     bool      `json:"closed"` // false: being written, or left behind by a crash
}

type recording struct {
	tenant string
	Recording
}

// The start is the first one told: the end only guesses it.
const upsertRecording = `INSERT INTO recordings (tenant, id, call_id, path, started, duration_ms, size_bytes, fault, closed) VALUES (?,?,?,?,?,?,?,?,?)
ON CONFLICT (tenant, id) DO UPDATE SET path = excluded.path, duration_ms = excluded.duration_ms, size_bytes = excluded.size_bytes, fault = excluded.fault, closed = excluded.closed`

func (s *Store) writeRecording(ctx context.Context, r recording) error {
	return s.exec(ctx, upsertRecording, r.tenant, r.ID, r.CallID, r.Path, r.Started.UnixMilli(), r.DurationMs, r.SizeBytes, r.Fault, r.Closed)
}

// RecordingFilter chooses recordings; zero fields choose all.
type RecordingFilter struct {
	From, To time.Time // started in [From, To)
	CallID   string
	Open     bool // only those not closed
	Cursor   string
	Limit    int // 1..1000; 0 = 100
}

// Recordings lists a tenant's recordings, newest first, and the cursor of the
// next page ("" = no more).
func (s *Store) Recordings(ctx context.Context, tenant string, f RecordingFilter) (list []Recording, next string, err error) {
	limit := f.Limit
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	w := where{sql: []string{"1"}, args: []any{tenant}}
	if !f.From.IsZero() {
		w.and("started >= ?", f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		w.and("started < ?", f.To.UnixMilli())
	}
	if f.Open {
		w.and("closed = 0")
	}
	w.equal("call_id", f.CallID)
	if err := w.after(f.Cursor); err != nil {
		return nil, "", err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT id, call_id, path, started, duration_ms, size_bytes, fault, closed FROM recordings WHERE tenant = ? AND `+strings.Join(w.sql, " AND ")+` ORDER BY started DESC, id DESC LIMIT ?`, append(w.args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read recordings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r Recording
		var started int64
		if err := rows.Scan(&r.ID, &r.CallID, &r.Path, &started, &r.DurationMs, &r.SizeBytes, &r.Fault, &r.Closed); err != nil {
			return nil, "", fmt.Errorf("store: read recordings: %w", err)
		}
		r.Started = time.UnixMilli(started).UTC()
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("store: read recordings: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = cursor(list[limit-1].Started, list[limit-1].ID)
	}
	return list, next, nil
}
