package acd

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/acd/skill"
	"github.com/centrala/centrala/pkg/agent"
)

// maxDuration bounds every configured time, so that sums cannot overflow.
const maxDuration = 366 * 24 * time.Hour

func (e *Engine) configure(ev Configure) {
	e.hold = true
	e.set = ev.Settings.withDefaults()
	e.configureAgents(ev.Agents)
	e.configureQueues(ev.Queues)
	e.configureCallbacks()
	e.bindAll()
	// Those who are static begin their shift now, with everybody in place.
	for _, a := range e.agents {
		if a.AlwaysReady && a.since < 0 {
			e.change(a, agent.LogIn, agent.Facts{Talking: len(a.calls) > 0}, "static", BySystem)
		}
		if a.since < 0 {
			a.since = e.now
		}
	}
	for _, q := range e.queues {
		for _, f := range q.families {
			e.leaveEmpty(f)
		}
	}
	e.hold = false
	e.matchAll()
}

// configureAgents takes in the new list. Agents' states stay; pools do not.
func (e *Engine) configureAgents(list []Agent) {
	seen := make(map[string]bool, len(list))
	old := e.agents
	e.agents = make([]*agentRec, 0, len(list))
	for _, cfg := range list {
		if cfg.Name == "" || seen[cfg.Name] {
			e.fault(FaultBadConfig, fmt.Sprintf("agent %q: no name, or named twice", cfg.Name))
			continue
		}
		seen[cfg.Name] = true
		a := e.byAgent[cfg.Name]
		if a == nil {
			// since -1 marks the newcomer until configure is through.
			a = newAgent()
			e.byAgent[cfg.Name] = a
			e.setDevice(a, cfg.Device)
		} else {
			if cfg.AlwaysReady && !a.AlwaysReady && a.m.State == agent.Offline {
				a.since = -1
			}
			if cfg.Device != a.Device && a.device == a.Device {
				e.setDevice(a, cfg.Device)
			}
		}
		if a.leaving { // back in before the call was over
			a.leaving = false
			e.change(a, agent.LogIn, agent.Facts{Talking: len(a.calls) > 0}, "", BySystem)
		}
		a.Agent = cfg
		a.number = len(e.agents)
		e.agents = append(e.agents, a)
	}
	for _, a := range old {
		if seen[a.Name] {
			continue
		}
		a.number = len(e.agents)
		e.agents = append(e.agents, a)
		a.leaving = true
		out := func() { e.change(a, agent.LogOut, agent.Facts{}, "removed", BySystem) }
		if a.offer != nil {
			e.withdraw(a.offer, CauseWithdrawn, out)
		} else {
			out()
		}
		if a.m.State == agent.Offline && len(a.calls) == 0 {
			a.pool, a.queues, a.free = nil, nil, false // all pools are about to be made anew
			e.forget(a)
		}
	}
}

// configureQueues takes in the new list. Callers stay where they are.
func (e *Engine) configureQueues(list []Queue) {
	seen := make(map[string]bool, len(list))
	old := e.queues
	e.queues = make([]*queue, 0, len(list))
	for _, cfg := range list {
		if cfg.Name == "" || seen[cfg.Name] {
			e.fault(FaultBadConfig, fmt.Sprintf("queue %q: no name, or named twice", cfg.Name))
			continue
		}
		seen[cfg.Name] = true
		e.bound(&cfg)
		need, err := parsedNeed(cfg.Skills, cfg.Need)
		if err != nil {
			e.fault(FaultBadConfig, fmt.Sprintf("queue %q: %v", cfg.Name, err))
		}
		q := e.byQueue[cfg.Name]
		fresh := q == nil
		if fresh {
			q = &queue{byNeed: map[string]*family{}}
			e.byQueue[cfg.Name] = q
		}
		maxWait, rules, told := q.MaxWait, q.Overflow, q.Announce
		anew := fresh || cfg.Need != q.Need || levelsKey(cfg.Skills) != levelsKey(q.Queue.Skills) || !slices.Equal(cfg.Tiers, q.Tiers) ||
			strategies[cfg.Strategy].skill != q.s.skill
		q.Queue, q.need, q.s = cfg, need, strategies[cfg.Strategy]
		if anew {
			e.newFamilies(q)
		}
		for c := q.oldest; c != nil; c = c.younger {
			if len(c.offers) > 0 { // how many phones ring may be another matter now
				e.ringsFor(c)
			}
		}
		if cfg.MaxWait != maxWait {
			for c := q.oldest; c != nil; c = c.younger {
				e.disarm(&c.limit)
				if cfg.MaxWait > 0 && c.cb == nil {
					e.arm(&c.limit, c.joined+int64(cfg.MaxWait))
				}
			}
		}
		if !slices.Equal(cfg.Announce, told) {
			for c := q.oldest; c != nil; c = c.younger {
				e.announceAnew(c)
			}
		}
		if !slices.Equal(cfg.Overflow, rules) {
			for c := q.oldest; c != nil; c = c.younger {
				e.armLook(c)
			}
		}
		e.queues = append(e.queues, q)
	}
	for _, q := range old {
		if seen[q.Name] {
			continue
		}
		for c := q.line.first(); c != nil; c = q.line.first() {
			e.takeOut(c, LeftError)
		}
		delete(e.byQueue, q.Name)
	}
}

// bound puts what cannot be within what can, and names it.
func (e *Engine) bound(cfg *Queue) {
	if cfg.Strategy == "" {
		cfg.Strategy = StrategyLongestIdle
	}
	if strategies[cfg.Strategy] == nil {
		e.fault(FaultBadConfig, fmt.Sprintf("queue %q: unknown strategy %q; want one of %s", cfg.Name, cfg.Strategy, strings.Join(Strategies, ", ")))
		cfg.Strategy = StrategyLongestIdle
	}
	for _, d := range []*time.Duration{&cfg.WrapUp, &cfg.WrapUpExtend, &cfg.RingTimeout, &cfg.RingStep, &cfg.MaxWait, &cfg.AnnounceEvery, &cfg.LastAgent, &cfg.Patience} {
		*d = min(max(*d, 0), maxDuration)
	}
	cfg.AnnounceFirst = min(cfg.AnnounceFirst, maxDuration)
	if cfg.AnnounceEvery > 0 {
		cfg.AnnounceEvery = max(cfg.AnnounceEvery, time.Second)
	}
	cfg.Announce = slices.Clone(cfg.Announce)
	if len(cfg.Announce) > MaxAnnounce {
		e.fault(FaultBadConfig, fmt.Sprintf("queue %q: %d announcements, want %d at most", cfg.Name, len(cfg.Announce), MaxAnnounce))
		cfg.Announce = cfg.Announce[:MaxAnnounce]
	}
	for i := range cfg.Announce {
		a := &cfg.Announce[i]
		if a.After = min(a.After, maxDuration); a.Every > 0 {
			a.Every = max(min(a.Every, maxDuration), time.Second)
		}
	}
	cfg.KeepPlace = min(cfg.KeepPlace, maxDuration)
	cfg.Overflow = slices.Clone(cfg.Overflow)
	if len(cfg.Overflow) > maxOverflow {
		e.fault(FaultBadConfig, fmt.Sprintf("queue %q: %d rules of overflow, want %d at most", cfg.Name, len(cfg.Overflow), maxOverflow))
		cfg.Overflow = cfg.Overflow[:maxOverflow]
	}
	for i := range cfg.Overflow {
		o := &cfg.Overflow[i]
		o.After, o.Estimate = min(max(o.After, 0), maxDuration), min(max(o.Estimate, 0), maxDuration)
	}
	cfg.Tiers = slices.Clone(cfg.Tiers)
	for i := range cfg.Tiers {
		cfg.Tiers[i].After = min(max(cfg.Tiers[i].After, 0), maxDuration)
	}
	slices.SortFunc(cfg.Tiers, func(a, b Tier) int { return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.After, b.After)) })
}

// newFamilies makes a queue's families anew, because its own need, its tiers or
// what its strategy looks at have changed. Callers keep their places.
func (e *Engine) newFamilies(q *queue) {
	old := q.families
	q.families, q.byNeed = nil, map[string]*family{}
	renewed := map[*family]*family{}
	plain := e.newFamily(q, "", skill.Need{})
	q.families, q.byNeed[""] = append(q.families, plain), plain
	for _, f := range old {
		switch {
		case f.key == "":
			renewed[f] = plain
		case f.users > 0:
			g := e.newFamily(q, f.key, f.own)
			g.levels, g.need = f.levels, f.need
			q.families, q.byNeed[f.key] = append(q.families, g), g
			renewed[f] = g
		}
	}
	for f, g := range renewed {
		e.pass(f)
		g.pace = f.pace
		g.pace.held = 0
	}
	for c := q.oldest; c != nil; c = c.younger {
		more := c.in == &c.class.more
		waits := c.in == &c.class.waiting
		c.file(nil)
		c.fam = renewed[c.fam]
		c.fam.users++
		if c.held {
			c.fam.pace.held++
		}
		c.class = e.stageOf(c)
		switch {
		case waits:
			c.file(&c.class.waiting)
		case more:
			c.file(&c.class.more)
		case c.sticky != nil && len(c.offers) == 0:
			c.file(&c.sticky.personal)
		}
		e.armWiden(c)
	}
}

// newAgent is one who has just come; since -1 marks it until configure is through.
func newAgent() *agentRec {
	a := &agentRec{since: -1, offered: never, load: never, redraw: true}
	a.timer = timer{pos: -1, kind: timerAgent, a: a}
	a.lease = timer{pos: -1, kind: timerLease, a: a}
	return a
}

// membership is one agent's place in one queue while pools are made.
type membership struct {
	q      int
	rank   int
	weight int
	place  int // in the queue's list
}

// bindAll makes pools, classes' fits, counts and heaps of free agents anew, and
// puts callers in order by the priorities of now.
func (e *Engine) bindAll() { e.bindWith((*agentRec).draws) }

// bindWith is bindAll with the places that agents have by chance, by queue.
func (e *Engine) bindWith(draws func(*agentRec) map[string]int64) {
	in := e.memberships()
	e.pools = nil
	for _, q := range e.queues {
		q.pools, q.members = nil, 0
		for _, f := range q.families {
			for _, cl := range f.stages {
				cl.pools.items = nil
			}
		}
	}
	byKey := map[string]*pool{}
	var key []byte
	for i, a := range e.agents {
		kept := draws(a) // a place by chance is a place too
		a.free, a.pool, a.queues, a.seats = false, nil, nil, nil
		if a.leaving {
			continue
		}
		key = key[:0]
		for _, m := range in[i] {
			key = append(strconv.AppendInt(key, int64(m.q), 36), ' ')
			key = append(strconv.AppendInt(key, int64(m.rank), 36), ' ')
		}
		key = append(key, levelsKey(a.Skills)...)
		p := byKey[string(key)]
		if p == nil {
			p = newPool(a.Skills)
			byKey[string(key)] = p
			e.pools = append(e.pools, p)
			for _, m := range in[i] {
				q := e.queues[m.q]
				q.pools = append(q.pools, queuePool{p, m.rank, p.orderFor(q)})
			}
		}
		p.agents = append(p.agents, a)
		a.pool = p
		a.queues = make([]*queue, len(in[i]))
		for j, m := range in[i] {
			a.queues[j] = e.queues[m.q]
			a.queues[j].members++
		}
		a.seats = make([]seat, len(p.orders))
		for j, o := range p.orders {
			a.seats[j] = seat{a: a, pos: -1}
			if o.q != nil {
				at := slices.IndexFunc(in[i], func(m membership) bool { return e.queues[m.q] == o.q })
				a.seats[j].place, a.seats[j].weight = in[i][at].place, in[i][at].weight
				a.seats[j].draw = kept[o.q.Name]
				if _, ok := kept[o.q.Name]; !ok && o.q.Strategy == StrategyRandom {
					e.shuffle(o.q, &a.seats[j])
				}
			}
		}
		e.armAgent(a)
		a.standing = e.standingOf(a)
		p.by[a.standing]++
		if a.standing == standFree {
			a.free = true
			p.free++
			for j, o := range p.orders {
				o.free.push(&a.seats[j])
			}
		}
	}
	for _, q := range e.queues {
		for _, f := range q.families {
			e.bind(f)
		}
		e.reorder(q)
	}
	e.panelsDue = true
}

// draws are an agent's places in the queues with random.
func (a *agentRec) draws() map[string]int64 {
	if a.pool == nil {
		return nil
	}
	var m map[string]int64
	for i, o := range a.pool.orders {
		if o.q != nil && o.s == strategies[StrategyRandom] {
			if m == nil {
				m = map[string]int64{}
			}
			m[o.q.Name] = a.seats[i].draw
		}
	}
	return m
}

// orderFor finds or makes the order that a queue's strategy needs in the pool.
func (p *pool) orderFor(q *queue) *order {
	s := q.s
	if !s.perQueue {
		for _, o := range p.orders {
			if o.q == nil && o.s.order == s.order {
				return o
			}
		}
	}
	o := newOrder(s, nil)
	if s.perQueue {
		o.q = q
	}
	p.orders = append(p.orders, o)
	return o
}

// reorder works out the places of a queue's callers anew, if what they come from
// has changed.
func (e *Engine) reorder(q *queue) {
	changed := false
	for c := q.oldest; c != nil; c = c.younger {
		strict, key := c.strict, c.key
		e.setKey(c)
		changed = changed || c.strict != strict || c.key != key
	}
	if !changed {
		return
	}
	q.line = line{}
	heaps := map[*crowd]bool{}
	for c := q.oldest; c != nil; c = c.younger {
		q.line.insert(c)
		if c.in != nil {
			c.in.items[c.pos] = c.slot()
			heaps[c.in] = true
		}
	}
	for h := range heaps { // the result of a heap's making is the same in any order of heaps
		h.build()
	}
}

// maxAgents lets a line of a queue's list and an agent's number make one number.
const maxAgents = 1 << 24

// memberships resolves names and patterns; the result is by index in e.agents,
// each list in queue order.
func (e *Engine) memberships() [][]membership {
	at := make(map[string]int, len(e.agents))
	for i, a := range e.agents {
		if !a.leaving {
			at[a.Name] = i
		}
	}
	in := make([][]membership, len(e.agents))
	patterns := map[string][]int{} // several queues use the same ones
	for qi, q := range e.queues {
		unable := map[int]bool{}
		join := func(i, line int) {
			n, m := len(in[i]), q.Members[line]
			switch {
			case n > 0 && in[i][n-1].q == qi:
			case !e.agents[i].takes(q.Channel):
				unable[i] = true
			default:
				in[i] = append(in[i], membership{qi, m.Rank, max(m.Weight, 1), line*maxAgents + i})
			}
		}
		// Outright names first: they win over patterns.
		for l, m := range q.Members {
			if !isPattern(m.Agent) {
				if i, ok := at[m.Agent]; ok {
					join(i, l)
				}
			}
		}
		for l, m := range q.Members {
			if !isPattern(m.Agent) {
				continue
			}
			list, ok := patterns[m.Agent]
			if !ok {
				list = e.expand(m.Agent, q.Name)
				patterns[m.Agent] = list
			}
			for _, i := range list {
				join(i, l)
			}
		}
		q.unable = len(unable)
	}
	return in
}

func isPattern(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// expand lists the agents a pattern matches.
func (e *Engine) expand(pattern, queue string) []int {
	var list []int
	for i, a := range e.agents {
		ok, err := path.Match(pattern, a.Name)
		if err != nil {
			e.fault(FaultBadConfig, fmt.Sprintf("queue %q: member pattern %q: %v", queue, pattern, err))
			return nil
		}
		if ok && !a.leaving {
			list = append(list, i)
		}
	}
	return list
}

func (e *Engine) restore(ev Restore) {
	e.hold = true
	states := append([]agent.Saved(nil), ev.Agents...)
	// Who has been ready longest is idle longest again.
	sort.SliceStable(states, func(i, j int) bool { return states[i].Since.Before(states[j].Since) })
	for _, s := range states {
		a := e.byAgent[s.Agent]
		if a == nil || a.AlwaysReady {
			continue // static agents begin anew with each start
		}
		f := agent.Facts{Talking: len(a.calls) > 0, Reason: s.Reason}
		switch {
		case s.State == agent.Offline:
			if a.m.State != agent.Offline {
				e.change(a, agent.LogOut, f, "restored", BySystem)
			}
			continue
		case a.m.State == agent.Offline:
			e.change(a, agent.LogIn, f, "restored", BySystem)
		}
		if s.State == agent.NotReady {
			e.change(a, agent.SetNotReady, f, "restored", BySystem)
		} else if !a.free && a.m.State == agent.NotReady {
			e.change(a, agent.SetReady, f, "restored", BySystem)
		}
	}
	e.hold = false
	for _, q := range e.queues {
		for _, f := range q.families {
			e.leaveEmpty(f)
		}
	}
	e.matchAll()
}
