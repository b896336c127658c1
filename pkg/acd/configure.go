package acd

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// maxDuration bounds every configured time, so that sums cannot overflow.
const maxDuration = 366 * 24 * time.Hour

func (e *Engine) configure(ev Configure) {
	e.hold = true
	e.configureAgents(ev.Agents)
	e.configureQueues(ev.Queues)
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
		for _, cl := range q.classes {
			e.leaveEmpty(cl)
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
			a = &agentRec{reachable: true, idlePos: -1, since: -1}
			a.timer = timer{pos: -1, kind: timerAgent, a: a}
			e.byAgent[cfg.Name] = a
		} else {
			if cfg.AlwaysReady && !a.AlwaysReady && a.m.State == agent.Offline {
				a.since = -1
			}
			if cfg.Device != a.Device {
				a.reachable, a.lost = true, false // another phone, nothing known of it
			}
		}
		if a.leaving { // back in before the call was over
			a.leaving = false
			e.change(a, agent.LogIn, agent.Facts{Talking: len(a.calls) > 0}, "", BySystem)
		}
		a.Agent = cfg
		e.agents = append(e.agents, a)
	}
	for _, a := range old {
		if seen[a.Name] {
			continue
		}
		e.agents = append(e.agents, a)
		a.leaving = true
		out := func() { e.change(a, agent.LogOut, agent.Facts{}, "removed", BySystem) }
		if a.offer != nil {
			e.withdraw(a.offer, CauseWithdrawn, out)
		} else {
			out()
		}
		if a.m.State == agent.Offline && len(a.calls) == 0 {
			a.pool, a.queues = nil, nil // all pools are about to be made anew
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
		if cfg.Strategy != "" && cfg.Strategy != StrategyLongestIdle {
			e.fault(FaultBadConfig, fmt.Sprintf("queue %q: unknown strategy %q; want %s", cfg.Name, cfg.Strategy, StrategyLongestIdle))
		}
		for _, d := range []*time.Duration{&cfg.WrapUp, &cfg.RingTimeout, &cfg.MaxWait, &cfg.AnnounceEvery} {
			*d = min(max(*d, 0), maxDuration)
		}
		cfg.AnnounceFirst = min(cfg.AnnounceFirst, maxDuration)
		if cfg.AnnounceEvery > 0 {
			cfg.AnnounceEvery = max(cfg.AnnounceEvery, time.Second)
		}
		q := e.byQueue[cfg.Name]
		if q == nil {
			q = &queue{byNeed: map[string]*class{}}
			e.byQueue[cfg.Name] = q
			q.Queue = cfg
			q.classes = []*class{newClass(q, "", nil)}
			q.byNeed[""] = q.classes[0]
		}
		maxWait := q.MaxWait
		q.Queue, q.need = cfg, levels(cfg.Skills)
		if cfg.MaxWait != maxWait {
			for c := q.oldest; c != nil; c = c.younger {
				e.disarm(&c.limit)
				if cfg.MaxWait > 0 {
					e.arm(&c.limit, c.joined+int64(cfg.MaxWait))
				}
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

// membership is one agent's place in one queue while pools are made.
type membership struct {
	q    int
	rank int
}

// bindAll makes pools, classes' fits, counts and idle heaps anew.
func (e *Engine) bindAll() {
	in := e.memberships()
	e.pools = nil
	for _, q := range e.queues {
		q.pools, q.members = nil, 0
		for _, cl := range q.classes {
			cl.pools.items = nil
			cl.need = both(q.need, cl.own)
		}
	}
	byKey := map[string]*pool{}
	var key []byte
	for i, a := range e.agents {
		a.idlePos, a.pool, a.queues = -1, nil, nil
		if a.leaving {
			continue
		}
		key = key[:0]
		for _, m := range in[i] {
			key = append(strconv.AppendInt(key, int64(m.q), 36), ' ')
			key = append(strconv.AppendInt(key, int64(m.rank), 36), ' ')
		}
		key = append(key, needKey(levels(a.Skills))...)
		p := byKey[string(key)]
		if p == nil {
			p = newPool(a.Skills)
			byKey[string(key)] = p
			e.pools = append(e.pools, p)
			for _, m := range in[i] {
				q := e.queues[m.q]
				q.pools = append(q.pools, queuePool{p, m.rank})
			}
		}
		p.members++
		a.pool = p
		a.queues = make([]*queue, len(in[i]))
		for j, m := range in[i] {
			a.queues[j] = e.queues[m.q]
			a.queues[j].members++
		}
		e.armAgent(a)
		a.standing = e.standingOf(a)
		p.by[a.standing]++
		if a.standing == standFree {
			p.idle.push(a)
		}
	}
	for _, q := range e.queues {
		for _, cl := range q.classes {
			cl.bind()
		}
	}
}

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
		join := func(i, rank int) {
			if n := len(in[i]); n == 0 || in[i][n-1].q != qi {
				in[i] = append(in[i], membership{qi, rank})
			}
		}
		// Outright names first: they win over patterns.
		for _, m := range q.Members {
			if !isPattern(m.Agent) {
				if i, ok := at[m.Agent]; ok {
					join(i, m.Rank)
				}
			}
		}
		for _, m := range q.Members {
			if !isPattern(m.Agent) {
				continue
			}
			list, ok := patterns[m.Agent]
			if !ok {
				list = e.expand(m.Agent, q.Name)
				patterns[m.Agent] = list
			}
			for _, i := range list {
				join(i, m.Rank)
			}
		}
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
		} else if a.idlePos < 0 && a.m.State == agent.NotReady {
			e.change(a, agent.SetReady, f, "restored", BySystem)
		}
	}
	e.hold = false
	for _, q := range e.queues {
		for _, cl := range q.classes {
			e.leaveEmpty(cl)
		}
	}
	e.matchAll()
}
