package ivr

import (
	"strconv"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

// SurveyAnswer is an answer of a survey by keys or voice, for the journal. One that was
// recorded is a Record For SurveyFor, which is the answer once it is kept.
type SurveyAnswer struct {
	Survey, Question string
	Kind             flow.QuestionKind
	Value            string
}

func (SurveyAnswer) action() {}

// SurveyFor begins Record.For when a message is an answer; the survey's name, a slash
// and the question's follow.
const SurveyFor = "survey:"

// surveyTen: the key 1 was pressed, which a 0 would make ten. Further stages are those
// of a message (takeBeep and so on).
const (
	surveyTen = "ten"
	tenWait   = 1500 * time.Millisecond // for the 0
)

func (m *machine) survey(step *flow.Step) string { return m.question(step, nil) }

// questionAt is the question at hand; nil: all were asked.
func (m *machine) questionAt(step *flow.Step) *flow.Question {
	b := step.Body.(*flow.Survey)
	if m.s.Question >= len(b.Questions) {
		return nil
	}
	return &b.Questions[m.s.Question]
}

// question asks the question at hand, after lead.
func (m *machine) question(step *flow.Step, lead []flow.Piece) string {
	q := m.questionAt(step)
	if q == nil {
		return step.Next
	}
	m.s.Stage = ""
	if q.Kind == flow.QuestionRecord {
		m.s.Typed = "" // a key ends the recording: none of before
	}
	return m.ask(step, true, lead, q.Prompts)
}

// nextQuestion goes on to the question behind.
func (m *machine) nextQuestion(step *flow.Step) string {
	m.closeEar()
	m.s.Question++
	m.s.Tries, m.s.Stage = 0, ""
	return m.question(step, nil)
}

func bargeSurvey(*flow.Step) bool { return true }

func (m *machine) surveyHeard(step *flow.Step) string {
	q := m.questionAt(step)
	switch {
	case q == nil: // the flow has fewer than the call began with
		return step.Next
	case q.Kind == flow.QuestionRecord:
		return m.surveyBeep(step, q)
	case m.s.Typed != "":
		return m.surveyTyped(step)
	}
	m.wait(PhaseListening, q.Timeout)
	return ""
}

func (m *machine) surveyTyped(step *flow.Step) string {
	q := m.questionAt(step)
	switch {
	case q == nil:
		return step.Next
	case m.s.Stage == surveyTen && m.s.Typed[0] == '0':
		m.key(false)
		return m.surveyAnswer(step, q, strconv.Itoa(10))
	case m.s.Stage == surveyTen: // of the next question
		return m.surveyAnswer(step, q, "1")
	}
	key := m.key(false)
	switch value, ok := q.Answer(key); {
	case q.Optional && key == '*':
		return m.nextQuestion(step)
	case q.Kind == flow.QuestionRecord: // a key in the greeting: go on to the beep
		return m.surveyBeep(step, q)
	case !ok:
		m.s.Typed = "" // what follows a wrong key was meant for another question
		return m.surveyAgain(step, q, q.Invalid)
	case q.Ten() && key == '1':
		m.s.Stage = surveyTen
		if m.s.Typed != "" {
			return m.surveyTyped(step)
		}
		m.wait(PhaseListening, tenWait)
		return ""
	default:
		return m.surveyAnswer(step, q, value)
	}
}

// surveyAnswer keeps an answer and goes on.
func (m *machine) surveyAnswer(step *flow.Step, q *flow.Question, value string) string {
	if err := m.keep(q.Name, value); err != nil {
		return m.fail(err.Error())
	}
	m.do(SurveyAnswer{Survey: step.Body.(*flow.Survey).Of(m.f.Name), Question: q.Name, Kind: q.Kind, Value: value})
	return m.nextQuestion(step)
}

// surveyAgain asks once more after lead, or goes on without an answer.
func (m *machine) surveyAgain(step *flow.Step, q *flow.Question, lead []flow.Piece) string {
	if m.s.Tries++; m.s.Tries <= q.Retries {
		return m.question(step, lead)
	}
	if q.Optional {
		return m.nextQuestion(step)
	}
	if to := step.On["unanswered"]; to != "" {
		return to
	}
	return step.Next
}

func (m *machine) surveyElapsed(step *flow.Step) string {
	q := m.questionAt(step)
	if q == nil {
		m.leave()
		return step.Next
	}
	switch m.s.Stage {
	case surveyTen:
		return m.surveyAnswer(step, q, "1")
	case takeBeep:
		m.leave()
		return m.surveyTake(step, q, func() string { return m.take(&q.Message) })
	case takeRecord:
		m.takeOver()
		return ""
	case takeClosing:
		m.leave()
		return m.surveyNotTaken(step, "the message's file is not closed in time")
	}
	return m.surveyAgain(step, q, q.NoInput)
}

// surveyHeardSaid takes what a recogniser understood.
func (m *machine) surveyHeardSaid(step *flow.Step, h flow.Heard) string {
	q := m.questionAt(step)
	if q == nil {
		return step.Next
	}
	if value, ok := q.Said(h); ok {
		return m.surveyAnswer(step, q, value)
	}
	return m.surveyAgain(step, q, q.Invalid)
}

func (m *machine) surveyBeep(step *flow.Step, q *flow.Question) string {
	return m.surveyTake(step, q, func() string { return m.beep(&q.Message) })
}

// surveyTake does do, by which a message may begin: it is the question's answer.
func (m *machine) surveyTake(step *flow.Step, q *flow.Question, do func() string) string {
	m.s.TakeFor = SurveyFor + step.Body.(*flow.Survey).Of(m.f.Name) + "/" + q.Name
	next := do()
	m.s.TakeFor = ""
	return next
}

// surveyKey is a key while the caller speaks.
func (m *machine) surveyKey(step *flow.Step, ev Digit) {
	q := m.questionAt(step)
	if q == nil || m.s.Stage != takeRecord || q.End != 0 && ev.Digit != q.End {
		m.ignore(ev, "not the key that ends the message")
		return
	}
	m.do(Keyed{Digit: ev.Digit})
	m.s.Hops = 0
	m.takeOver()
}

func (m *machine) surveyOver(step *flow.Step, ev Event) {
	q := m.questionAt(step)
	switch ev := ev.(type) {
	case StreamDone:
		m.earOver(step, ev)
		return
	case RecordQuiet:
		if ev.ID == m.s.Wait && m.s.Stage == takeRecord {
			m.takeOver()
			return
		}
	case RecordDone:
		if q != nil && ev.ID == m.s.Wait && (m.s.Phase == PhaseClosing || m.s.Phase == PhaseRecording) {
			m.stopTimer()
			m.s.Wait, m.s.Phase = 0, ""
			m.run(m.surveyTaken(step, q, ev))
			return
		}
	}
	m.ignore(ev, "not the message that is awaited")
}

func (m *machine) surveyTaken(step *flow.Step, q *flow.Question, ev RecordDone) string {
	m.s.Typed = "" // pressed while the caller spoke
	if ev.Outcome != flow.OutcomeDone {
		return m.surveyNotTaken(step, "the message could not be recorded")
	}
	m.s.Hops = 0
	if ev.Voice < q.Min {
		m.do(DropMessage{ev.Recording})
		return m.surveyAgain(step, q, q.NoInput)
	}
	if err := m.keep(q.Name, ev.Recording); err != nil {
		return m.fail(err.Error())
	}
	m.do(KeepMessage{ev.Recording})
	return m.nextQuestion(step)
}

// surveyNotTaken goes on when no recording can be made: the other answers are worth
// having.
func (m *machine) surveyNotTaken(step *flow.Step, why string) string {
	m.do(Fail{m.f.Name, m.s.Step, why})
	if to := step.On[flow.OutcomeFailed]; to != "" {
		return to
	}
	return m.nextQuestion(step)
}

func (m *machine) surveyFailed(step *flow.Step, ev Failed) {
	if m.s.Phase == PhaseRecording || m.s.Phase == PhaseClosing {
		m.leave()
		m.run(m.surveyNotTaken(step, ev.Err))
		return
	}
	m.fail(ev.Err)
}
