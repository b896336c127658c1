package acd

import (
	"fmt"
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
// one pool's heap of idle agents.
type frontierNode struct {
	ref   poolRef
	at    int // index in class.pools, or in pool.idle if agent
	agent bool
}

func (n frontierNode) head() *agentRec {
	if n.agent {
		return n.ref.p.idle.items[n.at]
	}
	return n.ref.p.idle.items[0]
}

func (n frontierNode) rank() int { return n.ref.p.classes[n.ref.i].rank }

// choose lists the best k free agents of a class, best first, without sorting
// the rest: it walks down both heaps from their tops.
func (e *Engine) choose(cl *class, k int, take func(a *agentRec, rank int)) {
	f := append(e.frontier[:0], frontierNode{ref: cl.pools.items[0]})
	for k > 0 && len(f) > 0 {
		best := 0
		for i := 1; i < len(f); i++ {
			ri, rb := f[i].rank(), f[best].rank()
			if ri < rb || ri == rb && idleBefore(f[i].head(), f[best].head()) {
				best = i
			}
		}
		n := f[best]
		f[best] = f[len(f)-1]
		f = f[:len(f)-1]
		if n.agent {
			take(n.head(), n.rank())
			k--
			for c := 2*n.at + 1; c <= 2*n.at+2 && c < n.ref.p.idle.len(); c++ {
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

// makeOffer reserves the best free agent for c. There must be one.
func (e *Engine) makeOffer(c *caller) {
	cl := c.class
	d := e.decision(c)
	d.Considered = make([]event.Candidate, 0, min(e.cfg.Considered, cl.by[standFree]))
	var a *agentRec
	e.choose(cl, e.cfg.Considered, func(x *agentRec, rank int) {
		if a == nil {
			a = x
		}
		idle := (e.now - x.idleSince) / 1e6
		cand := event.Candidate{Agent: x.Name, IdleMs: idle, Score: idle - int64(rank)*rankWeight}
		if rank != 0 {
			cand.Why = "rank " + strconv.Itoa(rank)
		}
		d.Considered = append(d.Considered, cand)
	})
	d.More = cl.by[standFree] - len(d.Considered)

	ring := c.q.RingTimeout
	if ring <= 0 {
		ring = e.cfg.RingTimeout
	}
	e.offers++
	o := &offer{id: e.cfg.OfferPrefix + strconv.FormatUint(e.offers, 10), a: a, c: c, made: e.now, deadline: e.now + int64(ring)}
	d.OfferID, d.Agent = o.id, a.Name
	e.byOffer[o.id] = o
	cl.waiting.remove(c.pos)
	e.disarm(&c.announce) // never a position while a phone rings for the caller
	c.offer, a.offer = o, o
	e.emit(Decided{d, c.callID})
	e.change(a, agent.Reserve, agent.Facts{}, "", BySystem)
	e.emit(Offer{o.id, c.callID, c.q.Name, a.Name, a.Device, e.abs(o.deadline)})
}

// servesBefore is the order between callers of any two queues.
func servesBefore(a, b *caller) bool {
	if pa, pb := a.priority+a.q.Priority, b.priority+b.q.Priority; pa != pb {
		return pa > pb
	}
	if a.arrived != b.arrived {
		return a.arrived < b.arrived
	}
	return a.seq < b.seq
}

// serve gives an agent who has become free the globally first caller that fits.
// Nobody else free fits that caller, or the caller would not be waiting.
func (e *Engine) serve(a *agentRec) {
	if e.hold || a.idlePos < 0 || a.pool == nil {
		return
	}
	var first *caller
	for i := range a.pool.classes {
		w := &a.pool.classes[i].c.waiting
		if w.len() > 0 && (first == nil || servesBefore(w.items[0], first)) {
			first = w.items[0]
		}
	}
	if first != nil {
		e.makeOffer(first)
	}
}

// matchAll serves everybody after a change that touched more than one agent or
// caller, in global order.
func (e *Engine) matchAll() {
	for {
		var first *caller
		for _, q := range e.queues {
			for _, cl := range q.classes {
				if cl.waiting.len() > 0 && cl.pools.len() > 0 && (first == nil || servesBefore(cl.waiting.items[0], first)) {
					first = cl.waiting.items[0]
				}
			}
		}
		if first == nil {
			return
		}
		e.makeOffer(first)
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

// endOffer unties agent and caller. Both are then in no place: the caller must
// be requeued or leave, the agent's machine must be told.
func (e *Engine) endOffer(o *offer, outcome string) {
	delete(e.byOffer, o.id)
	o.c.offer, o.a.offer = nil, nil
	if o.c.last != nil {
		delete(e.late, o.c.last.id)
	}
	o.c.last, e.late[o.id] = o, o.c
	e.emit(OfferEnded{o.id, o.c.callID, o.c.q.Name, o.a.Name, outcome, duration(e.now - o.made)})
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
		if c := e.late[ev.OfferID]; c != nil {
			e.acceptLate(c)
		}
		return
	}
	a, c := o.a, o.c
	a.lost = false
	e.endOffer(o, OutcomeAccepted)
	e.addCall(a, c.callID, c.q.Name)
	e.change(a, agent.Accept, agent.Facts{Talking: true}, "", BySystem)
	e.leave(c, LeftAnswered, a.Name)
}

// acceptLate: the agent picked up while the offer was being taken back. The two
// talk by now, so the caller is answered and the agent is on that call, whatever
// has been done about either since.
func (e *Engine) acceptLate(c *caller) {
	a := c.last.a
	if e.byAgent[a.Name] != a {
		return // out of the configuration; the call will tell by Leave
	}
	e.hold = true               // nobody is served until everybody is in place
	if o := c.offer; o != nil { // another phone rings for the caller by now
		e.emit(WithdrawOffer{o.id, c.callID, o.a.Name, CauseCallerLeft})
		e.endOffer(o, CauseCallerLeft)
		e.giveBack(o.a)
	}
	e.leave(c, LeftAnswered, a.Name)
	a.lost = false
	if a.m.State == agent.NotReady && a.m.Reason == ReasonRingNoAnswer {
		e.change(a, agent.SetReady, agent.Facts{}, "answered", BySystem)
	}
	step := func() { e.change(a, agent.Occupy, agent.Facts{Talking: true}, "", BySystem) }
	e.addCall(a, c.callID, c.q.Name)
	if o := a.offer; o != nil { // and another caller has been promised the agent
		e.withdraw(o, CauseWithdrawn, step)
		e.leaveEmpty(o.c.class)
	} else {
		step()
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

// fail ends an offer that the agent's side did not take: the agent pays by
// cause, the caller keeps the place.
func (e *Engine) fail(o *offer, cause string) {
	a, c := o.a, o.c
	e.endOffer(o, cause)
	switch {
	case cause == CauseNoAnswer && a.AlwaysReady:
		e.change(a, agent.Decline, agent.Facts{Reason: ReasonRingNoAnswer}, "", BySystem)
	case cause == CauseNoAnswer:
		e.change(a, agent.NoAnswer, agent.Facts{Reason: ReasonRingNoAnswer}, "", BySystem)
	case cause == CauseUnreachable:
		a.lost, a.lostUntil = true, e.now+int64(e.cfg.UnreachableRetry)
		e.change(a, agent.Lost, agent.Facts{}, CauseUnreachable, BySystem)
	default: // busy, rejected, withdrawn
		e.change(a, agent.Decline, agent.Facts{Reason: cause}, "", BySystem)
		// Our own failure does not cost the agent the place among the idle. The
		// pause is there all the same: without it, what fails at once would be
		// tried again at once, for ever.
		a.keepIdle = cause == CauseWithdrawn
	}
	e.requeue(c)
}

// withdraw takes an offer back because the agent does something else: told to
// the call, machine stepped by then, caller back in place.
func (e *Engine) withdraw(o *offer, outcome string, then func()) {
	c := o.c
	e.emit(WithdrawOffer{o.id, c.callID, o.a.Name, outcome})
	e.endOffer(o, outcome)
	then()
	e.requeue(c)
}
