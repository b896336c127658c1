package acd

import (
	"fmt"
	"slices"

	"github.com/centrala/centrala/pkg/agent"
)

// agentNamed finds an agent, or leaves a verdict. From a call's own reports an
// unknown agent is a fault; from a person it is a plain error.
func (e *Engine) agentNamed(name string, fault bool) *agentRec {
	a := e.byAgent[name]
	if a == nil {
		if fault {
			e.fault(FaultUnknownAgent, fmt.Sprintf("%q", name))
		}
		e.verdict = fmt.Errorf("%w %q", ErrUnknownAgent, name)
	}
	return a
}

// presence is what a person does to an agent's state: phone, API.
func (e *Engine) presence(name string, ev agent.Event, reason, by string) {
	a := e.agentNamed(name, false)
	if a == nil {
		return
	}
	if a.leaving && (ev == agent.LogIn || ev == agent.SetReady) {
		e.verdict = fmt.Errorf("%w: agent %q: removed from the configuration", ErrRefused, name)
		return
	}
	if ev == agent.SetNotReady && reason == "" {
		reason = "other"
	}
	facts := agent.Facts{Talking: len(a.calls) > 0, Reason: reason}
	step := func() { e.change(a, ev, facts, reason, by) }
	if by == ByPhone && a.lost {
		a.lost = false // the phone has just proved that it lives
	}
	if o := a.offer; o != nil && (ev == agent.LogOut || ev == agent.SetNotReady) {
		e.withdraw(o, CauseWithdrawn, step)
	} else {
		step()
	}
	e.settle(a)
}

// settle follows any change of an agent: nobody left, or a caller for the agent.
func (e *Engine) settle(a *agentRec) {
	e.armAgent(a)
	e.setStanding(a)
	if a.m.State == agent.Offline && a.pool != nil && !e.hold {
		for i := range a.pool.classes {
			e.leaveEmpty(a.pool.classes[i].c)
		}
	}
	if a.m.State == agent.Offline && a.leaving && len(a.calls) == 0 {
		e.forget(a)
		return
	}
	e.serve(a)
}

func (e *Engine) reach(ev Reach) {
	a := e.agentNamed(ev.Agent, false)
	if a == nil {
		return
	}
	a.reachable = ev.Reachable
	if ev.Reachable {
		a.lost = false
	} else if o := a.offer; o != nil {
		e.withdraw(o, CauseUnreachable, func() {
			a.keepIdle = true
			e.change(a, agent.Lost, agent.Facts{}, CauseUnreachable, BySystem)
			a.keepIdle = false
		})
	}
	e.settle(a)
}

func (e *Engine) occupy(ev Occupy) {
	a := e.agentNamed(ev.Agent, true)
	if a == nil || slices.ContainsFunc(a.calls, func(t talk) bool { return t.callID == ev.CallID }) {
		return
	}
	e.addCall(a, ev.CallID, "")
	a.lost = false
	step := func() { e.change(a, agent.Occupy, agent.Facts{Talking: true}, "", BySystem) }
	if o := a.offer; o != nil {
		e.withdraw(o, CauseWithdrawn, step)
		return
	}
	step()
}

func (e *Engine) addCall(a *agentRec, callID, queue string) {
	a.calls = append(a.calls, talk{callID, queue})
	e.onCall[callID] = append(e.onCall[callID], a)
}

// hangUp ends one call of an agent. Wrap-up is due after a queue's call, and
// begins when the phone is free. A call that is not there has ended before.
func (e *Engine) hangUp(name, callID string) {
	a := e.agentNamed(name, true)
	if a == nil {
		return
	}
	at := slices.IndexFunc(a.calls, func(t talk) bool { return t.callID == callID })
	if at < 0 {
		return
	}
	t := a.calls[at]
	a.calls = slices.Delete(a.calls, at, at+1)
	if on := slices.DeleteFunc(e.onCall[callID], func(x *agentRec) bool { return x == a }); len(on) > 0 {
		e.onCall[callID] = on
	} else {
		delete(e.onCall, callID)
	}
	if t.q != "" {
		due := a.WrapUp
		if due == nil {
			if q := e.byQueue[t.q]; q != nil {
				due = &q.Queue.WrapUp
			}
		}
		if due != nil {
			a.wrapUp = max(a.wrapUp, *due)
		}
	}
	e.change(a, agent.HangUp, agent.Facts{Talking: len(a.calls) > 0, WrapUp: a.wrapUp > 0}, "", BySystem)
	if len(a.calls) == 0 && a.m.State != agent.WrapUp {
		a.wrapUp = 0
	}
	e.settle(a)
}

// forget drops an agent who is out of the configuration and off the phone.
func (e *Engine) forget(a *agentRec) {
	e.disarm(&a.timer)
	e.agents = slices.DeleteFunc(e.agents, func(x *agentRec) bool { return x == a })
	delete(e.byAgent, a.Name)
}
