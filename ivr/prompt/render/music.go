package main

import "math"

// sounds are made by arithmetic alone.
var sounds = map[string]func() []int16{
	"music": music,
	"beep":  beep,
	"pause": func() []int16 { return make([]int16, rate/4) }, // between groups of digits
}

// beep is 0.2 s of 1 kHz at about -10 dBm0.
func beep() []int16 {
	x := make([]float64, rate/5)
	for i := range x {
		x[i] = 0.22 * math.Sin(2*math.Pi*1000*float64(i)/rate)
	}
	fade(x, rate/100)
	return toPCM(x)
}

// The hold music is our own: sixteen bars of four at 80 beats a minute, soft
// chords, a plucked figure, a bass and a sparse tune. It is composed on a ring:
// what sounds past the end sounds at the beginning, so that it loops without a
// seam. 48 s are 2400 packets of 20 ms exactly.
const (
	beat = rate * 60 / 80
	bars = 16
	ring = bars * 4 * beat
)

// chords, one a bar, as MIDI notes from the bass up. C major, with a turn to
// the minor side in the third line.
var chords = [bars][]int{
	{48, 60, 64, 67, 71}, {45, 60, 64, 67, 69}, {41, 60, 64, 65, 69}, {43, 59, 62, 64, 69},
	{48, 60, 64, 67, 71}, {52, 59, 62, 67, 71}, {41, 60, 64, 65, 69}, {43, 60, 62, 65, 67},
	{45, 60, 64, 67, 72}, {40, 59, 64, 67, 71}, {41, 60, 65, 69, 72}, {48, 60, 64, 67, 72},
	{50, 60, 65, 69, 72}, {52, 59, 62, 67, 71}, {53, 60, 64, 69, 72}, {43, 59, 62, 65, 69},
}

// tune: beat, note, length in beats.
var tune = [][3]float64{
	{0, 76, 2.5}, {3, 74, 1}, {4, 72, 3}, {8, 69, 1.5}, {9.5, 72, 1.5}, {11, 76, 1}, {12, 74, 3.5},
	{16, 79, 2.5}, {19, 76, 1}, {20, 74, 1.5}, {21.5, 71, 2.5}, {24, 72, 1.5}, {25.5, 69, 1.5}, {27, 72, 1}, {28, 74, 3.5},
	{33, 76, 1}, {34, 79, 1}, {35, 76, 1}, {36, 74, 2.5}, {39, 71, 1}, {40, 72, 1.5}, {41.5, 77, 1.5}, {43, 76, 1}, {44, 76, 3},
	{48, 77, 1.5}, {49.5, 76, 1.5}, {51, 74, 1}, {52, 74, 2}, {54, 71, 2}, {56, 72, 2.5}, {59, 69, 1}, {60, 71, 2}, {62, 67, 1.8},
}

func music() []int16 {
	r := make([]float64, ring)
	for bar, notes := range chords {
		at := bar * 4 * beat
		for _, n := range notes[1:] {
			// Two voices a little apart in pitch make the chord float; unequal, so
			// that they never cancel out.
			pad(r, at, n, 4.2, 0.060, +0.9)
			pad(r, at, n, 4.2, 0.025, -0.9)
		}
		pluck(r, at, notes[0], 0.20, 1.6)
		pluck(r, at+2*beat+beat/2, notes[0]+12, 0.10, 2.2)
		// An eighth-note figure up and down the chord.
		for i, step := range []int{1, 2, 3, 4, 3, 2, 4, 3} {
			pluck(r, at+i*beat/2, notes[step]+12, 0.055, 4.5)
		}
	}
	for _, n := range tune {
		flute(r, int(n[0]*beat), n[1], n[2], 0.11)
	}
	echo(r)
	gain := math.Pow(10, (musicLevel-rms(r))/20)
	for i := range r {
		r[i] = soften(r[i] * gain)
	}
	return toPCM(r)
}

func hz(note float64) float64 { return 440 * math.Exp2((note-69)/12) }

// add puts n samples of f on the ring from at on.
func add(r []float64, at, n int, f func(t float64) float64) {
	for i := range n {
		r[(at+i)%len(r)] += f(float64(i) / rate)
	}
}

// partials sums harmonics that stay within the telephone band.
func partials(f, t float64, amps ...float64) float64 {
	v := 0.0
	for k, a := range amps {
		if h := f * float64(k+1); h < 3300 {
			v += a * math.Sin(2*math.Pi*h*t)
		}
	}
	return v
}

// pad is a soft chord voice: slow in, slow out, cents off pitch.
func pad(r []float64, at, note int, beats, level, cents float64) {
	f, length := hz(float64(note)+cents/100*3), beats*60/80
	add(r, at, int((length+1.0)*rate), func(t float64) float64 {
		env := math.Min(t/0.5, 1)
		if t > length {
			env = 1 - (t - length)
		}
		env = 0.5 - 0.5*math.Cos(math.Pi*env)
		return level * env * partials(f, t, 1, 0.35, 0.18, 0.06)
	})
}

// pluck is a string that dies away at decay per second, its overtones faster.
func pluck(r []float64, at, note int, level, decay float64) {
	f := hz(float64(note))
	add(r, at, int(6/decay*rate), func(t float64) float64 {
		in := math.Min(t/0.004, 1)
		v := 0.0
		for k := 1.0; k <= 5 && k*f < 3300; k++ {
			v += math.Sin(2*math.Pi*k*f*t) * math.Exp(-decay*t*(0.6+0.4*k)) / math.Pow(k, 1.4)
		}
		return level * in * v
	})
}

// flute carries the tune, with a vibrato that comes late.
func flute(r []float64, at int, note, beats, level float64) {
	f, length := hz(note), beats*60/80
	phase := 0.0
	add(r, at, int((length+0.3)*rate), func(t float64) float64 {
		env := math.Min(t/0.08, 1) * (0.75 + 0.25*math.Exp(-t*2))
		if t > length {
			env *= max(0, 1-(t-length)/0.3)
		}
		phase += 2 * math.Pi * f / rate * (1 + 0.004*math.Min(t/0.6, 1)*math.Sin(2*math.Pi*5*t))
		return level * env * (math.Sin(phase) + 0.22*math.Sin(2*phase) + 0.06*math.Sin(3*phase))
	})
}

// echo adds a few reflections, on the ring too.
func echo(r []float64) {
	dry := append([]float64(nil), r...)
	for _, e := range []struct {
		ms   int
		gain float64
	}{{43, 0.16}, {97, 0.14}, {187, 0.12}, {311, 0.09}, {541, 0.06}, {863, 0.035}} {
		d := e.ms * rate / 1000
		for i, v := range dry {
			r[(i+d)%len(r)] += e.gain * v
		}
	}
}
