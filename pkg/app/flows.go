package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/flowcheck"
	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// maxDraft bounds a draft, in bytes: what a flow may be.
const maxDraft = 1 << 20

// maxFlowDays bounds what figures of a flow read of the journal.
const maxFlowDays = 31

// Flows implements api.Flows.
func (a *App) Flows(ctx context.Context, tenant string) ([]api.Flow, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	drafts, err := a.store.FlowDrafts(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all := map[string]api.Flow{}
	for name, f := range h.flows {
		all[name] = api.Flow{Name: name, Description: f.Description, Version: f.Version, Steps: len(f.Steps), Tests: len(f.Tests)}
	}
	for _, d := range drafts {
		f := all[d.Name]
		f.Name, f.Draft, f.DraftAt, f.DraftBy, f.DraftBase = d.Name, true, d.At, d.By, d.Base
		all[d.Name] = f
	}
	out := make([]api.Flow, 0, len(all))
	for _, f := range all {
		out = append(out, f)
	}
	slices.SortFunc(out, func(x, y api.Flow) int { return cmp.Compare(x.Name, y.Name) })
	return out, nil
}

// Flow implements api.Flows.
func (a *App) Flow(ctx context.Context, tenant, name string, version int, draft bool) (api.FlowDocument, error) {
	doc := api.FlowDocument{Name: name, Draft: draft}
	if draft {
		d, err := a.draft(ctx, tenant, name)
		doc.At, doc.By, doc.Version, doc.Spec = d.At, d.By, d.Base, d.Text
		return doc, err
	}
	versions, err := a.store.FlowVersions(ctx, tenant, name)
	if err != nil {
		return doc, err
	}
	if version == 0 && len(versions) > 0 && !versions[0].Removed {
		version = versions[0].Version
	}
	i := slices.IndexFunc(versions, func(v store.FlowVersion) bool { return version > 0 && v.Version == version })
	switch {
	case i < 0 && version > 0:
		return doc, fmt.Errorf("version %d of flow %q: %w", version, name, api.ErrNotFound)
	case i < 0:
		return doc, fmt.Errorf("flow %q: %w", name, api.ErrNotFound)
	}
	v := versions[i]
	doc.Version, doc.At, doc.By, doc.Spec = v.Version, v.At, v.By, v.Spec
	return doc, nil
}

func (a *App) draft(ctx context.Context, tenant, name string) (store.FlowDraft, error) {
	d, err := a.store.FlowDraft(ctx, tenant, name)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("draft of flow %q: %w", name, api.ErrNotFound)
	}
	return d, err
}

// FlowVersions implements api.Flows.
func (a *App) FlowVersions(ctx context.Context, tenant, name string) ([]api.FlowVersion, error) {
	versions, err := a.store.FlowVersions(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("flow %q: %w", name, api.ErrNotFound)
	}
	out := make([]api.FlowVersion, len(versions))
	for i, v := range versions {
		out[i] = api.FlowVersion{Version: v.Version, Revision: v.Revision, At: v.At, By: v.By, Live: i == 0 && !v.Removed, Removed: v.Removed}
	}
	return out, nil
}

// SaveFlowDraft implements api.Flows.
func (a *App) SaveFlowDraft(ctx context.Context, tenant, name, text, by string) (api.ApplyResult, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return api.ApplyResult{}, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	if len(text) > maxDraft {
		return api.ApplyResult{}, fmt.Errorf("%w: the draft is longer than %d bytes", api.ErrInvalid, maxDraft)
	}
	spec, err := api.FlowSpec(name, text)
	if err != nil { // not even YAML: there would be nothing to go on with
		return api.ApplyResult{}, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	res, err := a.Apply(ctx, flowDocument(tenant, name, spec), api.ApplyOptions{Dry: true, By: by})
	if err != nil && !errors.Is(err, api.ErrInvalid) {
		return res, err
	}
	d := store.FlowDraft{Name: name, At: time.Now(), By: by, Text: text}
	if f := h.flows[name]; f != nil {
		d.Base = f.Version
	}
	if old, err := a.store.FlowDraft(ctx, tenant, name); err == nil {
		d.Base = old.Base // it goes on from where it was begun
	}
	return res, a.store.SaveFlowDraft(ctx, tenant, d)
}

func flowDocument(tenant, name string, spec *resource.FlowSpec) []resource.Document {
	return []resource.Document{{Kind: resource.KindFlow, Tenant: tenant, Name: name, Spec: spec}}
}

// DropFlowDraft implements api.Flows.
func (a *App) DropFlowDraft(ctx context.Context, tenant, name string) error {
	if _, err := a.draft(ctx, tenant, name); err != nil {
		return err
	}
	return a.store.DropFlowDraft(ctx, tenant, name)
}

// PublishFlow implements api.Flows.
func (a *App) PublishFlow(ctx context.Context, tenant, name string, o api.PublishOptions) (api.ApplyResult, error) {
	doc, err := a.Flow(ctx, tenant, name, o.Version, o.Version == 0)
	if err != nil {
		return api.ApplyResult{}, err
	}
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return api.ApplyResult{}, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	if f := h.flows[name]; doc.Draft && !o.Overwrite && f != nil && f.Version != doc.Version {
		return api.ApplyResult{}, fmt.Errorf("%w: flow %q: the draft was begun from version %d and version %d has been published since; look at it, then publish with overwrite",
			api.ErrConflict, name, doc.Version, f.Version)
	}
	spec, err := api.FlowSpec(name, doc.Spec)
	if err != nil {
		return api.ApplyResult{}, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	res, err := a.Apply(ctx, flowDocument(tenant, name, spec), api.ApplyOptions{Dry: o.Dry, By: o.By, Via: o.Via})
	if err != nil || o.Dry || !doc.Draft {
		return res, err
	}
	return res, a.store.DropFlowDraft(ctx, tenant, name)
}

// TestFlow implements api.Flows.
func (a *App) TestFlow(ctx context.Context, tenant, name string, draft bool) ([]rehearsal.Result, error) {
	d := a.dir.Load()
	h := d.houses[tenant]
	if h == nil {
		return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	f := h.flows[name]
	if draft {
		doc, err := a.draft(ctx, tenant, name)
		if err != nil {
			return nil, err
		}
		spec, err := api.FlowSpec(name, doc.Text)
		if err == nil {
			f, err = flow.Parse(name, spec.Raw)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", api.ErrInvalid, err)
		}
	}
	if f == nil {
		return nil, fmt.Errorf("flow %q: %w", name, api.ErrNotFound)
	}
	house := flowcheck.House(d.set, tenant, func(n string) *flow.Flow {
		if n == name {
			return f
		}
		return h.flows[n]
	})
	out := make([]rehearsal.Result, 0, len(f.Tests))
	for i := range f.Tests {
		r, err := rehearsal.Play(house, f, &f.Tests[i])
		if err != nil {
			return nil, fmt.Errorf("%w: test %q: %w", api.ErrInvalid, f.Tests[i].Name, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// FlowFigures implements api.Flows. It reads the journal of the time asked for.
func (a *App) FlowFigures(ctx context.Context, tenant, name, from, to string) (report.FlowFigures, error) {
	start, end, _, err := a.window(tenant, api.ReportQuery{From: from, To: to})
	if err != nil {
		return report.FlowFigures{}, err
	}
	if end.Sub(start) > maxFlowDays*24*time.Hour {
		return report.FlowFigures{}, fmt.Errorf("%w: more than %d days", api.ErrInvalid, maxFlowDays)
	}
	first, err := a.store.SeqAt(ctx, start.UnixMilli())
	if err != nil {
		return report.FlowFigures{}, err
	}
	last, err := a.store.SeqAt(ctx, end.UnixMilli())
	if err != nil {
		return report.FlowFigures{}, err
	}
	w := report.NewFlowWatch(name)
	const page = 4000
	for first < last {
		events, err := a.store.JournalOf(ctx, tenant, first, last-1, page, report.FlowKinds)
		if err != nil {
			return report.FlowFigures{}, err
		}
		for _, e := range events {
			w.Feed(e)
		}
		if len(events) < page {
			break
		}
		first = events[len(events)-1].Seq + 1
	}
	return w.Figures(start, end), nil
}
