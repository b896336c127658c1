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
	if q.MaxLength > 0 && q.line.len() >= q.MaxLength {
		e.emit(Refused{ev.CallID, q.Name, LeftFull})
		return
	}
	class := e.classOf(q, ev.Skills)
	if q.LeaveWhenEmpty && class.loggedIn() == 0 {
		e.emit(Refused{ev.CallID, q.Name, LeftEmpty})
		return
	}
	e.seq++
	c := &caller{callID: ev.CallID, q: q, class: class, priority: ev.Priority, seq: e.seq, joined: e.now, arrived: e.now, pos: -1, due: -1}
	if !ev.ArrivedAt.IsZero() {
		c.arrived = min(e.now, int64(ev.ArrivedAt.Sub(e.epoch)))
	}
	c.limit = timer{pos: -1, kind: timerLimit, c: c}
	c.announce = timer{pos: -1, kind: timerAnnounce, c: c}
	e.callers[c.callID] = c
	class.users++
	q.line.insert(c)
	if c.older = q.newest; c.older != nil {
		c.older.younger = c
	} else {
		q.oldest = c
	}
	q.newest = c
	if q.MaxWait > 0 {
		e.arm(&c.limit, c.joined+int64(q.MaxWait))
	}
	if q.AnnounceFirst >= 0 {
		c.due = c.joined + int64(q.AnnounceFirst)
	}
	e.emit(Joined{c.callID, q.Name, q.line.position(c), c.priority + q.Priority})
	e.wait(c)
}

// wait makes c one of those who wait for an agent, and looks for one at once.
func (e *Engine) wait(c *caller) {
	c.class.waiting.push(c)
	if c.due >= 0 {
		e.arm(&c.announce, c.due)
	}
	if e.hold {
		return
	}
	if c.class.pools.len() > 0 {
		e.makeOffer(c)
		return
	}
	d := e.decision(c)
	e.emit(Decided{d, c.callID})
}

// requeue puts a caller whose offer has failed back in the old place, unless
// the time is up or nobody is left.
func (e *Engine) requeue(c *caller) {
	q := c.q
	switch {
	case q.MaxWait > 0 && e.now >= c.joined+int64(q.MaxWait):
		e.leave(c, LeftTimeout, "")
	case !e.hold && q.LeaveWhenEmpty && c.class.loggedIn() == 0:
		e.leave(c, LeftEmpty, "")
	default:
		e.wait(c)
	}
}

// leave takes c out of everything but an offer, which must be over.
func (e *Engine) leave(c *caller, outcome, agentName string) {
	q := c.q
	if c.pos >= 0 {
		c.class.waiting.remove(c.pos)
	}
	c.class.users--
	e.disarm(&c.limit)
	e.disarm(&c.announce)
	q.line.remove(c)
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
	if c.last != nil {
		delete(e.late, c.last.id)
	}
	e.emit(LeftQueue{c.callID, q.Name, outcome, duration(e.now - c.joined), agentName})
}

func (e *Engine) leaveEvent(ev Leave) {
	c := e.callers[ev.CallID]
	if c == nil {
		return // crossed our own LeftQueue
	}
	outcome := ev.Outcome
	switch outcome {
	case "":
		outcome = LeftAbandoned
	case LeftAnswered: // by somebody the engine did not send
	case LeftAbandoned, LeftTimeout, LeftKey, LeftError, LeftShutdown, LeftFull, LeftEmpty:
	default:
		e.fault(FaultBadCause, fmt.Sprintf("call %q leaves queue %q with %q", ev.CallID, c.q.Name, ev.Outcome))
		outcome = LeftError
	}
	e.takeOut(c, outcome)
}

// takeOut removes a caller, withdraws the offer if one is out, and gives the
// agent back with the idle time kept.
func (e *Engine) takeOut(c *caller, outcome string) {
	o := c.offer
	if o == nil {
		e.leave(c, outcome, "")
		return
	}
	e.emit(WithdrawOffer{o.id, c.callID, o.a.Name, CauseCallerLeft})
	e.callerLeft(o, outcome)
}

// callerLeft ends an offer whose caller is gone.
func (e *Engine) callerLeft(o *offer, outcome string) {
	a, c := o.a, o.c
	e.endOffer(o, CauseCallerLeft)
	e.leave(c, outcome, "")
	e.giveBack(a)
	e.serve(a)
}

func (e *Engine) gone(ev Gone) {
	if c := e.callers[ev.CallID]; c != nil {
		e.takeOut(c, LeftAbandoned)
	}
	for _, a := range slices.Clone(e.onCall[ev.CallID]) {
		e.hangUp(a.Name, ev.CallID)
	}
}

// decision describes how c stands: who is free and fits, who is not and why.
func (e *Engine) decision(c *caller) event.Decision {
	d := event.Decision{
		Queue:    c.q.Name,
		Strategy: StrategyLongestIdle,
		WaitMs:   (e.now - c.joined) / 1e6,
		Position: c.q.line.position(c),
	}
	cl := c.class
	for s, n := range cl.by {
		if n > 0 && standing(s) != standFree {
			if d.Excluded == nil {
				d.Excluded = make(map[string]int, 4)
			}
			d.Excluded[standingWords[s]] += n
		}
	}
	if cl.unfit > 0 {
		if d.Excluded == nil {
			d.Excluded = make(map[string]int, 1)
		}
		d.Excluded["skill"] = cl.unfit
	}
	return d
}

// leaveEmpty sends away who waits in a class that nobody can serve any more.
func (e *Engine) leaveEmpty(cl *class) {
	if !cl.q.LeaveWhenEmpty || cl.loggedIn() > 0 {
		return
	}
	for cl.waiting.len() > 0 {
		e.leave(cl.waiting.items[0], LeftEmpty, "")
	}
}
