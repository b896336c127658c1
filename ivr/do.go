package ivr

import (
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
)

// holdAfter is how long a caller hears nothing while a job is done.
const holdAfter = time.Second

// outside has a job done for at most timeout; done of the step's row goes on. The
// caller hears hold (a prompt, "" = a soft tone) from holdAfter on: never dead air.
// Keys pressed meanwhile are kept for the next step that asks.
func (m *machine) outside(job flow.Job, timeout time.Duration, hold string) string {
	m.s.Wait = m.id()
	m.s.AskUntil, m.s.Hold, m.s.HoldID = m.now.Add(timeout), hold, 0
	m.wait(PhaseAsking, min(timeout, holdAfter))
	m.do(Do{m.s.Wait, job, timeout})
	return ""
}

// askElapsed is the timer of a job: time for the sound of waiting, or time's up.
func (m *machine) askElapsed(step *flow.Step) string {
	left := m.s.AskUntil.Sub(m.now)
	if left <= 0 {
		ev := Done{ID: m.s.Wait, Outcome: flow.OutcomeTimeout}
		m.stopJob(flow.OutcomeTimeout)
		return m.jobDone(step, ev)
	}
	m.s.HoldID = m.id()
	switch {
	case !m.s.Answered:
		m.do(Ring{})
	case m.s.Hold != "":
		m.do(Play{ID: m.s.HoldID, Language: m.s.Language, Phrases: []prompt.Phrase{{Name: m.s.Hold}}, Loop: true})
	default:
		m.do(Tone{ID: m.s.HoldID, Kind: flow.ToneWait, D: left})
	}
	m.timer(left)
	return ""
}

// stopJob gives the job up.
func (m *machine) stopJob(outcome string) {
	m.stopTimer()
	m.do(StopDo{m.s.Wait, outcome})
	m.stopHold()
	m.s.Wait, m.s.Phase = 0, ""
}

// done is the end of a job.
func (m *machine) done(ev Done) {
	if m.s.Phase != PhaseAsking || ev.ID != m.s.Wait {
		m.ignore(ev, "not the job that is awaited")
		return
	}
	m.stopTimer()
	m.stopHold()
	m.s.Wait, m.s.Phase = 0, ""
	m.run(m.jobDone(m.f.Steps[m.s.Step], ev))
}

func (m *machine) jobDone(step *flow.Step, ev Done) string {
	if r := runningOf(step.Kind); r.done != nil {
		return r.done(m, step, ev)
	}
	return m.outcome(step, ev.Outcome)
}

// stopHold ends the sound of waiting.
func (m *machine) stopHold() {
	if m.s.HoldID != 0 && m.s.Answered {
		m.do(StopPlay{})
	}
	m.s.HoldID = 0
}
