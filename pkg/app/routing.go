package app

import (
	"slices"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/resource"
)

// priorityWorth is what one point of priority is worth unless the tenant says so.
const priorityWorth = 5 * time.Minute

// acdConfig is the tenant's queues and agents in the words of the ACD.
func (h *house) acdConfig() acd.Configure {
	c := acd.Configure{Settings: h.acdSettings()}
	for name, q := range h.queues {
		c.Queues = append(c.Queues, acdQueue(name, q))
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
	s := acd.Settings{PriorityWorth: priorityWorth, MaxWrapUp: h.spec.MaxWrapUp.D(), After: afterOffer(h.spec.AfterOffer)}
	if w := h.spec.PriorityWorth; w != nil {
		s.PriorityWorth = w.D()
	}
	if l := h.spec.PresenceLease; l != nil {
		s.PresenceLease = l.D()
	}
	return s
}

func acdQueue(name string, q *resource.QueueSpec) acd.Queue {
	out := acd.Queue{Name: name, Strategy: q.Strategy, Priority: q.Priority,
		WrapUp: q.WrapUp.D(), WrapUpMode: q.WrapUpMode, WrapUpExtend: q.WrapUpExtend.D(),
		RingTimeout: q.RingTimeout.D(), RingLimit: q.RingLimit, RingStep: q.RingStep.D(),
		ServiceLevel: q.ServiceLevel.D(), ShortAbandon: q.ShortAbandon.D(), MaxWait: q.MaxWait.D(), MaxLength: q.MaxLength,
		LeaveWhenEmpty: q.LeaveWhenEmpty == nil || *q.LeaveWhenEmpty,
		AnnounceFirst:  2 * time.Second, AnnounceEvery: 30 * time.Second,
		Skills: q.Skills, Need: q.Need, LastAgent: q.LastAgent.D(), Patience: q.Patience.D(), After: afterOffer(q.AfterOffer)}
	if q.AnnounceFirst != nil {
		out.AnnounceFirst = q.AnnounceFirst.D()
	}
	if q.AnnounceEvery != nil {
		out.AnnounceEvery = q.AnnounceEvery.D()
	}
	for _, m := range q.Members {
		out.Members = append(out.Members, acd.Member{Agent: m.Agent, Rank: m.Rank, Weight: m.Weight})
	}
	for _, t := range q.Tiers {
		out.Tiers = append(out.Tiers, acd.Tier{Rank: t.Rank, After: t.After.D()})
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
