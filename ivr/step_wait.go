package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
)

func (m *machine) waitStep(step *flow.Step) string {
	b := step.Body.(*flow.Wait)
	if b.Prompt != "" {
		m.answer()
		m.s.Wait = m.id()
		m.do(Play{ID: m.s.Wait, Language: m.s.Language, Phrases: []prompt.Phrase{{Name: b.Prompt}}, Loop: true})
	}
	m.wait(PhaseTimed, b.For)
	return ""
}

// waitElapsed: leave stops a sound where there is one.
func (m *machine) waitElapsed(step *flow.Step) string {
	m.endWait(step)
	return step.Next
}

func (m *machine) endWait(step *flow.Step) {
	m.stopTimer()
	if step.Body.(*flow.Wait).Prompt != "" {
		m.do(StopPlay{})
	}
	m.s.Wait, m.s.Phase = 0, ""
}
