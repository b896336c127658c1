package ivr

import "github.com/centrala/centrala/ivr/flow"

// Voicemail lets the caller leave a message in a box; meanwhile keys are for that. The
// call reports VoicemailDone{ID} when the caller is still there behind it.
type Voicemail struct {
	ID       uint64
	Box      string
	Language string
}

// VoicemailDone: the caller has left a message, or not. Outcome is "left", "empty"
// (too little was said), "full" (the box is) or "failed".
type VoicemailDone struct {
	ID      uint64
	Outcome string
}

func (Voicemail) action()           {}
func (VoicemailDone) event() string { return "voicemail_done" }

// PhaseMessaging: the caller leaves a message.
const PhaseMessaging Phase = "messaging"

func (m *machine) voicemail(step *flow.Step) string {
	m.answer()
	m.s.Typed = ""
	m.s.Phase, m.s.Wait = PhaseMessaging, m.id()
	m.do(Voicemail{m.s.Wait, step.Body.(*flow.Voicemail).Box, m.s.Language})
	return ""
}

func (m *machine) voicemailOver(step *flow.Step, ev Event) {
	done, ok := ev.(VoicemailDone)
	if !ok || m.s.Phase != PhaseMessaging || done.ID != m.s.Wait {
		m.ignore(ev, "not the message that is awaited")
		return
	}
	m.s.Wait, m.s.Phase, m.s.Hops = 0, "", 0
	m.run(m.outcome(step, done.Outcome))
}
