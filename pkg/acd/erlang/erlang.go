// Package erlang computes how many agents a stream of calls needs and what waits
// so many agents give: Erlang B (no waiting), Erlang C (M/M/n, callers wait for
// ever) and Erlang A (M/M/n+M, callers have patience). Pure functions; good from
// one agent to 100,000. It knows nothing of skills, shifts or ring times: that is
// what pkg/acd/sim is for.
//
// Times are in seconds throughout, rates in calls per second, loads in erlangs
// (rate times mean handling time).
package erlang

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// MaxAgents bounds every search and every argument n.
const MaxAgents = 100_000

// B is the Erlang B formula: the share of calls lost at n lines without a queue.
// load in erlangs, >= 0. By the recursion B(0) = 1, B(k) = aB(k-1)/(k + aB(k-1)),
// in which every term is positive and at most 1: nothing overflows or cancels.
func B(n int, load float64) float64 {
	if load <= 0 {
		if n == 0 {
			return 1
		}
		return 0
	}
	b := 1.0
	for k := 1; k <= n && b > 0; k++ {
		b = load * b / (float64(k) + load*b)
	}
	return b
}

// C is the Erlang C formula: the share of callers who wait at all. 1 when n agents
// cannot carry the load (n <= load). C = nB / (n - a(1-B)).
func C(n int, load float64) float64 {
	if float64(n) <= load {
		return 1
	}
	b := B(n, load)
	return float64(n) * b / (float64(n) - load*(1-b))
}

// Demand is a stream of calls, and how long those who call wait.
type Demand struct {
	Rate     float64 // calls per second, > 0
	Handle   float64 // mean handling time (talk, hold and wrap-up), seconds, > 0
	Patience float64 // mean patience in seconds; 0 or +Inf = callers wait for ever (Erlang C)
}

// Load is the demand in erlangs.
func (d Demand) Load() float64 { return d.Rate * d.Handle }

func (d Demand) patient() bool { return d.Patience <= 0 || math.IsInf(d.Patience, 1) }

// Check tells what is wrong with a demand.
func (d Demand) Check() error {
	for _, x := range []struct {
		name string
		v    float64
		zero bool
	}{{"calls", d.Rate, false}, {"handling time", d.Handle, false}, {"patience", d.Patience, true}} {
		if math.IsNaN(x.v) || x.v < 0 || x.v == 0 && !x.zero || math.IsInf(x.v, 1) && !x.zero {
			return fmt.Errorf("erlang: %s %v: want more than 0", x.name, x.v)
		}
	}
	if d.Load() > MaxAgents {
		return fmt.Errorf("erlang: load of %.0f erlangs: want at most %d", d.Load(), MaxAgents)
	}
	return nil
}

// Performance is what a demand meets at so many agents, in the long run.
type Performance struct {
	Agents int `json:"agents"`
	// Stable: false when callers wait for ever and the queue grows without end; the
	// waits are +Inf then and the service level is 0.
	Stable bool `json:"stable"`
	// Waits is the share of callers who are not answered at once.
	Waits float64 `json:"waits"`
	// ServiceLevel is the share of all callers who are answered within T
	// (service_level.abandons_negative of the reports: every abandon counts against).
	ServiceLevel float64 `json:"service_level"`
	// ASA is the mean wait of those answered, Wait that of all, in seconds.
	ASA  float64 `json:"asa_s"`
	Wait float64 `json:"wait_s"`
	// Abandons is the share of callers who give up.
	Abandons float64 `json:"abandons"`
	// Occupancy is the share of the agents' time spent handling calls.
	Occupancy float64 `json:"occupancy"`
	// Queue is the mean number of callers waiting.
	Queue float64 `json:"queue"`
}

// At tells what n >= 1 agents give, with the service level within t seconds.
func (d Demand) At(n int, t float64) Performance {
	if d.patient() {
		return d.erlangC(n, t)
	}
	return d.erlangA(n, t)
}

// erlangC: SL = 1 - C e^(-(n-a)T/h), ASA = C h/(n-a).
func (d Demand) erlangC(n int, t float64) Performance {
	a := d.Load()
	p := Performance{Agents: n, Stable: float64(n) > a}
	if !p.Stable {
		p.Waits, p.Occupancy = 1, 1
		p.ASA, p.Wait, p.Queue = math.Inf(1), math.Inf(1), math.Inf(1)
		return p
	}
	spare := float64(n) - a
	p.Waits = C(n, a)
	p.ServiceLevel = 1 - p.Waits*math.Exp(-spare*t/d.Handle)
	p.ASA = p.Waits * d.Handle / spare
	p.Wait, p.Queue, p.Occupancy = p.ASA, d.Rate*p.ASA, a/float64(n)
	return p
}

// erlangA follows Mandelbaum and Zeltyn, "The Palm/Erlang-A Queue, with
// Applications to Call Centers" (2005): the wait that is offered to an arriving
// caller is 0 with probability 1 - P, else it has the density
//
//	P/J e^(g(x)),  g(x) = λ/θ (1 - e^(-θx)) - nμx,  J = ∫ e^(g(x)) dx
//
// with P = λJ / (1/B(n-1) + λJ). A caller whose patience is shorter than the wait
// offered abandons. g is concave: all the weight lies in one interval around its
// maximum, found by halving, and is taken relative to that maximum, so that
// neither e^g nor the sums behind B overflow however many agents there are.
func (d Demand) erlangA(n int, t float64) Performance {
	lambda, theta, nmu := d.Rate, 1/d.Patience, float64(n)/d.Handle
	g := func(x float64) float64 { return -lambda/theta*math.Expm1(-theta*x) - nmu*x }
	peak := 0.0
	if lambda > nmu {
		peak = math.Log(lambda/nmu) / theta
	}
	top := g(peak)
	const deep = 60 // e^-60 is beyond the precision of a float64
	hi := peak + 1/nmu
	for g(hi) > top-deep {
		hi = peak + 2*(hi-peak)
	}
	hi = halve(peak, hi, func(x float64) bool { return g(x) > top-deep })
	lo := 0.0
	if g(0) < top-deep {
		lo = halve(peak, 0, func(x float64) bool { return g(x) > top-deep })
	}
	scale := min(d.Patience, hi-lo)
	var j, served, waits, answeredWaits, inT float64
	integrate(lo, hi, peak, scale, func(x, w float64) {
		v := w * math.Exp(g(x)-top)
		stay := math.Exp(-theta * x)
		j += v
		served += v * stay
		answeredWaits += v * stay * x
		waits += v * -math.Expm1(-theta*x) / theta // E[min(x, patience)]
	})
	if t > lo {
		integrate(lo, min(t, hi), peak, scale, func(x, w float64) { inT += w * math.Exp(g(x)-top-theta*x) })
	}
	// P = 1 / (1 + e^-top / (B λ J)); B = 0 when it is below the smallest float64.
	p := 1 / (1 + math.Exp(-top-math.Log(B(n-1, d.Load()))-math.Log(lambda*j)))
	out := Performance{Agents: n, Stable: true, Waits: p}
	out.Abandons = p * (1 - served/j)
	if out.Abandons < 1e-6 { // 1 - served/j cancels: P(Ab) = θE[W]
		out.Abandons = theta * p * waits / j
	}
	out.ServiceLevel = 1 - p + p*inT/j
	out.Wait = p * waits / j
	out.ASA = p * answeredWaits / j / (1 - out.Abandons)
	out.Queue = lambda * out.Wait
	out.Occupancy = d.Load() * (1 - out.Abandons) / float64(n)
	return out
}

// halve finds where ok, true at in and false at out, changes.
func halve(in, out float64, ok func(float64) bool) float64 {
	for range 60 {
		if mid := (in + out) / 2; ok(mid) {
			in = mid
		} else {
			out = mid
		}
	}
	return out
}

// Gauss-Legendre nodes and weights of 8 points (Abramowitz and Stegun 25.4.30).
var (
	nodes   = [4]float64{0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975363}
	weights = [4]float64{0.3626837833783620, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763}
)

// integrate calls f with points and weights over [lo, hi]. Around the peak the
// integrands change over times of the order of scale or shorter, far from it
// slower: panels grow by doubling with the distance from the peak.
func integrate(lo, hi, peak, scale float64, f func(x, w float64)) {
	const panels = 24
	part := func(a, b float64) {
		h := (min(b, hi) - max(a, lo)) / panels / 2
		if h <= 0 {
			return
		}
		for i := range panels {
			c := max(a, lo) + h*float64(2*i+1)
			for k, x := range nodes {
				f(c-h*x, h*weights[k])
				f(c+h*x, h*weights[k])
			}
		}
	}
	for from, step := 0.0, scale/4; peak+from < hi || peak-from > lo; from, step = from+step, 2*step {
		part(peak+from, peak+from+step)
		part(peak-from-step, peak-from)
	}
}

// Target is what is asked of a queue. Zero fields ask for nothing.
type Target struct {
	ServiceLevel float64 // share answered within T, 0 to 1 (below 1)
	T            float64 // seconds
	ASA          float64 // seconds, at most
	Abandons     float64 // share, at most
	Occupancy    float64 // share, at most
}

// Errors of Agents.
var (
	ErrTarget = errors.New("erlang: bad target")
	ErrTooFew = fmt.Errorf("erlang: %d agents would not be enough", MaxAgents)
)

// Check tells what is wrong with a target.
func (g Target) Check() error {
	switch {
	case math.IsNaN(g.ServiceLevel + g.T + g.ASA + g.Abandons + g.Occupancy):
		return fmt.Errorf("%w: not a number", ErrTarget)
	case g.ServiceLevel < 0 || g.ServiceLevel >= 1:
		return fmt.Errorf("%w: service level %v: want at least 0 and less than 1", ErrTarget, g.ServiceLevel)
	case g.T < 0 || g.ASA < 0:
		return fmt.Errorf("%w: a time is negative", ErrTarget)
	case g.Abandons < 0 || g.Abandons > 1 || g.Occupancy < 0 || g.Occupancy > 1:
		return fmt.Errorf("%w: abandons and occupancy: want 0 to 1", ErrTarget)
	case g.ServiceLevel == 0 && g.ASA == 0 && g.Abandons == 0 && g.Occupancy == 0:
		return fmt.Errorf("%w: nothing is asked; name a service level, an ASA, abandons or an occupancy", ErrTarget)
	}
	return nil
}

func (g Target) met(p Performance) bool {
	return p.Stable && p.ServiceLevel >= g.ServiceLevel && (g.ASA == 0 || p.ASA <= g.ASA) &&
		(g.Abandons == 0 || p.Abandons <= g.Abandons) && (g.Occupancy == 0 || p.Occupancy <= g.Occupancy)
}

// Agents is the least number of agents that meets a target. All four figures get
// better with every agent, so it is found by halving.
func (d Demand) Agents(g Target) (Performance, error) {
	if err := errors.Join(d.Check(), g.Check()); err != nil {
		return Performance{}, err
	}
	hi := 1
	for !g.met(d.At(hi, g.T)) {
		if hi == MaxAgents {
			return Performance{}, ErrTooFew
		}
		hi = min(2*hi, MaxAgents)
	}
	lo := hi / 2 // does not do, or is 0
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; g.met(d.At(mid, g.T)) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return d.At(hi, g.T), nil
}

// Scheduled is how many must be on the roster so that n are at work, when a share
// shrinkage (0 to below 1) of the paid time goes to breaks, training and absence.
func Scheduled(n int, shrinkage float64) int {
	return int(math.Ceil(float64(n)/(1-shrinkage) - 1e-9))
}

// MarshalJSON writes times without end as null: JSON has no infinity.
func (p Performance) MarshalJSON() ([]byte, error) {
	finite := func(v float64) *float64 {
		if math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	type plain Performance
	return json.Marshal(struct {
		plain
		ASA   *float64 `json:"asa_s"`
		Wait  *float64 `json:"wait_s"`
		Queue *float64 `json:"queue"`
	}{plain(p), finite(p.ASA), finite(p.Wait), finite(p.Queue)})
}
