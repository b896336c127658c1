package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

const startDocs = `
kind: tenant
name: default
spec: {language: en, region: RO, outside_calls: {deny: ["0236"]}}
---
kind: flow
name: robot
spec:
  variables: {who: ""}
  start: ask
  steps:
    ask:
      survey: {name: visit, questions: [{name: grade, prompts: [welcome], scale: "1-5"}]}
      next: where
    where:
      branch: [{var: grade, in: ["1", "2"], next: sales}]
      next: end
    sales: {queue: sales, next: end}
    end: {hangup: normal}
---
kind: device
name: bob
spec: {username: bob, password: pw-bob, hand_over: true}
`

// started is how a call that was started has gone, once it is over.
func (n *node) started(id string) (c cdr.Call) {
	n.t.Helper()
	n.eventually("the call's end", func() bool {
		d, err := n.Call(n.t.Context(), "default", id)
		c = d.Call
		return err == nil && !c.Open()
	})
	return c
}

// The house calls, a survey is answered by a key, and the answer is counted.
func TestStartCall(t *testing.T) {
	n := up(t)
	n.must(startDocs)
	s, err := n.StartCall(t.Context(), "default", api.StartCall{To: "0722333444", Flow: "robot", CallerID: "1000", Variables: map[string]string{"who": "Ana", "order": "A-7"}, By: "crm"})
	if err != nil {
		t.Fatal(err)
	}
	c := n.ring(n.rings)
	if c.Dialled() != "0722333444" || c.Caller() != "1000" {
		t.Errorf("%q is called by %q", c.Dialled(), c.Caller())
	}
	c.Info('4')
	if err := c.WaitState(within(t), robot.Ended); err != nil {
		t.Fatal(err)
	}
	r := n.started(s.ID)
	if r.Result != event.ResultSuccess || r.Reason != event.ReasonNormal || r.Direction != event.Outbound || r.From != "1000" || r.Answered.IsZero() {
		t.Errorf("%+v", r)
	}
	page, err := n.SurveyAnswers(t.Context(), "default", api.SurveyQuery{Name: "visit"})
	if err != nil || len(page.Answers) != 1 || page.Answers[0].Value != "4" || page.Answers[0].CallID != s.ID || page.Answers[0].Version != 1 {
		t.Errorf("%+v %v", page, err)
	}
	f, err := n.SurveyFigures(t.Context(), "default", api.SurveyQuery{Name: "visit"})
	if err != nil || f.Calls != 1 || len(f.Questions) != 1 || *f.Questions[0].Mean != 4 || fmt.Sprint(f.Questions[0].Values) != "[{4 1 100}]" {
		t.Errorf("%+v %v", f, err)
	}
	list, err := n.Surveys(t.Context(), "default")
	if err != nil || len(list) != 1 || list[0].Answers != 1 || fmt.Sprint(list[0].Flows, list[0].Questions) != "[robot] [grade]" {
		t.Errorf("%+v %v", list, err)
	}
}

// Whoever is angry talks to an agent, whose phone has all that was gathered.
func TestStartCallHandsOver(t *testing.T) {
	n := up(t)
	n.must(startDocs)
	rings := make(chan *robot.Call, 1)
	desk := n.phone("127.0.0.1", rings)
	n.register(desk, bob)
	for _, state := range []string{"ready"} {
		if err := n.SetAgentState(t.Context(), "default", "bob", state, ""); err != nil {
			t.Fatal(err)
		}
	}
	s, err := n.StartCall(t.Context(), "default", api.StartCall{To: "0722333444", Flow: "robot", CallerID: "1000", Variables: map[string]string{"order": "A-7"}})
	if err != nil {
		t.Fatal(err)
	}
	customer := n.ring(n.rings)
	customer.Info('1')
	agent := n.ring(rings)
	if h := agent.Request().Get("x-centrala-gathered"); !strings.Contains(h, "grade=1") || !strings.Contains(h, "order=A-7") {
		t.Errorf("the phone is told %q", h)
	}
	if agent.Caller() != "+40722333444" {
		t.Errorf("called by %q", agent.Caller())
	}
	hangUp(agent)
	if r := n.started(s.ID); r.Agent != "bob" || r.Queue != "sales" {
		t.Errorf("%+v", r)
	}
}

func TestStartCallOutcomes(t *testing.T) {
	n := up(t)
	n.must(startDocs)
	for code, want := range map[int]event.Reason{486: event.ReasonBusy, 603: event.ReasonRejected, 404: event.ReasonNotFound, 480: event.ReasonNoAnswer} {
		s, err := n.StartCall(t.Context(), "default", api.StartCall{To: "0722333444", Flow: "robot", CallerID: "1000"})
		if err != nil {
			t.Fatal(err)
		}
		(<-n.rings).Reject(code, "No")
		if r := n.started(s.ID); r.Result != event.ResultUpstream || r.Reason != want || !r.Answered.IsZero() {
			t.Errorf("%d: %s %s", code, r.Result, r.Reason)
		}
	}
	s, err := n.StartCall(t.Context(), "default", api.StartCall{To: "0722333444", Flow: "robot", CallerID: "1000", Ring: 1})
	if err != nil {
		t.Fatal(err)
	}
	(<-n.rings).Ring()
	if r := n.started(s.ID); r.Reason != event.ReasonNoAnswer {
		t.Errorf("%s %s", r.Result, r.Reason)
	}
	for name, c := range map[string]api.StartCall{
		"for help":          {To: "112", CallerID: "1000"},
		"the house's own":   {To: "1000", CallerID: "1000"},
		"denied":            {To: "0236123456", CallerID: "1000"},
		"no trunk":          {To: "+37322123456", CallerID: "1000"},
		"no number":         {To: "sip:x@y", CallerID: "1000"},
		"another's number":  {To: "0722333444", CallerID: "+40212223344"},
		"nobody to show":    {To: "0722333444"},
		"no such device":    {To: "0722333444", CallerID: "1000", Device: "nobody"},
		"device may not":    {To: "0722333444", CallerID: "1000", Device: "anna"},
		"no phone":          {To: "queue:sales"},
		"no such flow":      {To: "0722333444", CallerID: "1000", Flow: "nothing"},
		"reserved variable": {To: "0722333444", CallerID: "1000", Variables: map[string]string{"from": "1"}},
		"too much":          {To: "0722333444", CallerID: "1000", Variables: map[string]string{"a": strings.Repeat("x", 20000)}},
		"a strange tongue":  {To: "0722333444", CallerID: "1000", Language: "Klingon"},
	} {
		if c.Flow == "" {
			c.Flow = "robot"
		}
		if s, err := n.StartCall(t.Context(), "default", c); err == nil {
			t.Errorf("%s: call %s", name, s.ID)
		}
	}
	if _, err := n.StartCall(t.Context(), "default", api.StartCall{To: "0722333444", CallerID: "1000", Device: "bob", Flow: "robot"}); err != nil {
		t.Error("bob may call there:", err)
	}
	n.ring(n.rings)
}

// The same request again makes no second call.
func TestStartCallOnce(t *testing.T) {
	n := console(t, nil)
	n.must(startDocs)
	sofia, vera := n.signIn("default", "sofia"), n.signIn("default", "vera")
	var first, again api.StartedCall
	body := `{"to": "0722333444", "flow": "robot", "caller_id": "1000"}`
	for _, s := range []*api.StartedCall{&first, &again} {
		r := sofia.ask("POST", "/api/v1/calls", body, "Idempotency-Key", "one")
		if r.status != 201 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		if err := json.Unmarshal(r.body, s); err != nil {
			t.Fatal(err)
		}
	}
	// An agent calls from the own device, with its rights.
	if r := vera.ask("POST", "/api/v1/calls", body); r.status != 422 || !strings.Contains(string(r.body), "may not be called now (right") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := vera.ask("POST", "/api/v1/calls", strings.Replace(body, "{", `{"device": "bob", `, 1)); r.status != 403 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if first.ID == "" || first != again {
		t.Errorf("%v and %v", first, again)
	}
	n.ring(n.rings)
	if len(n.rings) != 0 {
		t.Error("two calls")
	}
}
