package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
)

// bargePlay, bargeSay: a key ends the step. It stays typed, for what follows.
func bargePlay(step *flow.Step) bool { return step.Body.(*flow.Play).Interrupt }
func bargeSay(step *flow.Step) bool  { return step.Body.(*flow.Say).Interrupt }

func (m *machine) playAgain(step *flow.Step) string {
	if m.s.Times++; m.s.Times < step.Body.(*flow.Play).Times {
		return m.speak(step)
	}
	return step.Next
}

// sayFailed: a text that cannot be made has a way of its own.
func (m *machine) sayFailed(step *flow.Step, ev Failed) {
	next := step.On["failed"]
	if next == "" {
		m.fail(ev.Err)
		return
	}
	m.do(Fail{m.f.Name, m.s.Step, ev.Err})
	m.leave()
	m.run(next)
}

// speak does a play or say step.
func (m *machine) speak(step *flow.Step) string {
	var phrases []prompt.Phrase
	interrupt := false
	switch b := step.Body.(type) {
	case *flow.Play:
		interrupt = b.Interrupt
		for _, n := range b.Prompts {
			phrases = append(phrases, prompt.Phrase{Name: n})
		}
	case *flow.Say:
		interrupt = b.Interrupt
		var err error
		if phrases, err = m.phrases(b.Pieces, nil); err != nil {
			if next := step.On["failed"]; next != "" {
				m.do(Fail{m.f.Name, m.s.Step, err.Error()})
				return next
			}
			return m.fail(err.Error())
		}
	}
	if interrupt && m.s.Typed != "" {
		m.answer()
		return step.Next
	}
	if m.play(phrases) {
		return m.heard(step)
	}
	return ""
}
