package sim

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// record plays a scenario and keeps its journal.
func record(t *testing.T, s *Scenario, cfg acd.Configure, seed uint64) (*Result, []event.Event) {
	t.Helper()
	traffic, err := s.Draw(seed)
	if err != nil {
		t.Fatal(err)
	}
	full, err := s.Configured(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var journal []event.Event
	r, err := Run(context.Background(), traffic, full, Options{Name: "first", Watch: func(e event.Event) {
		rec, err := event.Encode(e) // as the journal would keep it
		if err != nil {
			t.Fatal(err)
		}
		if e, err = event.Decode(rec); err != nil {
			t.Fatal(err)
		}
		journal = append(journal, e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return r, journal
}

// shop has breaks, own calls, two queues, skills and priorities.
const shop = `
start: 2026-11-23T08:00:00Z
length: 4h
phones: {ring: 3s}
streams:
  - {queue: sales, calls: [20], talk: lognormal 4m 2m, patience: exponential 90s, priority: 1, wrap_up: gamma 15s 10s}
  - {queue: help, calls: [30], talk: exponential 3m, patience: exponential 3m, need: "ro >= 3; after 30s any"}
shifts:
  - {agents: [a1, a2, a3], from: 0s, to: 4h, away: [{from: 1h, to: 1h20m, reason: lunch}]}
  - {agents: [a4, a5], from: 30m, to: 3h, busy: [{from: 2h, to: 2h10m}]}
  - {agents: ["b*"], from: 1h, to: 4h}
`

func shopConfig() acd.Configure {
	c := acd.Configure{Queues: []acd.Queue{
		{Name: "sales", WrapUp: 30 * time.Second, Priority: 1, Members: []acd.Member{{Agent: "a*"}, {Agent: "b*", Rank: 1}}},
		{Name: "help", WrapUp: 10 * time.Second, WrapUpExtend: 10 * time.Second, Strategy: acd.StrategyFewestCalls, Members: []acd.Member{{Agent: "a?"}, {Agent: "b*"}}}}}
	for i, n := range []string{"a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3", "b4", "out"} {
		c.Agents = append(c.Agents, acd.Agent{Name: n, Skills: map[string]int{"ro": i % 5}})
	}
	return c
}

// TestReplayOfADay: a day played again on the configuration that it had comes out
// as it was, to the last counter: same callers, wishes, handling times, shifts,
// absences and own calls. (Phones pick up after a constant 3 s here; drawn times
// would differ call by call.)
func TestReplayOfADay(t *testing.T) {
	cfg := shopConfig()
	given := parse(t, shop)
	given.OnlyLength = true
	first, journal := record(t, given, cfg, 11)
	from := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	again := NewReplay(from, from.Add(4*time.Hour))
	for _, e := range journal {
		again.Feed(e)
	}
	s := again.Scenario()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Scenario // as the API's client has it
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	traffic, err := back.Draw(99)
	if err != nil {
		t.Fatal(err)
	}
	full, err := back.Configured(cfg)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Run(context.Background(), traffic, full, Options{Name: "again"})
	if err != nil {
		t.Fatal(err)
	}
	if first.Total.Counters["answered"] < 300 || first.Total.Counters["abandoned"] < 30 {
		t.Fatalf("not much of a day: %v", first.Total.Counters)
	}
	for _, x := range []struct {
		name string
		got  *Result
	}{{"as it was", back.Actual}, {"played again", second}} {
		for _, l := range first.Queues {
			i := slices.IndexFunc(x.got.Queues, func(m Line) bool { return m.Name == l.Name })
			for name, want := range l.Counters {
				if got := x.got.Queues[i].Counters[name]; got != want && name != "calls" {
					t.Errorf("%s: %s %s = %d, was %d", x.name, l.Name, name, got, want)
				}
			}
			if *l.Answered != *x.got.Queues[i].Answered {
				t.Errorf("%s: waits %+v, were %+v", x.name, x.got.Queues[i].Answered, l.Answered)
			}
		}
	}
}

// TestReplayIsCut: of a journal of a day only the hours asked for are played, with
// who was logged in and on calls when they began.
func TestReplayIsCut(t *testing.T) {
	_, journal := record(t, parse(t, shop), shopConfig(), 12)
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	r := NewReplay(from, from.Add(time.Hour))
	for _, e := range journal {
		r.Feed(e)
	}
	s := r.Scenario()
	if len(s.Calls) < 150 || len(s.Calls) > 250 {
		t.Errorf("%d calls in an hour of about 200", len(s.Calls))
	}
	there := 0
	for _, sh := range s.Shifts {
		if sh.From == 0 {
			there++
		}
		if sh.To.D() > time.Hour+afterwards {
			t.Errorf("%s stays until %s", sh.Agents, sh.To.D())
		}
	}
	if there < 5 {
		t.Errorf("%d agents are there at the beginning, want 5 and those who come then", there)
	}
	if n := s.Actual.Total.Counters["entered"]; n != int64(len(s.Calls)) {
		t.Errorf("as it was: %d entered, %d calls", n, len(s.Calls))
	}
	// Static wishes are told.
	if c := s.Calls[slices.IndexFunc(s.Calls, func(c Call) bool { return c.Queue == "help" })]; c.Need != "ro >= 3; after 30s any" || c.Priority != 0 {
		t.Errorf("wish %+v", c.Wish)
	}
	if c := s.Calls[slices.IndexFunc(s.Calls, func(c Call) bool { return c.Queue == "sales" })]; c.Priority != 1 {
		t.Errorf("the priority of the queue was counted to the caller: %+v", c.Wish)
	}
	if _, err := s.Draw(1); err != nil {
		t.Error(err)
	}
}

// TestKaplanMeier: the textbook example of Collett, "Modelling Survival Data in
// Medical Research", table 2.2 (times to discontinuation of the use of an IUD).
func TestKaplanMeier(t *testing.T) {
	var list []observed
	for _, x := range []struct {
		t    int
		left bool
	}{{10, true}, {13, false}, {18, false}, {19, true}, {23, false}, {30, true}, {36, true}, {38, false}, {54, false}, {56, false},
		{59, true}, {75, true}, {93, true}, {97, true}, {104, false}, {107, true}, {107, false}, {107, false}} {
		list = append(list, observed{time.Duration(x.t) * time.Second, x.left})
	}
	s := learn(list, 1)
	want := []struct {
		t int
		s float64
	}{{10, 0.9444}, {19, 0.8815}, {30, 0.8137}, {36, 0.7459}, {59, 0.6526}, {75, 0.5594}, {93, 0.4662}, {97, 0.3729}, {107, 0.2486}}
	if len(s.at) != len(want) {
		t.Fatalf("steps at %v", s.at)
	}
	for i, w := range want {
		if s.at[i] != time.Duration(w.t)*time.Second || math.Abs(s.s[i]-w.s) > 0.00006 {
			t.Errorf("S(%s) = %.4f, want S(%ds) = %.4f", s.at[i], s.s[i], w.t, w.s)
		}
	}
}

// TestPatienceIsLearned: waits cut short by answers, and still the true mean of
// the patience comes out of them, over several days.
func TestPatienceIsLearned(t *testing.T) {
	const mean, days, callers = 100.0, 8, 4000
	var sum float64
	for day := range uint64(days) {
		r := fork(day)
		var calls []Call
		for range callers {
			patience, wait := Time(r.exponential()*mean*1e9), Time(r.exponential()*60*1e9)
			c := Call{Wish: Wish{Queue: "q"}, PatienceOver: &wait}
			if patience < wait {
				c.Patience, c.PatienceOver = &patience, nil
			}
			calls = append(calls, c)
		}
		book := learnPatience(calls)
		if book.byQueue["q"] == nil {
			t.Fatal("no curve of the queue's own")
		}
		for i := range calls {
			c := &calls[i]
			if c.Patience != nil {
				sum += c.Patience.D().Seconds()
				continue
			}
			x := book.of("q").beyond(c.PatienceOver.D(), &r)
			if x <= c.PatienceOver.D() {
				t.Fatalf("patience %s of who waited %s", x, c.PatienceOver.D())
			}
			sum += x.Seconds()
		}
	}
	// One day's mean strays by about 4 s.
	if got := sum / days / callers; math.Abs(got-mean) > 4.5 {
		t.Errorf("mean patience %.1f s, true %.0f s", got, mean)
	}
	r := fork(1)
	// Where nobody ever hung up, nobody will.
	none := learnPatience([]Call{{Wish: Wish{Queue: "q"}, PatienceOver: new(Time)}})
	if none.of("q").beyond(0, &r) != Forever {
		t.Error("impatience out of nothing")
	}
}
