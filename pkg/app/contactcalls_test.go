package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

const customerDocs = `
kind: tenant
name: default
spec: {language: en, region: RO}
---
kind: flow
name: customers
spec:
  start: who
  steps:
    who:
      contact: {into: {city: city}, set: {last_dialled: "${dialled}"}}
      next: complaint
      on: {failed: broken, not_found: nobody}
    complaint:
      case: {type: complaint, subject: "call from ${from}", owner: bob, fields: {channel: voice}}
      next: count
      on: {failed: broken}
    count:
      branch: [{var: case_number, eq: "", next: broken}]
      next: end
    nobody: {hangup: not_found}
    broken: {hangup: congestion}
    end: {hangup: busy}
---
kind: flow
name: look
spec:
  start: who
  steps:
    who:
      contact: {create: false}
      next: find
      on: {failed: broken, not_found: nobody}
    find:
      case: {type: complaint, open: false}
      next: end
      on: {failed: broken, not_found: none}
    nobody: {hangup: not_found}
    none: {hangup: rejected}
    broken: {hangup: congestion}
    end: {hangup: busy}
---
{kind: trunk, name: mobile, spec: {addresses: ["127.0.0.4"]}}
---
{kind: number, name: customers, spec: {digits: "1010", flow: customers}}
---
{kind: number, name: look, spec: {digits: "1011", flow: look}}
`

// Whole calls through the steps contact and case: who is unknown becomes a contact and
// gets a case, who calls again is known and gets the same case, until it is closed.
func TestCallsOfCustomers(t *testing.T) {
	n := up(t)
	n.must(customerDocs)
	mobile := n.line("127.0.0.4", nil)
	ctx := context.Background()
	// calls returns the SIP status with which the flow hung up, and the call's jobs.
	calls := func(number, to string) (int, []string) {
		t.Helper()
		c, code := n.dial(mobile.Endpoint, robot.Account{User: number}, to)
		r := n.record("default", c)
		d, err := n.Call(ctx, "default", r.ID)
		if err != nil {
			t.Fatal(err)
		}
		var jobs []string
		for _, e := range d.Events {
			if e.Kind == "flow.job" {
				var j event.FlowJob
				if err := json.Unmarshal(e.Data, &j); err != nil {
					t.Fatal(err)
				}
				jobs = append(jobs, j.Job+" "+j.Outcome)
			}
		}
		return code, jobs
	}
	for _, x := range []struct {
		what, number, to string
		code             int
		jobs             string
	}{
		{"nobody knows the caller", "0722123456", "1011", 404, "[contact not_found]"},
		{"a contact and a case are made", "0722123456", "1010", 486, "[contact opened case opened]"},
		{"both are known", "0722123456", "1010", 486, "[contact done case done]"},
		{"and found", "+40722123456", "1011", 486, "[contact done case done]"},
		{"another caller", "0733123456", "1011", 404, "[contact not_found]"},
		{"who withholds the number is nobody", "anonymous", "1010", 404, "[contact not_found]"},
	} {
		if code, jobs := calls(x.number, x.to); code != x.code || fmt.Sprint(jobs) != x.jobs {
			t.Errorf("%s: %d %v", x.what, code, jobs)
		}
	}
	p, err := n.Contacts(ctx, "default", api.ContactFilter{})
	if err != nil || len(p.Contacts) != 1 || p.Contacts[0].Numbers[0] != "+40722123456" || p.Contacts[0].Fields["last_dialled"] != "1010" {
		t.Fatalf("%+v %v", p, err)
	}
	k, err := n.Cases(ctx, "default", api.CaseFilter{})
	if err != nil || len(k.Cases) != 1 || k.Cases[0].Contact != p.Contacts[0].ID || k.Cases[0].Owner != "bob" || k.Cases[0].Fields["channel"] != "voice" {
		t.Fatalf("%+v %v", k, err)
	}
	closed := "closed"
	if _, err := n.SaveCase(ctx, "default", k.Cases[0].ID, api.CaseChange{State: &closed}, "bob"); err != nil {
		t.Fatal(err)
	}
	if code, jobs := calls("0722123456", "1011"); code != 603 || fmt.Sprint(jobs) != "[contact done case not_found]" {
		t.Errorf("behind the closed case: %d %v", code, jobs)
	}
	if code, jobs := calls("0722123456", "1010"); code != 486 || fmt.Sprint(jobs) != "[contact done case opened]" {
		t.Errorf("a new case: %d %v", code, jobs)
	}
}
