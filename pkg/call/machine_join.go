package call

import (
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// A leg goes from one call to another in three messages between the two owners,
// none of which waits for the other: WantLeg (the call that goes on asks),
// LegGiven or LegNotGiven (the answer), and before them, when it is the leg
// itself that wants to move, AskJoin and JoinAsked. Each call decides alone and
// at once whether it may; two that want a leg of each other both refuse.

// Kinds of joining.
const (
	joinAttended    = "attended"
	joinPickUp      = "pickup"
	joinUnpark      = "unpark"
	joinConference  = "conference" // the partner whom a phone has in another call
	featureReplaces = "replaces"   // an INVITE with Replaces (RFC 3891)
)

// joinBound is how long a leg may take to come over; both owners are in this
// process, so it only guards against a call that died in between.
const joinBound = 3 * time.Second

// attendedAsked: the referrer's partner is to get the one whom the referrer has
// consulted in another call.
func (m *Machine) attendedAsked(ev AttendedAsked) {
	code := m.mayTransfer(ev.Leg, ev.Refuse)
	if m.beginTransfer(joinAttended, ev.Leg, ev.To, ev.By, ev.Call, ev.Refer, code) == nil {
		return
	}
	m.S.Joining = &Joining{Kind: joinAttended, Call: ev.Call}
	m.do(WantLeg{Call: ev.Call, PartnerOf: ev.SIPCallID, Early: ev.Early})
	m.do(SetTimer{TimerJoin, joinBound})
}

// joinAsked: another call's caller wants to be a party of this one.
func (m *Machine) joinAsked(ev JoinAsked) {
	ok := !m.ending() && m.S.Joining == nil && !m.nobodyYet()
	switch {
	case !ok:
	case ev.Kind == joinSupervise:
		ok = m.superviseJoin(&ev)
	case ev.Kind == joinUnpark:
		ok = m.S.Phase == Parked
	case ev.Kind == joinPickUp:
		ok = m.rings(func(l *Leg) bool { return l.Device == ev.Device })
	case m.talks(ev.Leg):
		ok = m.S.Transfer == nil && len(m.S.Others) == 0
	default:
		ok = m.inAttempt(ev.Leg) && m.rings(func(*Leg) bool { return true })
	}
	if !ok {
		m.do(RefuseJoin{ev.Call})
		return
	}
	m.S.Joining = &Joining{Kind: ev.Kind, Call: ev.Call, Leg: ev.Leg, Watch: ev.Watch}
	m.do(WantLeg{Call: ev.Call})
	m.do(SetTimer{TimerJoin, joinBound})
}

// rings tells whether a phone that fits rings for the kept leg.
func (m *Machine) rings(fits func(*Leg) bool) bool {
	if m.S.Attempt == nil || m.S.Phase != Waiting && m.S.Phase != Dialling {
		return false
	}
	for _, l := range m.S.Attempt.Legs {
		if m.S.Legs[l].State < LegAnswered && fits(&m.S.Legs[l]) {
			return true
		}
	}
	return false
}

// joinRefused: nobody to pick up.
func (m *Machine) joinRefused() {
	if m.wentAway(480) {
		m.stopTimer(TimerJoin)
		return
	}
	if m.S.Phase == Feature {
		m.stopTimer(TimerJoin)
		m.lastWords("not_available", event.ResultCaller, event.ReasonNotFound)
	}
}

func (m *Machine) joinTimeout() {
	if m.S.Joining != nil {
		m.legNotGiven(LegNotGiven{Call: m.S.Joining.Call})
		return
	}
	m.joinRefused()
}

// legWanted: another call wants a leg of ours. What is asked for must stand still.
func (m *Machine) legWanted(ev LegWanted) {
	leg := ev.Leg
	ok := m.known(leg) && m.S.Transfer == nil && m.S.Joining == nil && m.S.Attempt == nil && len(m.S.Others) == 0
	if ev.Partner {
		if ok = ok && m.talks(leg); ok {
			leg = m.S.Kept + m.S.Peer - leg
		}
	} else {
		ok = ok && m.S.Phase == Feature
	}
	if !ok && ev.Partner && m.consults(ev.Leg) {
		// Transferred while the consultation still rings, waits or is in a menu: the
		// other call goes there itself, and this one has no purpose any more.
		m.do(KeepLeg{ev.Call, m.S.Dialled})
		m.S.Verdict.Code = 487
		m.end(event.ResultSuccess, event.ReasonTransferred)
		return
	}
	if !ok || m.S.Legs[leg].State != LegAnswered {
		m.do(KeepLeg{Call: ev.Call})
		return
	}
	if ev.Partner {
		m.unwatch("transferred")
		m.do(UnbridgeLegs{m.S.Kept, m.S.Peer})
	}
	if ev.Partner && m.wentAway(200) {
		m.stopTimer(TimerJoin)
	}
	l := &m.S.Legs[leg]
	if l.Agent != "" {
		// On behalf of the other call, so that the agent is not idle for a moment.
		m.tell(acd.Occupy{Agent: l.Agent, CallID: ev.Call})
	}
	m.stopRecording()
	l.State, l.Measured, l.Reason = LegEnded, true, event.ReasonTransferred
	m.journal(event.LegTransferred{Leg: leg, ToCall: ev.Call})
	m.journal(event.LegEnded{Leg: leg, Reason: event.ReasonTransferred})
	m.do(GiveLeg{Leg: leg, Call: ev.Call})
	m.end(event.ResultSuccess, event.ReasonTransferred)
}

// consults tells whether leg is a caller who has reached nobody yet.
func (m *Machine) consults(leg int) bool {
	if leg != 0 || m.S.Kept != 0 || m.S.Transfer != nil || m.S.Joining != nil {
		return false
	}
	return m.S.Phase == Dialling || m.S.Phase == Waiting || m.S.Phase == Menu
}

// legGiven: the leg has come over. Where it cannot be used any more it is hung up.
func (m *Machine) legGiven(ev LegGiven) {
	n := len(m.S.Legs)
	m.S.Legs = append(m.S.Legs, Leg{State: LegAnswered, Device: ev.Leg.Device, Trunk: ev.Leg.Trunk, Number: ev.Leg.Number,
		Agent: ev.Leg.Agent, Held: ev.Held, Inbound: ev.Leg.Inbound})
	m.journal(event.LegStarted{Leg: n, Device: ev.Leg.Device, Trunk: ev.Leg.Trunk, Number: ev.Leg.Number, Agent: ev.Leg.Agent, SIPCallID: ev.Leg.SIPCallID, Inbound: ev.Leg.Inbound})
	m.journal(event.LegAnswered{Leg: n})
	m.journal(event.LegTransferred{Leg: n, FromCall: ev.Call})
	m.occupy(n)
	j := m.S.Joining
	if j == nil || j.Call != ev.Call || m.ending() {
		m.release(n)
		m.endLeg(n, "cancelled")
		return
	}
	m.S.Joining = nil
	m.stopTimer(TimerJoin)
	switch {
	case j.Kind == joinAttended && m.S.Transfer != nil, j.Kind == joinUnpark && m.S.Phase == Parked:
		m.connect(n)
	case j.Kind == joinConference && (m.talks(j.Leg) || m.alone(j.Leg)):
		if l := &m.S.Legs[j.Leg]; l.OnHold { // the partner who waited while the phone was in the other call
			l.OnHold = false
			m.journal(event.HoldAsked{Leg: j.Leg, By: joinConference})
		}
		m.thirdJoins(n)
	case j.Kind == joinSupervise && m.talks(j.Leg) && m.S.Watch == nil:
		m.watchJoins(n, j.Watch)
	case j.Kind == featureReplaces && m.talks(j.Leg):
		m.replace(j.Leg, n)
	case (j.Kind == joinPickUp || j.Kind == featureReplaces) && m.S.Attempt != nil && m.S.Phase != Talking:
		if len(m.S.Attempt.Offers) > 0 || m.S.Phase == Waiting {
			// The ACD takes an offer back; the agent who rang stays ready.
			m.tell(acd.Leave{CallID: m.S.ID, Outcome: acd.LeftAnswered})
		}
		m.endAttempt("answered elsewhere")
		m.connect(n)
	default: // answered, or gone, in the meantime
		m.release(n)
		m.endLeg(n, "answered elsewhere")
	}
}

// replace puts leg n in the place of one that talks.
func (m *Machine) replace(old, n int) {
	m.unwatch("transferred")
	m.do(UnbridgeLegs{m.S.Kept, m.S.Peer})
	m.do(UntapLeg{old})
	if old == m.S.Kept {
		m.S.Kept = m.S.Peer
		m.S.KeptRight = m.S.Recording != "" && !m.S.KeptRight
	}
	m.S.Peer = 0
	m.release(old)
	m.endLeg(old, "answered elsewhere")
	m.connect(n)
}

// legNotGiven: the other call cannot part with the leg, or is gone.
func (m *Machine) legNotGiven(ev LegNotGiven) {
	j := m.S.Joining
	if j == nil || j.Call != ev.Call {
		return
	}
	m.S.Joining = nil
	m.stopTimer(TimerJoin)
	if j.Kind == joinConference && !m.ending() {
		m.thirdFailed(event.ReasonNotFound, 480)
	}
	if j.Kind == joinAttended && m.S.Transfer != nil && !m.ending() {
		if ev.Instead.Kind != 0 && ev.Instead.Kind != route.Feature {
			m.goTo(ev.Instead)
			return
		}
		m.do(StopPlay{m.S.Kept})
		m.transferFailed(event.ReasonNotFound, 481)
	}
}
