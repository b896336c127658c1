package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
)

// ask speaks lead and prompts of a step that wants keys; keys typed ahead answer
// before anything is spoken. The row's typed and heard go on.
func (m *machine) ask(step *flow.Step, bargeIn bool, lead, prompts []flow.Piece) string {
	m.answer()
	if bargeIn && m.s.Typed != "" {
		return runningOf(step.Kind).typed(m, step)
	}
	phrases, err := m.phrases(lead, prompts)
	if err != nil {
		return m.fail(err.Error())
	}
	next := ""
	if m.play(phrases) {
		next = m.heard(step)
	}
	m.openEar(step)
	return next
}

// key takes the first key typed. The journal hears of it only now, when it is
// known whether it is a secret.
func (m *machine) key(secret bool) byte {
	d := m.s.Typed[0]
	m.s.Typed = m.s.Typed[1:]
	m.s.Hops = 0
	if secret {
		m.do(Keyed{'*', true})
	} else {
		m.do(Keyed{d, false})
	}
	return d
}

// pressed takes the one key that ends what runs in a step.
func (m *machine) pressed(ev Digit) {
	m.do(Keyed{Digit: ev.Digit})
	m.s.Hops = 0
	m.leave()
}
