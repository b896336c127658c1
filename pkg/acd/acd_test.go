package acd

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

func TestLongestIdleFirst(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob", "cid"))
	s.at("1s", login("bob"))
	s.at("2s", login("ana"))
	s.at("3s", login("cid"))
	s.at("4s", enter("c1", "sales"))
	s.want("joined c1 sales 1", "offer c1 bob")
	s.at("4s", enter("c2", "sales"))
	s.want("joined c2 sales 2", "offer c2 ana")
	s.at("5s", ring("c1"), accept("c1"))
	s.want("agent bob reserved ringing", "agent bob ringing on_call", "left c1 sales answered 1s")
	// Bob's call is short; he is back but at the end of the line.
	s.at("6s", CallEnded{"bob", "c1"}, enter("c3", "sales"))
	s.want("offer c3 cid")
	s.at("7s", enter("c4", "sales"))
	s.want("offer c4 bob")
}

func TestEqualIdleIsByLogIn(t *testing.T) {
	s := newScore(t, sales(), people("zoe", "ana"))
	s.at("0s", login("zoe"), login("ana"), enter("c1", "sales"))
	s.want("offer c1 zoe")
}

func TestRankBeatsIdleTime(t *testing.T) {
	q := Queue{Name: "sales", AnnounceFirst: -1, Members: []Member{{Agent: "a*", Rank: 1}, {Agent: "ana", Rank: 2}, {Agent: "bob"}}}
	s := newScore(t, []Queue{q}, people("ana", "ada", "bob"))
	s.at("0s", login("ana"))
	s.at("1s", login("ada"))
	s.at("1h", login("bob"), enter("c1", "sales"), enter("c2", "sales"), enter("c3", "sales"))
	s.want("offer c1 bob", "offer c2 ada", "offer c3 ana") // ana's own line counts, not the pattern
}

func TestPriorityThenWaitingAcrossQueues(t *testing.T) {
	qs := []Queue{
		{Name: "vip", Priority: 10, AnnounceFirst: -1, Members: []Member{{Agent: "bob"}}},
		{Name: "sales", AnnounceFirst: -1, Members: []Member{{Agent: "bob"}}},
		{Name: "help", AnnounceFirst: -1, Members: []Member{{Agent: "bob"}}},
	}
	s := newScore(t, qs, people("bob"))
	s.at("0s", enter("s1", "sales"))
	s.at("1s", enter("h1", "help"))
	s.at("2s", Enter{CallID: "h2", Queue: "help", Priority: 10})
	s.at("3s", enter("v1", "vip"))
	s.at("4s", Enter{CallID: "s0", Queue: "sales", ArrivedAt: noon.Add(-time.Hour)}) // brings the hour waited elsewhere
	s.want("joined s0 sales 1")
	order := []string{"h2", "v1", "s0", "s1", "h1"}
	s.at("5s", login("bob"))
	for i, c := range order {
		s.want("offer " + c + " bob")
		if i < len(order)-1 {
			s.at((time.Duration(6+i) * time.Second).String(), accept(c), CallEnded{"bob", c})
		}
	}
}

func TestOneReservationAcrossQueues(t *testing.T) {
	qs := append(sales(), Queue{Name: "help", AnnounceFirst: -1, Members: []Member{{Agent: "bob"}}})
	s := newScore(t, qs, people("bob"))
	s.at("0s", login("bob"), enter("c1", "sales"), enter("c2", "help"))
	s.want("offer c1 bob")
	s.at("1s", leave("c1"))
	s.want("withdraw c1 bob caller_left", "left c1 sales abandoned 1s", "offer c2 bob")
}

func TestRingNoAnswerTakesTheAgentOut(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob"))
	s.at("0s", login("ana"), enter("c1", "sales"), enter("c2", "sales"))
	s.want("offer c1 ana")
	s.at("1s", ring("c1"))
	s.at("19.999s")
	s.want()
	s.at("20s")
	s.want("withdraw c1 ana no_answer", "agent ana ringing not_ready ring_no_answer")
	s.at("1h")
	s.want() // she stays out until she says otherwise
	s.at("1h", login("bob"))
	s.want("offer c1 bob") // c1 kept the place
	s.at("1h1s", ready("ana"))
	s.want("offer c2 ana")
}

func TestAnswerAtTheDeadlineCounts(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"))
	s.at("20s", accept("c1"))
	s.want("agent ana reserved on_call", "left c1 sales answered 20s")
}

// The phone is picked up while the offer is being taken back: they talk, and
// the engine makes the best of it.
func TestAnswerThatCrossesTheWithdrawal(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.WrapUp = time.Second }), people("ana", "bob"))
	s.at("0s", login("ana"), enter("c1", "sales"), ring("c1"))
	late := OfferAccepted{s.id("c1")}
	s.at("5s", login("bob"), pause("bob", "tea"), enter("c2", "sales"))
	s.at("20s")
	s.want("withdraw c1 ana no_answer", "agent ana ringing not_ready ring_no_answer")
	s.at("20.001s", ready("bob"), late, late, Leave{"c1", LeftAnswered}, Occupy{"ana", "c1"})
	s.want("offer c1 bob", "withdraw c1 bob answered_elsewhere", "left c1 sales answered 20.001s", "offer c2 bob",
		"agent bob not_ready ready", "agent bob ready reserved", "agent bob reserved ready",
		"agent ana not_ready ready answered", "agent ana ready on_call", "agent bob ready reserved")
	s.at("30s", Release{"ana", "c1"})
	s.want("agent ana on_call wrap_up")
}

func TestAnswerThatCrossesWhenTheAgentIsPromised(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), ring("c1"))
	late := OfferAccepted{s.id("c1")}
	s.at("1s", Reach{Agent: "ana", Reachable: false}, Enter{CallID: "c0", Queue: "sales", Priority: 1}, Reach{Agent: "ana", Reachable: true}, ring("c0"))
	s.want("withdraw c1 ana unreachable", "offer c0 ana")
	s.at("2s", late)
	s.want("withdraw c0 ana withdrawn", "left c1 sales answered 2s", "agent ana ringing on_call")
	s.at("3s", CallEnded{"ana", "c1"})
	s.want("offer c0 ana")
}

func TestAnswerAfterTheCallerLeftIsVoid(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), ring("c1"), leave("c1"), accept("c1"), ring("c1"), fail("c1", CauseBusy))
	s.want("agent ana offline ready", "agent ana ready reserved", "agent ana reserved ringing", "agent ana ringing ready", "left c1 sales abandoned 0s")
}

func TestStaticAgentComesBackByItself(t *testing.T) {
	a := people("robot")
	a[0].AlwaysReady = true
	s := newScore(t, sales(), a)
	s.at("0s", enter("c1", "sales"), ring("c1"))
	s.want("offer c1 robot", "agent robot ready reserved", "agent robot reserved ringing")
	s.at("20s")
	s.want("agent robot ringing not_ready ring_no_answer")
	s.at("49.999s")
	s.want()
	s.at("50s")
	s.want("offer c1 robot")
}

func TestBusyAndRejectedPause(t *testing.T) {
	for _, cause := range []string{CauseBusy, CauseRejected, CauseWithdrawn} {
		t.Run(cause, func(t *testing.T) {
			s := newScore(t, sales(), people("ana", "bob"))
			s.at("0s", login("ana"))
			s.at("1s", login("bob"), enter("c1", "sales"), fail("c1", cause))
			s.want("offer c1 ana", "agent bob offline ready", "agent ana ready reserved", "agent ana reserved not_ready "+cause, "offer c1 bob", "agent bob ready reserved")
		})
	}
	s := newScore(t, sales(), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), fail("c1", CauseBusy))
	s.at("4.999s")
	s.want()
	s.at("5s")
	s.want("agent ana not_ready ready", "offer c1 ana", "agent ana ready reserved")
	// In a pause the agent may still say "not ready", and then it is no pause any more.
	s.at("6s", fail("c1", CauseRejected), pause("ana", "lunch"))
	s.at("1h")
	s.want()
}

func TestOurOwnFailureKeepsTheIdlePlace(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob"))
	s.at("0s", login("ana"))
	s.at("1s", login("bob"))
	s.at("2s", enter("c1", "sales"), fail("c1", CauseWithdrawn), fail("c1", CauseBusy))
	s.want("offer c1 ana", "offer c1 bob")
	s.at("7s")
	s.want("offer c1 ana")
	s.at("8s", leave("c1"), enter("c2", "sales"))
	s.want("withdraw c1 ana caller_left", "left c1 sales abandoned 6s", "joined c2 sales 1", "offer c2 ana")
}

func TestUnreachableUntilReached(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.After = map[string]Consequence{CauseUnreachable: {DoPause, 24 * time.Hour}} }), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), fail("c1", CauseUnreachable))
	s.want("offer c1 ana")
	s.at("10h")
	s.want()
	s.at("10h", Reach{Agent: "ana", Reachable: true})
	s.want("offer c1 ana")
	s.at("10h1s", Reach{Agent: "ana", Reachable: false}) // the binding is lost while the phone is being tried
	s.want("withdraw c1 ana unreachable")
	s.at("10h2s", ready("ana"), LogIn{Agent: "ana", By: ByAPI})
	s.want()
	s.at("10h3s", Reach{Agent: "ana", Reachable: true})
	s.want("offer c1 ana")
}

func TestUnreachableIsTriedAgain(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), fail("c1", CauseUnreachable))
	s.at("59.999s")
	s.want()
	s.at("60s")
	s.want("offer c1 ana")
	// The phone never even rings: it is gone, its owner is not to blame.
	s.at("80s")
	s.want("withdraw c1 ana unreachable", "agent ana reserved ready unreachable")
	// By dialling from that phone she proves that it lives.
	s.at("81s", ready("ana"))
	s.want("offer c1 ana")
}

func TestCallerLeavesWhileOffering(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob"))
	s.at("0s", login("ana"))
	s.at("10s", login("bob"))
	s.at("20s", enter("c1", "sales"), ring("c1"))
	s.at("25s", leave("c1"))
	s.want("withdraw c1 ana caller_left", "agent ana ringing ready", "left c1 sales abandoned 5s", "ended c1 ana caller_left 5s")
	s.at("26s", enter("c2", "sales"))
	s.want("offer c2 ana") // longest idle still, not sent behind bob
	s.at("27s", fail("c2", CauseCallerLeft), leave("c2"))
	s.want("left c2 sales abandoned 1s")
}

func TestMaxWait(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.MaxWait = 30 * time.Second }), people("ana"))
	s.at("0s", enter("c1", "sales"))
	s.at("5s", enter("c2", "sales"))
	s.at("20s", login("ana"), ring("c1"))
	s.want("offer c1 ana", "agent ana offline ready", "agent ana ready reserved", "agent ana reserved ringing")
	s.at("34.9s")
	s.want() // c1 is past the limit, but a phone rings for c1
	s.at("36s")
	s.want("left c2 sales timeout 30s")
	s.at("40s")
	s.want("withdraw c1 ana no_answer", "left c1 sales timeout 40s")
	s.at("41s", Enter{CallID: "c3", Queue: "sales", ArrivedAt: noon})
	s.at("55s", ready("ana"))
	s.at("72s", accept("c3")) // past the limit at 71s; the time waited elsewhere orders, it does not limit
	s.want("left c3 sales answered 31s")
}

func TestMaxWaitChangedWhileWaiting(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", enter("c1", "sales"))
	s.at("50s", Configure{Queues: sales(func(q *Queue) { q.MaxWait = 40 * time.Second }), Agents: people("ana")})
	s.want("left c1 sales timeout 50s")
}

func TestMaxLength(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.MaxLength = 2 }), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), enter("c2", "sales"), enter("c3", "sales"))
	s.want("joined c1 sales 1", "joined c2 sales 2", "refused c3 sales full")
	s.at("1s", accept("c1"), enter("c4", "sales"))
	s.want("joined c4 sales 2")
}

func TestLeaveWhenEmpty(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.LeaveWhenEmpty = true }), people("ana", "bob"))
	s.at("0s", enter("c1", "sales"))
	s.want("refused c1 sales empty")
	s.at("1s", login("ana"), pause("ana", "lunch"), enter("c2", "sales"), enter("c3", "sales"))
	s.want("joined c2 sales 1", "joined c3 sales 2") // on a break is not empty
	s.at("2s", logout("ana"))
	s.want("left c2 sales empty 1s", "left c3 sales empty 1s")
	// The last one logs out while the phone rings.
	s.at("3s", login("ana"), enter("c4", "sales"), enter("c5", "sales"), ring("c4"))
	s.at("4s", logout("ana"))
	s.want("withdraw c4 ana withdrawn", "left c4 sales empty 1s", "left c5 sales empty 1s")
	// Logged out in a call: there until it ends.
	s.at("5s", login("ana"), enter("c6", "sales"), accept("c6"), logout("ana"), enter("c7", "sales"))
	s.want("agent ana offline ready", "agent ana ready reserved", "agent ana reserved on_call", "joined c6 sales 1", "joined c7 sales 1")
	s.at("6s", CallEnded{"ana", "c6"})
	s.want("agent ana on_call offline", "left c7 sales empty 1s")
}

func TestEmptyMeansNobodyWhoFits(t *testing.T) {
	as := people("ana", "bob")
	as[0].Skills = map[string]int{"ro": 5}
	s := newScore(t, sales(func(q *Queue) { q.LeaveWhenEmpty = true }), as)
	s.at("0s", login("ana"), login("bob"))
	s.at("1s", Enter{CallID: "c1", Queue: "sales", Skills: map[string]int{"ru": 1}})
	s.want("refused c1 sales empty")
	s.at("2s", Enter{CallID: "c2", Queue: "sales", Skills: map[string]int{"ro": 1}}, Enter{CallID: "c3", Queue: "sales", Skills: map[string]int{"ro": 5}})
	s.at("3s", logout("ana"))
	s.want("withdraw c2 ana withdrawn", "left c2 sales empty 1s", "left c3 sales empty 1s")
}

func TestSkillsLeastLevel(t *testing.T) {
	as := people("ana", "bob", "cid")
	as[0].Skills = map[string]int{"ro": 4}
	as[1].Skills = map[string]int{"ro": 5, "ru": 0}
	s := newScore(t, sales(func(q *Queue) { q.Skills = map[string]int{"ro": 2} }), as)
	s.at("0s", login("cid"), login("ana"), login("bob"))
	s.at("1s", Enter{CallID: "c1", Queue: "sales", Skills: map[string]int{"ro": 5}},
		Enter{CallID: "c2", Queue: "sales", Skills: map[string]int{"ro": 1}},
		enter("c3", "sales"))
	s.want("offer c1 bob", "offer c2 ana", `decided c1 "bob" map[skill:2]`, `decided c2 "ana" map[reserved:1 skill:1]`, `decided c3 "" map[reserved:2 skill:1]`)
	// cid's free hands do not keep a caller who needs nothing of him from going on.
	s.at("2s", leave("c1"))
	s.want("offer c3 bob", "withdraw c1 bob caller_left")
	s.at("3s", Enter{CallID: "c4", Queue: "sales", Skills: map[string]int{"ru": 0}}, leave("c3"))
	s.want("offer c4 bob")
}

// A flow may compute needs. Classes that nobody uses are dropped, and what
// stays keeps its way back from the heaps.
func TestUnusedNeedsAreDropped(t *testing.T) {
	as := people("ana")
	as[0].Skills = map[string]int{"n": 1000}
	s := newScore(t, append(sales(), Queue{Name: "help", AnnounceFirst: -1, Members: []Member{{Agent: "*"}}}), as)
	s.at("0s", login("ana"))
	for i := range 3 * maxFamilies {
		q := "sales"
		if i%5 == 0 {
			q = "help"
		}
		s.at("1s", Enter{CallID: "c", Queue: q, Skills: map[string]int{"n": i}}, leave("c"))
		s.want("joined c "+q+" 1", "offer c ana", "withdraw c ana caller_left", "left c "+q+" abandoned 0s")
	}
	for _, q := range s.e.queues {
		if len(q.families) > maxFamilies+1 {
			t.Errorf("queue %q keeps %d classes", q.Name, len(q.families))
		}
	}
	if n := len(s.e.agents[0].pool.classes); n > 2*maxFamilies+2 {
		t.Errorf("the pool keeps %d classes", n)
	}
}

func TestWrapUp(t *testing.T) {
	as := people("ana", "bob", "cid")
	zero, long := time.Duration(0), time.Minute
	as[1].WrapUp, as[2].WrapUp = &zero, &long
	s := newScore(t, sales(func(q *Queue) { q.WrapUp = 10 * time.Second }), as)
	s.at("0s", login("ana"), login("bob"), login("cid"), enter("c1", "sales"), enter("c2", "sales"), enter("c3", "sales"), accept("c1"), accept("c2"), accept("c3"))
	s.at("10s", CallEnded{"ana", "c1"}, CallEnded{"bob", "c2"}, CallEnded{"cid", "c3"})
	s.want("agent ana on_call wrap_up", "agent bob on_call ready", "agent cid on_call wrap_up")
	s.at("20s")
	s.want("agent ana wrap_up ready")
	s.at("30s", ready("cid"), CallEnded{"cid", "c3"})
	s.want("agent cid wrap_up ready")
}

func TestWrapUpTakesNotReadyAlong(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.WrapUp = 10 * time.Second }), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), accept("c1"), pause("ana", "lunch"))
	s.at("1s", CallEnded{"ana", "c1"})
	s.want("agent ana on_call wrap_up")
	s.at("11s")
	s.want("agent ana wrap_up not_ready lunch")
	// A call made in wrap-up ends it, and has none of its own.
	s.at("12s", ready("ana"), enter("c2", "sales"), accept("c2"), CallEnded{"ana", "c2"}, Occupy{"ana", "out1"})
	s.at("13s", Release{"ana", "out1"})
	s.want("agent ana on_call ready")
}

func TestOccupyWithdrawsTheOffer(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob"))
	s.at("0s", login("ana"), login("bob"), enter("c1", "sales"), ring("c1"))
	s.at("1s", Occupy{"ana", "out1"}, accept("c1"))
	s.want("withdraw c1 ana withdrawn", "agent ana ringing on_call", "offer c1 bob", "agent bob ready reserved", "agent bob reserved on_call")
	s.at("2s", Occupy{"ana", "out2"}, Release{"ana", "out1"}, enter("c2", "sales"))
	s.none("agent", "offer") // still on the other line
	s.at("3s", Release{"ana", "out2"}, Release{"ana", "out2"})
	s.want("agent ana on_call ready", "offer c2 ana", "agent ana ready reserved")
}

func TestOccupyKeepsWhatTheAgentWas(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", Occupy{"ana", "x"}) // nobody is logged in at that phone
	s.none("agent")
	s.at("1s", login("ana"), enter("c1", "sales"))
	s.want("agent ana offline on_call", "joined c1 sales 1")
	s.at("2s", Release{"ana", "x"})
	s.want("offer c1 ana")
	s.at("3s", leave("c1"), pause("ana", "lunch"), Occupy{"ana", "y"}, enter("c2", "sales"), Release{"ana", "y"})
	s.want("agent ana reserved ready", "agent ana ready not_ready lunch", "agent ana not_ready on_call", "agent ana on_call not_ready lunch")
}

func TestNotReadyWhileRinging(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob"))
	s.at("0s", login("ana"), login("bob"), enter("c1", "sales"), ring("c1"), pause("ana", "lunch"))
	s.want("offer c1 ana", "withdraw c1 ana withdrawn", "offer c1 bob")
}

func TestAnnouncements(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.AnnounceFirst, q.AnnounceEvery = 2*time.Second, 30*time.Second }), people("ana"))
	s.at("0s", enter("c1", "sales"))
	s.at("1s", enter("c2", "sales"))
	s.at("1.999s")
	s.want()
	s.at("2s")
	s.want("announce c1 1")
	s.at("3s")
	s.want("announce c2 2")
	s.at("31s", login("ana"), ring("c1"))
	s.at("40s")
	s.want("announce c2 2") // due at 33; c1's was due at 32, but a phone rings for c1
	s.at("45s", fail("c1", CauseRejected))
	s.want("announce c1 1") // overdue, told as soon as it is true again
	s.at("50s")
	s.want("offer c1 ana") // and not while she is tried again
	s.at("51s", accept("c1"))
	s.at("63s")
	s.want("announce c2 1")
}

func TestAnnounceRules(t *testing.T) {
	for name, c := range map[string]struct {
		first, every time.Duration
		at           []string
	}{
		"never":        {-1, 30 * time.Second, nil},
		"once":         {0, 0, []string{"0s"}},
		"every second": {time.Second, time.Millisecond, []string{"1s", "2s", "3s", "4s", "5s"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScore(t, sales(func(q *Queue) { q.AnnounceFirst, q.AnnounceEvery = c.first, c.every }), people("ana"))
			var got []string
			for i, ev := range []Event{enter("c1", "sales"), Tick{}, Tick{}, Tick{}, Tick{}, Tick{}} {
				s.at((time.Duration(i) * time.Second).String(), ev)
				for _, f := range s.out {
					if _, ok := f.(Announce); ok {
						got = append(got, s.now.Sub(s.start).String())
					}
				}
			}
			if strings.Join(got, " ") != strings.Join(c.at, " ") {
				t.Fatalf("announced at %v, want %v", got, c.at)
			}
		})
	}
}

func TestAnnounceDoesNotBurstAfterAStall(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.AnnounceFirst, q.AnnounceEvery = 0, time.Second }), people("ana"))
	s.at("0s", enter("c1", "sales"))
	s.out = nil
	s.now = s.start.Add(time.Hour) // no tick for an hour
	s.step(Tick{})
	s.want("announce c1 1")
}

func TestConfigureKeepsPlaces(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob"))
	s.at("0s", enter("c1", "sales"), enter("c2", "sales"), Enter{CallID: "c3", Queue: "sales", Skills: map[string]int{"ro": 1}})
	s.at("1s", login("ana"), accept("c1"), login("bob"), ring("c2"))
	as := people("cid", "ana", "bob")
	as[0].AlwaysReady, as[0].Skills = true, map[string]int{"ro": 1}
	s.at("2s", Configure{Queues: sales(func(q *Queue) { q.Priority = 5 }), Agents: as})
	s.want("offer c3 cid", "agent cid offline ready static", "agent cid ready reserved")
	s.at("3s", accept("c2"), CallEnded{"ana", "c1"})
	s.want("left c2 sales answered 3s", "agent bob ringing on_call", "agent ana on_call ready")
}

func TestConfigureTakesAgentsAway(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob", "cid"))
	s.at("0s", login("ana"), login("bob"), login("cid"), enter("c1", "sales"), enter("c2", "sales"), accept("c1"), ring("c2"))
	s.at("1s", Configure{Queues: sales(), Agents: people("cid")})
	s.want("withdraw c2 bob withdrawn", "agent bob ringing offline removed", "offer c2 cid", "agent cid ready reserved")
	if err := s.verdict(LogIn{Agent: "ana"}); !errors.Is(err, ErrRefused) {
		t.Fatalf("log in of a removed agent: %v", err)
	}
	s.at("2s", CallEnded{"ana", "c1"}, enter("c3", "sales"))
	s.want("joined c3 sales 2", "agent ana on_call offline")
	if err := s.verdict(LogIn{Agent: "ana"}); !errors.Is(err, ErrUnknownAgent) {
		t.Fatalf("log in of an agent who is gone: %v", err)
	}
}

func TestConfigureBringsAnAgentBackInTheCall(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", login("ana"), enter("c1", "sales"), accept("c1"))
	s.at("1s", Configure{Queues: sales(), Agents: nil})
	s.at("2s", Configure{Queues: sales(), Agents: people("ana")})
	s.at("3s", CallEnded{"ana", "c1"})
	s.want("agent ana on_call ready")
}

func TestConfigureTakesAQueueAway(t *testing.T) {
	s := newScore(t, append(sales(), Queue{Name: "help", AnnounceFirst: -1, Members: []Member{{Agent: "*"}}}), people("ana"))
	s.at("0s", login("ana"), enter("c1", "help"), enter("c2", "help"), enter("c3", "sales"))
	s.at("1s", Configure{Queues: sales(), Agents: people("ana")})
	s.want("withdraw c1 ana caller_left", "left c1 help error 1s", "left c2 help error 1s", "offer c3 ana")
	s.at("2s", enter("c4", "help"))
	s.want("refused c4 help unknown")
}

func TestConfigureFaults(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.faulty = true
	s.at("1s", Configure{
		Queues: []Queue{{Name: "a", Strategy: "roulette"}, {Name: "a"}, {Name: ""}, {Name: "b", Members: []Member{{Agent: "[a"}}}},
		Agents: append(people("ana", "ana"), Agent{})})
	s.want("fault bad_config", "fault bad_config", "fault bad_config", "fault bad_config", "fault bad_config", "fault bad_config")
}

func TestRestore(t *testing.T) {
	as := append(people("ana", "bob", "cid"), Agent{Name: "robot", Device: "r", AlwaysReady: true})
	s := newScore(t, sales(), as)
	s.at("0s", Restore{[]agent.Saved{
		{Agent: "bob", State: agent.Ready, Since: noon.Add(-time.Minute)},
		{Agent: "ana", State: agent.NotReady, Reason: "lunch", Since: noon},
		{Agent: "robot", State: agent.Offline},
		{Agent: "ghost", State: agent.Ready},
		{Agent: "cid", State: agent.Ready, Since: noon.Add(-time.Hour)},
	}})
	s.at("1s", enter("c1", "sales"), enter("c2", "sales"), enter("c3", "sales"), enter("c4", "sales"))
	s.want("offer c1 robot", "offer c2 cid", "offer c3 bob")
	s.at("2s", ready("ana"))
	s.want("offer c4 ana")
}

func TestGoneUndoesEverything(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.WrapUp = time.Second }), people("ana", "bob"))
	s.at("0s", login("ana"), login("bob"), enter("c1", "sales"), accept("c1"), enter("c2", "sales"), Occupy{"bob", "c1"})
	s.at("1s", Gone{"c1"})
	s.want("agent ana on_call wrap_up", "agent bob on_call ready", "offer c2 bob", "agent bob ready reserved")
	s.at("2s", Gone{"c2"}, Gone{"c2"}, Gone{"never"})
	s.want("left c2 sales abandoned 2s", "withdraw c2 bob caller_left")
}

func TestVerdicts(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	for _, c := range []struct {
		ev   Event
		want error
	}{
		{LogIn{Agent: "nobody"}, ErrUnknownAgent},
		{SetReady{Agent: "ana"}, ErrNotLoggedIn},
		{WrapUpDone{Agent: "ana"}, ErrRefused},
		{LogIn{Agent: "ana"}, nil},
		{LogIn{Agent: "ana"}, nil},
		{SetNotReady{Agent: "ana"}, nil},
		{enter("c1", "nowhere"), ErrUnknownQueue},
		{Reach{Agent: "nobody", Reachable: true}, ErrUnknownAgent},
	} {
		if err := s.verdict(c.ev); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%T%+v: %v, want %v", c.ev, c.ev, err, c.want)
		}
	}
}

func (s *score) verdict(ev Event) error {
	s.step(ev)
	return s.e.Verdict()
}

func TestFaultsLeaveTheStateAlone(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.faulty = true
	s.at("0s", enter("c1", "sales"), enter("c1", "sales"), OfferAccepted{"99"}, OfferRinging{"x"}, CallEnded{"nobody", "c1"},
		Leave{"c1", "bored"})
	s.want("fault duplicate_call", "fault unknown_offer", "fault unknown_offer", "fault unknown_agent", "fault bad_cause")
	s.at("1s", login("ana"), enter("c2", "sales"), fail("c2", "sulking"))
	s.want("fault bad_cause", "agent ana offline ready", "agent ana ready reserved", "agent ana reserved not_ready rejected")
	s.at("2s", nilEvent{})
	s.want("fault unknown_event")
}

type nilEvent struct{ Tick }

func TestAgentWithoutDeviceIsNotOffered(t *testing.T) {
	s := newScore(t, sales(), []Agent{{Name: "ana"}})
	s.at("0s", login("ana"), enter("c1", "sales"))
	s.want("joined c1 sales 1", `decided c1 "" map[unreachable:1]`)
	s.at("1s", Configure{Queues: sales(), Agents: people("ana")})
	s.want("offer c1 ana")
}

func TestSnapshot(t *testing.T) {
	as := people("bob", "ana", "cid")
	as[1].Skills = map[string]int{"ro": 3}
	s := newScore(t, append(sales(), Queue{Name: "empty"}), as)
	s.at("0s", login("ana"), login("cid"), Reach{Agent: "cid", Reachable: false}, enter("c1", "sales"), Enter{CallID: "c2", Queue: "sales", Skills: map[string]int{"ro": 1}})
	s.at("5s", Enter{CallID: "c0", Queue: "sales", Priority: 7, ArrivedAt: noon.Add(-time.Minute)}, ring("c1"), pause("bob", "x"))
	s.at("6s")
	b, err := json.MarshalIndent(s.e.Snapshot(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/snapshot.json")
	if *update {
		want, err = b, os.WriteFile("testdata/snapshot.json", b, 0o644)
	}
	if err != nil || string(want) != string(b) {
		t.Fatalf("%v\n%s", err, b)
	}
}

var update = flag.Bool("update", false, "write golden files")

func TestClockStandsStillOrRunsBack(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("10s", login("ana"), enter("c1", "sales"), ring("c1"))
	s.now = noon.Add(-time.Hour)
	s.step(accept("c1")(s))
	s.step(CallEnded{"ana", "c1"})
	s.step(Tick{})
	s.want("offer c1 ana", "left c1 sales answered 0s")
}

func TestDecisionIsBounded(t *testing.T) {
	var names []string
	for i := range 30 {
		names = append(names, "a"+string(rune('a'+i%26))+string(rune('0'+i/26)))
	}
	as := people(names...)
	for i := range as {
		as[i].Skills = map[string]int{"n": i % 3} // three pools
	}
	s := newScore(t, sales(), as)
	for i, n := range names {
		s.at((time.Duration(i) * time.Second).String(), login(n))
	}
	s.at("60s", enter("c1", "sales"))
	d := s.out[1].(Decided)
	if len(d.Considered) != 8 || d.More != 22 || d.Agent != names[0] || d.OfferID == "" || d.Position != 1 {
		t.Fatalf("%+v", d)
	}
	for i, c := range d.Considered {
		if c.Agent != names[i] || c.IdleMs != int64(60-i)*1000 || c.Score != c.IdleMs {
			t.Fatalf("considered[%d] = %+v, want %s", i, c, names[i])
		}
	}
}
