package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
)

// speechOf is how a step may be answered by voice; nil: by keys alone.
func (m *machine) speechOf(step *flow.Step) *flow.Speech {
	switch b := step.Body.(type) {
	case *flow.Menu:
		return b.Speech
	case *flow.Collect:
		return b.Speech
	case *flow.Survey:
		if q := m.questionAt(step); q != nil {
			return q.Speech
		}
	}
	return nil
}

// openEar lets the step's recogniser hear the caller while the step asks. It is the last
// action of the turn, as every Stream.
func (m *machine) openEar(step *flow.Step) {
	s := m.speechOf(step)
	if s == nil || m.s.Ear != 0 || m.s.Deaf || m.s.Phase != PhaseSpeaking && m.s.Phase != PhaseListening {
		return
	}
	m.s.Ear = m.id()
	m.do(Stream{m.s.Ear, s.Stream(), m.s.Language})
}

// closeEar ends it, when the step is left.
func (m *machine) closeEar() {
	if m.s.Ear != 0 {
		m.do(StopStream{m.s.Ear})
	}
	m.s.Ear, m.s.Deaf = 0, false
}

// earOver is what the recogniser understood. One that is dead leaves the keys.
func (m *machine) earOver(step *flow.Step, ev Event) {
	done, ok := ev.(StreamDone)
	s := m.speechOf(step)
	if !ok || s == nil || m.s.Ear == 0 || done.ID != m.s.Ear || m.s.Phase != PhaseSpeaking && m.s.Phase != PhaseListening {
		m.ignore(ev, "no voice is listened to")
		return
	}
	m.s.Ear = 0
	if done.Outcome != "ended" {
		m.s.Deaf = true
		m.ignore(ev, "the recogniser is dead: keys alone")
		return
	}
	h := flow.ParseHeard(done.Result)
	if h.Text == "" {
		m.openEar(step)
		return
	}
	if s.Into != "" {
		if err := m.keep(s.Into, h.Text[:min(len(h.Text), maxValue)]); err != nil {
			m.fail(err.Error())
			return
		}
	}
	m.leave()
	m.s.Typed, m.s.Hops = "", 0
	switch b := step.Body.(type) {
	case *flow.Menu:
		if key := s.Key(h, b.Keys); key != 0 && s.Sure(h) {
			m.s.Typed = string(key)
			m.run(m.menuTyped(step))
			return
		}
		m.run(m.menuAgain(step, b.WrongKey))
	case *flow.Collect:
		if digits := h.Digits(); digits != "" && s.Sure(h) {
			m.s.Collected = digits[:min(len(digits), b.Max)]
			m.run(m.complete(step, b))
			return
		}
		m.run(m.collectAgain(step, b.Invalid))
	case *flow.Survey:
		m.run(m.surveyHeardSaid(step, h))
	}
}
