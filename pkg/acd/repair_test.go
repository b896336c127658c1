package acd

import (
	"fmt"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// TestEveryBreachIsFoundAndRepaired damages an engine in each way, as no event
// can: the audit names it, Repair cures it, and the house works on.
func TestEveryBreachIsFoundAndRepaired(t *testing.T) {
	for name, damage := range map[string]func(e *Engine) string{
		"an offer that the agent does not know":  func(e *Engine) string { e.byAgent["ana"].offer = nil; return "one_reservation" },
		"an offer that the caller does not know": func(e *Engine) string { e.callers["c1"].offers = nil; return "one_reservation" },
		"an agent reserved for nobody":           func(e *Engine) string { e.byAgent["bob"].m.State = agent.Reserved; return "one_reservation" },
		"on a call without a call":               func(e *Engine) string { e.byAgent["dan"].calls = nil; return "one_call" },
		"a call and not on a call":               func(e *Engine) string { e.byAgent["dan"].m.State = agent.NotReady; return "one_call" },
		"a deadline lost":                        func(e *Engine) string { e.disarm(&e.byAgent["ana"].timer); return "deadline" },
		"a free agent outside the heaps": func(e *Engine) string {
			c := e.callers["c2"] // nobody is free: let bob be, behind the engine's back
			_ = c
			a := e.byAgent["bob"]
			a.m.State, a.m.Reason = agent.Ready, ""
			return "standing"
		},
		"a caller in no heap": func(e *Engine) string { e.callers["c2"].file(nil); return "one_place" },
		"a caller twice in line": func(e *Engine) string {
			c := e.callers["c2"]
			c.strict = -5 // its place in line is another than its key says
			return "order"
		},
		"counts off":       func(e *Engine) string { e.callers["c2"].class.by[0]++; return "counts" },
		"a widening lost":  func(e *Engine) string { e.disarm(&e.callers["c2"].widen); return "deadline" },
		"a family dropped": func(e *Engine) string { clear(e.queues[0].byNeed); return "one_place" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScore(t, sales(func(q *Queue) { q.Need = "any; after 90s any" }), people("ana", "bob", "cid", "dan"))
			s.at("0s", login("dan"), enter("c0", "sales"), accept("c0"), login("ana"), enter("c1", "sales"), ring("c1"),
				login("bob"), pause("bob", "lunch"), enter("c2", "sales"), enter("c3", "sales"))
			rule := damage(s.e)
			found := false
			for _, b := range Audit(s.e) {
				found = found || b.Rule == rule
			}
			if !found {
				t.Fatalf("the audit does not find %q: %v", rule, Audit(s.e))
			}
			s.faulty = true
			s.at("1s", Repair{}) // the score audits after each step
			s.at("2s", login("cid"))
			s.at("3m")
			if n := len(s.e.callers); n != 3 {
				t.Errorf("%d callers are left of 3", n)
			}
		})
	}
}

// TestSamplerComesToEverybody: what is broken anywhere is found within one round.
func TestSamplerComesToEverybody(t *testing.T) {
	e, w := floor(t, 200, 10, 100, 2)
	w.accept()
	var s Sampler
	for range 20 {
		if b := s.Sample(e, 20, nil); len(b) > 0 {
			t.Fatal(b)
		}
	}
	e.agents[137].standing = standUnreachable
	found := 0
	for range 10 {
		found += len(s.Sample(e, 20, nil))
	}
	if found == 0 {
		t.Fatal("not found in a round")
	}
}

func TestSamplerFindsDeadCalls(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), accept("c1"))
	var sm Sampler
	alive := func(id string) bool { return id != "c1" }
	for i := range 3 {
		s.at(fmt.Sprint(i*600, "ms"))
		found := sm.Sample(s.e, 5, alive)
		if want := i == 2; (len(found) == 1 && found[0].CallID == "c1") != want {
			t.Fatalf("sample %d: %v", i, found)
		}
	}
	if b := sm.Sample(s.e, 5, func(string) bool { return true }); len(b) > 0 {
		t.Fatal(b)
	}
	_ = time.Second
}
