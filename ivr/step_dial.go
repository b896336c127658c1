package ivr

import (
	"errors"
	"strconv"
	"strings"

	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) dialStep(step *flow.Step) string {
	b := step.Body.(*flow.Dial)
	m.s.Typed = ""
	if b.Ringback != "" {
		m.answer()
	}
	return m.dial(b)
}

func (m *machine) dialOver(_ *flow.Step, ev Event) {
	done, ok := ev.(DialDone)
	if !ok || !m.awaited(done.ID) || (m.s.Phase != PhaseDialling && m.s.Phase != PhaseTalking) {
		m.ignore(ev, "not dialling this")
		return
	}
	m.run(m.dialDone(done.Outcome))
}

func (m *machine) dialFailed(*flow.Step, Failed) { m.run(m.dialDone("failed")) }

// dial rings the next target, or all.
func (m *machine) dial(b *flow.Dial) string {
	from, to := m.s.Target, m.s.Target+1
	if b.AtOnce {
		from, to = 0, len(b.Targets)
	}
	if to > len(b.Targets) { // a shorter list than the call began with
		return m.outcome(m.f.Steps[m.s.Step], "failed")
	}
	targets := make([]string, 0, to-from)
	for _, t := range b.Targets[from:to] {
		if number, ok := strings.CutPrefix(t, "number:"); ok {
			digits, err := m.expand(number)
			if err == nil && !flow.Dialable(digits) {
				err = errors.New("target " + strconv.Quote(t) + " does not give a number that can be dialled")
			}
			if err != nil {
				return m.fail(err.Error())
			}
			t = "number:" + digits
		}
		targets = append(targets, t)
	}
	m.s.Phase, m.s.Wait = PhaseDialling, m.id()
	m.do(Dial{m.s.Wait, targets, b.Timeout, b.Ringback, m.s.Language})
	return ""
}

// dialDone goes on after a dial: with the next target, or the next step.
func (m *machine) dialDone(outcome string) string {
	step := m.f.Steps[m.s.Step]
	b := step.Body.(*flow.Dial)
	m.s.Wait = 0
	if outcome != "answered" && m.s.Phase == PhaseDialling && !b.AtOnce && m.s.Target+1 < len(b.Targets) {
		m.s.Target++
		return m.dial(b)
	}
	if m.s.Phase == PhaseTalking {
		outcome = "answered" // whatever ended the conversation
	}
	m.s.Hops = 0
	return m.outcome(step, outcome)
}
