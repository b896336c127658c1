package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) queue(step *flow.Step) string {
	b := step.Body.(*flow.Queue)
	wanted, err := m.expand(b.Agent)
	if err != nil {
		return m.fail(err.Error())
	}
	m.answer()
	m.s.Typed = "" // keys pressed from now on are for the queue
	m.s.Phase, m.s.Wait = PhaseQueued, m.id()
	m.do(Queue{ID: m.s.Wait, Queue: b.Queue, Priority: b.Priority, Skills: b.Skills, Music: b.Music, Language: m.s.Language,
		Need: b.Need, Agent: wanted, Patience: b.Patience})
	if b.Timeout > 0 {
		m.timer(b.Timeout)
	}
	return ""
}

func (m *machine) queueElapsed(*flow.Step) string {
	m.s.Phase = PhaseLeaving
	m.do(LeaveQueue{m.s.Wait, "timeout"})
	return ""
}

func (m *machine) queueKey(step *flow.Step, ev Digit) {
	if step.Body.(*flow.Queue).Keys[ev.Digit] == "" {
		m.ignore(ev, "no key of this queue")
		return
	}
	m.do(Keyed{Digit: ev.Digit})
	m.stopTimer()
	m.s.Hops = 0
	m.s.Key, m.s.Phase = ev.Digit, PhaseLeaving
	m.do(LeaveQueue{m.s.Wait, "key"})
}

func (m *machine) queueOver(step *flow.Step, ev Event) {
	left, ok := ev.(QueueLeft)
	if !ok || !m.awaited(left.ID) || (m.s.Phase != PhaseQueued && m.s.Phase != PhaseLeaving && m.s.Phase != PhaseTalking) {
		m.ignore(ev, "not in this queue")
		return
	}
	m.run(m.queueLeft(step, left.Outcome))
}

func (m *machine) queueFailed(step *flow.Step, ev Failed) {
	m.do(Fail{m.f.Name, m.s.Step, ev.Err})
	m.run(m.queueLeft(step, "error"))
}

// queueLeft goes on after the queue.
func (m *machine) queueLeft(step *flow.Step, outcome string) string {
	m.stopTimer()
	m.s.Hops = 0
	m.s.Wait = 0
	if outcome == "key" {
		if next := step.Body.(*flow.Queue).Keys[m.s.Key]; next != "" {
			return next
		}
		outcome = "error" // nobody pressed a key of ours
	}
	if outcome == "overflow" && step.On[outcome] == "" {
		outcome = "full"
	}
	return m.outcome(step, outcome)
}
