package acd

import (
	"slices"
	"strings"

	"github.com/centrala/centrala/pkg/agent"
)

// Stranded is callers of one queue whom a change of configuration would leave
// without any agent.
type Stranded struct {
	Queue   string
	Callers int
	// Why: "queue_gone", or "no_agent": nobody who is logged in would fit, however
	// long they wait.
	Why string
}

// Reasons of Stranded.
const (
	StrandedQueueGone = "queue_gone"
	StrandedNoAgent   = "no_agent"
)

// Stranded tells which waiting callers would lose their last agent if next were
// configured: those whom somebody logged in could take now, and nobody could
// afterwards. It changes nothing; it costs the time of a Configure of a new engine.
func (e *Engine) Stranded(next Configure) []Stranded {
	twin := New(Config{})
	twin.Step(e.abs(e.now), next)
	var out []Stranded
	for _, q := range e.queues {
		gone, lost := 0, 0
		after := twin.byQueue[q.Name]
		for _, f := range q.families {
			switch {
			case f.users == 0:
			case after == nil:
				gone += f.users
			case f.last().loggedIn() > 0 && e.loggedInFor(after, f) == 0:
				lost += f.users
			}
		}
		if gone > 0 {
			out = append(out, Stranded{q.Name, gone, StrandedQueueGone})
		}
		if lost > 0 {
			out = append(out, Stranded{q.Name, lost, StrandedNoAgent})
		}
	}
	slices.SortFunc(out, func(a, b Stranded) int { return strings.Compare(a.Queue, b.Queue) })
	return out
}

// loggedInFor counts the agents logged in here who would fit a family's widest
// need in a queue of the twin.
func (e *Engine) loggedInFor(q *queue, f *family) int {
	const late = maxDuration
	n := 0
	for _, qp := range q.pools {
		if !q.need.At(late).Match(qp.p.skills) || !f.own.At(late).Match(qp.p.skills) {
			continue
		}
		for _, a := range qp.p.agents {
			if now := e.byAgent[a.Name]; now != nil && now.m.State != agent.Offline {
				n++
			}
		}
	}
	return n
}
