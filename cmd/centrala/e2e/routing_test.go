//go:build e2e

package e2e

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

const routingQueues = `
kind: queue
name: everybody
spec: {strategy: ring_all, members: [{agent: "*"}], music: tune, announce_first: -1s}
---
kind: queue
name: known
spec: {last_agent: 1h, patience: 10s, members: [{agent: "*"}], music: tune, announce_first: -1s}
---
kind: queue
name: small
spec: {members: [{agent: bob}], music: tune, announce_first: -1s, overflow: [{ahead: 1, to: "queue:second"}, {after: 3s, to: "queue:second"}]}
---
kind: queue
name: second
spec: {members: [{agent: carol}], music: tune, announce_first: -1s}
---
kind: number
name: small
spec: {digits: "2003", queue: small}
---
kind: number
name: everybody
spec: {digits: "2001", queue: everybody}
---
kind: number
name: known
spec: {digits: "2002", queue: known}
`

// routed is a house with the queues above, bob and carol ready.
func routed(t *testing.T) (h *house, anna, bob, carol *phone) {
	h = open(t)
	h.write("routing.yaml", routingQueues)
	if out, err := h.run("apply", h.dir+"/routing.yaml"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	anna, bob, carol = h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any), h.phone("carol", "udp", robot.Any)
	h.agent("bob", "ready")
	time.Sleep(50 * time.Millisecond)
	h.agent("carol", "ready")
	return h, anna, bob, carol
}

// TestRingAllRaces: two phones ring and are picked up in the same moment; one
// talks, the other's agent is ready again.
func TestRingAllRaces(t *testing.T) {
	t.Parallel()
	h, anna, bob, carol := routed(t)
	for range 5 {
		caller := h.dial(anna, "2001")
		legs := []*robot.Call{h.ring(bob), h.ring(carol)}
		var wg sync.WaitGroup
		for _, l := range legs {
			wg.Go(func() { l.Answer() })
		}
		wg.Wait()
		h.up(caller)
		h.eventually(patience, "one agent talks, the other is ready", func() bool {
			a, b := h.state("bob"), h.state("carol")
			return a == "on_call" && b == "ready" || a == "ready" && b == "on_call"
		})
		caller.Hangup()
		h.over(legs[0])
		h.over(legs[1])
		d := h.ended(caller)
		if d.Agent == "" || string(d.Result) != "caller" {
			t.Errorf("agent %q, %s/%s", d.Agent, d.Result, d.Reason)
		}
		h.eventually(patience, "both ready", func() bool { return h.state("bob") == "ready" && h.state("carol") == "ready" })
	}
	h.quiet()
}

// TestLastAgentAgain: who calls again gets the agent of the last time, although
// another has been free longer; a restart does not forget it.
func TestLastAgentAgain(t *testing.T) {
	t.Parallel()
	h, anna, bob, carol := routed(t)
	caller := h.dial(anna, "2002")
	agent := h.ring(bob)
	agent.Answer()
	h.up(caller)
	caller.Hangup()
	h.over(agent)
	h.ended(caller)
	caller = h.dial(anna, "2002")
	agent = h.ring(bob) // carol has been free longer
	agent.Answer()
	h.up(caller)
	caller.Hangup()
	h.over(agent)
	d := h.ended(caller)
	out, err := h.run("call", "why", d.ID)
	if err != nil || !strings.Contains(out, "asked for") {
		t.Errorf("%v\n%s", err, out)
	}
	h.agent("bob", "not_ready")
	caller = h.dial(anna, "2002")
	agent = h.ring(carol) // who is not ready keeps nobody waiting
	agent.Answer()
	h.up(caller)
	caller.Hangup()
	h.over(agent)
	h.quiet()
}

// TestPhoneLostInMidRing: the phone that rings says good-bye; the caller goes to
// the next agent at once, without the ring time-out.
func TestPhoneLostInMidRing(t *testing.T) {
	t.Parallel()
	h, anna, bob, carol := routed(t)
	caller := h.dial(anna, "2000") // rings for 20 s
	first := h.ring(bob)
	began := time.Now()
	if err := bob.RegisterWait(within(t, patience), bob.account, 0); err != nil {
		t.Fatal(err)
	}
	second := h.ring(carol)
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("carol rang after %s", d)
	}
	h.over(first)
	second.Answer()
	h.up(caller)
	caller.Hangup()
	h.over(second)
	if s := h.state("bob"); s != "ready" {
		t.Errorf("bob is %q: the phone is to blame, not the agent", s)
	}
	h.quiet()
}

// TestPushedByHand: a supervisor gives a waiting caller to an agent who talks.
func TestPushedByHand(t *testing.T) {
	t.Parallel()
	h, anna, bob, carol := routed(t)
	h.agent("carol", "not_ready")
	one := h.dial(anna, "2000")
	agent := h.ring(bob)
	agent.Answer()
	h.up(one)
	two := h.dial(anna, "2000")
	var calls struct {
		Calls []struct{ ID, Agent string } `json:"calls"`
	}
	h.eventually(patience, "a second caller waits", func() bool {
		calls.Calls = nil
		h.decode(&calls, "call", "list", "--live", "--json")
		return len(calls.Calls) == 2
	})
	id := ""
	for _, c := range calls.Calls {
		if c.Agent == "" {
			id = c.ID
		}
	}
	out, err := h.run("call", "why", id)
	if err != nil || !strings.Contains(out, "now: ") || !strings.Contains(out, "carol not ready") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := h.run("call", "pull", id, "carol"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	second := h.ring(carol)
	second.Answer()
	h.up(two)
	two.Hangup()
	h.eventually(patience, "carol is not ready again", func() bool { return h.state("carol") == "not_ready" })
	one.Hangup()
	h.over(agent)
	h.over(second)
	h.quiet()
}

// TestRingAllCallerHangsUp: the caller gives up while two phones ring.
func TestRingAllCallerHangsUp(t *testing.T) {
	t.Parallel()
	h, _, bob, carol := routed(t)
	h.sipp("uac-bye-while-queued.xml", "2001", 1)
	for _, ring := range []*robot.Call{h.ring(bob), h.ring(carol)} {
		h.over(ring)
		if by, code := ring.Ended(); by != robot.ByPeer || code != 487 {
			t.Errorf("ringing ended by %s %d, want CANCEL", by, code)
		}
	}
	h.eventually(patience, "both are ready again", func() bool { return h.state("bob") == "ready" && h.state("carol") == "ready" })
	h.quiet()
}
