package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

// querier is a connection pool or a connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Events returns all events of one call, in order; none is no error.
func (s *Store) Events(ctx context.Context, tenant, callID string) ([]event.Event, error) {
	return queryEvents(ctx, s.read, tenant, callID)
}

func queryEvents(ctx context.Context, q querier, tenant, callID string) ([]event.Event, error) {
	if callID == "" {
		return nil, nil
	}
	var out []event.Event
	// call_id <> '' lets SQLite take the partial index.
	rows, err := q.QueryContext(ctx, `SELECT seq, at, tenant, call_id, kind, data FROM events WHERE call_id = ? AND call_id <> '' AND tenant = ? ORDER BY seq`, callID, tenant)
	if err != nil {
		return nil, fmt.Errorf("store: read events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read events: %w", err)
	}
	return out, nil
}

func scanEvent(rows *sql.Rows) (event.Event, error) {
	var r event.Record
	var at int64
	var data string
	if err := rows.Scan(&r.Seq, &at, &r.Tenant, &r.CallID, &r.Kind, &data); err != nil {
		return event.Event{}, fmt.Errorf("store: read events: %w", err)
	}
	r.At, r.Data = time.UnixMilli(at).UTC(), json.RawMessage(data)
	return event.Decode(r)
}

// Range calls fn with every event of all tenants from seq on, in order, until
// it returns an error. Events that come meanwhile are included or not.
func (s *Store) Range(ctx context.Context, from uint64, fn func(event.Event) error) error {
	for e, err := range s.journal(ctx, from) {
		if err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// journal reads in pages, so that no read transaction keeps the WAL from being
// checkpointed while a slow consumer works.
func (s *Store) journal(ctx context.Context, from uint64) iter.Seq2[event.Event, error] {
	const page = 1000
	return func(yield func(event.Event, error) bool) {
		for {
			events, err := s.journalPage(ctx, from, page)
			if err != nil {
				yield(event.Event{}, err)
				return
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			if len(events) < page {
				return
			}
			from = events[len(events)-1].Seq + 1
		}
	}
}

func (s *Store) journalPage(ctx context.Context, from uint64, n int) ([]event.Event, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT seq, at, tenant, call_id, kind, data FROM events WHERE seq >= ? ORDER BY seq LIMIT ? -- all tenants: projections follow the one journal`, int64(from), n)
	return readEvents(rows, err)
}

// readEvents takes what a query for events gave.
func readEvents(rows *sql.Rows, err error) ([]event.Event, error) {
	if err != nil {
		return nil, fmt.Errorf("store: read journal: %w", err)
	}
	defer rows.Close()
	var out []event.Event
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read journal: %w", err)
	}
	return out, nil
}

const upsertCall = `INSERT INTO calls (tenant, id, started, ended, direction, caller, dialled, trunk, device, queue, agent, result, reason, total_ms, talk_ms, record)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (tenant, id) DO UPDATE SET started = excluded.started, ended = excluded.ended, direction = excluded.direction, caller = excluded.caller,
dialled = excluded.dialled, trunk = excluded.trunk, device = excluded.device, queue = excluded.queue, agent = excluded.agent, result = excluded.result,
reason = excluded.reason, total_ms = excluded.total_ms, talk_ms = excluded.talk_ms, record = excluded.record`

// callArgs are the values of upsertCall.
func callArgs(c *cdr.Call) ([]any, error) {
	record, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", c.ID, err)
	}
	var ended any
	if !c.Open() {
		ended = c.Ended.UnixMilli()
	}
	trunk := c.Trunk
	if trunk == "" {
		trunk = c.PeerTrunk
	}
	return []any{c.Tenant, c.ID, c.Started.UnixMilli(), ended, string(c.Direction), c.From, c.To, trunk, c.Device, c.Queue, c.Agent,
		string(c.Result), string(c.Reason), c.TotalMs, c.TalkMs, string(record)}, nil
}

func (s *Store) writeCall(ctx context.Context, c *cdr.Call) error {
	args, err := callArgs(c)
	if err != nil {
		return err
	}
	return s.exec(ctx, upsertCall, args...)
}

// CallFilter chooses calls; zero fields choose all.
type CallFilter struct {
	From, To  time.Time // started in [From, To)
	Direction event.Direction
	Caller    string // exact
	Dialled   string // exact
	Trunk     string
	Device    string
	Queue     string
	Agent     string
	Result    event.Result
	Reason    event.Reason
	Ended     bool // only calls that have ended
	// Disposition that an agent gave.
	Disposition string
	// MinMs and MaxMs bound the length of the call, 0 = do not.
	MinMs, MaxMs int64
	// Number is how the caller's or the dialled number ends; Text is in a comment on a
	// recording of the call; Recorded: there is a recording.
	Number, Text string
	Recorded     bool
	Cursor       string // of the page before; "" = the newest
	Limit        int    // 1..1000; 0 = 100
}

// ErrCursor: the cursor is none of ours.
var ErrCursor = errors.New("store: bad cursor; take it from the page before, unchanged")

// Calls lists call records of a tenant, newest first, and the cursor of the
// next page ("" = no more). The rows of running calls are as of their start;
// Live has them as they stand.
func (s *Store) Calls(ctx context.Context, tenant string, f CallFilter) (calls []cdr.Call, next string, err error) {
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
	if f.Ended {
		w.and("ended IS NOT NULL")
	}
	w.equal("direction", string(f.Direction))
	w.equal("caller", f.Caller)
	w.equal("dialled", f.Dialled)
	w.equal("trunk", f.Trunk)
	w.equal("device", f.Device)
	w.equal("queue", f.Queue)
	w.equal("agent", f.Agent)
	w.equal("result", string(f.Result))
	w.equal("reason", string(f.Reason))
	if f.Disposition != "" {
		w.and("EXISTS (SELECT 1 FROM dispositions d WHERE d.tenant = calls.tenant AND d.call_id = calls.id AND d.disposition = ?)", f.Disposition)
	}
	if f.MinMs > 0 {
		w.and("total_ms >= ?", f.MinMs)
	}
	if f.MaxMs > 0 {
		w.and("total_ms <= ?", f.MaxMs)
	}
	if n := len(f.Number); n > 0 {
		w.and("(substr(caller, -?) = ? OR substr(dialled, -?) = ?)", n, f.Number, n, f.Number)
	}
	if f.Text != "" {
		w.and("EXISTS (SELECT 1 FROM marks m WHERE m.tenant = calls.tenant AND m.call_id = calls.id AND instr(lower(m.text), lower(?)) > 0)", f.Text)
	}
	if f.Recorded { // a record without recordings has no such key; a text in it would have its quotes escaped
		w.and(`instr(record, '"recordings":[') > 0`)
	}
	if err := w.after(f.Cursor); err != nil {
		return nil, "", err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT record FROM calls WHERE tenant = ? AND `+strings.Join(w.sql, " AND ")+` ORDER BY started DESC, id DESC LIMIT ?`, append(w.args, limit+1)...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read calls: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scanCall(rows)
		if err != nil {
			return nil, "", err
		}
		calls = append(calls, c)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("store: read calls: %w", err)
	}
	if len(calls) > limit {
		calls = calls[:limit]
		last := calls[limit-1]
		next = cursor(last.Started, last.ID)
	}
	return calls, next, s.withDispositions(ctx, tenant, calls)
}

func scanCall(rows *sql.Rows) (cdr.Call, error) {
	var record string
	var c cdr.Call
	if err := rows.Scan(&record); err != nil {
		return c, fmt.Errorf("store: read calls: %w", err)
	}
	if err := json.Unmarshal([]byte(record), &c); err != nil {
		return c, fmt.Errorf("store: read calls: %w", err)
	}
	return c, nil
}

// where collects conditions. Their texts are ours, the values always arguments.
type where struct {
	sql  []string
	args []any
}

func (w *where) and(sql string, args ...any) {
	w.sql = append(w.sql, sql)
	w.args = append(w.args, args...)
}

func (w *where) equal(column, value string) {
	if value != "" {
		w.and(column+" = ?", value)
	}
}

func (w *where) after(cur string) error { return w.beyond("(started, id)", cur) }

// beyond goes on behind a cursor over a pair of columns, a time and an id, newest first.
func (w *where) beyond(columns, cur string) error {
	if cur == "" {
		return nil
	}
	started, id, ok := strings.Cut(cur, ".")
	ms, err := strconv.ParseInt(started, 36, 64)
	if !ok || err != nil {
		return ErrCursor
	}
	w.and(columns+" < (?, ?)", ms, id)
	return nil
}

func cursor(started time.Time, id string) string {
	return strconv.FormatInt(started.UnixMilli(), 36) + "." + id
}

// Call returns one call's record: as it stands when it runs, else as stored.
func (s *Store) Call(ctx context.Context, tenant, id string) (cdr.Call, error) {
	c, err := s.callRecord(ctx, tenant, id)
	if err != nil {
		return c, err
	}
	one := []cdr.Call{c}
	err = s.withDispositions(ctx, tenant, one)
	return one[0], err
}

func (s *Store) callRecord(ctx context.Context, tenant, id string) (cdr.Call, error) {
	for _, c := range s.Live(tenant) {
		if c.ID == id {
			return c, nil
		}
	}
	rows, err := s.read.QueryContext(ctx, `SELECT record FROM calls WHERE tenant = ? AND id = ?`, tenant, id)
	if err != nil {
		return cdr.Call{}, fmt.Errorf("store: read calls: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return cdr.Call{}, fmt.Errorf("store: read calls: %w", err)
		}
		return cdr.Call{}, fmt.Errorf("call %q: %w", id, ErrNotFound)
	}
	return scanCall(rows)
}

// Live lists a tenant's running calls as the journal has them, oldest first.
// They lag behind the calls themselves by Options.FlushEvery.
func (s *Store) Live(tenant string) []cdr.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []cdr.Call
	for _, c := range s.projector.Open() {
		if c.Tenant == tenant {
			out = append(out, c)
		}
	}
	return out
}

// CloseOrphans ends, in the journal, the calls that a former process left open
// when it was killed: result "ours", reason "error", at the time of their last
// event. Call it once after Open and before any call starts. It returns them as they
// stood, still open.
func (s *Store) CloseOrphans() (open []cdr.Call, err error) {
	s.mu.Lock()
	open = s.projector.Open()
	s.mu.Unlock()
	for _, c := range open {
		r := c.Running(c.LastAt)
		s.Append(event.Event{At: c.LastAt, Tenant: c.Tenant, CallID: c.ID, Body: event.CallEnded{Result: event.ResultOurs, Reason: event.ReasonError,
			TotalMs: r.TotalMs, TalkMs: r.TalkMs, MenuMs: r.MenuMs, WaitMs: r.WaitMs, HoldMs: r.HoldMs, SetupMs: r.SetupMs, Agent: r.Agent, Queue: r.Queue}})
	}
	if len(open) == 0 {
		return nil, nil
	}
	return open, s.Sync()
}

// RebuildCalls makes all call records again from the journal. Records of calls
// whose events are gone stay as they are.
func (s *Store) RebuildCalls(ctx context.Context) (n int, err error) {
	var batch []cdr.Call
	flush := func() error {
		todo := batch
		batch = nil
		return s.update(ctx, func(ctx context.Context, tx execer) error {
			for i := range todo {
				args, err := callArgs(&todo[i])
				if err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, upsertCall, args...); err != nil {
					return fmt.Errorf("store: write call record: %w", err)
				}
			}
			return nil
		})
	}
	err = cdr.Rebuild(s.journal(ctx, 0), func(c cdr.Call) error {
		if c.Open() {
			return nil // runs, or is an orphan: the writer has it
		}
		n++
		if batch = append(batch, c.Clone()); len(batch) >= 500 {
			return flush()
		}
		return nil
	})
	if err == nil && len(batch) > 0 {
		err = flush()
	}
	return n, err
}
