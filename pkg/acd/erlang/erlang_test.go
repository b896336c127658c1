package erlang

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance || math.IsNaN(got) {
		t.Errorf("%s = %.6g, published %.6g (±%g)", what, got, want, tolerance)
	}
}

// TestErlangB holds the formula against published loads at a given blocking: the
// manual of erlang.com (15 lines, 1 %, 8.108 E) and the usual tables (ITU-T
// Teletraffic Engineering Handbook, appendix; loads to the digits printed there).
func TestErlangB(t *testing.T) {
	for _, x := range []struct {
		lines int
		loss  float64
		load  float64
	}{{1, 0.01, 0.0101}, {5, 0.01, 1.361}, {10, 0.01, 4.461}, {15, 0.01, 8.108}, {20, 0.01, 12.03}, {50, 0.01, 37.90}, {100, 0.01, 84.06},
		{10, 0.001, 3.092}, {20, 0.05, 15.25}} {
		lo, hi := 0.0, float64(x.lines)*2
		for range 60 {
			if mid := (lo + hi) / 2; B(x.lines, mid) < x.loss {
				lo = mid
			} else {
				hi = mid
			}
		}
		digits := 0.0006
		if x.load >= 10 {
			digits = 0.006
		}
		near(t, "load", lo, x.load, digits)
	}
}

// TestErlangC: the worked example of I. Angus, "An Introduction to Erlang B and
// Erlang C", Telemanagement 187 (2001), which calculators on the web repeat: 360
// calls in half an hour, 240 s each, 55 agents, answered within 15 s.
func TestErlangC(t *testing.T) {
	p := Demand{Rate: 360.0 / 1800, Handle: 240}.At(55, 15)
	near(t, "P(wait)", p.Waits, 0.239, 0.0005)
	near(t, "ASA", p.ASA, 8.2, 0.05)
	near(t, "service level", p.ServiceLevel, 0.8457, 0.001)
	near(t, "occupancy", p.Occupancy, 0.873, 0.0005)
}

// TestGarnett is table 1 of Garnett, Mandelbaum and Reiman, "Designing a call
// center with impatient customers", M&SOM 4 (2002): 50 agents, 48 calls a minute,
// 1 minute of service, patience of 2 minutes; Erlang C beside Erlang A.
func TestGarnett(t *testing.T) {
	d := Demand{Rate: 48.0 / 60, Handle: 60}
	c := d.At(50, 0)
	near(t, "C: wait", c.Wait, 20.8, 0.05)
	near(t, "C: queue", c.Queue, 17, 0.5)
	near(t, "C: occupancy", c.Occupancy, 0.96, 0.001)
	near(t, "C: answered within the 90th percentile", d.At(50, 58.1).ServiceLevel, 0.9, 0.001)
	d.Patience = 120
	a := d.At(50, 0)
	near(t, "A: abandons", a.Abandons, 0.031, 0.0005)
	near(t, "A: wait", a.Wait, 3.7, 0.05)
	near(t, "A: queue", a.Queue, 3, 0.1)
	near(t, "A: occupancy", a.Occupancy, 0.93, 0.001)
}

// chain solves the birth-death chain of M/M/n+M state by state in log space: a
// second road to the same figures.
func chain(n int, d Demand) (waits, abandons, queue float64) {
	a, theta := d.Load(), 1/d.Patience
	logs := []float64{0}
	for k := 1; ; k++ {
		death := float64(min(k, n))/d.Handle + float64(max(k-n, 0))*theta
		next := logs[k-1] + math.Log(d.Rate/death)
		logs = append(logs, next)
		if k > n && d.Rate < death && next < logs[n]-60 && next < logs[int(a)]-700 || k > 2_000_000 {
			break
		}
	}
	top := math.Inf(-1)
	for _, l := range logs {
		top = max(top, l)
	}
	var all float64
	for k, l := range logs {
		p := math.Exp(l - top)
		all += p
		if k >= n {
			waits += p
			queue += p * float64(k-n)
		}
	}
	return waits / all, theta * queue / all / d.Rate, queue / all
}

func TestErlangAAgainstChain(t *testing.T) {
	for _, x := range []struct {
		n        int
		load     float64
		patience float64
	}{{1, 0.5, 60}, {1, 50, 60}, {5, 4, 10}, {10, 12, 300}, {50, 48, 120}, {100, 95, 5}, {100, 140, 3600}, {1000, 990, 60},
		{1000, 1300, 120}, {1000, 500, 60}, {10_000, 9_950, 180}, {10_000, 11_000, 600}, {3, 0.001, 1}} {
		d := Demand{Rate: x.load / 180, Handle: 180, Patience: x.patience}
		p := d.At(x.n, 20)
		waits, abandons, queue := chain(x.n, d)
		for _, y := range []struct {
			what      string
			got, want float64
		}{{"waits", p.Waits, waits}, {"abandons", p.Abandons, abandons}, {"queue", p.Queue, queue}} {
			if math.Abs(y.got-y.want) > 1e-7*y.want+1e-12 {
				t.Errorf("n=%d load=%g patience=%g: %s %.12g, the chain says %.12g", x.n, x.load, x.patience, y.what, y.got, y.want)
			}
		}
	}
}

// TestEverlastingPatience: with patience of weeks Erlang A is Erlang C.
func TestEverlastingPatience(t *testing.T) {
	for _, n := range []int{1, 10, 55, 500, 5000} {
		load := float64(n) - math.Sqrt(float64(n))/2
		c := Demand{Rate: load / 200, Handle: 200}
		a := c
		a.Patience = 1e9
		x, y := c.At(n, 20), a.At(n, 20)
		if math.Abs(x.ServiceLevel-y.ServiceLevel) > 1e-4 || math.Abs(x.ASA-y.ASA) > 1e-3*x.ASA {
			t.Errorf("n=%d: C %+v, A %+v", n, x, y)
		}
	}
}

// TestBounds: every figure is a number within its range from 1 to 10,000 agents,
// whatever the load, and gets no worse with one agent more.
func TestBounds(t *testing.T) {
	for _, n := range []int{1, 2, 7, 30, 100, 999, 3000, 10_000} {
		for _, share := range []float64{1e-6, 0.1, 0.8, 0.99, 1, 1.01, 2, 5} {
			for _, patience := range []float64{0, 0.1, 10, 180, 1e5} {
				d := Demand{Rate: share * float64(n) / 180, Handle: 180, Patience: patience}
				if d.Load() > MaxAgents {
					continue
				}
				p, q := d.At(n, 20), d.At(n+1, 20)
				for _, v := range []float64{p.Waits, p.ServiceLevel, p.Abandons, p.Occupancy} {
					if math.IsNaN(v) || v < -1e-12 || v > 1+1e-9 {
						t.Fatalf("n=%d share=%g patience=%g: %+v", n, share, patience, p)
					}
				}
				if q.ServiceLevel < p.ServiceLevel-1e-9 || q.ASA > p.ASA+1e-9 || q.Abandons > p.Abandons+1e-9 || q.Occupancy > p.Occupancy+1e-9 {
					t.Fatalf("n=%d share=%g patience=%g: one agent more makes it worse: %+v, %+v", n, share, patience, p, q)
				}
			}
		}
	}
}

func TestAgents(t *testing.T) {
	d := Demand{Rate: 360.0 / 1800, Handle: 240}
	for _, x := range []struct {
		name string
		d    Demand
		g    Target
		want int
	}{
		{"80/20", d, Target{ServiceLevel: 0.8, T: 20}, 54},
		{"80/15", d, Target{ServiceLevel: 0.8, T: 15}, 55},
		{"occupancy rules", d, Target{ServiceLevel: 0.8, T: 20, Occupancy: 0.8}, 60},
		{"a call a day needs somebody", Demand{Rate: 1.0 / 86400, Handle: 60}, Target{ServiceLevel: 0.99, T: 0}, 1},
	} {
		p, err := x.d.Agents(x.g)
		if err != nil || p.Agents != x.want {
			t.Errorf("%s: %d agents, %v; want %d", x.name, p.Agents, err, x.want)
		}
		if p.Agents > 1 && x.g.met(x.d.At(p.Agents-1, x.g.T)) {
			t.Errorf("%s: one less would do", x.name)
		}
	}
	impatient := d
	impatient.Patience = 60
	p, err := impatient.Agents(Target{ServiceLevel: 0.8, T: 20})
	if err != nil || p.Agents >= 54 {
		t.Errorf("callers who leave make room: %+v %v", p, err)
	}
	big, err := Demand{Rate: 50, Handle: 200, Patience: 120}.Agents(Target{ServiceLevel: 0.8, T: 20, Abandons: 0.01})
	if err != nil || big.Agents < 9_900 || big.Agents > 10_200 {
		t.Errorf("10,000 erlangs: %+v %v", big, err)
	}
	for _, bad := range []Target{{}, {ServiceLevel: 1}, {ServiceLevel: -1}, {ASA: math.NaN()}, {Occupancy: 2}} {
		if _, err := d.Agents(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if _, err := (Demand{Rate: 1, Handle: 0}).Agents(Target{ASA: 1}); err == nil {
		t.Error("calls of no length were taken")
	}
	if n := Scheduled(70, 0.3); n != 100 {
		t.Errorf("70 at work of 30 %% shrinkage: %d", n)
	}
}
