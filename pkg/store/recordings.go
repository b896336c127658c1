package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/event"
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
	SHA256     string    `json:"sha256,omitempty"`    // of the file, "" until it is made
	PausedMs   int64     `json:"paused_ms,omitempty"` // of the duration nothing was recorded on purpose
	Closed     bool      `json:"closed"`              // false: being written, or left behind by a crash
	Type       string    `json:"type,omitempty"`      // "" a conversation, else TypeMessage
	Box        string    `json:"box,omitempty"`       // of voicemail, where the message goes
}

type recording struct {
	tenant string
	Recording
	todo bool
}

// TypeMessage is the Type of a recording of what a caller said to a flow or into a box.
const TypeMessage = "message"

// Messages stay WAV, for they are played back by phone: nothing is to be done with them.
// The start is the first one told: the end only guesses it.
const upsertRecording = `INSERT INTO recordings (tenant, id, call_id, path, started, duration_ms, size_bytes, fault, sha256, paused_ms, closed, todo, kind, box) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (tenant, id) DO UPDATE SET path = excluded.path, duration_ms = excluded.duration_ms, size_bytes = excluded.size_bytes, fault = excluded.fault,
sha256 = excluded.sha256, paused_ms = excluded.paused_ms, closed = excluded.closed,
todo = CASE recordings.kind WHEN '' THEN excluded.todo ELSE 0 END`

// moveRecording is for the file that was checked or converted; todo stays until
// its predecessor is gone (RecordingDone).
const moveRecording = `UPDATE recordings SET path = ?, size_bytes = ?, sha256 = ?, fault = CASE WHEN ? = '' THEN fault ELSE ? END WHERE tenant = ? AND id = ?`

func (s *Store) writeRecording(ctx context.Context, r recording) error {
	return s.exec(ctx, upsertRecording, r.tenant, r.ID, r.CallID, r.Path, r.Started.UnixMilli(), r.DurationMs, r.SizeBytes, r.Fault, r.SHA256, r.PausedMs, r.Closed, r.todo, r.Type, r.Box)
}

// recordingOf is what an event says of a recording; ok is false when nothing, or
// when it is a move.
func (s *Store) recordingOf(e event.Event) (recording, bool) {
	r := recording{tenant: e.Tenant, Recording: Recording{CallID: e.CallID}}
	switch b := e.Body.(type) {
	case event.RecordingStarted:
		r.ID, r.Path, r.Started, r.Box = b.Recording, b.Path, e.At, b.Box
		if b.Message {
			r.Type = TypeMessage
		}
	case event.RecordingEnded:
		r.ID, r.Path, r.Started = b.Recording, b.Path, e.At.Add(-time.Duration(b.DurationMs)*time.Millisecond)
		r.DurationMs, r.SizeBytes, r.Fault, r.SHA256, r.PausedMs, r.Closed = b.DurationMs, b.SizeBytes, b.Fault, b.SHA256, b.PausedMs, true
		r.todo = b.SizeBytes > 0 && (b.SHA256 == "" || s.opts.ConvertRecordings)
	default:
		return r, false
	}
	return r, true
}

// TenantRecording is a recording and whose it is.
type TenantRecording struct {
	Tenant string
	Recording
}

// RecordingWork lists up to limit recordings whose files are to be checked or
// converted, of all tenants.
func (s *Store) RecordingWork(ctx context.Context, limit int) ([]TenantRecording, error) {
	return s.recordingsOfAll(ctx, `todo = 1`, limit)
}

// OpenRecordings lists the recordings that no event has closed: at start those of
// a process that was killed.
func (s *Store) OpenRecordings(ctx context.Context) ([]TenantRecording, error) {
	return s.recordingsOfAll(ctx, `closed = 0`, -1)
}

func (s *Store) recordingsOfAll(ctx context.Context, which string, limit int) ([]TenantRecording, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT tenant, `+recordingColumns+` FROM recordings WHERE `+which+` ORDER BY tenant, id LIMIT ? -- all tenants: one worker looks after the files of the node`, limit)
	if err != nil {
		return nil, fmt.Errorf("store: read recordings: %w", err)
	}
	defer rows.Close()
	var out []TenantRecording
	for rows.Next() {
		var t TenantRecording
		if t.Recording, err = scanRecording(rows, &t.Tenant); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read recordings: %w", err)
	}
	return out, nil
}

// RecordingDone notes that nothing is to be done with a recording's file any more.
func (s *Store) RecordingDone(ctx context.Context, tenant, id string) error {
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, `UPDATE recordings SET todo = 0 WHERE tenant = ? AND id = ?`, tenant, id); err != nil {
			return fmt.Errorf("store: write recording: %w", err)
		}
		return nil
	})
}

// Recording reads one row of the index. Errors: ErrNotFound.
func (s *Store) Recording(ctx context.Context, tenant, id string) (Recording, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+recordingColumns+` FROM recordings WHERE tenant = ? AND id = ?`, tenant, id)
	if err != nil {
		return Recording{}, fmt.Errorf("store: read recording: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return Recording{}, fmt.Errorf("store: read recording: %w", err)
		}
		return Recording{}, ErrNotFound
	}
	return scanRecording(rows)
}

const recordingColumns = `id, call_id, path, started, duration_ms, size_bytes, fault, sha256, paused_ms, closed, kind, box`

// scanRecording reads recordingColumns behind first.
func scanRecording(rows *sql.Rows, first ...any) (r Recording, err error) {
	var started int64
	if err := rows.Scan(append(first, &r.ID, &r.CallID, &r.Path, &started, &r.DurationMs, &r.SizeBytes, &r.Fault, &r.SHA256, &r.PausedMs, &r.Closed, &r.Type, &r.Box)...); err != nil {
		return r, fmt.Errorf("store: read recordings: %w", err)
	}
	r.Started = time.UnixMilli(started).UTC()
	return r, nil
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
	rows, err := s.read.QueryContext(ctx, `SELECT `+recordingColumns+` FROM recordings WHERE tenant = ? AND `+strings.Join(w.sql, " AND ")+` ORDER BY started DESC, id DESC LIMIT ?`, append(w.args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read recordings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRecording(rows)
		if err != nil {
			return nil, "", err
		}
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
