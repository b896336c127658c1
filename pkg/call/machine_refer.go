package call

import (
	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/pkg/event"
)

// Referring is a transfer that a flow has asked of the caller's own line.
type Referring struct {
	ID     uint64 // the flow's action
	Number string
	Taken  bool // the line has said that it tries
}

// transferRefer is the kind of such a transfer in the journal.
const transferRefer = "refer"

// refer is the Refer of a flow: the caller hears ringing until it is known.
func (m *Machine) refer(a ivr.Refer) {
	m.handOn()
	m.S.Referring = &Referring{ID: a.ID, Number: a.Number}
	m.journal(event.TransferAsked{Transfer: transferRefer, By: "flow", Leg: m.S.Kept, To: a.Number, Code: 202})
	m.heard()
	m.ring()
	m.do(ReferLeg{Leg: m.S.Kept, Number: a.Number})
}

// referOver forgets the transfer with an outcome, and reports whether there was one.
func (m *Machine) referOver(outcome string, code int) bool {
	if m.S.Referring == nil {
		return false
	}
	m.S.Referring = nil
	m.journal(event.TransferEnded{Transfer: transferRefer, Outcome: outcome, Code: code})
	return true
}

// stopRefer: the flow goes on without.
func (m *Machine) stopRefer() {
	if m.referOver("given_up", 0) {
		m.do(StopPlay{m.S.Kept})
	}
}

// referTold is what the caller's line says of the transfer.
func (m *Machine) referTold(ev ReferTold) {
	r := m.S.Referring
	if r == nil || ev.Leg != m.S.Kept || m.ending() {
		return // given up meanwhile
	}
	switch {
	case ev.Code < 200:
		r.Taken = true
		return
	case ev.Code < 300:
		m.referOver("done", ev.Code)
		m.end(event.ResultSuccess, event.ReasonTransferred)
		return
	}
	m.referOver("failed", ev.Code)
	m.do(StopPlay{m.S.Kept})
	outcome := "refused"
	if !ev.Refused {
		outcome = referOutcome(ev.Code)
	}
	m.flowEvent(ivr.ReferDone{ID: r.ID, Outcome: outcome})
}

// referOutcome says in a flow's words why the line has not reached the number.
func referOutcome(code int) string {
	switch code {
	case 486, 600:
		return "busy"
	case 408, 480, 487:
		return "no_answer"
	}
	return "failed"
}
