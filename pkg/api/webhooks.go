package api

import (
	"context"
	"net/http"

	"github.com/centrala/centrala/pkg/webhook"
)

// Webhook is a hook and how far it is.
type Webhook struct {
	webhook.State
	URL    string   `json:"url"`
	Events []string `json:"events"`
	Paused bool     `json:"paused,omitempty"`
	Behind uint64   `json:"behind"` // events of the journal that it has not looked at
}

// Webhooks may be implemented by the application.
type Webhooks interface {
	Webhooks(ctx context.Context, tenant string) ([]Webhook, error)
	DeadLetters(ctx context.Context, tenant, name string) ([]webhook.Dead, error)
	// Resend sends an event of the journal to a hook now.
	Resend(ctx context.Context, tenant, name string, seq uint64) error
}

type resendBody struct {
	Seq uint64 `json:"seq" doc:"Number of the event: of a dead letter, or any of the tenant's."`
}

func (h *HTTP) webhookOperations() []operation {
	app := func() (Webhooks, error) {
		if w, ok := h.app.(Webhooks); ok {
			return w, nil
		}
		return nil, ErrNotFound
	}
	return []operation{
		{method: http.MethodGet, path: "/webhooks", right: "webhooks.read", summary: "Webhooks and how far they are.", out: items[Webhook]{}, do: func(r *http.Request) (any, error) {
			w, err := app()
			if err != nil {
				return nil, err
			}
			return wrap(w.Webhooks(r.Context(), tenant(r)))
		}},
		{method: http.MethodGet, path: "/webhooks/{name}/dead", right: "webhooks.read", summary: "Events that a webhook's receiver did not take for a day.", out: items[webhook.Dead]{}, do: func(r *http.Request) (any, error) {
			w, err := app()
			if err != nil {
				return nil, err
			}
			return wrap(w.DeadLetters(r.Context(), tenant(r), r.PathValue("name")))
		}},
		{method: http.MethodPost, path: "/webhooks/{name}/resend", right: "webhooks.change", summary: "Sends one event again, now.", in: resendBody{}, do: func(r *http.Request) (any, error) {
			var in resendBody
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			w, err := app()
			if err != nil {
				return nil, err
			}
			return done(w.Resend(r.Context(), tenant(r), r.PathValue("name"), in.Seq))
		}},
	}
}
