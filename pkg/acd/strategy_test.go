package acd

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func withStrategy(name string, change ...func(*Queue)) []Queue {
	return sales(append([]func(*Queue){func(q *Queue) { q.Strategy = name }}, change...)...)
}

// TestEachStrategyIsATotalOrder: of any two agents one comes first, and of
// three the order does not run in a circle, whatever their past.
func TestEachStrategyIsATotalOrder(t *testing.T) {
	for _, name := range Strategies {
		t.Run(name, func(t *testing.T) {
			compare := strategies[name].compare
			rapid.Check(t, func(t *rapid.T) {
				var seats []*seat
				for i := range 3 {
					small := func(what string) int64 { return int64(rapid.IntRange(0, 2).Draw(t, what)) } // ties are what goes wrong
					load := small("load")
					if load == 0 {
						load = never
					}
					a := &agentRec{number: i, idleSince: small("idle"), idleSeq: uint64(small("seq")), lastOffer: uint64(small("offer")), taken: int(small("taken")), load: load}
					seats = append(seats, &seat{a: a, place: int(small("place")), draw: small("draw"), weight: 1})
				}
				for i, x := range seats {
					for j, y := range seats {
						xy, yx := compare(x, y), compare(y, x)
						if xy != -yx || (xy == 0) != (i == j) {
							t.Fatalf("compare(%d, %d) = %d, the other way %d", i, j, xy, yx)
						}
						for _, z := range seats {
							if xy < 0 && compare(y, z) < 0 && compare(x, z) >= 0 {
								t.Fatal("not transitive")
							}
						}
					}
				}
			})
		})
	}
}

// TestChoiceIsTheBest: whatever has happened, the agent chosen is the least of
// all who are free and fit by rank, skills and the strategy's order, as a plain
// look at every one of them says.
func TestChoiceIsTheBest(t *testing.T) {
	for _, name := range Strategies {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				q := Queue{Name: "sales", Strategy: name, AnnounceFirst: -1, Need: "ro or ru"}
				var as []Agent
				for i := range rapid.IntRange(2, 7).Draw(t, "agents") {
					a := Agent{Name: fmt.Sprint("a", i), Device: "d", Skills: drawSkills(t)}
					as = append(as, a)
					q.Members = append(q.Members, Member{Agent: a.Name, Rank: rapid.IntRange(0, 1).Draw(t, "rank"), Weight: rapid.IntRange(0, 3).Draw(t, "weight")})
				}
				e := New(Config{Seed: rapid.Uint64().Draw(t, "seed")})
				e.Step(noon, Configure{Queues: []Queue{q}, Agents: as})
				now := noon
				talks := map[string]string{}
				for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
					now = now.Add(time.Duration(rapid.IntRange(0, 30000).Draw(t, "ms")) * time.Millisecond)
					e.Step(now, Tick{})
					a := fmt.Sprint("a", rapid.IntRange(0, len(as)-1).Draw(t, "agent"))
					if rapid.Bool().Draw(t, "agent acts") {
						if id := talks[a]; id != "" {
							e.Step(now, CallEnded{a, id})
							delete(talks, a)
						} else {
							e.Step(now, LogIn{Agent: a, By: ByPhone})
						}
						continue
					}
					best := plainBest(e, "sales")
					id := fmt.Sprint("c", i)
					for _, f := range e.Step(now, Enter{CallID: id, Queue: "sales"}) {
						if d, ok := f.(Decided); ok && d.Agent != best {
							t.Fatalf("%s chose %q, want %q of %+v", name, d.Agent, best, d.Considered)
						}
					}
					if c := e.callers[id]; c != nil && len(c.offers) > 0 {
						o := c.offers[0]
						if rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
							e.Step(now, OfferFailed{o.id, CauseBusy})
						} else {
							e.Step(now, OfferAccepted{o.id})
							talks[o.a.Name] = id
						}
					}
					e.Step(now, Leave{CallID: id})
				}
			})
		})
	}
}

// plainBest looks at every agent of a queue.
func plainBest(e *Engine, queue string) string {
	q := e.byQueue[queue]
	type found struct {
		s           *seat
		rank, skill int
	}
	var best *found
	for _, a := range e.agents {
		if !a.free || !slices.Contains(a.queues, q) || !q.need.At(0).Match(a.Skills) {
			continue
		}
		f := &found{rank: (&auditor{e: e}).rank(a, q)}
		if q.Strategy == StrategyBestSkill {
			f.skill = a.Skills["ro"] + a.Skills["ru"]
		}
		for i, o := range a.pool.orders {
			if o.s.order == q.s.order && (o.q == nil || o.q == q) {
				f.s = &a.seats[i]
			}
		}
		switch {
		case best == nil, f.rank < best.rank,
			f.rank == best.rank && f.skill > best.skill,
			f.rank == best.rank && f.skill == best.skill && q.s.compare(f.s, best.s) < 0:
			best = f
		}
	}
	if best == nil {
		return ""
	}
	return best.s.a.Name
}

// serveMany lets n callers come one after the other, each answered at once by
// whom the strategy chooses and hung up after a while; it counts who got how many.
func serveMany(t *testing.T, q Queue, as []Agent, n int) map[string]int {
	t.Helper()
	e := New(Config{Seed: 7})
	now := noon
	e.Step(now, Configure{Queues: []Queue{q}, Agents: as})
	for _, a := range as {
		e.Step(now, LogIn{Agent: a.Name, By: ByPhone})
	}
	got := map[string]int{}
	for i := range n {
		now = now.Add(10 * time.Second)
		id := fmt.Sprint("c", i)
		for _, f := range e.Step(now, Enter{CallID: id, Queue: q.Name}) {
			if o, ok := f.(Offer); ok {
				got[o.Agent]++
				e.Step(now, OfferAccepted{o.OfferID})
				now = now.Add(time.Duration(1+i%7) * time.Second)
				e.Step(now, CallEnded{o.Agent, id})
				break
			}
		}
	}
	return got
}

// TestFairness: who deals evenly deals evenly, and linear does not.
func TestFairness(t *testing.T) {
	as := people("ana", "bob", "cid", "dan", "eva")
	for _, name := range []string{StrategyLongestIdle, StrategyRoundRobin, StrategyFewestCalls, StrategyRingAll, StrategyBestSkill} {
		got := serveMany(t, withStrategy(name)[0], as, 1001)
		for a, n := range got {
			if n < 200 || n > 201 {
				t.Errorf("%s: %s got %d of 1001", name, a, n)
			}
		}
	}
	// Least occupied deals time, not calls: nobody is more than a fifth off.
	for a, n := range serveMany(t, withStrategy(StrategyLeastOccupied)[0], as, 1001) {
		if n < 160 || n > 240 {
			t.Errorf("least_occupied: %s got %d of 1001", a, n)
		}
	}
	for _, name := range []string{StrategyLinear, StrategyProgressive} {
		q := withStrategy(name)[0]
		q.Members = []Member{{Agent: "dan"}, {Agent: "*"}}
		if got := serveMany(t, q, as, 100); got["dan"] != 100 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestRandomFollowsWeights: chi-squared of 20,000 choices against the weights
// 1, 2, 3, 4 stays below the 0.1% bound for 3 degrees of freedom.
func TestRandomFollowsWeights(t *testing.T) {
	as := people("ana", "bob", "cid", "dan")
	q := withStrategy(StrategyRandom)[0]
	q.Members = nil
	for i, a := range as {
		q.Members = append(q.Members, Member{Agent: a.Name, Weight: i + 1})
	}
	const n = 20_000
	got := serveMany(t, q, as, n)
	chi := 0.0
	for i, a := range as {
		want := float64(n) * float64(i+1) / 10
		chi += math.Pow(float64(got[a.Name])-want, 2) / want
	}
	if chi > 16.27 {
		t.Errorf("%v: chi-squared %.1f", got, chi)
	}
	again := serveMany(t, q, as, n)
	if fmt.Sprint(got) != fmt.Sprint(again) {
		t.Error("the same seed chose differently")
	}
}

// TestLeastOccupiedKnowsTime: an hour of calls fades while others work.
func TestLeastOccupiedKnowsTime(t *testing.T) {
	s := newScore(t, withStrategy(StrategyLeastOccupied), people("ana", "bob"))
	s.at("0s", login("ana"), login("bob"), enter("c1", "sales"), accept("c1"))
	s.want("offer c1 ana")
	s.at("30m", CallEnded{"ana", "c1"}, enter("c2", "sales"), accept("c2"))
	s.want("offer c2 bob") // ana has talked half an hour
	s.at("31m", CallEnded{"bob", "c2"}, enter("c3", "sales"), accept("c3"))
	s.want("offer c3 bob") // bob a minute
	s.at("1h55m", CallEnded{"bob", "c3"}, enter("c4", "sales"))
	s.want("offer c4 ana") // bob 84 minutes, and ana's have faded
}

func TestFewestCallsWelcomesNewcomers(t *testing.T) {
	s := newScore(t, withStrategy(StrategyFewestCalls), people("ana", "bob", "zoe"))
	s.at("0s", login("ana"), login("bob"))
	for i := range 10 {
		at := fmt.Sprint(i+1, "m")
		id := fmt.Sprint("c", i)
		s.at(at, enter(id, "sales"), accept(id))
		s.at(at+"30s", CallEnded{[]string{"ana", "bob"}[i%2], id})
	}
	// Zoe begins level with the others, not with five calls in a row.
	s.at("1h", login("zoe"), enter("d1", "sales"), accept("d1"), enter("d2", "sales"))
	got := 0
	for _, f := range s.out {
		if o, ok := f.(Offer); ok && o.Agent == "zoe" {
			got++
		}
	}
	if got != 1 {
		t.Errorf("zoe got %d of the next two", got)
	}
}

func TestRoundRobinPassesOverTheSilent(t *testing.T) {
	s := newScore(t, withStrategy(StrategyRoundRobin, func(q *Queue) {
		q.After = map[string]Consequence{CauseNoAnswer: {Do: DoStay}}
	}), people("ana", "bob", "cid"))
	s.at("0s", login("ana"), login("bob"), login("cid"), enter("c1", "sales"), ring("c1"))
	s.want("offer c1 ana", "agent ana offline ready", "agent bob offline ready", "agent cid offline ready", "agent ana ready reserved", "agent ana reserved ringing")
	s.at("20s")
	s.want("offer c1 bob", "withdraw c1 ana no_answer")
	s.at("20s", ring("c1"))
	s.at("40s") // ana is ready again since 21 s, and has had her turn
	s.want("offer c1 cid", "withdraw c1 bob no_answer")
	s.at("41s", ring("c1"))
	s.at("60s")
	s.want("offer c1 ana", "withdraw c1 cid no_answer")
}

func TestBestSkill(t *testing.T) {
	as := people("ana", "bob", "cid")
	as[0].Skills = map[string]int{"ro": 5, "sales": 2}
	as[1].Skills = map[string]int{"ro": 3, "sales": 9}
	as[2].Skills = map[string]int{"ro": 6, "sales": 5, "junior": 9}
	s := newScore(t, withStrategy(StrategyBestSkill, func(q *Queue) { q.Need = "ro > 2" }), as)
	s.at("0s", login("ana"), login("bob"), login("cid"),
		Enter{CallID: "c1", Queue: "sales", Need: "sales"}, Enter{CallID: "c2", Queue: "sales", Need: "not junior"}, Enter{CallID: "c3", Queue: "sales"})
	s.want("offer c1 bob", "offer c2 ana", "offer c3 cid")
}

func TestRingAll(t *testing.T) {
	s := newScore(t, withStrategy(StrategyRingAll), people("ana", "bob", "cid", "dan"))
	s.at("0s", login("ana"), login("bob"), enter("c1", "sales"), enter("c2", "sales"))
	s.want("offer c1 ana", "offer c1 bob", "joined c1 sales 1", "joined c2 sales 2")
	s.at("1s", login("cid"))
	s.want("offer c2 cid") // who has nobody ringing comes before one more phone
	s.at("2s", login("dan"))
	s.want("offer c1 dan")
	s.at("3s", OfferFailed{s.offerTo("c1", "dan"), CauseRejected})
	s.want() // the others ring on
	s.at("4s", OfferAccepted{s.offerTo("c1", "bob")})
	s.want("left c1 sales answered 4s", "withdraw c1 ana answered_elsewhere", "offer c2 ana")
	s.at("5s", leave("c2"))
	s.want("left c2 sales abandoned 5s", "withdraw c2 cid caller_left", "withdraw c2 ana caller_left")
}

func (s *score) offerTo(call, agent string) string {
	for _, o := range s.e.callers[call].offers {
		if o.a.Name == agent {
			return o.id
		}
	}
	s.t.Fatalf("%s does not ring for %s", agent, call)
	return ""
}

func TestRingAllIsBounded(t *testing.T) {
	s := newScore(t, withStrategy(StrategyRingAll, func(q *Queue) { q.RingLimit = 2 }), people("ana", "bob", "cid"))
	s.at("0s", login("ana"), login("bob"), login("cid"), enter("c1", "sales"))
	s.want("offer c1 ana", "offer c1 bob")
	s.at("20s") // both gave not even a 180
	s.want("withdraw c1 ana unreachable", "offer c1 cid", "withdraw c1 bob unreachable")
}

func TestRingAllSecondPhoneTooLate(t *testing.T) {
	s := newScore(t, withStrategy(StrategyRingAll), people("ana", "bob"))
	s.at("0s", login("ana"), login("bob"), enter("c1", "sales"))
	bob := OfferAccepted{s.offerTo("c1", "bob")}
	s.at("1s", OfferAccepted{s.offerTo("c1", "ana")})
	s.at("1s", bob) // crossed our withdrawal: void, the call hangs that phone up
	s.want()
	s.at("2s", CallEnded{"ana", "c1"}, enter("c2", "sales"))
	s.want("joined c2 sales 1", "offer c2 bob", "offer c2 ana")
}

func TestProgressiveAddsPhones(t *testing.T) {
	s := newScore(t, withStrategy(StrategyProgressive, func(q *Queue) { q.RingStep = 4 * time.Second }), people("ana", "bob", "cid"))
	s.at("0s", login("cid"), login("ana"), enter("c1", "sales"), ring("c1"))
	s.want("offer c1 ana", "joined c1 sales 1")
	s.at("4s", ring("c1"))
	s.want("offer c1 cid")
	s.at("8s") // a third phone is due, nobody is free
	s.want()
	s.at("9s", login("bob"))
	s.want("offer c1 bob")
	s.at("10s", OfferAccepted{s.offerTo("c1", "cid")})
	s.want("left c1 sales answered 10s", "withdraw c1 ana answered_elsewhere", "withdraw c1 bob answered_elsewhere")
}

func TestTiersOpenWithTime(t *testing.T) {
	q := sales(func(q *Queue) {
		q.Members = []Member{{Agent: "ana"}, {Agent: "bob", Rank: 1}, {Agent: "cid", Rank: 3}}
		q.Tiers = []Tier{{1, 20 * time.Second}, {2, 40 * time.Second}}
	})
	s := newScore(t, q, people("ana", "bob", "cid"))
	s.at("0s", login("ana"), login("bob"), login("cid"), enter("c1", "sales"), accept("c1"), enter("c2", "sales"), enter("c3", "sales"))
	s.want("offer c1 ana", `decided c1 "ana" map[tier:2]`, `decided c2 "" map[on_call:1 tier:2]`, `decided c3 "" map[on_call:1 tier:2]`)
	s.at("19.999s")
	s.want()
	s.at("20s")
	s.want("offer c2 bob")
	s.at("40s")
	s.want("offer c2 cid", "withdraw c2 bob unreachable") // bob's phone did not even ring; c2 stays before c3
}

func TestNeedRelaxesWithTime(t *testing.T) {
	as := people("ana", "bob", "cid")
	as[0].Skills = map[string]int{"ro": 3}
	as[1].Skills = map[string]int{"ro": 6}
	s := newScore(t, sales(func(q *Queue) { q.Need = "ro > 5; after 30 s ro > 2; after 60 s any" }), as)
	s.at("0s", login("ana"), login("cid"), enter("c1", "sales"), enter("c2", "sales"))
	s.none("offer")
	s.at("30s")
	s.want("offer c1 ana")
	s.at("45s", login("bob"))
	s.want("offer c2 bob")
	s.at("46s", accept("c1"), accept("c2"), enter("c3", "sales"))
	s.none("offer")
	s.at("1m46s")
	s.want("offer c3 cid")
}

func TestBroughtTimeRelaxesToo(t *testing.T) {
	as := people("cid")
	s := newScore(t, sales(func(q *Queue) { q.Need = "ro; after 60s any" }), as)
	s.at("0s", login("cid"), Enter{CallID: "c1", Queue: "sales", ArrivedAt: noon.Add(-50 * time.Second)})
	s.none("offer")
	s.at("10s")
	s.want("offer c1 cid")
}

// TestFrontIsBeforeAll: who lost the agent in mid-call goes before any priority and any
// wait, in order of arrival among each other, past a full queue; a new configuration
// keeps the place.
func TestFrontIsBeforeAll(t *testing.T) {
	for _, worth := range []time.Duration{0, 5 * time.Minute} {
		t.Run(worth.String(), func(t *testing.T) {
			q := sales(func(q *Queue) { q.MaxLength = 2 })
			s := newScore(t, q, people("bob"))
			s.at("0s", Configure{Queues: q, Agents: people("bob"), Settings: Settings{PriorityWorth: worth}})
			s.at("1s", Enter{CallID: "vip", Queue: "sales", Priority: maxPriority}, enter("plain", "sales"))
			lost := func(call string) Event { return Enter{CallID: call, Queue: "sales", Front: FrontAgentLost} }
			s.at("30m", lost("lost1"), lost("lost2"))
			s.want("joined lost1 sales 1", "joined lost2 sales 2")
			q[0].Priority = 7
			s.at("31m", Configure{Queues: q, Agents: people("bob"), Settings: Settings{PriorityWorth: worth}}, login("bob"))
			s.want("offer lost1 bob")
			for _, d := range s.out {
				if d, ok := d.(Decided); ok && d.Front != FrontAgentLost {
					t.Errorf("the decision does not say why: %+v", d)
				}
			}
			s.at("32m", accept("lost1"), CallEnded{"bob", "lost1"})
			s.want("left lost1 sales answered 2m0s", "offer lost2 bob")
			s.at("33m", accept("lost2"), CallEnded{"bob", "lost2"})
			s.want("left lost2 sales answered 3m0s", "offer vip bob")
		})
	}
}

// TestRelaxationNeverNarrows: as a caller waits, whoever was fit stays fit, for
// any need that Widens lets pass.
func TestRelaxationNeverNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := sales(func(q *Queue) {
			q.Need = rapid.SampledFrom(needs).Draw(t, "need")
			q.Tiers = []Tier{{1, time.Duration(rapid.IntRange(0, 40).Draw(t, "tier")) * time.Second}}
			q.Members = []Member{{Agent: "a[0-2]"}, {Agent: "*", Rank: 1}}
		})
		own := rapid.SampledFrom(needs).Draw(t, "own")
		e := New(Config{})
		var as []Agent
		for i := range 6 {
			as = append(as, Agent{Name: fmt.Sprint("a", i), Device: "d", Skills: drawSkills(t)})
		}
		e.Step(noon, Configure{Queues: q, Agents: as})
		e.Step(noon, Enter{CallID: "c1", Queue: "sales", Need: own})
		c := e.callers["c1"]
		fit := map[*pool]bool{}
		for s := range 61 {
			e.Step(noon.Add(time.Duration(s)*time.Second), Tick{})
			now := map[*pool]bool{}
			for _, p := range e.pools {
				for _, pc := range p.classes {
					if pc.c == c.class {
						now[p] = true
					}
				}
			}
			for p := range fit {
				if !now[p] {
					t.Fatalf("%q and %q: an agent with %v does not fit any more after %d s", q[0].Need, own, p.skills, s)
				}
			}
			fit = now
		}
	})
}

func TestAgeingLetsEverybodysTurnCome(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", Configure{Queues: sales(), Agents: people("ana"), Settings: Settings{PriorityWorth: time.Minute}}, enter("low", "sales"))
	s.at("1m59s", Enter{CallID: "high", Queue: "sales", Priority: 2})
	s.want("joined high sales 1")
	s.at("2m1s", Enter{CallID: "late", Queue: "sales", Priority: 2})
	s.want("joined late sales 3") // low has waited longer than two points are worth
	s.at("3m", login("ana"), accept("high"), CallEnded{"ana", "high"}, accept("low"))
	s.want("offer high ana", "offer low ana")
}

// TestNobodyStarves: with ageing, callers of the lowest priority are served
// within a bounded wait although higher ones come faster than they can be served.
func TestNobodyStarves(t *testing.T) {
	worth := time.Minute
	e := New(Config{})
	e.Step(noon, Configure{Queues: sales(), Agents: people("ana"), Settings: Settings{PriorityWorth: worth}})
	e.Step(noon, LogIn{Agent: "ana"})
	now, served := noon, time.Duration(0)
	e.Step(now, Enter{CallID: "vip0", Queue: "sales", Priority: 5})
	e.Step(now, Enter{CallID: "low", Queue: "sales"})
	for i := 1; served == 0 && i < 1000; i++ {
		now = now.Add(10 * time.Second)
		e.Step(now, Enter{CallID: fmt.Sprint("vip", i), Queue: "sales", Priority: 5})
		// One call in ten seconds is answered, as many as come: without ageing low never is.
		for _, c := range e.callers {
			if len(c.offers) > 0 {
				o, id := c.offers[0].id, c.callID
				if id == "low" {
					served = now.Sub(noon)
				}
				e.Step(now, OfferAccepted{o})
				e.Step(now, CallEnded{"ana", id})
				break
			}
		}
	}
	if served == 0 || served > 5*worth+20*time.Second {
		t.Fatalf("low was served after %s, want within %s", served, 5*worth)
	}
}

func TestLastAgentFirst(t *testing.T) {
	q := sales(func(q *Queue) { q.LastAgent, q.Patience = time.Hour, 20*time.Second })
	s := newScore(t, q, people("ana", "bob"))
	from := func(id string) Event { return Enter{CallID: id, Queue: "sales", From: "+40700"} }
	s.at("0s", login("ana"), login("bob"), from("c1"), accept("c1"))
	s.want("offer c1 ana")
	s.at("1m", CallEnded{"ana", "c1"})
	s.at("2m", from("c2"), accept("c2"))
	s.want("offer c2 ana") // bob has been free longer
	s.at("3m", from("c3"))
	s.want("joined c3 sales 1") // ana talks: the caller waits for her alone
	s.at("3m19s")
	s.want()
	s.at("3m20s")
	s.want("offer c3 bob")
	s.at("4m", leave("c3"), pause("ana", "lunch"), CallEnded{"ana", "c2"})
	s.at("5m", from("c4"))
	s.want("joined c4 sales 1", "offer c4 bob") // at lunch she keeps nobody waiting
	s.at("6m", leave("c4"), ready("ana"))
	s.at("2h", from("c5"))
	s.want("joined c5 sales 1", "offer c5 bob") // too long ago
}

func TestNamedAgentWithQueueAsBackUp(t *testing.T) {
	as := append(people("ana", "bob"), Agent{Name: "chief", Device: "c"})
	q := sales(func(q *Queue) { q.Members = []Member{{Agent: "bob"}} })
	s := newScore(t, q, as)
	s.at("0s", login("bob"), login("chief"), Enter{CallID: "c1", Queue: "sales", Agent: "chief"})
	s.want("offer c1 chief", "joined c1 sales 1") // need not be a member
	s.at("1s", fail("c1", CauseRejected))
	s.want("offer c1 bob")
	s.at("2s", leave("c1"), logout("chief"), Enter{CallID: "c2", Queue: "sales", Agent: "chief"})
	s.want("withdraw c1 bob caller_left", "left c1 sales abandoned 2s", "joined c2 sales 1", "offer c2 bob")
	s.at("3s", leave("c2"), login("chief"), Occupy{"chief", "x"}, Enter{CallID: "c3", Queue: "sales", Agent: "chief", Patience: 10 * time.Second})
	s.none("offer")
	s.at("8s", Release{"chief", "x"})
	s.want("offer c3 chief")
	s.at("9s", leave("c3"), Occupy{"chief", "y"}, Enter{CallID: "c4", Queue: "sales", Agent: "chief", Patience: 10 * time.Second})
	s.at("12s", logout("chief"), Release{"chief", "y"}) // goes home: not worth waiting for
	s.want("offer c4 bob")
}

func TestConsequences(t *testing.T) {
	for _, c := range []struct {
		cause string
		do    Consequence
		state string
		back  string
	}{
		{CauseNoAnswer, Consequence{Do: DoNotReady}, "not_ready ring_no_answer", ""},
		{CauseBusy, Consequence{Do: DoNotReady}, "not_ready busy", ""},
		{CauseUnreachable, Consequence{Do: DoNotReady}, "not_ready unreachable", ""},
		{CauseNoAnswer, Consequence{DoPause, 7 * time.Second}, "not_ready ring_no_answer", "7s"},
		{CauseRejected, Consequence{DoPause, 7 * time.Second}, "not_ready rejected", "7s"},
		{CauseUnreachable, Consequence{DoPause, 7 * time.Second}, "ready unreachable", "7s"},
		{CauseRejected, Consequence{Do: DoStay}, "not_ready rejected", "1s"},
	} {
		t.Run(c.cause+" "+c.do.Do, func(t *testing.T) {
			s := newScore(t, sales(func(q *Queue) { q.After = map[string]Consequence{c.cause: c.do} }), people("ana"))
			s.at("0s", login("ana"), enter("c1", "sales"), fail("c1", c.cause))
			s.want("agent ana offline ready", "agent ana ready reserved", "agent ana reserved "+c.state)
			if c.back == "" {
				s.at("10h")
				s.want()
				return
			}
			s.at(c.back)
			s.want("offer c1 ana")
		})
	}
}

func TestOneCallOnDemand(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", LogIn{Agent: "ana", Once: true, By: ByPhone}, enter("c1", "sales"), enter("c2", "sales"), accept("c1"))
	s.at("1m", CallEnded{"ana", "c1"})
	s.want("agent ana on_call not_ready one_call")
	s.at("2m", SetReady{Agent: "ana", Once: true, By: ByPhone})
	s.want("offer c2 ana")
}

func TestDispositionRequired(t *testing.T) {
	talk := func(t *testing.T, wrap time.Duration) *score {
		s := newScore(t, sales(func(q *Queue) { q.WrapUp, q.DispositionRequired = wrap, true }), people("ana"))
		s.at("0s", login("ana"), enter("c1", "sales"), accept("c1"), enter("c2", "sales"))
		s.none("offer c2")
		return s
	}
	refused := func(s *score) {
		s.t.Helper()
		if s.e.Verdict() == nil {
			s.t.Error("left the wrap-up without a disposition")
		}
	}
	t.Run("keeps the agent, then what is left of the wrap-up", func(t *testing.T) {
		s := talk(t, 30*time.Second)
		s.at("1s", CallEnded{"ana", "c1"})
		s.at("5s", WrapUpDone{Agent: "ana", By: ByPhone})
		refused(s)
		s.at("6s", Disposed{"ana", "c1"})
		s.at("30.999s")
		s.none("offer")
		s.at("31s")
		s.want("agent ana wrap_up ready", "agent ana ready reserved", "offer c2 ana")
	})
	t.Run("given late", func(t *testing.T) {
		s := talk(t, 30*time.Second)
		s.at("1s", CallEnded{"ana", "c1"})
		s.at("60s", ready("ana"))
		refused(s)
		s.at("61s", pause("ana", "lunch"))
		refused(s)
		s.at("62s", Disposed{"ana", "c0"}) // of another call
		s.none("offer")
		s.at("63s", Disposed{"ana", "c1"})
		s.want("agent ana wrap_up ready", "agent ana ready reserved", "offer c2 ana")
	})
	t.Run("given in the call, no wrap-up", func(t *testing.T) {
		s := talk(t, 0)
		s.at("1s", Disposed{"ana", "c1"}, CallEnded{"ana", "c1"})
		s.want("agent ana on_call ready", "agent ana ready reserved", "offer c2 ana")
	})
	t.Run("no wrap-up but the disposition", func(t *testing.T) {
		s := talk(t, 0)
		s.at("1s", CallEnded{"ana", "c1"})
		s.want("agent ana on_call wrap_up")
		s.at("2s", Disposed{"ana", "c1"})
		s.want("agent ana wrap_up ready", "agent ana ready reserved", "offer c2 ana")
	})
	t.Run("bounded", func(t *testing.T) {
		s := talk(t, 0)
		s.at("1s", CallEnded{"ana", "c1"})
		s.at("3600.999s")
		s.none("offer")
		s.at("3601s")
		s.want("agent ana wrap_up ready", "agent ana ready reserved", "offer c2 ana")
	})
	t.Run("a call made meanwhile does not free", func(t *testing.T) {
		s := talk(t, 0)
		s.at("1s", CallEnded{"ana", "c1"}, Occupy{"ana", "out"})
		s.at("9s", Release{"ana", "out"})
		s.want("agent ana on_call wrap_up")
		s.at("10s", Disposed{"ana", "c1"})
		s.want("offer c2 ana")
	})
	t.Run("a supervisor, and logging out, do", func(t *testing.T) {
		s := talk(t, 0)
		s.at("1s", CallEnded{"ana", "c1"}, WrapUpDone{Agent: "ana", By: BySupervisor})
		s.want("agent ana on_call wrap_up", "agent ana wrap_up ready", "agent ana ready reserved", "offer c2 ana")
		s = talk(t, 0)
		s.at("1s", CallEnded{"ana", "c1"}, LogOut{Agent: "ana", By: ByPhone})
		s.want("agent ana on_call wrap_up", "agent ana wrap_up offline")
		s.at("2s", login("ana"))
		s.want("agent ana offline ready", "agent ana ready reserved", "offer c2 ana")
	})
}

func TestWrapUpModes(t *testing.T) {
	talk := func(t *testing.T, mode string) *score {
		s := newScore(t, sales(func(q *Queue) { q.WrapUp, q.WrapUpMode, q.WrapUpExtend = 30*time.Second, mode, 20*time.Second }), people("ana"))
		s.at("0s", login("ana"), enter("c1", "sales"), accept("c1"), CallEnded{"ana", "c1"}, enter("c2", "sales"))
		s.none("offer c2")
		return s
	}
	t.Run("timed", func(t *testing.T) {
		s := talk(t, WrapTimed)
		s.at("10s", WrapUpDone{Agent: "ana", By: ByPhone})
		s.want("offer c2 ana")
	})
	t.Run("extended", func(t *testing.T) {
		s := talk(t, WrapTimed)
		s.at("29s", ExtendWrapUp{"ana", ByPhone, 15 * time.Second})
		s.at("44.999s", ExtendWrapUp{"ana", ByPhone, 6 * time.Second})
		if s.e.Verdict() == nil {
			t.Error("extended beyond the limit")
		}
		s.want()
		s.at("45s")
		s.want("offer c2 ana")
	})
	t.Run("fixed", func(t *testing.T) {
		s := talk(t, WrapFixed)
		s.at("10s", WrapUpDone{Agent: "ana", By: ByPhone}, ready("ana"))
		s.want()
		if s.e.Verdict() == nil {
			t.Error("no refusal")
		}
		s.at("11s", WrapUpDone{Agent: "ana", By: BySupervisor})
		s.want("offer c2 ana")
	})
	t.Run("until done", func(t *testing.T) {
		s := talk(t, WrapUntilDone)
		s.at("59m")
		s.want()
		s.at("1h") // every state has a deadline
		s.want("offer c2 ana")
	})
}

func TestPresenceLease(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", login("ana"), Reach{Device: "ana-phone"})
	s.at("5m", ready("ana")) // says something: the lease begins anew
	s.at("14m59s")
	s.want()
	s.at("15m")
	s.want("agent ana ready not_ready device_gone")
	s.at("16m", Reach{Device: "ana-phone", Reachable: true}, enter("c1", "sales"))
	s.none("offer") // the phone is back; is the agent?
	s.at("17m", ready("ana"))
	s.want("offer c1 ana")
	s.at("18m", leave("c1"), Reach{Device: "ana-phone"})
	s.at("27m", Reach{Device: "ana-phone", Reachable: true})
	s.at("1h")
	s.none("agent") // back in time
}

func TestLogInFromAnyDevice(t *testing.T) {
	s := newScore(t, sales(), append(people("ana", "bob"), Agent{Name: "hot"}))
	s.at("0s", LogIn{Agent: "hot", Device: "desk7"}, enter("c1", "sales"))
	o := s.out[len(s.out)-1].(Offer)
	if o.Agent != "hot" || o.Device != "desk7" {
		t.Fatalf("%+v", o)
	}
	s.at("1s", login("bob"), LogIn{Agent: "ana", Device: "bob-phone"})
	if s.e.Verdict() == nil {
		t.Error("two agents at one phone")
	}
	s.at("2s", leave("c1"), Reach{Device: "desk7"}, enter("c2", "sales"))
	s.want("offer c2 bob", "withdraw c1 hot caller_left", "left c1 sales abandoned 2s", "joined c2 sales 1")
	s.at("3s", logout("hot"), LogIn{Agent: "hot"}, enter("c3", "sales"))
	s.none("offer") // without a device there is nothing to ring
}

func TestPushPullPriority(t *testing.T) {
	s := newScore(t, sales(), people("ana", "bob"))
	s.at("0s", login("ana"), login("bob"), pause("bob", "lunch"), enter("c1", "sales"), accept("c1"), enter("c2", "sales"), enter("c3", "sales"), enter("c4", "sales"))
	s.at("1s", SetPriority{"c4", BySupervisor, 7})
	s.want("priority c4 7 1")
	s.at("2s", Assign{CallID: "c3", Agent: "bob", By: ByAPI, Pull: true})
	s.want("assigned c3 bob pulled", "agent bob not_ready ready pulled", "agent bob ready reserved", "offer c3 bob")
	s.at("3s", accept("c3"), CallEnded{"bob", "c3"})
	s.want("agent bob reserved on_call", "agent bob on_call not_ready one_call", "left c3 sales answered 3s")
	s.at("4s", Assign{CallID: "c2", Agent: "ana", By: BySupervisor}) // she talks: c2 waits for her
	s.want("assigned c2 ana pushed")
	s.at("5s", ready("bob"))
	s.want("offer c4 bob")
	s.at("6s", CallEnded{"ana", "c1"})
	s.want("offer c2 ana")
	s.at("7s", Assign{CallID: "nobody", Agent: "ana"})
	if s.e.Verdict() == nil {
		t.Error("assigned a call that waits nowhere")
	}
}

func TestChannelCapacity(t *testing.T) {
	as := people("ana", "bob")
	as[0].Capacity = map[string]int{"chat": 3}
	s := newScore(t, sales(), as)
	s.at("0s", login("ana"), login("bob"), enter("c1", "sales"), enter("c2", "sales"))
	s.want("offer c1 bob", `decided c1 "bob" map[capacity:1]`, `decided c2 "" map[capacity:1 reserved:1]`)
}
