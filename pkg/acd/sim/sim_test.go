package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
)

// parse reads a scenario or fails.
func parse(t testing.TB, text string) *Scenario {
	t.Helper()
	s, err := ParseYAML(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run plays a scenario on a configuration.
func run(t testing.TB, s *Scenario, cfg acd.Configure, seed uint64) *Result {
	t.Helper()
	traffic, err := s.Draw(seed)
	if err != nil {
		t.Fatal(err)
	}
	full, err := s.Configured(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), traffic, full, Options{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantCount(t *testing.T, l Line, name string, want int64) {
	t.Helper()
	if got := l.Counters[name]; got != want {
		t.Errorf("%s %s = %d, want %d", l.Name, name, got, want)
	}
}

// TestScore is a day of four callers, by hand: one agent, wrap-up, a break, a
// phone that takes 2 s to pick up.
func TestScore(t *testing.T) {
	s := parse(t, `
length: 10m
phones: {ring: 2s}
cost: {agent_hour: 12, currency: EUR}
calls:
  - {at: 0s, queue: q, talk: 60s}                  # rings 2 s, talks to 1:02, wrap-up to 1:12
  - {at: 10s, queue: q, talk: 30s, patience: 20s}  # hangs up at 0:30
  - {at: 20s, queue: q, talk: 30s, wrap_up: 3s}    # offered 1:12, talks 1:14 to 1:44, wrap-up ended at 1:47
  - {at: 3m, queue: q, talk: 10s}                  # the agent is away from 2:00 to 4:00: talks at 4:02
shifts:
  - {agents: [ana], from: 0s, to: 10m, away: [{from: 2m, to: 4m, reason: lunch}]}
`)
	cfg := acd.Configure{Queues: []acd.Queue{{Name: "q", WrapUp: 10 * time.Second, Members: []acd.Member{{Agent: "ana"}}}}, Agents: []acd.Agent{{Name: "ana"}}}
	r := run(t, s, cfg, 1)
	q := r.Queues[0]
	for name, want := range map[string]int64{"entered": 4, "answered": 3, "abandoned": 1, "abandoned_in_t": 1, "abandoned_short": 0,
		"answered_in_t": 1, "wait_answered_ms": 2000 + 54_000 + 62_000, "talk_ms": 100_000, "wrap_up_ms": 23_000, "longest_wait_ms": 62_000} {
		wantCount(t, q, name, want)
	}
	ana := r.Agents[0]
	for name, want := range map[string]int64{"on_call_ms": 100_000, "after_call_ms": 23_000, "ringing_ms": 6000, "not_ready_ms": 120_000,
		"ready_ms": 600_000 - 100_000 - 23_000 - 6000 - 120_000} {
		wantCount(t, ana, name, want)
	}
	if *q.Answered != (Percentiles{54, 62, 62, 62}) || *q.All != (Percentiles{20, 62, 62, 62}) {
		t.Errorf("waits %+v, %+v", q.Answered, q.All)
	}
	if r.Cost.Hours != 1.0/6 || r.Cost.Total != 2 || *r.Cost.PerAnswer != 2.0/3 {
		t.Errorf("cost %+v", r.Cost)
	}
	if o := *q.Figures["occupancy"]; o < 0.2561 || o > 0.2564 { // 123 of 480 s
		t.Errorf("occupancy %v", o)
	}
}

// TestPhones: offers that come to nothing do what the engine says, and the agent
// comes back.
func TestPhones(t *testing.T) {
	cfg := acd.Configure{Queues: []acd.Queue{{Name: "q", RingTimeout: 10 * time.Second, Members: []acd.Member{{Agent: "*"}}}}, Agents: []acd.Agent{{Name: "ana"}}}
	for _, x := range []struct {
		phones string
		want   map[string]int64
	}{
		{"{no_answer: 1, back: 20s}", map[string]int64{"offers": 4, "ring_no_answer": 4, "answered": 0, "abandoned": 1}},
		{"{rejected: 1, ring: 4s}", map[string]int64{"offers_declined": 12, "offers": 13}}, // every 9 s: 4 s and a pause of 5 s; the caller hangs up at the last
		{"{unreachable: 1}", map[string]int64{"offers_unreachable": 2}},
	} {
		s := parse(t, "length: 2m\nphones: "+x.phones+"\ncalls: [{at: 0s, queue: q, talk: 1m, patience: 110s}]")
		r := run(t, s, cfg, 3)
		for name, want := range x.want {
			if got := r.Queues[0].Counters[name]; got != want {
				t.Errorf("%s: %s = %d, want %d", x.phones, name, got, want)
			}
		}
	}
}

// TestOwnCalls: calls of no queue keep an agent from the queue's callers, and wait
// for a conversation to end.
func TestOwnCalls(t *testing.T) {
	s := parse(t, `
length: 5m
phones: {ring: 0s}
calls: [{at: 10s, queue: q, talk: 30s}, {at: 45s, queue: q, talk: 30s}]
shifts: [{agents: [ana], to: 5m, busy: [{from: 30s, to: 90s}]}]
`)
	cfg := acd.Configure{Queues: []acd.Queue{{Name: "q", Members: []acd.Member{{Agent: "*"}}}}, Agents: []acd.Agent{{Name: "ana"}}}
	r := run(t, s, cfg, 1)
	// 0:10 to 0:40 the first caller; 0:40 to 1:40 the own call; then the second.
	wantCount(t, r.Queues[0], "wait_answered_ms", 55_000)
	wantCount(t, r.Agents[0], "on_call_ms", 120_000)
}

// day is a busy day of queues and streams for tests and the benchmark.
func day(calls float64, agents int) *Scenario {
	s := &Scenario{Length: Time(12 * time.Hour), Phones: Phones{Ring: Dist{kind: "lognormal", mean: 4 * time.Second, sd: 2 * time.Second}, NoAnswer: 0.01}}
	// A double hump over 48 quarters, as working days have.
	var shape []float64
	sum := 0.0
	for i := range 48 {
		x := 1 + 0.8*float64(min(i%24, 24-i%24))/12
		shape = append(shape, x)
		sum += x
	}
	for q := range 10 {
		rates := make([]float64, len(shape))
		for i, x := range shape {
			rates[i] = x / sum * calls / 10
		}
		s.Streams = append(s.Streams, Stream{Wish: Wish{Queue: fmt.Sprint("q", q), Priority: q % 2}, Calls: rates,
			Habits: Habits{Talk: Dist{kind: "lognormal", mean: 4 * time.Minute, sd: 3 * time.Minute}, Patience: Exponential(3 * time.Minute)}})
		s.Hire = append(s.Hire, Hire{Name: fmt.Sprintf("team%d-", q), Agents: agents / 10, Queues: []string{fmt.Sprint("q", q), fmt.Sprint("q", (q+1)%10)}, Rank: q % 3})
	}
	return s
}

func dayConfig() acd.Configure {
	var c acd.Configure
	for q := range 10 {
		c.Queues = append(c.Queues, acd.Queue{Name: fmt.Sprint("q", q), WrapUp: 20 * time.Second, ServiceLevel: 20 * time.Second, Strategy: acd.Strategies[q%len(acd.Strategies)]})
	}
	return c
}

// TestSameSeedSameBytes: a simulation is a function of its seed.
func TestSameSeedSameBytes(t *testing.T) {
	var out [3][]byte
	for i, seed := range []uint64{7, 7, 8} {
		b, err := json.Marshal(run(t, day(3000, 40), dayConfig(), seed))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = b
	}
	if !bytes.Equal(out[0], out[1]) {
		t.Error("the same seed gave different bytes")
	}
	if bytes.Equal(out[0], out[2]) {
		t.Error("another seed gave the same bytes")
	}
}

// TestSameCallers: the callers of two configurations are the same, whatever
// becomes of them.
func TestSameCallers(t *testing.T) {
	s := day(2000, 30)
	more := dayConfig()
	for i := range more.Queues {
		more.Queues[i].MaxWait = 30 * time.Second
	}
	a, b := run(t, s, dayConfig(), 5), run(t, s, more, 5)
	if a.Calls != b.Calls || a.Total.Counters["calls"] != int64(a.Calls) {
		t.Errorf("%d and %d callers", a.Calls, b.Calls)
	}
	sum := func(r *Result) (n int64) {
		for _, c := range []string{"answered", "abandoned", "left_timeout", "left_empty", "refused"} {
			n += r.Total.Counters[c]
		}
		return n
	}
	if sum(a) != int64(a.Calls) || sum(b) != int64(b.Calls) {
		t.Errorf("of %d callers %d and %d ended", a.Calls, sum(a), sum(b))
	}
	if b.Total.Counters["left_timeout"] == 0 || a.Total.Counters["left_timeout"] != 0 {
		t.Error("nobody was sent away after 30 s")
	}
}

// BenchmarkDay is the measure: 100,000 calls and 1,000 agents.
func BenchmarkDay(b *testing.B) {
	s := day(100_000, 1000)
	cfg, err := s.Configured(dayConfig())
	if err != nil {
		b.Fatal(err)
	}
	spent := func() time.Duration {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := spent()
	for range b.N {
		t, err := s.Draw(1)
		if err != nil {
			b.Fatal(err)
		}
		r, err := Run(context.Background(), t, cfg, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.Calls), "calls")
		b.ReportMetric(float64(r.Steps), "steps")
		b.ReportMetric(*r.Total.Figures["occupancy"]*100, "%occupied")
	}
	b.ReportMetric((spent()-began).Seconds()/float64(b.N), "cpu-s") // of all threads: a busy machine does not matter
}
