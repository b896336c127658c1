//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestOverflow: with one caller ahead the next goes to the second queue at once; who
// has waited three seconds follows. Both are answered there, and the reason is told.
func TestOverflow(t *testing.T) {
	t.Parallel()
	h, anna, bob, carol := routed(t)
	first := h.dial(anna, "2003")
	busy := h.ring(bob)
	busy.Answer()
	h.up(first)
	waits := h.dial(anna, "2003")
	h.eventually(patience, "the second caller waits", func() bool { return h.metric(`centrala_queue_waiting{queue="small",tenant="default"}`) == 1 })
	began := time.Now()
	sent := h.dial(anna, "2003")
	agent := h.ring(carol)
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("sent on after %s, although somebody stood ahead", d)
	}
	agent.Answer()
	h.up(sent)
	sent.Hangup()
	h.over(agent)
	agent = h.ring(carol) // the second caller, after 3 s
	agent.Answer()
	h.up(waits)
	waits.Hangup()
	h.over(agent)
	d := h.ended(waits)
	if d.Queue != "second" || d.Agent != "carol" {
		t.Errorf("queue %q, agent %q", d.Queue, d.Agent)
	}
	if out, err := h.run("call", "why", d.ID); err != nil || !strings.Contains(out, "overflow to queue:second (waited 3s)") {
		t.Errorf("%v\n%s", err, out)
	}
	if n := h.metric(`centrala_queue_left_total{queue="small",reason="overflow",tenant="default"}`); n != 2 {
		t.Errorf("%v callers sent on are counted, want 2", n)
	}
	first.Hangup()
	h.over(busy)
	h.quiet()
}

// TestCutOffCallerHasTheOldPlace: the first caller hangs up, calls again, and is
// served before the one who came second.
func TestCutOffCallerHasTheOldPlace(t *testing.T) {
	t.Parallel()
	h, anna, bob, carol := routed(t)
	h.agent("carol", "not_ready")
	h.agent("bob", "not_ready")
	cut := h.dial(anna, "2000")
	waiting := func(n float64) {
		h.eventually(patience, "callers wait", func() bool { return h.metric(`centrala_queue_waiting{queue="patient",tenant="default"}`) == n })
	}
	waiting(1)
	second := h.dial(carol, "2000")
	waiting(2)
	cut.Hangup()
	was := h.ended(cut)
	waiting(1)
	again := h.dial(anna, "2000")
	waiting(2)
	h.agent("bob", "ready")
	agent := h.ring(bob)
	agent.Answer()
	h.up(again)
	again.Hangup()
	h.over(agent)
	d := h.ended(again)
	if out, err := h.run("call", "why", d.ID); err != nil || !strings.Contains(out, "has the old place of call "+was.ID) {
		t.Errorf("%v\n%s", err, out)
	}
	agent = h.ring(bob)
	agent.Answer()
	h.up(second)
	second.Hangup()
	h.over(agent)
	h.quiet()
}

// TestPlacesOutliveKillNine: two callers wait, the process is killed; they call again
// in the other order, and are served in the old one.
func TestPlacesOutliveKillNine(t *testing.T) {
	t.Parallel()
	h, anna, bob, carol := routed(t)
	h.agent("carol", "not_ready")
	h.agent("bob", "not_ready")
	waiting := func(n float64) {
		h.eventually(patience, "callers wait", func() bool { return h.metric(`centrala_queue_waiting{queue="patient",tenant="default"}`) == n })
	}
	first := h.dial(anna, "2000")
	waiting(1)
	second := h.dial(carol, "2000")
	waiting(2)
	time.Sleep(300 * time.Millisecond) // what is not on the disk yet dies as well
	h.kill()
	first.Vanish()
	second.Vanish()
	h.start()
	second = h.dial(carol, "2000")
	waiting(1)
	first = h.dial(anna, "2000")
	waiting(2)
	h.agent("bob", "ready")
	agent := h.ring(bob)
	agent.Answer()
	h.up(first)
	first.Hangup()
	h.over(agent)
	d := h.ended(first)
	if out, err := h.run("call", "why", d.ID); err != nil || !strings.Contains(out, "has the old place of call ") {
		t.Errorf("%v\n%s", err, out)
	}
	agent = h.ring(bob)
	agent.Answer()
	h.up(second)
	second.Hangup()
	h.over(agent)
	h.quiet()
}

// TestHotDesk: an agent without a phone logs in at carol's by number and PIN, gets a
// queue's caller there, and logs out.
func TestHotDesk(t *testing.T) {
	t.Parallel()
	h, anna, _, carol := routed(t)
	h.write("desk.yaml", `{kind: user, name: eva, spec: {roles: [agent], agent_number: "4711", agent_pin: "2468"}}`)
	if out, err := h.run("apply", h.dir+"/desk.yaml"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.agent("bob", "not_ready")
	in := h.dial(carol, "*40")
	h.up(in)
	h.eventually(patience, "keys can be sent", func() bool { return in.Leg().SendDigits("4711#2468#") })
	h.eventually(patience, "eva is logged in, and carol out", func() bool { return h.state("eva") == "ready" && h.state("carol") == "offline" })
	h.over(in)
	caller := h.dial(anna, "2002")
	agent := h.ring(carol)
	agent.Answer()
	h.up(caller)
	caller.Hangup()
	h.over(agent)
	if d := h.ended(caller); d.Agent != "eva" {
		t.Errorf("the caller talked to %q", d.Agent)
	}
	out := h.dial(carol, "*42")
	h.up(out)
	h.eventually(patience, "eva is logged out", func() bool { return h.state("eva") == "offline" })
	h.over(out)
	h.quiet()
}
