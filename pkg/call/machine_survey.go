package call

import (
	"strings"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/event"
)

// surveyAnswered is an answer by key or voice.
func (m *Machine) surveyAnswered(a ivr.SurveyAnswer) {
	m.journalAnswer(event.SurveyAnswered{Survey: a.Survey, Flow: m.S.Flow, Question: a.Question, QuestionKind: string(a.Kind), Value: a.Value})
}

// putIntoSurvey: a message is kept; when it is an answer, that is given now. So is what
// a caller said who hung up while speaking.
func (m *Machine) putIntoSurvey(g *Message) {
	what, ok := strings.CutPrefix(g.For, ivr.SurveyFor)
	if !ok {
		return
	}
	survey, question, _ := strings.Cut(what, "/")
	m.journalAnswer(event.SurveyAnswered{Survey: survey, Flow: g.Flow, Question: question, QuestionKind: string(flow.QuestionRecord), Recording: g.Recording})
}

func (m *Machine) journalAnswer(e event.SurveyAnswered) {
	e.Version, e.Queue, e.Agent = m.flowVersion(e.Flow), m.S.Ledger.Queue, m.S.Ledger.Agent
	m.journal(e)
}

// toSurvey sends a caller whose agent has hung up to the survey of the queue; false when
// there is none, or it was asked already.
func (m *Machine) toSurvey() bool {
	queue := m.S.Queue
	if queue == "" || m.S.Surveyed {
		return false
	}
	name := m.rules.QueueSurvey(queue)
	if name == "" || m.rules.Flow(name) == nil || m.flowGoesOn() {
		return false
	}
	m.S.Surveyed = true
	m.do(UnbridgeLegs{m.S.Kept, m.S.Peer})
	m.S.Peer = 0
	if m.S.IVR != nil {
		m.S.IVR.Stack = nil // the survey returns nowhere
	}
	m.startFlow(name)
	return true
}

// flowGoesOn: the step that gave the caller away says what follows the conversation.
func (m *Machine) flowGoesOn() bool {
	if m.S.IVR == nil {
		return false
	}
	f := m.rules.Flow(m.S.Flow)
	return m.S.IVR.Script != nil || f != nil && f.Steps[m.S.IVR.Step] != nil && f.Steps[m.S.IVR.Step].On["answered"] != ""
}
