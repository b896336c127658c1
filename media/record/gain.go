package record

import "math"

// gain brings one channel's speech slowly to one loudness. It is for recordings
// alone: nobody in the call hears it. It follows speech and not pauses, so that
// noise between words is not pulled up.
type gain struct {
	on    bool
	power float32 // mean square of recent speech, full scale 1
	now   float32 // factor in force; 0 before the first packet
}

const (
	gainTarget  = 0.1            // RMS of speech aimed at: -20 dB below full scale, as ITU-T P.56 levels in telephony lie at -26 to -18
	gainGate    = 0.00316        // below -50 dB it is no speech
	gainMax     = 8              // +18 dB
	gainMin     = 0.25           // -12 dB
	gainUp      = 1.00005        // a sample: 3.5 dB a second
	gainDown    = 1 / 1.0002     // a sample: 14 dB a second
	gainMemory  = 1.0 / 8000 / 1 // of a second: how fast power follows
	gainCeiling = 0.97           // no peak passes this
)

// apply changes pcm in place.
func (g *gain) apply(pcm []int16) {
	if len(pcm) == 0 {
		return
	}
	sum, peak := float32(0), int32(0)
	for _, s := range pcm {
		v := int32(s)
		sum += float32(v) * float32(v)
		peak = max(peak, v, -v)
	}
	mean := sum / float32(len(pcm)) / (32768 * 32768)
	if g.now == 0 {
		g.now = 1
	}
	want := g.now
	if mean > gainGate*gainGate {
		if g.power == 0 {
			g.power = mean
		}
		g.power += (mean - g.power) * min(1, gainMemory*float32(len(pcm)))
		want = min(max(gainTarget/float32(math.Sqrt(float64(g.power))), gainMin), gainMax)
	}
	if limit := gainCeiling * 32768 / float32(max(peak, 1)); g.now > limit {
		g.now = max(limit, gainMin) // at once: a clipped peak is worse than a small step
		want = min(want, g.now)
	} else {
		want = min(want, limit)
	}
	f := g.now
	for i, s := range pcm {
		switch {
		case f < want:
			f = min(f*gainUp, want)
		case f > want:
			f = max(f*gainDown, want)
		}
		pcm[i] = int16(min(max(float32(s)*f, -32768), 32767))
	}
	g.now = f
}
