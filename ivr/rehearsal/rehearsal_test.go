package rehearsal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

const claims = `
language: en
start: welcome
tests:
  - name: two then one
    from: "+37322123456"
    press: ["2", "1"]
    expect: {queue: claims, path: [welcome, main, insurance, claims], says: [main_menu, insurance_menu]}
  - name: silence
    expect: {hangup: normal, through: [main, bye]}
  - name: nobody there
    press: ["21"]
    answers: {claims: empty}
    expect: {hangup: busy}
  - name: leaves the queue
    press: ["2", "1"]
    answers: {claims: key 0}
    expect: {hangup: normal}
  - name: a policy
    press: ["3", "12", "-", "1234#"]
    expect: {dial: ["number:1234"], variables: {policy: "1234"}, says: [try_again]}
  - name: called and talked to
    press: ["3", "1234"]
    answers: {call: answered}
    expect: {hangup: normal}
  - name: the desk of another flow
    press: ["4"]
    variables: {who: Ana}
    answers: {desk/wait: timeout}
    expect: {hangup: unavailable, path: [welcome, main, away, desk/hello, desk/wait, desk/end], says: ["Good day Ana"]}
steps:
  welcome: {play: [welcome], next: main}
  main:
    menu: {prompts: [main_menu], keys: {"2": insurance, "3": policy, "4": away}, retries: 1}
    next: bye
  insurance:
    menu: {prompts: [insurance_menu], keys: {"1": claims}}
    next: bye
  claims: {queue: {name: claims, keys: {"0": bye}}, on: {empty: taken}, next: bye}
  policy:
    collect: {prompts: [enter_policy], into: policy, min: 4, max: 4, pattern: "[0-9]+", invalid: [try_again]}
    next: call
    on: {failed: bye}
  call: {dial: ["number:${policy}"], next: bye}
  away: {goto: desk}
  taken: {hangup: busy}
  bye: {hangup: normal}
`

const desk = `
variables: {who: nobody}
start: hello
steps:
  hello: {say: {text: "Good day ${who}"}, next: wait}
  wait: {queue: {name: desk, timeout: 1m}, next: end}
  end: {hangup: unavailable}
`

func parse(t *testing.T, name, doc string) *flow.Flow {
	t.Helper()
	f, err := flow.ParseYAML(name, []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func house(t *testing.T) House {
	flows := map[string]*flow.Flow{"main": parse(t, "main", claims), "desk": parse(t, "desk", desk)}
	return House{Flow: func(n string) *flow.Flow { return flows[n] }}
}

func TestTestsOfAFlowPass(t *testing.T) {
	h := house(t)
	f := h.Flow("main")
	if len(f.Tests) != 7 {
		t.Fatalf("%d tests read", len(f.Tests))
	}
	for i := range f.Tests {
		r, err := Play(h, f, &f.Tests[i])
		if err != nil || !r.Passed() {
			t.Errorf("%s: %v %q\npath %q\nsaid %q", f.Tests[i].Name, err, r.Wrong, r.Path, r.Said)
		}
	}
}

// Each expectation tells when it is not met, and what came instead.
func TestTestsOfAFlowFail(t *testing.T) {
	h := house(t)
	f := h.Flow("main")
	for _, row := range []struct {
		test flow.Test
		want string
	}{
		{flow.Test{Press: []string{"2", "1"}, Want: flow.Expected{Queue: "sales"}}, "queue: want sales, got waiting in the queue claims"},
		{flow.Test{Press: []string{"2", "1"}, Want: flow.Expected{Hangup: "normal"}}, "hangup: want normal, got waiting in the queue claims"},
		{flow.Test{Want: flow.Expected{Queue: "claims"}}, "queue: want claims, got hung up: normal"},
		{flow.Test{Want: flow.Expected{Path: []string{"welcome"}}}, "path: want welcome, got welcome main bye"},
		{flow.Test{Want: flow.Expected{Through: []string{"main", "welcome"}}}, "through: want welcome"},
		{flow.Test{Want: flow.Expected{Says: []string{"main_menu", "main_menu", "main_menu"}}}, "says: want main_menu"},
		{flow.Test{Want: flow.Expected{Language: "ro"}}, "language: want ro, got en"},
		{flow.Test{Press: []string{"3", "1234"}, Want: flow.Expected{Variables: map[string]string{"policy": "1"}}}, `variable policy: want "1", got "1234"`},
		{flow.Test{Press: []string{"3", "1234"}, Want: flow.Expected{Dial: []string{"device:bob"}}}, "dial: want device:bob, got ringing number:1234"},
	} {
		r, err := Play(h, f, &row.test)
		if err != nil || len(r.Wrong) != 1 || !strings.HasPrefix(r.Wrong[0], row.want) {
			t.Errorf("got %q %v, want %q", r.Wrong, err, row.want)
		}
	}
}

func TestTimeGoesByAtOnce(t *testing.T) {
	f := parse(t, "night", `
start: a
steps:
  a: {pause: 10s, next: b}
  b: {menu: {prompts: [p], keys: {"1": b}, timeout: 1m, retries: 0}, next: end}
  end: {hangup: normal}
`)
	r, err := Play(House{}, f, &flow.Test{At: "2026-11-23 10:00", Want: flow.Expected{Hangup: "normal"}})
	if err != nil || !r.Passed() {
		t.Fatal(r, err)
	}
	zone := time.FixedZone("x", 7200)
	at, err := (&flow.Test{At: "2026-11-23 10:00"}).Moment(zone)
	if want := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC); err != nil || !at.Equal(want) {
		t.Errorf("got %v %v, want %v", at, err, want)
	}
	if _, err := Play(House{}, f, &flow.Test{At: "noon"}); err == nil {
		t.Error("a moment that is none was taken")
	}
}

// Whoever is silent in a flow that goes round is not played for ever.
func TestARoundEnds(t *testing.T) {
	f := parse(t, "round", `
start: a
steps:
  a: {queue: {name: q}, on: {timeout: a, empty: a, full: a, error: a}, next: end}
  end: {hangup: normal}
`)
	r, _ := Play(House{}, f, &flow.Test{Answers: map[string]flow.Answered{"a": {Outcome: "timeout"}}, Want: flow.Expected{Hangup: "normal"}})
	if !slices.ContainsFunc(r.Wrong, func(s string) bool { return strings.Contains(s, "turns") }) {
		t.Error(r.Wrong)
	}
}
