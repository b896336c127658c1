package acd

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/agent"
)

// TestViewShowsTheQueue plays a morning and reads what a flow would read.
func TestViewShowsTheQueue(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) { q.LeaveWhenEmpty = false; q.Skills = map[string]int{"ro": 3} }), []Agent{
		{Name: "ana", Device: "d1", Skills: map[string]int{"ro": 5}}, {Name: "bob", Device: "d2", Skills: map[string]int{"ro": 3}},
		{Name: "cid", Device: "d3"}})
	look := func(after string, want QueueState) {
		t.Helper()
		d, _ := time.ParseDuration(after)
		s.e.Publish()
		if got, ok := s.e.View().Queue("sales", noon.Add(d)); !ok || got != want {
			t.Errorf("at %s: %+v %v, want %+v", after, got, ok, want)
		}
	}
	look("0s", QueueState{Estimate: -1, ServiceLevel: -1})
	// cid lacks the skill: no use to a caller of this queue.
	s.at("1s", login("cid"), login("ana"))
	look("1s", QueueState{ReadyAgents: 1, LoggedIn: 1, ServiceLevel: -1})
	s.at("2s", login("bob"), Reach{Agent: "bob"})
	look("2s", QueueState{ReadyAgents: 1, LoggedIn: 2, ServiceLevel: -1})
	s.at("3s", enter("c1", "sales"))
	look("5s", QueueState{Waiting: 1, LongestWait: 2 * time.Second, LoggedIn: 2, Estimate: -1, ServiceLevel: -1})
	s.at("6s", accept("c1"), enter("c2", "sales"))
	look("66s", QueueState{Waiting: 1, LongestWait: time.Minute, LoggedIn: 2, Estimate: -1, ServiceLevel: -1})
	if _, ok := s.e.View().Queue("support", noon); ok {
		t.Error("a queue that is not there is shown")
	}
}

// TestViewIsTrue: whatever happens, what is shown of a queue is what the engine
// itself would say.
func TestViewIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, e: New(Config{}), now: noon, open: map[string]Offer{}, inQueue: map[string]bool{}, talks: map[string]string{}}
		w.step(drawConfig(t))
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 8000).Draw(t, "ms")) * time.Millisecond)
			w.step(w.draw())
			w.e.Publish()
			for i := range 4 {
				name := fmt.Sprint("q", i)
				q := w.e.byQueue[name]
				got, ok := w.e.View().Queue(name, w.now)
				if ok != (q != nil) {
					t.Fatalf("%s is shown: %v", name, ok)
				}
				if q == nil {
					continue
				}
				plain := q.byNeed[""]
				want := QueueState{Waiting: q.line.len(), Estimate: -1, ServiceLevel: -1}
				for _, a := range w.e.agents {
					if !slices.Contains(a.queues, q) || !q.need.At(maxDuration).Match(a.Skills) {
						continue
					}
					if a.m.State != agent.Offline {
						want.LoggedIn++
					}
					if a.free {
						want.ReadyAgents++
					}
				}
				if c := q.longestWaiting(); c != nil {
					want.LongestWait = duration(w.e.now - c.joined)
				}
				w.e.pass(plain)
				if d, known := plain.pace.wait(float64(plain.users)+1, plain.last().staffed()); known {
					want.Estimate = d
				}
				if plain.stages[0].by[standFree] > 0 {
					want.Estimate = 0
				}
				if share, known := q.level.share(w.e.now); known {
					want.ServiceLevel = 100 * share
				}
				near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Max(1, math.Abs(b)) }
				if !near(float64(got.Estimate), float64(want.Estimate)) || !near(got.ServiceLevel, want.ServiceLevel) {
					t.Fatalf("%s: %+v, want %+v", name, got, want)
				}
				got.Estimate, got.ServiceLevel = want.Estimate, want.ServiceLevel
				if got != want {
					t.Fatalf("%s: %+v, want %+v", name, got, want)
				}
			}
		}
	})
}

// TestViewIsReadWhileTheEngineWorks is for the race detector.
func TestViewIsReadWhileTheEngineWorks(t *testing.T) {
	e := New(Config{})
	c := Configure{Queues: []Queue{{Name: "sales", Members: []Member{{Agent: "*"}}}}, Agents: people("ana", "bob")}
	e.Step(noon, c)
	e.Publish()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if s, ok := e.View().Queue("sales", noon.Add(time.Hour)); !ok || s.Waiting < 0 || s.ReadyAgents > 2 || s.LongestWait < 0 {
					t.Errorf("%+v %v", s, ok)
					return
				}
			}
		})
	}
	for i := range 2000 {
		now := noon.Add(time.Duration(i) * time.Millisecond)
		switch i % 4 {
		case 0:
			e.Step(now, LogIn{Agent: "ana", By: ByAPI})
		case 1:
			e.Step(now, Enter{CallID: fmt.Sprint(i), Queue: "sales"})
		case 2:
			e.Step(now, Leave{CallID: fmt.Sprint(i - 1)})
		case 3:
			if i%100 == 3 {
				e.Step(now, c)
			}
		}
		e.Publish()
	}
	close(done)
	wg.Wait()
}

// TestPublishAllocatesNothing: a call costs no memory for those who do not look.
func TestPublishAllocatesNothing(t *testing.T) {
	e, w := floor(t, 200, 10, 100, 5)
	w.accept()
	e.Publish()
	a := e.agents[3]
	if n := testing.AllocsPerRun(200, func() {
		for _, q := range a.queues {
			e.touch(q)
		}
		e.Publish()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
