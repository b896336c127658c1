package app

import (
	"cmp"
	"context"
	"time"

	"github.com/centrala/centrala/pkg/alarm"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
)

// Live implements api.LiveView. The number of the event comes first: what happens
// while the state is gathered comes as events once more, never not at all.
func (a *App) Live(ctx context.Context, tenant string) (api.Live, error) {
	seq := a.store.Newest()
	s, h, err := a.snapshot(ctx, tenant)
	if err != nil {
		return api.Live{}, err
	}
	figures, err := a.figures.of(ctx, tenant)
	if err != nil {
		return api.Live{}, err
	}
	now := time.Now()
	l := api.Live{Seq: seq, Now: now.UTC(), Tenant: tenant, Queues: make([]api.LiveQueue, len(s.Queues)), Agents: make([]api.LiveAgent, len(s.Agents)), Calls: []cdr.Call{}, RecentFrom: figures.recentFrom, Alarms: a.alarms.of(tenant)}
	for i, q := range s.Queues {
		l.Queues[i] = api.LiveQueue{Queue: api.Queue{Name: q.Name, Waiting: q.Waiting, Callbacks: q.Callbacks, Oldest: q.Oldest, LoggedIn: q.LoggedIn, Free: q.Free, States: q.States},
			Callers: make([]api.Waiting, len(q.Callers)), Today: liveFigures(figures.today[q.Name]), Recent: liveFigures(figures.recent[q.Name])}
		if spec := h.queues[q.Name]; spec != nil {
			l.Queues[i].DisplayName = spec.DisplayName
			if r := spec.Alarms.Rules(); r != (alarm.Rules{}) {
				l.Queues[i].Limits = &api.LiveLimits{Waiting: r.Waiting, LongestWaitMs: r.LongestWait.Milliseconds(), ServiceLevel: r.ServiceLevel, Ready: r.Ready}
			}
		}
		for j, c := range q.Callers {
			l.Queues[i].Callers[j] = api.Waiting{CallID: c.CallID, Position: c.Position, Priority: c.Priority, Joined: c.Joined, Need: c.Need, EstimateMs: c.EstimateMs, Rings: c.Rings, Callback: c.Callback}
		}
	}
	for i, g := range s.Agents {
		l.Agents[i] = api.LiveAgent{Agent: api.Agent{Name: g.Name, Device: g.Device, State: g.State.String(), Reason: g.Reason, Since: g.Since,
			Reachable: g.Reachable, Calls: g.Calls, Queues: g.Queues}, Deadline: g.Deadline, Taken: g.Taken, Notices: a.notes.of(tenant, g.Name), LastCall: g.LastCall, LastQueue: g.LastQueue, DispositionDue: g.DispositionDue}
		if d := h.devices[g.Device]; d != nil {
			l.Agents[i].Extension = cmp.Or(d.Extension, d.User(g.Device))
		}
		if g.Queues == nil {
			l.Agents[i].Queues = []string{}
		}
	}
	for _, c := range a.store.Live(tenant) {
		l.Calls = append(l.Calls, c.Running(now))
	}
	return l, nil
}

// Changed implements api.LiveView: whatever changes is in the journal.
func (a *App) Changed() <-chan struct{} { return a.store.Committed() }
