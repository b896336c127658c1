package music

import (
	"math"

	"github.com/centrala/centrala/media/play"
)

const (
	// levelWindow is how much is measured at a time, 3 s (the short-term loudness of
	// EBU Tech 3341).
	levelWindow = 3 * play.StreamRate
	// levelStep is how far the gain goes for each window, in dB: nobody hears it move.
	levelStep = 1.5
	// Bounds of the gain, in dB. Quieter than levelFloor is a pause, not music.
	mostGain, leastGain = 12.0, -24.0
	levelFloor          = -50.0 // LUFS
)

// leveller brings a broadcast slowly to one loudness; files are measured as a whole
// instead.
type leveller struct {
	target float64 // LUFS; 0 = leave it
	window []int16
	known  bool
	gain   float64 // dB
	now    float64 // factor in use, which follows gain
}

// apply changes pcm, which may have any length.
func (l *leveller) apply(pcm []int16) {
	if l.target == 0 {
		return
	}
	if l.now == 0 {
		l.now = 1
	}
	for _, v := range pcm {
		if l.window = append(l.window, v); len(l.window) == levelWindow || !l.known && len(l.window) == levelWindow/6 {
			l.measure()
		}
	}
	want := math.Pow(10, l.gain/20)
	const follow = 1.0 / (play.StreamRate / 4) // a quarter of a second
	for i, v := range pcm {
		l.now += (want - l.now) * follow
		pcm[i] = int16(min(max(float64(v)*l.now, -26000), 26000)) // -2 dB, as play's ceiling
	}
}

func (l *leveller) measure() {
	loud := play.Loudness(l.window, play.StreamRate)
	l.window = l.window[:0]
	if loud < levelFloor {
		return
	}
	want := min(max(l.target-loud, leastGain), mostGain)
	if !l.known { // the first is at once: nobody has heard anything yet
		l.known, l.gain, l.now = true, want, math.Pow(10, want/20)
		return
	}
	l.gain += min(max(want-l.gain, -levelStep), levelStep)
}
