//go:build e2e

package e2e

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

// endedAs waits for the end of the one call that is so.
func (h *house) endedAs(is func(c cdr.Call) bool) (end cdr.Call) {
	h.t.Helper()
	h.eventually(patience, "the call's end", func() bool {
		var p api.CallPage
		h.decode(&p, "call", "list")
		for _, c := range p.Calls {
			if is(c) && !c.Open() {
				end = c
				return true
			}
		}
		return false
	})
	return end
}

// ready applies the ready robots, but for their tenant, and more.
func (h *house) ready(more string) {
	h.t.Helper()
	doc, err := os.ReadFile("../../../configs/flows/survey.yaml")
	if err != nil {
		h.t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "\n---\n")
	if !ok {
		h.t.Fatal("no document behind the tenant")
	}
	h.write("robots.yaml", rest+more)
	if out, err := h.run("apply", h.dir+"/robots.yaml"); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
}

// answers plays somebody at the carrier who answers and presses four keys.
func (h *house) answers(keys string) chan string {
	done := make(chan string, 1)
	go func() {
		args := []string{"-p", fmt.Sprint(h.carrier.Port())}
		for i, name := range []string{"first", "second", "third", "fourth"} {
			args = append(args, "-key", name, keys[i:i+1])
		}
		out, err := h.sippCommand("uas-answers-a-questionnaire.xml", "x", 1, args...)
		if err == nil {
			out = ""
		}
		done <- out
	}()
	return done
}

// startCall has the house call somebody, and returns the id of the call.
func (h *house) startCall(args ...string) string {
	h.t.Helper()
	out, err := h.run(append([]string{"call", "start"}, args...)...)
	if err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(out)
}

// TestQuestionnaireRobot: the ready flow calls people, who press keys: one is content and
// leaves no remark, one is angry and talks to an agent, whose phone has every answer.
func TestQuestionnaireRobot(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.ready(`
---
kind: device
name: bob
spec: {username: bob, password: pw-bob, extension: "201", hand_over: true}
`)
	content := h.answers("1549")
	id := h.startCall("0722111222", "--flow", "survey", "--caller-id", "2005", "--ring", "20s")
	if out := <-content; out != "" {
		t.Fatal(out)
	}
	if c := h.endedAs(func(c cdr.Call) bool { return c.ID == id }); c.Result != event.ResultSuccess || c.Direction != event.Outbound {
		t.Errorf("%+v", c)
	}
	bob := h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	angry := h.answers("1120")
	second := h.startCall("0722111222", "--flow", "survey", "--caller-id", "2005", "--var", "order=A-7", "--var", "name=Ana Rusu")
	agent := h.ring(bob)
	q, err := url.ParseQuery(agent.Request().Get("x-centrala-gathered"))
	if err != nil || q.Get("quality") != "1" || q.Get("recommend") != "0" || q.Get("order") != "A-7" || q.Get("name") != "Ana Rusu" {
		t.Errorf("the agent's phone is told %v %v", q, err)
	}
	agent.Answer()
	h.up(agent)
	time.Sleep(300 * time.Millisecond)
	agent.Hangup()
	if out := <-angry; out != "" {
		t.Fatal(out)
	}
	h.endedAs(func(c cdr.Call) bool { return c.ID == second })
	var f api.SurveyFigures
	h.decode(&f, "survey", "figures", "survey")
	got := ""
	for _, q := range f.Questions {
		got += fmt.Sprintf("%s %d", q.Question, q.Answers)
		if q.Mean != nil {
			got += fmt.Sprintf(" %.1f", *q.Mean)
		}
		got += "; "
	}
	if want := "quality 2 3.0; speed 2 3.0; recommend 2 4.5; "; got != want || f.Calls != 2 {
		t.Errorf("%q of %d calls, want %q", got, f.Calls, want)
	}
	out, err := h.run("survey", "answers", "survey", "--csv")
	if err != nil || strings.Count(out, "\n") != 7 || !strings.Contains(out, id+",recommend,scale,9,") {
		t.Errorf("%v\n%s", err, out)
	}
	h.quiet()
}

// TestInformerRobot: told of the day, the customer confirms.
func TestInformerRobot(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.ready("")
	done := h.answers("1111")
	id := h.startCall("0722111222", "--flow", "informer", "--caller-id", "2006", "--var", "when=2026-12-01")
	if out := <-done; !strings.Contains(out, "BYE") && out != "" { // it may hang up before the last key
		t.Fatal(out)
	}
	h.endedAs(func(c cdr.Call) bool { return c.ID == id })
	var p api.SurveyPage
	h.decode(&p, "survey", "answers", "informer")
	if len(p.Answers) != 1 || p.Answers[0].CallID != id || p.Answers[0].Value != "yes" {
		t.Errorf("%+v", p)
	}
	// Nobody is there: told in the call's end.
	busy := h.customer("uas-customer-busy.xml")
	id = h.startCall("0722111222", "--flow", "informer", "--caller-id", "2006")
	if out := <-busy; out != "" {
		t.Fatal(out)
	}
	if c := h.endedAs(func(c cdr.Call) bool { return c.ID == id }); c.Result != event.ResultUpstream || c.Reason != event.ReasonBusy {
		t.Errorf("%+v", c)
	}
}

// TestTransferStep: a flow has the caller's carrier call somebody else: taken, refused
// (then the two are bridged), busy there.
func TestTransferStep(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.write("away.yaml", `
kind: flow
name: away
spec:
  start: away
  steps:
    away: {transfer: {to: "0733444555", timeout: 20s}, on: {busy: busy}, next: end}
    busy: {tone: {tone: busy, for: 500ms}, next: end}
    end: {hangup: normal}
---
{kind: number, name: away, spec: {digits: "2050", flow: away}}
---
{kind: number, name: away-busy, spec: {digits: "2051", flow: away}}
---
{kind: number, name: away-refused, spec: {digits: "2052", flow: away}}
`)
	if out, err := h.run("apply", h.dir+"/away.yaml"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	to := func(number string) cdr.Call {
		t.Helper()
		return h.endedAs(func(c cdr.Call) bool { return c.To == number })
	}
	h.sipp("uac-takes-a-transfer.xml", "2050", 1)
	if c := to("2050"); c.Result != event.ResultSuccess || c.Reason != event.ReasonTransferred || len(c.Legs) != 1 {
		t.Errorf("%+v", c)
	}
	h.sipp("uac-transfer-busy.xml", "2051", 1)
	if c := to("2051"); c.Result != event.ResultSuccess || c.Reason != event.ReasonNormal || len(c.Legs) != 1 {
		t.Errorf("%+v", c)
	}
	callee := h.customer("uas-callee-hangs-up.xml")
	h.sipp("uac-refuses-a-transfer.xml", "2052", 1)
	if out := <-callee; out != "" {
		t.Fatal(out)
	}
	if c := to("2052"); c.Result != event.ResultAgent || len(c.Legs) != 2 || c.Legs[1].Number != "0733444555" {
		t.Errorf("%+v", c)
	}
	h.quiet()
}
