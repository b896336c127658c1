package sim

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/erlang"
	"github.com/centrala/centrala/pkg/event"
)

// steady is a queue as Erlang thought of it: Poisson arrivals, exponential talk and
// patience, agents alike who pick up at once.
func steady(d erlang.Demand, agents, calls int) (*Scenario, acd.Configure) {
	length := time.Duration(float64(calls) / d.Rate * float64(time.Second))
	st := Stream{Wish: Wish{Queue: "q"}, Calls: []float64{float64(calls)}, Interval: Time(length)}
	st.Talk = Exponential(time.Duration(d.Handle * float64(time.Second)))
	if d.Patience > 0 {
		st.Patience = Exponential(time.Duration(d.Patience * float64(time.Second)))
	}
	return &Scenario{Length: Time(length), Streams: []Stream{st}, Phones: Phones{Ring: Constant(0)},
		Hire: []Hire{{Name: "a", Agents: agents, Queues: []string{"q"}}}}, acd.Configure{Queues: []acd.Queue{{Name: "q"}}}
}

// batches of callers in the order they came; the first is thrown away (the house
// begins empty). Means of batches are nearly independent, so that their spread
// tells the confidence in the mean of all (batch means, Law and Kelton ch. 9).
const batches = 20

// student is the 97.5 % point of Student's t with batches-1 degrees of freedom, and
// sure the 99.99 % point: no luck reaches it in a few dozen comparisons.
const student, sure = 2.093, 4.59

type sums struct{ calls, waited, wait, inT, left float64 }

// observe plays a steady queue and gives mean and half-width (95 %) of: share that
// waits, mean wait of all in s, share answered within 20 s, share that abandons.
func observe(t *testing.T, d erlang.Demand, agents, calls int, seed uint64) (mean, half [4]float64) {
	t.Helper()
	s, cfg := steady(d, agents, calls)
	traffic, err := s.Draw(seed)
	if err != nil {
		t.Fatal(err)
	}
	full, err := s.Configured(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var by [batches + 1]sums
	n := traffic.Calls()
	_, err = Run(context.Background(), traffic, full, Options{Watch: func(e event.Event) {
		b, ok := e.Body.(event.QueueLeft)
		if !ok {
			return
		}
		var i int
		fmt.Sscanf(e.CallID, "call-%d", &i)
		x := &by[(i-1)*(batches+1)/n]
		x.calls++
		x.wait += float64(b.WaitMs) / 1000
		if b.WaitMs > 0 || b.Outcome != acd.LeftAnswered {
			x.waited++
		}
		if b.Outcome == acd.LeftAnswered && b.WaitMs <= 20_000 {
			x.inT++
		}
		if b.Outcome == acd.LeftAbandoned {
			x.left++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for k := range mean {
		var sum, square float64
		for _, x := range by[1:] {
			v := [4]float64{x.waited, x.wait, x.inT, x.left}[k] / x.calls
			sum += v
			square += v * v
		}
		mean[k] = sum / batches
		half[k] = student * math.Sqrt(max(0, square-sum*sum/batches)/(batches-1)/batches)
	}
	return mean, half
}

// TestErlang: the engine on virtual time waits as the formulas say. Of intervals
// that hold the truth 19 times in 20, nearly all must hold it, and none may miss
// it by what is beyond luck. SIM_CALLS=210000 plays more callers.
func TestErlang(t *testing.T) {
	calls := 10_500
	if n, err := strconv.Atoi(os.Getenv("SIM_CALLS")); err == nil {
		calls = n
	}
	held, all := 0, 0
	for i, x := range []struct {
		agents         int
		load, patience float64
	}{{1, 0.5, 0}, {5, 3.5, 0}, {20, 16, 0}, {100, 90, 0}, {1, 0.8, 180}, {5, 5, 120}, {20, 22, 180}, {100, 98, 90}} {
		d := erlang.Demand{Rate: x.load / 180, Handle: 180, Patience: x.patience}
		p := d.At(x.agents, 20)
		mean, half := observe(t, d, x.agents, calls, uint64(i+1))
		for k, want := range []float64{p.Waits, p.Wait, p.ServiceLevel, p.Abandons} {
			name := []string{"waits", "mean wait", "service level", "abandons"}[k]
			if want == 0 {
				if mean[k] != 0 {
					t.Errorf("n=%d load=%g patience=%g: %s %g, want none", x.agents, x.load, x.patience, name, mean[k])
				}
				continue
			}
			all++
			off := math.Abs(mean[k] - want)
			if off <= half[k] {
				held++
			}
			t.Logf("n=%-3d load=%-4g patience=%-4g %-13s formula %8.4f, simulated %8.4f ± %.4f", x.agents, x.load, x.patience, name, want, mean[k], half[k])
			if off > half[k]/student*sure {
				t.Errorf("n=%d load=%g patience=%g: %s %.4f, formula %.4f: beyond luck", x.agents, x.load, x.patience, name, mean[k], want)
			}
		}
	}
	t.Logf("%d of %d intervals hold the formula", held, all)
	// P(at most 22 of 28 at 95 % each) is below 1 in 1,000.
	if all != 28 || held < 23 {
		t.Errorf("%d of %d 95 %% intervals hold the formula", held, all)
	}
}
