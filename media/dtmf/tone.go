package dtmf

import (
	"math"

	"github.com/centrala/centrala/media"
)

// ITU-T Q.23: the low group by row, the high group by column, in Hz.
var (
	low  = [4]float64{697, 770, 852, 941}
	high = [4]float64{1209, 1336, 1477, 1633}
	// row and column of each event code.
	row = [16]uint8{3, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 0, 1, 2, 3}
	col = [16]uint8{1, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 3, 3, 3, 3}
)

// Peak levels of 16-bit sound, where full scale is +3.14 dBm0: low group -9 dBm0,
// high group -7 dBm0 (ITU-T Q.24 annex: the high group is up to 2 dB stronger).
var (
	lowPeak  = 32767 * math.Pow(10, (-9-3.14)/20)
	highPeak = 32767 * math.Pow(10, (-7-3.14)/20)
)

// Frequencies are the two tones of an event code, in Hz; zeros for no key.
func Frequencies(code uint8) (lowHz, highHz float64) {
	if code > 15 {
		return 0, 0
	}
	return low[row[code]], high[col[code]]
}

// Tone writes the sound of code into dst, beginning pos samples into the tone, so
// that frames join without a click. Codes that are no key give silence.
func Tone(dst []int16, code uint8, pos int) {
	lo, hi := Frequencies(code)
	if lo == 0 {
		clear(dst)
		return
	}
	wl, wh := 2*math.Pi*lo/media.ClockRate, 2*math.Pi*hi/media.ClockRate
	for i := range dst {
		t := float64(pos + i)
		dst[i] = int16(lowPeak*math.Sin(wl*t) + highPeak*math.Sin(wh*t))
	}
}
