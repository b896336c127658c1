package acd

import (
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// Snapshot is all that an engine holds, as plain serialisable values. Queues
// and agents are sorted by name, callers by position.
type Snapshot struct {
	At     time.Time       `json:"at"`
	Queues []QueueSnapshot `json:"queues"`
	Agents []AgentSnapshot `json:"agents"`
}

// QueueSnapshot is one queue and who waits in it.
type QueueSnapshot struct {
	Name      string           `json:"name"`
	Callers   []CallerSnapshot `json:"callers"`
	Waiting   int              `json:"waiting"`             // on the line, being offered included
	Callbacks int              `json:"callbacks,omitempty"` // among Callers
	Oldest    time.Time        `json:"oldest,omitzero"`     // when the one waiting longest joined; zero = nobody
	LoggedIn  int              `json:"logged_in"`
	Free      int              `json:"free"` // ready and reachable
	// States counts members by state word, and "unreachable" for those ready
	// but out of reach.
	States map[string]int `json:"states"`
}

// CallerSnapshot is one caller in a queue.
type CallerSnapshot struct {
	CallID   string    `json:"call_id"`
	Position int       `json:"position"`
	Priority int       `json:"priority"` // the call's own
	Joined   time.Time `json:"joined"`
	Arrived  time.Time `json:"arrived"`
	Need     string    `json:"need,omitempty"`    // skills that count now, relaxed as far as it has
	Prefers  string    `json:"prefers,omitempty"` // the agent whom the caller waits for alone
	// EstimateMs is what is left to wait, with a chance of four in five; absent = unknown.
	EstimateMs *int64 `json:"estimate_ms,omitempty"`
	Callback   string `json:"callback,omitempty"` // nobody is on the line: the callback's id
	// OfferID, Agent and Deadline are of the first offer that rings; Rings lists
	// all agents who do.
	OfferID  string    `json:"offer_id,omitempty"`
	Agent    string    `json:"agent,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	Rings    []string  `json:"rings,omitempty"`
}

// AgentSnapshot is one agent.
type AgentSnapshot struct {
	Name      string      `json:"name"`
	Device    string      `json:"device"`
	State     agent.State `json:"state"`
	Reason    string      `json:"reason,omitempty"`
	Since     time.Time   `json:"since"`
	After     agent.State `json:"after"` // what follows the call
	Reachable bool        `json:"reachable"`
	IdleSince time.Time   `json:"idle_since,omitzero"`
	Deadline  time.Time   `json:"deadline,omitzero"` // of the state, if it should pass
	Calls     []string    `json:"calls,omitempty"`
	OfferID   string      `json:"offer_id,omitempty"`
	Queues    []string    `json:"queues"`
	Taken     int         `json:"taken"`     // calls since log-in
	Occupancy float64     `json:"occupancy"` // share of recent time on calls and in wrap-up, 0 to 1
	Once      bool        `json:"once,omitempty"`
	// LastCall and LastQueue are of the call of a queue that the agent talks or talked in;
	// DispositionDue: the wrap-up waits for its disposition.
	LastCall       string `json:"last_call,omitempty"`
	LastQueue      string `json:"last_queue,omitempty"`
	DispositionDue bool   `json:"disposition_due,omitempty"`
}

// Snapshot copies the engine's state. It costs time and memory in the number of
// callers and agents: for screens and commands, not for each event.
func (e *Engine) Snapshot() Snapshot {
	s := Snapshot{At: wall(e.abs(e.now)), Queues: make([]QueueSnapshot, 0, len(e.queues)), Agents: make([]AgentSnapshot, 0, len(e.agents))}
	for _, q := range e.queues {
		s.Queues = append(s.Queues, e.queueSnapshot(q))
	}
	for _, a := range e.agents {
		s.Agents = append(s.Agents, e.agentSnapshot(a))
	}
	slices.SortFunc(s.Queues, func(a, b QueueSnapshot) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Agents, func(a, b AgentSnapshot) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// wall drops the monotonic reading: a snapshot is data.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }

func (e *Engine) queueSnapshot(q *queue) QueueSnapshot {
	s := QueueSnapshot{Name: q.Name, Waiting: q.line.len() - q.callbacks, Callbacks: q.callbacks, LoggedIn: q.members, States: map[string]int{},
		Callers: make([]CallerSnapshot, 0, q.line.len())}
	for _, qp := range q.pools {
		for st, n := range qp.p.by {
			if n > 0 {
				s.States[standingWords[st]] += n
			}
		}
		s.Free += qp.p.by[standFree]
		s.LoggedIn -= qp.p.by[0]
	}
	if c := q.longestWaiting(); c != nil {
		s.Oldest = wall(e.abs(c.joined))
	}
	pos := 0
	for c := q.line.first(); c != nil; c = q.line.next(c) {
		pos++
		cs := CallerSnapshot{CallID: c.callID, Position: pos, Priority: c.priority, Joined: wall(e.abs(c.joined)), Arrived: wall(e.abs(c.arrived)), Callback: callbackID(c)}
		if !c.class.need.Any() {
			cs.Need = c.class.needText()
		}
		if d, known := e.estimate(c); known {
			ms := d.Milliseconds()
			cs.EstimateMs = &ms
		}
		if c.sticky != nil {
			cs.Prefers = c.sticky.Name
		}
		for i, o := range c.offers {
			if i == 0 {
				cs.OfferID, cs.Agent, cs.Deadline = o.id, o.a.Name, wall(e.abs(o.deadline))
			}
			cs.Rings = append(cs.Rings, o.a.Name)
		}
		s.Callers = append(s.Callers, cs)
	}
	return s
}

func (e *Engine) agentSnapshot(a *agentRec) AgentSnapshot {
	s := AgentSnapshot{Name: a.Name, Device: a.device, State: a.m.State, Reason: a.m.Reason, Since: wall(e.abs(a.since)),
		After: a.m.After, Reachable: a.reachable && !a.lost && a.device != "", Queues: make([]string, 0, len(a.queues))}
	if a.m.State == agent.OnCall || a.m.State == agent.WrapUp {
		s.LastCall, s.LastQueue, s.DispositionDue = a.lastCall.callID, a.lastCall.q, a.owes != ""
	}
	s.Taken, s.Occupancy, s.Once = a.taken, a.occupancyAt(e.now), a.once
	if a.m.State == agent.Ready {
		s.IdleSince = wall(e.abs(a.idleSince))
	}
	if a.timer.pos >= 0 {
		s.Deadline = wall(e.abs(a.timer.at))
	}
	for _, t := range a.calls {
		s.Calls = append(s.Calls, t.callID)
	}
	if a.offer != nil {
		s.OfferID = a.offer.id
	}
	for _, q := range a.queues {
		s.Queues = append(s.Queues, q.Name)
	}
	return s
}

// QueueStats is what metrics need of a queue, without its callers.
type QueueStats struct {
	Name    string
	Waiting int
	Oldest  time.Time // zero = nobody waits
	States  [numStandings]int
	// Callbacks by state, by the index of CallbackStates. Waiting does not count them.
	Callbacks [5]int
}

// Stats lists each queue's figures in O(queues x pools). The index of States is
// that of StateWords.
func (e *Engine) Stats() []QueueStats {
	out := make([]QueueStats, 0, len(e.queues))
	calledBack := map[string]*[5]int{}
	for _, cb := range e.callbacks.list {
		if calledBack[cb.Queue] == nil {
			calledBack[cb.Queue] = &[5]int{}
		}
		calledBack[cb.Queue][slices.Index(CallbackStates, cb.State)]++
	}
	for _, q := range e.queues {
		s := QueueStats{Name: q.Name, Waiting: q.line.len() - q.callbacks}
		if c := q.longestWaiting(); c != nil {
			s.Oldest = e.abs(c.joined)
		}
		if n := calledBack[q.Name]; n != nil {
			s.Callbacks = *n
		}
		for _, qp := range q.pools {
			for st, n := range qp.p.by {
				s.States[st] += n
			}
		}
		out = append(out, s)
	}
	return out
}

// StateWords names the members' states in QueueStats, in Decision.Excluded and
// in metrics: the agent's states, and "unreachable" for ready but out of reach.
func StateWords() []string { return standingWords[:] }

// AgentSaved is what should survive a restart of one agent.
func (e *Engine) AgentSaved(name string) (agent.Saved, bool) {
	a := e.byAgent[name]
	if a == nil {
		return agent.Saved{}, false
	}
	st, reason := a.m.Save()
	return agent.Saved{Agent: a.Name, State: st, Reason: reason, Since: wall(e.abs(a.since))}, true
}
