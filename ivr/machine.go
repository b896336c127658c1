package ivr

import (
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
)

// machine is one Start or Step under way.
type machine struct {
	f    *flow.Flow // in which the steps are: base, or a script
	base *flow.Flow // in which the call is
	s    *State
	now  time.Time
	out  []Action
}

func (m *machine) do(a Action) { m.out = append(m.out, a) }

func (m *machine) ignore(ev Event, reason string) { m.do(Ignored{ev.event(), reason}) }

func (m *machine) id() uint64 {
	m.s.LastID++
	return m.s.LastID
}

// body is what the current step does; nil when the flow has it no more.
func (m *machine) body() flow.Body {
	if step := m.f.Steps[m.s.Step]; step != nil {
		return step.Body
	}
	return nil
}

// run enters steps until one waits or the flow is over.
func (m *machine) run(step string) {
	for step != "" {
		next := m.f.Steps[step]
		if next == nil { // Parse does not let this through
			m.fail(fmt.Sprintf("no step %q", step))
			return
		}
		m.closeEar()
		m.s.Step, m.s.Kind, m.s.Phase = step, next.Kind, ""
		m.s.Wait, m.s.Tries, m.s.Times, m.s.Target, m.s.Collected, m.s.Key, m.s.Stage, m.s.Question = 0, 0, 0, 0, "", 0, "", 0
		if next.Kind != flow.KindResult { // a note of a script, no step of anybody's
			m.do(EnterStep{m.f.Name, step, string(next.Kind)})
		}
		if m.s.Hops++; m.s.Hops > maxSteps {
			m.fail(fmt.Sprintf("%d steps without any input", maxSteps))
			return
		}
		step = runningOf(next.Kind).enter(m, next)
	}
}

func (m *machine) answer() {
	if !m.s.Answered {
		m.s.Answered = true
		m.do(Answer{})
	}
}

func (m *machine) hangup(cause string) {
	m.closeEar()
	m.stopTimer()
	m.do(Hangup{cause})
	m.do(Over{})
	m.s.Phase = PhaseDone
}

func (m *machine) timer(d time.Duration) {
	m.s.Timer = m.id()
	m.do(SetTimer{m.s.Timer, d})
}

func (m *machine) stopTimer() {
	if m.s.Timer != 0 {
		m.do(StopTimer{m.s.Timer})
		m.s.Timer = 0
	}
}

func (m *machine) wait(p Phase, d time.Duration) {
	m.s.Phase = p
	m.timer(d)
}

// play speaks phrases; an empty list counts as heard.
func (m *machine) play(phrases []prompt.Phrase) (empty bool) {
	if len(phrases) == 0 {
		return true
	}
	m.answer()
	m.s.Phase, m.s.Wait = PhaseSpeaking, m.id()
	m.do(Play{ID: m.s.Wait, Language: m.s.Language, Phrases: phrases})
	return false
}

// fail ends the flow with the sorry prompt. It returns "" so that enter can
// return it.
func (m *machine) fail(reason string) string {
	m.do(Fail{m.f.Name, m.s.Step, reason})
	m.closeEar()
	m.leave()
	m.s.Failures++
	m.s.Typed = ""
	if m.s.Failures > maxFailures {
		m.hangup("congestion")
		return ""
	}
	if m.fallback() {
		return ""
	}
	m.play([]prompt.Phrase{{Name: flow.Sorry}})
	m.s.Phase = PhaseSorry
	return ""
}

// leave takes back whatever the current phase has running.
func (m *machine) leave() {
	m.stopTimer()
	switch m.s.Phase {
	case PhaseSpeaking:
		m.do(StopPlay{})
	case PhaseTimed:
		if m.s.Kind != flow.KindPause && m.s.Answered {
			m.do(StopPlay{})
		}
	case PhaseEcho:
		m.do(StopEcho{})
	case PhaseStreaming:
		m.do(StopStream{m.s.Wait})
	case PhaseReferring:
		m.do(StopRefer{m.s.Wait})
	case PhaseAsking:
		m.stopJob("left")
	case PhaseRecording:
		m.do(StopRecord{m.s.Wait})
	}
	m.s.Wait = 0
	m.s.Phase = ""
}

func (m *machine) goDefault() {
	m.do(GoDefault{})
	m.do(Over{})
	m.s.Wait, m.s.Hops, m.s.Phase = 0, 0, PhaseDone
	m.s.Stack = nil // what comes instead returns nowhere
}

// changed is an event after the flow was replaced under the call. Who waits for
// an agent or talks goes on with that; the flow ends when its turn comes.
func (m *machine) changed(ev Event) {
	away := m.s.Phase == PhaseQueued || m.s.Phase == PhaseLeaving || m.s.Phase == PhaseDialling || m.s.Phase == PhaseTalking
	id, outcome := uint64(0), ""
	switch ev := ev.(type) {
	case TimerFired:
		if ev.ID == m.s.Timer {
			m.s.Timer = 0
		}
	case Connected:
		if away {
			m.handle(ev)
			return
		}
	case QueueLeft:
		id, outcome = ev.ID, ev.Outcome
	case DialDone:
		id, outcome = ev.ID, ev.Outcome
	case Failed:
		id, outcome = ev.ID, "failed"
	}
	switch {
	case away && (outcome == "" || !m.awaited(id)):
		m.ignore(ev, "the flow was changed and the caller is elsewhere")
	case away && (outcome == "answered" || m.s.Phase == PhaseTalking):
		m.hangup("normal")
	default:
		m.fail("the flow was changed under the call")
	}
}

// outcome takes the way of on, else next; after a conversation the call ends
// when no way is named.
func (m *machine) outcome(step *flow.Step, outcome string) string {
	next := step.On[outcome]
	switch {
	case next != "":
		return next
	case outcome == "answered":
		m.hangup("normal")
		return ""
	case step.Next != "":
		return step.Next
	}
	return m.fail(fmt.Sprintf("no way for the outcome %q", outcome))
}

// handle is one event in a step that waits.
func (m *machine) handle(ev Event) {
	step := m.f.Steps[m.s.Step]
	if step == nil { // only in PhaseSorry, when the flow has lost the step
		step = &flow.Step{}
	}
	switch ev := ev.(type) {
	case PlayDone:
		if ev.ID != m.s.Wait || (m.s.Phase != PhaseSpeaking && m.s.Phase != PhaseSorry) {
			m.ignore(ev, "not the play that is awaited")
			return
		}
		m.s.Wait = 0
		if m.s.Phase == PhaseSorry {
			m.goDefault()
			return
		}
		m.run(m.heard(step))
	case TimerFired:
		if ev.ID != m.s.Timer || m.s.Timer == 0 {
			m.ignore(ev, "not the timer that runs")
			return
		}
		m.s.Timer = 0
		m.run(m.elapsed(step))
	case Digit:
		m.digit(step, ev)
	case Connected:
		if (m.s.Phase != PhaseQueued && m.s.Phase != PhaseLeaving && m.s.Phase != PhaseDialling) || !m.awaited(ev.ID) {
			m.ignore(ev, "nobody was waited for")
			return
		}
		m.stopTimer()
		m.s.Answered = true // the call answers the caller with the called party
		m.s.Hops = 0
		m.s.Phase = PhaseTalking
		m.tellConnected()
	case Done:
		m.done(ev)
	case Failed:
		m.failed(step, ev)
	default:
		if r := runningOf(m.s.Kind); m.s.Phase != PhaseSorry && r.over != nil {
			r.over(m, step, ev)
			return
		}
		m.ignore(ev, "not what the step waits for")
	}
}

func (m *machine) awaited(id uint64) bool { return id == 0 || id == m.s.Wait }

// heard goes on after the prompts of a step.
func (m *machine) heard(step *flow.Step) string {
	if r := runningOf(step.Kind); r.heard != nil {
		return r.heard(m, step)
	}
	return step.Next
}

// elapsed goes on after the timer of a step.
func (m *machine) elapsed(step *flow.Step) string {
	if m.s.Phase == PhaseAsking {
		return m.askElapsed(step)
	}
	if r := runningOf(step.Kind); r.elapsed != nil {
		return r.elapsed(m, step)
	}
	m.leave()
	return step.Next
}

func (m *machine) failed(step *flow.Step, ev Failed) {
	r := runningOf(m.s.Kind)
	switch {
	case ev.ID != 0 && ev.ID == m.s.HoldID && m.s.Phase == PhaseAsking:
		// The sound of waiting is not there; the job goes on.
		m.do(Fail{m.f.Name, m.s.Step, ev.Err})
		m.do(Tone{ID: m.s.HoldID, Kind: flow.ToneWait, D: m.s.AskUntil.Sub(m.now)})
	case ev.ID != 0 && ev.ID != m.s.Wait:
		m.ignore(ev, "not what runs now")
	case m.s.Phase == PhaseSorry:
		m.goDefault()
	case r.failed != nil:
		r.failed(m, step, ev)
	default:
		m.fail(ev.Err)
	}
}

// digit is a key of the caller.
func (m *machine) digit(step *flow.Step, ev Digit) {
	if strings.IndexByte("0123456789*#ABCD", ev.Digit) < 0 {
		m.ignore(ev, "no key of a phone")
		return
	}
	swallow := m.s.Swallow
	m.s.Swallow = 0
	if swallow == ev.Digit && m.now.Before(m.s.SwallowBy) {
		m.ignore(ev, "ends an input that was full already")
		return
	}
	r := runningOf(m.s.Kind)
	switch {
	case m.s.Phase == PhaseTimed && step.Kind == flow.KindWait && ev.Digit == step.Body.(*flow.Wait).End:
		m.do(Keyed{Digit: ev.Digit})
		m.s.Hops = 0
		m.run(m.waitElapsed(step))
		return
	case m.s.Phase.keysDirect() && r.press != nil:
		r.press(m, step, ev)
		return
	case m.s.Phase.keysDirect(), m.s.Phase == PhaseLeaving, m.s.Phase == PhaseDialling, m.s.Phase == PhaseTalking, m.s.Phase == PhaseSorry:
		m.ignore(ev, "nothing listens now")
		return
	}
	if len(m.s.Typed) >= maxBuffer {
		m.ignore(ev, "too many keys typed ahead")
		return
	}
	m.s.Typed += string(ev.Digit)
	switch {
	case m.s.Phase == PhaseListening:
		m.stopTimer()
	case m.s.Phase == PhaseSpeaking && r.barge != nil && r.barge(step):
		m.leave()
	default:
		return // for a step that asks later
	}
	if r.typed == nil {
		m.run(step.Next)
		return
	}
	m.run(r.typed(m, step))
}
