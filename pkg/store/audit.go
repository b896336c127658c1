package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/auth/account"
	"github.com/centrala/centrala/pkg/event"
)

// The audit log is a projection of the journal's "audit" events, written in the
// same transaction: who searches it does not read the whole journal. Triggers let
// nobody change or delete a line.

func (s *Store) writeAudit(ctx context.Context, r *event.Record, b event.Audited) error {
	return s.exec(ctx, `INSERT INTO audit (seq, at, tenant, by, action, object, source, detail) VALUES (?,?,?,?,?,?,?,?)`,
		int64(r.Seq), r.At.UnixMilli(), r.Tenant, b.By, b.Action, b.Object, b.Source, b.Detail)
}

// Audit lists a tenant's audit log, newest first.
func (s *Store) Audit(ctx context.Context, tenant string, f account.AuditFilter) ([]account.Audit, error) {
	w := where{sql: []string{"1"}, args: []any{tenant}}
	if f.Before > 0 {
		w.and("seq < ?", int64(f.Before))
	}
	w.equal("by", f.By)
	w.equal("object", f.Object)
	if begin, any := strings.CutSuffix(f.Action, "*"); any {
		w.and("substr(action, 1, ?) = ?", len(begin), begin)
	} else {
		w.equal("action", f.Action)
	}
	if !f.From.IsZero() {
		w.and("at >= ?", f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		w.and("at < ?", f.To.UnixMilli())
	}
	limit := f.Limit
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	rows, err := s.read.QueryContext(ctx, `SELECT seq, at, tenant, by, action, object, source, detail FROM audit WHERE tenant = ? AND `+strings.Join(w.sql, " AND ")+` ORDER BY seq DESC LIMIT ?`, append(w.args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("store: read audit: %w", err)
	}
	defer rows.Close()
	out := []account.Audit{}
	for rows.Next() {
		var a account.Audit
		var at int64
		if err := rows.Scan(&a.Seq, &at, &a.Tenant, &a.By, &a.Action, &a.Object, &a.Source, &a.Detail); err != nil {
			return nil, fmt.Errorf("store: read audit: %w", err)
		}
		a.At = time.UnixMilli(at).UTC()
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read audit: %w", err)
	}
	return out, nil
}
