package play

import "math"

// resampler changes the rate of a stream to outRate by a polyphase windowed-sinc
// filter. The ratio is up/down in lowest terms: 1/6 from 48 kHz, 80/441 from
// 44.1 kHz. The delay of the filter is compensated: sample 0 stays at time 0.
type resampler struct {
	up, down int
	half     int         // taps on each side of the wanted instant
	phases   [][]float32 // [up][2*half]

	in   []float32 // samples from index base on
	base int       // may be negative: zeros before the start
	got  int       // samples put in so far
	next int       // output samples made so far
}

const (
	outRate = 8000
	// Flat to 3.4 kHz, the upper edge of telephone speech (G.712), and 80 dB
	// down from 4 kHz on, where sound would fold back.
	passHz, stopHz = 3400.0, 4000.0
	stopDB         = 80.0
)

func newResampler(rate int) *resampler {
	g := gcd(rate, outRate)
	r := &resampler{up: outRate / g, down: rate / g}
	// Kaiser's estimates of window shape and length.
	beta := 0.1102 * (stopDB - 8.7)
	taps := (stopDB - 8) / (2.285 * 2 * math.Pi * (stopHz - passHz) / float64(rate))
	r.half = int(math.Ceil(taps/2)) + 1
	cut := (passHz + stopHz) / float64(rate) // of input Nyquist: the middle of the slope
	r.phases = make([][]float32, r.up)
	for p := range r.phases {
		h, sum := make([]float64, 2*r.half), 0.0
		for k := range h {
			// Distance in input samples of tap k from the wanted instant, which
			// lies p/up behind tap half-1.
			x := float64(k-r.half+1) - float64(p)/float64(r.up)
			w := x / float64(r.half)
			if math.Abs(w) < 1 {
				h[k] = sinc(cut*x) * bessel0(beta*math.Sqrt(1-w*w))
			}
			sum += h[k]
		}
		r.phases[p] = make([]float32, 2*r.half)
		for k := range h {
			r.phases[p][k] = float32(h[k] / sum) // gain 1 at 0 Hz in every phase
		}
	}
	r.base = -(r.half - 1)
	r.in = make([]float32, r.half-1, 1<<14)
	return r
}

// push appends to out what can be computed with x added to the input.
func (r *resampler) push(out []int16, x []float32) []int16 {
	r.in = append(r.in, x...)
	r.got += len(x)
	return r.drain(out, math.MaxInt)
}

// finish appends the rest: ceil(input * up / down) samples in all.
func (r *resampler) finish(out []int16) []int16 {
	total := (r.got*r.up + r.down - 1) / r.down
	r.in = append(r.in, make([]float32, r.half+1)...)
	return r.drain(out, total)
}

func (r *resampler) drain(out []int16, total int) []int16 {
	for r.next < total {
		at := r.next * r.down
		first := at/r.up - r.half + 1 - r.base
		if first+2*r.half > len(r.in) {
			break
		}
		h := r.phases[at%r.up]
		var sum float32
		for k, s := range r.in[first : first+len(h)] {
			sum += s * h[k]
		}
		out = append(out, clamp16(float64(sum)))
		r.next++
	}
	// Forget what no later output needs.
	if drop := r.next*r.down/r.up - r.half + 1 - r.base; drop > 1<<13 {
		drop = min(drop, len(r.in))
		r.in = r.in[:copy(r.in, r.in[drop:])]
		r.base += drop
	}
	return out
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of the first kind, order 0, by its series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
