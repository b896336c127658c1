package jitter

import (
	"math"
	"math/rand/v2"
	"testing"
)

// appendixI is the concealment of ITU-T G.711 Appendix I (09/1999), step by step as I.2
// describes it, to be compared with ours: frames of 10 ms, an output delay of 3.75 ms.
type appendixI struct {
	erased   int
	pitch    int
	overlap  int
	offset   int
	length   int
	lastQ    [30]float64
	hist     [390]float64
	buf      [390]float64
	released int
}

func (a *appendixI) speech(out []float64) {
	for i := range out {
		out[i] = a.buf[len(a.buf)-a.length+a.offset]
		if a.offset++; a.offset >= a.length {
			a.offset = 0
		}
	}
}

// save appends a frame and gives back the one that is 30 samples older.
func (a *appendixI) save(s []float64) {
	copy(a.hist[:], a.hist[80:])
	copy(a.hist[310:], s)
	copy(s, a.hist[280:360])
}

func (a *appendixI) scale(s []float64) {
	g := 1 - float64(a.erased-1)*.2
	for i := range s {
		s[i] *= g
		g -= .0025
	}
}

func (a *appendixI) loop() {
	end, before := a.buf[390-a.overlap:], a.buf[390-a.length-a.overlap:]
	for i := range a.overlap {
		w := float64(i+1) / float64(a.overlap)
		end[i] = a.lastQ[i]*(1-w) + before[i]*w
	}
}

func (a *appendixI) find() int {
	l, r := a.buf[390-160:], a.buf[390-280:]
	best, match := math.Inf(-1), 0
	look := func(j, step int) {
		var energy, corr float64
		for i := 0; i < 160; i += step {
			energy += r[j+i] * r[j+i]
			corr += r[j+i] * l[i]
		}
		if c := corr / math.Sqrt(max(energy, 250)); c >= best {
			best, match = c, j
		}
	}
	for j := 0; j <= 80; j += 2 {
		look(j, 2)
	}
	best = math.Inf(-1)
	for j, end := max(match-1, 0), min(match+1, 80); j <= end; j++ {
		look(j, 1)
	}
	return 120 - match
}

func (a *appendixI) conceal(out []float64) {
	switch {
	case a.erased == 0:
		a.buf = a.hist
		a.pitch = a.find()
		a.overlap = a.pitch / 4
		copy(a.lastQ[:a.overlap], a.buf[390-a.overlap:])
		a.offset, a.length = 0, a.pitch
		a.loop()
		copy(a.hist[390-a.overlap:], a.buf[390-a.overlap:])
		a.speech(out)
	case a.erased <= 2:
		tmp := make([]float64, a.overlap)
		at := a.offset
		a.speech(tmp)
		for a.offset = at; a.offset > a.pitch; {
			a.offset -= a.pitch
		}
		a.length += a.pitch
		a.loop()
		a.speech(out)
		for i := range tmp {
			w := float64(i+1) / float64(a.overlap)
			out[i] = tmp[i]*(1-w) + out[i]*w
		}
		a.scale(out)
	case a.erased > 5:
		clear(out)
	default:
		a.speech(out)
		a.scale(out)
	}
	a.erased++
	a.save(out)
}

func (a *appendixI) good(s []float64) {
	if a.erased > 0 {
		n := min(a.overlap+(a.erased-1)*32, 80)
		over := make([]float64, n)
		a.speech(over)
		g := max(1-float64(a.erased-1)*.2, 0)
		for i := range over {
			w := float64(i+1) / float64(n)
			s[i] = over[i]*(1-w)*g + s[i]*w
		}
		a.erased = 0
	}
	a.save(s)
}

// voice is something like speech: a pitch that glides between 85 and 190 Hz, three
// formants that move, syllables, hiss between them.
func voice(seed uint64, n int) []int16 {
	rng := rand.New(rand.NewPCG(seed, 5))
	out := make([]int16, n)
	type pole struct{ y1, y2 float64 }
	var f [3]pole
	phase := 0.0
	for i := range out {
		t := float64(i) / 8000
		phase += (135 + 45*math.Sin(2*math.Pi*.25*t+float64(seed))) / 8000
		x := rng.NormFloat64() * .02
		if phase >= 1 {
			phase--
			x++
		}
		syllable := math.Sin(2 * math.Pi * 3.1 * t)
		for k, hz := range [...]float64{500 + 200*math.Sin(2*math.Pi*1.3*t), 1400 + 400*math.Sin(2*math.Pi*.9*t+1), 2600} {
			r := 1 - []float64{.03, .05, .08}[k]
			y := x + 2*r*math.Cos(2*math.Pi*hz/8000)*f[k].y1 - r*r*f[k].y2
			f[k].y2, f[k].y1 = f[k].y1, y
			x = y * .25
		}
		out[i] = round(float32(x * 40000 * max(syllable, .05)))
	}
	return out
}

// TestAsGoodAsAppendixI: over speech-like sound with random and bursty losses, what we
// make up is no further from the original than what G.711 Appendix I makes up.
func TestAsGoodAsAppendixI(t *testing.T) {
	const delay = 30
	for _, tt := range []struct {
		name        string
		loss        float64
		burst, most int
	}{{"3 % single", .03, 1, 1}, {"5 % random", .05, 1, 9}, {"10 % random", .10, 1, 9}, {"5 % in pairs", .05, 2, 2}, {"5 % in threes", .05, 3, 3}} {
		t.Run(tt.name, func(t *testing.T) {
			var ours, theirs, signal float64
			for seed := range uint64(6) {
				pcm := voice(seed, 8000*20)
				rng := rand.New(rand.NewPCG(seed, 77))
				var a appendixI
				var c Concealer
				// What each gives, in line with pcm.
				mine, ref := make([]int16, 0, len(pcm)), make([]float64, 0, len(pcm))
				hurt := make([]bool, len(pcm)+400) // lost, and 10 ms of what follows
				lost, run := 0, 0
				for at := 0; at+160 <= len(pcm); at += 160 {
					if lost == 0 && run < tt.most && rng.Float64() < tt.loss/float64(tt.burst) {
						lost = tt.burst
					}
					frame := append([]int16(nil), pcm[at:at+160]...)
					half := make([]float64, 80)
					if lost > 0 && at > 1600 {
						lost--
						run++
						for i := at; i < at+240; i++ {
							hurt[i] = true
						}
						c.Conceal(frame)
						for range 2 {
							a.conceal(half)
							ref = append(ref, half...)
						}
					} else {
						lost, run = 0, 0
						c.Good(frame)
						for k := range 2 {
							for i := range half {
								half[i] = float64(pcm[at+80*k+i])
							}
							a.good(half)
							ref = append(ref, half...)
						}
					}
					mine = append(mine, frame...)
				}
				for i := range len(mine) - delay {
					if hurt[i] {
						x := float64(pcm[i])
						signal += x * x
						ours += (x - float64(mine[i])) * (x - float64(mine[i]))
						theirs += (x - ref[i+delay]) * (x - ref[i+delay])
					}
				}
			}
			db := func(v float64) float64 { return 10 * math.Log10(signal/v) }
			t.Logf("signal to error where sound was lost: ours %.2f dB, Appendix I %.2f dB", db(ours), db(theirs))
			if db(ours) < db(theirs)-.25 {
				t.Errorf("ours %.2f dB, Appendix I %.2f dB", db(ours), db(theirs))
			}
			if db(theirs) < .5 {
				t.Errorf("Appendix I gains %.2f dB: the comparison says nothing", db(theirs))
			}
		})
	}
}
