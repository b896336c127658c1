package ivr

import (
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

const surveyDoc = `
start: ask
steps:
  ask:
    survey:
      name: csat
      questions:
        - {name: grade, prompts: [grade], scale: "1-5", invalid: [invalid], no_input: [no_input], retries: 1}
        - {name: solved, prompts: [solved], yes_no: {}, optional: true, retries: 0}
        - {name: why, prompts: [why], choice: {"1": price, "2": service}, speech: {url: "wss://ears.example.com/", phrases: {money: "1", people: "2"}}}
        - {name: nps, prompts: [nps, {number: "${grade}"}], scale: "0-10"}
        - {name: words, prompts: [words], record: {max: 30s, min: 2s, silence: 4s}, retries: 1, no_input: [no_input]}
    next: thanks
    on: {unanswered: sad, failed: broken}
  thanks: {play: thanks, next: bye}
  sad: {play: sad, next: bye}
  broken: {play: broken, next: bye}
  bye: {hangup: normal}
`

func TestSurvey(t *testing.T) {
	x := begin(t, surveyDoc, caller)
	x.want("answer", "play grade")
	x.press("7", "stop", "play invalid grade")
	x.heard()
	x.press("4", "answer csat/grade scale=4", "play solved")
	x.press("*", "stop", "play why", ear) // left out
	x.press("2", "stop", "answer csat/why choice=service", "stop stream", "play nps number_4")
	x.heard()
	x.press("1") // perhaps ten
	x.press("0", "answer csat/nps scale=10", "play words")
	x.heard("tone beep []")
	x.after(400*time.Millisecond, "stop", "record 4s 2s survey:csat/words")
	x.do(RecordQuiet{x.msg})
	x.want("stop record")
	x.spoken("m1", time.Second, "drop m1", "play no_input words") // a cough
	x.heard("tone beep []")
	x.after(400*time.Millisecond, "stop", "record 4s 2s survey:csat/words")
	x.press("#", "stop record")
	x.spoken("m2", 5*time.Second, "keep m2", "play thanks")
	for name, want := range map[string]string{"grade": "4", "solved": "", "why": "service", "nps": "10", "words": "m2"} {
		if got := x.s.Vars[name]; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	x.heard("hangup normal", "done")
}

func TestSurveyWays(t *testing.T) {
	t.Run("typed ahead", func(t *testing.T) {
		x := begin(t, surveyDoc, caller)
		x.press("5", "stop", "answer csat/grade scale=5", "play solved")
		// Yes, price, and a one that was no ten, all in one turn of the caller.
		x.s.Typed = "11"
		x.press("1", "stop", "answer csat/solved yes_no=yes", "answer csat/why choice=price")
		x.after(tenWait, "answer csat/nps scale=1", "play words")
	})
	t.Run("one and not ten", func(t *testing.T) {
		x := begin(t, surveyDoc, caller)
		x.s.Question = 3
		x.do(PlayDone{x.play})
		x.press("1")
		x.press("7", "answer csat/nps scale=1", "play words") // a key goes to the beep, and this one is dropped
	})
	t.Run("nobody says anything", func(t *testing.T) {
		x := begin(t, surveyDoc, caller)
		x.heard()
		x.after(5*time.Second, "play no_input grade")
		x.heard()
		x.after(5*time.Second, "play sad")
	})
	t.Run("an optional question is not waited for", func(t *testing.T) {
		x := begin(t, surveyDoc, caller)
		x.press("3", "stop", "answer csat/grade scale=3", "play solved")
		x.heard()
		x.after(5*time.Second, "play why", ear)
	})
	t.Run("by voice", func(t *testing.T) {
		x := begin(t, surveyDoc, caller)
		x.press("3", "stop", "answer csat/grade scale=3", "play solved")
		x.press("2", "stop", "answer csat/solved yes_no=no", "play why", ear)
		x.hears(`{"text": "the weather", "confidence": 0.9}`, "stop", "play why", ear)
		x.hears(`{"text": "all about money", "confidence": 0.9}`, "stop", "answer csat/why choice=price", "play nps number_3")
	})
	t.Run("no file", func(t *testing.T) {
		x := begin(t, surveyDoc, caller)
		x.s.Question = 4
		x.heard("tone beep []")
		x.after(400*time.Millisecond, "stop", "record 4s 2s survey:csat/words")
		x.do(RecordDone{ID: x.msg, Outcome: flow.OutcomeFailed})
		x.want("fail ask", "play broken")
	})
	t.Run("a version with fewer questions", func(t *testing.T) {
		x := begin(t, surveyDoc, caller)
		x.s.Question = 9
		x.heard("play thanks")
	})
}

func TestQuestionSaid(t *testing.T) {
	sure := func(text string) flow.Heard { return flow.Heard{Text: text, Confidence: 1} }
	scale := flow.Question{Kind: flow.QuestionScale, Low: 1, High: 10, Speech: &flow.Speech{Confidence: 50}}
	for text, want := range map[string]string{"10": "10", "a 7": "7", "11": "", "0": "", "": "", "ten": ""} {
		if got, ok := scale.Said(sure(text)); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v, want %q", text, got, ok, want)
		}
	}
	if _, ok := scale.Said(flow.Heard{Text: "7", Confidence: 0.4}); ok {
		t.Error("unsure and taken")
	}
}
