package api

import (
	"context"
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
