package acd

import (
	"math"
	"sync/atomic"
	"time"
)

// QueueState is how a queue stands at a moment, for flows that decide by it.
type QueueState struct {
	Waiting     int           // callers in it, those being offered and callbacks included
	LongestWait time.Duration // of those, since joining; 0 = nobody waits
	// ReadyAgents and LoggedIn count the members who have what the queue needs of
	// every caller, once that has relaxed. Ready is free and reachable.
	ReadyAgents int
	LoggedIn    int
	// Estimate is what a caller who joined now, with the queue's own need and
	// priority, would have to wait (see EstimateShare); negative = unknown.
	Estimate time.Duration
	// ServiceLevel is the share of callers answered in time of late, in percent;
	// negative = unknown, before ten callers were seen.
	ServiceLevel float64
}

// View shows how an engine's queues stood after the last Publish. Any goroutine may
// read it while the engine works: there is no lock, each figure is a word of its
// own. Two figures of one queue may so be a step apart.
type View struct {
	epoch  time.Time
	queues atomic.Pointer[map[string]*panel]
}

// panel is what the figures of one queue are made of. Times are ns since the
// engine's epoch.
type panel struct {
	line  atomic.Uint64 // callers; those of the queue's plain need in the upper half
	staff atomic.Uint64 // who fit and are free; who fit and are logged in in the upper half
	work  atomic.Uint64 // who fit and work; who fit at once and are free in the upper half
	since atomic.Uint64 // who waits longest joined

	paceN, paceLoad, paceAt, held atomic.Uint64 // see pace; floats as their bits
	levelIn, levelAll, levelAt    atomic.Uint64 // see level
}

// put writes only what differs: reading a word costs a tenth of writing it.
func put(w *atomic.Uint64, v uint64) {
	if w.Load() != v {
		w.Store(v)
	}
}

func halves(low, high int) uint64 { return uint64(uint32(low)) | uint64(uint32(high))<<32 }

func unhalve(v uint64) (low, high int) { return int(uint32(v)), int(uint32(v >> 32)) }

// View is the engine's own, the same for its whole life.
func (e *Engine) View() *View { return &e.view }

// touch notes that a queue's figures have changed since Publish.
func (e *Engine) touch(q *queue) {
	if !q.touched {
		q.touched = true
		e.touched = append(e.touched, q)
	}
}

// Publish shows in View what has changed since it was last called. It costs
// nanoseconds for each queue that changed and allocates nothing.
func (e *Engine) Publish() {
	if e.panelsDue {
		e.panelsDue = false
		e.hangPanels()
	}
	for i, q := range e.touched {
		e.touched[i] = nil
		q.touched = false
		if q.panel != nil {
			q.publish()
		}
	}
	e.touched = e.touched[:0]
}

// hangPanels makes the view's list of queues anew after a change of configuration.
func (e *Engine) hangPanels() {
	all := make(map[string]*panel, len(e.queues))
	for _, q := range e.queues {
		if q.panel == nil {
			q.panel = &panel{}
		}
		all[q.Name] = q.panel
		e.touch(q)
	}
	if e.view.queues.Load() == nil {
		e.view.epoch = e.epoch // for good: who reads sees the list after it
	}
	e.view.queues.Store(&all)
}

func (q *queue) publish() {
	p, plain := q.panel, q.byNeed[""]
	first, last := plain.stages[0], plain.last()
	put(&p.line, halves(q.line.len(), plain.users))
	put(&p.staff, halves(last.by[standFree], last.loggedIn()))
	put(&p.work, halves(last.staffed(), first.by[standFree]))
	if c := q.longestWaiting(); c != nil {
		put(&p.since, uint64(c.joined))
	} else {
		put(&p.since, math.MaxInt64) // callbacks alone: nobody is on the line
	}
	put(&p.paceN, math.Float64bits(plain.pace.n))
	put(&p.paceLoad, math.Float64bits(plain.pace.load))
	put(&p.paceAt, uint64(plain.pace.at))
	put(&p.held, uint64(plain.pace.held))
	put(&p.levelIn, math.Float64bits(q.level.in))
	put(&p.levelAll, math.Float64bits(q.level.all))
	put(&p.levelAt, uint64(q.level.at))
}

// Queue tells how a queue stands at now. ok is false when there is none of that
// name.
func (v *View) Queue(name string, now time.Time) (s QueueState, ok bool) {
	all := v.queues.Load()
	if all == nil {
		return s, false
	}
	p := (*all)[name]
	if p == nil {
		return s, false
	}
	return p.state(int64(now.Sub(v.epoch))), true
}

func (p *panel) state(now int64) QueueState {
	s := QueueState{Estimate: -1, ServiceLevel: -1}
	var users, staffed, free int
	s.Waiting, users = unhalve(p.line.Load())
	s.ReadyAgents, s.LoggedIn = unhalve(p.staff.Load())
	staffed, free = unhalve(p.work.Load())
	if s.Waiting > 0 {
		s.LongestWait = duration(max(now-int64(p.since.Load()), 0))
	}
	pc := pace{n: math.Float64frombits(p.paceN.Load()), load: math.Float64frombits(p.paceLoad.Load()), at: int64(p.paceAt.Load()), held: int(p.held.Load())}
	pc.pass(now, staffed)
	if free > 0 {
		s.Estimate = 0
	} else if d, known := pc.wait(float64(users)+1, staffed); known {
		s.Estimate = d
	}
	l := level{in: math.Float64frombits(p.levelIn.Load()), all: math.Float64frombits(p.levelAll.Load()), at: int64(p.levelAt.Load())}
	if share, known := l.share(now); known {
		s.ServiceLevel = 100 * share
	}
	return s
}
