package sim

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// chance is splitmix64 (Steele, Lea and Flood 2014): small, good enough for
// queues, and ours, so that a seed means the same in every build.
type chance uint64

// fork makes a generator of a seed and what it is for. Two purposes have nothing
// to do with each other, so that one caller more does not change all others.
func fork(seed uint64, purpose ...uint64) chance {
	c := chance(seed ^ 0x6a09e667f3bcc909)
	for _, p := range purpose {
		c = chance(c.next() ^ p*0x9e3779b97f4a7c15)
	}
	return c
}

func (c *chance) next() uint64 {
	*c += 0x9e3779b97f4a7c15
	z := uint64(*c)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// unit is in (0, 1): never an end, so that logarithms are finite.
func (c *chance) unit() float64 { return (float64(c.next()>>11) + 0.5) / (1 << 53) }

func (c *chance) exponential() float64 { return -math.Log(c.unit()) }

// normal by Box and Muller.
func (c *chance) normal() float64 {
	return math.Sqrt(2*c.exponential()) * math.Cos(2*math.Pi*c.unit())
}

// gamma of a shape and scale 1 by Marsaglia and Tsang (2000).
func (c *chance) gamma(shape float64) float64 {
	if shape < 1 {
		return c.gamma(shape+1) * math.Pow(c.unit(), 1/shape)
	}
	d := shape - 1.0/3
	k := 1 / math.Sqrt(9*d)
	for {
		x := c.normal()
		v := 1 + k*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if math.Log(c.unit()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// Forever is the patience of who never hangs up.
const Forever = time.Duration(math.MaxInt64)

// longest bounds every drawn or given time.
const longest = 366 * 24 * time.Hour

// Dist is a distribution of times, written as text:
//
//	3m                  always 3 minutes
//	exponential 3m      mean
//	lognormal 3m 2m     mean and standard deviation
//	gamma 3m 2m         mean and standard deviation
//	sample 20s 45s 2m   one of these, each as likely
//	never               no end (of patience)
//
// The zero value is "not said".
type Dist struct {
	kind   string
	mean   time.Duration
	sd     time.Duration
	sample []time.Duration
}

const maxSample = 10_000

// ErrDist: a distribution cannot be read.
var ErrDist = errors.New("sim: want a time (3m), never, exponential MEAN, lognormal MEAN SD, gamma MEAN SD or sample TIME...")

// Constant is always d.
func Constant(d time.Duration) Dist { return Dist{kind: "constant", mean: d} }

// Exponential has a mean.
func Exponential(mean time.Duration) Dist { return Dist{kind: "exponential", mean: mean} }

// Never is the patience of who never hangs up.
func Never() Dist { return Dist{kind: "never"} }

// SampleOf draws one of at most 200 quantiles of times; the zero Dist when there
// are none.
func SampleOf(times []time.Duration) Dist {
	if len(times) == 0 {
		return Dist{}
	}
	s := slices.Sorted(slices.Values(times))
	const most = 200
	if len(s) > most {
		q := make([]time.Duration, most)
		for i := range q {
			q[i] = s[(2*i+1)*len(s)/(2*most)]
		}
		s = q
	}
	return Dist{kind: "sample", sample: s}
}

// Said tells whether a distribution was given.
func (d Dist) Said() bool { return d.kind != "" }

// Mean of the distribution; Forever for never.
func (d Dist) Mean() time.Duration {
	switch d.kind {
	case "never":
		return Forever
	case "sample":
		var sum float64
		for _, x := range d.sample {
			sum += float64(x)
		}
		return time.Duration(sum / float64(len(d.sample)))
	}
	return d.mean
}

func (d Dist) draw(c *chance) time.Duration {
	var x float64
	m, sd := float64(d.mean), float64(d.sd)
	switch d.kind {
	case "never":
		return Forever
	case "constant", "":
		return d.mean
	case "sample":
		return d.sample[c.next()%uint64(len(d.sample))]
	case "exponential":
		x = m * c.exponential()
	case "lognormal":
		v := math.Log1p(sd * sd / m / m)
		x = m * math.Exp(math.Sqrt(v)*c.normal()-v/2)
	case "gamma":
		if sd == 0 {
			return d.mean
		}
		x = c.gamma(m*m/sd/sd) * sd * sd / m
	}
	// Whole milliseconds, as the journal keeps them.
	return min(time.Duration(min(x, float64(longest))).Round(time.Millisecond), longest)
}

// String is the text that UnmarshalText reads.
func (d Dist) String() string {
	switch d.kind {
	case "", "never":
		return d.kind
	case "constant":
		return d.mean.String()
	case "sample":
		var b strings.Builder
		b.WriteString("sample")
		for _, x := range d.sample {
			b.WriteByte(' ')
			b.WriteString(x.String())
		}
		return b.String()
	case "exponential":
		return "exponential " + d.mean.String()
	}
	return d.kind + " " + d.mean.String() + " " + d.sd.String()
}

// IsZero is for omitzero.
func (d Dist) IsZero() bool { return d.kind == "" }

// MarshalText implements encoding.TextMarshaler.
func (d Dist) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Dist) UnmarshalText(b []byte) error {
	words := strings.Fields(string(b))
	if len(words) == 0 || len(words) > maxSample {
		return fmt.Errorf("%q: %w", cut(string(b)), ErrDist)
	}
	kind, args := words[0], words[1:]
	if len(kind) > 0 && kind[0] >= '0' && kind[0] <= '9' {
		kind, args = "constant", words
	}
	times := make([]time.Duration, len(args))
	for i, a := range args {
		t, err := time.ParseDuration(a)
		if err != nil || t < 0 || t > longest {
			return fmt.Errorf("%q: time %q: %w", cut(string(b)), cut(a), ErrDist)
		}
		times[i] = t
	}
	want, known := map[string]int{"never": 0, "constant": 1, "exponential": 1, "lognormal": 2, "gamma": 2, "sample": len(times)}[kind]
	if !known || len(times) != want || kind == "sample" && want == 0 {
		return fmt.Errorf("%q: %w", cut(string(b)), ErrDist)
	}
	*d = Dist{kind: kind}
	switch {
	case kind == "sample":
		d.sample = times
	case want > 0:
		d.mean = times[0]
		if want > 1 {
			d.sd = times[1]
		}
		if d.mean == 0 && kind != "constant" {
			return fmt.Errorf("%q: a mean of 0: %w", cut(string(b)), ErrDist)
		}
	}
	return nil
}

func cut(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

// Time is a duration in files and JSON: "90s", "1h30m".
type Time time.Duration

// D is the duration.
func (t Time) D() time.Duration { return time.Duration(t) }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return []byte(time.Duration(t).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Time) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil || d < 0 || d > longest {
		return fmt.Errorf("sim: time %q: want 90s, 5m or 1h30m, at most a year", cut(string(b)))
	}
	*t = Time(d)
	return nil
}

func orDist(ds ...Dist) Dist {
	for _, d := range ds {
		if d.Said() {
			return d
		}
	}
	return Dist{}
}

// poisson counts are not drawn: arrivals come one exponential gap after another.
func gap(c *chance, perSecond float64) time.Duration {
	return time.Duration(min(c.exponential()/perSecond, float64(longest/time.Second)) * float64(time.Second))
}

func compareTimes(a, b time.Duration) int { return cmp.Compare(a, b) }
