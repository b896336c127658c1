package rehearsal

import (
	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
)

// other notes actions that are neither heard nor waited for by name.
func (c *Call) other(a ivr.Action) {
	switch a := a.(type) {
	case ivr.Do:
		c.note("job", "%s", a.Job.Name())
	case ivr.Voicemail:
		c.asked = a.ID
		c.note("voicemail", "%s", a.Box)
	}
}

// told ends what the flow has asked a machine or a service.
func (c *Call) told(id uint64, a flow.Answered) {
	switch {
	case c.state.Phase == ivr.PhaseMessaging:
		c.step(ivr.VoicemailDone{ID: id, Outcome: a.Outcome})
	case c.state.Phase != ivr.PhaseAsking:
		c.step(ivr.StreamDone{ID: id, Outcome: a.Outcome, Result: a.Values["result"]})
	case a.Outcome == flow.OutcomeTimeout:
		// The first timer of a job is for the sound of waiting.
		for c.state.Phase == ivr.PhaseAsking && c.state.Wait == id && c.Expire() {
		}
	default:
		c.step(ivr.Done{ID: id, Outcome: a.Outcome, Values: a.Values})
	}
}
