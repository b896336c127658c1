package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/centrala/centrala/pkg/auth"
)

// CallbackDesk is what people do about callers who wait to be called back.
type CallbackDesk interface {
	// Callbacks lists them in the order of asking; those that were given up stay a week.
	Callbacks(ctx context.Context, tenant string) ([]Callback, error)
	// AddCallback has a number called back by a queue: who asked a person for it, or was
	// reached and could not talk.
	AddCallback(ctx context.Context, tenant string, in NewCallback, by string) (Callback, error)
	// CancelCallback takes one out; one that was given up is struck off the list.
	CancelCallback(ctx context.Context, tenant, id, by string) error
}

// NewCallback is a callback that a person asks for.
type NewCallback struct {
	Queue    string `json:"queue"`
	Number   string `json:"number" maxLength:"32"`
	Name     string `json:"name,omitempty" maxLength:"64" doc:"Shown to the agent beside the number."`
	Priority int    `json:"priority,omitempty" minimum:"-1000" maximum:"1000"`
	// Arrived: the place in the line.
	Arrived time.Time `json:"arrived,omitzero" doc:"The place in the line; left out: now. Not in the future."`
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

// ownQueues are the queues that the asker serves.
func (h *HTTP) ownQueues(r *http.Request) ([]string, error) {
	agents, err := h.app.Agents(r.Context(), tenant(r))
	for _, a := range agents {
		if a.Name == auth.From(r.Context()).Name {
			return a.Queues, nil
		}
	}
	return nil, err
}

func (h *HTTP) callbackOperations() []operation {
	return []operation{
		{method: "GET", path: "/callbacks", right: "calls.route", summary: "Callers who wait to be called back, and those who could not be reached.", out: items[Callback]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Callbacks(r.Context(), tenant(r))) }},
		{method: "POST", path: "/callbacks", right: "calls.dial", own: ownBound, journalled: true, summary: "Has a number called back by a queue, when its turn comes.", in: NewCallback{}, out: Callback{},
			do: func(r *http.Request) (any, error) {
				var in NewCallback
				if err := decode(r, &in); err != nil {
					return nil, err
				}
				if isOwn(r) { // for the line of a queue of the own, and no better place in it
					mine, err := h.ownQueues(r)
					if err != nil {
						return nil, err
					}
					if !slices.Contains(mine, in.Queue) || in.Priority != 0 || !in.Arrived.IsZero() {
						return nil, fmt.Errorf("%w: you may ask for callbacks of your own queues, without priority", errNoRight)
					}
				}
				if in.Queue == "" || in.Number == "" || len(in.Number) > 32 || len(in.Name) > 64 || in.Priority < -1000 || in.Priority > 1000 {
					return nil, fmt.Errorf("%w: want queue, number, and a priority of -1000 to 1000", ErrInvalid)
				}
				return h.app.AddCallback(r.Context(), tenant(r), in, whoAsks(r))
			}},
		{method: "DELETE", path: "/callbacks/{id}", right: "calls.route", journalled: true, summary: "Takes a callback out; strikes one that was given up off the list.",
			do: func(r *http.Request) (any, error) {
				return done(h.app.CancelCallback(r.Context(), tenant(r), r.PathValue("id"), whoAsks(r)))
			}},
	}
}
