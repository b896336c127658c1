package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// Voicemail is a message in a box. Its sound is the recording with the same id.
type Voicemail struct {
	ID         string    `json:"id"`
	Box        string    `json:"box"`
	CallID     string    `json:"call_id"`
	From       string    `json:"from"`
	Display    string    `json:"display,omitempty"`
	At         time.Time `json:"at"`
	DurationMs int64     `json:"duration_ms"`
	State      string    `json:"state"` // new, saved
	Path       string    `json:"path"`  // of the recording, relative to the recordings folder; "" when it is gone
}

// VoicemailChange tells that a box's messages are not what they were.
type VoicemailChange struct {
	Tenant, Box, Message string
	// Left: the message is new. Deleted: it is gone, and Path is the file it leaves.
	Left, Deleted bool
	Path          string
}

// OnVoicemail has f told of each change once it is committed. f is called by the
// writer and must not block or ask the store; set it before anything is written.
func (s *Store) OnVoicemail(f func(VoicemailChange)) { s.onVoicemail.Store(&f) }

// voicemailOp is what an event says of a message.
type voicemailOp struct {
	VoicemailChange
	msg Voicemail
}

func voicemailOf(e event.Event) (voicemailOp, bool) {
	o := voicemailOp{VoicemailChange: VoicemailChange{Tenant: e.Tenant}}
	switch b := e.Body.(type) {
	case event.VoicemailLeft:
		o.Box, o.Message, o.Left = b.Box, b.Message, true
		o.msg = Voicemail{ID: b.Message, Box: b.Box, CallID: e.CallID, From: b.From, Display: b.Display, At: e.At, DurationMs: b.DurationMs, State: "new"}
	case event.VoicemailMarked:
		o.Box, o.Message, o.msg.State = b.Box, b.Message, b.State
	case event.VoicemailDeleted:
		o.Box, o.Message, o.Deleted = b.Box, b.Message, true
	default:
		return o, false
	}
	return o, true
}

// writeVoicemail is in the writer's transaction.
func (s *Store) writeVoicemail(ctx context.Context, o *voicemailOp) error {
	switch {
	case o.Left:
		m := &o.msg
		return s.exec(ctx, `INSERT INTO voicemail (tenant, id, box, call_id, caller, display, at, duration_ms, state) VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (tenant, id) DO NOTHING`,
			o.Tenant, m.ID, m.Box, m.CallID, m.From, m.Display, m.At.UnixMilli(), m.DurationMs, m.State)
	case o.Deleted:
		// The file is removed by who is told of it; a file left behind by a crash in
		// between is found by its row being gone.
		row := s.conn.QueryRowContext(ctx, `SELECT path FROM recordings WHERE tenant = ? AND id = ?`, o.Tenant, o.Message)
		if err := row.Scan(&o.Path); err != nil && err != sql.ErrNoRows {
			return err
		}
		if err := s.exec(ctx, `DELETE FROM voicemail WHERE tenant = ? AND id = ?`, o.Tenant, o.Message); err != nil {
			return err
		}
		return s.exec(ctx, `DELETE FROM recordings WHERE tenant = ? AND id = ? AND kind = 'message'`, o.Tenant, o.Message)
	default:
		return s.exec(ctx, `UPDATE voicemail SET state = ? WHERE tenant = ? AND id = ?`, o.msg.State, o.Tenant, o.Message)
	}
}

// tellVoicemail tells of what was committed.
func (s *Store) tellVoicemail(list []voicemailOp) {
	f := s.onVoicemail.Load()
	if f == nil {
		return
	}
	for _, o := range list {
		(*f)(o.VoicemailChange)
	}
}

// VoicemailFilter chooses messages; zero fields choose all.
type VoicemailFilter struct {
	Box    string
	State  string // new, saved
	Before time.Time
	Cursor string
	Limit  int // 1..1000; 0 = 100
}

const voicemailColumns = `v.id, v.box, v.call_id, v.caller, v.display, v.at, v.duration_ms, v.state, coalesce(r.path, '')`

// Voicemail lists a tenant's messages, newest first, and the cursor of the next
// page ("" = no more).
func (s *Store) Voicemail(ctx context.Context, tenant string, f VoicemailFilter) (list []Voicemail, next string, err error) {
	limit := f.Limit
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	w := where{sql: []string{"1"}, args: []any{tenant}}
	w.equal("v.box", f.Box)
	w.equal("v.state", f.State)
	if !f.Before.IsZero() {
		w.and("v.at < ?", f.Before.UnixMilli())
	}
	if err := w.beyond("(v.at, v.id)", f.Cursor); err != nil {
		return nil, "", err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT `+voicemailColumns+` FROM voicemail v LEFT JOIN recordings r ON r.tenant = v.tenant AND r.id = v.id WHERE v.tenant = ? AND `+strings.Join(w.sql, " AND ")+` ORDER BY v.at DESC, v.id DESC LIMIT ?`, append(w.args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read voicemail: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		m, err := scanVoicemail(rows)
		if err != nil {
			return nil, "", err
		}
		list = append(list, m)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("store: read voicemail: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = cursor(list[limit-1].At, list[limit-1].ID)
	}
	return list, next, nil
}

func scanVoicemail(rows *sql.Rows) (m Voicemail, err error) {
	var at int64
	if err := rows.Scan(&m.ID, &m.Box, &m.CallID, &m.From, &m.Display, &at, &m.DurationMs, &m.State, &m.Path); err != nil {
		return m, fmt.Errorf("store: read voicemail: %w", err)
	}
	m.At = time.UnixMilli(at).UTC()
	return m, nil
}

// VoicemailMessage reads one message. Errors: ErrNotFound.
func (s *Store) VoicemailMessage(ctx context.Context, tenant, id string) (Voicemail, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+voicemailColumns+` FROM voicemail v LEFT JOIN recordings r ON r.tenant = v.tenant AND r.id = v.id WHERE v.tenant = ? AND v.id = ?`, tenant, id)
	if err != nil {
		return Voicemail{}, fmt.Errorf("store: read voicemail: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return Voicemail{}, fmt.Errorf("store: read voicemail: %w", err)
		}
		return Voicemail{}, ErrNotFound
	}
	return scanVoicemail(rows)
}

// BoxCount is how many messages a box holds.
type BoxCount struct {
	Tenant, Box string
	New, Saved  int
}

// VoicemailCount counts a box's messages.
func (s *Store) VoicemailCount(ctx context.Context, tenant, box string) (BoxCount, error) {
	c := BoxCount{Tenant: tenant, Box: box}
	err := s.read.QueryRowContext(ctx, `SELECT count(CASE state WHEN 'new' THEN 1 END), count(CASE state WHEN 'saved' THEN 1 END) FROM voicemail WHERE tenant = ? AND box = ?`, tenant, box).Scan(&c.New, &c.Saved)
	if err != nil {
		return c, fmt.Errorf("store: count voicemail: %w", err)
	}
	return c, nil
}
