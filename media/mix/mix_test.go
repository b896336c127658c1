package mix

import (
	"math"
	"math/rand/v2"
	"testing"
)

func sine(hz, peak float64, at int) []int16 {
	pcm := make([]int16, frame)
	for i := range pcm {
		pcm[i] = int16(peak * math.Sin(2*math.Pi*hz*float64(at+i)/8000))
	}
	return pcm
}

func TestEachHearsAllButItself(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	sources := make([][]int16, 9)
	var total Sum
	for i := range sources {
		sources[i] = make([]int16, frame)
		for j := range sources[i] {
			sources[i][j] = int16(rng.IntN(7000) - 3500)
		}
		total.Add(sources[i])
	}
	for i := range sources {
		mine := total
		mine.Sub(sources[i])
		var out [frame]int16
		var l Limiter
		l.Apply(out[:], &mine)
		for j := range out {
			want := 0
			for k, s := range sources {
				if k != i {
					want += int(s[j])
				}
			}
			if int(out[j]) != want {
				t.Fatalf("listener %d sample %d: %d, want %d", i, j, out[j], want)
			}
		}
		if !l.Open() {
			t.Error("held down")
		}
	}
	total.Reset()
	if total != (Sum{}) {
		t.Error("not reset")
	}
}

// TestLoudSources: five of full scale neither wrap nor click, and their sum's
// shape stays; later the gain comes back.
func TestLoudSources(t *testing.T) {
	var l Limiter
	var last int16
	wrapped := 0
	for f := range 100 {
		var s Sum
		for range 5 {
			s.Add(sine(300, 32767, f*frame))
		}
		var out [frame]int16
		l.Apply(out[:], &s)
		pure := sine(300, 32767, f*frame)
		for i, v := range out {
			if f > 0 && math.Abs(float64(v)-float64(pure[i])) > 40 {
				t.Fatalf("frame %d sample %d: %d, want near %d", f, i, v, pure[i])
			}
			if int32(v)*int32(pure[i]) < -10000 {
				wrapped++
			}
			if d := int(v) - int(last); (f > 0 || i > 16) && (d > 8000 || d < -8000) {
				t.Fatalf("frame %d sample %d: a jump of %d", f, i, d)
			}
			last = v
		}
	}
	if wrapped > 0 {
		t.Errorf("%d samples wrapped", wrapped)
	}
	if l.Open() {
		t.Error("not held down")
	}
	frames := 0
	for ; !l.Open() && frames < 200; frames++ {
		var s Sum
		s.Add(sine(300, 10000, frames*frame))
		var out [frame]int16
		l.Apply(out[:], &s)
	}
	if frames < 20 || frames > 100 {
		t.Errorf("the gain was back after %d frames", frames)
	}
}

func TestExtremes(t *testing.T) {
	low, high := make([]int16, frame), make([]int16, frame)
	for i := range low {
		low[i], high[i] = -32768, 32767
	}
	for _, src := range [][]int16{low, high} {
		var s Sum
		for range 1000 {
			s.Add(src)
		}
		var out [frame]int16
		var l Limiter
		for range 3 {
			l.Apply(out[:], &s)
			for i, v := range out {
				if (v > 0) != (src[0] > 0) || v > -30000 && v < 30000 {
					t.Fatalf("sample %d: %d from %d", i, v, src[0])
				}
			}
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	var s Sum
	var l Limiter
	src := sine(400, 30000, 0)
	var out [frame]int16
	if n := testing.AllocsPerRun(100, func() {
		s.Reset()
		s.Add(src)
		s.Add(src)
		s.Sub(src)
		s.Add(src)
		l.Apply(out[:], &s)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkThree is a frame of a conference of three without codecs.
func BenchmarkThree(b *testing.B) {
	src := [3][]int16{sine(300, 8000, 0), sine(500, 8000, 0), sine(700, 8000, 0)}
	var l [3]Limiter
	var out [frame]int16
	b.ReportAllocs()
	for b.Loop() {
		var s Sum
		for _, x := range src {
			s.Add(x)
		}
		for i, x := range src {
			m := s
			m.Sub(x)
			l[i].Apply(out[:], &m)
		}
	}
}
