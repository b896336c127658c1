package resample

import (
	"math"
	"testing"
)

var pairs = [][2]int{{8000, 16000}, {16000, 8000}, {8000, 24000}, {24000, 8000}, {8000, 48000}, {48000, 8000},
	{16000, 48000}, {48000, 16000}, {24000, 16000}, {44100, 8000}}

func sine(rate, n int, hz, peak float64) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(peak * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return pcm
}

// stream runs pcm through a Stream in frames of ms.
func stream(pcm []int16, from, to, frame int) []int16 {
	s := NewStream(from, to)
	var out []int16
	buf := make([]int16, s.Samples(frame)+1)
	for i := 0; i < len(pcm); i += frame {
		part := pcm[i:min(i+frame, len(pcm))]
		out = append(out, buf[:s.Process(buf, part)]...)
	}
	return out
}

// residue is the level of all that is not the sine hz, in dB below it.
func residue(pcm []int16, rate int, hz float64) (level, peak float64) {
	var a, b, total float64
	n := len(pcm) / rate * rate
	if n == 0 {
		n = len(pcm)
	}
	for i, v := range pcm[:n] {
		p := 2 * math.Pi * hz * float64(i) / float64(rate)
		a += float64(v) * math.Cos(p)
		b += float64(v) * math.Sin(p)
		total += float64(v) * float64(v)
	}
	power := 2 * (a*a + b*b) / float64(n)
	return 10 * math.Log10(power/math.Max(total-power, 1e-9)), math.Sqrt(2 * power / float64(n))
}

func TestSineStaysClean(t *testing.T) {
	for _, p := range pairs {
		from, to := p[0], p[1]
		for _, hz := range []float64{100, 1000, 3300} {
			out := stream(sine(from, 2*from, hz, 10000), from, to, from/50)
			out = out[to/2:] // the filter has filled
			db, peak := residue(out, to, hz)
			// Rounding to 16 bits alone gives 20 log(10000/sqrt(2) / 0.29) = 88 dB.
			if db < 75 || math.Abs(20*math.Log10(peak/10000)) > 0.1 {
				t.Errorf("%d to %d Hz, %.0f Hz: %.1f dB clean, peak %.0f", from, to, hz, db, peak)
			}
		}
	}
}

// TestAliases: what lies above the new half rate is gone, and what is made up by
// raising the rate has no image.
func TestAliases(t *testing.T) {
	for _, p := range pairs {
		from, to := p[0], p[1]
		if from < to {
			continue
		}
		for _, hz := range []float64{float64(to)/2 + 1, float64(to) * 0.6, float64(to) - 1000} {
			if hz > float64(from)/2 {
				continue
			}
			out := stream(sine(from, from, hz, 10000), from, to, from/50)[to/4:]
			var power float64
			for _, v := range out {
				power += float64(v) * float64(v)
			}
			level := 10 * math.Log10(power/float64(len(out))/(10000*10000/2)+1e-12)
			if level > -70 {
				t.Errorf("%d to %d Hz: %.0f Hz comes through at %.1f dB", from, to, hz, level)
			}
		}
	}
}

// TestSeams: how the stream is cut into frames does not change a sample.
func TestSeams(t *testing.T) {
	for _, p := range pairs {
		from, to := p[0], p[1]
		in := sine(from, from/2, 777, 12000)
		whole := stream(in, from, to, from/10)
		for _, frame := range []int{1, 7, from / 100, from / 50} {
			got := stream(in, from, to, frame)
			if len(got) != len(whole) {
				t.Fatalf("%d to %d, frames of %d: %d samples, want %d", from, to, frame, len(got), len(whole))
			}
			for i := range got {
				if got[i] != whole[i] {
					t.Fatalf("%d to %d, frames of %d: sample %d is %d, want %d", from, to, frame, i, got[i], whole[i])
				}
			}
		}
	}
}

// TestExactFrames: between the rates of codecs a frame of 20 ms gives one of 20 ms.
func TestExactFrames(t *testing.T) {
	for _, p := range pairs[:9] {
		s := NewStream(p[0], p[1])
		buf := make([]int16, p[1]/50+1)
		in := make([]int16, p[0]/50)
		for i := range 100 {
			if n := s.Process(buf, in); n != p[1]/50 {
				t.Fatalf("%d to %d: frame %d has %d samples", p[0], p[1], i, n)
			}
		}
	}
}

func TestConvertKeepsTime(t *testing.T) {
	in := make([]int16, 4800)
	for i := -200; i <= 200; i++ { // a smooth hump at 50 ms
		in[2400+i] = int16(10000 * (1 + math.Cos(math.Pi*float64(i)/200)) / 2)
	}
	out := Convert(in, 48000, 8000)
	if len(out) != 800 {
		t.Fatalf("%d samples, want 800", len(out))
	}
	top := 0
	for i, v := range out {
		if v > out[top] {
			top = i
		}
	}
	if top != 400 {
		t.Errorf("the hump is at sample %d, want 400", top)
	}
}

func TestNothingAllocates(t *testing.T) {
	s := NewStream(16000, 8000)
	in, out := make([]int16, 320), make([]int16, 160)
	if n := testing.AllocsPerRun(100, func() { s.Process(out, in) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkStream(b *testing.B) {
	for _, p := range [][2]int{{8000, 16000}, {16000, 8000}, {48000, 8000}} {
		b.Run(map[bool]string{true: "up", false: "down"}[p[0] < p[1]], func(b *testing.B) {
			s := NewStream(p[0], p[1])
			in, out := make([]int16, p[0]/50), make([]int16, p[1]/50+1)
			b.ReportAllocs()
			for b.Loop() {
				s.Process(out, in)
			}
		})
	}
}
