package call

import (
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// A conference that a phone makes by itself (RFC 4579). It dials the code of the
// house, is alone there at first, and then, as phones differ, refers either the
// conference to its other calls (REFER with Replaces in the conference's dialog,
// 5.5) or its other calls to the conference (REFER in their dialogs, 5.6). Both
// ways the partner's leg comes over from the other call, which ends.

// conference waits for the first party with music.
func (m *Machine) conference() {
	m.S.Conference = true
	m.speak([]prompt.Phrase{{Name: m.music()}}, true, 0)
}

// alone tells whether the phone that made the conference waits for the first party.
func (m *Machine) alone(leg int) bool {
	return m.S.Conference && m.S.Phase == Feature && leg == 0 && m.S.Verdict.Result == ""
}

// conferAsked brings in whom Leg's phone has in another call: into the conference that it
// has made, or where it is asked without REFER (the API), into any conversation.
func (m *Machine) conferAsked(ev ConferAsked) {
	asked := event.TransferAsked{Transfer: "third", By: ev.By, Leg: ev.Leg, To: ev.To, Code: ev.Refuse, OtherID: ev.Call}
	switch {
	case asked.Code != 0:
	case ev.Refer && !m.S.Conference || !m.talks(ev.Leg) && !m.alone(ev.Leg):
		asked.Code = 480
	case m.S.Attempt != nil || m.S.Joining != nil || len(m.talkers()) >= maxParties:
		asked.Code = 491
	default:
		asked.Code = 202
	}
	if m.known(ev.Leg) {
		asked.Device, asked.Agent = m.S.Legs[ev.Leg].Device, m.S.Legs[ev.Leg].Agent
	}
	m.journal(asked)
	m.do(AnswerTransfer{Leg: ev.Leg, Refer: ev.Refer, Code: asked.Code})
	if asked.Code != 202 {
		return
	}
	m.S.ThirdRefer = 0
	if ev.Refer {
		m.S.ThirdRefer = ev.Leg + 1
	}
	m.S.Joining = &Joining{Kind: joinConference, Call: ev.Call, Leg: ev.Leg}
	m.do(WantLeg{Call: ev.Call, PartnerOf: ev.SIPCallID})
	m.do(SetTimer{TimerJoin, joinBound})
}

// thirdJoins adds a leg that has answered: as a further party, or as the first one
// of a conference.
func (m *Machine) thirdJoins(leg int) {
	m.journal(event.TransferEnded{Transfer: "third", Outcome: "done"})
	m.tellThird(200)
	if m.S.Phase != Talking {
		m.connect(leg)
		return
	}
	m.S.Others = append(m.S.Others, leg)
	m.do(UnbridgeLegs{m.S.Kept, m.S.Peer})
	m.do(UntapLeg{m.S.Peer}) // its channel gets the mix of all but the kept leg
	m.converse()
}

func (m *Machine) thirdFailed(why event.Reason, code int) {
	m.journal(event.TransferEnded{Transfer: "third", Outcome: "failed", Reason: why, Code: code})
	if code < 300 {
		code = statusOf(why)
	}
	m.tellThird(code)
}

// tellThird ends the subscription of the REFER that asked for a further party.
func (m *Machine) tellThird(code int) {
	if leg := m.S.ThirdRefer - 1; leg >= 0 {
		m.S.ThirdRefer = 0
		m.do(NotifyTransfer{Leg: leg, Code: code})
	}
}

// toConference: Leg's phone refers its partner to the conference that it is in.
func (m *Machine) toConference(ev TransferAsked) {
	asked := event.TransferAsked{Transfer: "third", By: ev.By, Leg: ev.Leg, To: ev.To, Code: m.mayTransfer(ev.Leg, ev.Refuse)}
	if m.known(ev.Leg) {
		asked.Device, asked.Agent = m.S.Legs[ev.Leg].Device, m.S.Legs[ev.Leg].Agent
	}
	if asked.Code == 202 && m.S.Away > 0 {
		asked.Code = 491
	}
	m.journal(asked)
	m.do(AnswerTransfer{Leg: ev.Leg, Refer: ev.Refer, Code: asked.Code})
	if asked.Code != 202 {
		return
	}
	m.S.Away, m.S.AwayRefer = ev.Leg+1, ev.Refer
	m.do(AskConference{Leg: ev.Leg})
	m.do(SetTimer{TimerJoin, joinBound})
}

// wentAway tells the phone how it went; true: it had asked.
func (m *Machine) wentAway(code int) bool {
	leg := m.S.Away - 1
	if leg < 0 {
		return false
	}
	m.S.Away = 0
	ended := event.TransferEnded{Transfer: "third", Outcome: "done"}
	if code != 200 {
		ended.Outcome, ended.Reason, ended.Code = "failed", event.ReasonNotFound, code
	}
	m.journal(ended)
	if m.S.AwayRefer {
		m.do(NotifyTransfer{Leg: leg, Code: code})
	}
	return true
}

// isConference tells whether a target is the conference of the house.
func isConference(t route.Target) bool {
	return t.Kind == route.Feature && t.Feature == route.FeatureConference
}
