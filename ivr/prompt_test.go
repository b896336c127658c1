package ivr

import (
	"testing"

	"github.com/centrala/centrala/ivr/flow"
)

const hearDoc = `
start: find
steps:
  find: {prompt: {number: "101", into: which, hear: true}, next: ask, on: {not_found: bye, failed: bye}}
  ask: {play: menu, next: bye}
  bye: {hangup: normal}
`

func TestPromptIsHeard(t *testing.T) {
	find := func() *score {
		x := begin(t, hearDoc, caller)
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone, Values: map[string]string{"which": "note", flow.PromptFound: "note"}})
		x.want("answer", "play note")
		if x.s.Vars["which"] != "note" || len(x.s.Vars) != 1 {
			t.Error(x.s.Vars)
		}
		return x
	}
	find().heard("play menu")
	x := find()
	x.press("1", "stop", "hangup normal", "done") // it skips what can be skipped
	x = find()
	x.do(Failed{ID: x.play, Err: "no sound"}) // there is none in this language
	x.want("fail find", "stop", "play menu")
	x = begin(t, hearDoc, caller)
	x.do(Done{ID: x.jobID, Outcome: flow.OutcomeNotFound})
	x.want("hangup normal", "done")
}
