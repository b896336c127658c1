package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/flowcheck"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/resource"
)

// CheckFlow implements api.FlowEditor.
func (a *App) CheckFlow(ctx context.Context, tenant, name, text string) (api.FlowCheck, error) {
	out := api.FlowCheck{Changes: []string{}, Faults: []resource.Fault{}}
	if a.dir.Load().houses[tenant] == nil {
		return out, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	graph, err := flow.Draw(name, []byte(text))
	if err != nil {
		return out, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	out.Graph = graph
	spec, err := api.FlowSpec(name, text)
	if err != nil {
		return out, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	res, err := a.Apply(ctx, flowDocument(tenant, name, spec), api.ApplyOptions{Dry: true})
	if err != nil && !errors.Is(err, api.ErrInvalid) {
		return out, err
	}
	out.Changes = append(out.Changes, res.Changes...)
	own := fmt.Sprintf("flow %q", name)
	if tenant != resource.DefaultTenant {
		own = fmt.Sprintf("flow %q", resource.Key{Tenant: tenant, Name: name}.String())
	}
	for _, f := range res.Faults {
		if whose, path, _ := strings.Cut(f.Path, ": "); whose == own { // of another resource: the path stays whole
			f.Path = strings.TrimPrefix(strings.TrimPrefix(path, "spec"), ".")
		}
		out.Faults = append(out.Faults, f)
	}
	return out, nil
}

// Rehearse implements api.FlowEditor.
func (a *App) Rehearse(_ context.Context, tenant, name string, r api.Rehearsal) (api.Rehearsed, error) {
	d := a.dir.Load()
	h := d.houses[tenant]
	if h == nil {
		return api.Rehearsed{}, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	f := h.flows[name]
	if r.Spec != "" {
		spec, err := api.FlowSpec(name, r.Spec)
		if err == nil {
			f, err = flow.Parse(name, spec.Raw)
		}
		if err != nil {
			return api.Rehearsed{}, fmt.Errorf("%w: %w", api.ErrInvalid, err)
		}
	}
	if f == nil {
		return api.Rehearsed{}, fmt.Errorf("flow %q: %w", name, api.ErrNotFound)
	}
	house := flowcheck.House(d.set, tenant, func(n string) *flow.Flow {
		if n == name {
			return f
		}
		return h.flows[n]
	})
	at, err := api.RehearsalTime(r.At, house.Zone, time.Now())
	if err != nil {
		return api.Rehearsed{}, err
	}
	in := ivr.Input{Tenant: tenant, CallID: "rehearsal", From: r.From, To: r.Dialled, Language: cmp.Or(r.Language, flowcheck.LanguageOf(d.set, tenant, name))}
	if len(r.Variables) > 0 {
		in.Previous = &ivr.State{Vars: maps.Clone(r.Variables)}
	}
	call := rehearsal.Start(house, f, in, at)
	for i, act := range r.Acts {
		if err := call.Do(act); err != nil {
			return api.Rehearsed{}, fmt.Errorf("%w: acts[%d]: %w", api.ErrInvalid, i, err)
		}
	}
	text := func(n, lang string) string {
		if p := d.set.Prompts[resource.Key{Tenant: tenant, Name: n}]; p != nil && p.Text[lang] != "" {
			return p.Text[lang]
		}
		return prompt.Text(n, lang)
	}
	out := api.Rehearsed{Notes: []api.RehearsalNote{}, Waits: call.Waits().String(), Step: call.Step(), Path: call.Path(), End: call.End(), Variables: call.State().Masked().Vars, Language: call.State().Language}
	for _, n := range call.Notes() {
		line := api.RehearsalNote{AfterMs: n.At.Sub(at).Milliseconds(), What: n.What, Text: n.Text}
		if n.What == "say" {
			line.Text = n.Spoken(text)
		}
		out.Notes = append(out.Notes, line)
	}
	return out, nil
}
