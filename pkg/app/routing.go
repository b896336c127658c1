package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/resource"
)

// priorityWorth is what one point of priority is worth unless the tenant says so.
const priorityWorth = 5 * time.Minute

// acdConfig is the tenant's queues and agents in the words of the ACD.
func (h *house) acdConfig() acd.Configure {
	c := acd.Configure{Settings: h.acdSettings()}
	for name, q := range h.queues {
		c.Queues = append(c.Queues, acdQueue(name, q, h.dispositionRequired(name)))
	}
	for name, u := range h.users {
		if u.Device == "" && !slices.Contains(u.Roles, "agent") {
			continue // not somebody who takes calls
		}
		a := acd.Agent{Name: name, Device: u.Device, Skills: u.Skills, AlwaysReady: u.AlwaysReady, OnDemand: u.OnDemand, Capacity: u.Capacity}
		if u.WrapUp != nil {
			d := time.Duration(*u.WrapUp)
			a.WrapUp = &d
		}
		c.Agents = append(c.Agents, a)
	}
	return c
}

func (h *house) acdSettings() acd.Settings {
	s := acd.Settings{PriorityWorth: priorityWorth, MaxCallbacks: h.spec.MaxCallbacks, MaxWrapUp: h.spec.MaxWrapUp.D(), After: afterOffer(h.spec.AfterOffer)}
	if w := h.spec.PriorityWorth; w != nil {
		s.PriorityWorth = w.D()
	}
	if l := h.spec.PresenceLease; l != nil {
		s.PresenceLease = l.D()
	}
	return s
}

// acdQueue is what the engine needs to know of a queue; required: of its dispositions one
// has to be given.
func acdQueue(name string, q *resource.QueueSpec, required bool) acd.Queue {
	out := acd.Queue{Name: name, Strategy: q.Strategy, Priority: q.Priority,
		WrapUp: q.WrapUp.D(), WrapUpMode: q.WrapUpMode, WrapUpExtend: q.WrapUpExtend.D(),
		RingTimeout: q.RingTimeout.D(), RingLimit: q.RingLimit, RingStep: q.RingStep.D(),
		ServiceLevel: q.ServiceLevel.D(), ShortAbandon: q.ShortAbandon.D(), MaxWait: q.MaxWait.D(), MaxLength: q.MaxLength,
		LeaveWhenEmpty: q.LeaveWhenEmpty == nil || *q.LeaveWhenEmpty,
		AnnounceFirst:  2 * time.Second, AnnounceEvery: 30 * time.Second,
		Skills: q.Skills, Need: q.Need, LastAgent: q.LastAgent.D(), Patience: q.Patience.D(), After: afterOffer(q.AfterOffer)}
	if k := q.KeepPlace; k != nil {
		if out.KeepPlace = k.D(); out.KeepPlace == 0 {
			out.KeepPlace = -1
		}
	}
	out.Callback = acdCallback(q)
	out.DispositionRequired = required
	for _, o := range q.Overflow {
		out.Overflow = append(out.Overflow, acd.Overflow{To: o.To, After: o.After.D(), Ahead: o.Ahead, Estimate: o.Estimate.D(),
			ServiceLevel: o.ServiceLevel, Agents: o.Agents})
	}
	if q.AnnounceFirst != nil {
		out.AnnounceFirst = q.AnnounceFirst.D()
	}
	if q.AnnounceEvery != nil {
		out.AnnounceEvery = q.AnnounceEvery.D()
	}
	out.Announce = announceTimes(q.Announce, out.AnnounceFirst, out.AnnounceEvery)
	for _, m := range q.Members {
		out.Members = append(out.Members, acd.Member{Agent: m.Agent, Rank: m.Rank, Weight: m.Weight})
	}
	for _, t := range q.Tiers {
		out.Tiers = append(out.Tiers, acd.Tier{Rank: t.Rank, After: t.After.D()})
	}
	return out
}

// announceTimes are those of a queue's items; nil = no item has times of its own.
func announceTimes(items []string, first, every time.Duration) []acd.AnnounceTime {
	var out []acd.AnnounceTime
	own := false
	for _, text := range items {
		a, err := resource.ParseAnnounce(text)
		if err != nil {
			continue // the check has told
		}
		t := acd.AnnounceTime{After: first, Every: every}
		if a.After != nil {
			t.After, own = *a.After, true
		}
		if a.Every != nil {
			t.Every, own = *a.Every, true
		}
		out = append(out, t)
	}
	if !own {
		return nil
	}
	return out
}

// stranded warns of callers who wait now and whom a change would leave without
// anybody to serve them. A queue engine that does not answer warns of nothing.
func (a *App) stranded(ctx context.Context, next *resource.Set) []resource.Fault {
	var out []resource.Fault
	for _, tenant := range slices.Sorted(maps.Keys(a.dispatchers)) {
		h := &house{spec: next.Tenants[tenant], queues: map[string]*resource.QueueSpec{}, users: map[string]*resource.UserSpec{}}
		if h.spec == nil {
			h.spec = &resource.TenantSpec{}
		}
		for k, q := range next.Queues {
			if k.Tenant == tenant {
				h.queues[k.Name] = q
			}
		}
		for k, u := range next.Users {
			if k.Tenant == tenant {
				h.users[k.Name] = u
			}
		}
		list, err := a.dispatchers[tenant].Stranded(ctx, h.acdConfig())
		if err != nil {
			a.log.Warn("waiting callers could not be checked against the change", zap.String("tenant", tenant), zap.Error(err))
			continue
		}
		for _, s := range list {
			msg := fmt.Sprintf("%d waiting now would lose their last agent: nobody who is logged in would fit", s.Callers)
			if s.Why == acd.StrandedQueueGone {
				msg = fmt.Sprintf("%d waiting now would be sent away: the queue goes", s.Callers)
			}
			out = append(out, resource.Fault{Path: fmt.Sprintf("queue %q", s.Queue), Message: msg, Warning: true})
		}
	}
	return out
}

// afterOffer reads what the check has read before.
func afterOffer(m map[string]string) map[string]acd.Consequence {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]acd.Consequence, len(m))
	for cause, s := range m {
		if do, pause, err := resource.ParseAfterOffer(s); err == nil {
			out[cause] = acd.Consequence{Do: do, Pause: pause}
		}
	}
	return out
}
