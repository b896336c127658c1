package acd

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// Breach is a promise of the engine that does not hold. Rule is from BreachRules.
// CallID is set when the breach is cured by acd.Gone for that call; all others are
// cured by acd.Repair.
type Breach struct {
	Rule   string
	Detail string
	CallID string
}

// BreachRules lists the rules, for metrics that start at zero.
var BreachRules = []string{"one_place", "one_reservation", "one_call", "order", "position", "deadline", "deadline_missed", "standing", "counts",
	"idle_while_waiting", "left_alone", "waits_for_nobody", "stage", "ring_limit", "late", "announce_in_offer", "heap_order", "pool_index",
	"agent_index", "reach", "dead_call", "callback"}

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
	au.callbacks()
	if e.due() != nil {
		au.add("deadline_missed", "a deadline has passed and was not carried out")
	}
	for i, s := range e.timers.items {
		au.check(e.timers.inOrder(i) && s.key == s.x.at && int(s.x.pos) == i, "heap_order", "timers at %d", i)
	}
	return au.found
}

// Sampler goes round an engine and audits a little at a time, in bounded time: for
// the live dispatcher. The zero value begins at the first agent and queue.
type Sampler struct {
	agent, queue int
	suspects     map[string]int64 // call -> when first found dead
}

// callersLooked bounds the callers of one queue that a sample looks at.
const callersLooked = 16

// Sample audits the next n agents and one queue. alive, if not nil, tells whether
// a call still exists; one that is dead twice, a second apart, is a breach.
func (s *Sampler) Sample(e *Engine, n int, alive func(callID string) bool) []Breach {
	au := &auditor{e: e}
	for range min(n, len(e.agents)) {
		s.agent = (s.agent + 1) % len(e.agents)
		a := e.agents[s.agent]
		au.agent(a)
		au.idles(a)
		if alive != nil {
			s.dead(au, a, alive)
		}
	}
	if len(e.queues) > 0 {
		s.queue = (s.queue + 1) % len(e.queues)
		q := e.queues[s.queue]
		looked := 0
		for c := q.oldest; c != nil && looked < callersLooked; c = c.younger {
			looked++
			au.caller(c)
			au.check(e.callers[c.callID] == c, "one_place", "queue %q holds %q, who left", q.Name, c.callID)
		}
		var last *caller
		looked = 0
		for c := q.line.first(); c != nil && looked < callersLooked; c = q.line.next(c) {
			looked++
			au.check(last == nil || last.before(c), "order", "queue %q at %d", q.Name, looked)
			au.check(q.line.position(c) == looked, "position", "queue %q: %q stands at %d, is told %d", q.Name, c.callID, looked, q.line.position(c))
			last = c
		}
	}
	if s.queue == 0 { // once a round
		au.callbacks()
	}
	au.check(e.due() == nil, "deadline_missed", "a deadline has passed and was not carried out")
	return au.found
}

// idles: an agent who is free has nobody to serve.
func (au *auditor) idles(a *agentRec) {
	if !a.free || a.pool == nil {
		return
	}
	for i := range a.pool.classes {
		c := a.pool.classes[i].c
		if c.waiting.len() > 0 {
			au.add("idle_while_waiting", "caller %q waits in %q, agent %q is free", c.waiting.items[0].x.callID, c.q.Name, a.Name)
		}
	}
}

func (s *Sampler) dead(au *auditor, a *agentRec, alive func(string) bool) {
	for _, t := range a.calls {
		if alive(t.callID) {
			delete(s.suspects, t.callID)
			continue
		}
		since, seen := s.suspects[t.callID]
		switch {
		case !seen && len(s.suspects) < 1000:
			if s.suspects == nil {
				s.suspects = map[string]int64{}
			}
			s.suspects[t.callID] = au.e.now
		case seen && au.e.now-since >= int64(time.Second):
			delete(s.suspects, t.callID)
			au.found = append(au.found, Breach{Rule: "dead_call", CallID: t.callID, Detail: fmt.Sprintf("agent %q is on call %q, which does not exist", a.Name, t.callID)})
		}
	}
}

type auditor struct {
	e     *Engine
	found []Breach
}

func (au *auditor) add(rule, format string, args ...any) {
	au.found = append(au.found, Breach{Rule: rule, Detail: fmt.Sprintf(format, args...)})
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
		au.caller(c)
		if c.q.LeaveWhenEmpty && c.cb == nil && len(c.offers) == 0 && c.sticky == nil {
			in := slices.ContainsFunc(au.e.agents, func(a *agentRec) bool {
				return a.m.State != agent.Offline && au.serves(a, c, c.fam.last())
			})
			au.check(in, "left_alone", "caller %q waits in %q where nobody who fits is logged in", id, c.q.Name)
		}
	}
}

// caller checks one caller in constant time.
func (au *auditor) caller(c *caller) {
	id := c.callID
	want := &c.class.waiting
	switch {
	case len(c.offers) > 0 && c.in != &c.class.more:
		want = nil
	case len(c.offers) > 0:
		want = &c.class.more
	case c.sticky != nil:
		want = &c.sticky.personal
	}
	au.check(c.in == want && (want == nil || c.pos < want.len() && want.items[c.pos] == c.slot()), "one_place", "caller %q with %d offers is filed wrongly", id, len(c.offers))
	au.check(c.class.q == c.q && c.class.f == c.fam && au.e.byQueue[c.q.Name] == c.q, "one_place", "caller %q is in queue %q and in a class of %q", id, c.q.Name, c.class.q.Name)
	au.check(c.q.byNeed[c.fam.key] == c.fam, "one_place", "caller %q is in a family that was dropped", id)
	au.check(c.class == au.e.stageOf(c), "stage", "caller %q is at stage %d", id, c.class.stage)
	au.check((c.limit.pos >= 0) == (c.q.MaxWait > 0 && c.cb == nil) || len(c.offers) > 0, "deadline", "caller %q: max wait %s, timer %v", id, c.q.MaxWait, c.limit.pos >= 0)
	au.check(len(c.offers) > 0 && c.look.pos < 0 || len(c.offers) == 0 && (c.look.pos >= 0) == (!c.stays && len(c.q.Overflow) > 0), "deadline", "caller %q: the rules of overflow are looked at %v", id, c.look.pos >= 0)
	passing := c.sticky != nil || c.class != c.fam.last()
	au.check(passing == (c.widen.pos >= 0), "deadline", "caller %q: stage or patience should pass %v, has a deadline %v", id, passing, c.widen.pos >= 0)
	au.check(len(c.offers) == 0 || c.announce.pos < 0, "announce_in_offer", "caller %q", id)
	au.check(len(c.offers) <= max(au.e.ringLimit(c.q), 1) || c.class.more.len() == 0, "ring_limit", "caller %q: %d phones ring", id, len(c.offers))
	for _, o := range c.offers {
		au.check(o.c == c && au.e.byOffer[o.id] == o, "one_reservation", "caller %q holds an offer that is over", id)
	}
}

func (au *auditor) offers() {
	for id, o := range au.e.late {
		au.check(au.e.callers[o.c.callID] == o.c && slices.Contains(o.c.past, o) && o.id == id, "late", "offer %q of %q", id, o.c.callID)
	}
	for id, o := range au.e.byOffer {
		au.check(o.id == id && o.a.offer == o && slices.Contains(o.c.offers, o), "one_reservation", "offer %q: agent %q, caller %q point elsewhere", id, o.a.Name, o.c.callID)
		au.check(o.a.timer.pos >= 0 && o.a.timer.at == o.deadline, "deadline", "offer %q of %q has none", id, o.a.Name)
		au.check(au.e.callers[o.c.callID] == o.c, "one_place", "offer %q is for %q, who waits nowhere", id, o.c.callID)
	}
}

func (au *auditor) agents() {
	for _, a := range au.e.agents {
		au.agent(a)
	}
	for id, on := range au.e.onCall {
		for _, a := range on {
			au.check(slices.ContainsFunc(a.calls, func(t talk) bool { return t.callID == id }), "one_call", "call %q and agent %q", id, a.Name)
		}
	}
}

// agent checks one agent, in the time of its calls and orders.
func (au *auditor) agent(a *agentRec) {
	st := a.m.State
	au.check(au.e.byAgent[a.Name] == a, "agent_index", "%q", a.Name)
	au.check((st == agent.Reserved || st == agent.Ringing) == (a.offer != nil), "one_reservation", "agent %q is %s, offer %v", a.Name, st, a.offer != nil)
	au.check(a.offer == nil || au.e.byOffer[a.offer.id] == a.offer, "one_reservation", "agent %q holds an offer that is over", a.Name)
	au.check((st == agent.OnCall) == (len(a.calls) > 0) || st == agent.Offline, "one_call", "agent %q is %s with %d calls", a.Name, st, len(a.calls))
	passing := a.offer != nil || st == agent.WrapUp || st == agent.NotReady && a.m.Paused || st == agent.Ready && a.lost
	au.check(passing == (a.timer.pos >= 0), "deadline", "agent %q is %s: should pass %v, has a deadline %v", a.Name, st, passing, a.timer.pos >= 0)
	leased := !a.reachable && !a.AlwaysReady && au.e.set.PresenceLease > 0 && st == agent.Ready
	au.check(!leased || a.lease.pos >= 0, "deadline", "agent %q is ready at a phone out of reach, without a lease", a.Name)
	au.check(a.reachable == !au.e.down[a.device] && (a.device == "" || slices.Contains(au.e.onDevice[a.device], a)), "reach", "agent %q at %q: reachable %v", a.Name, a.device, a.reachable)
	au.check(a.leaving || a.standing == au.e.standingOf(a), "standing", "agent %q is %s, counted as %s", a.Name, st, standingWords[a.standing])
	free := a.pool != nil && a.standing == standFree
	au.check(free == a.free, "standing", "agent %q: free %v, among the free %v", a.Name, free, a.free)
	for i := range a.seats {
		s := &a.seats[i]
		in := s.pos >= 0 && s.pos < a.pool.orders[i].free.len() && a.pool.orders[i].free.items[s.pos] == s
		au.check(in == a.free, "standing", "agent %q: free %v, in order %d %v", a.Name, a.free, i, in)
	}
	for _, s := range a.personal.items {
		c := s.x
		au.check(c.sticky == a && !a.free && au.e.canCome(c), "waits_for_nobody", "caller %q waits for %q, who is %s", c.callID, a.Name, au.e.standsHow(a))
	}
	for _, t := range a.calls {
		au.check(slices.Contains(au.e.onCall[t.callID], a), "one_call", "agent %q and call %q", a.Name, t.callID)
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
		users := 0
		for _, f := range q.families {
			users += f.users
			for i, cl := range f.stages {
				au.class(cl)
				au.check(cl.stage == i && cl.f == f, "stage", "queue %q family %q", q.Name, f.key)
			}
		}
		au.check(users == n, "one_place", "queue %q: %d in line, %d in families", q.Name, n, users)
	}
}

func (au *auditor) class(cl *class) {
	var by [numStandings]int
	fit, unfit, closed := 0, 0, 0
	for _, a := range au.e.agents {
		i := slices.Index(a.queues, cl.q)
		switch {
		case i < 0:
		case !cl.need.Match(a.Skills):
			unfit++
		case au.rank(a, cl.q) >= cl.opens && cl.shut:
			closed++
		default:
			fit++
			by[au.e.standingOf(a)]++
		}
	}
	name := cl.q.Name + "/" + cl.f.key
	au.check(by == cl.by && fit == cl.fit && unfit == cl.unfit && closed == cl.closed, "counts", "class %s: %v %d %d %d, want %v %d %d %d", name, cl.by, cl.fit, cl.unfit, cl.closed, by, fit, unfit, closed)
	for _, h := range []*crowd{&cl.waiting, &cl.more} {
		for i := range h.items {
			au.check(h.inOrder(i), "heap_order", "waiting at %d", i)
		}
	}
	au.heap("pools", cl.pools.len(), func(i, p int) bool { return !cl.pools.less(cl.pools.items[i], cl.pools.items[p]) })
	for i, r := range cl.pools.items {
		au.check(r.class().c == cl && r.class().pos == i, "pool_index", "class %s", name)
	}
}

// rank finds an agent's rank as configured, without the engine's indexes.
func (au *auditor) rank(a *agentRec, q *queue) int {
	for _, m := range q.Members {
		if m.Agent == a.Name {
			return m.Rank
		}
	}
	for _, m := range q.Members {
		if ok, _ := path.Match(m.Agent, a.Name); ok {
			return m.Rank
		}
	}
	return 0
}

// idleness: nobody waits while somebody free fits.
func (au *auditor) idleness() {
	for id, c := range au.e.callers {
		if !au.waits(c) {
			continue
		}
		for _, a := range au.e.agents {
			if a.m.State == agent.Ready && a.reachable && !a.lost && a.device != "" && au.serves(a, c, c.class) {
				au.add("idle_while_waiting", "caller %q waits in %q, agent %q is free", id, c.q.Name, a.Name)
			}
		}
	}
}

// waits: any agent who fits should ring for c now.
func (au *auditor) waits(c *caller) bool {
	if len(c.offers) == 0 {
		return c.sticky == nil
	}
	return c.q.Strategy == StrategyRingAll && !c.offers[0].alone && len(c.offers) < au.e.ringLimit(c.q)
}

// serves tells from the configuration whether an agent fits a class.
func (au *auditor) serves(a *agentRec, c *caller, cl *class) bool {
	if !slices.Contains(a.queues, c.q) {
		return false
	}
	after := time.Duration(cl.after)
	for _, t := range c.q.Tiers {
		if t.After > after && au.rank(a, c.q) >= t.Rank {
			return false
		}
	}
	if n, err := parsedNeed(c.q.Skills, c.q.Need); err == nil && !n.At(after).Match(a.Skills) {
		return false
	}
	return c.fam.own.At(after).Match(a.Skills)
}
