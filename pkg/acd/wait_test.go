package acd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func overflow(rules ...Overflow) func(*Queue) {
	return func(q *Queue) { q.Overflow = rules }
}

// sentOn is where the rules of overflow sent callers, in order.
func (s *score) sentOn() (out []string) {
	for _, f := range s.out {
		if l, ok := f.(LeftQueue); ok && l.Outcome == LeftOverflow {
			out = append(out, fmt.Sprintf("%s to %s: %s", l.CallID, l.To, l.Why))
		}
	}
	return out
}

func (s *score) wantOn(want ...string) {
	s.t.Helper()
	if got := s.sentOn(); !slices.Equal(got, want) {
		s.t.Fatalf("at %s: sent on %q, want %q", s.now.Sub(s.start), got, want)
	}
}

func TestOverflow(t *testing.T) {
	t.Run("a free agent comes before any rule", func(t *testing.T) {
		s := newScore(t, sales(overflow(Overflow{To: "queue:b"})), people("ana"))
		s.at("0s", login("ana"), enter("c1", "sales"))
		s.want("offer c1 ana")
		s.wantOn()
		s.at("1s", enter("c2", "sales"))
		s.want("joined c2 sales 2", "left c2 sales overflow 0s")
		s.at("2s", fail("c1", CauseBusy)) // nobody is free any more
		s.wantOn("c1 to queue:b: ")
	})
	t.Run("wait", func(t *testing.T) {
		s := newScore(t, sales(overflow(Overflow{After: 30 * time.Second, To: "queue:b"})), people("ana", "bob"))
		s.at("0s", login("ana"), pause("ana", "lunch"), enter("c1", "sales"))
		s.at("29.9s")
		s.wantOn()
		s.at("31s")
		s.wantOn("c1 to queue:b: waited 30s")
		s.at("40s", enter("c2", "sales"))
		s.at("1m9s", login("bob"))
		s.want("offer c2 bob")
		s.at("1m20s") // rings: stays
		s.wantOn()
		s.at("1m21s", fail("c2", CauseRejected))
		s.wantOn("c2 to queue:b: waited 30s")
	})
	t.Run("callers ahead", func(t *testing.T) {
		s := newScore(t, sales(overflow(Overflow{Ahead: 2, To: "flow:full"})), people("ana"))
		s.at("0s", login("ana"), pause("ana", "lunch"), enter("c1", "sales"), enter("c2", "sales"), enter("c3", "sales"))
		s.wantOn("c3 to flow:full: 2 callers ahead")
		s.at("1s", Enter{CallID: "vip", Queue: "sales", Priority: 5})
		s.wantOn() // goes first; it is c2 who has two ahead now
		s.at("2.5s")
		s.wantOn("c2 to flow:full: 2 callers ahead")
	})
	t.Run("nobody", func(t *testing.T) {
		rules := []Overflow{{Agents: NoneLoggedIn, To: "queue:out"}, {Agents: NoneReady, After: 5 * time.Second, To: "queue:away"}, {Agents: NoneFree, After: 20 * time.Second, To: "queue:busy"}}
		s := newScore(t, sales(overflow(rules...)), people("ana"))
		s.at("0s", enter("c1", "sales"))
		s.wantOn("c1 to queue:out: nobody logged in")
		s.at("1s", login("ana"), enter("c2", "sales"), enter("c3", "sales"))
		s.want("offer c2 ana")
		s.at("2s", accept("c2"))
		s.at("22s")
		s.wantOn("c3 to queue:busy: waited 20s, nobody free")
		s.at("30s", enter("c4", "sales"))
		s.at("31s", pause("ana", "lunch"), CallEnded{Agent: "ana", CallID: "c2"})
		s.at("36s")
		s.wantOn("c4 to queue:away: waited 5s, nobody ready")
	})
	t.Run("who was sent on too often stays", func(t *testing.T) {
		s := newScore(t, sales(overflow(Overflow{To: "queue:b"})), people("ana"))
		s.at("0s", Enter{CallID: "c1", Queue: "sales", Stays: true})
		s.at("1h")
		s.wantOn()
	})
	t.Run("a change of rules counts for those who wait", func(t *testing.T) {
		s := newScore(t, sales(), people("ana"))
		s.at("0s", enter("c1", "sales"))
		s.at("50s", Configure{Queues: sales(overflow(Overflow{After: time.Minute, To: "queue:b"})), Agents: people("ana")})
		s.at("61s")
		s.wantOn("c1 to queue:b: waited 1m0s")
	})
}

func TestOverflowByServiceLevel(t *testing.T) {
	s := newScore(t, sales(overflow(Overflow{ServiceLevel: 60, To: "queue:b"}), func(q *Queue) { q.ServiceLevel = 10 * time.Second }), people("ana"))
	s.at("0s", login("ana"))
	clock := 0
	serve := func(waits int) {
		who := fmt.Sprint("c", clock)
		s.at(fmt.Sprintf("%ds", clock), enter(who, "sales"))
		clock += waits
		s.at(fmt.Sprintf("%ds", clock), accept(who), CallEnded{Agent: "ana", CallID: who})
		s.wantOn()
		clock++
	}
	for range 6 {
		serve(1)
	}
	for range 3 {
		serve(15)
	}
	s.at(fmt.Sprintf("%ds", clock), enter("rung", "sales"), enter("x", "sales"))
	s.wantOn() // nine calls are too few to know
	s.at(fmt.Sprintf("%ds", clock+15), accept("rung"), leave("x"), CallEnded{Agent: "ana", CallID: "rung"}, enter("y", "sales"), enter("z", "sales"))
	s.wantOn("z to queue:b: 54% answered in time") // 6 of 11, a little faded; y rings
}

func back(call, key string) Event { return Enter{CallID: call, Queue: "sales", Returns: key} }

func TestOldPlace(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	s.at("0s", back("c1", "0700"), enter("c2", "sales"))
	s.at("30s", leave("c1"), enter("c3", "sales"))
	s.at("80s", back("c4", "0700"))
	s.want("joined c4 sales 1")
	if j := s.out[0].(Joined); j.Before != "c1" || j.Waited != 30*time.Second {
		t.Errorf("%+v", j)
	}
	s.at("90s", back("c5", "0700")) // given once
	s.want("joined c5 sales 4")
	s.at("100s", leave("c4"))
	s.at("161s", back("c6", "0700")) // too late
	s.want("joined c6 sales 4")
	s.at("170s", Leave{CallID: "c6", Outcome: LeftKey}, back("c7", "0700")) // not cut off
	s.want("left c6 sales key 9s", "joined c7 sales 4")
	s.at("180s", leave("c2"), enter("c8", "sales")) // nobody knows who that was
	s.want("left c2 sales abandoned 3m0s", "joined c8 sales 4")
}

// TestOldPlaceIsExact: whoever is cut off and comes back in time stands between the
// same two as before, whatever came and went meanwhile.
func TestOldPlaceIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := New(Config{})
		worth := time.Duration(rapid.IntRange(0, 1).Draw(t, "worth")) * time.Minute
		e.Step(noon, Configure{Queues: sales(), Settings: Settings{PriorityWorth: worth}})
		now, n := noon, 0
		join := func(key string, priority int) string {
			n++
			id := fmt.Sprint("c", n)
			e.Step(now, Enter{CallID: id, Queue: "sales", Returns: key, Priority: priority})
			return id
		}
		order := func() (ids []string) {
			for _, c := range e.Snapshot().Queues[0].Callers {
				ids = append(ids, c.CallID)
			}
			return ids
		}
		for range rapid.IntRange(0, 6).Draw(t, "before") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "gap")) * time.Second)
			join("", rapid.IntRange(0, 2).Draw(t, "p"))
		}
		priority := rapid.IntRange(0, 2).Draw(t, "own")
		who := join("0700", priority)
		for range rapid.IntRange(0, 4).Draw(t, "behind") {
			join("", rapid.IntRange(0, 2).Draw(t, "p"))
		}
		was := order()
		e.Step(now, Leave{CallID: who})
		for range rapid.IntRange(0, 5).Draw(t, "meanwhile") {
			now = now.Add(time.Duration(rapid.IntRange(0, 11).Draw(t, "gap")) * time.Second)
			if rapid.Bool().Draw(t, "goes") && len(order()) > 0 {
				gone := rapid.SampledFrom(order()).Draw(t, "who")
				e.Step(now, Leave{CallID: gone})
				was = slices.DeleteFunc(was, func(id string) bool { return id == gone })
			} else {
				join("", priority)
			}
		}
		again := join("0700", priority)
		if b := Audit(e); len(b) > 0 {
			t.Fatal(b)
		}
		var of []string // those of before, as they stand now
		for _, id := range order() {
			if id == again {
				id = who
			}
			if slices.Contains(was, id) {
				of = append(of, id)
			}
		}
		if !slices.Equal(of, was) {
			t.Fatalf("stood %v, stand %v", was, of)
		}
	})
}

func TestPlacesAreBounded(t *testing.T) {
	var p places
	for i := range 3 * maxPlaces {
		p.put(placeKey{"q", fmt.Sprint(i)}, place{seq: uint64(i)})
		p.put(placeKey{"q", "the same"}, place{seq: uint64(i)})
	}
	if len(p.kept) > maxPlaces || len(p.order) > 2*maxPlaces {
		t.Errorf("%d kept, %d in order", len(p.kept), len(p.order))
	}
	if at, ok := p.take(placeKey{"q", "the same"}); !ok || at.seq != 3*maxPlaces-1 {
		t.Errorf("%+v %v", at, ok)
	}
}

func TestEstimateSaysNothingItDoesNotKnow(t *testing.T) {
	s := newScore(t, sales(), people("ana"))
	estimate := func(call string) (time.Duration, bool) { return s.e.estimate(s.e.callers[call]) }
	s.at("0s", enter("c1", "sales"))
	if _, known := estimate("c1"); known {
		t.Error("nobody is logged in")
	}
	s.at("10s", login("ana"), accept("c1"), enter("c2", "sales"))
	if _, known := estimate("c2"); known {
		t.Error("one hand-over is no pace")
	}
}

// TestEstimateHoldsItsPromise: in a house of M/M/n with callers in line, four of
// five wait no longer than they were told, near and far from the front, also while
// agents come and go.
func TestEstimateHoldsItsPromise(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const agents, service = 8, 180.0
	var names []string
	for i := range agents {
		names = append(names, fmt.Sprint("a", i))
	}
	e := New(Config{})
	now, start := noon, noon
	type told struct {
		at  time.Time
		d   time.Duration
		pos int
	}
	promised := map[string]told{}
	ends := map[string]time.Time{} // agent -> end of the call
	on := map[string]string{}
	held, all := map[bool]float64{}, map[bool]float64{}
	var step func(ev Event)
	step = func(ev Event) {
		for _, f := range slices.Clone(e.Step(now, ev)) {
			switch f := f.(type) {
			case Joined:
				if f.Estimate > 0 {
					promised[f.CallID] = told{now, f.Estimate, f.Position}
				}
			case Offer:
				ends[f.Agent], on[f.Agent] = now.Add(time.Duration(rnd.ExpFloat64()*service*1e9)), f.CallID
				step(OfferAccepted{f.OfferID})
			case LeftQueue:
				if p, ok := promised[f.CallID]; ok && now.Sub(start) > time.Hour {
					far := p.pos > 5
					all[far]++
					if now.Sub(p.at) <= p.d {
						held[far]++
					}
				}
				delete(promised, f.CallID)
			}
		}
	}
	step(Configure{Queues: sales(), Agents: people(names...)})
	for _, n := range names {
		step(login(n))
	}
	next := now
	for calls := 0; calls < 60_000; {
		at, who := next, ""
		for n, end := range ends {
			if end.Before(at) || end.Equal(at) && n < who {
				at, who = end, n
			}
		}
		now = at
		if who != "" {
			call := on[who]
			delete(ends, who)
			step(CallEnded{Agent: who, CallID: call})
			continue
		}
		calls++
		step(enter(fmt.Sprint("c", calls), "sales"))
		// 0.93 of what the agents can take.
		next = now.Add(time.Duration(rnd.ExpFloat64() * service / agents / 0.93 * 1e9))
	}
	for far, n := range all {
		share := held[far] / n
		t.Logf("more than five ahead %v: %.0f told, %.3f waited no longer", far, n, share)
		if n < 5000 || math.Abs(share-EstimateShare) > 0.03 {
			t.Errorf("more than five ahead %v: %.3f of %.0f waited no longer than told, want %.2f", far, share, n, EstimateShare)
		}
	}
	if len(all) != 2 {
		t.Error("nobody near or far was told anything")
	}
}
