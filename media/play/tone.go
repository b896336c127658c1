package play

import (
	"math"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// G.711 6: a sine of full scale has +3.14 dBm0 under A-law and +3.17 dBm0 under
// µ-law. One figure serves both; the difference cannot be heard.
const fullScaleDBm0 = 3.14

// toneLevel is the level of call progress tones (ITU-T E.180 4.2: -10 dBm0 nominal).
const toneLevel = -10

// maxGenerated bounds what Silence and Tone allocate.
const maxGenerated = time.Hour

func samplesOf(d time.Duration) int {
	d = min(max(d, 0), maxGenerated)
	return int(d * codec.SampleRate / time.Second)
}

// Silence returns d of silence (0 to 1 h; more is cut).
func Silence(d time.Duration) *Clip { return newClip("silence", make([]int16, samplesOf(d))) }

// Tone returns d (0 to 1 h; more is cut) of the sum of sines of freqHz, each
// at levelDBm0, starting at phase zero. It is not faded, so that a length of
// whole cycles loops without a click. A sum above full scale is clipped.
// Frequencies outside 0-4000 Hz are left out.
func Tone(d time.Duration, levelDBm0 float64, freqHz ...float64) *Clip {
	pcm := make([]int16, samplesOf(d))
	addTone(pcm, levelDBm0, freqHz...)
	return newClip("tone", pcm)
}

func addTone(pcm []int16, levelDBm0 float64, freqHz ...float64) {
	peak := math.MaxInt16 * math.Pow(10, (levelDBm0-fullScaleDBm0)/20)
	for i := range pcm {
		var sum float64
		for _, f := range freqHz {
			if f > 0 && f < codec.SampleRate/2 {
				sum += math.Sin(2 * math.Pi * f * float64(i) / codec.SampleRate)
			}
		}
		pcm[i] = clamp16(sum * peak)
	}
}

// cadence returns one cycle of a tone that is on and then off.
func cadence(name string, on, off time.Duration, freqHz ...float64) *Clip {
	pcm := make([]int16, samplesOf(on)+samplesOf(off))
	addTone(pcm[:samplesOf(on)], toneLevel, freqHz...)
	return newClip(name, pcm)
}

// The tones are E.180's European ones: 425 Hz.

// RingBack returns one cycle of the ringing tone, to be looped: 425 Hz, 1 s on,
// 4 s off.
func RingBack() *Clip { return cadence("ringback", time.Second, 4*time.Second, 425) }

// Busy returns one cycle of the busy tone, to be looped: 425 Hz, 0.5 s on, 0.5 s off.
func Busy() *Clip { return cadence("busy", time.Second/2, time.Second/2, 425) }

// Congestion returns one cycle of the congestion tone, to be looped: 425 Hz,
// 0.2 s on, 0.2 s off.
func Congestion() *Clip { return cadence("congestion", time.Second/5, time.Second/5, 425) }

// Waiting returns one cycle of the sound that says "please wait", to be looped: two
// soft short tones, then 2.7 s of nothing.
func Waiting() *Clip {
	const level = -26 // dBm0: it says that somebody is there, and disturbs no thought
	pcm := make([]int16, samplesOf(3*time.Second))
	tone := samplesOf(100 * time.Millisecond) // 44 whole cycles
	addTone(pcm[:tone], level, 440)
	addTone(pcm[2*tone:3*tone], level, 440)
	return newClip("waiting", pcm)
}

// Dial returns one second of the dial tone, to be looped: 425 Hz, steady.
func Dial() *Clip { return cadence("dial", time.Second, 0, 425) }

func clamp16(v float64) int16 {
	return int16(math.Round(min(max(v, math.MinInt16), math.MaxInt16)))
}
