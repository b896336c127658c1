// Package resample changes the sample rate of linear sound by a polyphase
// windowed-sinc filter: streams without a seam between frames, and whole files.
//
// It is pure. A Stream has one owner and allocates nothing after New; filters are
// made once for each pair of rates and shared.
package resample

import (
	"math"
	"sync"
)

// The filter is flat to pass of the lower rate's half and stopDB down from that
// half on, where sound would fold back: 3.4 and 4 kHz between 8 and 16 kHz, the
// upper edge of telephone speech (ITU-T G.712).
const (
	pass   = 0.85
	stopDB = 80.0
)

// filter is immutable. The ratio is up/down in lowest terms: 1/6 from 48 to 8 kHz,
// 80/441 from 44.1.
type filter struct {
	up, down int
	half     int         // taps on each side of the wanted instant
	phases   [][]float32 // [up][2*half]
}

var (
	mu      sync.Mutex
	filters = map[[2]int]*filter{}
)

func filterOf(from, to int) *filter {
	mu.Lock()
	defer mu.Unlock()
	f := filters[[2]int{from, to}]
	if f == nil {
		f = newFilter(from, to)
		filters[[2]int{from, to}] = f
	}
	return f
}

func newFilter(from, to int) *filter {
	g := gcd(from, to)
	f := &filter{up: to / g, down: from / g}
	stop := float64(min(from, to)) / 2
	edge := pass * stop
	// Kaiser's estimates of window shape and length.
	beta := 0.1102 * (stopDB - 8.7)
	taps := (stopDB - 8) / (2.285 * 2 * math.Pi * (stop - edge) / float64(from))
	f.half = int(math.Ceil(taps/2)) + 1
	cut := (edge + stop) / float64(from) // of the input's Nyquist frequency: the middle of the slope
	f.phases = make([][]float32, f.up)
	for p := range f.phases {
		h, sum := make([]float64, 2*f.half), 0.0
		for k := range h {
			// Distance in input samples of tap k from the wanted instant, which
			// lies p/up behind tap half-1.
			x := float64(k-f.half+1) - float64(p)/float64(f.up)
			w := x / float64(f.half)
			if math.Abs(w) < 1 {
				h[k] = sinc(cut*x) * bessel0(beta*math.Sqrt(1-w*w))
			}
			sum += h[k]
		}
		f.phases[p] = make([]float32, 2*f.half)
		for k := range h {
			f.phases[p][k] = float32(h[k] / sum) // gain 1 at 0 Hz in every phase
		}
	}
	return f
}

// at is the sample at phase p of the window in.
func (f *filter) at(p int, in []float32) float32 {
	h := f.phases[p]
	in = in[:len(h)]
	// Four sums: their additions do not wait for each other.
	var a, b, c, d float32
	k := 0
	for ; k+4 <= len(h); k += 4 {
		x, y := in[k:k+4:k+4], h[k:k+4:k+4]
		a += x[0] * y[0]
		b += x[1] * y[1]
		c += x[2] * y[2]
		d += x[3] * y[3]
	}
	for ; k < len(h); k++ {
		a += in[k] * h[k]
	}
	return a + b + c + d
}

// MaxFrame is the longest frame that a Stream takes at once, in samples: 120 ms
// at 48 kHz.
const MaxFrame = 5760

// Stream changes the rate of a stream frame by frame. Its output is late by
// Delay, about 4 ms between 8 and 16 kHz.
type Stream struct {
	f   *filter
	buf []float32 // the newest 2*half-1 samples, then those of the frame
	// due is the position of the next output's window in buf, in steps of 1/up.
	due int
}

// NewStream makes a stream of rate from to rate to, in Hz.
func NewStream(from, to int) *Stream {
	f := filterOf(from, to)
	return &Stream{f: f, buf: make([]float32, 2*f.half-1, 2*f.half-1+MaxFrame)}
}

// Reset forgets the sound so far.
func (s *Stream) Reset() {
	s.buf = s.buf[:2*s.f.half-1]
	clear(s.buf)
	s.due = 0
}

// Delay is by how many input samples the output is late.
func (s *Stream) Delay() int { return s.f.half }

// Samples is the most that n input samples can give.
func (s *Stream) Samples(n int) int { return (n*s.f.up + s.f.down - 1) / s.f.down }

// Process writes what src, at most MaxFrame, gives to dst and returns how many
// samples. dst must hold Samples(len(src)).
func (s *Stream) Process(dst, src []int16) int {
	f := s.f
	for _, v := range src {
		s.buf = append(s.buf, float32(v))
	}
	n := 0
	for {
		first := s.due / f.up
		if first+2*f.half > len(s.buf) {
			break
		}
		dst[n] = round(f.at(s.due%f.up, s.buf[first:]))
		n++
		s.due += f.down
	}
	// All but the newest 2*half-1 samples have been used.
	drop := len(s.buf) - (2*f.half - 1)
	s.buf = s.buf[:copy(s.buf, s.buf[drop:])]
	s.due -= drop * f.up
	return n
}

// File changes the rate of a whole file that comes in parts, with the filter's
// delay taken out: sample 0 stays at time 0.
type File struct {
	f    *filter
	in   []float32 // samples from index base on
	base int       // may be negative: zeros before the start
	got  int       // samples put in so far
	next int       // output samples made so far
}

// NewFile makes a File of rate from to rate to, in Hz.
func NewFile(from, to int) *File {
	f := filterOf(from, to)
	return &File{f: f, base: -(f.half - 1), in: make([]float32, f.half-1, 1<<14)}
}

// Push appends to out what can be computed with x added to the input.
func (r *File) Push(out []int16, x []float32) []int16 {
	r.in = append(r.in, x...)
	r.got += len(x)
	return r.drain(out, math.MaxInt)
}

// Finish appends the rest: ceil(input * to / from) samples in all.
func (r *File) Finish(out []int16) []int16 {
	total := (r.got*r.f.up + r.f.down - 1) / r.f.down
	r.in = append(r.in, make([]float32, r.f.half+1)...)
	return r.drain(out, total)
}

func (r *File) drain(out []int16, total int) []int16 {
	f := r.f
	for r.next < total {
		at := r.next * f.down
		first := at/f.up - f.half + 1 - r.base
		if first+2*f.half > len(r.in) {
			break
		}
		out = append(out, round(f.at(at%f.up, r.in[first:])))
		r.next++
	}
	// Forget what no later output needs.
	if drop := r.next*f.down/f.up - f.half + 1 - r.base; drop > 1<<13 {
		drop = min(drop, len(r.in))
		r.in = r.in[:copy(r.in, r.in[drop:])]
		r.base += drop
	}
	return out
}

// Convert changes the rate of pcm.
func Convert(pcm []int16, from, to int) []int16 {
	if from == to {
		return append([]int16(nil), pcm...)
	}
	r := NewFile(from, to)
	out := make([]int16, 0, len(pcm)*to/from+1)
	var part [1024]float32
	for len(pcm) > 0 {
		n := min(len(pcm), len(part))
		for i, v := range pcm[:n] {
			part[i] = float32(v)
		}
		out, pcm = r.Push(out, part[:n]), pcm[n:]
	}
	return r.Finish(out)
}

func round(v float32) int16 {
	return int16(math.Round(float64(min(max(v, math.MinInt16), math.MaxInt16))))
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
