package acd

import (
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// decided lists the sentences of a score's decisions.
func (s *score) decided() string {
	var out []string
	for _, f := range s.out {
		if d, ok := f.(Decided); ok {
			out = append(out, Sentence(d.Decision))
		}
	}
	return strings.Join(out, "\n")
}

func TestSentences(t *testing.T) {
	as := people("ana", "bob", "cid", "dan")
	as[3].Skills = nil
	for i := range as[:3] {
		as[i].Skills = map[string]int{"ro": 5}
	}
	s := newScore(t, sales(func(q *Queue) {
		q.Need = "ro; after 30s any"
		q.Members = []Member{{Agent: "cid", Rank: 1}, {Agent: "*"}}
	}), as)
	s.at("0s", login("ana"))
	s.at("5s", login("bob"), login("cid"), login("dan"))
	s.at("65s", enter("c1", "sales"), accept("c1"), pause("bob", "lunch"))
	want := "after 0.0s in sales ana was chosen by longest idle (idle 1m5s), before bob (idle 1m0s) and cid (rank 1, idle 1m0s); needed: ro; left out: 1 without the skills"
	if got := s.decided(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	s.at("66s", pause("cid", "training"), enter("c2", "sales"))
	want = "after 0.0s nobody in sales could be offered; the caller is number 1; needed: ro; left out: 2 not ready, 1 on a call and 1 without the skills" +
		" (ana on a call, bob not ready: lunch, cid not ready: training, dan without the skills)"
	if got := s.decided(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	s.at("96s")
	if got := s.decided(); !strings.Contains(got, "after 30.0s in sales dan was chosen") || !strings.Contains(got, "more agents fit or ring after this wait") {
		t.Errorf("got %s", got)
	}
	d, ok := s.e.Explain("c2")
	if !ok || d.Agent != "dan" || d.Position != 1 {
		t.Errorf("%v %+v", ok, d)
	}
	if _, ok := s.e.Explain("nobody"); ok {
		t.Error("explains a call that waits nowhere")
	}
}

// TestDecisionsAreBounded: however large the house, an account stays small.
func TestDecisionsAreBounded(t *testing.T) {
	var as []Agent
	for i := range 500 {
		as = append(as, Agent{Name: strings.Repeat("a", 1+i%60) + strings.Repeat("b", i/60), Device: "d"})
	}
	s := newScore(t, withStrategy(StrategyRingAll, func(q *Queue) { q.RingLimit = MaxRing }), as)
	s.at("0s", enter("c1", "sales"))
	for _, a := range as[:200] {
		s.e.Step(s.now, LogIn{Agent: a.Name})
	}
	s.at("1s", Leave{CallID: "c1"}, enter("c2", "sales"))
	for _, f := range s.out {
		if d, ok := f.(Decided); ok && (len(d.Considered) > 8 || len(d.ExcludedAgents) > maxExcluded || len(d.Also) >= MaxRing) {
			t.Errorf("%d considered, %d left out, %d also", len(d.Considered), len(d.ExcludedAgents), len(d.Also))
		}
	}
}

func TestStory(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	got := Story([]event.Event{
		{At: at(0), Body: event.QueueEntered{Queue: "sales", Priority: 2, Position: 3}},
		{At: at(0), Body: event.Decision{Queue: "sales", Strategy: "linear", Position: 3, Excluded: map[string]int{"on_call": 2}}},
		{At: at(60), Body: event.OfferEnded{Queue: "sales", Agent: "ana", Outcome: CauseNoAnswer, RingMs: 20_000}},
		{At: at(70), Body: event.QueuePriority{Queue: "sales", From: 2, To: 9, Position: 1, By: BySupervisor}},
		{At: at(75), Body: event.QueueAssigned{Queue: "sales", Agent: "bob", How: "pulled", By: ByAPI}},
		{At: at(80), Body: event.OfferEnded{Queue: "sales", Agent: "bob", Outcome: OutcomeAccepted, RingMs: 5_000}},
		{At: at(80), Body: event.QueueLeft{Queue: "sales", Outcome: LeftAnswered, WaitMs: 80_000, Agent: "bob"}},
	})
	want := []string{
		"+0.0s entered queue sales with priority 2 as number 3",
		"+0.0s after 0.0s nobody in sales could be offered; the caller is number 3; left out: 2 on a call",
		"+1m0s ana did not take it: no answer after 20.0s",
		"+1m10s priority changed from 2 to 9 by supervisor: now number 1",
		"+1m15s pulled to bob by api",
		"+1m20s bob answered after 5.0s",
		"+1m20s left queue sales after 1m20s: answered",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
