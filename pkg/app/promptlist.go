package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/ivr/prompt/spoken"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// Prompts implements api.Prompts.
func (a *App) Prompts(ctx context.Context, tenant string) ([]api.Prompt, error) {
	return a.listPrompts(ctx, tenant, "")
}

// Prompt implements api.Prompts.
func (a *App) Prompt(ctx context.Context, tenant, name string) (api.PromptDetail, error) {
	if _, err := a.promptHouse(tenant, name); err != nil {
		return api.PromptDetail{}, err
	}
	list, err := a.listPrompts(ctx, tenant, name)
	if err != nil {
		return api.PromptDetail{}, err
	}
	if len(list) == 0 {
		return api.PromptDetail{}, fmt.Errorf("prompt %q: %w", name, api.ErrNotFound)
	}
	d := api.PromptDetail{Prompt: list[0], Versions: []api.PromptVersion{}}
	versions, err := a.store.Prompts(ctx, tenant, name)
	for _, v := range versions {
		d.Versions = append(d.Versions, promptVersion(v))
	}
	return d, err
}

// listPrompts tells what callers may hear: all that is used, kept or has a document,
// or one name. The pieces of numbers and dates are in it when somebody uses them.
func (a *App) listPrompts(ctx context.Context, tenant, only string) ([]api.Prompt, error) {
	h, err := a.promptHouse(tenant, "")
	if err != nil {
		return nil, err
	}
	versions, err := a.store.Prompts(ctx, tenant, only)
	if err != nil {
		return nil, err
	}
	set := a.dir.Load().set
	uses := promptUses(set, tenant, h.flows)
	names, langs := map[string]bool{}, map[string]bool{prompt.AnyLanguage: true, h.Language(): true}
	inUse := map[[2]string]store.PromptVersion{}
	for _, v := range versions {
		names[v.Name], langs[v.Language] = true, true
		if v.InUse {
			inUse[[2]string{v.Name, v.Language}] = v
		}
	}
	for _, l := range spoken.Languages() {
		langs[l] = true
	}
	for k, spec := range set.Prompts {
		if k.Tenant == tenant {
			names[k.Name] = true
			for l := range spec.Files {
				langs[l] = true
			}
		}
	}
	for n := range uses {
		names[n] = true
	}
	if only != "" {
		known := names[only] || h.prompts.Source(only, prompt.AnyLanguage) != ""
		for l := range langs {
			known = known || h.prompts.Source(only, l) != ""
		}
		if names = map[string]bool{}; known {
			names[only] = true
		}
	}
	out := []api.Prompt{}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		p := api.Prompt{Name: n, UsedBy: []string{}, Languages: []api.PromptLanguage{}}
		if spec := set.Prompts[resource.Key{Tenant: tenant, Name: n}]; spec != nil {
			p.Number = spec.Number
		}
		there := map[string]bool{}
		for _, l := range slices.Sorted(maps.Keys(langs)) {
			source := h.prompts.Source(n, l)
			if source == "" {
				continue
			}
			there[l] = true
			pl := api.PromptLanguage{Language: l, Source: source}
			switch v, ok := inUse[[2]string{n, l}]; {
			case ok && source == prompt.SourceKept:
				pl.Version, pl.DurationMs, pl.Text = v.Version, v.Duration.Milliseconds(), v.Text
			case source == prompt.SourceBuiltIn:
				pl.Text = prompt.Text(n, l)
			}
			p.Languages = append(p.Languages, pl)
		}
		if u := uses[n]; u != nil {
			p.UsedBy = slices.Sorted(maps.Keys(u.by))
			for _, l := range slices.Sorted(maps.Keys(u.languages)) {
				if !there[l] && !there[prompt.AnyLanguage] {
					p.Missing = append(p.Missing, l)
				}
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// promptUse is who plays a prompt, and in which languages.
type promptUse struct{ by, languages map[string]bool }

// promptUses finds who uses the prompts of a tenant.
func promptUses(s *resource.Set, tenant string, flows map[string]*flow.Flow) map[string]*promptUse {
	uses := map[string]*promptUse{}
	add := func(name, by, language string) {
		if name == "" {
			return
		}
		u := uses[name]
		if u == nil {
			u = &promptUse{map[string]bool{}, map[string]bool{}}
			uses[name] = u
		}
		u.by[by] = true
		if language != "" {
			u.languages[language] = true
		}
	}
	own := "en"
	if t := s.Tenants[tenant]; t != nil {
		own = cmp.Or(t.Language, own)
	}
	for name, f := range flows {
		f.Check(flow.CheckEnv{Languages: []string{cmp.Or(f.Language, own)}, Prompts: func(p, lang string) bool {
			add(p, "flow/"+name, lang)
			return true
		}})
	}
	for k, q := range s.Queues {
		if k.Tenant != tenant {
			continue
		}
		for _, p := range q.Prompts() {
			add(p.Name, "queue/"+k.Name, own)
		}
	}
	return uses
}
