package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// surveyHouse asks callers of the queue sales two questions after the conversation.
func surveyHouse(t *testing.T) rules {
	t.Helper()
	r := house
	r.survey = "after"
	r.flows = map[string]*flow.Flow{}
	for name, doc := range map[string]string{"after": `
start: ask
steps:
  ask:
    survey:
      name: csat
      questions:
        - {name: grade, prompts: [grade], scale: "1-5"}
        - {name: words, prompts: [words], record: {beep: false, min: 1s}}
    next: again
  again: {queue: sales, next: bye}
  bye: {hangup: normal}
`, "front": `
start: sales
steps:
  sales: {queue: sales, next: bye}
  bye: {hangup: normal}
`, "own": `
start: sales
steps:
  sales: {queue: sales, next: bye, on: {answered: thanks}}
  thanks: {play: thanks, next: bye}
  bye: {hangup: normal}
`} {
		f, err := flow.ParseYAML(name, []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		f.Version = 4
		r.flows[name] = f
	}
	return r
}

// toBob brings a call that waits to a conversation with bob on the next leg.
func (s *score) toBob() int {
	s.t.Helper()
	leg := len(s.m.S.Legs)
	s.after(time.Second, offer("o", "bob", "201", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegPickedUp{leg})
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Outcome: acd.LeftAnswered}})
	if s.m.S.Phase != Talking {
		s.t.Fatalf("%v", s.m.S.Phase)
	}
	s.log = nil
	return leg
}

func TestQueueSurvey(t *testing.T) {
	for name, to := range map[string]route.Target{"straight": toSales, "from a flow": {Kind: route.Flow, Name: "front"}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, surveyHouse(t), to)
			s.do(AnswerSent{})
			s.do(LegGone{Leg: s.toBob(), Remote: true, Reason: event.ReasonNormal})
			s.want("segment menu", "Play 0 grade")
			s.do(Key{Leg: 0, Digit: '4', Via: "rfc4733"})
			s.want("journal survey.answered", "Play 0 words")
			a := bodies[event.SurveyAnswered](s)[0]
			if a != (event.SurveyAnswered{Survey: "csat", Flow: "after", Version: 4, Question: "grade", QuestionKind: "scale", Value: "4", Queue: "sales", Agent: "bob"}) {
				t.Errorf("%+v", a)
			}
			s.do(Played{0, s.m.S.IVR.Wait})
			s.want("StartMessage")
			id := s.m.S.Message.Recording
			// Who hangs up while speaking has answered.
			s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
			s.closed(3 * time.Second)
			s.want("journal message.kept", "journal survey.answered")
			if a := bodies[event.SurveyAnswered](s)[1]; a.Recording != id || a.Question != "words" || a.QuestionKind != "record" || a.Agent != "bob" {
				t.Errorf("%+v", a)
			}
			s.verdict(event.ResultCaller, event.ReasonNormal)
		})
	}
	t.Run("once", func(t *testing.T) {
		s := start(t, surveyHouse(t), toSales)
		s.do(AnswerSent{})
		s.do(LegGone{Leg: s.toBob(), Remote: true, Reason: event.ReasonNormal})
		s.do(Key{Leg: 0, Digit: '4', Via: "rfc4733"})
		s.do(Played{0, s.m.S.IVR.Wait})
		s.do(Key{Leg: 0, Digit: '#', Via: "rfc4733"})
		s.closed(3 * time.Second)
		s.want("acd.Enter") // the flow leads to the queue once more
		s.do(LegGone{Leg: s.toBob(), Remote: true, Reason: event.ReasonNormal})
		s.never("Play 0 grade")
		if v := s.m.S.Verdict; v.Result != event.ResultAgent || v.Reason != event.ReasonNormal {
			t.Errorf("%+v", v)
		}
	})
	t.Run("the flow's own way comes first", func(t *testing.T) {
		s := start(t, surveyHouse(t), route.Target{Kind: route.Flow, Name: "own"})
		s.do(AnswerSent{})
		s.do(LegGone{Leg: s.toBob(), Remote: true, Reason: event.ReasonNormal})
		s.want("Play 0 thanks")
	})
	t.Run("the caller has gone", func(t *testing.T) {
		s := start(t, surveyHouse(t), toSales)
		s.do(AnswerSent{})
		s.toBob()
		s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
		s.never("Play 0 grade")
		s.verdict(event.ResultCaller, event.ReasonNormal)
	})
}
