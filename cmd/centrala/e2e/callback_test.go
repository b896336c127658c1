//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

const callbackQueue = `
kind: queue
name: promise
spec:
  members: [{agent: "*"}]
  ring_timeout: 20s
  wrap_up: 0s
  music: tune
  announce_first: -1s
  record: always
  keys: {"1": callback}
  callback: {retries: 2, interval: 10s, dial_timeout: 20s, allow: ["0722"]}
---
kind: number
name: promise
spec: {digits: "2009", queue: promise}
`

// callbacks are what the command line lists.
func (h *house) callbacks() (list []api.Callback) {
	h.decode(&list, "callback", "list")
	return list
}

// asksForACallback is a house in which the carrier's caller waits to be called back.
func asksForACallback(t *testing.T) (h *house, bob *phone) {
	h = open(t)
	h.write("promise.yaml", callbackQueue)
	if out, err := h.run("apply", h.dir+"/promise.yaml"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	bob = h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	h.agent("bob", "not_ready")
	h.sipp("uac-asks-for-a-callback.xml", "2009", 1)
	list := h.callbacks()
	if len(list) != 1 || list[0].State != "waiting" || list[0].Number != "0722111222" || list[0].Queue != "promise" {
		t.Fatalf("%+v", list)
	}
	return h, bob
}

// customer plays the customer's phone once.
func (h *house) customer(scenario string) chan string {
	done := make(chan string, 1)
	go func() {
		out, err := h.sippCommand(scenario, "x", 1, "-p", fmt.Sprint(h.carrier.Port()))
		if err == nil {
			out = ""
		}
		done <- out
	}()
	return done
}

// TestCallback: the caller presses a key and hangs up; a younger caller comes; when the
// agent is ready the older place is called first, busy the first time, so the younger
// one is served; the server starts anew, and the customer is called again and talks.
func TestCallback(t *testing.T) {
	t.Parallel()
	h, bob := asksForACallback(t)
	asked := h.callbacks()[0]
	if out, err := h.run("call", "why", asked.ID); err != nil || !strings.Contains(out, "asked to be called back on 0722111222") {
		t.Errorf("%v\n%s", err, out)
	}
	younger := h.dial(h.phone("anna", "udp", robot.Any), "2009")
	h.eventually(patience, "the younger caller waits", func() bool {
		return h.metric(`centrala_queue_waiting{queue="promise",tenant="default"}`) == 1
	})
	busy := h.customer("uas-customer-busy.xml")
	h.agent("bob", "ready")
	agent := h.ring(bob)
	if got := agent.Request().Get("x-centrala-callback"); got != asked.ID {
		t.Errorf("the agent's phone is told %q, want the callback %q", got, asked.ID)
	}
	agent.Answer()
	h.over(agent) // busy: freed
	if out := <-busy; out != "" {
		t.Fatal(out)
	}
	agent = h.ring(bob) // for who is on the line
	if got := agent.Request().Get("x-centrala-callback"); got != "" {
		t.Errorf("a caller on the line is no callback: %q", got)
	}
	agent.Answer()
	h.up(younger)
	younger.Hangup()
	h.over(agent)
	if list := h.callbacks(); len(list) != 1 || list[0].State != "resting" || list[0].Tries != 1 || list[0].Last != "busy" || list[0].Next == nil {
		t.Fatalf("%+v", list)
	}
	h.quiet()
	h.stop()
	h.start()
	customer := h.customer("uas-carrier.xml")
	select { // 10 s after the busy try
	case agent = <-bob.rings:
	case <-time.After(patience):
		t.Fatalf("the agent's phone does not ring: %+v", h.callbacks())
	}
	agent.Answer()
	h.eventually(patience, "they talk", func() bool {
		return h.metric(`centrala_callbacks_ended_total{outcome="reached",queue="promise",tenant="default"}`) == 1
	})
	time.Sleep(time.Second)
	agent.Hangup()
	if out := <-customer; out != "" {
		t.Fatal(out)
	}
	d := h.ended()
	if d.Direction != event.Outbound || d.Callback != asked.ID || d.Queue != "promise" || d.Agent != "bob" || !strings.Contains(segments(d), "talking") || len(d.Recordings) != 1 {
		t.Errorf("%+v", d.Call)
	}
	if list := h.callbacks(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	out, err := h.run("call", "why", asked.ID)
	for _, want := range []string{"will be called back and keeps the place", "busy; again in 10s", "reached after 2 tries"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %q is not in\n%s", err, want, out)
		}
	}
	h.quiet()
}

// TestCallbackCancelled: who is taken out is not called.
func TestCallbackCancelled(t *testing.T) {
	t.Parallel()
	h, bob := asksForACallback(t)
	if out, err := h.run("callback", "cancel", h.callbacks()[0].ID); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.agent("bob", "ready")
	select {
	case <-bob.rings:
		t.Error("the agent's phone rings")
	case <-time.After(time.Second):
	}
	if list := h.callbacks(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	// By hand: in turn like any other, and never where nobody may call.
	if out, err := h.run("callback", "add", "promise", "0722111333"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.ring(bob).Reject(486, "Busy Here")
	if list := h.callbacks(); len(list) != 1 || list[0].Number != "0722111333" || list[0].State != "waiting" {
		t.Errorf("%+v", list)
	}
	for _, number := range []string{"0722111333", "0723111333", "112", "1000"} {
		if out, err := h.run("callback", "add", "promise", number); err == nil {
			t.Errorf("%s will be called: %s", number, out)
		}
	}
	if out, err := h.run("callback", "cancel", h.callbacks()[0].ID); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := h.run("callback", "cancel", "nobody"); err == nil {
		t.Error("nothing was cancelled, and no error")
	}
	h.quiet()
}
