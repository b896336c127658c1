package acd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/agent"
	"github.com/centrala/centrala/pkg/event"
)

var standingWords = [numStandings]string{"offline", "ready", "not_ready", "reserved", "ringing", "on_call", "wrap_up", "unreachable"}

func duration(ns int64) time.Duration { return time.Duration(ns) }

// rankWeight makes a rank outweigh any idle time in a Candidate's score, which
// is idle_ms - rank*rankWeight, highest first. 1e10 ms are 115 days.
const rankWeight = 1e10

// frontierNode is a step of choose: a node of the class's heap of pools, or of
// one order's heap of free agents.
type frontierNode struct {
	ref   poolRef
	at    int // index in class.pools, or in the order's heap if agent
	agent bool
}

func (n frontierNode) head() *seat {
	items := n.ref.class().o.free.items
	if n.agent {
		return items[n.at]
	}
	return items[0]
}

func (n frontierNode) before(m frontierNode) bool {
	x, y := n.ref.class(), m.ref.class()
	return betterPool(x.rank, x.skill, x.o, n.head(), y.rank, y.skill, m.head())
}

// choose lists the best k free agents of a class, best first, without sorting
// the rest: it walks down both heaps from their tops.
func (e *Engine) choose(cl *class, k int, take func(s *seat, in *poolClass)) {
	f := append(e.frontier[:0], frontierNode{ref: cl.pools.items[0]})
	for k > 0 && len(f) > 0 {
		best := 0
		for i := 1; i < len(f); i++ {
			if f[i].before(f[best]) {
				best = i
			}
		}
		n := f[best]
		f[best] = f[len(f)-1]
		f = f[:len(f)-1]
		if n.agent {
			take(n.head(), n.ref.class())
			k--
			for c := 2*n.at + 1; c <= 2*n.at+2 && c < n.ref.class().o.free.len(); c++ {
				f = append(f, frontierNode{n.ref, c, true})
			}
			continue
		}
		f = append(f, frontierNode{n.ref, 0, true})
		for c := 2*n.at + 1; c <= 2*n.at+2 && c < cl.pools.len(); c++ {
			f = append(f, frontierNode{cl.pools.items[c], c, false})
		}
	}
	e.frontier = f
}

// makeOffer reserves the best free agent for c, or as many as the strategy
// rings. There must be one.
func (e *Engine) makeOffer(c *caller, trigger string) {
	d := e.decision(c, trigger)
	picked := e.picked[:0]
	s := c.q.s
	alone := c.sticky != nil
	if alone {
		picked = append(picked, c.sticky)
		d.Considered = []event.Candidate{{Agent: c.sticky.Name, IdleMs: (e.now - c.sticky.idleSince) / 1e6, Why: "asked for"}}
		c.sticky = nil // if this fails, the queue is the back-up
	} else {
		cl := c.class
		want := 1
		if s.many {
			want = e.ringLimit(c.q) - len(c.offers)
		}
		d.Considered = make([]event.Candidate, 0, min(e.cfg.Considered, cl.by[standFree]))
		e.choose(cl, max(want, e.cfg.Considered), func(x *seat, in *poolClass) {
			if len(picked) < want {
				if len(picked) == 0 {
					c.q.chose(x)
				}
				picked = append(picked, x.a)
			}
			if len(d.Considered) < e.cfg.Considered {
				d.Considered = append(d.Considered, e.candidate(s, x, in))
			}
		})
		d.More = cl.by[standFree] - len(d.Considered)
	}
	e.picked = picked
	d.Agent = picked[0].Name
	for _, a := range picked[1:] {
		d.Also = append(d.Also, a.Name)
	}
	d.OfferID = e.cfg.OfferPrefix + strconv.FormatUint(e.offers+1, 10)
	e.emit(Decided{d, c.callID})
	e.disarm(&c.look)
	e.disarm(&c.announce) // never a position while a phone rings for the caller
	if s.grows {
		c.file(nil) // the phone that was due rings now
	}
	for _, a := range picked {
		e.reserve(c, a).alone = alone
	}
	e.ringsFor(c)
}

const defaultRingStep = 5 * time.Second

// ringsFor files a caller for whom phones ring: among those who take more, or
// nowhere.
func (e *Engine) ringsFor(c *caller) {
	more := len(c.offers) < e.ringLimit(c.q) && !c.offers[0].alone
	switch s := c.q.s; {
	case s.many && more:
		c.file(&c.class.more)
	case s.grows && more && c.in == &c.class.more: // a phone is due, nobody is free
	default:
		c.file(nil)
		switch {
		case !s.grows || !more:
			e.disarm(&c.another)
		case c.another.pos < 0:
			e.arm(&c.another, e.now+int64(cmp.Or(c.q.RingStep, defaultRingStep)))
		}
	}
	e.armWiden(c)
}

func (e *Engine) candidate(s *strategy, x *seat, in *poolClass) event.Candidate {
	idle := (e.now - x.a.idleSince) / 1e6
	c := event.Candidate{Agent: x.a.Name, IdleMs: idle, Score: idle - int64(in.rank)*rankWeight, Value: s.say(e, x)}
	if in.rank != 0 {
		c.Why = "rank " + strconv.Itoa(in.rank)
	}
	if s.skill {
		if c.Why != "" {
			c.Why += ", "
		}
		c.Why += "skills " + strconv.Itoa(in.skill)
	}
	return c
}

// chose notes what the queue's strategy needs to know of its last choice.
func (q *queue) chose(x *seat) {
	switch q.Strategy {
	case StrategyRandom:
		q.drawn = max(q.drawn, x.draw)
	case StrategyFewestCalls:
		q.floor = x.a.taken
	}
}

// reserve leases a free agent to a caller.
func (e *Engine) reserve(c *caller, a *agentRec) *offer {
	ring := c.q.RingTimeout
	if ring <= 0 {
		ring = e.cfg.RingTimeout
	}
	e.offers++
	o := &offer{id: e.cfg.OfferPrefix + strconv.FormatUint(e.offers, 10), a: a, c: c, made: e.now, deadline: e.now + int64(ring)}
	e.byOffer[o.id] = o
	c.offers, a.offer = append(c.offers, o), o
	e.change(a, agent.Reserve, agent.Facts{}, "", BySystem)
	e.emit(Offer{o.id, c.callID, c.q.Name, a.Name, a.device, e.abs(o.deadline), callbackID(c)})
	return o
}

// serve gives an agent who has become free the globally first caller that fits:
// one for whom nothing rings, else one who takes one more phone. Nobody else
// free fits that caller, or the caller would not be waiting.
func (e *Engine) serve(a *agentRec) {
	if e.hold {
		return
	}
	e.letGo(a)
	if !a.free || a.pool == nil {
		return
	}
	var best *slot[*caller]
	better := func(h *crowd) {
		if len(h.items) > 0 && (best == nil || h.items[0].before(best)) {
			best = &h.items[0]
		}
	}
	better(&a.personal)
	for i := range a.pool.classes {
		better(&a.pool.classes[i].c.waiting)
	}
	if best == nil {
		for i := range a.pool.classes {
			better(&a.pool.classes[i].c.more)
		}
	}
	if best != nil {
		e.makeOffer(best.x, "")
	}
}

// matchAll serves everybody after a change that touched more than one agent or
// caller, in global order.
func (e *Engine) matchAll() {
	for _, a := range e.agents {
		e.letGo(a)
	}
	for {
		var first *slot[*caller]
		better := func(h *crowd) {
			if len(h.items) > 0 && (first == nil || h.items[0].before(first)) {
				first = &h.items[0]
			}
		}
		for _, a := range e.agents {
			if a.free {
				better(&a.personal)
			}
		}
		for _, rung := range []bool{false, true} {
			for _, q := range e.queues {
				for _, f := range q.families {
					for _, cl := range f.stages {
						if cl.pools.len() == 0 {
							continue
						}
						if rung {
							better(&cl.more)
						} else {
							better(&cl.waiting)
						}
					}
				}
			}
			if first != nil {
				break
			}
		}
		if first == nil {
			return
		}
		e.makeOffer(first.x, "")
	}
}

// find returns a live offer. One that was made and is over is nil without a
// fault: phone and deadline have crossed.
func (e *Engine) find(id string) *offer {
	o := e.byOffer[id]
	if o == nil {
		n, err := strconv.ParseUint(strings.TrimPrefix(id, e.cfg.OfferPrefix), 10, 64)
		if err != nil || n == 0 || n > e.offers || !strings.HasPrefix(id, e.cfg.OfferPrefix) {
			e.fault(FaultUnknownOffer, strconv.Quote(id))
		}
	}
	return o
}

// maxPast bounds the offers of a caller that may still be picked up late.
const maxPast = MaxRing

// endOffer unties agent and caller. Both may then be in no place: the caller
// must be put right or leave, the agent's machine must be told.
func (e *Engine) endOffer(o *offer, outcome string) {
	c, a := o.c, o.a
	delete(e.byOffer, o.id)
	a.offer = nil
	c.offers = slices.DeleteFunc(c.offers, func(x *offer) bool { return x == o })
	if outcome != OutcomeAccepted { // that one cannot be picked up late
		if len(c.past) >= maxPast {
			delete(e.late, c.past[0].id)
			c.past = slices.Delete(c.past, 0, 1)
		}
		c.past, e.late[o.id] = append(c.past, o), o
	}
	if outcome != CauseCallerLeft && outcome != CauseElsewhere && outcome != CauseWithdrawn {
		e.seq++
		a.lastOffer, a.offered = e.seq, e.now // round robin: had its turn
	}
	e.emit(OfferEnded{o.id, c.callID, c.q.Name, a.Name, outcome, duration(e.now - o.made)})
}

// giveBack makes a reserved agent ready again, at the old place among the idle.
func (e *Engine) giveBack(a *agentRec) {
	a.keepIdle = true
	e.change(a, agent.Withdraw, agent.Facts{}, "", BySystem)
	a.keepIdle = false
}

func (e *Engine) offerRinging(ev OfferRinging) {
	if o := e.find(ev.OfferID); o != nil {
		e.change(o.a, agent.Ring, agent.Facts{}, "", BySystem)
	}
}

func (e *Engine) offerAccepted(ev OfferAccepted) {
	o := e.find(ev.OfferID)
	if o == nil {
		if o := e.late[ev.OfferID]; o != nil {
			e.acceptLate(o)
		}
		return
	}
	a, c := o.a, o.c
	a.lost = false
	e.endOffer(o, OutcomeAccepted)
	e.addCall(a, c.callID, c.q.Name)
	e.change(a, agent.Accept, agent.Facts{Talking: true}, "", BySystem)
	e.tookOne(a)
	back := e.stopRinging(c, nil, CauseElsewhere)
	e.leave(c, LeftAnswered, a.Name)
	e.serveAll(back)
	e.letGo(a)
}

// tookOne counts a queue's call for its agent.
func (e *Engine) tookOne(a *agentRec) {
	a.taken++
	if a.once {
		e.change(a, agent.SetNotReady, agent.Facts{Talking: true, Reason: ReasonOneCall}, "", BySystem)
	}
}

// acceptLate: the agent picked up while the offer was being taken back. The two
// talk by now, so the caller is answered and the agent is on that call, whatever
// has been done about either since.
func (e *Engine) acceptLate(late *offer) {
	a, c := late.a, late.c
	if e.byAgent[a.Name] != a {
		return // out of the configuration; the call will tell by Leave
	}
	e.hold = true // nobody is served until everybody is in place
	e.stopRinging(c, nil, CauseElsewhere)
	e.leave(c, LeftAnswered, a.Name)
	a.lost = false
	if a.m.State == agent.NotReady && slices.Contains([]string{ReasonRingNoAnswer, CauseBusy, CauseRejected, CauseUnreachable}, a.m.Reason) {
		e.change(a, agent.SetReady, agent.Facts{}, "answered", BySystem)
	}
	step := func() { e.change(a, agent.Occupy, agent.Facts{Talking: true}, "", BySystem) }
	e.addCall(a, c.callID, c.q.Name)
	if o := a.offer; o != nil { // and another caller has been promised the agent
		e.withdraw(o, CauseWithdrawn, step)
		e.leaveEmpty(o.c.fam)
	} else {
		step()
	}
	if a.m.State == agent.OnCall {
		e.tookOne(a)
	}
	e.hold = false
	e.matchAll()
}

func (e *Engine) offerFailed(ev OfferFailed) {
	o := e.find(ev.OfferID)
	if o == nil {
		return
	}
	cause := ev.Cause
	switch cause {
	case CauseNoAnswer, CauseBusy, CauseRejected, CauseUnreachable, CauseWithdrawn:
	case CauseCallerLeft:
		e.callerLeft(o, LeftAbandoned)
		return
	default:
		e.fault(FaultBadCause, fmt.Sprintf("offer %q failed with %q", ev.OfferID, ev.Cause))
		cause = CauseRejected
	}
	e.fail(o, cause)
}

// expire ends an offer from our side at its deadline.
func (e *Engine) expire(o *offer, cause string) {
	e.emit(WithdrawOffer{o.id, o.c.callID, o.a.Name, cause})
	e.fail(o, cause)
}

// consequence of a failed offer for its agent.
func (e *Engine) consequence(o *offer, cause string) Consequence {
	k, ok := o.c.q.After[cause]
	if !ok {
		if k, ok = e.set.After[cause]; !ok {
			k = DefaultAfter[cause]
		}
	}
	if k.Do == DoNotReady && o.a.AlwaysReady {
		k = Consequence{DoPause, staticRest}
	}
	if k.Do == DoStay {
		k.Pause = StayRest
	}
	k.Pause = min(max(k.Pause, StayRest), maxDuration)
	return k
}

// fail ends an offer that the agent's side did not take: the agent pays by
// cause, the caller keeps the place.
func (e *Engine) fail(o *offer, cause string) {
	a, c := o.a, o.c
	k := e.consequence(o, cause)
	e.endOffer(o, cause)
	reason := cause
	if cause == CauseNoAnswer {
		reason = ReasonRingNoAnswer
	}
	switch {
	case k.Do == DoNotReady:
		e.change(a, agent.NoAnswer, agent.Facts{Reason: reason}, "", BySystem)
	case cause == CauseUnreachable:
		a.lost, a.lostUntil = true, e.now+int64(k.Pause)
		e.change(a, agent.Lost, agent.Facts{}, CauseUnreachable, BySystem)
	default: // busy, rejected, withdrawn
		a.pause = k.Pause
		e.change(a, agent.Decline, agent.Facts{Reason: reason}, "", BySystem)
		// Our own failure does not cost the agent the place among the idle. The
		// pause is there all the same: without it, what fails at once would be
		// tried again at once, for ever.
		a.keepIdle = cause == CauseWithdrawn
	}
	e.afterOffer(c)
	e.serve(a)
}

// withdraw takes an offer back because the agent does something else: told to
// the call, machine stepped by then, caller back in place.
func (e *Engine) withdraw(o *offer, outcome string, then func()) {
	c := o.c
	e.emit(WithdrawOffer{o.id, c.callID, o.a.Name, outcome})
	e.endOffer(o, outcome)
	then()
	e.afterOffer(c)
}
