package ivr

import "github.com/centrala/centrala/ivr/flow"

// PhaseCallback: the call asks the caller about being called back; keys are its.
const PhaseCallback Phase = "callback"

// Callback has the call ask the caller for a number and a queue call it back. It
// reports CallbackDone.
type Callback struct {
	ID       uint64
	Queue    string
	Priority int // added to the number's and the queue's own
	Language string
}

func (Callback) action() {}

// CallbackDone: the caller will be called back (Outcome "taken"), or will not, by the
// caller's own wish or because nobody may or can ("refused"). ID is that of the
// Callback action, 0 = the current one.
type CallbackDone struct {
	ID      uint64
	Outcome string
}

func (CallbackDone) event() string { return "callback_done" }

func (m *machine) callback(step *flow.Step) string {
	b := step.Body.(*flow.Callback)
	m.answer()
	m.s.Typed = ""
	m.s.Phase, m.s.Wait = PhaseCallback, m.id()
	m.do(Callback{ID: m.s.Wait, Queue: b.Queue, Priority: b.Priority, Language: m.s.Language})
	return ""
}

func (m *machine) callbackOver(step *flow.Step, ev Event) {
	done, ok := ev.(CallbackDone)
	if !ok || m.s.Phase != PhaseCallback || !m.awaited(done.ID) {
		m.ignore(ev, "no callback is asked about")
		return
	}
	m.s.Hops, m.s.Wait, m.s.Phase = 0, 0, ""
	if to := step.On[done.Outcome]; to != "" {
		m.run(to)
		return
	}
	m.run(step.Next)
}
