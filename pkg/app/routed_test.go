package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
)

// TestHeadsetAnswersByItself: a queue's call asks the phone to answer by itself, in
// the way its device names; a colleague's call does not.
func TestHeadsetAnswersByItself(t *testing.T) {
	for how, header := range map[string]string{"call_info": "call-info", "alert_info": "alert-info"} {
		n := up(t)
		if _, err := n.apply("{kind: device, name: bob, spec: {password: pw-bob, extension: \"201\", auto_answer: "+how+"}}\n", api.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		rings := make(chan *robot.Call, 4)
		n.register(n.phone("127.0.0.1", rings), bob)
		phone := n.phone("127.0.0.1", nil)
		if err := n.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
			t.Fatal(err)
		}
		for dialled, want := range map[string]bool{"1001": true, "201": false} {
			c, err := phone.Invite(robot.Options{To: dialled, From: anna})
			if err != nil {
				t.Fatal(err)
			}
			rung := n.ring(rings)
			if v := rung.Request().Get(header); strings.Contains(v, "answer") != want {
				t.Errorf("%s, %s dialled: %s %q", how, dialled, header, v)
			}
			hangUp(rung)
			hangUp(c)
			n.record("default", c)
			n.eventually("bob is ready again", func() bool {
				agents, err := n.Agents(context.Background(), "default")
				return err == nil && agents[0].State == "ready"
			})
		}
	}
}

// TestOneCallOnDemand: ready for one call, then not, until asking for the next.
func TestOneCallOnDemand(t *testing.T) {
	n := up(t)
	ctx := context.Background()
	rings := make(chan *robot.Call, 4)
	n.register(n.phone("127.0.0.1", rings), bob)
	phone := n.phone("127.0.0.1", nil)
	state := func(want string) {
		t.Helper()
		n.eventually("bob is "+want, func() bool {
			agents, err := n.Agents(ctx, "default")
			return err == nil && strings.TrimSpace(agents[0].State+" "+agents[0].Reason) == want
		})
	}
	for range 2 {
		if err := n.CommandAgent(ctx, "default", "bob", api.AgentCommand{State: "ready", Once: true}); err != nil {
			t.Fatal(err)
		}
		state("ready")
		c, code := n.dial(phone, anna, "1001")
		if code != 200 {
			t.Fatal(code)
		}
		hangUp(n.ring(rings))
		hangUp(c)
		state("not_ready one_call")
	}
}

// TestPriorityOfAWaitingCall: a supervisor lifts the second caller over the first.
func TestPriorityOfAWaitingCall(t *testing.T) {
	n := up(t)
	ctx := context.Background()
	rings := make(chan *robot.Call, 4)
	n.register(n.phone("127.0.0.1", rings), bob)
	phone := n.phone("127.0.0.1", nil)
	waiting := func(want int) {
		t.Helper()
		n.eventually("callers wait", func() bool {
			q, err := n.Queues(ctx, "default")
			return err == nil && len(q) == 1 && q[0].Waiting == want
		})
	}
	first, _ := n.dial(phone, anna, "1001")
	waiting(1)
	second, _ := n.dial(phone, anna, "1001")
	waiting(2)
	id := ""
	n.eventually("both calls are listed", func() bool {
		page, err := n.Calls(ctx, "default", api.CallFilter{})
		if err != nil || len(page.Calls) != 2 {
			return false
		}
		for _, c := range page.Calls {
			if c.SIPCallID == second.SIPCallID() {
				id = c.ID
			}
		}
		return id != ""
	})
	if err := n.SetPriority(ctx, "default", id, 3, "eve"); err != nil {
		t.Fatal(err)
	}
	if err := n.SetPriority(ctx, "acme", id, 3, "eve"); err == nil {
		t.Error("another tenant changes the priority")
	}
	if err := n.SetAgentState(ctx, "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	agent := n.ring(rings)
	n.eventually("bob has the second caller", func() bool {
		w, err := n.Why(ctx, "default", id)
		return err == nil && strings.Contains(strings.Join(w.Story, "\n"), "bob answered") &&
			strings.Contains(strings.Join(w.Story, "\n"), "priority changed from 0 to 3 by eve: now number 1")
	})
	hangUp(agent)
	hangUp(second)
	hangUp(n.ring(rings))
	hangUp(first)
}
