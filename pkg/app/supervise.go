package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/dispatch"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/store"
)

// CommandAgent implements api.Server.
func (a *App) CommandAgent(ctx context.Context, tenant, name string, c api.AgentCommand) error {
	h := a.dir.Load().houses[tenant]
	if h == nil || h.users[name] == nil {
		return fmt.Errorf("agent %q: %w", name, api.ErrNotFound)
	}
	if c.Device != "" && h.devices[c.Device] == nil {
		return fmt.Errorf("%w: device %q: there is none", api.ErrInvalid, c.Device)
	}
	by := cmp.Or(c.By, acd.ByAPI)
	var ev acd.Event
	switch c.State {
	case "ready":
		ev = acd.SetReady{Agent: name, Reason: c.Reason, By: by, Once: c.Once}
		if c.Device != "" {
			ev = acd.LogIn{Agent: name, Reason: c.Reason, By: by, Device: c.Device, Once: c.Once}
		}
	case "not_ready":
		ev = acd.SetNotReady{Agent: name, Reason: cmp.Or(c.Reason, by), By: by}
	case "offline":
		ev = acd.LogOut{Agent: name, Reason: c.Reason, By: by}
	case "wrap_up_done":
		ev = acd.WrapUpDone{Agent: name, Reason: c.Reason, By: by}
	case "extend_wrap_up":
		ev = acd.ExtendWrapUp{Agent: name, By: by, For: time.Duration(c.Seconds) * time.Second}
	default:
		return fmt.Errorf("%w: state %q: want ready, not_ready, offline, wrap_up_done or extend_wrap_up", api.ErrInvalid, c.State)
	}
	err := h.acd.Ask(ctx, ev)
	if errors.Is(err, dispatch.ErrNotLoggedIn) && c.State == "ready" {
		err = h.acd.Ask(ctx, acd.LogIn{Agent: name, Reason: c.Reason, By: by, Once: c.Once})
	}
	return conflict(err)
}

// conflict tells the API how the engine took what a person asked.
func conflict(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, acd.ErrUnknownCall), errors.Is(err, acd.ErrUnknownAgent):
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	}
	return fmt.Errorf("%w: %w", api.ErrConflict, err)
}

// Assign implements api.Server.
func (a *App) Assign(ctx context.Context, tenant, id string, as api.Assignment) error {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	return conflict(h.acd.Ask(ctx, acd.Assign{CallID: id, Agent: as.Agent, Pull: as.Pull, By: cmp.Or(as.By, acd.BySupervisor),
		Patience: time.Duration(as.PatienceSeconds) * time.Second}))
}

// SetPriority implements api.Server.
func (a *App) SetPriority(ctx context.Context, tenant, id string, priority int, by string) error {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	return conflict(h.acd.Ask(ctx, acd.SetPriority{CallID: id, Priority: priority, By: cmp.Or(by, acd.BySupervisor)}))
}

// Move implements api.Server.
func (a *App) Move(ctx context.Context, tenant, id, queue, by string) error {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	if h.queues[queue] == nil {
		return fmt.Errorf("%w: queue %q: there is none", api.ErrInvalid, queue)
	}
	return conflict(h.acd.Ask(ctx, acd.Move{CallID: id, To: "queue:" + queue, By: by}))
}

// Why implements api.Server: the story is in the journal, how the call stands now
// is asked of the engine.
func (a *App) Why(ctx context.Context, tenant, id string) (api.Why, error) {
	w := api.Why{CallID: id, Story: []string{}, Decided: []api.DecidedAt{}}
	c, err := a.store.Call(ctx, tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		return w, fmt.Errorf("call %q: %w", id, api.ErrNotFound)
	}
	if err != nil {
		return w, err
	}
	w.CallID = c.ID
	events, err := a.store.Events(ctx, tenant, c.ID)
	if err != nil {
		return w, err
	}
	if story := acd.Story(events); story != nil {
		w.Story = story
	}
	for _, e := range events {
		if d, ok := e.Body.(event.Decision); ok {
			w.Decided = append(w.Decided, api.DecidedAt{At: e.At, Decision: d})
		}
	}
	if h := a.dir.Load().houses[tenant]; h != nil && c.Open() {
		d, waits, err := h.acd.Explain(ctx, c.ID)
		if err != nil {
			return w, err
		}
		if waits {
			w.Now, w.Waits = &d, acd.Sentence(d)
		}
	}
	return w, nil
}

// seedMemory tells a tenant's engine who last talked to whom, from the records
// of the last calls, so that a restart does not part callers from their agents.
func (a *App) seedMemory(ctx context.Context, tenant string, d *dispatch.Dispatcher) error {
	calls, _, err := a.store.Calls(ctx, tenant, store.CallFilter{Ended: true, Limit: 1000})
	if err != nil {
		return err
	}
	for i := len(calls) - 1; i >= 0; i-- { // newest first in the list
		if c := calls[i]; c.Agent != "" && c.Queue != "" {
			d.Post(acd.Remember{From: c.From, Agent: c.Agent, At: c.Ended})
		}
	}
	return nil
}
