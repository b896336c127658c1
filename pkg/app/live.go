package app

import (
	"context"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
)

// Live implements api.LiveView. The number of the event comes first: what happens
// while the state is gathered comes as events once more, never not at all.
func (a *App) Live(ctx context.Context, tenant string) (api.Live, error) {
	seq := a.store.Newest()
	s, _, err := a.snapshot(ctx, tenant)
	if err != nil {
		return api.Live{}, err
	}
	now := time.Now()
	l := api.Live{Seq: seq, Now: now.UTC(), Tenant: tenant, Queues: make([]api.LiveQueue, len(s.Queues)), Agents: make([]api.LiveAgent, len(s.Agents)), Calls: []cdr.Call{}}
	for i, q := range s.Queues {
		l.Queues[i] = api.LiveQueue{Queue: api.Queue{Name: q.Name, Waiting: q.Waiting, Callbacks: q.Callbacks, Oldest: q.Oldest, LoggedIn: q.LoggedIn, Free: q.Free, States: q.States},
			Callers: make([]api.Waiting, len(q.Callers))}
		for j, c := range q.Callers {
			l.Queues[i].Callers[j] = api.Waiting{CallID: c.CallID, Position: c.Position, Priority: c.Priority, Joined: c.Joined, Need: c.Need, EstimateMs: c.EstimateMs, Rings: c.Rings, Callback: c.Callback}
		}
	}
	for i, g := range s.Agents {
		l.Agents[i] = api.LiveAgent{Agent: api.Agent{Name: g.Name, Device: g.Device, State: g.State.String(), Reason: g.Reason, Since: g.Since,
			Reachable: g.Reachable, Calls: g.Calls, Queues: g.Queues}, Deadline: g.Deadline, Taken: g.Taken, LastCall: g.LastCall, LastQueue: g.LastQueue, DispositionDue: g.DispositionDue}
		if g.Queues == nil {
			l.Agents[i].Queues = []string{}
		}
	}
	for _, c := range a.store.Live(tenant) {
		l.Calls = append(l.Calls, c.Running(now))
	}
	return l, nil
}
