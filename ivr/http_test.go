package ivr

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

const httpDoc = `
language: en
start: who
steps:
  who: {collect: {prompts: [enter_customer_number], into: account, min: 1}, next: look, on: {failed: bye}}
  look:
    http:
      url: https://crm.example.com/c/${account}?from=${from}
      headers: {Authorization: "Bearer ${secret.crm}"}
      json: {account: "${account}", "q\"uote": ["<${account}>", 7, true, null], key: "x${secret.crm}"}
      timeout: 5s
      into: {customer: /name}
      status: code
    next: ask
    on: {failed: bye, not_found: other}
  ask: {menu: {prompts: [main_menu], keys: {"1": bye}}, next: bye}
  other: {play: [invalid], next: bye}
  bye: {hangup: normal}
`

// asking is a call whose request is under way.
func asking(t *testing.T) *score {
	x := begin(t, httpDoc, caller)
	x.press("12#", "do http 5s")
	return x
}

// secret values: one that would break out of JSON, URL or header if it were not quoted.
const evil = "a\"b&c=d/\\ é\n"

func join(t *testing.T, parts []flow.Part) string {
	t.Helper()
	s, err := flow.Join(parts, func(string) (string, bool) { return evil, true })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHTTPRequest(t *testing.T) {
	in := caller
	in.From = evil
	x := begin(t, strings.Replace(httpDoc, `"<${account}>"`, `"${from}${secret.crm}"`, 1), in)
	x.press("12#", "do http 5s")
	j := x.job.(*flow.HTTPJob)
	if got := join(t, j.URL); got != "https://crm.example.com/c/12?from=a%22b%26c%3Dd%2F%5C%20%C3%A9%0A" {
		t.Errorf("url %q", got)
	}
	if got := join(t, j.Headers[0].Value); got != "Bearer "+evil {
		t.Errorf("header %q", got)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(join(t, j.Body)), &body); err != nil {
		t.Fatalf("%v in %s", err, join(t, j.Body))
	}
	if list := body["q\"uote"].([]any); list[0] != evil+evil || list[1] != 7.0 || list[2] != true || list[3] != nil || body["key"] != "x"+evil || body["account"] != "12" {
		t.Errorf("%v", body)
	}
	if raw, _ := json.Marshal(x.s); strings.Contains(string(raw), "Bearer") {
		t.Errorf("the state holds the request: %s", raw)
	}
	if j.Method != "POST" || j.ContentType != "application/json" || j.Key == "" {
		t.Errorf("%+v", j)
	}
}

func TestHTTPAnswers(t *testing.T) {
	t.Run("at once", func(t *testing.T) {
		x := asking(t)
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone, Values: map[string]string{"customer": "Ana", "code": "200"}})
		x.want("play main_menu")
		if x.s.Vars["customer"] != "Ana" || x.s.Vars["code"] != "200" {
			t.Fatalf("%v", x.s.Vars)
		}
	})
	t.Run("after a while, with keys", func(t *testing.T) {
		x := asking(t)
		x.after(time.Second, "tone wait []")
		x.press("1") // it will answer the menu
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone})
		x.want("stop", "hangup normal", "done")
	})
	t.Run("never", func(t *testing.T) {
		x := asking(t)
		x.after(time.Second, "tone wait []")
		x.after(4*time.Second, "stop job timeout", "stop", "hangup normal", "done")
	})
	t.Run("outcomes", func(t *testing.T) {
		x := asking(t)
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeNotFound})
		x.want("play invalid")
		x = asking(t)
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeRefused, Err: "the service answered 403"})
		x.want("hangup normal", "done")
		x = asking(t)
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeFailed})
		x.want("hangup normal", "done")
	})
	t.Run("too much", func(t *testing.T) {
		x := asking(t)
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone, Values: map[string]string{"customer": strings.Repeat("x", maxValue+1)}})
		x.want("fail look", "hangup normal", "done")
	})
	t.Run("of another", func(t *testing.T) {
		x := asking(t)
		x.do(Done{ID: x.jobID + 1, Outcome: flow.OutcomeDone})
		x.want()
		x.do(Failed{ID: x.jobID + 1, Err: "x"})
		x.want()
		x.do(PlayDone{x.play})
		x.want()
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone})
		x.do(Done{ID: x.jobID, Outcome: flow.OutcomeFailed}) // twice
		x.want()
	})
}

// Before the answer the caller hears ringing, not a tone that nobody hears.
func TestHTTPBeforeTheAnswer(t *testing.T) {
	x := begin(t, `
start: look
steps:
  look: {http: {url: "https://x.example.com/", hold: music}, next: bye, on: {failed: bye}}
  bye: {hangup: busy}
`, caller)
	x.want("do http 5s")
	x.after(time.Second, "ring")
	x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone})
	x.want("hangup busy", "done")
}

// A sound of waiting that is not there is no reason to give the request up.
func TestHoldIsMissing(t *testing.T) {
	x := begin(t, `
start: a
steps:
  a: {answer: {}, next: look}
  look: {http: {url: "https://x.example.com/", hold: music}, next: bye, on: {failed: bye}}
  bye: {hangup: normal}
`, caller)
	x.after(time.Second, "play music")
	x.do(Failed{ID: x.play, Err: "no file"})
	x.want("fail look", "tone wait []")
	x.do(Done{ID: x.jobID, Outcome: flow.OutcomeDone})
	x.want("stop", "hangup normal", "done")
}

// What another flow's caller typed in secret goes nowhere.
func TestSecretIsNotSent(t *testing.T) {
	x := begin(t, `
start: pin
steps:
  pin: {collect: {prompts: [enter_customer_number], into: pin, secret: true}, next: go, on: {failed: bye}}
  go: {goto: other}
  bye: {hangup: normal}
`, caller)
	x.press("1234#", "flow other")
	other := parse(t, "other", `
variables: {pin: ""}
start: look
steps:
  look: {http: {url: "https://x.example.com/${pin}"}, next: bye, on: {failed: bye}}
  bye: {hangup: normal}
`)
	_, actions := Start(x.now, other, Input{Previous: x.s})
	for _, a := range actions {
		if do, ok := a.(Do); ok {
			t.Fatalf("sent: %+v", do.Job)
		}
	}
}

func TestVariablesAreBounded(t *testing.T) {
	x := begin(t, httpDoc, caller)
	x.s.restore()
	m := machine{f: x.f, s: x.s}
	n := 0
	for ; n < 100; n++ {
		if m.keep("v"+string(rune('a'+n%26))+string(rune('a'+n/26)), strings.Repeat("x", maxValue)) != nil {
			break
		}
	}
	if n < 14 || n > 16 {
		t.Fatalf("%d values of %d bytes", n, maxValue)
	}
	if m.keep("vaa", "short") != nil || m.keep("vaa", strings.Repeat("y", maxValue)) != nil {
		t.Fatal("a value cannot be replaced")
	}
}
