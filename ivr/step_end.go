package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) goTo(step *flow.Step) string {
	m.do(CallFlow{step.Body.(*flow.Goto).Flow})
	m.s.Phase = PhaseDone
	return ""
}

func (m *machine) hangupStep(step *flow.Step) string {
	m.hangup(step.Body.(*flow.Hangup).Cause)
	return ""
}
