// Package rehearsal plays flows without a call: on virtual time, with keys and answers
// that are given instead of a caller and the world. The tests of a flow and the
// command `centrala flow run` are made of it. It is pure, as package ivr is.
package rehearsal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/ivr/schedule"
)

// maxFlows bounds the gotos of one call, as pkg/call does.
const maxFlows = 50

// House is what a flow finds beside itself.
type House struct {
	// Flow returns another flow, nil when there is none.
	Flow      func(name string) *flow.Flow
	Schedules map[string]*schedule.Schedule
	Zone      *time.Location // of times without one; nil = UTC
	// App tells of an application; nil = there are none.
	App func(name string) (ivr.AppInfo, bool)
}

// Wait is what a played call waits for.
type Wait int

// What a call can wait for.
const (
	Over      Wait = iota // nothing: the call has ended
	Listener              // what is said is heard to the end, or a key
	Keys                  // a key, or the time-out
	Clock                 // time alone
	Agent                 // somebody of a queue
	Party                 // a party that is called
	Talk                  // the end of a conversation
	Elsewhere             // a machine, a service: whatever else the flow asked
)

// Note is one thing that happened, for people.
type Note struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // "step", "say", "key", "queue", "dial", "end" and others
	Text string    `json:"text"`
	// Phrases are what is spoken, in Language; of "say" alone.
	Phrases  []prompt.Phrase `json:"-"`
	Language string          `json:"language,omitempty"`
}

// Call is one call in flows. Its methods return what happened since the last.
type Call struct {
	house House
	in    ivr.Input
	flow  *flow.Flow
	state *ivr.State
	now   time.Time

	timers map[uint64]time.Time
	left   string   // outcome that a LeaveQueue awaits
	asked  uint64   // action whose end somebody else tells
	steps  []string // path so far
	said   []string
	dialed []string
	queued string
	cause  string
	failed string
	over   bool
	flows  int
	notes  []Note
}

// Start begins a call in flow f at a moment.
func Start(h House, f *flow.Flow, in ivr.Input, now time.Time) *Call {
	in.Schedules, in.Zone, in.App = h.Schedules, h.Zone, h.App
	c := &Call{house: h, in: in, now: now, timers: map[uint64]time.Time{}}
	c.begin(f)
	return c
}

func (c *Call) begin(f *flow.Flow) {
	if c.flows++; c.flows > maxFlows {
		c.fail(fmt.Sprintf("more than %d flows entered", maxFlows))
		return
	}
	c.flow = f
	in := c.in
	if c.state != nil {
		in.Previous = c.state
	}
	var actions []ivr.Action
	c.state, actions = ivr.Start(c.now, f, in)
	c.act(actions)
}

// Now is the call's virtual time.
func (c *Call) Now() time.Time { return c.now }

// State is where the call is in its flow.
func (c *Call) State() *ivr.State { return c.state }

// Step is the step at hand: its name, with the flow before it when the call has left
// the first one.
func (c *Call) Step() string {
	if len(c.steps) == 0 {
		return ""
	}
	return c.steps[len(c.steps)-1]
}

// Path is every step that the call has entered, in order.
func (c *Call) Path() []string { return append([]string{}, c.steps...) }

// Notes returns what happened since it was asked last.
func (c *Call) Notes() []Note {
	n := c.notes
	c.notes = nil
	return n
}

func (c *Call) note(what, format string, args ...any) {
	c.notes = append(c.notes, Note{At: c.now, What: what, Text: fmt.Sprintf(format, args...)})
}

func (c *Call) fail(why string) {
	c.failed, c.over = why, true
	c.note("fault", "%s", why)
}

func (c *Call) step(ev ivr.Event) {
	if !c.over {
		c.act(ivr.Step(c.now, c.flow, c.state, ev))
	}
}

func (c *Call) act(actions []ivr.Action) {
	for _, a := range actions {
		if c.over {
			return
		}
		switch a := a.(type) {
		case ivr.EnterStep:
			name := a.Step
			if c.flows > 1 || a.Flow != c.flow.Name {
				name = a.Flow + "/" + a.Step
			}
			c.steps = append(c.steps, name)
			c.note("step", "%s (%s)", name, a.Kind)
		case ivr.Answer:
			c.note("answer", "the call is answered")
		case ivr.Play:
			c.say(a.Phrases, a.Language)
		case ivr.Tone:
			c.note("tone", "%s %s", a.Kind, a.D)
		case ivr.Ring:
			c.note("ring", "the caller hears ringing")
		case ivr.SetTimer:
			c.timers[a.ID] = c.now.Add(a.D)
		case ivr.StopTimer:
			delete(c.timers, a.ID)
		case ivr.Keyed:
			c.note("key", "%c", a.Digit)
		case ivr.Queue:
			c.queued, c.asked = a.Queue, a.ID
			c.note("queue", "%s", a.Queue)
		case ivr.LeaveQueue:
			c.left = a.Outcome
		case ivr.Dial:
			c.dialed, c.asked = a.Targets, a.ID
			c.note("dial", "%s", strings.Join(a.Targets, ", "))
		case ivr.Stream:
			c.asked = a.ID
			c.note("stream", "%s", a.Spec.URL)
		case ivr.Fail:
			c.note("fault", "step %s: %s", a.Step, a.Err)
			c.failed = a.Err
		case ivr.CallFlow:
			f := c.house.Flow(a.Name)
			if f == nil {
				c.fail(fmt.Sprintf("no flow %q", a.Name))
				return
			}
			c.note("flow", "%s", a.Name)
			c.begin(f)
			return
		case ivr.GoDefault:
			c.over = true
			c.note("end", "the tenant's default target")
		case ivr.Hangup:
			c.cause, c.over = a.Cause, true
			c.note("end", "hangup %s", a.Cause)
		default:
			c.other(a)
		}
	}
}

// say notes what is spoken: texts in quotes, prompts by name.
func (c *Call) say(phrases []prompt.Phrase, lang string) {
	words := make([]string, len(phrases))
	for i, p := range phrases {
		if words[i] = p.Name; p.Text != "" {
			words[i] = strconv.Quote(p.Text)
		}
	}
	c.said = append(c.said, words...)
	c.notes = append(c.notes, Note{At: c.now, What: "say", Text: strings.Join(words, " "), Phrases: phrases, Language: lang})
}

// Waits tells what the call waits for.
func (c *Call) Waits() Wait {
	if c.over || c.state.Done() {
		return Over
	}
	switch c.state.Phase {
	case ivr.PhaseSpeaking, ivr.PhaseSorry:
		return Listener
	case ivr.PhaseListening:
		return Keys
	case ivr.PhaseTimed, ivr.PhaseEcho:
		return Clock
	case ivr.PhaseQueued, ivr.PhaseLeaving:
		return Agent
	case ivr.PhaseDialling, ivr.PhaseReferring:
		return Party
	case ivr.PhaseTalking:
		return Talk
	}
	return Elsewhere
}

// Heard: what is said was heard to the end.
func (c *Call) Heard() { c.step(ivr.PlayDone{ID: c.state.Wait}) }

// Press is a key of the caller.
func (c *Call) Press(key byte) {
	c.step(ivr.Digit{Digit: key})
	c.leave()
}

// Expire lets time go on to the next timer; false when none runs.
func (c *Call) Expire() bool {
	id := c.state.Timer
	at, ok := c.timers[id]
	if !ok || c.over {
		return false
	}
	delete(c.timers, id)
	if at.After(c.now) {
		c.now = at
	}
	c.step(ivr.TimerFired{ID: id})
	c.leave()
	return true
}

// Pass lets time go by and returns what is left until the next timer; negative when
// none runs.
func (c *Call) Pass(d time.Duration) time.Duration {
	c.now = c.now.Add(d)
	if at, ok := c.timers[c.state.Timer]; ok {
		return max(at.Sub(c.now), 0)
	}
	return -1
}

// leave carries a LeaveQueue out.
func (c *Call) leave() {
	if out := c.left; out != "" && !c.over {
		c.left = ""
		c.step(ivr.QueueLeft{ID: c.asked, Outcome: out})
	}
}

// Told is what became of the queue, the dial or whatever else the flow waits for.
func (c *Call) Told(a flow.Answered) {
	id := c.state.Wait
	switch c.Waits() {
	case Agent:
		if a.Outcome == "answered" {
			c.step(ivr.Connected{ID: id})
		}
		c.step(ivr.QueueLeft{ID: id, Outcome: a.Outcome})
	case Party:
		if c.state.Phase == ivr.PhaseReferring { // a test's line takes no transfers
			c.step(ivr.ReferDone{ID: id, Outcome: "refused"})
			id = c.state.Wait
		}
		if a.Outcome == "answered" {
			c.step(ivr.Connected{ID: id})
		}
		c.step(ivr.DialDone{ID: id, Outcome: a.Outcome})
	case Talk:
		if _, ok := c.flow.Steps[c.state.Step].Body.(*flow.Queue); ok {
			c.step(ivr.QueueLeft{ID: id, Outcome: "answered"})
		} else {
			c.step(ivr.DialDone{ID: id, Outcome: "answered"})
		}
	case Elsewhere:
		c.told(id, a)
	}
}

// End tells in words where the call is, or how it ended.
func (c *Call) End() string {
	switch {
	case c.cause != "":
		return "hung up: " + c.cause
	case c.failed != "":
		return "failed: " + c.failed
	case c.over:
		return "over"
	}
	switch c.Waits() {
	case Agent:
		return "waiting in the queue " + c.queued
	case Party:
		return "ringing " + strings.Join(c.dialed, ", ")
	case Talk:
		return "in a conversation"
	}
	return "waiting in step " + c.Step()
}
