// Package ivr runs flows (package ivr/flow) for calls: events and the time go
// in, actions come out. It is pure: no I/O, no clock, no goroutine. Whoever
// calls it owns the State, which is plain data and can be written down as JSON
// and carried on elsewhere.
package ivr

import (
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/schedule"
)

// Bounds of one call's way through flows.
const (
	// maxSteps without a key, queue or dialled party in between. A caller who
	// has put the phone aside is not spoken to for ever.
	maxSteps = 200
	// maxBuffer is how many keys typed ahead are kept.
	maxBuffer = 32
	// maxFailures: when the default target is a flow that fails as well, the
	// call ends.
	maxFailures = 2
)

// Phase is what a call in a flow waits for.
type Phase string

// The phases.
const (
	PhaseSpeaking  Phase = "speaking"  // a Play has to end; keys may end it
	PhaseListening Phase = "listening" // a key, or the timer
	PhaseTimed     Phase = "timed"     // the timer alone: ring, tone, pause
	PhaseEcho      Phase = "echo"      // the end key, or the timer
	PhaseStreaming Phase = "streaming" // the machine, the end key, or the timer
	PhaseAsking    Phase = "asking"    // a Do's end, or the timer
	PhaseRecording Phase = "recording" // a message: the end key, silence, or the timer
	PhaseClosing   Phase = "closing"   // the end of its file
	PhaseQueued    Phase = "queued"    // an agent; keys and a timer may end it
	PhaseLeaving   Phase = "leaving"   // LeaveQueue was said, QueueLeft is awaited
	PhaseDialling  Phase = "dialling"  // a called party
	PhaseTalking   Phase = "talking"   // the end of the conversation
	PhaseSorry     Phase = "sorry"     // the sorry prompt's end
	PhaseDone      Phase = "done"      // nothing
)

// Input is what a flow knows of its call.
type Input struct {
	Tenant   string
	CallID   string
	From     string
	To       string // what was dialled
	Language string // "" = the flow's own, then "en"
	Answered bool   // the caller's leg has its 200 already
	// Schedules by name, of the call's tenant. Kept, never changed.
	Schedules map[string]*schedule.Schedule
	// Queue tells how a queue of the call's tenant stands; false = there is none of
	// that name. It must not wait for anybody. Nil = nothing is known of queues. Kept.
	Queue func(name string) (QueueState, bool)
	// App tells of an application of the call's tenant. Nil = there are none. Kept.
	App func(name string) (AppInfo, bool)
	// Zone of the tenant, in which dates and times are spoken; nil = UTC. Kept.
	Zone *time.Location
	// Previous is the state in which another flow ended with CallFlow or
	// GoDefault: variables, language and keys typed ahead carry over. It is not
	// used any more afterwards.
	Previous *State
}

// State is where a call is in a flow: plain data. It holds what callers typed
// into secret collect steps (Vars, named in Secrets); whoever shows it to
// people shows Masked.
type State struct {
	Tenant   string            `json:"tenant"`
	CallID   string            `json:"call_id"`
	From     string            `json:"from"`
	To       string            `json:"to"`
	Flow     string            `json:"flow"`
	Step     string            `json:"step"`
	Kind     flow.Kind         `json:"kind"` // of the step
	Phase    Phase             `json:"phase"`
	Language string            `json:"language"`
	Answered bool              `json:"answered"`
	Vars     map[string]string `json:"vars,omitempty"`
	Secrets  map[string]bool   `json:"secrets,omitempty"` // names in Vars

	LastID uint64 `json:"last_id"`         // of the plays, timers, queues and dials so far
	Wait   uint64 `json:"wait,omitempty"`  // the action whose end is awaited
	Timer  uint64 `json:"timer,omitempty"` // the timer that runs; 0 = none

	Typed     string    `json:"typed,omitempty"`     // keys not yet taken by a step
	Collected string    `json:"collected,omitempty"` // keys of the collect step so far
	Tries     int       `json:"tries,omitempty"`     // times asked again in this step
	Times     int       `json:"times,omitempty"`     // times a play step was heard
	Target    int       `json:"target,omitempty"`    // which of a dial's targets rings
	Key       byte      `json:"key,omitempty"`       // that leaves the queue
	Question  int       `json:"question,omitempty"`  // which of a survey's is asked
	Swallow   byte      `json:"swallow,omitempty"`   // a terminator that came too late
	SwallowBy time.Time `json:"swallow_by,omitzero"`

	AskUntil time.Time `json:"ask_until,omitzero"` // when the Do's time is over
	Hold     string    `json:"hold,omitempty"`     // prompt heard while a Do runs; "" = a tone
	HoldID   uint64    `json:"hold_id,omitempty"`  // of that sound; 0 = it does not play
	Stage    string    `json:"stage,omitempty"`    // of a step that has several; each kind its own words

	Take     string `json:"take,omitempty"`      // the message that was recorded and not kept yet
	TakePath string `json:"take_path,omitempty"` // its file
	TakeFor  string `json:"take_for,omitempty"`  // whom the next message is for, for message.kept

	Hops     int `json:"hops"`     // steps since the caller or another party did something
	Failures int `json:"failures"` // flows of this call that failed

	Stack     []Frame        `json:"stack,omitempty"`     // flows that wait for this one to return
	Turns     map[string]int `json:"turns,omitempty"`     // of loop steps under way
	Returning *Returning     `json:"returning,omitempty"` // a flow goes back to the one that called it

	Ear  uint64 `json:"ear,omitempty"`  // the stream of the recogniser that listens; 0 = none
	Deaf bool   `json:"deaf,omitempty"` // it is dead: keys alone

	Script   *Script `json:"script,omitempty"`    // what it does in place of its flow
	Verbs    string  `json:"verbs,omitempty"`     // that wait until the queue is left
	VerbsApp string  `json:"verbs_app,omitempty"` // whose they are

	// LastMessage is the file of the message that was kept last.
	LastMessage string `json:"last_message,omitempty"`

	// schedules, queue and apps are not state: see Bind.
	schedules map[string]*schedule.Schedule
	queue     func(name string) (QueueState, bool)
	zone      *time.Location
	apps      func(name string) (AppInfo, bool)
}

// Bind gives a state that was read back from JSON what in has of its tenant:
// schedules and queues. Start has done it for a fresh one.
func (s *State) Bind(in Input) {
	s.schedules, s.queue, s.apps, s.zone = in.Schedules, in.Queue, in.App, in.Zone
}

// Done tells whether the flow wants no more events.
func (s *State) Done() bool { return s.Phase == PhaseDone }

func (s *State) restore() {
	if s.Vars == nil {
		s.Vars = map[string]string{}
	}
	if s.Secrets == nil {
		s.Secrets = map[string]bool{}
	}
}

// Masked is a copy that may be shown and logged: secrets, and keys that may yet
// become one, are stars.
func (s *State) Masked() State {
	c := *s
	c.Vars = make(map[string]string, len(s.Vars))
	for k, v := range s.Vars {
		if s.Secrets[k] {
			v = "***"
		}
		c.Vars[k] = v
	}
	c.Stack = make([]Frame, len(s.Stack))
	for i, f := range s.Stack {
		masked := (&State{Vars: f.Vars, Secrets: f.Secrets}).Masked()
		f.Vars = masked.Vars
		c.Stack[i] = f
	}
	if len(c.Stack) == 0 {
		c.Stack = nil
	}
	if c.Typed != "" {
		c.Typed = "***"
	}
	if c.Collected != "" {
		c.Collected = "***"
	}
	return c
}

// Start puts a call into flow f. f must have come from flow.Parse.
func Start(now time.Time, f *flow.Flow, in Input) (*State, []Action) {
	s := &State{
		Tenant: in.Tenant, CallID: in.CallID, From: in.From, To: in.To,
		Language: in.Language, Answered: in.Answered,
		Vars: map[string]string{}, Secrets: map[string]bool{},
	}
	if p := in.Previous; p != nil {
		s.Answered = s.Answered || p.Answered
		s.Vars, s.Secrets = p.Vars, p.Secrets
		s.LastID, s.Typed, s.Hops, s.Failures = p.LastID, p.Typed, p.Hops, p.Failures
		s.Swallow, s.SwallowBy = p.Swallow, p.SwallowBy
		if p.Language != "" {
			s.Language = p.Language
		}
		s.restore()
	}
	var back *Returning
	if p := in.Previous; p != nil {
		s.Stack, back = p.Stack, p.Returning
	}
	s.Flow = f.Name
	if s.Language == "" {
		s.Language = f.Language
	}
	if s.Language == "" {
		s.Language = "en"
	}
	for k, v := range f.Variables {
		if back != nil {
			break // its own come back with it
		}
		if _, carried := s.Vars[k]; !carried {
			s.Vars[k] = v
		}
	}
	s.Bind(in)
	m := machine{f: f, base: f, s: s, now: now, out: make([]Action, 0, 6)}
	if back != nil && len(s.Stack) > 0 {
		m.returned(*back)
		return s, m.out
	}
	m.run(f.Start)
	return s, m.out
}

// Step tells the flow of an event and returns what to do. f must be the flow in
// which s is. An event that changes nothing gives a single Ignored.
func Step(now time.Time, f *flow.Flow, s *State, ev Event) []Action {
	m := machine{f: f, base: f, s: s, now: now, out: make([]Action, 0, 6)}
	if s.Script != nil {
		m.f = s.Script.flow()
	}
	if s.Phase == PhaseDone {
		m.ignore(ev, "the flow is over")
		return m.out
	}
	if s.Vars == nil || s.Secrets == nil { // JSON leaves empty maps out
		s.restore()
	}
	if step := m.f.Steps[s.Step]; s.Phase != PhaseSorry && (f.Name != s.Flow || step == nil || step.Kind != s.Kind) {
		// The flow was replaced under the call by one in which this step is gone
		// or does something else: nobody knows where the call would be in it.
		m.changed(ev)
		return m.out
	}
	switch v, ok := ev.(Verbs); {
	case ok:
		m.verbs(v)
	case !m.steered(ev):
		m.handle(ev)
	}
	return m.out
}
