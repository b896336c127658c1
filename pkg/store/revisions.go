package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/resource"
)

// ResourceRevisions tells for each resource of a kind that is there the revision
// that changed it last.
func (s *Store) ResourceRevisions(ctx context.Context, tenant string, kind resource.Kind) (map[string]uint64, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT h.name, max(h.revision) FROM resource_history h JOIN resources r ON r.tenant = h.tenant AND r.kind = h.kind AND r.name = h.name
WHERE h.tenant = ? AND h.kind = ? GROUP BY h.name`, tenant, string(kind))
	if err != nil {
		return nil, fmt.Errorf("store: read revisions: %w", err)
	}
	defer rows.Close()
	out := map[string]uint64{}
	for rows.Next() {
		var name string
		var revision uint64
		if err := rows.Scan(&name, &revision); err != nil {
			return nil, fmt.Errorf("store: read revisions: %w", err)
		}
		out[name] = revision
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read revisions: %w", err)
	}
	return out, nil
}

// ChangesOf lists what one revision did to a tenant's resources, in no order, without the specs.
func (s *Store) ChangesOf(ctx context.Context, tenant string, revision uint64) ([]Revision, error) {
	return s.revisions(ctx, `SELECT h.revision, r.at, r.by, r.via, h.op, h.kind, h.name FROM resource_history h JOIN revisions r ON r.revision = h.revision
WHERE h.tenant = ? AND h.revision = ? ORDER BY h.kind, h.name`, tenant, int64(revision))
}

// Revisions lists the changes of a tenant's resources, newest first: at most limit
// revisions older than before (0 = all), each change a line.
func (s *Store) Revisions(ctx context.Context, tenant string, before uint64, limit int) ([]Revision, error) {
	if before == 0 {
		before = 1 << 62
	}
	return s.revisions(ctx, `SELECT h.revision, r.at, r.by, r.via, h.op, h.kind, h.name FROM resource_history h JOIN revisions r ON r.revision = h.revision
WHERE h.tenant = ? AND h.revision IN (SELECT DISTINCT revision FROM resource_history WHERE tenant = ? AND revision < ? ORDER BY revision DESC LIMIT ?)
ORDER BY h.revision DESC, h.kind, h.name`, tenant, tenant, int64(before), limit)
}

func (s *Store) revisions(ctx context.Context, query string, args ...any) ([]Revision, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("store: read revisions: %w", err)
	}
	defer rows.Close()
	var out []Revision
	for rows.Next() {
		var r Revision
		var at int64
		if err := rows.Scan(&r.Revision, &at, &r.By, &r.Via, &r.Op, &r.Kind, &r.Name); err != nil {
			return nil, fmt.Errorf("store: read revisions: %w", err)
		}
		r.At = time.UnixMilli(at).UTC()
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read revisions: %w", err)
	}
	return out, nil
}

// answersKept is how long the answer to a request that named a key is kept.
const answersKept = 24 * time.Hour

// LoadAnswer finds what was answered to a request that named a key; "" = nothing yet.
func (s *Store) LoadAnswer(ctx context.Context, tenant, who, key string) (request, answer string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT request, answer FROM idempotency WHERE tenant = ? AND who = ? AND key = ? AND at > ?`,
		tenant, who, key, time.Now().Add(-answersKept).UnixMilli()).Scan(&request, &answer)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("store: read answer: %w", err)
	}
	return request, answer, nil
}

// SaveAnswer keeps what was answered, and forgets what is older than a day.
func (s *Store) SaveAnswer(ctx context.Context, tenant, who, key, request, answer string) error {
	now := time.Now()
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		// Now and then is enough: LoadAnswer does not believe what is too old.
		if now.UnixMilli()%64 != 0 {
		} else if err := s.exec(ctx, `DELETE FROM idempotency WHERE tenant = ? AND at <= ?`, tenant, now.Add(-answersKept).UnixMilli()); err != nil {
			return fmt.Errorf("store: write answer: %w", err)
		}
		if err := s.exec(ctx, `INSERT INTO idempotency (tenant, who, key, at, request, answer) VALUES (?,?,?,?,?,?) ON CONFLICT (tenant, who, key) DO UPDATE SET at = excluded.at, request = excluded.request, answer = excluded.answer`,
			tenant, who, key, now.UnixMilli(), request, answer); err != nil {
			return fmt.Errorf("store: write answer: %w", err)
		}
		return nil
	})
}
