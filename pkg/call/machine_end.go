package call

import (
	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// legGone: nothing more comes from a leg.
func (m *Machine) legGone(ev LegGone) {
	if !m.known(ev.Leg) {
		return
	}
	l := &m.S.Legs[ev.Leg]
	if l.State == LegEnded {
		return
	}
	was := l.State
	l.State = LegEnded
	if l.Reason == "" {
		l.Reason = ev.Reason
	}
	switch {
	case m.ending():
	case m.watching() && ev.Leg == m.S.Watch.Leg:
		m.unwatch("left")
	case m.watchRings(ev.Leg):
		m.watchLost()
	case m.briefing(ev.Leg):
		m.briefGone()
	case m.callingBack() && ev.Leg == m.S.Callback.Agent:
		m.agentLeft()
	case m.S.Phase == Talking && len(m.S.Others) > 0 && m.talks(ev.Leg):
		m.partyGone(ev.Leg)
	case ev.Leg == m.S.Kept:
		m.callerGone(ev, was)
	case ev.Leg == m.S.Peer && m.S.Phase == Talking:
		m.peerGone(ev)
	case m.inAttempt(ev.Leg):
		m.noteOffer(ev.Leg, event.ReasonUnreachable)
		m.noteFailure(event.ReasonUnreachable, 0, "")
		m.attemptOver()
	}
	if t := m.S.Transfer; t != nil && t.Late && ev.Leg == t.Referrer {
		m.parkerTold()
	}
	m.release(ev.Leg) // a referrer who hung up after its REFER is free
	m.maybeFinish()
}

// callerGone: the leg that the call is about has gone, so the call is over.
func (m *Machine) callerGone(ev LegGone, was LegState) {
	result, why := event.ResultCaller, event.ReasonNormal
	if ev.Leg != 0 && m.S.Callback == nil && m.S.Start == nil {
		result = event.ResultAgent // who was called
	}
	if t := m.S.Transfer; t != nil {
		m.S.Transfer = nil
		m.journal(event.TransferEnded{Transfer: t.Kind, Outcome: "left"})
	}
	if r := m.S.Referring; r != nil && r.Taken && ev.Remote {
		// Many lines hang up as soon as the new call is up, without a last word.
		m.referOver("done", 0)
		m.end(event.ResultSuccess, event.ReasonTransferred)
		return
	}
	switch {
	case !ev.Remote:
		result, why = event.ResultUpstream, ev.Reason
	case was < LegAnswered:
		why = event.ReasonCancelled
	case m.S.Phase == Menu && !m.S.Talked:
		why = event.ReasonLeftMenu
	case m.S.Phase == Waiting:
		why = event.ReasonAbandoned
	case m.S.Phase == Dialling:
		why = event.ReasonCancelled
	}
	m.end(result, why)
}

func (m *Machine) peerGone(ev LegGone) {
	m.endThird()
	m.dropWatch("party_left")
	m.cutAnnouncements()
	m.release(ev.Leg)
	m.stopRecording()
	if ev.Remote && m.toSurvey() {
		return
	}
	if ev.Remote && m.S.IVR != nil {
		// The flow may go on after the conversation: a survey, a menu again, a hang up.
		m.do(UnbridgeLegs{m.S.Kept, m.S.Peer})
		m.S.Peer = 0
		var over ivr.Event = ivr.DialDone{Outcome: "answered"}
		if m.S.FlowFor == dialForOffer {
			over = ivr.QueueLeft{Outcome: "answered"}
		}
		m.backToFlow(over, "", event.ResultAgent, event.ReasonNormal)
		return
	}
	if ev.Remote {
		m.end(event.ResultAgent, event.ReasonNormal)
	} else {
		m.end(event.ResultUpstream, ev.Reason)
	}
}

// legMeasured: the leg's stream is closed and counted.
func (m *Machine) legMeasured(ev LegMeasured) {
	if !m.known(ev.Leg) || m.S.Legs[ev.Leg].Measured {
		return
	}
	l := &m.S.Legs[ev.Leg]
	l.Measured = true
	if l.Reason == "" {
		l.Reason = event.ReasonNormal
	}
	m.journal(event.LegEnded{Leg: ev.Leg, Code: l.Code, Reason: l.Reason, Audio: ev.Audio})
	m.maybeFinish()
}

func (m *Machine) endLeg(leg int, why string) {
	l := &m.S.Legs[leg]
	if l.State >= LegEnding {
		return
	}
	l.State = LegEnding
	m.do(EndLeg{leg, why})
}

// setVerdict keeps the first verdict: what follows is its consequence.
func (m *Machine) setVerdict(r event.Result, why event.Reason) {
	if m.S.Verdict.Result == "" {
		m.S.Verdict.Result, m.S.Verdict.Reason = r, why
	}
}

// end stops the call in order: no new commands, agent and queue freed,
// recording closed, legs hung up. The rest follows in maybeFinish.
func (m *Machine) end(r event.Result, why event.Reason) {
	if m.ending() {
		return
	}
	m.endThird()
	m.endWatch("call_ended")
	m.cutAnnouncements()
	m.setVerdict(r, why)
	waiting := m.S.Phase == Waiting && m.S.Brief == nil
	m.endBrief("cut")
	m.S.Phase = Ending
	m.S.Ledger.enter(m.now, "")
	m.stopTimer(TimerMax)
	m.stopTimer(TimerRing)
	m.stopTimer(TimerJoin)
	m.stopTimer(TimerWatch)
	m.stopTimer(TimerResume)
	m.askStop()
	m.referOver("left", 0)
	m.leaveSlot()
	m.S.Joining = nil
	if t := m.S.Transfer; t != nil {
		m.S.Transfer = nil
		m.notify(t, 503)
		m.journal(event.TransferEnded{Transfer: t.Kind, Outcome: "failed", Reason: why})
	}
	if a := m.S.Attempt; a != nil {
		m.endAttempt("cancelled")
		for _, o := range a.Offers {
			m.tell(acd.OfferFailed{OfferID: o.OfferID, Cause: acd.CauseCallerLeft})
		}
	}
	if waiting && m.S.AwaitQueue {
		m.tell(acd.Leave{CallID: m.S.ID, Outcome: queueOutcome(m.S.Verdict)})
	} else {
		m.S.AwaitQueue = false
	}
	for i := len(m.S.Legs) - 1; i >= 0; i-- {
		m.release(i)
	}
	m.stopRecording()
	m.stopStreams("call over", anyStream)
	m.stopJob("call_over")
	m.tellAppOfEnd()
	m.endMessage()
	if m.caller().State < LegAnswered {
		code := m.S.Verdict.Code
		if code < 400 {
			code = statusOf(m.S.Verdict.Reason)
		}
		m.S.Verdict.Code = code
		m.caller().State, m.caller().Code = LegEnding, code
		m.do(RejectCaller{code, m.S.Verdict.Reason, m.S.Verdict.Word})
	} else {
		m.S.Verdict.Code = 0
	}
	for i := range m.S.Legs {
		m.endLeg(i, string(m.S.Verdict.Reason))
	}
	m.do(SetTimer{TimerEnding, endingBound})
	m.maybeFinish()
}

// occupy tells the ACD that a leg's agent is taken by this call.
func (m *Machine) occupy(leg int) {
	l := &m.S.Legs[leg]
	if l.Agent == "" || l.Busy != NotTold {
		return
	}
	l.Busy = BusyDirect
	if m.otherLegOf(leg) < 0 {
		m.tell(acd.Occupy{Agent: l.Agent, CallID: m.S.ID})
	}
}

// release tells the ACD that a leg's agent is done with this call, unless
// another leg of that agent goes on in it.
func (m *Machine) release(leg int) {
	l := &m.S.Legs[leg]
	was := l.Busy
	if was == NotTold {
		return
	}
	l.Busy = NotTold
	if other := m.otherLegOf(leg); other >= 0 {
		m.S.Legs[other].Busy = max(m.S.Legs[other].Busy, was)
		return
	}
	if was == BusyByQueue {
		m.tell(acd.CallEnded{Agent: l.Agent, CallID: m.S.ID})
	} else {
		m.tell(acd.Release{Agent: l.Agent, CallID: m.S.ID})
	}
}

// otherLegOf finds another leg of the same agent that the ACD was told about.
func (m *Machine) otherLegOf(leg int) int {
	for i := range m.S.Legs {
		if o := &m.S.Legs[i]; i != leg && o.Agent == m.S.Legs[leg].Agent && o.Busy != NotTold {
			return i
		}
	}
	return -1
}

func (m *Machine) maybeFinish() {
	if m.S.Phase != Ending || m.S.AwaitQueue || m.S.AwaitRecording || m.S.AwaitStreams > 0 || m.S.AwaitMessages > 0 {
		return
	}
	for i := range m.S.Legs {
		if l := &m.S.Legs[i]; l.State != LegEnded || !l.Measured {
			return
		}
	}
	m.finish()
}

func (m *Machine) finish() {
	if m.S.Phase != Ending {
		return
	}
	m.S.Phase = Ended
	m.stopTimer(TimerEnding)
	l, v := &m.S.Ledger, m.S.Verdict
	end := event.CallEnded{Result: v.Result, Reason: v.Reason, Code: v.Code, TotalMs: m.now.Sub(l.Started).Milliseconds(),
		TalkMs: l.TalkMs, MenuMs: l.MenuMs, WaitMs: l.WaitMs, HoldMs: l.HoldMs, Agent: l.Agent, Queue: l.Queue}
	if !l.Answered.IsZero() {
		end.SetupMs = l.Answered.Sub(l.Started).Milliseconds()
	}
	m.journal(end)
	m.do(Finish{})
}

func queueOutcome(v Verdict) string {
	if v.Result == event.ResultCaller {
		return acd.LeftAbandoned
	}
	if v.Reason == event.ReasonShutdown {
		return acd.LeftShutdown
	}
	return acd.LeftError
}

// statusOf is the SIP status for a caller who was never answered.
func statusOf(r event.Reason) int {
	switch r {
	case event.ReasonNormal, event.ReasonUnreachable, event.ReasonNoAnswer:
		return 480
	case event.ReasonBusy:
		return 486
	case event.ReasonRejected:
		return 603
	case event.ReasonNotFound:
		return 404
	case event.ReasonForbidden:
		return 403
	case event.ReasonNoCodec:
		return 488
	case event.ReasonOverload, event.ReasonShutdown:
		return 503
	case event.ReasonCancelled:
		return 487
	}
	return 500
}
