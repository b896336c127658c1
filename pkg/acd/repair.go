package acd

import (
	"cmp"
	"maps"
	"slices"

	"github.com/centrala/centrala/pkg/agent"
)

// repair makes what is derived anew from what is not: who waits where, which
// offers stand, which states agents are in. It costs the time of a Configure.
// Places in line, offers that are whole and calls stay as they are.
func (e *Engine) repair() {
	e.hold = true
	e.repairTimers()
	e.repairOffers()
	e.repairAgents()
	for _, q := range e.queues {
		clear(q.byNeed)
		for _, f := range q.families {
			q.byNeed[f.key] = f
		}
	}
	e.bindAll()
	for _, q := range e.queues {
		q.line = line{}
		for _, f := range q.families {
			f.users, f.pace.held = 0, 0
			for _, cl := range f.stages {
				cl.waiting.items, cl.more.items = nil, nil
			}
		}
	}
	for _, a := range e.agents {
		a.personal.items = nil
	}
	for _, q := range e.queues {
		for c := q.oldest; c != nil; c = c.younger {
			e.repairCaller(c)
		}
	}
	for _, a := range e.agents {
		e.armAgent(a)
	}
	e.repairCallbacks()
	e.hold = false
	for _, q := range e.queues {
		for _, f := range q.families {
			e.leaveEmpty(f)
		}
	}
	e.matchAll()
}

// repairTimers puts the deadlines that run in order, each once.
func (e *Engine) repairTimers() {
	items := e.timers.items
	e.timers.items = nil
	for _, s := range items {
		s.x.pos = -1
	}
	for _, s := range items {
		if s.x.pos < 0 {
			s.key = s.x.at
			e.timers.push(s)
		}
	}
}

// repairOffers takes apart every offer of which one side knows nothing.
func (e *Engine) repairOffers() {
	for _, id := range slices.Sorted(maps.Keys(e.byOffer)) {
		o := e.byOffer[id]
		reserved := o.a.m.State == agent.Reserved || o.a.m.State == agent.Ringing
		whole := o.id == id && reserved && o.a.offer == o && slices.Contains(o.c.offers, o) && e.callers[o.c.callID] == o.c && e.byAgent[o.a.Name] == o.a
		if whole {
			continue
		}
		delete(e.byOffer, id)
		o.c.offers = slices.DeleteFunc(o.c.offers, func(x *offer) bool { return x == o })
		if o.a.offer == o {
			o.a.offer = nil
		}
		e.emit(WithdrawOffer{o.id, o.c.callID, o.a.Name, CauseWithdrawn})
		e.emit(OfferEnded{o.id, o.c.callID, o.c.q.Name, o.a.Name, CauseWithdrawn, duration(e.now - o.made)})
	}
	maps.DeleteFunc(e.late, func(id string, o *offer) bool {
		return o.id != id || e.callers[o.c.callID] != o.c || !slices.Contains(o.c.past, o)
	})
	for _, q := range e.queues {
		for c := q.oldest; c != nil; c = c.younger {
			c.offers = slices.DeleteFunc(c.offers, func(o *offer) bool { return e.byOffer[o.id] != o })
		}
	}
}

func (e *Engine) repairAgents() {
	clear(e.onCall)
	clear(e.byAgent)
	for _, a := range e.agents {
		e.byAgent[a.Name] = a
		for _, t := range a.calls {
			e.onCall[t.callID] = append(e.onCall[t.callID], a)
		}
		if a.offer != nil && e.byOffer[a.offer.id] != a.offer {
			a.offer = nil
		}
		a.reachable = !e.down[a.device]
		if on := e.onDevice[a.device]; a.device != "" && !slices.Contains(on, a) {
			e.onDevice[a.device] = append(on, a)
		}
		switch st := a.m.State; {
		case (st == agent.Reserved || st == agent.Ringing) && a.offer == nil:
			e.giveBack(a)
		case st == agent.OnCall && len(a.calls) == 0:
			e.change(a, agent.HangUp, agent.Facts{WrapUp: a.wrapsUp()}, "repaired", BySystem)
		case st != agent.OnCall && st != agent.Offline && a.offer == nil && len(a.calls) > 0:
			e.change(a, agent.Occupy, agent.Facts{Talking: true}, "repaired", BySystem)
		}
	}
}

// repairCaller files a caller where nobody but its own fields says it is.
func (e *Engine) repairCaller(c *caller) {
	q := c.q
	e.callers[c.callID] = c
	if f := q.byNeed[c.fam.key]; f != nil {
		c.fam = f
	} else {
		c.fam = q.byNeed[""]
	}
	c.fam.users++
	c.class = e.stageOf(c)
	e.setKey(c)
	c.leaf = nil
	q.line.insert(c)
	c.in = nil
	if c.sticky != nil && (e.byAgent[c.sticky.Name] != c.sticky || !e.canCome(c)) {
		c.sticky = nil
	}
	switch {
	case len(c.offers) > 0:
		c.sticky = nil
		e.disarm(&c.announce)
		e.ringsFor(c)
	case c.sticky != nil:
		c.file(&c.sticky.personal)
	default:
		c.file(&c.class.waiting)
		e.disarm(&c.another)
	}
	if c.held {
		c.fam.pace.held++
	}
	if c.look.pos < 0 || len(c.offers) > 0 {
		e.armLook(c)
	}
	e.armWiden(c)
	if at := c.joined + int64(q.MaxWait); q.MaxWait > 0 && c.cb == nil && c.limit.pos < 0 && (len(c.offers) == 0 || at > e.now) {
		e.arm(&c.limit, cmp.Or(at, 0))
	}
}
