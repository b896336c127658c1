package ivr

import (
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

const exprDoc = `
start: a
variables: {balance: "0", contact_vip: "no"}
steps:
  a:
    branch:
      - {if: 'queue("sales").ready_agents > 0 && weekday == "mon" && time >= "14:00"', next: agents}
      - {if: contact.vip == "yes", next: vip}
    next: other
  agents: {hangup: normal}
  vip: {hangup: busy}
  other: {set: {twice: {expr: num(vars.balance) * 2}, rich: {expr: num(vars.balance) > 10}}, next: end}
  end: {hangup: rejected}
`

func TestExpressionsInFlows(t *testing.T) {
	zone := time.FixedZone("x", 2*3600) // noon in UTC is 14:00 there
	ready := 1
	in := caller
	in.Zone = zone
	in.Queue = func(name string) (QueueState, bool) {
		return QueueState{ReadyAgents: ready, Estimate: -1}, name == "sales"
	}
	begin(t, exprDoc, in).want("hangup normal", "done")
	ready = 0
	x := begin(t, strings.Replace(exprDoc, `balance: "0"`, `balance: "12.5"`, 1), in)
	x.want("hangup rejected", "done")
	if x.s.Vars["twice"] != "25" || x.s.Vars["rich"] != "true" {
		t.Errorf("%v", x.s.Vars)
	}
	begin(t, strings.Replace(exprDoc, `contact_vip: "no"`, `contact_vip: "yes"`, 1), in).want("hangup busy", "done")
	in.Queue = nil // nothing is known of queues: the caller hears why not, and goes somewhere
	begin(t, exprDoc, in).want("fail a", "answer", "play sorry")
}

// What was typed in secret is in no expression, not even of another flow.
func TestSecretsAreInNoExpression(t *testing.T) {
	_, err := flow.ParseYAML("x", []byte(`
start: pin
steps:
  pin: {collect: {prompts: [menu], into: pin, secret: true}, next: leak, on: {failed: end}}
  leak: {set: {copy: {expr: vars.pin}}, next: end}
  end: {hangup: normal}
`))
	if err == nil || !strings.Contains(err.Error(), `"pin" is secret`) {
		t.Errorf("%v", err)
	}
	x := begin(t, `
start: pin
steps:
  pin: {collect: {prompts: [menu], into: pin, secret: true}, next: go, on: {failed: end}}
  go: {goto: other}
  end: {hangup: normal}
`, caller)
	x.press("1234#", "flow other")
	other := parse(t, "other", `
start: leak
variables: {pin: ""}
steps:
  leak: {set: {copy: {expr: 'vars.pin + "!"'}}, next: end}
  end: {hangup: normal}
`)
	s, _ := Start(x.now, other, Input{Previous: x.s})
	if s.Vars["copy"] != "!" || s.Vars["pin"] != "1234" {
		t.Errorf("%v", s.Vars)
	}
}

func BenchmarkExpressionDecision(b *testing.B) {
	f := parse(b, "x", exprDoc)
	in := caller
	in.Queue = func(string) (QueueState, bool) { return QueueState{}, true }
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := Start(now, f, in); !s.Done() { // two branches, a set of two, an end
			b.Fatal(s.Phase)
		}
	}
}
