package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) menu(step *flow.Step) string {
	b := step.Body.(*flow.Menu)
	if !b.TypeAhead {
		m.s.Typed = ""
	}
	return m.ask(step, b.BargeIn, nil, b.Prompts)
}

func bargeMenu(step *flow.Step) bool { return step.Body.(*flow.Menu).BargeIn }

func (m *machine) menuHeard(step *flow.Step) string {
	if m.s.Typed != "" { // typed while a prompt without barge-in was heard
		return m.menuTyped(step)
	}
	m.wait(PhaseListening, step.Body.(*flow.Menu).Timeout)
	return ""
}

func (m *machine) menuElapsed(step *flow.Step) string {
	return m.menuAgain(step, step.Body.(*flow.Menu).NoInput)
}

func (m *machine) menuTyped(step *flow.Step) string {
	b := step.Body.(*flow.Menu)
	d := m.key(false)
	if next := b.Keys[d]; next != "" {
		if b.Into != "" {
			if err := m.keep(b.Into, string(d)); err != nil {
				return m.fail(err.Error())
			}
		}
		return next
	}
	m.s.Typed = "" // what follows a wrong key was meant for another menu
	return m.menuAgain(step, b.WrongKey)
}

// menuAgain asks once more after lead, or gives up after the retries.
func (m *machine) menuAgain(step *flow.Step, lead []flow.Piece) string {
	b := step.Body.(*flow.Menu)
	if m.s.Tries++; m.s.Tries > b.Retries {
		return step.Next
	}
	return m.ask(step, b.BargeIn, lead, b.Prompts)
}
