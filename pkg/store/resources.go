package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
)

// Load reads the resources at their newest revision. An empty store gives an
// empty set of revision 0.
func (s *Store) Load(ctx context.Context) (*resource.Set, error) {
	tx, err := s.read.BeginTx(ctx, nil) // one state of the file for both queries
	if err != nil {
		return nil, fmt.Errorf("store: read resources: %w", err)
	}
	defer tx.Rollback()
	var revision uint64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(revision), 0) FROM revisions`).Scan(&revision); err != nil {
		return nil, fmt.Errorf("store: read resources: %w", err)
	}
	rows, err := tx.QueryContext(ctx, `SELECT tenant, kind, name, spec FROM resources -- all tenants: a set holds them all`)
	if err != nil {
		return nil, fmt.Errorf("store: read resources: %w", err)
	}
	defer rows.Close()
	var docs []resource.Document
	for rows.Next() {
		var d resource.Document
		var spec string
		if err := rows.Scan(&d.Tenant, &d.Kind, &d.Name, &spec); err != nil {
			return nil, fmt.Errorf("store: read resources: %w", err)
		}
		if d.Spec, err = resource.ParseSpec(d.Kind, []byte(spec), fmt.Sprintf("stored %s %s/%s", d.Kind, d.Tenant, d.Name)); err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("store: read resources: %w", err)
	}
	set := resource.NewSet(docs)
	set.Revision = revision
	if set.FlowVersions, err = flowVersions(ctx, tx); err != nil {
		return nil, err
	}
	return set, nil
}

// Apply stores set as the next revision and returns its number. set.Revision
// must be the revision it was made from, else ErrConflict. by is who asked and via by
// which way ("console", "cli", "api"; "" = the node itself). Without a difference
// nothing is written and the revision stays. Device passwords must
// be sealed (resource.Seal). Each tenant touched gets a resources.applied event.
func (s *Store) Apply(ctx context.Context, set *resource.Set, by, via string) (uint64, error) {
	live, err := s.Load(ctx)
	if err != nil {
		return 0, err
	}
	if live.Revision != set.Revision {
		return 0, ErrConflict
	}
	changes := resource.Diff(live, set)
	if len(changes) == 0 {
		return live.Revision, nil
	}
	type key struct {
		kind         resource.Kind
		tenant, name string
	}
	specs := map[key]string{}
	for _, d := range set.Documents() {
		tenant := d.Tenant
		if d.Kind == resource.KindTenant {
			tenant = d.Name
		}
		text, err := resource.MarshalSpec(d.Spec)
		if err != nil {
			return 0, fmt.Errorf("store: write %s %q: %w", d.Kind, d.Name, err)
		}
		specs[key{d.Kind, tenant, d.Name}] = string(text)
	}
	revision := live.Revision + 1
	err = s.update(ctx, func(ctx context.Context, tx execer) error {
		var have uint64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(revision), 0) FROM revisions`).Scan(&have); err != nil {
			return fmt.Errorf("store: write resources: %w", err)
		}
		if have != live.Revision {
			return ErrConflict
		}
		if err := s.exec(ctx, `INSERT INTO revisions (revision, at, by, changes, via) VALUES (?,?,?,?,?)`, int64(revision), time.Now().UnixMilli(), by, len(changes), via); err != nil {
			return fmt.Errorf("store: write resources: %w", err)
		}
		for _, c := range changes {
			spec := specs[key{c.Kind, c.Tenant, c.Name}]
			var err error
			if c.Op == resource.OpRemove {
				err = s.exec(ctx, `DELETE FROM resources WHERE tenant = ? AND kind = ? AND name = ?`, c.Tenant, string(c.Kind), c.Name)
			} else {
				err = s.exec(ctx, `INSERT INTO resources (tenant, kind, name, spec) VALUES (?,?,?,?) ON CONFLICT (tenant, kind, name) DO UPDATE SET spec = excluded.spec`, c.Tenant, string(c.Kind), c.Name, spec)
			}
			if err == nil {
				err = s.exec(ctx, `INSERT INTO resource_history (revision, tenant, kind, name, op, spec) VALUES (?,?,?,?,?,?)`, int64(revision), c.Tenant, string(c.Kind), c.Name, string(c.Op), spec)
			}
			if err != nil {
				return fmt.Errorf("store: write resources: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.journalApplied(revision, by, changes)
	return revision, nil
}

func (s *Store) journalApplied(revision uint64, by string, changes []resource.Change) {
	const named = 100 // the history has them all
	byTenant := map[string][]string{}
	for _, c := range changes {
		if list := byTenant[c.Tenant]; len(list) < named {
			byTenant[c.Tenant] = append(list, fmt.Sprintf("%s %s %s", c.Op, c.Kind, c.Name))
		}
	}
	for tenant, changed := range byTenant {
		s.Append(event.Event{At: time.Now(), Tenant: tenant, Body: event.ResourcesApplied{Revision: revision, By: by, Changed: changed}})
	}
}

// Revision is one apply in the history of a resource.
type Revision struct {
	Revision uint64        `json:"revision"`
	At       time.Time     `json:"at"`
	By       string        `json:"by"`
	Via      string        `json:"via"` // see Store.Apply
	Op       resource.Op   `json:"op"`
	Kind     resource.Kind `json:"kind"`
	Name     string        `json:"name"`
	Spec     string        `json:"-"` // YAML, with secrets; "" when removed
}

// History lists what was done to one resource, newest first.
func (s *Store) History(ctx context.Context, tenant string, kind resource.Kind, name string) ([]Revision, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT h.revision, r.at, r.by, r.via, h.op, h.kind, h.name, h.spec FROM resource_history h JOIN revisions r ON r.revision = h.revision
WHERE h.tenant = ? AND h.kind = ? AND h.name = ? ORDER BY h.revision DESC`, tenant, string(kind), name)
	if err != nil {
		return nil, fmt.Errorf("store: read history: %w", err)
	}
	defer rows.Close()
	var out []Revision
	for rows.Next() {
		var r Revision
		var at int64
		if err := rows.Scan(&r.Revision, &at, &r.By, &r.Via, &r.Op, &r.Kind, &r.Name, &r.Spec); err != nil {
			return nil, fmt.Errorf("store: read history: %w", err)
		}
		r.At = time.UnixMilli(at).UTC()
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read history: %w", err)
	}
	return out, nil
}
