package rehearsal

import (
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
)

// other notes actions that are neither heard nor waited for by name.
func (c *Call) other(a ivr.Action) {
	switch a := a.(type) {
	case ivr.Do:
		c.note("job", "%s", a.Job.Name())
	case ivr.Record:
		c.note("record", "the caller speaks")
	case ivr.Refer:
		c.dialed, c.asked = []string{"number:" + a.Number}, a.ID
		c.note("dial", "number:%s, by the caller's line", a.Number)
	case ivr.SurveyAnswer:
		c.note("answer", "%s = %s", a.Question, a.Value)
	case ivr.Callback:
		c.note("callback", "%s", a.Queue)
	case ivr.Voicemail:
		c.asked = a.ID
		c.note("voicemail", "%s", a.Box)
	}
}

// told ends what the flow has asked a machine or a service.
func (c *Call) told(id uint64, a flow.Answered) {
	switch {
	case c.state.Phase == ivr.PhaseRecording:
		c.message(id, a.Outcome)
	case c.state.Kind == flow.KindCallback:
		c.step(ivr.CallbackDone{ID: id, Outcome: a.Outcome})
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

// message is what the caller speaks into a record step: outcome "done" a sentence,
// "empty" nothing, "failed" a disk that takes it not.
func (c *Call) message(id uint64, outcome string) {
	c.step(ivr.RecordQuiet{ID: id})
	done := ivr.RecordDone{ID: id, Outcome: flow.OutcomeDone, Recording: "message", Path: "message", Duration: spoken, Voice: spoken}
	switch outcome {
	case "empty":
		done.Voice = 0
	case flow.OutcomeFailed:
		done.Outcome = flow.OutcomeFailed
	}
	c.step(done)
}

// spoken is how long a sentence takes that a test records.
const spoken = 5 * time.Second
