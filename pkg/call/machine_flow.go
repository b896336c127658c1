package call

import (
	"fmt"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/pkg/event"
)

// startFlow begins a flow, the number's own or one that another flow goes to.
func (m *Machine) startFlow(name string) {
	f := m.rules.Flow(name)
	m.S.FlowPath = append(m.S.FlowPath, name)
	if f == nil || len(m.S.FlowPath) > maxFlowsPerCall {
		why := fmt.Sprintf("no flow %q", name)
		if f != nil {
			why = fmt.Sprintf("more than %d flows entered by one call", maxFlowsPerCall)
		}
		m.journal(event.FlowFailed{Flow: name, Error: why})
		m.goDefault()
		return
	}
	m.S.Phase, m.S.Flow, m.S.Queue = Menu, name, ""
	m.segment(event.SegmentStarted{Segment: event.SegmentMenu, Flow: name})
	in := m.rules.FlowInput(ivr.Input{CallID: m.S.ID, Tenant: m.S.Tenant, From: m.S.From, To: m.S.Dialled,
		Language: m.S.Language, Answered: m.answered(), Previous: m.S.IVR})
	st, actions := ivr.Start(m.now, f, in)
	m.S.IVR = st
	m.act(actions)
}

// flowEvent hands an event to the flow and carries its actions on.
func (m *Machine) flowEvent(ev ivr.Event) {
	f := m.rules.Flow(m.S.Flow)
	if f == nil || m.S.IVR == nil {
		m.goDefault()
		return
	}
	m.act(ivr.Step(m.now, f, m.S.IVR, ev))
}

// flowVersion is which version of a flow the call goes by: that of its beginning,
// whatever was published since.
func (m *Machine) flowVersion(name string) int {
	if f := m.rules.Flow(name); f != nil {
		return f.Version
	}
	return 0
}

// backToFlow returns from a queue or a dial step with its outcome. Without a
// flow the caller is told, once, and the call ends.
func (m *Machine) backToFlow(ev ivr.Event, otherwise string, r event.Result, why event.Reason) {
	if m.S.IVR == nil {
		m.lastWords(otherwise, r, why)
		return
	}
	m.S.Phase, m.S.Queue = Menu, ""
	m.flowEvent(ev)
}

// goDefault is the last resort of a failed flow: the tenant's default target
// once, then the end. The caller has heard the sorry prompt.
func (m *Machine) goDefault() {
	if m.toDefault() {
		return
	}
	if m.answered() {
		m.end(event.ResultOurs, event.ReasonFlowError)
		return
	}
	m.answer()
	m.lastWords("sorry", event.ResultOurs, event.ReasonFlowError)
}

// toDefault goes to the tenant's default target; false when there is none, or
// it was tried before.
func (m *Machine) toDefault() bool {
	t := m.rules.DefaultTarget()
	m.S.IVR = nil
	if t == "" || m.S.DefaultTo {
		return false
	}
	m.S.DefaultTo = true
	switch kind, name := splitTarget(t); kind {
	case "queue":
		m.enterQueue(name, m.S.Priority, wish{})
	case "flow":
		m.startFlow(name)
	case "device":
		m.dial(dialForRoute, []string{t}, false, defaultRing, "")
	case "voicemail":
		m.leaveMessage(name, 0)
	default:
		m.end(event.ResultOurs, event.ReasonFlowError)
	}
	return true
}

// heard opens the menu segment when a flow that was left for a queue or a
// conversation speaks again. A flow that only hangs up then opens none.
func (m *Machine) heard() {
	if m.S.Ledger.Segment != event.SegmentMenu {
		m.segment(event.SegmentStarted{Segment: event.SegmentMenu, Flow: m.S.Flow})
	}
}

func (m *Machine) act(actions []ivr.Action) {
	for _, a := range actions {
		if m.ending() {
			return
		}
		switch a := a.(type) {
		case ivr.Answer:
			m.answer()
		case ivr.Play:
			m.S.Language = a.Language
			m.heard()
			m.do(PlayPhrases{Leg: m.S.Kept, ID: a.ID, Phrases: a.Phrases, Language: a.Language, Loop: a.Loop})
		case ivr.StopPlay:
			m.do(StopPlay{m.S.Kept})
		case ivr.SetTimer:
			m.do(SetTimer{TimerFlow + TimerID(a.ID), a.D})
		case ivr.StopTimer:
			m.do(StopTimer{TimerFlow + TimerID(a.ID)})
		case ivr.EnterStep:
			m.journal(event.FlowStep{Flow: a.Flow, Step: a.Step, StepKind: a.Kind, Version: m.flowVersion(a.Flow)})
		case ivr.Keyed:
			d := string(rune(a.Digit))
			if a.Secret {
				d = "*"
			}
			m.journal(event.DigitPressed{Digit: d, Via: m.S.KeyVia})
		case ivr.Queue:
			m.S.Language, m.S.FlowFor = a.Language, dialForOffer
			m.handOn()
			m.enterQueue(a.Queue, m.S.Priority+a.Priority, wish{Skills: a.Skills, Need: a.Need, Agent: a.Agent, Patience: a.Patience, Music: a.Music})
		case ivr.Callback:
			m.S.Language = a.Language
			m.heard()
			m.ask(&Asking{Step: true, Queue: a.Queue, Priority: a.Priority})
		case ivr.LeaveQueue:
			m.leaveQueue(a.Outcome)
		case ivr.Dial:
			m.S.Language, m.S.FlowFor = a.Language, dialForFlow
			m.handOn()
			m.dial(dialForFlow, a.Targets, true, a.Timeout, a.Ringback)
		case ivr.Ring:
			m.ring()
		case ivr.Tone:
			m.heard()
			m.do(PlayClip{Leg: m.S.Kept, ID: a.ID, Clip: toneClip(a), Loop: true})
		case ivr.Echo:
			m.heard()
			m.do(EchoLeg{m.S.Kept, true})
		case ivr.StopEcho:
			m.do(EchoLeg{m.S.Kept, false})
		case ivr.Stream:
			m.streamStep(a)
		case ivr.StopStream:
			m.stopStreams("flow", func(k Stream) bool { return k.Action == a.ID })
		case ivr.Record:
			m.startMessage(a)
		case ivr.StopRecord:
			m.do(EndMessage{})
		case ivr.KeepMessage:
			m.decideMessage(a.Recording, true)
		case ivr.DropMessage:
			m.decideMessage(a.Recording, false)
		case ivr.Refer:
			m.S.FlowFor = dialForFlow
			m.refer(a)
		case ivr.StopRefer:
			m.stopRefer()
		case ivr.SurveyAnswer:
			m.surveyAnswered(a)
		case ivr.Do:
			m.startJob(a)
		case ivr.StopDo:
			m.stopJob(a.Outcome)
		case ivr.Tell:
			m.do(TellApp{App: a.App, Body: a.Body})
		case ivr.Voicemail:
			m.S.Language = a.Language
			m.leaveMessage(a.Box, a.ID)
		case ivr.CallFlow:
			m.startFlow(a.Name)
		case ivr.Fail:
			m.journal(event.FlowFailed{Flow: a.Flow, Step: a.Step, Error: a.Err})
		case ivr.GoDefault:
			m.goDefault()
		case ivr.Hangup:
			m.hangupStep(a)
		}
	}
}

// hangupStep ends the call as the flow says. A caller who was never answered
// gets the cause as a SIP status.
func (m *Machine) hangupStep(a ivr.Hangup) {
	code, why := 603, event.ReasonNormal
	switch a.Cause {
	case "busy":
		code, why = 486, event.ReasonBusy
	case "rejected":
		code, why = 603, event.ReasonRejected
	case "not_found":
		code, why = 404, event.ReasonNotFound
	case "unavailable":
		code, why = 480, event.ReasonUnreachable
	case "congestion":
		code, why = 503, event.ReasonOverload
	}
	m.S.Verdict.Code = code
	if m.S.Talked {
		// The conversation is over and nothing was to follow: the other side ended it.
		m.end(event.ResultAgent, event.ReasonNormal)
		return
	}
	m.end(event.ResultSuccess, why)
}

// ring lets the caller hear ringing: 180 before the answer, the tone after it.
func (m *Machine) ring() {
	switch m.kept().State {
	case LegCalling:
		m.caller().State = LegRinging
		m.do(RingCaller{})
	case LegAnswered:
		m.do(PlayClip{Leg: m.S.Kept, ID: m.nextPlay(), Clip: ringBack, Loop: true})
	}
}

// toneClip makes the sound of a tone step: a second that loops without a click
// at whole frequencies, or the cadence of the named tone (ITU-T E.180).
func toneClip(a ivr.Tone) *play.Clip {
	switch a.Kind {
	case "ringback":
		return ringBack
	case "busy":
		return busyTone
	case flow.ToneWait:
		return waitTone
	}
	hz := a.Hz
	if len(hz) == 0 {
		hz = []float64{425}
	}
	return play.Tone(time.Second, -10, hz...)
}
