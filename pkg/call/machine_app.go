package call

import (
	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/event"
)

// verbsAsked is somebody outside who wants the call to do something else: an
// application that leads it, or the API. In a menu and while it waits for an agent; the
// API also in a conversation.
func (m *Machine) verbsAsked(ev VerbsAsked) {
	if m.S.Phase == Talking && ev.App == "" && !m.ending() {
		m.do(AnswerTransfer{Code: m.verbsInTalk(ev)})
		return
	}
	code := 409
	if s := m.S.IVR; s != nil && !m.ending() && (m.S.Phase == Menu || m.S.Phase == Waiting && m.S.Brief == nil) && s.Steerable() &&
		(ev.App == "" || s.Script != nil && s.Script.App == ev.App) {
		code = 202
		m.journal(event.FlowVerbs{App: ev.App, By: ev.By, Verbs: ev.Count})
		m.flowEvent(ivr.Verbs{App: ev.App, Verbs: ev.Verbs})
	}
	m.do(AnswerTransfer{Code: code})
}

// appAsked remembers which application leads the call: it is told of the end.
func (m *Machine) appAsked(job flow.Job) {
	if a, ok := job.(*flow.AskApp); ok {
		m.S.App = a.App
	}
}

// tellAppOfEnd tells the application that led the call last how it ended.
func (m *Machine) tellAppOfEnd() {
	if m.S.App == "" {
		return
	}
	s := m.S.IVR
	if s == nil {
		s = &ivr.State{CallID: m.S.ID, Tenant: m.S.Tenant, From: m.S.From, To: m.S.Dialled, Language: m.S.Language, Answered: m.answered()}
	}
	m.do(TellApp{App: m.S.App, Body: s.Ended(m.S.App, string(m.S.Verdict.Result)+"/"+string(m.S.Verdict.Reason)), Over: true})
	m.S.App = ""
}
