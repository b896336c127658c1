package call

import (
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/event"
)

// Job is what a flow has asked the world outside for.
type Job struct {
	ID         uint64 // of the flow's action
	Name       string
	Flow, Step string
	Since      time.Time
}

// startJob is the Do of a flow.
func (m *Machine) startJob(a ivr.Do) {
	m.S.Job = &Job{ID: a.ID, Name: a.Job.Name(), Flow: m.S.IVR.Flow, Step: m.S.IVR.Step, Since: m.now}
	m.appAsked(a.Job)
	m.do(RunJob{a.ID, a.Job, a.Timeout})
}

// stopJob gives the job up that is under way; why is "timeout", "left" or "call_over".
func (m *Machine) stopJob(why string) {
	if m.S.Job == nil {
		return
	}
	m.endJob(why, "")
	m.do(StopJob{})
}

func (m *Machine) endJob(outcome, fault string) {
	j := m.S.Job
	m.S.Job = nil
	m.journal(event.FlowJob{Flow: j.Flow, Step: j.Step, Job: j.Name, Outcome: outcome, Error: fault, TookMs: m.now.Sub(j.Since).Milliseconds()})
}

// jobDone is the end of a job. One that was given up is not heard any more.
func (m *Machine) jobDone(ev JobDone) {
	if m.S.Job == nil || m.S.Job.ID != ev.ID || m.ending() {
		return
	}
	m.endJob(ev.Outcome, ev.Err)
	if m.S.IVR != nil && m.S.Phase == Menu {
		m.flowEvent(ivr.Done{ID: ev.ID, Outcome: ev.Outcome, Values: ev.Values, Err: ev.Err})
	}
}

// jobResult is the counter's word (jobResults) for an outcome of the journal.
func jobResult(e event.FlowJob) string {
	switch {
	case e.Error == errNoJobs.Error() || e.Error == errJobsFull.Error():
		return "refused"
	case e.Outcome == flow.OutcomeTimeout:
		return "timeout"
	case e.Outcome == "left" || e.Outcome == "call_over":
		return "stopped"
	case e.Outcome == flow.OutcomeFailed || e.Error != "":
		return "failed"
	}
	return "done"
}
