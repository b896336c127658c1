package ivr

import (
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

const contactDoc = `
start: who
steps:
  who:
    contact: {into: {city: town}, set: {last_dialled: "${dialled}"}, create: false}
    on: {not_found: none, failed: none}
    next: case
  case:
    case: {type: complaint, subject: "call of ${contact_name}", contact: "${contact_id}", owner: bob, fields: {channel: voice}}
    on: {failed: none, opened: opened}
    next: owner
  opened: {set: {fresh: "yes"}, next: owner}
  owner: {queue: {name: support, agent: "${case_owner}", patience: 30s}, next: none}
  none: {hangup: normal}
`

// Who calls, what about, and on to who works on it.
func TestContactAndCase(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	f, err := flow.ParseYAML("f", []byte(contactDoc))
	if err != nil {
		t.Fatal(err)
	}
	s, out := Start(now, f, Input{From: "+40722123456", To: "1000"})
	var do Do
	find := func(list []Action) bool {
		for _, a := range list {
			if d, ok := a.(Do); ok {
				do = d
				return true
			}
		}
		return false
	}
	if !find(out) {
		t.Fatalf("no look-up in %+v", out)
	}
	if j := do.Job.(*flow.ContactJob); j.Number != "+40722123456" || j.Create || j.Into[0] != (flow.HTTPPair{Name: "city", Value: "town"}) || j.Set[0].Value != "1000" {
		t.Errorf("%+v", j)
	}
	s.Vars["contact_tier"] = "gold" // of an earlier look-up
	out = Step(now, f, s, Done{ID: do.ID, Outcome: flow.OutcomeDone, Values: map[string]string{"contact_id": "c1", "contact_name": "Ana", "city": "Iași"}})
	if !find(out) {
		t.Fatalf("no case in %+v", out)
	}
	if s.Vars["contact_tier"] != "" || s.Vars["city"] != "Iași" {
		t.Errorf("variables %v", s.Vars)
	}
	if j := do.Job.(*flow.CaseJob); j.Subject != "call of Ana" || j.Contact != "c1" || !j.Open || !j.Reuse || j.Fields[0] != (flow.HTTPPair{Name: "channel", Value: "voice"}) {
		t.Errorf("%+v", j)
	}
	out = Step(now, f, s, Done{ID: do.ID, Outcome: flow.OutcomeOpened, Values: map[string]string{"case_id": "k1", "case_owner": "bob"}})
	queued := false
	for _, a := range out {
		if q, ok := a.(Queue); ok {
			queued = q.Agent == "bob" && q.Patience == 30*time.Second && q.Queue == "support"
		}
	}
	if !queued || s.Vars["fresh"] != "yes" {
		t.Errorf("the caller is not on the way to the case's owner: %+v", out)
	}
	// Nobody known: the way of not_found.
	s, out = Start(now, f, Input{From: "anonymous", To: "1000"})
	find(out)
	out = Step(now, f, s, Done{ID: do.ID, Outcome: flow.OutcomeNotFound})
	if !s.Done() {
		t.Errorf("%+v", out)
	}
}

func TestContactFaults(t *testing.T) {
	for doc, want := range map[string]string{
		`case: {number: "1", type: order}`:      "alone",
		`case: {subject: x}`:                    "type",
		`case: {type: order}`:                   "subject",
		`contact: {into: {city: "A B"}}`:        "field",
		`contact: {set: {name: "${nobody}"}}`:   "nobody",
		`contact: {into: {"contact id": city}}`: "variable",
		`contact: {number: 1}`:                  "quotes",
	} {
		_, err := flow.ParseYAML("f", []byte("start: a\nsteps:\n  a: {"+doc+", next: b}\n  b: {hangup: normal}\n"))
		if err == nil {
			t.Errorf("%s is taken; want a fault with %q", doc, want)
		}
	}
}
