package api

import (
	"context"
	"net/http"
	"time"
)

// CallbackDesk is what people do about callers who wait to be called back.
type CallbackDesk interface {
	// Callbacks lists them in the order of asking; those that were given up stay a week.
	Callbacks(ctx context.Context, tenant string) ([]Callback, error)
	// CancelCallback takes one out; one that was given up is struck off the list.
	CancelCallback(ctx context.Context, tenant, id, by string) error
}

// Callback is a caller who will be called back, or could not be reached.
type Callback struct {
	ID     string `json:"id"` // of the call that asked for it
	Queue  string `json:"queue"`
	Number string `json:"number"`
	Name   string `json:"name,omitempty"`
	// State is "waiting" (in the queue's line), "closed" (out of hours), "dialling",
	// "resting" (until Next) or "given_up": for people to see to.
	State    string     `json:"state"`
	Arrived  time.Time  `json:"arrived"` // when the caller came: the place in the line
	Asked    time.Time  `json:"asked"`
	Priority int        `json:"priority"`
	Tries    int        `json:"tries"`
	Last     string     `json:"last,omitempty"` // outcome of the last try
	Next     *time.Time `json:"next,omitempty"`
	Call     string     `json:"call,omitempty"` // while it is dialled
}

func (h *HTTP) callbackOperations() []operation {
	return []operation{
		{method: "GET", path: "/callbacks", right: "calls.route", summary: "Callers who wait to be called back, and those who could not be reached.", out: items[Callback]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Callbacks(r.Context(), tenant(r))) }},
		{method: "DELETE", path: "/callbacks/{id}", right: "calls.route", journalled: true, summary: "Takes a callback out; strikes one that was given up off the list.",
			do: func(r *http.Request) (any, error) {
				return done(h.app.CancelCallback(r.Context(), tenant(r), r.PathValue("id"), whoAsks(r)))
			}},
	}
}
