package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// FlowKinds are the kinds of events that a FlowWatch reads.
var FlowKinds = []string{event.FlowStep{}.Kind(), event.FlowFailed{}.Kind(), event.SegmentStarted{}.Kind(), event.CallEnded{}.Kind()}

// FlowFigures are how callers went through one flow.
type FlowFigures struct {
	Flow  string    `json:"flow"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Calls int       `json:"calls"` // that came into the flow
	Left  int       `json:"left"`  // callers who hung up in it
	// Steps by how often they were entered, the most first.
	Steps []StepFigures `json:"steps"`
}

// StepFigures are the figures of one step.
type StepFigures struct {
	Step    string `json:"step"`
	Kind    string `json:"kind"`
	Entered int    `json:"entered"` // times; a call may come by more than once
	Left    int    `json:"left"`    // callers who hung up while in it
	// DropOff is Left by Entered, 0 to 1.
	DropOff float64 `json:"drop_off"`
	Failed  int     `json:"failed"` // times it could not be done
	// Time in the step in milliseconds: until the next step, a conversation or the end.
	MeanMs int64 `json:"mean_ms"`
	MaxMs  int64 `json:"max_ms"`
	// Next is where callers went, with how often; another flow is "flow/step".
	Next map[string]int `json:"next,omitempty"`

	totalMs int64
	done    int
}

// FlowWatch makes FlowFigures of the journal of one tenant.
type FlowWatch struct {
	flow  string
	at    map[string]*placed // by call: where it is
	steps map[string]*StepFigures
	calls map[string]bool
	left  int
}

// placed is where a call is; step nil: in another flow.
type placed struct {
	step   *StepFigures
	since  time.Time
	talked bool // the step's time is over: a conversation goes on
}

// NewFlowWatch counts the steps of one flow.
func NewFlowWatch(flow string) *FlowWatch {
	return &FlowWatch{flow: flow, at: map[string]*placed{}, steps: map[string]*StepFigures{}, calls: map[string]bool{}}
}

// Feed takes the next event.
func (w *FlowWatch) Feed(e event.Event) {
	p := w.at[e.CallID]
	switch b := e.Body.(type) {
	case event.FlowStep:
		next := b.Step
		if b.Flow != w.flow {
			next = b.Flow + "/" + b.Step
		}
		if p != nil && p.step != nil {
			w.close(p, e.At)
			if p.step.Next == nil {
				p.step.Next = map[string]int{}
			}
			p.step.Next[next]++
		}
		if b.Flow != w.flow {
			delete(w.at, e.CallID)
			return
		}
		s := w.steps[b.Step]
		if s == nil {
			s = &StepFigures{Step: b.Step}
			w.steps[b.Step] = s
		}
		s.Kind = b.StepKind
		s.Entered++
		w.calls[e.CallID] = true
		w.at[e.CallID] = &placed{step: s, since: e.At}
	case event.FlowFailed:
		if p != nil && p.step != nil && b.Flow == w.flow && b.Step == p.step.Step {
			p.step.Failed++
		}
	case event.SegmentStarted:
		if p != nil && b.Segment == event.SegmentTalking {
			w.close(p, e.At)
		}
	case event.CallEnded:
		if p == nil {
			return
		}
		if !p.talked && b.Result == event.ResultCaller {
			p.step.Left++
			w.left++
		}
		w.close(p, e.At)
		delete(w.at, e.CallID)
	}
}

func (w *FlowWatch) close(p *placed, at time.Time) {
	if p.talked {
		return
	}
	p.talked = true
	ms := max(at.Sub(p.since).Milliseconds(), 0)
	p.step.totalMs += ms
	p.step.MaxMs = max(p.step.MaxMs, ms)
	p.step.done++
}

// Figures are what was fed so far. Calls still in a step are in Entered, not in times.
func (w *FlowWatch) Figures(from, to time.Time) FlowFigures {
	out := FlowFigures{Flow: w.flow, From: from, To: to, Calls: len(w.calls), Left: w.left, Steps: []StepFigures{}}
	for _, s := range w.steps {
		c := *s
		if c.done > 0 {
			c.MeanMs = c.totalMs / int64(c.done)
		}
		c.DropOff = float64(c.Left) / float64(c.Entered)
		out.Steps = append(out.Steps, c)
	}
	slices.SortFunc(out.Steps, func(a, b StepFigures) int {
		return cmp.Or(cmp.Compare(b.Entered, a.Entered), cmp.Compare(a.Step, b.Step))
	})
	return out
}
