package play

import (
	"math"
	"time"
)

// Loudness of a file is brought to one level, so that no prompt is louder than the
// next: measured as ITU-R BS.1770-5 and EBU R 128 do, in LUFS.
const (
	// DefaultLoudness is the target: a caller hears a telephone's nominal speech
	// level, about -20 dBm0 (ITU-T P.56), so.
	DefaultLoudness = -21.0
	// maxGain bounds how much a quiet file is raised: behind it is mostly noise.
	maxGain = 20.0 // dB
	// ceiling is the highest sample left, in dB below full scale: the loudest
	// syllable may not be clipped, nor a codec driven to its edge.
	ceiling = -2.0
	// BS.1770-5: blocks of 400 ms, three quarters of each in the next; gates.
	block         = 400 * time.Millisecond
	absoluteGate  = -70.0 // LUFS
	relativeGate  = -10.0 // LU
	loudnessBase  = -0.691
	decibelFactor = 10
)

// biquad is a filter of second order, direct form I transposed.
type biquad struct{ b0, b1, b2, a1, a2, z1, z2 float64 }

func (f *biquad) step(x float64) float64 {
	y := f.b0*x + f.z1
	f.z1 = f.b1*x - f.a1*y + f.z2
	f.z2 = f.b2*x - f.a2*y
	return y
}

// weighting is the K filter of BS.1770-5, annex 1, for any rate. The
// recommendation gives coefficients for 48 kHz only; these are the analogue
// filters behind them, brought over by the bilinear transform.
func weighting(rate int) (shelf, high biquad) {
	const (
		shelfHz, shelfDB, shelfQ = 1681.974450955533, 3.999843853973347, 0.7071752369554196
		highHz, highQ            = 38.13547087602444, 0.5003270373238773
	)
	k := math.Tan(math.Pi * shelfHz / float64(rate))
	vh := math.Pow(10, shelfDB/20)
	vb := math.Pow(vh, 0.4996667741545416)
	a0 := 1 + k/shelfQ + k*k
	shelf = biquad{b0: (vh + vb*k/shelfQ + k*k) / a0, b1: 2 * (k*k - vh) / a0, b2: (vh - vb*k/shelfQ + k*k) / a0,
		a1: 2 * (k*k - 1) / a0, a2: (1 - k/shelfQ + k*k) / a0}
	k = math.Tan(math.Pi * highHz / float64(rate))
	a0 = 1 + k/highQ + k*k
	high = biquad{b0: 1, b1: -2, b2: 1, a1: 2 * (k*k - 1) / a0, a2: (1 - k/highQ + k*k) / a0}
	return shelf, high
}

// Loudness measures linear sound of one channel at rate Hz: integrated and gated,
// in LUFS. A sine of full scale at 1 kHz has -3.0. Sound shorter than one block of
// 400 ms is measured as a whole. Silence has minus infinity.
func Loudness(pcm []int16, rate int) float64 {
	shelf, high := weighting(rate)
	quarter := int(int64(rate) * int64(block) / int64(time.Second) / 4)
	var quarters []float64 // sum of squares of each 100 ms
	var sum float64
	for i, s := range pcm {
		y := high.step(shelf.step(float64(s) / 32768))
		sum += y * y
		if (i+1)%quarter == 0 {
			quarters = append(quarters, sum)
			sum = 0
		}
	}
	if len(quarters) < 4 {
		for _, q := range quarters {
			sum += q
		}
		return level(sum / float64(max(len(pcm), 1)))
	}
	var blocks []float64 // mean squares
	for i := 3; i < len(quarters); i++ {
		blocks = append(blocks, (quarters[i-3]+quarters[i-2]+quarters[i-1]+quarters[i])/float64(4*quarter))
	}
	gate := math.Pow(decibelFactor, (absoluteGate-loudnessBase)/decibelFactor)
	if mean, n := above(blocks, gate); n > 0 {
		gate = max(gate, mean*math.Pow(decibelFactor, relativeGate/decibelFactor))
	}
	mean, _ := above(blocks, gate)
	return level(mean)
}

// above is the mean of the blocks over a gate.
func above(blocks []float64, gate float64) (mean float64, n int) {
	for _, b := range blocks {
		if b > gate {
			mean += b
			n++
		}
	}
	return mean / float64(max(n, 1)), n
}

func level(meanSquare float64) float64 {
	return loudnessBase + decibelFactor*math.Log10(meanSquare)
}

// Even returns the clip at the loudness target in LUFS, or c itself when it is
// there within 0.1, or is silent. It is raised by at most 20 dB, and never so far
// that its loudest sample comes within 2 dB of full scale.
func (c *Clip) Even(target float64) *Clip {
	pcm, rate := c.pcm[:c.samples], narrow
	if c.high != nil {
		pcm, rate = c.high, wide
	}
	is := Loudness(pcm, rate)
	if math.IsInf(is, 0) || math.IsNaN(is) {
		return c
	}
	peak := 1
	for _, s := range pcm {
		peak = max(peak, int(s), -int(s))
	}
	gain := min(target-is, maxGain, max(ceiling-20*math.Log10(float64(peak)/32768), min(target-is, 0)))
	if math.Abs(gain) < 0.1 {
		return c
	}
	factor := math.Pow(10, gain/20)
	out := newClip(c.name, scaled(c.pcm[:c.samples], factor))
	if c.high != nil {
		out.widen(scaled(c.high, factor))
	}
	return out
}

func scaled(pcm []int16, factor float64) []int16 {
	out := make([]int16, len(pcm))
	for i, s := range pcm {
		out[i] = clamp16(float64(s) * factor)
	}
	return out
}
