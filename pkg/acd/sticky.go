package acd

import (
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// defaultPatience is how long a caller waits for one agent alone.
const defaultPatience = 30 * time.Second

// prefer notes the agent whom a caller wants: named, or the last one.
func (e *Engine) prefer(c *caller, ev Enter) {
	name := ev.Agent
	if name == "" && c.q.LastAgent > 0 {
		if m, ok := e.memory.get(c.from); ok && e.now-m.at <= int64(c.q.LastAgent) {
			name = m.agent
		}
	}
	a := e.byAgent[name]
	if a == nil {
		return // left the house: the queue is the back-up
	}
	patience := ev.Patience
	if patience <= 0 {
		patience = c.q.Patience
	}
	if patience <= 0 {
		patience = defaultPatience
	}
	c.sticky, c.patience = a, e.now+int64(min(patience, maxDuration))
}

// canCome: the agent whom c waits for may still take the call in time. One who
// is out, at lunch or out of reach makes nobody wait; one who talks, wraps up or
// pauses for seconds may be back.
func (e *Engine) canCome(c *caller) bool {
	a := c.sticky
	if e.now >= c.patience || a.leaving || a.pool == nil && !e.hold {
		return false
	}
	switch e.standingOf(a) {
	case standing(agent.Offline), standUnreachable:
		return false
	case standing(agent.NotReady):
		return a.m.Paused
	}
	return true
}

// letGo sends those who wait for an agent who cannot come to the queue.
func (e *Engine) letGo(a *agentRec) {
	for a.personal.len() > 0 {
		c := a.personal.items[0].x
		if e.canCome(c) {
			return // all of them: it hangs on the agent, patience has its own timer
		}
		c.sticky = nil
		e.requeue(c, "widened")
	}
}

// memory is who last talked to whom: bounded, the oldest are forgotten first.
type memory struct {
	last  map[string]memo
	order []string // keys as put; one that was put again stands there twice
	puts  uint64
	gone  uint64 // puts that have left order
}

type memo struct {
	agent string
	at    int64
	put   uint64
}

// maxMemory bounds the callers remembered: some 10 MB.
const maxMemory = 50_000

func newMemory() memory { return memory{last: map[string]memo{}} }

func (m *memory) put(from, agent string, at int64) {
	if from == "" || agent == "" {
		return
	}
	if old, ok := m.last[from]; ok && old.at > at {
		return
	}
	m.last[from] = memo{agent, at, m.puts}
	m.order = append(m.order, from)
	m.puts++
	for len(m.last) > maxMemory || len(m.order) > 2*maxMemory {
		key := m.order[0]
		if m.last[key].put == m.gone {
			delete(m.last, key)
		}
		m.order[0], m.order = "", m.order[1:]
		m.gone++
	}
}

func (m *memory) get(from string) (memo, bool) {
	if from == "" {
		return memo{}, false
	}
	x, ok := m.last[from]
	return x, ok
}
