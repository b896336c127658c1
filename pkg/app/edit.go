package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// change makes the next revision of the resources out of the live one: checked as a
// whole, at once or not at all.
func (a *App) change(ctx context.Context, o api.ApplyOptions, make func(live *resource.Set) (*resource.Set, error)) (api.ApplyResult, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	live := a.dir.Load().set
	next, err := make(live)
	if err != nil {
		return api.ApplyResult{Revision: live.Revision, Changes: []string{}}, err
	}
	res := api.ApplyResult{Revision: live.Revision, Changes: []string{}, Faults: resource.Check(next, NewFlowChecker(next, a.cfg.PromptsDir(), a.cfg.Speech.Engine == "none", a.cfg.MusicNames()...))}
	next = a.seal(next, live)
	for _, c := range resource.Diff(live, next) {
		res.Changes = append(res.Changes, c.String())
	}
	if err := resource.Errors(res.Faults); err != nil {
		return res, fmt.Errorf("%w: the documents have faults", api.ErrInvalid)
	}
	res.Faults = append(res.Faults, a.stranded(ctx, next)...)
	if o.Dry || len(res.Changes) == 0 {
		return res, nil
	}
	// Build before the store takes it: what cannot be run must not be kept.
	if _, err := a.newDirectory(next); err != nil {
		return res, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	stored, err := a.keep(ctx, next, o.By, o.Via)
	if err != nil {
		return res, err
	}
	d, err := a.newDirectory(stored)
	if err != nil {
		return res, err
	}
	a.install(d)
	res.Revision, res.Applied = stored.Revision, true
	a.log.Info("resources applied", zap.Uint64("revision", stored.Revision), zap.String("by", o.By), zap.Int("changes", len(res.Changes)))
	return res, nil
}

// EditResource implements api.Resources: one document is put in, or taken out.
func (a *App) EditResource(ctx context.Context, e api.Edit, o api.ApplyOptions) (api.ApplyResult, error) {
	return a.change(ctx, o, func(live *resource.Set) (*resource.Set, error) {
		revisions, err := a.store.ResourceRevisions(ctx, e.Tenant, e.Kind)
		if err != nil {
			return nil, err
		}
		have, there := revisions[e.Name]
		switch {
		case e.Fresh && there:
			return nil, fmt.Errorf("%w: there is a %s %q already", api.ErrChanged, e.Kind, e.Name)
		case e.Match != 0 && have != e.Match:
			return nil, fmt.Errorf("%w: %s %q is of revision %d now", api.ErrChanged, e.Kind, e.Name, have)
		case e.Doc != nil:
			return resource.Merge(live, []resource.Document{*e.Doc}, false), nil
		case !there:
			return nil, fmt.Errorf("%s %q: %w", e.Kind, e.Name, api.ErrNotFound)
		}
		return resource.Without(live, e.Kind, resource.Key{Tenant: e.Tenant, Name: e.Name}), nil
	})
}

// ResourceRevisions implements api.Resources.
func (a *App) ResourceRevisions(ctx context.Context, tenant string, kind resource.Kind) (map[string]uint64, error) {
	return a.store.ResourceRevisions(ctx, tenant, kind)
}

// ResourceHistory implements api.Resources.
func (a *App) ResourceHistory(ctx context.Context, tenant string, kind resource.Kind, name string) ([]store.Revision, error) {
	return a.store.History(ctx, tenant, kind, name)
}

// Revisions implements api.Resources.
func (a *App) Revisions(ctx context.Context, tenant string, before uint64, limit int) ([]store.Revision, error) {
	return a.store.Revisions(ctx, tenant, before, limit)
}

// Undo implements api.Resources: what one revision did to a tenant's resources is
// taken back, unless somebody has changed one of them since.
func (a *App) Undo(ctx context.Context, tenant string, revision uint64, o api.ApplyOptions) (api.ApplyResult, error) {
	return a.change(ctx, o, func(live *resource.Set) (*resource.Set, error) {
		changed, err := a.store.ChangesOf(ctx, tenant, revision)
		if err != nil {
			return nil, err
		}
		if len(changed) == 0 {
			return nil, fmt.Errorf("revision %d: %w", revision, api.ErrNotFound)
		}
		next := live
		var later []error
		for _, c := range slices.Backward(changed) { // what came first had others name it
			history, err := a.store.History(ctx, tenant, c.Kind, c.Name)
			if err != nil {
				return nil, err
			}
			if history[0].Revision != revision {
				later = append(later, fmt.Errorf("%s %q was changed since, by revision %d", c.Kind, c.Name, history[0].Revision))
				continue
			}
			if len(history) == 1 || history[1].Op == resource.OpRemove {
				next = resource.Without(next, c.Kind, resource.Key{Tenant: tenant, Name: c.Name})
				continue
			}
			spec, err := resource.ParseSpec(c.Kind, []byte(history[1].Spec), fmt.Sprintf("revision %d", history[1].Revision))
			if err != nil {
				return nil, fmt.Errorf("%w: %w", api.ErrConflict, err)
			}
			next = resource.Merge(next, []resource.Document{{Kind: c.Kind, Tenant: tenant, Name: c.Name, Spec: spec}}, false)
		}
		if err := errors.Join(later...); err != nil {
			return nil, fmt.Errorf("%w: %w", api.ErrConflict, err)
		}
		return next, nil
	})
}

// LoadAnswer implements api.Answers.
func (a *App) LoadAnswer(ctx context.Context, tenant, who, key string) (request, answer string, err error) {
	return a.store.LoadAnswer(ctx, tenant, who, key)
}

// SaveAnswer implements api.Answers.
func (a *App) SaveAnswer(ctx context.Context, tenant, who, key, request, answer string) error {
	return a.store.SaveAnswer(ctx, tenant, who, key, request, answer)
}
