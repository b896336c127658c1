package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/resource"
)

// FlowVersion is one published version of a flow.
type FlowVersion struct {
	Version  int       `json:"version"`  // 1 was the first; a removal has none (0)
	Revision uint64    `json:"revision"` // of the resources
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Removed  bool      `json:"removed,omitempty"`
	Spec     string    `json:"-"` // YAML
}

// FlowDraft is a flow that is being written and that no call sees.
type FlowDraft struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Base int       `json:"base"` // version it was begun from; 0 = none
	Text string    `json:"-"`    // YAML as it was written
}

// FlowVersions lists the published versions of a flow, the newest first.
func (s *Store) FlowVersions(ctx context.Context, tenant, name string) ([]FlowVersion, error) {
	history, err := s.History(ctx, tenant, resource.KindFlow, name)
	if err != nil {
		return nil, err
	}
	out := make([]FlowVersion, len(history))
	n := 0
	for i := len(history) - 1; i >= 0; i-- {
		h := history[i]
		v := FlowVersion{Revision: h.Revision, At: h.At, By: h.By, Removed: h.Op == resource.OpRemove, Spec: h.Spec}
		if !v.Removed {
			n++
			v.Version = n
		}
		out[i] = v
	}
	return out, nil
}

// flowVersions counts the published versions of every flow.
func flowVersions(ctx context.Context, tx *sql.Tx) (map[resource.Key]int, error) {
	rows, err := tx.QueryContext(ctx, `SELECT tenant, name, count(*) FROM resource_history WHERE kind = 'flow' AND op <> 'remove' GROUP BY tenant, name -- all tenants: a set holds them all`)
	if err != nil {
		return nil, fmt.Errorf("store: read versions: %w", err)
	}
	defer rows.Close()
	out := map[resource.Key]int{}
	for rows.Next() {
		var k resource.Key
		var n int
		if err := rows.Scan(&k.Tenant, &k.Name, &n); err != nil {
			return nil, fmt.Errorf("store: read versions: %w", err)
		}
		out[k] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read versions: %w", err)
	}
	return out, nil
}

// SaveFlowDraft keeps a draft in place of the one before.
func (s *Store) SaveFlowDraft(ctx context.Context, tenant string, d FlowDraft) error {
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, `INSERT INTO flow_drafts (tenant, name, at, by, base, text) VALUES (?,?,?,?,?,?)
ON CONFLICT (tenant, name) DO UPDATE SET at = excluded.at, by = excluded.by, base = excluded.base, text = excluded.text`,
			tenant, d.Name, d.At.UnixMilli(), d.By, d.Base, d.Text); err != nil {
			return fmt.Errorf("store: write draft: %w", err)
		}
		return nil
	})
}

// DropFlowDraft throws a draft away; one that is not there is no error.
func (s *Store) DropFlowDraft(ctx context.Context, tenant, name string) error {
	return s.update(ctx, func(ctx context.Context, tx execer) error {
		if err := s.exec(ctx, `DELETE FROM flow_drafts WHERE tenant = ? AND name = ?`, tenant, name); err != nil {
			return fmt.Errorf("store: delete draft: %w", err)
		}
		return nil
	})
}

// FlowDraft reads a draft; ErrNotFound when there is none.
func (s *Store) FlowDraft(ctx context.Context, tenant, name string) (FlowDraft, error) {
	d := FlowDraft{Name: name}
	var at int64
	err := s.read.QueryRowContext(ctx, `SELECT at, by, base, text FROM flow_drafts WHERE tenant = ? AND name = ?`, tenant, name).Scan(&at, &d.By, &d.Base, &d.Text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return d, ErrNotFound
	case err != nil:
		return d, fmt.Errorf("store: read draft: %w", err)
	}
	d.At = time.UnixMilli(at).UTC()
	return d, nil
}

// FlowDrafts lists the drafts of a tenant without their texts, by name.
func (s *Store) FlowDrafts(ctx context.Context, tenant string) ([]FlowDraft, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT name, at, by, base FROM flow_drafts WHERE tenant = ? ORDER BY name`, tenant)
	if err != nil {
		return nil, fmt.Errorf("store: read drafts: %w", err)
	}
	defer rows.Close()
	var out []FlowDraft
	for rows.Next() {
		var d FlowDraft
		var at int64
		if err := rows.Scan(&d.Name, &at, &d.By, &d.Base); err != nil {
			return nil, fmt.Errorf("store: read drafts: %w", err)
		}
		d.At = time.UnixMilli(at).UTC()
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read drafts: %w", err)
	}
	return out, nil
}
