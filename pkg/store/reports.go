package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/report/follow"
)

var _ follow.Store = (*Store)(nil)

// LastSeq is the newest event of the journal, 0 when it is empty.
func (s *Store) LastSeq(context.Context) (uint64, error) { return s.tail.newest(), nil }

// JournalOf reads events of some kinds with from <= seq <= to, in order, at most
// n, of all tenants (tenant "") or of one.
func (s *Store) JournalOf(ctx context.Context, tenant string, from, to uint64, n int, kinds []string) ([]event.Event, error) {
	if events, ok := s.tail.read(tenant, from, to, n, kinds); ok {
		return events, nil
	}
	return s.journalFile(ctx, tenant, from, to, n, kinds)
}

func (s *Store) journalFile(ctx context.Context, tenant string, from, to uint64, n int, kinds []string) ([]event.Event, error) {
	args := []any{int64(from), int64(to), tenant, tenant}
	for _, k := range kinds {
		args = append(args, k)
	}
	rows, err := s.read.QueryContext(ctx, `SELECT seq, at, tenant, call_id, kind, data FROM events WHERE seq BETWEEN ? AND ? AND (? = '' OR tenant = ?) AND kind IN (`+
		strings.TrimSuffix(strings.Repeat("?,", len(kinds)), ",")+`) ORDER BY seq LIMIT ?`, append(args, n)...)
	return readEvents(rows, err)
}

// SeqAt finds the first event at or behind a moment (milliseconds since 1970) by
// halving: the journal is in order of time but for the odd event, so the answer
// may be a few events off. One behind the newest when there is none.
func (s *Store) SeqAt(ctx context.Context, ms int64) (uint64, error) {
	var lo, hi int64
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) + 1 FROM events -- all tenants: one journal`).Scan(&lo, &hi); err != nil {
		return 0, fmt.Errorf("store: read journal: %w", err)
	}
	for lo < hi {
		mid := lo + (hi-lo)/2
		var at, seq int64
		err := s.read.QueryRowContext(ctx, `SELECT seq, at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1 -- all tenants: one journal`, mid).Scan(&seq, &at)
		if err != nil {
			return 0, fmt.Errorf("store: read journal: %w", err)
		}
		if at < ms {
			lo = seq + 1
		} else {
			hi = mid
		}
	}
	return uint64(lo), nil
}

// LoadReport implements follow.Store.
func (s *Store) LoadReport(ctx context.Context) (r follow.Saved, ok bool, err error) {
	// Without one in use the newest tells which generations there have been.
	err = s.read.QueryRowContext(ctx, `SELECT gen, active, version, seq, state FROM report_state ORDER BY active DESC, gen DESC LIMIT 1 -- all tenants: one projection`).Scan(&r.Gen, &r.Active, &r.Version, &r.Seq, &r.State)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, false, nil
	case err != nil:
		return r, false, fmt.Errorf("store: read reports: %w", err)
	}
	return r, r.Active, nil
}

// ReportSeq implements follow.Store.
func (s *Store) ReportSeq(ctx context.Context, gen int64) (seq uint64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT seq FROM report_state WHERE gen = ? -- all tenants: one projection`, gen).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("store: read reports: %w", err)
	}
	return seq, nil
}

// ReportCounts implements follow.Store.
func (s *Store) ReportCounts(ctx context.Context, gen int64, k report.Key) (c report.Counts, err error) {
	var text []byte
	err = s.read.QueryRowContext(ctx, `SELECT counts FROM report_rows WHERE tenant = ? AND gen = ? AND kind = ? AND start = ? AND name = ?`, k.Tenant, gen, string(k.Kind), k.Start, k.Name).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("store: read reports: %w", err)
	}
	return c, c.UnmarshalJSON(text)
}

// reportChunk is how many rows one INSERT takes.
const reportChunk = 16

const upsertReports = ` ON CONFLICT (tenant, gen, kind, start, name) DO UPDATE SET counts = excluded.counts`

var insertReports = `INSERT INTO report_rows (tenant, gen, kind, start, name, counts) VALUES ` + strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?),", reportChunk), ",") + upsertReports

const insertReport = `INSERT INTO report_rows (tenant, gen, kind, start, name, counts) VALUES (?,?,?,?,?,?)` + upsertReports

// SaveReport implements follow.Store: rows as they are now, and how far the journal
// is counted, in one transaction.
func (s *Store) SaveReport(ctx context.Context, r follow.Saved, rows map[report.Key]report.Counts) error {
	args := make([]any, 0, 6*len(rows)) // made here: the writer should not wait for it
	for k, c := range rows {
		args = append(args, k.Tenant, r.Gen, string(k.Kind), k.Start, k.Name, string(c.AppendJSON(nil)))
	}
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		for args := args; len(args) > 0; {
			n, query := 6, insertReport
			if len(args) >= 6*reportChunk {
				n, query = 6*reportChunk, insertReports
			}
			if err := s.exec(ctx, query, args[:n]...); err != nil {
				return fmt.Errorf("store: write report: %w", err)
			}
			args = args[n:]
		}
		active := 0
		if r.Active {
			active = 1
			if err := s.exec(ctx, `UPDATE report_state SET active = 0 WHERE gen <> ? AND active = 1 -- all tenants: one projection`, r.Gen); err != nil {
				return fmt.Errorf("store: write report: %w", err)
			}
		}
		if err := s.exec(ctx, `INSERT INTO report_state (gen, active, version, seq, state) VALUES (?,?,?,?,?)
ON CONFLICT (gen) DO UPDATE SET active = excluded.active, version = excluded.version, seq = excluded.seq, state = excluded.state -- all tenants: one projection`,
			r.Gen, active, r.Version, int64(r.Seq), r.State); err != nil {
			return fmt.Errorf("store: write report: %w", err)
		}
		return nil
	})
}

// ReportRows implements follow.Store. One statement reads one snapshot of the WAL:
// what is stored behind its first row is not seen.
func (s *Store) ReportRows(ctx context.Context, gen int64, tenant string, kind report.Kind, name string, from, to int64) iter.Seq2[report.Row, error] {
	return func(yield func(report.Row, error) bool) {
		rows, err := s.read.QueryContext(ctx, `SELECT start, name, counts FROM report_rows WHERE tenant = ? AND gen = ? AND kind = ? AND start >= ? AND start < ? AND (? = '' OR name = ?) ORDER BY start, name`,
			tenant, gen, string(kind), from, to, name, name)
		if err != nil {
			yield(report.Row{}, fmt.Errorf("store: read reports: %w", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var r report.Row
			var text []byte
			if err := rows.Scan(&r.Start, &r.Name, &text); err != nil {
				yield(r, fmt.Errorf("store: read reports: %w", err))
				return
			}
			if err := r.Counts.UnmarshalJSON(text); err != nil {
				yield(r, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(report.Row{}, fmt.Errorf("store: read reports: %w", err))
		}
	}
}

// CompareReports implements follow.Store: how many rows of two generations differ
// or are in one alone.
func (s *Store) CompareReports(ctx context.Context, a, b int64) (n int, err error) {
	const diff = `SELECT count(*) FROM report_rows AS x LEFT JOIN report_rows AS y ON y.tenant = x.tenant AND y.gen = ? AND y.kind = x.kind AND y.start = x.start AND y.name = x.name
WHERE x.gen = ? AND (y.counts IS NULL OR y.counts <> x.counts AND ?) -- all tenants: one projection`
	var m int
	if err := s.read.QueryRowContext(ctx, diff, b, a, 1).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: compare reports: %w", err)
	}
	// What differs was counted from a's side; here only what a has not at all.
	if err := s.read.QueryRowContext(ctx, diff, a, b, 0).Scan(&m); err != nil {
		return 0, fmt.Errorf("store: compare reports: %w", err)
	}
	return n + m, nil
}

// DropReports implements follow.Store: forgets all generations but keep. What goes
// is looked for outside the writer's transactions, and goes in small ones.
func (s *Store) DropReports(ctx context.Context, keep int64) error {
	tenant := ""
	for {
		var next sql.NullString
		if err := s.read.QueryRowContext(ctx, `SELECT min(tenant) FROM report_rows WHERE tenant > ? -- all tenants: one projection`, tenant).Scan(&next); err != nil {
			return fmt.Errorf("store: drop reports: %w", err)
		}
		if !next.Valid {
			break
		}
		tenant = next.String
		for _, where := range []string{`gen < ?`, `gen > ?`} {
			for {
				n, err := s.dropReports(ctx, tenant, where, keep)
				if err != nil {
					return err
				}
				if n == 0 {
					break
				}
			}
		}
	}
	return s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM report_state WHERE gen <> ? -- all tenants: one projection`, keep)
		return err
	})
}

// dropReports forgets at most a thousand rows of one tenant.
func (s *Store) dropReports(ctx context.Context, tenant, where string, keep int64) (n int, err error) {
	var keys [][]any
	rows, err := s.read.QueryContext(ctx, `SELECT gen, kind, start, name FROM report_rows WHERE tenant = ? AND `+where+` LIMIT 1000`, tenant, keep)
	if err != nil {
		return 0, fmt.Errorf("store: drop reports: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var gen, start int64
		var kind, name string
		if err := rows.Scan(&gen, &kind, &start, &name); err != nil {
			return 0, fmt.Errorf("store: drop reports: %w", err)
		}
		keys = append(keys, []any{tenant, gen, kind, start, name})
	}
	if err := rows.Err(); err != nil || len(keys) == 0 {
		return 0, err
	}
	rows.Close()
	return len(keys), s.updateLax(ctx, func(ctx context.Context, tx execer) error {
		for _, k := range keys {
			if err := s.exec(ctx, `DELETE FROM report_rows WHERE tenant = ? AND gen = ? AND kind = ? AND start = ? AND name = ?`, k...); err != nil {
				return fmt.Errorf("store: drop reports: %w", err)
			}
		}
		return nil
	})
}
