package acd

import (
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// TestEveryRuleIsBroken breaks each promise of BreachRules on purpose, as no event
// can: the audit names it, Repair cures it, and the house works on.
func TestEveryRuleIsBroken(t *testing.T) {
	covered := []string{"dead_call", "callback"} // TestSamplerFindsDeadCalls, TestBrokenCallbacks
	for rule, damage := range map[string]func(e *Engine){
		"one_place":          func(e *Engine) { e.callers["c2"].file(nil) },
		"one_reservation":    func(e *Engine) { e.byAgent["ana"].offer = nil },
		"one_call":           func(e *Engine) { e.byAgent["dan"].calls = nil },
		"order":              func(e *Engine) { e.callers["c2"].strict = -5 },
		"position":           func(e *Engine) { e.queues[0].line.n += 3 },
		"deadline":           func(e *Engine) { e.disarm(&e.byAgent["ana"].timer) },
		"deadline_missed":    func(e *Engine) { e.arm(&e.callers["c2"].limit, e.now) },
		"standing":           func(e *Engine) { e.byAgent["bob"].standing = standFree },
		"counts":             func(e *Engine) { e.callers["c2"].class.by[0]++ },
		"idle_while_waiting": func(e *Engine) { a := e.byAgent["bob"]; a.m = agent.Machine{State: agent.Ready}; e.setStanding(a) },
		"left_alone": func(e *Engine) {
			for _, a := range e.agents {
				a.m = agent.Machine{State: agent.Offline}
			}
		},
		"waits_for_nobody": func(e *Engine) { c := e.callers["c4"]; e.byAgent["eva"].m.State, c.patience = agent.Offline, e.now },
		"stage":            func(e *Engine) { c := e.callers["c2"]; c.class = c.fam.stages[1] },
		"ring_limit": func(e *Engine) {
			c := e.callers["c1"]
			e.queues[0].RingLimit = 1
			e.queues[0].s = strategies[StrategyRingAll]
			c.offers = append(c.offers, c.offers[0])
			c.class.more.push(c.slot())
		},
		"late":              func(e *Engine) { e.late["x"] = &offer{id: "x", a: e.byAgent["ana"], c: &caller{callID: "gone"}} },
		"announce_in_offer": func(e *Engine) { e.arm(&e.callers["c1"].announce, e.now+int64(time.Minute)) },
		"heap_order": func(e *Engine) {
			s := e.timers.items
			s[0], s[len(s)-1] = s[len(s)-1], s[0]
		},
		"pool_index": func(e *Engine) {
			c := e.callers["c2"].class
			for _, qp := range c.q.pools {
				c.pools.items = append(c.pools.items, poolRef{qp.p, 0})
				return
			}
		},
		"agent_index": func(e *Engine) { delete(e.byAgent, "cid") },
		"reach":       func(e *Engine) { e.byAgent["bob"].reachable = false },
	} {
		covered = append(covered, rule)
		t.Run(rule, func(t *testing.T) {
			s := newScore(t, sales(func(q *Queue) { q.Need, q.LeaveWhenEmpty, q.MaxWait = "any; after 90s any", true, time.Hour }), people("ana", "bob", "cid", "dan", "eva"))
			s.at("0s", login("dan"), enter("c0", "sales"), accept("c0"), login("eva"), enter("cx", "sales"), accept("cx"), login("ana"), enter("c1", "sales"), ring("c1"),
				login("bob"), pause("bob", "lunch"), enter("c2", "sales"), enter("c3", "sales"))
			s.at("0s", Enter{CallID: "c4", Queue: "sales", Agent: "eva", Patience: time.Hour})
			damage(s.e)
			found := false
			for _, b := range Audit(s.e) {
				found = found || b.Rule == rule
			}
			if !found {
				t.Fatalf("the audit does not find it: %v", Audit(s.e))
			}
			s.faulty = true
			s.at("1s", Repair{}) // the score audits after each step
			s.at("2s", login("cid"))
			s.at("3m")
		})
	}
	for _, rule := range BreachRules {
		if !slices.Contains(covered, rule) {
			t.Errorf("nobody breaks %q", rule)
		}
	}
}

// TestBrokenCallbacks is the same for those who wait to be called back; the sampler of
// the live engine finds it in a round.
func TestBrokenCallbacks(t *testing.T) {
	for name, damage := range map[string]func(e *Engine, cb *callback){
		"miscounted": func(e *Engine, cb *callback) { e.queues[0].callbacks += 2 },
		"out of the line": func(e *Engine, cb *callback) {
			cb.State = CallbackResting
			e.leave(cb.c, LeftCallback, "")
			cb.State, cb.Next = CallbackWaiting, time.Time{}
		},
		"in line, and aside":  func(e *Engine, cb *callback) { cb.State = CallbackClosed },
		"without an end":      func(e *Engine, cb *callback) { e.disarm(&cb.timer) },
		"filed nowhere":       func(e *Engine, cb *callback) { delete(e.callbacks.byID, cb.ID) },
		"in line at night":    func(e *Engine, cb *callback) { e.callbacks.shut = map[string]bool{"sales": true} },
		"found by the number": func(e *Engine, cb *callback) { e.callbacks.party[placeKey{"sales", "9"}] = &callback{} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScore(t, sales(func(q *Queue) { q.Callback.On = true; q.LeaveWhenEmpty = false }), people("ana"))
			s.at("0s", enter("c1", "sales"), AskCallback{CallID: "c1", Number: "0700", By: "key"}, enter("c2", "sales"))
			damage(s.e, s.e.callbacks.list[0])
			var sm Sampler
			found := false
			for _, b := range sm.Sample(s.e, 5, nil) {
				found = found || b.Rule == "callback"
			}
			if !found {
				t.Fatalf("not found: %v", Audit(s.e))
			}
			s.faulty = true
			s.at("1s", Repair{})
			s.at("3m")
		})
	}
}
