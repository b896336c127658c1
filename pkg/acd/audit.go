package acd

import (
	"fmt"
	"slices"

	"github.com/centrala/centrala/pkg/agent"
)

// Breach is a promise of the engine that does not hold.
type Breach struct {
	Rule   string
	Detail string
}

func (b Breach) String() string { return b.Rule + ": " + b.Detail }

// Audit checks the engine against its promises from first principles, without
// trusting its indexes. It costs O(callers x agents): for tests, replays and a
// watchdog on a small copy, not for each event. Between Steps it finds nothing.
func Audit(e *Engine) []Breach {
	au := &auditor{e: e}
	au.callers()
	au.offers()
	au.agents()
	au.queues()
	au.idleness()
	if e.timers.len() > 0 && e.timers.items[0].at <= e.now {
		au.add("deadline_missed", "a deadline has passed and was not carried out")
	}
	au.heap("timers", e.timers.len(), func(i, p int) bool { return !e.timers.less(e.timers.items[i], e.timers.items[p]) })
	return au.found
}

type auditor struct {
	e     *Engine
	found []Breach
}

func (au *auditor) add(rule, format string, args ...any) {
	au.found = append(au.found, Breach{rule, fmt.Sprintf(format, args...)})
}

func (au *auditor) check(ok bool, rule, format string, args ...any) {
	if !ok {
		au.add(rule, format, args...)
	}
}

func (au *auditor) heap(name string, n int, ordered func(i, parent int) bool) {
	for i := 1; i < n; i++ {
		au.check(ordered(i, (i-1)/2), "heap_order", "%s at %d", name, i)
	}
}

func (au *auditor) callers() {
	for id, c := range au.e.callers {
		au.check(c.callID == id, "one_place", "caller %q is filed as %q", c.callID, id)
		waits := c.pos >= 0 && c.pos < c.class.waiting.len() && c.class.waiting.items[c.pos] == c
		au.check(waits == (c.offer == nil), "one_place", "caller %q: waits %v, offered %v", id, waits, c.offer != nil)
		au.check(c.class.q == c.q && au.e.byQueue[c.q.Name] == c.q, "one_place", "caller %q is in queue %q and in a class of %q", id, c.q.Name, c.class.q.Name)
		au.check(c.q.byNeed[c.class.key] == c.class, "one_place", "caller %q is in a class that was dropped", id)
		au.check((c.limit.pos >= 0) == (c.q.MaxWait > 0) || c.offer != nil, "deadline", "caller %q: max wait %s, timer %v", id, c.q.MaxWait, c.limit.pos >= 0)
		au.check(c.offer == nil || c.announce.pos < 0, "announce_in_offer", "caller %q", id)
		if c.q.LeaveWhenEmpty && c.offer == nil {
			in := slices.ContainsFunc(au.e.agents, func(a *agentRec) bool { return a.m.State != agent.Offline && serves(a, c) })
			au.check(in, "left_alone", "caller %q waits in %q where nobody who fits is logged in", id, c.q.Name)
		}
	}
}

func (au *auditor) offers() {
	for id, c := range au.e.late {
		au.check(au.e.callers[c.callID] == c && c.last != nil && c.last.id == id, "late", "offer %q of %q", id, c.callID)
	}
	for id, o := range au.e.byOffer {
		au.check(o.id == id && o.a.offer == o && o.c.offer == o, "one_reservation", "offer %q: agent %q, caller %q point elsewhere", id, o.a.Name, o.c.callID)
		au.check(o.a.timer.pos >= 0 && o.a.timer.at == o.deadline, "deadline", "offer %q of %q has none", id, o.a.Name)
		au.check(au.e.callers[o.c.callID] == o.c, "one_place", "offer %q is for %q, who waits nowhere", id, o.c.callID)
	}
}

func (au *auditor) agents() {
	for _, a := range au.e.agents {
		st := a.m.State
		au.check(au.e.byAgent[a.Name] == a, "agent_index", "%q", a.Name)
		au.check((st == agent.Reserved || st == agent.Ringing) == (a.offer != nil), "one_reservation", "agent %q is %s, offer %v", a.Name, st, a.offer != nil)
		au.check(a.offer == nil || au.e.byOffer[a.offer.id] == a.offer, "one_reservation", "agent %q holds an offer that is over", a.Name)
		au.check((st == agent.OnCall) == (len(a.calls) > 0) || st == agent.Offline, "one_call", "agent %q is %s with %d calls", a.Name, st, len(a.calls))
		passing := a.offer != nil || st == agent.WrapUp || st == agent.NotReady && a.m.Paused ||
			st == agent.Ready && a.lost && au.e.cfg.UnreachableRetry > 0
		au.check(passing == (a.timer.pos >= 0), "deadline", "agent %q is %s: should pass %v, has a deadline %v", a.Name, st, passing, a.timer.pos >= 0)
		au.check(a.leaving || a.standing == au.e.standingOf(a), "standing", "agent %q is %s, counted as %s", a.Name, st, standingWords[a.standing])
		free := a.pool != nil && a.standing == standFree
		au.check(free == (a.idlePos >= 0), "standing", "agent %q: free %v, in the idle heap %v", a.Name, free, a.idlePos >= 0)
		for _, t := range a.calls {
			au.check(slices.Contains(au.e.onCall[t.callID], a), "one_call", "agent %q and call %q", a.Name, t.callID)
		}
	}
	for id, on := range au.e.onCall {
		for _, a := range on {
			au.check(slices.ContainsFunc(a.calls, func(t talk) bool { return t.callID == id }), "one_call", "call %q and agent %q", id, a.Name)
		}
	}
}

func (au *auditor) queues() {
	for _, q := range au.e.queues {
		n := 0
		var last *caller
		for c := q.line.first(); c != nil; c = q.line.next(c) {
			n++
			au.check(last == nil || last.before(c), "order", "queue %q at %d", q.Name, n)
			au.check(q.line.position(c) == n, "position", "queue %q: %q stands at %d, is told %d", q.Name, c.callID, n, q.line.position(c))
			au.check(au.e.callers[c.callID] == c, "one_place", "queue %q holds %q, who left", q.Name, c.callID)
			last = c
		}
		au.check(n == q.line.len(), "position", "queue %q: %d in line, length %d", q.Name, n, q.line.len())
		m := 0
		for c := q.oldest; c != nil; c = c.younger {
			m++
			au.check(c.younger == nil || c.joined <= c.younger.joined, "order", "queue %q by joining at %q", q.Name, c.callID)
		}
		au.check(m == n, "one_place", "queue %q: %d in line, %d by joining", q.Name, n, m)
		for _, cl := range q.classes {
			au.class(cl)
		}
	}
}

func (au *auditor) class(cl *class) {
	var by [numStandings]int
	fit, unfit := 0, 0
	for _, a := range au.e.agents {
		if !slices.Contains(a.queues, cl.q) {
			continue
		}
		if !hasSkills(a, cl.need) {
			unfit++
			continue
		}
		fit++
		by[au.e.standingOf(a)]++
	}
	au.check(by == cl.by && fit == cl.fit && unfit == cl.unfit, "counts", "queue %q class %q: %v %d %d, want %v %d %d", cl.q.Name, cl.key, cl.by, cl.fit, cl.unfit, by, fit, unfit)
	au.heap("waiting", cl.waiting.len(), func(i, p int) bool { return !cl.waiting.less(cl.waiting.items[i], cl.waiting.items[p]) })
	au.heap("pools", cl.pools.len(), func(i, p int) bool { return !cl.pools.less(cl.pools.items[i], cl.pools.items[p]) })
	for i, r := range cl.pools.items {
		au.check(r.p.classes[r.i].c == cl && r.p.classes[r.i].pos == i, "pool_index", "queue %q class %q", cl.q.Name, cl.key)
	}
}

// idleness: nobody waits while somebody free fits.
func (au *auditor) idleness() {
	for id, c := range au.e.callers {
		if c.offer != nil {
			continue
		}
		for _, a := range au.e.agents {
			if a.m.State == agent.Ready && a.reachable && !a.lost && a.Device != "" && serves(a, c) {
				au.add("idle_while_waiting", "caller %q waits in %q, agent %q is free", id, c.q.Name, a.Name)
			}
		}
	}
}

func serves(a *agentRec, c *caller) bool {
	return slices.Contains(a.queues, c.q) && hasSkills(a, both(levels(c.q.Skills), c.class.own))
}

func hasSkills(a *agentRec, need []skillLevel) bool {
	for _, n := range need {
		if l, ok := a.Skills[n.skill]; !ok || l < n.level {
			return false
		}
	}
	return true
}
