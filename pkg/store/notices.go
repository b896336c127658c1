package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Notice is what agents were told at their desks. Read has the agents who have
// acknowledged it, and when.
type Notice struct {
	ID     string               `json:"id"`
	At     time.Time            `json:"at"`
	By     string               `json:"by"`
	To     string               `json:"to"` // "all", "queue:NAME", "agent:NAME"
	Text   string               `json:"text"`
	Agents []string             `json:"agents"`
	Read   map[string]time.Time `json:"read"`
}

// AddNotice keeps a notice and whom it is for.
func (s *Store) AddNotice(ctx context.Context, tenant string, n Notice) error {
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, `INSERT INTO notices (tenant, id, at, by, recipients, text) VALUES (?,?,?,?,?,?)`, tenant, n.ID, n.At.UnixMilli(), n.By, n.To, n.Text); err != nil {
			return fmt.Errorf("store: write notice: %w", err)
		}
		for _, a := range n.Agents {
			if err := s.exec(ctx, `INSERT INTO notice_agents (tenant, id, agent, read) VALUES (?,?,?,0)`, tenant, n.ID, a); err != nil {
				return fmt.Errorf("store: write notice: %w", err)
			}
		}
		return nil
	})
}

// ReadNotice notes that an agent has acknowledged a notice; first is false when that
// was so, or it was not for this agent.
func (s *Store) ReadNotice(ctx context.Context, tenant, id, agent string, at time.Time) (first bool, err error) {
	return s.changed(ctx, "notice", `UPDATE notice_agents SET read = ? WHERE tenant = ? AND id = ? AND agent = ? AND read = 0`, at.UnixMilli(), tenant, id, agent)
}

// changed carries out a change and tells whether any row was.
func (s *Store) changed(ctx context.Context, what, query string, args ...any) (some bool, err error) {
	err = s.update(ctx, func(ctx context.Context, tx execer) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("store: write %s: %w", what, err)
		}
		n, err := res.RowsAffected()
		some = n > 0
		return err
	})
	return some, err
}

// NoticeFilter bounds a list of notices.
type NoticeFilter struct {
	Agent  string // for this agent
	Unread bool   // that this agent has not acknowledged
	Cursor string
	Limit  int // 1..500; 0 = 50
}

// Notices lists a tenant's notices, the newest first.
func (s *Store) Notices(ctx context.Context, tenant string, f NoticeFilter) (list []Notice, next string, err error) {
	limit := f.Limit
	if limit <= 0 || limit > 500 {
		limit = 50
	}
	w := where{sql: []string{"1"}, args: []any{tenant}}
	switch {
	case f.Agent != "" && f.Unread:
		w.and("EXISTS (SELECT 1 FROM notice_agents a WHERE a.tenant = n.tenant AND a.id = n.id AND a.agent = ? AND a.read = 0)", f.Agent)
	case f.Agent != "":
		w.and("EXISTS (SELECT 1 FROM notice_agents a WHERE a.tenant = n.tenant AND a.id = n.id AND a.agent = ?)", f.Agent)
	}
	if err := w.beyond("(n.at, n.id)", f.Cursor); err != nil {
		return nil, "", err
	}
	query := `SELECT n.id, n.at, n.by, n.recipients, n.text, (SELECT json_group_object(a.agent, a.read) FROM notice_agents a WHERE a.tenant = n.tenant AND a.id = n.id) FROM notices n WHERE n.tenant = ? AND `
	for _, c := range w.sql[:len(w.sql)-1] {
		query += c + " AND "
	}
	rows, err := s.read.QueryContext(ctx, query+w.sql[len(w.sql)-1]+` ORDER BY n.at DESC, n.id DESC LIMIT ?`, append(w.args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read notices: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		n := Notice{Agents: []string{}, Read: map[string]time.Time{}}
		var at int64
		var who string
		if err := rows.Scan(&n.ID, &at, &n.By, &n.To, &n.Text, &who); err != nil {
			return nil, "", fmt.Errorf("store: read notices: %w", err)
		}
		read := map[string]int64{}
		if err := json.Unmarshal([]byte(who), &read); err != nil {
			return nil, "", fmt.Errorf("store: read notices: %w", err)
		}
		n.At = time.UnixMilli(at).UTC()
		for agent, at := range read {
			n.Agents = append(n.Agents, agent)
			if at > 0 {
				n.Read[agent] = time.UnixMilli(at).UTC()
			}
		}
		list = append(list, n)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("store: read notices: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = cursor(list[limit-1].At, list[limit-1].ID)
	}
	return list, next, nil
}

// UnreadNotices counts, by tenant and agent, what was not acknowledged.
func (s *Store) UnreadNotices(ctx context.Context) (map[string]map[string]int, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT tenant, agent, count(*) FROM notice_agents WHERE read = 0 GROUP BY tenant, agent -- all tenants: once, at start`)
	if err != nil {
		return nil, fmt.Errorf("store: read notices: %w", err)
	}
	defer rows.Close()
	out := map[string]map[string]int{}
	for rows.Next() {
		var tenant, agent string
		var n int
		if err := rows.Scan(&tenant, &agent, &n); err != nil {
			return nil, fmt.Errorf("store: read notices: %w", err)
		}
		if out[tenant] == nil {
			out[tenant] = map[string]int{}
		}
		out[tenant][agent] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read notices: %w", err)
	}
	return out, nil
}

// Mark is a comment on a recording.
type Mark struct {
	ID        string    `json:"id"`
	Recording string    `json:"recording"`
	CallID    string    `json:"call_id"`
	AtMs      int64     `json:"at_ms"` // of the recording
	At        time.Time `json:"at"`    // when it was made
	By        string    `json:"by"`
	Text      string    `json:"text"`
}

// AddMark keeps a comment.
func (s *Store) AddMark(ctx context.Context, tenant string, m Mark) error {
	return s.run(ctx, "mark", `INSERT INTO marks (tenant, id, recording, call_id, at_ms, at, by, text) VALUES (?,?,?,?,?,?,?,?)`,
		tenant, m.ID, m.Recording, m.CallID, m.AtMs, m.At.UnixMilli(), m.By, m.Text)
}

// DropMark forgets a comment of a recording, and tells whether there was one.
func (s *Store) DropMark(ctx context.Context, tenant, recording, id string) (bool, error) {
	return s.changed(ctx, "mark", `DELETE FROM marks WHERE tenant = ? AND recording = ? AND id = ?`, tenant, recording, id)
}

// maxMarks bounds the comments of one recording.
const maxMarks = 1000

// Marks lists the comments of a recording in its order.
func (s *Store) Marks(ctx context.Context, tenant, recording string) ([]Mark, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, recording, call_id, at_ms, at, by, text FROM marks WHERE tenant = ? AND recording = ? ORDER BY at_ms, id LIMIT ?`, tenant, recording, maxMarks)
	if err != nil {
		return nil, fmt.Errorf("store: read marks: %w", err)
	}
	defer rows.Close()
	out := []Mark{}
	for rows.Next() {
		var m Mark
		var at int64
		if err := rows.Scan(&m.ID, &m.Recording, &m.CallID, &m.AtMs, &at, &m.By, &m.Text); err != nil {
			return nil, fmt.Errorf("store: read marks: %w", err)
		}
		m.At = time.UnixMilli(at).UTC()
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read marks: %w", err)
	}
	return out, nil
}
