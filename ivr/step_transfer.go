package ivr

import (
	"errors"
	"strconv"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

// PhaseReferring: the caller's line was asked to take the caller elsewhere.
const PhaseReferring Phase = "referring"

// Refer asks the caller's line to call Number instead of us. The call ends when it has
// done so; else it reports ReferDone{ID}. Timeout is the flow's own, for the journal.
type Refer struct {
	ID      uint64
	Number  string
	Timeout time.Duration
}

// StopRefer gives a Refer up. No ReferDone is awaited after it.
type StopRefer struct{ ID uint64 }

func (Refer) action()     {}
func (StopRefer) action() {}

// ReferDone: a Refer has come to nothing. Outcome is "refused" (the line takes no
// transfers, or not there), "busy", "no_answer" or "failed".
type ReferDone struct {
	ID      uint64
	Outcome string
}

func (ReferDone) event() string { return "refer_done" }

// referRefused is the outcome after which the number is dialled.
const referRefused = "refused"

func (m *machine) transfer(step *flow.Step) string {
	b := step.Body.(*flow.Transfer)
	number, err := m.transferNumber(b)
	if err != nil {
		return m.fail(err.Error())
	}
	m.answer()
	m.s.Typed = ""
	m.s.Wait = m.id()
	m.wait(PhaseReferring, b.Timeout)
	m.do(Refer{m.s.Wait, number, b.Timeout})
	return ""
}

func (m *machine) transferNumber(b *flow.Transfer) (string, error) {
	number, err := m.expand(b.To)
	if err == nil && !flow.Dialable(number) {
		err = errors.New("target " + strconv.Quote(b.To) + " does not give a number that can be dialled")
	}
	return number, err
}

func (m *machine) transferElapsed(step *flow.Step) string {
	m.leave() // taken, and nothing more was heard
	return m.outcome(step, "no_answer")
}

func (m *machine) transferOver(step *flow.Step, ev Event) {
	switch ev := ev.(type) {
	case ReferDone:
		if m.s.Phase != PhaseReferring || !m.awaited(ev.ID) {
			break
		}
		m.stopTimer()
		m.s.Wait, m.s.Phase, m.s.Hops = 0, "", 0
		m.run(m.referDone(step, ev.Outcome))
		return
	case DialDone:
		if !m.awaited(ev.ID) || m.s.Phase != PhaseDialling && m.s.Phase != PhaseTalking {
			break
		}
		if m.s.Phase == PhaseTalking {
			ev.Outcome = "answered" // whatever ended the conversation
		}
		m.s.Wait, m.s.Hops = 0, 0
		m.run(m.outcome(step, ev.Outcome))
		return
	}
	m.ignore(ev, "no transfer is awaited")
}

// referDone goes on when the line has not taken the caller: by dialling, or by the way
// of on.
func (m *machine) referDone(step *flow.Step, outcome string) string {
	b := step.Body.(*flow.Transfer)
	if outcome != referRefused {
		return m.outcome(step, outcome)
	}
	if !b.Bridge {
		return m.outcome(step, "failed")
	}
	number, err := m.transferNumber(b)
	if err != nil {
		return m.fail(err.Error())
	}
	m.s.Phase, m.s.Wait = PhaseDialling, m.id()
	m.do(Dial{ID: m.s.Wait, Targets: []string{"number:" + number}, Timeout: b.Timeout, Language: m.s.Language})
	return ""
}

func (m *machine) transferFailed(step *flow.Step, _ Failed) {
	m.leave()
	m.run(m.outcome(step, "failed"))
}
