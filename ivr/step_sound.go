package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) answerStep(step *flow.Step) string {
	m.answer()
	return step.Next
}

func (m *machine) ring(step *flow.Step) string {
	m.do(Ring{})
	m.wait(PhaseTimed, step.Body.(*flow.Ring).For)
	return ""
}

func (m *machine) tone(step *flow.Step) string {
	b := step.Body.(*flow.Tone)
	m.answer()
	m.s.Wait = m.id()
	m.do(Tone{m.s.Wait, b.Tone, b.Hz, b.For})
	m.wait(PhaseTimed, b.For)
	return ""
}

func (m *machine) pause(step *flow.Step) string {
	m.wait(PhaseTimed, step.Body.(*flow.Pause).For)
	return ""
}

func (m *machine) echo(step *flow.Step) string {
	m.answer()
	m.s.Typed = ""
	m.do(Echo{})
	m.wait(PhaseEcho, step.Body.(*flow.Echo).For)
	return ""
}

func (m *machine) echoKey(step *flow.Step, ev Digit) {
	if ev.Digit != step.Body.(*flow.Echo).End {
		m.ignore(ev, "not the key that ends the echo")
		return
	}
	m.pressed(ev)
	m.run(step.Next)
}
