package quality

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func near(t *testing.T, what string, got, want, off float64) {
	t.Helper()
	if math.Abs(got-want) > off || math.IsNaN(got) {
		t.Errorf("%s: %.3f, want %.3f", what, got, want)
	}
}

// TestDefaults: with all values at their default G.107 states R = 93.2 (7.7), which
// is a MOS of 4.41.
func TestDefaults(t *testing.T) {
	r := R(Path{Codec: CodecOf("PCMA")})
	near(t, "R", r, 93.2, 0.05)
	near(t, "MOS", MOS(r), 4.41, 0.005)
	near(t, "Ro", ro, 94.77, 0.01)
}

// TestMOSTable is G.107 Annex B, Table B.1.
func TestMOSTable(t *testing.T) {
	for r, want := range map[float64]float64{90: 4.34, 80: 4.03, 70: 3.60, 60: 3.10, 50: 2.58, 0: 1, -20: 1, 100: 4.5, 120: 4.5} {
		near(t, "MOS", MOS(r), want, 0.007) // the table has 4.03 at 80, the formula 4.024
	}
	if MOS(math.NaN()) != 1 {
		t.Error("NaN is no score")
	}
}

// TestLoss is G.107 7-29 with G.113's figures, by hand: 95 * 5 / (5 + 25.1).
func TestLoss(t *testing.T) {
	near(t, "5 % random", EffectiveIe(CodecOf("pcmu"), 5, 1), 15.78, 0.01)
	near(t, "5 % in runs of twice the length", EffectiveIe(CodecOf("PCMU"), 5, 2), 95*5/(2.5+25.1), 0.01)
	near(t, "G.729A, 2 %", EffectiveIe(CodecOf("G729"), 2, 1), 11+84*2/(2.0+19), 0.01)
	near(t, "no concealment, 5 %", EffectiveIe(Codec{0, 4.3}, 5, 1), 51.08, 0.01)
	near(t, "a codec that G.113 does not know", EffectiveIe(CodecOf("OPUS"), 5, 0), 15.78, 0.01)
}

// TestDelay: under 100 ms only the echo counts; beyond 177 ms it falls fast, as
// G.114 Figure 1 shows (about R 90 at 150 ms without echo, 80 at 275 ms).
func TestDelay(t *testing.T) {
	last := 100.0
	for _, ms := range []int{0, 1, 20, 50, 100, 150, 200, 300, 400, 600, 1000} {
		r := R(Path{Delay: time.Duration(ms) * time.Millisecond})
		if r > last+0.2 { // the sidetone hides the first ms of echo
			t.Errorf("%d ms: R rises to %.1f", ms, r)
		}
		last = r
	}
	near(t, "Idd at 150 ms", delayed(150)-delayedEcho(150), 0.1, 0.15)
	near(t, "Idd at 400 ms", delayed(400)-delayedEcho(400), 24, 1.5)
}

// delayedEcho is Id without the part for delay as such.
func delayedEcho(ms float64) float64 {
	x := math.Log2(ms / meanDelay)
	return delayed(ms) - 25*(root(x, 6)-3*root(x/3, 6)+2)
}

// TestTable: between the points of the grid it is a straight line, and that is near.
func TestTable(t *testing.T) {
	for ms := 0.0; ms < 1200; ms += 0.37 {
		near(t, "R", undamaged(ms), ro-simultaneous(ms)-delayed(ms), 0.2)
	}
}

func TestBurstRatio(t *testing.T) {
	near(t, "single losses", BurstRatio(1000, 50, 50), .95, 1e-9)
	near(t, "runs of four", BurstRatio(1000, 40, 10), 4*.96, 1e-9)
	for _, v := range [][3]uint64{{0, 0, 0}, {10, 10, 1}, {10, 0, 0}, {10, 20, 1}, {10, 5, 0}} {
		near(t, "nothing to tell", BurstRatio(v[0], v[1], v[2]), 1, 0)
	}
}

// TestNeverOutside: whatever comes in, a score between 1 and 4.5 comes out, and
// more loss or more delay is never better.
func TestNeverOutside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Path{
			Delay:  time.Duration(rapid.Int64().Draw(t, "delay")),
			Loss:   rapid.Float64Range(-1, 2).Draw(t, "loss"),
			BurstR: rapid.Float64().Draw(t, "burst"),
			Codec:  Codec{rapid.Float64Range(0, 95).Draw(t, "ie"), rapid.Float64Range(0, 40).Draw(t, "bpl")},
		}
		m := MOS(R(p))
		if !(m >= 1 && m <= 4.5) {
			t.Fatalf("%+v: %v", p, m)
		}
		worse := p
		worse.Loss += 0.05
		if MOS(R(worse)) > m+1e-9 {
			t.Fatalf("%+v: better with more loss", p)
		}
	})
}

func TestMeter(t *testing.T) {
	var m Meter
	if step, v := m.Series(); step != 0 || v != nil || m.Mean() != 0 || m.Low() != 0 {
		t.Error("something of nothing")
	}
	for i := range 12 {
		mos := 4.4
		if i == 6 {
			mos = 2
		}
		m.Add(mos)
	}
	m.Add(math.NaN())
	step, v := m.Series()
	if step != 5 || len(v) != 3 || v[0] != 4.4 || v[1] != 2 || v[2] != 4.4 {
		t.Errorf("%d %v", step, v)
	}
	if m.Low() != 2 || m.Mean() != 4.2 || m.Seconds() != 12 {
		t.Errorf("low %v mean %v", m.Low(), m.Mean())
	}
}

// TestMeterIsBounded: a call of a day has as many values as one of ten minutes, and
// the bad second is still seen where it was.
func TestMeterIsBounded(t *testing.T) {
	for _, total := range []int{599, 600, 601, 605, 606, 1205, 3600, 24 * 3600} {
		var m Meter
		bad := total * 3 / 4
		for i := range total {
			if i == bad {
				m.Add(1.5)
			} else {
				m.Add(4.4)
			}
		}
		step, v := m.Series()
		if len(v) > seriesLen+1 || len(v) < seriesLen/2 || step*len(v) < total || step*(len(v)-1) >= total {
			t.Errorf("%d s: %d values of %d s", total, len(v), step)
		}
		for i, x := range v {
			if want := i == bad/step; (x == 1.5) != want {
				t.Errorf("%d s: value %d is %v; the bad second was %d", total, i, x, bad)
			}
		}
		if n := testing.AllocsPerRun(100, func() { m.Add(4) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}
