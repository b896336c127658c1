// Package vad tells voice from the noise of a line. It is not speech recognition: it
// hears level alone, which is enough to end a message when its speaker has fallen
// silent. No goroutine, no allocation.
package vad

import "math"

const (
	// quietest is what no line's noise is below, in dBov (RFC 6464): the floor it starts
	// from. Comfort noise and idle codecs lie between -70 and -55.
	quietest = -60.0
	// above is how far voice stands out from the floor, in dB. Voice in 20 ms pieces lies
	// 15 to 40 dB over the noise of a telephone line; breath and clicks mostly below 9.
	above = 9.0
	// least is what is never voice, whatever the floor, in dBov.
	least = -48.0
	// rise is how fast the floor follows a noise that begins, in dB a second: a fan is
	// noise after some ten seconds, a long sentence never is.
	rise = 2.0
)

// Detector hears one side of a line. The zero value is ready.
type Detector struct {
	floor float64 // of the noise, relative to quietest
}

// Voice tells whether somebody speaks in pcm, a piece of 10 to 60 ms at rate Hz. An
// empty one is silence.
func (d *Detector) Voice(rate int, pcm []int16) bool {
	if len(pcm) == 0 || rate <= 0 {
		return false
	}
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	level := quietest * 2
	if sum > 0 {
		level = 10 * math.Log10(sum/float64(len(pcm))/(math.MaxInt16*math.MaxInt16))
	}
	floor := quietest + d.floor
	if level < floor {
		d.floor = max(level, quietest) - quietest
	} else {
		d.floor += min(rise*float64(len(pcm))/float64(rate), level-floor)
	}
	return level > max(floor+above, least)
}
