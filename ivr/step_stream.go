package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) stream(step *flow.Step) string {
	b := step.Body.(*flow.Stream)
	m.answer()
	if !b.Wait {
		m.do(Stream{m.id(), b, m.s.Language})
		return step.Next
	}
	m.s.Typed = ""
	m.s.Wait = m.id()
	m.wait(PhaseStreaming, b.For)
	m.do(Stream{m.s.Wait, b, m.s.Language})
	return ""
}

func (m *machine) streamKey(step *flow.Step, ev Digit) {
	if end := step.Body.(*flow.Stream).End; end == 0 || ev.Digit != end {
		m.ignore(ev, "the machine's key") // which the call has told it
		return
	}
	m.pressed(ev)
	m.run(step.Next)
}

func (m *machine) streamElapsed(step *flow.Step) string {
	m.leave()
	if to := step.On["timeout"]; to != "" {
		return to
	}
	return step.Next
}

func (m *machine) streamOver(step *flow.Step, ev Event) {
	done, ok := ev.(StreamDone)
	if !ok || m.s.Phase != PhaseStreaming || done.ID != m.s.Wait {
		m.ignore(ev, "not the stream that is awaited")
		return
	}
	m.stopTimer()
	m.s.Wait, m.s.Phase = 0, ""
	if into := step.Body.(*flow.Stream).Into; into != "" {
		if err := m.keep(into, done.Result[:min(len(done.Result), maxValue)]); err != nil {
			m.fail(err.Error())
			return
		}
	}
	if to := step.On["failed"]; done.Outcome != "ended" && to != "" {
		m.run(to)
		return
	}
	m.run(step.Next)
}
