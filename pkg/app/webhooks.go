package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/outward"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/webhook"
)

// startWebhooks begins to tell the tenants' programs what happens. They are reached
// as services of flows are: public addresses by TLS, and what flows.allow names.
func (a *App) startWebhooks(ctx context.Context) error {
	r, err := webhook.New(ctx, webhook.Config{Log: a.log.Named("webhook")}, a.store, func(ctx context.Context, url string, header map[string]string, body []byte) (int, error) {
		h := http.Header{}
		for k, v := range header {
			h.Set(k, v)
		}
		resp, err := a.outward.Do(ctx, outward.Request{Method: http.MethodPost, URL: url, Header: h, Body: string(body)})
		return resp.Status, err
	})
	if err != nil {
		return err
	}
	a.webhooks = r
	a.onStop("webhooks", r.Stop)
	a.setWebhooks(a.dir.Load())
	return nil
}

// setWebhooks makes the hooks of a directory the ones that run.
func (a *App) setWebhooks(d *directory) {
	if a.webhooks == nil {
		return
	}
	var hooks []webhook.Hook
	for k, w := range d.set.Webhooks {
		house := d.houses[k.Tenant]
		if w.Paused || house == nil {
			continue
		}
		h := webhook.Hook{Tenant: k.Tenant, Name: k.Name, URL: w.URL, Kinds: w.Events}
		if len(h.Kinds) == 0 {
			h.Kinds = []string{event.CallEnded{}.Kind()}
		}
		for _, name := range []string{w.Secret, w.OldSecret} {
			if v := house.secrets[name]; name != "" && v != "" {
				h.Secrets = append(h.Secrets, v)
			}
		}
		if len(h.Secrets) > 0 { // unsigned, nobody could tell it from a forgery
			hooks = append(hooks, h)
		}
	}
	a.webhooks.Set(hooks)
}

// Webhooks implements api.Webhooks.
func (a *App) Webhooks(_ context.Context, tenant string) ([]api.Webhook, error) {
	states := map[string]webhook.State{}
	for _, s := range a.webhooks.States(tenant) {
		states[s.Name] = s
	}
	out := []api.Webhook{}
	newest := a.store.Newest()
	for k, w := range a.dir.Load().set.Webhooks {
		if k.Tenant != tenant {
			continue
		}
		s, known := states[k.Name]
		v := api.Webhook{State: s, URL: w.URL, Events: w.Events, Paused: w.Paused}
		v.Tenant, v.Name = k.Tenant, k.Name
		if known {
			v.Behind = newest - min(newest, s.Seq)
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(x, y api.Webhook) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// DeadLetters implements api.Webhooks.
func (a *App) DeadLetters(ctx context.Context, tenant, name string) ([]webhook.Dead, error) {
	if a.dir.Load().set.Webhooks[resource.Key{Tenant: tenant, Name: name}] == nil {
		return nil, fmt.Errorf("webhook %q: %w", name, api.ErrNotFound)
	}
	return a.webhooks.Dead(ctx, tenant, name)
}

// Resend implements api.Webhooks.
func (a *App) Resend(ctx context.Context, tenant, name string, seq uint64) error {
	err := a.webhooks.Resend(ctx, tenant, name, seq)
	switch {
	case errors.Is(err, webhook.ErrUnknown):
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	case err != nil:
		return fmt.Errorf("%w: it was not taken: %w", api.ErrConflict, err)
	}
	return nil
}
