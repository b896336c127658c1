package vad

import (
	"math"
	"math/rand/v2"
	"testing"
)

const rate, frame = 8000, 160

// sound is n frames of noise at a level in dBov, and of a voice over it (0: none).
func sound(r *rand.Rand, n int, noise, voice float64) [][]int16 {
	hiss, loud := math.MaxInt16*math.Pow(10, noise/20), math.MaxInt16*math.Pow(10, voice/20)
	out := make([][]int16, n)
	for i := range out {
		out[i] = make([]int16, frame)
		for j := range out[i] {
			v := hiss * r.NormFloat64()
			if voice < 0 { // syllables: a voice rises and falls four times a second
				at := float64(i*frame+j) / rate
				v += loud * math.Sqrt2 * math.Sin(2*math.Pi*180*at) * (1 + math.Sin(2*math.Pi*4*at)) / 1.3
			}
			out[i][j] = int16(max(min(v, math.MaxInt16), math.MinInt16))
		}
	}
	return out
}

func share(d *Detector, frames [][]int16) float64 {
	n := 0
	for _, f := range frames {
		if d.Voice(rate, f) {
			n++
		}
	}
	return float64(n) / float64(len(frames))
}

func TestVoice(t *testing.T) {
	for _, c := range []struct {
		name  string
		noise float64
		voice float64
	}{{"clean line", -90, -25}, {"noisy line", -45, -22}, {"soft voice", -65, -40}, {"street", -36, -16}} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var d Detector
			share(&d, sound(r, 1000, c.noise, 0)) // 20 s of the line as it is
			if got := share(&d, sound(r, 250, c.noise, 0)); got > 0.02 {
				t.Errorf("%.0f %% of the noise is taken for voice", 100*got)
			}
			if got := share(&d, sound(r, 250, c.noise, c.voice)); got < 0.5 {
				t.Errorf("%.0f %% of the voice is heard", 100*got)
			}
			if got := share(&d, sound(r, 250, c.noise, 0)); got > 0.02 {
				t.Errorf("%.0f %% of the noise after the voice is taken for voice", 100*got)
			}
		})
	}
}

func TestLongSpeechStaysVoice(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var d Detector
	share(&d, sound(r, 100, -65, 0))
	share(&d, sound(r, 1500, -65, -25)) // 30 s without a breath
	if got := share(&d, sound(r, 250, -65, -25)); got < 0.4 {
		t.Errorf("%.0f %% of the voice is heard after 30 s", 100*got)
	}
}

func TestNothing(t *testing.T) {
	var d Detector
	if d.Voice(rate, nil) || d.Voice(0, make([]int16, frame)) || d.Voice(rate, make([]int16, frame)) {
		t.Fatal("nothing is taken for voice")
	}
	loud := make([]int16, frame)
	for i := range loud {
		loud[i] = math.MinInt16
	}
	if !d.Voice(rate, loud) {
		t.Fatal("the loudest sound there is is not heard")
	}
	if n := testing.AllocsPerRun(100, func() { d.Voice(rate, loud) }); n != 0 {
		t.Fatalf("%v allocations a frame", n)
	}
}
