package ivr

import "testing"

const speechDoc = `
start: ask
steps:
  ask:
    menu:
      prompts: [menu]
      keys: {"1": sales, "2": support}
      wrong_key: [invalid]
      retries: 1
      into: choice
      speech: {url: "wss://ears.example.com/", phrases: {sales: "1", "technical support": "2", "the sales of support": "2"}, hints: [invoice], confidence: 60, into: said}
    next: bye
  sales: {queue: sales, next: bye}
  support: {collect: {prompts: [enter], into: number, min: 4, max: 6, speech: {url: "wss://ears.example.com/"}}, next: bye, on: {failed: bye}}
  bye: {hangup: normal}
`

const ear = "stream wss://ears.example.com/ true"

func (x *score) hears(result string, words ...string) {
	x.t.Helper()
	x.do(StreamDone{ID: x.stream, Outcome: "ended", Result: result})
	x.want(words...)
}

func TestMenuByVoice(t *testing.T) {
	x := begin(t, speechDoc, caller)
	x.want("answer", "play menu", ear)
	x.hears(`{"text": "Sales, please!", "confidence": 0.8}`, "stop", "queue sales 0 map[]")
	if x.s.Vars["choice"] != "1" || x.s.Vars["said"] != "Sales, please!" {
		t.Error(x.s.Vars)
	}
	// Not sure enough, then the longest phrase, then digits.
	x = begin(t, speechDoc, caller)
	x.hears(`{"text": "sales", "confidence": 0.5}`, "stop", "play invalid menu", ear)
	x.heard()
	x.hears(`the sales of support`, "play enter", ear)
	x.heard()
	x.hears(`{"text": "4 0 7, 1", "confidence": 0.9}`, "hangup normal", "done")
	if x.s.Vars["number"] != "4071" {
		t.Error(x.s.Vars)
	}
	// A key spoken as one, and nothing understood at all: it listens again.
	x = begin(t, speechDoc, caller)
	x.hears(`{"text": "", "confidence": 0}`, ear)
	x.hears("2", "stop", "play enter", ear)
	// Something else twice.
	x = begin(t, speechDoc, caller)
	x.hears("salesman", "stop", "play invalid menu", ear)
	x.hears("good morning", "stop", "hangup normal", "done")
}

// Keys count as before; the recogniser is let go. A dead one leaves the keys.
func TestMenuByKeysBesideVoice(t *testing.T) {
	x := begin(t, speechDoc, caller)
	x.press("1", "stop", "stop stream", "queue sales 0 map[]")
	x.do(StreamDone{ID: x.stream, Outcome: "ended", Result: "technical support"}) // too late
	x.want()

	x = begin(t, speechDoc, caller)
	x.do(StreamDone{ID: x.stream, Outcome: "failed"})
	x.want()
	x.press("7", "stop", "play invalid menu") // not tried again in this step
	x.press("2", "stop", "play enter", ear)
	x.do(StreamDone{ID: x.stream, Outcome: "failed"})
	x.heard()
	x.press("12345#", "hangup normal", "done")

	// Silence: the time-out comes, the ear stays open over the second try.
	x = begin(t, speechDoc, caller)
	x.heard()
	x.after(5e9, "play menu")
	x.heard()
	x.after(5e9, "stop stream", "hangup normal", "done")
}
