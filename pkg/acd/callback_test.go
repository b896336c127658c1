package acd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func callsBack(change ...func(*Queue)) []Queue {
	return sales(append([]func(*Queue){func(q *Queue) {
		q.Callback = CallbackRules{On: true, Retries: 1, Interval: 5 * time.Minute, MaxAge: 2 * time.Hour, Dial: time.Minute}
	}}, change...)...)
}

func ask(call, number string) Event {
	return AskCallback{CallID: call, Queue: "sales", Number: number, Caller: number, By: "key"}
}

// result of the try that callback is at.
func result(callback, outcome string) func(*score) Event {
	return func(s *score) Event { return CallbackResult{s.tries[callback], outcome} }
}

func tryOver(callback, agent string) func(*score) Event {
	return func(s *score) Event { return CallEnded{agent, s.tries[callback]} }
}

// TestCallbackKeepsThePlace: who asked stands where the caller stood, behind who is
// older and before who is younger.
func TestCallbackKeepsThePlace(t *testing.T) {
	s := newScore(t, callsBack(), people("ana"))
	s.at("0s", enter("old", "sales"))
	s.at("10s", enter("cb", "sales"))
	s.at("20s", enter("young", "sales"))
	s.at("30s", ask("cb", "+40211"))
	s.want("taken cb +40211 2", "left cb sales callback 20s", "joined *cb sales 2")
	s.at("1m", login("ana"))
	s.want("offer old ana")
	s.at("62s", accept("old"))
	s.at("2m", CallEnded{"ana", "old"})
	s.want("offer *cb ana")
	s.at("121s", ring("*cb"), accept("*cb"))
	s.want("left *cb sales answered 1m31s")
	if cb, _ := s.e.Callback("cb"); cb.State != CallbackDialling || cb.Tries != 1 || cb.Call != s.tries["cb"] {
		t.Fatalf("%+v", cb)
	}
	s.at("130s", result("cb", TryReached))
	s.want("tried cb ana 1 reached", "over cb reached 1")
	s.at("3m", tryOver("cb", "ana"))
	s.want("offer young ana")
	if list := s.e.Callbacks(); len(list) != 0 {
		t.Fatalf("%+v", list)
	}
}

// TestCallbackRetries: busy frees the agent, the place is kept for the next try, and
// the last one leaves a case for people.
func TestCallbackRetries(t *testing.T) {
	s := newScore(t, callsBack(), people("ana"))
	s.at("0s", enter("cb", "sales"), ask("cb", "+40211"))
	s.at("1m", enter("c2", "sales"))
	s.at("2m", login("ana"))
	s.want("offer *cb ana")
	s.at("121s", accept("*cb"))
	s.at("125s", result("cb", TryBusy), tryOver("cb", "ana"))
	s.want("tried cb ana 1 busy", "offer c2 ana")
	s.at("130s", accept("c2"))
	s.at("400s", CallEnded{"ana", "c2"})
	s.want() // it rests until 425s
	s.at("420s", enter("c3", "sales"))
	s.want("joined c3 sales 1", "offer c3 ana")
	s.at("421s", accept("c3"))
	s.at("424s", enter("c4", "sales"))
	s.at("426s")
	s.want("joined *cb sales 1") // before c4, who came later
	s.at("430s", CallEnded{"ana", "c3"})
	s.want("offer *cb ana")
	s.at("431s", accept("*cb"))
	s.at("435s", result("cb", TryNoAnswer), tryOver("cb", "ana"))
	s.want("tried cb ana 2 no_answer", "over cb given_up 2", "offer c4 ana")
	if cb, ok := s.e.Callback("cb"); !ok || cb.State != CallbackGivenUp {
		t.Fatalf("%+v", cb)
	}
	s.at("436s", CancelCallback{ID: "cb", By: "boss"})
	if _, ok := s.e.Callback("cb"); ok {
		t.Fatal("still listed")
	}
}

// TestCallbackOnce: one for a number and queue, no more than the tenant may have, none
// where the queue has none.
func TestCallbackOnce(t *testing.T) {
	s := newScore(t, append(callsBack(), Queue{Name: "plain"}), people())
	s.at("0s", Configure{Queues: append(callsBack(), Queue{Name: "plain"}), Settings: Settings{MaxCallbacks: 2}})
	s.at("1s", enter("a", "sales"), ask("a", "1"))
	s.at("2s", enter("b", "sales"), ask("b", "1"))
	s.want("joined b sales 2", "refused b sales exists")
	s.at("3s", ask("b", "2"))
	s.want("taken b 2 2", "left b sales callback 1s", "joined *b sales 2")
	s.at("4s", enter("c", "sales"), ask("c", "3"))
	s.want("joined c sales 3", "refused c sales many")
	s.at("5s", enter("d", "plain"), ask("d", "4"))
	s.want("joined d plain 1", "refused d plain off")
	s.at("6s", AskCallback{CallID: "x", Queue: "nowhere", Number: "9"})
	s.want("refused x nowhere unknown")
	if !errors.Is(s.e.Verdict(), ErrUnknownQueue) {
		t.Fatal(s.e.Verdict())
	}
}

// TestCallbackCallerReturns: who calls again has the place, and the callback is over.
func TestCallbackCallerReturns(t *testing.T) {
	s := newScore(t, callsBack(), people("ana"))
	back := func(call, number string) Event { return Enter{CallID: call, Queue: "sales", Returns: number} }
	s.at("0s", enter("a", "sales"), ask("a", "+40211"))
	s.at("10s", enter("b", "sales"))
	s.at("1m", back("again", "+40211"))
	s.want("over a returned 0", "left *a sales callback 1m0s", "joined again sales 1")
	s.at("2m", login("ana"))
	s.want("offer again ana")
	s.at("121s", accept("again"))
	s.at("122s", leave("b"))

	// While the agent's phone rings for the callback, the caller is given to it.
	s.at("3m", enter("c", "sales"), ask("c", "+40212"), CallEnded{"ana", "again"})
	s.want("taken c +40212 1", "joined c sales 1", "left c sales callback 0s", "joined *c sales 1", "offer *c ana")
	s.at("181s", back("c again", "+40212"))
	s.want("withdraw "+s.tries["c"]+" ana caller_left", "over c returned 0", "left *c sales callback 1s", "joined c again sales 1", "offer c again ana")
	s.at("182s", accept("c again"))

	// While it is dialled: the try goes on and is the last.
	s.at("200s", enter("d", "sales"), ask("d", "+40213"), CallEnded{"ana", "c again"})
	s.at("201s", accept("*d"))
	s.at("202s", back("d again", "+40213"))
	s.want("joined d again sales 1")
	s.at("203s", result("d", TryBusy), tryOver("d", "ana"))
	s.want("tried d ana 1 busy", "over d returned 1", "offer d again ana")
}

// TestCallbackHours: out of hours it stands aside, with its place.
func TestCallbackHours(t *testing.T) {
	s := newScore(t, callsBack(), people("ana"))
	s.at("0s", enter("a", "sales"), ask("a", "+40211"), CallbackHours{"sales", false})
	s.want("taken a +40211 1", "joined a sales 1", "left a sales callback 0s", "joined *a sales 1", "left *a sales callback 0s")
	s.at("1s", login("ana"))
	s.want()
	s.at("10s", Occupy{"ana", "own"}, enter("b", "sales"))
	s.at("20s", CallbackHours{"sales", true})
	s.want("joined *a sales 1")
	s.at("30s", Release{"ana", "own"})
	s.want("offer *a ana")
	s.at("31s", CallbackHours{"sales", false})
	s.want() // the phone that rings may be answered
	s.at("35s", fail("*a", CauseBusy))
	s.want("left *a sales callback 15s")
	if cb, _ := s.e.Callback("a"); cb.State != CallbackClosed {
		t.Fatalf("%+v", cb)
	}
	s.at("36s", leave("b"))
	s.at("2h1s")
	s.want("over a expired 0")
}

// TestCallbackEnds: every state passes by itself.
func TestCallbackEnds(t *testing.T) {
	t.Run("nobody says how the try went", func(t *testing.T) {
		s := newScore(t, callsBack(), people("ana"))
		s.at("0s", login("ana"), Occupy{"ana", "own"}, enter("a", "sales"), ask("a", "1"), Release{"ana", "own"})
		s.at("1s", accept("*a"))
		s.at("62s")
		s.want("tried a ana 1 failed")
	})
	t.Run("the call is gone", func(t *testing.T) {
		s := newScore(t, callsBack(), people("ana"))
		s.at("0s", login("ana"), Occupy{"ana", "own"}, enter("a", "sales"), ask("a", "1"), Release{"ana", "own"})
		s.at("1s", accept("*a"))
		s.at("2s", func(s *score) Event { return Gone{s.tries["a"]} })
		s.want("tried a ana 1 failed", "agent ana on_call ready")
	})
	t.Run("it grows too old in line", func(t *testing.T) {
		s := newScore(t, callsBack(), people("ana"))
		s.at("0s", enter("a", "sales"), ask("a", "1"))
		s.at("2h")
		s.want("over a expired 0")
		s.at("200h")
		if l := s.e.Callbacks(); len(l) != 0 {
			t.Fatalf("kept for people for ever: %+v", l)
		}
	})
	t.Run("the agent hangs up each time", func(t *testing.T) {
		s := newScore(t, callsBack(), people("ana"))
		s.at("0s", login("ana"), Occupy{"ana", "own"}, enter("a", "sales"), ask("a", "1"), Release{"ana", "own"})
		// It rests 10 s, 20 s, 40 s ... up to the interval, until it is too old.
		tries, at := 0, 1
		for rest := 10; ; rest = min(2*rest, 300) {
			s.at(fmt.Sprint(at, "s"), accept("*a"))
			s.at(fmt.Sprint(at+1, "s"), result("a", TryAgentLeft), tryOver("a", "ana"))
			tries++
			if cb, _ := s.e.Callback("a"); cb.State == CallbackGivenUp {
				s.want("tried a ana 0 agent_left", "over a expired 0")
				break
			}
			s.want("tried a ana 0 agent_left")
			at += 2 + rest
		}
		if tries < 20 || tries > 30 {
			t.Fatalf("%d tries in two hours", tries)
		}
	})
	t.Run("the queue is gone", func(t *testing.T) {
		s := newScore(t, callsBack(), people("ana"))
		s.at("0s", enter("a", "sales"), ask("a", "1"))
		s.at("1s", Configure{Agents: people("ana")})
		s.at("12s")
		s.want("over a removed 0")
	})
}

// TestCallbackSurvives: a restart gives each its place, state and deadline back.
func TestCallbackSurvives(t *testing.T) {
	s := newScore(t, callsBack(), people("ana"))
	s.at("0s", enter("a", "sales"), enter("b", "sales"), enter("c", "sales"), ask("c", "3"), ask("b", "2"), ask("a", "1"))
	s.at("10s", login("ana"))
	s.at("11s", accept("*a"))
	saved := s.e.Callbacks()

	s2 := newScore(t, callsBack(), people("ana"))
	s2.at("1m", enter("new", "sales"), RestoreCallbacks{saved})
	s2.want("joined new sales 1", "joined *b sales 1", "joined *c sales 2")
	s2.at("2m", login("ana"))
	s2.want("offer *b ana")
	s2.at("121s", accept("*b"))
	s2.at("150s", result("b", TryReached), tryOver("b", "ana"))
	s2.want("tried b ana 1 reached", "over b reached 1", "offer *c ana")
	if cb, _ := s2.e.Callback("a"); cb.State != CallbackResting || cb.Tries != 1 {
		t.Fatalf("the try that was cut off: %+v", cb)
	}
	s2.at("151s", fail("*c", CauseBusy), logout("ana"))
	s2.at("362s")
	s2.want("joined *a sales 1")
}

// TestCallbackNeverPassesOlder: whatever happens, nobody on the line who came before
// is passed over by a callback, and once nothing happens any more, none is left.
func TestCallbackNeverPassesOlder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		worth := rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "worth")
		agents := people("a0", "a1", "a2")
		e := New(Config{})
		now := noon
		type stand struct {
			arrived  time.Time
			priority int
		}
		live := map[string]stand{}
		asked := map[string]stand{}
		offers := map[string]Offer{}
		talks := map[string]string{}
		ended := map[string]int{}
		step := func(ev Event) {
			for _, f := range e.Step(now, ev) {
				switch f := f.(type) {
				case Offer:
					offers[f.OfferID] = f
					if f.Callback == "" {
						break
					}
					cb := asked[f.Callback]
					for id, c := range live {
						ahead := c.priority > cb.priority || c.priority == cb.priority && c.arrived.Before(cb.arrived)
						if worth > 0 {
							ahead = c.arrived.Add(-time.Duration(c.priority) * worth).Before(cb.arrived.Add(-time.Duration(cb.priority) * worth))
						}
						if ahead && !ringsFor(offers, id) {
							t.Fatalf("callback %s passes %s: %v before %v", f.Callback, id, cb, c)
						}
					}
				case OfferEnded:
					delete(offers, f.OfferID)
					if f.Outcome == OutcomeAccepted {
						talks[f.Agent] = f.CallID
					}
				case LeftQueue:
					delete(live, f.CallID)
				case CallbackTaken:
					asked[f.CallID] = live[f.CallID]
				case CallbackOver:
					if ended[f.CallID]++; ended[f.CallID] > 1 {
						t.Fatalf("%s ended twice", f.CallID)
					}
				}
			}
			if b := Audit(e); len(b) > 0 {
				t.Fatalf("after %T%+v: %v", ev, ev, b)
			}
		}
		q := callsBack(func(q *Queue) { q.Strategy = rapid.SampledFrom(Strategies).Draw(t, "strategy") })
		step(Configure{Queues: q, Agents: agents, Settings: Settings{PriorityWorth: worth}})
		some := func(m map[string]string) string {
			return m[rapid.SampledFrom([]string{"a0", "a1", "a2"}).Draw(t, "agent")]
		}
		for i := range rapid.IntRange(5, 120).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "ms")) * time.Millisecond)
			step(Tick{})
			name := rapid.SampledFrom([]string{"a0", "a1", "a2"}).Draw(t, "who")
			var ids []string
			for id := range live {
				ids = append(ids, id)
			}
			ids = sortedStrings(ids)
			switch rapid.IntRange(0, 7).Draw(t, "what") {
			case 0, 1:
				id := fmt.Sprint("c", i)
				live[id] = stand{now, rapid.IntRange(0, 2).Draw(t, "p")}
				step(Enter{CallID: id, Queue: "sales", Priority: live[id].priority})
			case 2:
				if len(ids) > 0 {
					id := rapid.SampledFrom(ids).Draw(t, "asks")
					step(ask(id, "+"+id))
				}
			case 3:
				step(login(name))
			case 4, 5:
				for _, id := range sortedOffers(offers) {
					if rapid.Bool().Draw(t, "answers") {
						step(OfferAccepted{id})
						break
					}
				}
			case 6:
				if call := some(talks); call != "" {
					step(CallbackResult{call, rapid.SampledFrom(TryOutcomes).Draw(t, "outcome")})
				}
			case 7:
				call := talks[name]
				delete(talks, name)
				step(CallEnded{name, call})
			}
		}
		for id := range live {
			step(Leave{CallID: id})
		}
		for _, a := range agents {
			step(logout(a.Name))
		}
		for range 3000 { // nobody does anything any more
			at, ok := e.NextDeadline()
			if !ok {
				break
			}
			if at.After(now) {
				now = at
			}
			step(Tick{})
			for _, id := range sortedOffers(offers) {
				step(OfferFailed{id, CauseBusy})
			}
		}
		if l := e.Callbacks(); len(l) > 0 {
			t.Fatalf("never ended: %+v", l)
		}
		for id := range asked {
			if ended[id] != 1 {
				t.Fatalf("%s ended %d times", id, ended[id])
			}
		}
	})
}

func ringsFor(offers map[string]Offer, call string) bool {
	for _, o := range offers {
		if o.CallID == call {
			return true
		}
	}
	return false
}

func sortedOffers(m map[string]Offer) []string {
	var ids []string
	for id := range m {
		ids = append(ids, id)
	}
	return sortedStrings(ids)
}

func sortedStrings(s []string) []string {
	slices.Sort(s)
	return s
}

// TestTryID: a try's name is a UUID of version 7 with the time in front.
func TestTryID(t *testing.T) {
	a, b := tryID(noon, "x", 1), tryID(noon.Add(time.Millisecond), "x", 2)
	if len(a) != 36 || a[14] != '7' || !strings.Contains("89ab", string(a[19])) || a >= b || a == tryID(noon, "y", 1) {
		t.Fatal(a, b)
	}
}
