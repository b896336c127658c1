package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

// What agents said of calls is a projection of the journal like the call records, but
// in tables of its own: it comes during a call or long after its end.

// writeDesk is in the writer's transaction.
func (s *Store) writeDesk(ctx context.Context, e *event.Event) error {
	switch b := e.Body.(type) {
	case event.CallDisposed:
		return s.exec(ctx, `INSERT INTO dispositions (tenant, call_id, agent, at, queue, list, disposition, heading, note) VALUES (?,?,?,?,?,?,?,?,?)
ON CONFLICT (tenant, call_id, agent) DO UPDATE SET at = excluded.at, queue = excluded.queue, list = excluded.list, disposition = excluded.disposition,
heading = excluded.heading, note = excluded.note`, e.Tenant, e.CallID, b.Agent, e.At.UnixMilli(), b.Queue, b.List, b.Disposition, b.Group, b.Note)
	case event.ScriptAnswered:
		answers, err := json.Marshal(b.Answers)
		if err != nil {
			return fmt.Errorf("store: answers: %w", err)
		}
		return s.exec(ctx, `INSERT INTO script_answers (tenant, call_id, agent, script, at, queue, contact, answers, done) VALUES (?,?,?,?,?,?,?,?,?)
ON CONFLICT (tenant, call_id, agent, script) DO UPDATE SET at = excluded.at, queue = excluded.queue, contact = excluded.contact, answers = excluded.answers,
done = excluded.done`, e.Tenant, e.CallID, b.Agent, b.Script, e.At.UnixMilli(), b.Queue, b.Contact, string(answers), b.Done)
	}
	return nil
}

// withDispositions adds to calls what agents said of them.
func (s *Store) withDispositions(ctx context.Context, tenant string, calls []cdr.Call) error {
	if len(calls) == 0 {
		return nil
	}
	args := make([]any, 0, len(calls)+1)
	args = append(args, tenant)
	at := make(map[string]int, len(calls))
	for i := range calls {
		args = append(args, calls[i].ID)
		at[calls[i].ID] = i
	}
	rows, err := s.read.QueryContext(ctx, `SELECT call_id, agent, at, queue, list, disposition, heading, note FROM dispositions WHERE tenant = ? AND call_id IN (?`+
		strings.Repeat(",?", len(calls)-1)+`) ORDER BY at, agent`, args...)
	if err != nil {
		return fmt.Errorf("store: read dispositions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var ms int64
		var d cdr.Disposition
		if err := rows.Scan(&id, &d.Agent, &ms, &d.Queue, &d.List, &d.Disposition, &d.Group, &d.Note); err != nil {
			return fmt.Errorf("store: read dispositions: %w", err)
		}
		d.At = time.UnixMilli(ms).UTC()
		c := &calls[at[id]]
		c.Dispositions = append(c.Dispositions, d)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: read dispositions: %w", err)
	}
	return nil
}

// DispositionFilter chooses dispositions given in [From, To); Queue and Agent "" = all.
type DispositionFilter struct {
	From, To     time.Time
	Queue, Agent string
}

// DispositionCount is how often a disposition was given.
type DispositionCount struct {
	Queue, Agent, List, Group, Disposition string
	Count                                  int64
}

// Dispositions counts what agents said, by queue and agent.
func (s *Store) Dispositions(ctx context.Context, tenant string, f DispositionFilter) ([]DispositionCount, error) {
	w := where{args: []any{tenant}}
	w.and("at >= ?", f.From.UnixMilli())
	w.and("at < ?", f.To.UnixMilli())
	w.equal("queue", f.Queue)
	w.equal("agent", f.Agent)
	rows, err := s.read.QueryContext(ctx, `SELECT queue, agent, list, heading, disposition, COUNT(*) FROM dispositions WHERE tenant = ? AND `+
		strings.Join(w.sql, " AND ")+` GROUP BY queue, agent, list, heading, disposition ORDER BY queue, agent, list, heading, disposition LIMIT 10000`, w.args...)
	if err != nil {
		return nil, fmt.Errorf("store: read dispositions: %w", err)
	}
	defer rows.Close()
	out := []DispositionCount{}
	for rows.Next() {
		var c DispositionCount
		if err := rows.Scan(&c.Queue, &c.Agent, &c.List, &c.Group, &c.Disposition, &c.Count); err != nil {
			return nil, fmt.Errorf("store: read dispositions: %w", err)
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// Answers are what was answered to the questions of a script in one call.
type Answers struct {
	CallID  string            `json:"call_id"`
	Agent   string            `json:"agent"`
	Script  string            `json:"script"`
	At      time.Time         `json:"at"`
	Queue   string            `json:"queue,omitempty"`
	Contact string            `json:"contact,omitempty"`
	Answers map[string]string `json:"answers"`
	Done    bool              `json:"done"` // the last page was reached
}

// AnswersFilter chooses answers; zero fields choose all.
type AnswersFilter struct {
	CallID, Script, Contact string
	Cursor                  string
	Limit                   int // 1..1000; 0 = 100
}

// ScriptAnswers lists answers, the newest first, and the cursor of the next page.
func (s *Store) ScriptAnswers(ctx context.Context, tenant string, f AnswersFilter) (list []Answers, next string, err error) {
	limit := f.Limit
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	w := where{sql: []string{"1"}, args: []any{tenant}}
	w.equal("call_id", f.CallID)
	w.equal("script", f.Script)
	w.equal("contact", f.Contact)
	if err := w.beyond("(at, call_id || agent || script)", f.Cursor); err != nil {
		return nil, "", err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT call_id, agent, script, at, queue, contact, answers, done FROM script_answers WHERE tenant = ? AND `+
		strings.Join(w.sql, " AND ")+` ORDER BY at DESC, call_id || agent || script DESC LIMIT ?`, append(w.args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read answers: %w", err)
	}
	defer rows.Close()
	list = []Answers{}
	for rows.Next() {
		var a Answers
		var ms int64
		var text string
		if err := rows.Scan(&a.CallID, &a.Agent, &a.Script, &ms, &a.Queue, &a.Contact, &text, &a.Done); err != nil {
			return nil, "", fmt.Errorf("store: read answers: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &a.Answers); err != nil {
			return nil, "", fmt.Errorf("store: read answers: %w", err)
		}
		a.At = time.UnixMilli(ms).UTC()
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("store: read answers: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		last := list[limit-1]
		next = cursor(last.At, last.CallID+last.Agent+last.Script)
	}
	return list, next, nil
}

// Reminder is a call that an agent wants to make at a time.
type Reminder struct {
	ID     string    `json:"id"`
	Agent  string    `json:"agent"`
	At     time.Time `json:"at"`
	Number string    `json:"number"`
	Name   string    `json:"name,omitempty"`
	Note   string    `json:"note,omitempty"`
	// CallID is the call in which it was promised, "" none.
	CallID string `json:"call_id,omitempty"`
}

// MaxReminders bounds those of one agent.
const MaxReminders = 200

// ErrManyReminders: the agent has MaxReminders.
var ErrManyReminders = errors.New("too many reminders")

// SetReminder keeps one. Errors: ErrManyReminders.
func (s *Store) SetReminder(ctx context.Context, tenant string, r Reminder) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM reminders WHERE tenant = ? AND agent = ?`, tenant, r.Agent).Scan(&n); err != nil {
			return fmt.Errorf("store: read reminders: %w", err)
		}
		if n >= MaxReminders {
			return ErrManyReminders
		}
		return s.exec(ctx, `INSERT INTO reminders (tenant, id, agent, at, doc) VALUES (?,?,?,?,?)`, tenant, r.ID, r.Agent, r.At.UnixMilli(), string(doc))
	})
}

// DropReminder forgets one of an agent. Errors: ErrNotFound.
func (s *Store) DropReminder(ctx context.Context, tenant, agent, id string) error {
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM reminders WHERE tenant = ? AND id = ? AND agent = ?`, tenant, id, agent)
		if err != nil {
			return fmt.Errorf("store: write reminders: %w", err)
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return fmt.Errorf("reminder %q: %w", id, ErrNotFound)
		}
		return nil
	})
}

// Reminders lists an agent's, the next first.
func (s *Store) Reminders(ctx context.Context, tenant, agent string) ([]Reminder, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT doc FROM reminders WHERE tenant = ? AND agent = ? ORDER BY at, id`, tenant, agent)
	if err != nil {
		return nil, fmt.Errorf("store: read reminders: %w", err)
	}
	defer rows.Close()
	out := []Reminder{}
	for rows.Next() {
		var text string
		var r Reminder
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: read reminders: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, fmt.Errorf("store: read reminders: %w", err)
		}
		out = append(out, r)
	}
	return slices.Clip(out), rows.Err()
}
