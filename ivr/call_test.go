package ivr

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

// house is several flows, and a call that goes through them as pkg/call lets it.
type flowsScore struct {
	*score
	flows map[string]*flow.Flow
}

func (x *flowsScore) follow() {
	x.t.Helper()
	for range 50 {
		if n := len(x.got); n == 0 || !strings.HasPrefix(x.got[n-1], "flow ") {
			return
		}
		name := strings.TrimPrefix(x.got[len(x.got)-1], "flow ")
		if x.flows[name] == nil {
			x.t.Fatalf("no flow %q", name)
		}
		x.f = x.flows[name]
		s, actions := Start(x.now, x.f, Input{Tenant: x.s.Tenant, CallID: x.s.CallID, From: x.s.From, Previous: x.s})
		x.s = s
		x.take(actions)
	}
	x.t.Fatal("flows lead to flows for ever")
}

const mainDoc = `
start: who
variables: {vip: "no"}
steps:
  who:
    call:
      flow: identify
      with: {greet: "${from}", want: {expr: 1 + 3}}
      into: {customer: account}
    next: unknown
    on: {found: known}
  known: {say: [{digits: "${customer}"}], next: end}
  unknown: {play: [invalid], next: end}
  end: {hangup: normal}
`

const identifyDoc = `
start: ask
variables: {greet: "", want: "1", vip: "own"}
steps:
  ask: {collect: {prompts: [enter_customer_number], into: number, min: 1, pattern: "[0-9]+"}, next: pin, on: {failed: none}}
  pin: {collect: {prompts: [menu], into: pin, secret: true}, next: found, on: {failed: none}}
  found: {return: {outcome: found, values: {account: "${number}", n: "${want}"}}}
  none: {return: {}}
`

func calling(t *testing.T) *flowsScore {
	x := &flowsScore{begin(t, mainDoc, caller), map[string]*flow.Flow{}}
	x.flows["main"], x.flows["test"] = x.f, x.f
	x.flows["identify"] = parse(t, "identify", identifyDoc)
	x.want("flow identify")
	x.follow()
	return x
}

func TestCallAndReturn(t *testing.T) {
	x := calling(t)
	x.want("answer", "play enter_customer_number")
	if x.s.Vars["greet"] != "0722123456" || x.s.Vars["want"] != "4" || x.s.Vars["vip"] != "own" {
		t.Fatalf("%v", x.s.Vars)
	}
	x.press("407#", "play menu")
	x.press("1234#", "flow test")
	if raw, _ := json.Marshal(x.s.Masked()); strings.Contains(string(raw), "1234\"") {
		t.Errorf("the secret is shown: %s", raw)
	}
	x.follow()
	x.want("play number_4 number_0 number_7")
	if x.s.Vars["customer"] != "407" || x.s.Vars["vip"] != "no" || x.s.Vars["pin"] != "" || x.s.Vars["number"] != "" || len(x.s.Stack) != 0 {
		t.Errorf("%v, %d frames", x.s.Vars, len(x.s.Stack))
	}
}

func TestReturnWithoutOutcome(t *testing.T) {
	x := calling(t)
	x.heard()
	x.after(5*time.Second, "play enter_customer_number")
	x.heard()
	x.after(5*time.Second, "play enter_customer_number")
	x.heard()
	x.after(5*time.Second, "flow test")
	x.follow()
	x.want("play invalid")
	if x.s.Vars["customer"] != "" {
		t.Errorf("%v", x.s.Vars)
	}
}

func TestReturnWithoutCall(t *testing.T) {
	x := begin(t, "start: r\nsteps: {r: {return: found}}", caller)
	x.want("hangup normal", "done")
}

// A call within a call within a call ends at a bound, and the caller is somewhere.
func TestDepthIsBounded(t *testing.T) {
	x := &flowsScore{begin(t, "start: c\nsteps: {c: {call: test, next: e}, e: {hangup: normal}}", caller), nil}
	x.flows = map[string]*flow.Flow{"test": x.f}
	x.follow()
	x.want("fail c", "answer", "play sorry")
	x.heard("default", "done")
	if len(x.s.Stack) != 0 {
		t.Errorf("%d frames are left for whatever comes instead", len(x.s.Stack))
	}
}

func TestLoop(t *testing.T) {
	x := begin(t, `
start: again
steps:
  again: {loop: {times: 3, while: vars.done != "yes", count: n, do: say}, next: bye}
  say: {menu: {prompts: [{number: "${n}"}], keys: {"1": again, "2": stop}, retries: 0}, next: again}
  stop: {set: {done: "yes"}, next: again}
  bye: {hangup: normal}
`, caller)
	x.want("answer", "play number_1")
	x.press("1", "stop", "play number_2")
	x.press("1", "stop", "play number_3")
	x.press("1", "stop", "hangup normal", "done")

	x = begin(t, `
start: again
steps:
  again: {loop: {times: 3, while: vars.done != "yes", do: stop}, next: bye}
  stop: {set: {done: "yes"}, next: again}
  bye: {hangup: normal}
`, caller)
	x.want("hangup normal", "done")
}

func TestWait(t *testing.T) {
	doc := `
start: a
steps:
  a: {wait: {for: 1m, prompt: music, end: "#"}, next: m}
  m: {menu: {prompts: [menu], keys: {"1": bye}}, next: bye}
  bye: {hangup: normal}
`
	x := begin(t, doc, caller)
	x.want("answer", "play music")
	x.press("1") // kept
	x.after(time.Minute, "stop", "hangup normal", "done")
	x = begin(t, doc, caller)
	x.press("#", "stop", "play menu")
}

func TestConfirm(t *testing.T) {
	doc := `
start: a
steps:
  a:
    collect: {prompts: [enter_customer_number], into: card, min: 2, max: 16, check: luhn, invalid: [invalid], retries: 2, confirm: [you_entered, {digits: "${card}"}]}
    next: bye
    on: {failed: none}
  bye: {hangup: normal}
  none: {hangup: busy}
`
	x := begin(t, doc, caller)
	x.press("43#", "play invalid enter_customer_number") // no check digit
	x.press("42")
	x.press("#", "play you_entered number_4 number_2")
	x.press("9", "stop", "play enter_customer_number") // it is not right
	if x.s.Vars["card"] != "" {
		t.Errorf("%v", x.s.Vars)
	}
	x.press("18#", "play you_entered number_1 number_8")
	x.press("1", "stop", "hangup normal", "done")
	if x.s.Vars["card"] != "18" {
		t.Errorf("%v", x.s.Vars)
	}

	x = begin(t, doc, caller)
	for range 3 { // nothing is no yes
		x.press("18#", "play you_entered number_1 number_8")
		x.heard()
		x.after(5*time.Second, x.lastWords()...)
	}
	if x.got[0] != "hangup busy" || x.s.Vars["card"] != "" {
		t.Errorf("%v %v", x.got, x.s.Vars)
	}

	x = begin(t, doc, caller)
	x.press("18#1", "stop", "hangup normal", "done") // who knows the menu is not held up
}

// lastWords lets the last question of TestConfirm be whatever it is.
func (x *score) lastWords() []string {
	if x.s.Tries < 2 {
		return []string{"play enter_customer_number"}
	}
	return []string{"hangup busy", "done"}
}
