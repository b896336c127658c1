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
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

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
	d := h.ended()
	if d.ID != id || d.Result != event.ResultSuccess || d.Direction != event.Outbound {
		t.Errorf("%+v", d.Call)
	}
	bob := h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	angry := h.answers("1120")
	h.startCall("0722111222", "--flow", "survey", "--caller-id", "2005", "--var", "order=A-7", "--var", "name=Ana Rusu")
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
	h.ended()
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
	if d := h.ended(); d.ID != id || d.Result != event.ResultUpstream || d.Reason != event.ReasonBusy {
		t.Errorf("%+v", d.Call)
	}
}
