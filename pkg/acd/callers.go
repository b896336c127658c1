package acd

import (
	"fmt"
	"slices"

	"github.com/centrala/centrala/pkg/event"
)

func (e *Engine) enter(ev Enter) {
	q := e.byQueue[ev.Queue]
	if q == nil {
		e.verdict = fmt.Errorf("%w %q", ErrUnknownQueue, ev.Queue)
		e.emit(Refused{ev.CallID, ev.Queue, RefusedUnknown})
		return
	}
	if old := e.callers[ev.CallID]; old != nil {
		e.fault(FaultDuplicateCall, fmt.Sprintf("call %q waits in queue %q and enters %q", ev.CallID, old.q.Name, ev.Queue))
		return
	}
	if ev.Front == "" && q.MaxLength > 0 && q.line.len()-q.callbacks >= q.MaxLength {
		e.emit(Refused{ev.CallID, q.Name, LeftFull})
		return
	}
	fam := e.familyOf(q, ev.Skills, ev.Need)
	c := &caller{callID: ev.CallID, from: ev.From, q: q, fam: fam, priority: min(max(ev.Priority, -maxPriority), maxPriority), joined: e.now, arrived: e.now, due: -1,
		returns: ev.Returns, stays: ev.Stays, front: ev.Front, told: -1}
	e.prefer(c, ev)
	if q.LeaveWhenEmpty && fam.last().loggedIn() == 0 && (c.sticky == nil || !e.canCome(c)) {
		e.emit(Refused{ev.CallID, q.Name, LeftEmpty})
		return
	}
	e.seq++
	c.seq = e.seq
	if !ev.ArrivedAt.IsZero() {
		c.arrived = min(e.now, int64(ev.ArrivedAt.Sub(e.epoch)))
	}
	before, waited := e.oldPlace(c)
	var back []*agentRec
	if id, since, freed := e.returned(c); id != "" {
		before, waited, back = id, since, freed
	}
	e.setKey(c)
	e.addCaller(c)
	e.firstAnnounce(c)
	c.class = e.stageOf(c)
	if d, known := e.estimate(c); known {
		c.told = d
	}
	e.emit(Joined{CallID: c.callID, Queue: q.Name, Position: q.line.position(c), Priority: c.priority + q.Priority,
		QueuePriority: q.Priority, Need: fam.text(), Agent: ev.Agent, Before: before, Waited: waited, Estimate: c.told, Front: c.front})
	if e.flows(c) {
		e.serveAll(back)
		return
	}
	e.standBefore(back, func() { e.wait(c, "") })
}

// addCaller puts c into the queue's lines, not yet among those who wait.
func (e *Engine) addCaller(c *caller) {
	q := c.q
	c.limit = timer{pos: -1, kind: timerLimit, c: c}
	c.announce = timer{pos: -1, kind: timerAnnounce, c: c}
	c.widen = timer{pos: -1, kind: timerWiden, c: c}
	c.another = timer{pos: -1, kind: timerMore, c: c}
	c.look = timer{pos: -1, kind: timerLook, c: c}
	e.callers[c.callID] = c
	c.fam.users++
	q.line.insert(c)
	e.touch(q)
	if c.older = q.newest; c.older != nil {
		c.older.younger = c
	} else {
		q.oldest = c
	}
	q.newest = c
	if c.cb != nil {
		q.callbacks++
	} else if q.MaxWait > 0 {
		e.arm(&c.limit, c.joined+int64(q.MaxWait))
	}
}

// file puts c into a heap of those who can be offered somebody; nil = none.
func (c *caller) file(h *crowd) {
	if c.in == h {
		return
	}
	if c.in != nil {
		c.in.remove(c.pos)
	}
	if c.in = h; h != nil {
		h.push(c.slot())
	}
}

// wait makes c, for whom nothing rings, one of those who wait for an agent, and
// looks for one at once. trigger is why, for the record.
func (e *Engine) wait(c *caller, trigger string) {
	c.class = e.stageOf(c)
	if c.sticky != nil && !e.canCome(c) {
		c.sticky = nil
	}
	if c.sticky != nil {
		c.file(&c.sticky.personal)
	} else {
		c.file(&c.class.waiting)
	}
	e.armWiden(c)
	e.armLook(c)
	if c.due >= 0 && c.announce.pos < 0 {
		e.arm(&c.announce, c.due)
	}
	switch {
	case e.hold:
	case c.sticky != nil && c.sticky.free, c.sticky == nil && c.class.pools.len() > 0:
		e.makeOffer(c, trigger)
	default:
		e.held(c)
		d := e.decision(c, trigger)
		e.nameExcluded(c, &d)
		e.emit(Decided{d, c.callID})
	}
}

// armWiden sets the time at which the need relaxes next or a wait for one agent
// ends.
func (e *Engine) armWiden(c *caller) {
	at := int64(never)
	if s := c.fam.stages; c.class.stage+1 < len(s) {
		at = c.arrived + s[c.class.stage+1].after
	}
	if c.sticky != nil && (at == never || c.patience < at) {
		at = c.patience
	}
	switch {
	case at == never:
		e.disarm(&c.widen)
	case c.widen.pos < 0 || c.widen.at != at:
		e.arm(&c.widen, at)
	}
}

// widenNow: time has passed; more agents may fit.
func (e *Engine) widenNow(c *caller) {
	was := c.class
	c.class = e.stageOf(c)
	if len(c.offers) == 0 {
		if c.sticky != nil && !e.canCome(c) {
			c.sticky = nil
		}
		e.requeue(c, "widened")
		return
	}
	if c.in == &was.more {
		c.file(&c.class.more)
	}
	e.armWiden(c)
	e.ringFurther(c, "widened")
}

// afterOffer puts a caller right of whom an offer has failed: others may still
// ring.
func (e *Engine) afterOffer(c *caller) {
	if len(c.offers) == 0 {
		e.disarm(&c.another)
		e.requeue(c, "")
		return
	}
	if c.q.s.many && c.in == nil {
		c.file(&c.class.more)
	}
	e.ringFurther(c, "")
}

// ringFurther rings more phones for a caller who takes more.
func (e *Engine) ringFurther(c *caller, trigger string) {
	if !e.hold && c.in == &c.class.more && c.class.pools.len() > 0 {
		e.makeOffer(c, trigger)
	}
}

// ringMore: progressive adds a phone, now or when one is free.
func (e *Engine) ringMore(c *caller) {
	if len(c.offers) > 0 && len(c.offers) < e.ringLimit(c.q) && c.in == nil {
		c.file(&c.class.more)
		e.ringFurther(c, "one_more")
	}
}

func (e *Engine) ringLimit(q *queue) int {
	switch {
	case !q.s.many && !q.s.grows:
		return 1
	case q.RingLimit <= 0:
		return 10
	}
	return min(q.RingLimit, MaxRing)
}

// requeue puts a caller whose offers have failed back in the old place, unless
// the time is up or nobody is left.
func (e *Engine) requeue(c *caller, trigger string) {
	q := c.q
	switch {
	case c.cb != nil && e.callbacks.shut[q.Name]:
		e.setAside(c.cb)
	case c.cb != nil:
		e.wait(c, trigger)
	case q.MaxWait > 0 && e.now >= c.joined+int64(q.MaxWait):
		e.leave(c, LeftTimeout, "")
	case !e.hold && q.LeaveWhenEmpty && c.sticky == nil && c.fam.last().loggedIn() == 0:
		e.leave(c, LeftEmpty, "")
	case !e.hold && e.flows(c):
	default:
		e.wait(c, trigger)
	}
}

// leave takes c out of everything but an offer, which must be over.
func (e *Engine) leave(c *caller, outcome, agentName string) {
	q := c.q
	c.file(nil)
	e.unheld(c, outcome == LeftAnswered && agentName != "")
	e.keepPlace(c, outcome)
	c.fam.users--
	for _, t := range []*timer{&c.limit, &c.announce, &c.widen, &c.another, &c.look} {
		e.disarm(t)
	}
	q.line.remove(c)
	e.touch(q)
	if c.older != nil {
		c.older.younger = c.younger
	} else {
		q.oldest = c.younger
	}
	if c.younger != nil {
		c.younger.older = c.older
	} else {
		q.newest = c.older
	}
	c.older, c.younger = nil, nil
	delete(e.callers, c.callID)
	for _, o := range c.past {
		delete(e.late, o.id)
	}
	c.past = nil
	if c.cb != nil {
		e.emit(LeftQueue{CallID: c.callID, Queue: q.Name, Outcome: outcome, Wait: duration(e.now - c.joined), Agent: agentName, Estimate: -1, Callback: c.cb.ID})
		e.callbackLeft(c.cb, outcome, agentName)
		return
	}
	if outcome == LeftAnswered && agentName != "" {
		e.memory.put(c.from, agentName, e.now)
	}
	wait := duration(e.now - c.joined)
	q.counts(e.now, outcome, wait)
	e.emit(LeftQueue{CallID: c.callID, Queue: q.Name, Outcome: outcome, Wait: wait, Agent: agentName, To: c.to, Why: c.why, Estimate: c.told})
}

func (e *Engine) leaveEvent(ev Leave) {
	c := e.callers[ev.CallID]
	if c == nil {
		return // crossed our own LeftQueue
	}
	outcome := ev.Outcome
	switch {
	case outcome == "":
		outcome = LeftAbandoned
	case slices.Contains(LeftOutcomes, outcome): // answered: by somebody the engine did not send
	default:
		e.fault(FaultBadCause, fmt.Sprintf("call %q leaves queue %q with %q", ev.CallID, c.q.Name, ev.Outcome))
		outcome = LeftError
	}
	e.takeOut(c, outcome)
}

// takeOut removes a caller, withdraws what rings, and gives the agents back with
// the idle time kept.
func (e *Engine) takeOut(c *caller, outcome string) {
	back := e.stopRinging(c, nil, CauseCallerLeft)
	e.leave(c, outcome, "")
	e.serveAll(back)
}

// stopRinging ends all offers of c but one, and gives their agents back. The
// caller is then in no place. The agents must be served.
func (e *Engine) stopRinging(c *caller, but *offer, why string) []*agentRec {
	var back []*agentRec
	for _, o := range slices.Clone(c.offers) {
		if o == but {
			continue
		}
		e.emit(WithdrawOffer{o.id, c.callID, o.a.Name, why})
		e.endOffer(o, why)
		e.giveBack(o.a)
		back = append(back, o.a)
	}
	return back
}

func (e *Engine) serveAll(list []*agentRec) {
	for _, a := range list {
		e.serve(a)
	}
}

// callerLeft ends an offer whose caller is gone, as the offer's phone tells.
func (e *Engine) callerLeft(o *offer, outcome string) {
	a, c := o.a, o.c
	e.endOffer(o, CauseCallerLeft)
	e.giveBack(a)
	e.takeOut(c, outcome)
	e.serve(a)
}

func (e *Engine) gone(ev Gone) {
	if c := e.callers[ev.CallID]; c != nil {
		e.takeOut(c, LeftAbandoned)
	}
	if cb := e.callbacks.byTry[ev.CallID]; cb != nil {
		e.tried(cb, TryFailed)
	}
	for _, a := range slices.Clone(e.onCall[ev.CallID]) {
		e.hangUp(a.Name, ev.CallID)
	}
}

// decision describes how c stands: who is free and fits, who is not and why.
func (e *Engine) decision(c *caller, trigger string) event.Decision {
	d := event.Decision{
		Queue:    c.q.Name,
		Strategy: c.q.strategyName(),
		WaitMs:   (e.now - c.joined) / 1e6,
		Position: c.q.line.position(c),
		Trigger:  trigger,
		Front:    c.front,
	}
	cl := c.class
	if !cl.need.Any() {
		d.Need = cl.needText()
	}
	if c.sticky != nil {
		d.Prefers = c.sticky.Name
		return d
	}
	out := func(why string, n int) {
		if n > 0 {
			if d.Excluded == nil {
				d.Excluded = make(map[string]int, 4)
			}
			d.Excluded[why] += n
		}
	}
	for s, n := range cl.by {
		if standing(s) != standFree {
			out(standingWords[s], n)
		}
	}
	out(ExcludedSkill, cl.unfit)
	out(ExcludedTier, cl.closed)
	out(ExcludedCapacity, c.q.unable)
	return d
}

// Reasons for being left out of a Decision beside the words of StateWords.
const (
	ExcludedSkill    = "skill"        // lacks a skill or its level
	ExcludedTier     = "tier"         // the tier is not open yet
	ExcludedCapacity = "capacity"     // does not take the queue's channel
	ExcludedOther    = "other_caller" // the caller waits for another agent
)

const (
	maxExcluded = 8  // names kept in a Decision
	maxLooked   = 64 // agents looked at for them
)

// nameExcluded names some of those left out, each with the reason.
func (e *Engine) nameExcluded(c *caller, d *event.Decision) {
	looked := 0
	d.ExcludedAgents = make([]event.Excluded, 0, maxExcluded)
	add := func(a *agentRec, why string) {
		if len(d.ExcludedAgents) < maxExcluded {
			d.ExcludedAgents = append(d.ExcludedAgents, event.Excluded{Agent: a.Name, Why: why})
		}
	}
	if c.sticky != nil {
		add(c.sticky, e.standsHow(c.sticky))
		return
	}
	for _, qp := range c.q.pools {
		fits := c.class.need.Match(qp.p.skills)
		for _, a := range qp.p.agents {
			if looked++; looked > maxLooked || len(d.ExcludedAgents) >= maxExcluded {
				return
			}
			switch {
			case !fits:
				add(a, ExcludedSkill)
			case c.class.shut && qp.rank >= c.class.opens:
				add(a, ExcludedTier)
			case !a.free:
				add(a, e.standsHow(a))
			}
		}
	}
}

// standsHow says in a word or two why an agent is not free.
func (e *Engine) standsHow(a *agentRec) string {
	s := standingWords[e.standingOf(a)]
	if a.m.Reason != "" {
		s += " " + a.m.Reason
	}
	return s
}

func (q *queue) strategyName() string {
	if q.Strategy == "" {
		return StrategyLongestIdle
	}
	return q.Strategy
}

// needText writes the need once.
func (c *class) needText() string {
	if c.text == "" {
		c.text = c.need.String()
	}
	return c.text
}

// leaveEmpty sends away who waits in a family that nobody can serve any more.
func (e *Engine) leaveEmpty(f *family) {
	if !f.q.LeaveWhenEmpty || f.users == 0 || f.last().loggedIn() > 0 {
		return
	}
	for _, cl := range f.stages {
		for {
			// Callbacks wait for another day.
			at := slices.IndexFunc(cl.waiting.items, func(s slot[*caller]) bool { return s.x.cb == nil })
			if at < 0 {
				break
			}
			e.leave(cl.waiting.items[at].x, LeftEmpty, "")
		}
	}
}
