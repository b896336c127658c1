package acd

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is what phones and callers know: it plays them badly on purpose. It
// checks what the audit cannot see from inside: that effects tell one story.
type world struct {
	t       *rapid.T
	e       *Engine
	now     time.Time
	open    map[string]Offer // offers made and not ended
	inQueue map[string]bool  // joined and not left
	over    []string         // offers that have ended: late words about them come
	talks   map[string]string
	n       int
	several map[string]bool // queues that ring more than one phone
	mixed   bool            // the configuration has changed under way
	told    func([]Effect)  // may be nil
}

func (w *world) step(ev Event) {
	if c, ok := ev.(Configure); ok {
		w.mixed = w.several != nil
		w.several = map[string]bool{}
		for _, q := range c.Queues {
			w.several[q.Name] = q.Strategy == StrategyRingAll || q.Strategy == StrategyProgressive
		}
	}
	effects := w.e.Step(w.now, ev)
	if w.told != nil {
		w.told(effects)
	}
	for _, f := range effects {
		switch f := f.(type) {
		case Joined:
			if w.inQueue[f.CallID] {
				w.t.Fatalf("%s joined twice", f.CallID)
			}
			w.inQueue[f.CallID] = true
		case Offer:
			if !w.inQueue[f.CallID] {
				w.t.Fatalf("%s is offered and waits nowhere", f.CallID)
			}
			for _, o := range w.open {
				if o.Agent == f.Agent || o.CallID == f.CallID && !w.several[f.Queue] && !w.mixed {
					w.t.Fatalf("two offers at once: %+v and %+v", o, f)
				}
			}
			if w.talks[f.Agent] != "" {
				w.t.Fatalf("%s is offered %s in the call %s", f.Agent, f.CallID, w.talks[f.Agent])
			}
			if !f.Deadline.After(w.now) {
				w.t.Fatalf("offer without time: %+v at %s", f, w.now)
			}
			w.open[f.OfferID] = f
		case OfferEnded:
			o, ok := w.open[f.OfferID]
			if !ok || o.Agent != f.Agent || o.CallID != f.CallID {
				w.t.Fatalf("end of an offer that is not open: %+v", f)
			}
			delete(w.open, f.OfferID)
			w.over = append(w.over, f.OfferID)
			if f.Outcome == OutcomeAccepted {
				w.talks[f.Agent] = f.CallID
			}
		case LeftQueue:
			if !w.inQueue[f.CallID] {
				w.t.Fatalf("%s left twice", f.CallID)
			}
			delete(w.inQueue, f.CallID)
			if f.Agent != "" { // an answer that crossed a withdrawal has no offer that ended well
				w.talks[f.Agent] = f.CallID
			}
			for _, o := range w.open {
				if o.CallID == f.CallID {
					w.t.Fatalf("%s left with the offer %s open", f.CallID, o.OfferID)
				}
			}
		case Announce:
			for _, o := range w.open {
				if o.CallID == f.CallID {
					w.t.Fatalf("%s is told a position while %s rings", f.CallID, o.Agent)
				}
			}
		case Decided:
			if len(f.Considered) > 8 {
				w.t.Fatalf("considered %d", len(f.Considered))
			}
			if f.Agent != "" && (len(f.Considered) == 0 || f.Considered[0].Agent != f.Agent) {
				w.t.Fatalf("chose %s, best was %+v", f.Agent, f.Considered)
			}
		}
	}
	if b := Audit(w.e); len(b) > 0 {
		w.t.Fatalf("after %T%+v: %v", ev, ev, b)
	}
}

var needs = []string{"", "", "", "ro", "ro > 1; after 10s ro; after 20s any", "ro or ru; after 15s any", "not ru; after 5s any", "ro >= 2 and not ru; after 30s ro >= 1"}

func drawSkills(t *rapid.T) map[string]int {
	m := map[string]int{}
	for _, s := range []string{"ro", "ru"} {
		if l := rapid.IntRange(0, 5).Draw(t, s); l < 3 {
			m[s] = l
		}
	}
	return m
}

func drawConfig(t *rapid.T) Configure {
	var c Configure
	secs := func(name string) time.Duration {
		return time.Duration(rapid.IntRange(-1, 40).Draw(t, name)) * time.Second
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "queues") {
		q := Queue{Name: fmt.Sprint("q", i), Strategy: rapid.SampledFrom(Strategies).Draw(t, "strategy"), RingLimit: rapid.IntRange(0, 3).Draw(t, "ring_limit"),
			RingStep: max(secs("step"), 0), WrapUpMode: rapid.SampledFrom(WrapUpModes).Draw(t, "mode"), WrapUpExtend: secs("extend"),
			DispositionRequired: rapid.Bool().Draw(t, "disposition"), LastAgent: secs("last_agent"), Patience: secs("patience"), Priority: rapid.IntRange(-1, 1).Draw(t, "prio"), WrapUp: secs("wrap"), RingTimeout: secs("ring"),
			MaxWait: secs("max_wait"), MaxLength: rapid.IntRange(0, 6).Draw(t, "max"), LeaveWhenEmpty: rapid.Bool().Draw(t, "empty"),
			AnnounceFirst: secs("first"), AnnounceEvery: secs("every")}
		if rapid.Bool().Draw(t, "needs") {
			q.Skills = drawSkills(t)
		}
		for range rapid.IntRange(0, 2).Draw(t, "overflows") {
			q.Overflow = append(q.Overflow, Overflow{After: max(secs("over_after"), 0), Ahead: rapid.IntRange(0, 3).Draw(t, "ahead"), Estimate: max(secs("estimate"), 0),
				Agents: rapid.SampledFrom(append([]string{""}, OverflowAgents...)).Draw(t, "none")})
		}
		q.KeepPlace = secs("keep")
		for range max(rapid.IntRange(-3, 2).Draw(t, "announce"), 0) {
			q.Announce = append(q.Announce, AnnounceTime{secs("after"), secs("again")})
		}
		q.Callback = CallbackRules{On: rapid.Bool().Draw(t, "calls_back"), Interval: secs("interval"), MaxAge: 10 * secs("age"), Dial: secs("dial")}
		q.Need = rapid.SampledFrom(needs).Draw(t, "need")
		for range rapid.IntRange(0, 2).Draw(t, "tiers") {
			q.Tiers = append(q.Tiers, Tier{rapid.IntRange(0, 2).Draw(t, "tier"), max(secs("opens"), 0)})
		}
		if rapid.IntRange(0, 3).Draw(t, "own_after") == 0 {
			q.After = map[string]Consequence{rapid.SampledFrom(Causes).Draw(t, "cause"): {rapid.SampledFrom([]string{DoStay, DoPause, DoNotReady}).Draw(t, "do"), secs("pause")}}
		}
		if rapid.IntRange(0, 9).Draw(t, "chat") == 0 {
			q.Channel = "chat"
		}
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			q.Members = append(q.Members, Member{Agent: rapid.SampledFrom([]string{"*", "a1", "a2", "a[0-3]", "zz", "a?"}).Draw(t, "member"), Rank: rapid.IntRange(0, 2).Draw(t, "rank"), Weight: rapid.IntRange(0, 5).Draw(t, "weight")})
		}
		c.Queues = append(c.Queues, q)
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "agents") {
		a := Agent{Name: fmt.Sprint("a", i), Device: rapid.SampledFrom([]string{"d", "d", "d2", ""}).Draw(t, "device"), AlwaysReady: rapid.IntRange(0, 3).Draw(t, "static") == 0, Skills: drawSkills(t)}
		if rapid.IntRange(0, 3).Draw(t, "own_wrap") == 0 {
			d := max(secs("wrap"), 0)
			a.WrapUp = &d
		}
		a.OnDemand = rapid.IntRange(0, 5).Draw(t, "on_demand") == 0
		if rapid.IntRange(0, 5).Draw(t, "capacity") == 0 {
			a.Capacity = map[string]int{"chat": 1, "voice": rapid.IntRange(0, 1).Draw(t, "voice")}
		}
		c.Agents = append(c.Agents, a)
	}
	if rapid.Bool().Draw(t, "ageing") {
		c.Settings.PriorityWorth = secs("worth")
	}
	c.Settings.PresenceLease = secs("lease")
	c.Settings.MaxWrapUp = secs("max_wrap")
	return c
}

func (w *world) someOffer() string {
	var ids []string
	for id := range w.open {
		ids = append(ids, id)
	}
	if len(w.over) > 0 {
		ids = append(ids, w.over[len(w.over)-1], w.over[0])
	}
	if len(ids) == 0 {
		return "1"
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(w.t, "offer")
}

func (w *world) someCall() string {
	ids := []string{"nobody"}
	for id := range w.inQueue {
		ids = append(ids, id)
	}
	for _, id := range w.talks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(w.t, "call")
}

func (w *world) draw() Event {
	t := w.t
	name := fmt.Sprint("a", rapid.IntRange(0, 6).Draw(t, "agent"))
	by := rapid.SampledFrom([]string{ByPhone, ByAPI, BySupervisor}).Draw(t, "by")
	switch k := rapid.IntRange(0, 99).Draw(t, "event"); {
	case k < 25:
		w.n++
		return Enter{CallID: fmt.Sprint("c", w.n), Queue: fmt.Sprint("q", rapid.IntRange(0, 3).Draw(t, "q")), Priority: rapid.IntRange(0, 2).Draw(t, "p"),
			Skills: drawSkills(t), Need: rapid.SampledFrom(needs).Draw(t, "own_need"), From: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "from"),
			Returns: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "returns"),
			Agent:   rapid.SampledFrom([]string{"", "", "a1", "a2", "zz"}).Draw(t, "named"), Patience: time.Duration(rapid.IntRange(0, 30).Draw(t, "patience")) * time.Second, ArrivedAt: w.now.Add(time.Duration(rapid.IntRange(-60, 5).Draw(t, "arrived")) * time.Second)}
	case k < 30:
		return Leave{CallID: w.someCall(), Outcome: rapid.SampledFrom([]string{"", LeftKey, LeftShutdown}).Draw(t, "outcome")}
	case k < 33:
		id := w.someCall()
		for a, c := range w.talks {
			if c == id {
				delete(w.talks, a)
			}
		}
		return Gone{id}
	case k < 43:
		return LogIn{Agent: name, By: by, Device: rapid.SampledFrom([]string{"", "", "", "d", "d2", "d3"}).Draw(t, "at"), Once: rapid.IntRange(0, 4).Draw(t, "once") == 0}
	case k < 46:
		return LogOut{Agent: name, By: by}
	case k < 52:
		return SetReady{Agent: name, By: by}
	case k < 56:
		return SetNotReady{Agent: name, Reason: "lunch", By: by}
	case k < 58:
		return WrapUpDone{Agent: name, By: by}
	case k < 63:
		return Reach{Agent: name, Reachable: rapid.Bool().Draw(t, "up")}
	case k < 68:
		return OfferRinging{w.someOffer()}
	case k < 78:
		return OfferAccepted{w.someOffer()}
	case k < 85:
		return OfferFailed{w.someOffer(), rapid.SampledFrom(OfferOutcomes[1:]).Draw(t, "cause")}
	case k < 93:
		id := w.talks[name]
		if rapid.IntRange(0, 4).Draw(t, "dispose") == 0 {
			return Disposed{name, id}
		}
		delete(w.talks, name)
		return CallEnded{name, id}
	case k < 94:
		switch rapid.IntRange(0, 4).Draw(t, "manual") {
		case 4:
			return Move{w.someCall(), rapid.SampledFrom([]string{"queue:q", "flow:main"}).Draw(t, "to"), by}
		case 0:
			return ExtendWrapUp{name, by, time.Duration(rapid.IntRange(-1, 20).Draw(t, "for")) * time.Second}
		case 1:
			return SetPriority{w.someCall(), by, rapid.IntRange(-3, 3).Draw(t, "p")}
		case 2:
			return Remember{rapid.SampledFrom([]string{"x", "y"}).Draw(t, "from"), name, w.now}
		}
		return Assign{w.someCall(), name, by, rapid.Bool().Draw(t, "pull"), 0}
	case k < 95:
		return Occupy{name, fmt.Sprint("x", rapid.IntRange(0, 2).Draw(t, "x"))}
	case k < 97:
		return Release{name, fmt.Sprint("x", rapid.IntRange(0, 2).Draw(t, "x"))}
	case k < 98:
		return drawConfig(t)
	case k < 99:
		switch rapid.IntRange(0, 4).Draw(t, "callback") {
		case 0:
			return CallbackResult{w.someCall(), rapid.SampledFrom(TryOutcomes).Draw(t, "try")}
		case 1:
			return CallbackHours{fmt.Sprint("q", rapid.IntRange(0, 3).Draw(t, "q")), rapid.Bool().Draw(t, "open")}
		}
		return AskCallback{CallID: w.someCall(), Queue: "q1", Number: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "number")}
	}
	return Tick{}
}

// TestStorm plays random events: phones that vanish, offers that race their
// deadlines, clocks that stand still or leap, configurations that change under
// way. rapid prints the seed of a failure and shrinks it.
func TestStorm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, e: New(Config{}), now: noon, open: map[string]Offer{}, inQueue: map[string]bool{}, talks: map[string]string{}}
		w.step(drawConfig(t))
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "clock") {
			case 0: // exactly the next deadline
				if at, ok := w.e.NextDeadline(); ok {
					w.now = at
				}
			case 1:
				w.now = w.now.Add(time.Duration(rapid.IntRange(-1500, 30000).Draw(t, "ms")) * time.Millisecond)
			}
			w.step(w.draw())
		}
		// Left alone, every transient state passes.
		for range 10000 {
			at, ok := w.e.NextDeadline()
			if !ok {
				break
			}
			if at.Sub(w.now) > 0 {
				w.now = at
			}
			w.step(Tick{})
			if at.Sub(noon) > 24*time.Hour {
				break // announcements and retries go on for ever
			}
		}
	})
}

// TestGlobalOrder: an agent who becomes free gets the first by priority and
// waiting over all queues, as a plain sort says.
func TestGlobalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nq := rapid.IntRange(1, 6).Draw(t, "queues")
		var qs []Queue
		for i := range nq {
			qs = append(qs, Queue{Name: fmt.Sprint("q", i), Priority: rapid.IntRange(0, 2).Draw(t, "prio"), AnnounceFirst: -1, Members: []Member{{Agent: "*"}}})
		}
		e := New(Config{})
		e.Step(noon, Configure{Queues: qs, Agents: people("ana")})
		type want struct {
			id       string
			priority int
			arrived  time.Time
			n        int
		}
		var all []want
		for i := range rapid.IntRange(1, 40).Draw(t, "callers") {
			q := rapid.IntRange(0, nq-1).Draw(t, "q")
			p := rapid.IntRange(0, 1).Draw(t, "p")
			at := noon.Add(time.Duration(rapid.IntRange(-3, 0).Draw(t, "at")) * time.Second)
			id := fmt.Sprint("c", i)
			e.Step(noon, Enter{CallID: id, Queue: qs[q].Name, Priority: p, ArrivedAt: at})
			all = append(all, want{id, p + qs[q].Priority, at, i})
		}
		slices.SortFunc(all, func(a, b want) int {
			if a.priority != b.priority {
				return b.priority - a.priority
			}
			if c := a.arrived.Compare(b.arrived); c != 0 {
				return c
			}
			return a.n - b.n
		})
		var got []string
		ev := Event(LogIn{Agent: "ana"})
		for range all {
			var next Offer
			for _, f := range e.Step(noon, ev) {
				if o, ok := f.(Offer); ok {
					next = o
				}
			}
			got = append(got, next.CallID)
			e.Step(noon, OfferAccepted{next.OfferID})
			ev = CallEnded{"ana", next.CallID}
		}
		for i, w := range all {
			if got[i] != w.id {
				t.Fatalf("served %v, want %s at %d", got, w.id, i)
			}
		}
	})
}

// TestSameInputSameOutput: two engines fed alike say the same, word for word.
func TestSameInputSameOutput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, e: New(Config{}), now: noon, open: map[string]Offer{}, inQueue: map[string]bool{}, talks: map[string]string{}}
		twin := New(Config{})
		conf := drawConfig(t)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			ev := Event(conf)
			if conf.Queues != nil || conf.Agents != nil {
				conf = Configure{}
			} else {
				ev = w.draw()
			}
			a, b := fmt.Sprintf("%+v", w.e.Step(w.now, ev)), fmt.Sprintf("%+v", twin.Step(w.now, ev))
			if a != b {
				t.Fatalf("%T: %s\nand: %s", ev, a, b)
			}
		}
	})
}
