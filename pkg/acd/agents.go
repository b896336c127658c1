package acd

import (
	"cmp"
	"fmt"
	"slices"
	"time"

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
	if a.m.State == agent.WrapUp && a.wrapMode == WrapFixed && (ev == agent.SetReady || ev == agent.WrapUpOver) && by != BySupervisor {
		e.verdict = fmt.Errorf("%w: agent %q: wrap-up of queue %q ends by itself", ErrRefused, name, a.lastCall.q)
		return
	}
	if a.m.State == agent.WrapUp && a.owes != "" && by != BySupervisor && (ev == agent.SetReady || ev == agent.WrapUpOver || ev == agent.SetNotReady) {
		e.verdict = fmt.Errorf("%w: agent %q: the call of queue %q has no disposition yet", ErrRefused, name, a.lastCall.q)
		return
	}
	facts := agent.Facts{Talking: len(a.calls) > 0, Reason: reason}
	step := func() { e.change(a, ev, facts, reason, by) }
	if by != BySystem {
		e.disarm(&a.lease) // somebody is there: it begins anew
	}
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
			if c := a.pool.classes[i].c; c == c.f.last() {
				e.leaveEmpty(c.f)
			}
		}
	}
	if a.m.State == agent.Offline && a.leaving && len(a.calls) == 0 {
		if !e.hold {
			e.letGo(a)
		}
		e.forget(a)
		return
	}
	e.serve(a)
}

// DeviceTaken wraps ErrRefused: another agent is logged in at the device.
type DeviceTaken struct{ Device, Agent string }

func (t *DeviceTaken) Error() string {
	return fmt.Sprintf("%v: device %q: agent %q is logged in on it", ErrRefused, t.Device, t.Agent)
}

// Unwrap gives ErrRefused.
func (t *DeviceTaken) Unwrap() error { return ErrRefused }

// logIn makes an agent ready, on the device that the agent names.
func (e *Engine) logIn(ev LogIn) {
	a := e.agentNamed(ev.Agent, false)
	if a == nil {
		return
	}
	if ev.Device != "" && ev.Device != a.device {
		switch {
		case a.offer != nil || len(a.calls) > 0:
			e.verdict = fmt.Errorf("%w: agent %q: on a call; log in from another device after it", ErrRefused, a.Name)
			return
		case a.m.State != agent.Offline:
			e.verdict = fmt.Errorf("%w: agent %q: logged in at %q; log out there first", ErrElsewhere, a.Name, a.device)
			return
		case a.leaving:
		default:
			for _, other := range e.onDevice[ev.Device] {
				if other.m.State != agent.Offline {
					e.verdict = &DeviceTaken{ev.Device, other.Name}
					return
				}
			}
		}
		e.setDevice(a, ev.Device)
	}
	if a.m.State == agent.Offline {
		a.taken = a.floor()
	}
	a.once = ev.Once || a.OnDemand
	e.presence(ev.Agent, agent.LogIn, ev.Reason, ev.By)
}

// floor is the count with which an agent begins to be counted: that of whom the
// queues with fewest_calls chose last. At 0, who comes at noon would get every
// call until level with those who began at eight.
func (a *agentRec) floor() int {
	n := 0
	for _, q := range a.queues {
		if q.Strategy == StrategyFewestCalls {
			n = max(n, q.floor)
		}
	}
	return n
}

// loggedOut: the agent sits at the configured device again.
func (e *Engine) loggedOut(a *agentRec) {
	a.once = false
	if a.device != a.Device && len(a.calls) == 0 {
		e.setDevice(a, a.Device)
	}
}

// setDevice moves an agent to another device; reachability is the device's.
func (e *Engine) setDevice(a *agentRec, device string) {
	if on := slices.DeleteFunc(e.onDevice[a.device], func(x *agentRec) bool { return x == a }); len(on) > 0 {
		e.onDevice[a.device] = on
	} else {
		delete(e.onDevice, a.device)
	}
	a.device = device
	if device != "" {
		e.onDevice[device] = append(e.onDevice[device], a)
	}
	a.reachable, a.lost = !e.down[device], false
}

// reach notes that a device can be reached or not, for whoever sits at it.
func (e *Engine) reach(ev Reach) {
	device := ev.Device
	if device == "" {
		a := e.agentNamed(ev.Agent, false)
		if a == nil {
			return
		}
		device = a.device
	}
	if device == "" {
		return // no phone, nothing to reach
	}
	if ev.Reachable {
		delete(e.down, device)
	} else {
		e.down[device] = true
	}
	for _, a := range slices.Clone(e.onDevice[device]) {
		e.reachAgent(a, ev.Reachable)
	}
}

func (e *Engine) reachAgent(a *agentRec, up bool) {
	a.reachable = up
	if up {
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

// armLease runs while somebody is logged in and ready at a phone that is out of
// reach.
func (e *Engine) armLease(a *agentRec) {
	runs := !a.reachable && !a.AlwaysReady && e.set.PresenceLease > 0 &&
		(a.m.State == agent.Ready || a.m.State == agent.WrapUp || a.m.State == agent.NotReady && a.m.Paused)
	switch {
	case !runs:
		e.disarm(&a.lease)
	case a.lease.pos < 0:
		e.arm(&a.lease, e.now+int64(e.set.PresenceLease))
	}
}

// leaseOver: a closed laptop is not ready all night.
func (e *Engine) leaseOver(a *agentRec) {
	e.change(a, agent.SetNotReady, agent.Facts{Reason: ReasonDeviceGone}, "", BySystem)
	e.settle(a)
}

// extendWrapUp adds to a wrap-up under way.
func (e *Engine) extendWrapUp(ev ExtendWrapUp) {
	a := e.agentNamed(ev.Agent, false)
	switch {
	case a == nil:
	case a.m.State != agent.WrapUp:
		e.verdict = fmt.Errorf("%w: agent %q: not in wrap-up", ErrRefused, a.Name)
	case ev.For <= 0 || ev.For > a.wrapMore:
		e.verdict = fmt.Errorf("%w: agent %q: wrap-up can be extended by %s more", ErrRefused, a.Name, a.wrapMore)
	default:
		a.wrapUp += ev.For
		a.wrapMore -= ev.For
		e.armAgent(a)
	}
}

// dispose notes that a call has its disposition. A wrap-up that waited for it alone is over.
func (e *Engine) dispose(ev Disposed) {
	a := e.agentNamed(ev.Agent, false)
	if a == nil {
		return
	}
	a.disposed = ev.CallID
	if a.owes == ev.CallID {
		a.owes = ""
		e.armAgent(a)
	}
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
	e.serve(a) // lets go who cannot wait for the agent any more
}

func (e *Engine) addCall(a *agentRec, callID, queue string) {
	a.calls = append(a.calls, talk{callID, queue})
	if queue != "" {
		a.lastCall = talk{callID, queue}
	}
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
		e.wrapUpDue(a, t)
	}
	e.change(a, agent.HangUp, agent.Facts{Talking: len(a.calls) > 0, WrapUp: a.wrapsUp()}, "", BySystem)
	if len(a.calls) == 0 && a.m.State != agent.WrapUp {
		a.wrapUp, a.wrapMore, a.owes = 0, 0, ""
	}
	e.settle(a)
}

// wrapUpDue notes what a queue's call that has ended asks of its agent.
func (e *Engine) wrapUpDue(a *agentRec, t talk) {
	q := e.byQueue[t.q]
	if q != nil && q.DispositionRequired && a.disposed != t.callID {
		a.owes = t.callID
	}
	due, mode, more := time.Duration(0), WrapTimed, time.Duration(0)
	if q != nil {
		due, mode, more = q.Queue.WrapUp, cmp.Or(q.WrapUpMode, WrapTimed), q.WrapUpExtend
	}
	if a.WrapUp != nil {
		due = *a.WrapUp
	}
	if mode == WrapUntilDone && (a.WrapUp == nil || due > 0) {
		due = e.set.MaxWrapUp
	}
	if due > a.wrapUp {
		a.wrapUp, a.wrapMode, a.wrapMore = due, mode, more
	}
}

// wrapsUp tells whether something is to be done once the phone is free.
func (a *agentRec) wrapsUp() bool { return a.wrapUp > 0 || a.owes != "" }

// forget drops an agent who is out of the configuration and off the phone.
func (e *Engine) forget(a *agentRec) {
	e.disarm(&a.timer)
	e.disarm(&a.lease)
	e.setDevice(a, "")
	e.agents = slices.DeleteFunc(e.agents, func(x *agentRec) bool { return x == a })
	delete(e.byAgent, a.Name)
}
