package sim

import (
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/agent"
)

// storm is a world that plays phones, callers and people badly on purpose: phones
// that vanish, answers that cross their withdrawal, clocks that stand still, leap
// or go back, configurations that change under way, words about calls that are
// over. It knows what effects have told and holds them against each other; the
// engine's own state is held against acd.Audit.
type storm struct {
	c       chance
	e       *acd.Engine
	now     time.Time
	open    map[string]acd.Offer // offers made and not ended
	inQueue map[string]bool      // joined and not left
	over    []string             // offers that have ended
	talks   map[string]string
	n       int
	asked   map[string]bool // callbacks that have not ended
	several map[string]bool // queues that ring more than one phone
	mixed   bool            // the configuration has changed under way
	events  int
	hash    interface{ Write([]byte) (int, error) } // of all effects; nil = not wanted
	fault   string
	carry   bool // now and then the engine is saved and goes on as another
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newStorm(seed uint64) *storm {
	return &storm{c: fork(seed, 77), e: acd.New(acd.Config{Seed: seed}), now: noon, open: map[string]acd.Offer{}, inQueue: map[string]bool{}, talks: map[string]string{}, asked: map[string]bool{}}
}

// upTo draws from lo to hi, both possible.
func (s *storm) upTo(lo, hi int) int { return lo + int(s.c.next()%uint64(hi-lo+1)) }

func (s *storm) oneIn(n int) bool { return s.c.next()%uint64(n) == 0 }

func pick[T any](s *storm, list ...T) T { return list[s.c.next()%uint64(len(list))] }

func (s *storm) secs() time.Duration { return time.Duration(s.upTo(-1, 40)) * time.Second }

func (s *storm) fail(format string, args ...any) {
	if s.fault == "" {
		s.fault = fmt.Sprintf(format, args...)
	}
}

func (s *storm) step(ev acd.Event) {
	s.events++
	if c, ok := ev.(acd.Configure); ok {
		s.mixed = s.several != nil
		s.several = map[string]bool{}
		for _, q := range c.Queues {
			s.several[q.Name] = q.Strategy == acd.StrategyRingAll || q.Strategy == acd.StrategyProgressive
		}
	}
	for _, f := range s.e.Step(s.now, ev) {
		if s.hash != nil {
			fmt.Fprintf(s.hash, "%T%+v\n", f, f)
		}
		s.effect(f)
	}
	if b := acd.Audit(s.e); len(b) > 0 {
		s.fail("after %T%+v: %v", ev, ev, b)
	}
}

func (s *storm) effect(f acd.Effect) {
	switch f := f.(type) {
	case acd.Joined:
		if s.inQueue[f.CallID] {
			s.fail("%s joined twice", f.CallID)
		}
		s.inQueue[f.CallID] = true
	case acd.Offer:
		if !s.inQueue[f.CallID] {
			s.fail("%s is offered and waits nowhere", f.CallID)
		}
		for _, o := range s.open {
			if o.Agent == f.Agent || o.CallID == f.CallID && !s.several[f.Queue] && !s.mixed {
				s.fail("two offers at once: %+v and %+v", o, f)
			}
		}
		if s.talks[f.Agent] != "" {
			s.fail("%s is offered %s in the call %s", f.Agent, f.CallID, s.talks[f.Agent])
		}
		if !f.Deadline.After(s.now) {
			s.fail("offer without time: %+v at %s", f, s.now)
		}
		s.open[f.OfferID] = f
	case acd.OfferEnded:
		o, ok := s.open[f.OfferID]
		if !ok || o.Agent != f.Agent || o.CallID != f.CallID {
			s.fail("end of an offer that is not open: %+v", f)
		}
		delete(s.open, f.OfferID)
		s.over = append(s.over, f.OfferID)
		if f.Outcome == acd.OutcomeAccepted {
			s.talks[f.Agent] = f.CallID
		}
	case acd.LeftQueue:
		if !s.inQueue[f.CallID] {
			s.fail("%s left twice", f.CallID)
		}
		delete(s.inQueue, f.CallID)
		if f.Agent != "" {
			s.talks[f.Agent] = f.CallID
		}
		for _, o := range s.open {
			if o.CallID == f.CallID {
				s.fail("%s left with the offer %s open", f.CallID, o.OfferID)
			}
		}
	case acd.Announce:
		for _, o := range s.open {
			if o.CallID == f.CallID {
				s.fail("%s is told a position while %s rings", f.CallID, o.Agent)
			}
		}
	case acd.CallbackTaken:
		if s.asked[f.CallID] {
			s.fail("%s is to be called back twice", f.CallID)
		}
		s.asked[f.CallID] = true
	case acd.CallbackTried:
		if !s.asked[f.CallID] || f.Try < 0 {
			s.fail("a try of nothing: %+v", f)
		}
	case acd.CallbackOver:
		if !s.asked[f.CallID] {
			s.fail("the callback %s has ended and was none: %+v", f.CallID, f)
		}
		delete(s.asked, f.CallID)
	case acd.Decided:
		if f.Agent != "" && (len(f.Considered) == 0 || f.Considered[0].Agent != f.Agent) {
			s.fail("chose %s, best was %+v", f.Agent, f.Considered)
		}
	}
}

var stormNeeds = []string{"", "", "", "ro", "ro > 1; after 10s ro; after 20s any", "ro or ru; after 15s any", "not ru; after 5s any", "ro >= 2 and not ru; after 30s ro >= 1"}

func (s *storm) skills() map[string]int {
	m := map[string]int{}
	for _, name := range []string{"ro", "ru"} {
		if l := s.upTo(0, 5); l < 3 {
			m[name] = l
		}
	}
	return m
}

func (s *storm) config() acd.Configure {
	var c acd.Configure
	for i := range s.upTo(0, 4) {
		q := acd.Queue{Name: fmt.Sprint("q", i), Strategy: pick(s, acd.Strategies...), RingLimit: s.upTo(0, 3), RingStep: max(s.secs(), 0),
			WrapUpMode: pick(s, acd.WrapUpModes...), WrapUpExtend: s.secs(), LastAgent: s.secs(), Patience: s.secs(), Priority: s.upTo(-1, 1),
			WrapUp: s.secs(), RingTimeout: s.secs(), MaxWait: s.secs(), MaxLength: s.upTo(0, 6), LeaveWhenEmpty: s.oneIn(2),
			AnnounceFirst: s.secs(), AnnounceEvery: s.secs(), Need: pick(s, stormNeeds...), KeepPlace: s.secs()}
		for range max(s.upTo(-4, 3), 0) {
			q.Announce = append(q.Announce, acd.AnnounceTime{After: s.secs(), Every: s.secs()})
		}
		for range s.upTo(0, 2) {
			q.Overflow = append(q.Overflow, acd.Overflow{After: max(s.secs(), 0), Ahead: s.upTo(0, 3), Estimate: max(s.secs(), 0), ServiceLevel: pick(s, 0, 0, 50),
				Agents: pick(s, append([]string{""}, acd.OverflowAgents...)...)})
		}
		if s.oneIn(2) {
			q.Skills = s.skills()
		}
		q.Callback = acd.CallbackRules{On: !s.oneIn(4), Retries: s.upTo(-1, 3), Interval: s.secs(), MaxAge: 10 * s.secs(), Dial: s.secs()}
		for range s.upTo(0, 2) {
			q.Tiers = append(q.Tiers, acd.Tier{Rank: s.upTo(0, 2), After: max(s.secs(), 0)})
		}
		if s.oneIn(4) {
			q.After = map[string]acd.Consequence{pick(s, acd.Causes...): {Do: pick(s, acd.DoStay, acd.DoPause, acd.DoNotReady), Pause: s.secs()}}
		}
		if s.oneIn(10) {
			q.Channel = "chat"
		}
		for range s.upTo(0, 3) {
			q.Members = append(q.Members, acd.Member{Agent: pick(s, "*", "a1", "a2", "a[0-3]", "zz", "a?"), Rank: s.upTo(0, 2), Weight: s.upTo(0, 5)})
		}
		c.Queues = append(c.Queues, q)
	}
	for i := range s.upTo(0, 6) {
		a := acd.Agent{Name: fmt.Sprint("a", i), Device: pick(s, "d", "d", "d2", ""), AlwaysReady: s.oneIn(4), Skills: s.skills(), OnDemand: s.oneIn(6)}
		if s.oneIn(4) {
			d := max(s.secs(), 0)
			a.WrapUp = &d
		}
		if s.oneIn(6) {
			a.Capacity = map[string]int{"chat": 1, "voice": s.upTo(0, 1)}
		}
		c.Agents = append(c.Agents, a)
	}
	if s.oneIn(2) {
		c.Settings.PriorityWorth = s.secs()
	}
	c.Settings.MaxCallbacks = s.upTo(0, 5)
	c.Settings.PresenceLease, c.Settings.MaxWrapUp = s.secs(), s.secs()
	return c
}

func keys[V any](m map[string]V) []string { return sortedKeys(m) }

func (s *storm) someOffer() string {
	ids := keys(s.open)
	if len(s.over) > 0 {
		ids = append(ids, s.over[len(s.over)-1], s.over[0])
	}
	if len(ids) == 0 {
		return "1"
	}
	return pick(s, ids...)
}

func (s *storm) someCall() string {
	ids := append(keys(s.inQueue), "nobody")
	for _, a := range keys(s.talks) {
		ids = append(ids, s.talks[a])
	}
	return pick(s, ids...)
}

func (s *storm) draw() acd.Event {
	name, by := fmt.Sprint("a", s.upTo(0, 6)), pick(s, acd.ByPhone, acd.ByAPI, acd.BySupervisor)
	switch k := s.upTo(0, 999); {
	case k < 250:
		s.n++
		return acd.Enter{CallID: fmt.Sprint("c", s.n), Queue: fmt.Sprint("q", s.upTo(0, 3)), Priority: s.upTo(0, 2), Skills: s.skills(), Need: pick(s, stormNeeds...),
			From: pick(s, "", "x", "y"), Returns: pick(s, "", "x", "y"), Stays: s.oneIn(10), Agent: pick(s, "", "", "a1", "a2", "zz"), Patience: time.Duration(s.upTo(0, 30)) * time.Second,
			ArrivedAt: s.now.Add(time.Duration(s.upTo(-60, 5)) * time.Second)}
	case k < 275:
		return acd.AskCallback{CallID: s.someCall(), Queue: fmt.Sprint("q", s.upTo(0, 3)), Number: pick(s, "x", "y", "z", "1", "2", "3", ""), Caller: pick(s, "", "x", "y"),
			Need: pick(s, stormNeeds...), ArrivedAt: s.now.Add(-time.Minute)}
	case k < 300:
		return acd.Leave{CallID: s.someCall(), Outcome: pick(s, "", acd.LeftKey, acd.LeftShutdown)}
	case k < 330:
		id := s.someCall()
		for a, c := range s.talks {
			if c == id {
				delete(s.talks, a)
			}
		}
		return acd.Gone{CallID: id}
	case k < 430:
		return acd.LogIn{Agent: name, By: by, Device: pick(s, "", "", "", "d", "d2", "d3"), Once: s.oneIn(5)}
	case k < 460:
		return acd.LogOut{Agent: name, By: by}
	case k < 520:
		return acd.SetReady{Agent: name, By: by, Once: s.oneIn(5)}
	case k < 560:
		return acd.SetNotReady{Agent: name, Reason: "lunch", By: by}
	case k < 580:
		return acd.WrapUpDone{Agent: name, By: by}
	case k < 630:
		return acd.Reach{Agent: name, Device: pick(s, "", "", "d", "d2"), Reachable: s.oneIn(2)}
	case k < 680:
		return acd.OfferRinging{OfferID: s.someOffer()}
	case k < 780:
		return acd.OfferAccepted{OfferID: s.someOffer()}
	case k < 850:
		return acd.OfferFailed{OfferID: s.someOffer(), Cause: pick(s, acd.OfferOutcomes[1:]...)}
	case k < 920:
		id := s.talks[name]
		delete(s.talks, name)
		return acd.CallEnded{Agent: name, CallID: id}
	case k < 925:
		return acd.ExtendWrapUp{Agent: name, By: by, For: time.Duration(s.upTo(-1, 20)) * time.Second}
	case k < 932:
		return acd.SetPriority{CallID: s.someCall(), By: by, Priority: s.upTo(-3, 3)}
	case k < 934:
		return acd.Move{CallID: s.someCall(), To: pick(s, "queue:q", "flow:main"), By: by}
	case k < 935:
		return acd.Remember{From: pick(s, "x", "y"), Agent: name, At: s.now}
	case k < 945:
		return acd.Assign{CallID: s.someCall(), Agent: name, By: by, Pull: s.oneIn(2)}
	case k < 955:
		return acd.Occupy{Agent: name, CallID: fmt.Sprint("x", s.upTo(0, 2))}
	case k < 970:
		return acd.Release{Agent: name, CallID: fmt.Sprint("x", s.upTo(0, 2))}
	case k < 973:
		return acd.Repair{}
	case k < 985:
		return s.config()
	case k < 992:
		return acd.CallbackResult{CallID: s.someCall(), Outcome: pick(s, acd.TryOutcomes...)}
	case k < 995:
		if id := append(keys(s.asked), "nobody"); s.oneIn(2) {
			return acd.CancelCallback{ID: pick(s, id...), By: by}
		}
		return acd.CallbackHours{Queue: fmt.Sprint("q", s.upTo(0, 3)), Open: !s.oneIn(3)}
	}
	return acd.Tick{}
}

// play runs one world of about n events and then leaves it alone.
func (s *storm) play(n int) {
	s.step(s.config())
	if s.oneIn(2) { // a restart: before anybody is offered anything
		var saved []agent.Saved
		for i := range s.upTo(1, 6) {
			saved = append(saved, agent.Saved{Agent: fmt.Sprint("a", i), State: pick(s, agent.Ready, agent.NotReady, agent.Offline, agent.WrapUp, agent.OnCall), Since: s.now.Add(-time.Minute)})
		}
		s.step(acd.Restore{Agents: saved})
		var left []acd.Callback
		for i := range s.upTo(0, 3) {
			cb := acd.Callback{ID: fmt.Sprint("old", i), Queue: fmt.Sprint("q", s.upTo(0, 5)), Number: pick(s, "x", "y", "7"), Arrived: s.now.Add(-time.Hour),
				Asked: s.now.Add(-10 * time.Minute), State: pick(s, acd.CallbackStates...), Tries: s.upTo(0, 4), Call: fmt.Sprint("try", i)}
			if cb.State == acd.CallbackResting {
				cb.Next = s.now.Add(s.secs())
			}
			s.asked[cb.ID] = cb.State != acd.CallbackGivenUp
			left = append(left, cb)
		}
		s.step(acd.RestoreCallbacks{List: left})
		var places acd.KeepPlaces
		for range s.upTo(0, 3) {
			arrived := s.now.Add(-time.Duration(s.upTo(0, 100)) * time.Second)
			places.Places = append(places.Places, acd.KeptPlace{Queue: fmt.Sprint("q", s.upTo(0, 5)), Returns: pick(s, "", "x", "y"), CallID: "before",
				Priority: s.upTo(-1, 2), Arrived: arrived, Left: arrived.Add(s.secs())})
		}
		s.step(places)
	}
	for range n {
		if s.oneIn(60) && s.carry {
			saved := s.e.Save()
			at := saved.Epoch.Add(time.Duration(saved.Now)) // the clock may have gone back
			if s.now.After(at) {
				at = s.now
			}
			e, err := acd.Load(saved, at)
			if err != nil {
				s.fail("%v", err)
				return
			}
			s.e = e
		}
		switch s.upTo(0, 5) {
		case 0: // exactly the next deadline
			if at, ok := s.e.NextDeadline(); ok {
				s.now = at
			}
		case 1:
			s.now = s.now.Add(time.Duration(s.upTo(-1500, 30_000)) * time.Millisecond)
		case 2:
			if s.oneIn(200) {
				s.now = s.now.Add(time.Duration(s.upTo(-3, 30)) * time.Hour)
			}
		}
		if s.step(s.draw()); s.fault != "" {
			return
		}
	}
	// Left alone, every transient state passes.
	start := s.now
	for range 400 {
		at, ok := s.e.NextDeadline()
		if !ok || at.Sub(start) > 24*time.Hour {
			break // announcements and retries go on for ever
		}
		if at.Sub(s.now) > 0 {
			s.now = at
		}
		if s.step(acd.Tick{}); s.fault != "" {
			return
		}
	}
	for _, o := range s.open {
		if s.now.Sub(o.Deadline) > 0 {
			s.fail("offer %+v is open at %s", o, s.now)
		}
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n >= 0 {
		return n
	}
	return otherwise
}

// TestStorm plays random events against random configurations until STORM_EVENTS
// (default 60,000) have been taken, in worlds of some hundred each; each world has
// a seed of its own, counting from STORM_SEED, that plays it again alone:
//
//	STORM_SEED=n STORM_EVENTS=1 go test -run TestStorm ./pkg/acd/sim
//
// Every tenth world is played twice and must say the same, word for word.
func TestStorm(t *testing.T) {
	want, seed := number("STORM_EVENTS", 60_000), uint64(number("STORM_SEED", 1))
	began, said, worlds, events := time.Now(), 0, 0, 0
	for ; events < want; worlds++ {
		n := seed + uint64(worlds)
		s := newStorm(n)
		s.carry = true
		length := s.upTo(50, 1000)
		twice := s.oneIn(10)
		h := fnv.New64a()
		if twice {
			s.hash = h
		}
		s.play(length)
		events += s.events
		if s.fault != "" {
			t.Fatalf("%s\nafter %d events of this world; to play it again: STORM_SEED=%d STORM_EVENTS=1 go test -run TestStorm ./pkg/acd/sim", s.fault, s.events, n)
		}
		if twice {
			// The twin is never saved and loaded: that makes no difference.
			twin, again := newStorm(n), fnv.New64a()
			twin.upTo(50, 1000)
			twin.oneIn(10)
			twin.hash = again
			twin.play(length)
			if h.Sum64() != again.Sum64() {
				t.Fatalf("the world of STORM_SEED=%d does not say twice the same", n)
			}
		}
		if events/1_000_000 > said {
			said = events / 1_000_000
			t.Logf("%d events in %d worlds, %s", events, worlds+1, time.Since(began).Round(time.Second))
		}
	}
	t.Logf("%d events in %d worlds from seed %d, no invariant broken", events, worlds, seed)
}

// TestStormSees: the judge is not blind. Effects that break the story are told.
func TestStormSees(t *testing.T) {
	offer := acd.Offer{OfferID: "1", CallID: "c1", Queue: "q0", Agent: "a1", Deadline: noon.Add(time.Second)}
	for name, effects := range map[string][]acd.Effect{
		"twice in a queue":     {acd.Joined{CallID: "c1", Queue: "q0"}, acd.Joined{CallID: "c1", Queue: "q1"}},
		"offered from nowhere": {offer},
		"two offers": {acd.Joined{CallID: "c1"}, acd.Joined{CallID: "c2"}, offer,
			acd.Offer{OfferID: "2", CallID: "c2", Queue: "q0", Agent: "a1", Deadline: noon.Add(time.Second)}},
		"ended twice":           {acd.Joined{CallID: "c1"}, offer, acd.OfferEnded{OfferID: "1", CallID: "c1", Agent: "a1"}, acd.OfferEnded{OfferID: "1", CallID: "c1", Agent: "a1"}},
		"left with an offer":    {acd.Joined{CallID: "c1"}, offer, acd.LeftQueue{CallID: "c1"}},
		"told while it rings":   {acd.Joined{CallID: "c1"}, offer, acd.Announce{CallID: "c1"}},
		"offered while talking": {acd.Joined{CallID: "c1"}, acd.LeftQueue{CallID: "c1", Agent: "a1"}, acd.Joined{CallID: "c1"}, offer},
	} {
		s := newStorm(1)
		s.several = map[string]bool{}
		for _, f := range effects {
			s.effect(f)
		}
		if s.fault == "" {
			t.Errorf("%s was not seen", name)
		}
	}
}
