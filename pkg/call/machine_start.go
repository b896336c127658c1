package call

import (
	"maps"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/pkg/event"
)

// A call that the house starts by itself begins with nobody on leg 0, as that of a
// callback does: that leg has ended before it began. Who answers is the kept leg, and
// goes into the flow as a caller would.

// Starting is the call that was asked for.
type Starting struct {
	Flow      string
	Device    string // on whose behalf, "" the house's own
	CallerID  string // shown to who is called; "" = the trunk's
	Ring      time.Duration
	Targets   []string // "device:NAME", "trunk:NAME:NUMBER", to be taken in turn
	Variables map[string]string
	By        string // who asked
}

// started begins the call.
func (m *Machine) started() {
	s := &m.S
	s.Ledger.Started, s.Ledger.Since = m.now, m.now
	st := s.Start
	m.journal(event.CallStarted{Direction: s.Direction, From: st.CallerID, To: s.Dialled, Device: st.Device, Flow: st.Flow, By: st.By})
	m.do(SetTimer{TimerMax, s.MaxDuration})
	m.S.Flow = st.Flow
	m.dial(dialForStart, st.Targets, false, st.Ring, "")
}

// starting: nobody has answered yet.
func (m *Machine) starting() bool {
	return m.S.Start != nil && m.S.Phase == Dialling && m.S.DialFor == dialForStart
}

// startAnswered leads who has answered into the flow.
func (m *Machine) startAnswered(leg int) {
	m.S.Kept = leg
	m.S.Ledger.Answered = m.now
	m.journal(event.CallAnswered{})
	m.S.IVR = &ivr.State{Vars: maps.Clone(m.S.Start.Variables), Language: m.S.Language}
	m.startFlow(m.S.Start.Flow)
}
