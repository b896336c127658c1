package acd

import (
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/agent"
	"github.com/centrala/centrala/pkg/event"
)

// ErrUnknownCall: the call waits in no queue.
var ErrUnknownCall = fmt.Errorf("%w: call waits in no queue", ErrRefused)

// pushPatience is how long a caller who was pushed waits for that agent.
const pushPatience = 2 * time.Minute

// assign gives a waiting caller to an agent, out of turn.
func (e *Engine) assign(ev Assign) {
	c, a := e.callers[ev.CallID], e.agentNamed(ev.Agent, false)
	switch {
	case a == nil:
		return
	case c == nil:
		e.verdict = fmt.Errorf("%w: %q", ErrUnknownCall, ev.CallID)
		return
	case a.leaving:
		e.verdict = fmt.Errorf("%w: agent %q: removed from the configuration", ErrRefused, a.Name)
		return
	case a.offer != nil && a.offer.c == c:
		return // rings already
	}
	st := e.standingOf(a)
	waits := st == standing(agent.OnCall) || st == standing(agent.WrapUp) || st == standing(agent.Reserved) || st == standing(agent.Ringing)
	asks := ev.Pull && (st == standing(agent.NotReady) || st == standing(agent.WrapUp))
	switch {
	case st == standFree, !ev.Pull && waits, asks && a.reachable && !a.lost && a.device != "":
	case st == standing(agent.Offline):
		e.verdict = fmt.Errorf("%w: agent %q", ErrNotLoggedIn, a.Name)
		return
	default:
		e.verdict = fmt.Errorf("%w: agent %q: %s", ErrRefused, a.Name, e.standsHow(a))
		return
	}
	how := "pushed"
	if ev.Pull {
		how = "pulled"
	}
	e.emit(Assigned{event.QueueAssigned{Queue: c.q.Name, Agent: a.Name, How: how, By: ev.By}, c.callID})
	e.hold = true // the agent goes to this caller and to nobody before
	back := e.stopRinging(c, nil, CauseWithdrawn)
	e.disarm(&c.another)
	if asks {
		a.once = true // and back to what it was, by asking again
		e.change(a, agent.SetReady, agent.Facts{}, how, ev.By)
	}
	patience := ev.Patience
	if patience <= 0 {
		patience = pushPatience
	}
	c.sticky, c.patience = a, e.now+int64(min(patience, maxDuration))
	if c.q.MaxWait > 0 && c.limit.pos < 0 && c.cb == nil {
		e.arm(&c.limit, c.patience) // past the longest wait while a phone rang: now as long as was given
	}
	e.hold = false
	e.wait(c, "assigned")
	e.serveAll(back)
}

// setPriority changes a waiting call's own priority and its place.
func (e *Engine) setPriority(ev SetPriority) {
	c := e.callers[ev.CallID]
	if c == nil {
		e.verdict = fmt.Errorf("%w: %q", ErrUnknownCall, ev.CallID)
		return
	}
	was := c.priority
	in := c.in
	c.file(nil)
	c.q.line.remove(c)
	c.priority = min(max(ev.Priority, -maxPriority), maxPriority)
	e.setKey(c)
	if c.cb != nil {
		c.cb.Priority = c.priority
	}
	c.q.line.insert(c)
	c.file(in)
	e.emit(PriorityChanged{event.QueuePriority{Queue: c.q.Name, From: was + c.q.Priority, To: c.priority + c.q.Priority,
		Position: c.q.line.position(c), By: ev.By}, c.callID})
}

// move sends a waiting caller on whatever the rules say. A callback has nobody on the
// line who could be sent.
func (e *Engine) move(ev Move) {
	c := e.callers[ev.CallID]
	if c == nil || c.cb != nil {
		e.verdict = fmt.Errorf("%w: %q", ErrUnknownCall, ev.CallID)
		return
	}
	if ev.To == "queue:"+c.q.Name {
		e.verdict = fmt.Errorf("%w: call %q waits in that queue", ErrRefused, ev.CallID)
		return
	}
	c.to, c.why = ev.To, "moved by "+ev.By
	e.takeOut(c, LeftOverflow)
}
