package dtmf

import (
	"math"
	"time"

	"github.com/centrala/centrala/media"
)

// A window is short enough that 40 ms of tone hold four whole ones (ITU-T Q.24, timing),
// and long enough that the next tone of a group falls into its first zero.
const (
	window = 102 // samples: 12.75 ms at 8 kHz
	hop    = window / 2
)

// What a window must be to hold a key, and a key to be one. The values in quotes are
// ITU-T Q.24's, which leaves them to the administrations; those of AT&T and NTT.
const (
	// leastPeak is the weakest tone: -40 dBm0. Q.24: -25 dBm must be taken; what is
	// below -55 must not.
	leastPeak = 22827 * 0.01 // full scale sine is +3.14 dBm0
	// A high group up to 4 dB above the low one and 8 dB below it ("twist"), and 2 and 4 dB
	// more for what lines add, and what a window lets through of the other tone.
	mostTwist    = 6.0
	mostRevTwist = 12.0
	// leastAbove is by how much a tone stands above the others of its group: 6 dB. The
	// window lets through as much of a strong tone of the other group.
	leastAbove = 4.0
	// purity is the least part of a window's power that the two tones are: noise and
	// speech 5 dB below may be there, another sound may not.
	purity = 0.75
	// mostOff is how far a tone may be off: 1.5 % must be taken, 3.5 % must not.
	mostOff = 0.025
	// windows that begin a key one after another, and that end it. 23 ms of tone are no
	// key, a break of 10 ms does not end one, 40 ms of pause do.
	begins = 4
	ends   = 5
)

// Detector finds keys in sound: for peers that send them in-band, as tones. It takes
// any number of samples at 8 kHz at a time and keeps a window of them; it allocates
// nothing. The zero value is ready.
type Detector struct {
	buf  [window]int16
	n    int   // samples in buf
	at   int64 // samples taken, to the end of buf
	prev [8]complex128
	warm bool // prev is of the window before

	code   uint8 // seen in the last windows
	run    int   // how many
	since  int64 // when the first of them began
	down   bool  // the key is told to be down
	missed int   // windows without it since
	until  int64 // the end of the last window with it
}

// tones are the eight, low group first.
var tones = func() (t [8]float64) {
	copy(t[:], low[:])
	copy(t[4:], high[:])
	return t
}()

// turn is e^(-jw) for a step of one sample.
var turn = func() (t [8]complex128) {
	for i, hz := range tones {
		s, c := math.Sincos(2 * math.Pi * hz / media.ClockRate)
		t[i] = complex(c, -s)
	}
	return t
}()

// codeOf is the event code of a row and a column.
var codeOf = func() (t [4][4]uint8) {
	for code := range row {
		t[row[code]][col[code]] = uint8(code)
	}
	return t
}()

// Reset forgets what was heard; a key that was down is let go, and told.
func (d *Detector) Reset() (p Press, ok bool) {
	if d.down {
		p, ok = d.press(), true
	}
	*d = Detector{}
	return p, ok
}

// Put takes sound and tells of keys that were let go in it: those of released, of which
// n are set. More than its length do not fit into 200 ms.
func (d *Detector) Put(pcm []int16) (released [4]Press, n int) {
	for len(pcm) > 0 {
		k := copy(d.buf[d.n:], pcm)
		d.n, d.at, pcm = d.n+k, d.at+int64(k), pcm[k:]
		if d.n < window {
			break
		}
		if p, ok := d.take(d.look()); ok && n < len(released) {
			released[n] = p
			n++
		}
		d.n = copy(d.buf[:], d.buf[hop:])
	}
	return released, n
}

// Down tells whether a key is down, and which.
func (d *Detector) Down() (code uint8, down bool) { return d.code, d.down }

// take counts a window that holds code, or noKey.
func (d *Detector) take(code uint8) (p Press, ok bool) {
	if d.down {
		if code == d.code {
			d.missed, d.until = 0, d.at
			return p, false
		}
		if d.missed++; d.missed < ends {
			return p, false
		}
		p, ok = d.press(), true
		d.down, d.run = false, 0
		// The next key may have begun in the windows that ended this one.
	}
	switch {
	case code == noKey:
		d.run = 0
	case d.run > 0 && code == d.code:
		d.run++
	default:
		d.code, d.run, d.since = code, 1, d.at-window
	}
	if d.run == begins {
		d.down, d.missed, d.until = true, 0, d.at
	}
	return p, ok
}

func (d *Detector) press() Press {
	key, _ := Key(d.code)
	return Press{Key: key, Duration: time.Duration(d.until-d.since) * time.Second / media.ClockRate}
}

const noKey = 0xFF

// look tells which key the window holds.
func (d *Detector) look() uint8 {
	var power float64
	for _, v := range d.buf {
		power += float64(v) * float64(v)
	}
	before, warm := d.prev, d.warm
	// Not worth the look: two tones of the least level.
	if power < window*leastPeak*leastPeak {
		d.warm = false
		return noKey
	}
	z := &d.prev
	group(z[:4], &d.buf, turn[:4])
	r := strongest(z[:4])
	d.warm = r >= 0
	if r < 0 {
		return noKey // and so it is with most windows of speech
	}
	group(z[4:], &d.buf, turn[4:])
	c := strongest(z[4:])
	if c < 0 || !warm {
		return noKey
	}
	lo, hi := z[r], z[4+c]
	offLo, offHi := off(before[r], lo, r), off(before[4+c], hi, 4+c)
	if max(math.Abs(offLo)/tones[r], math.Abs(offHi)/tones[4+c]) > mostOff {
		return noKey
	}
	// The power of each tone, with what the window takes from one that is off.
	pl, ph := squared(lo)/response(offLo), squared(hi)/response(offHi)
	if weakest := min(pl, ph); weakest < leastPeak*leastPeak/4*window*window {
		return noKey
	}
	if twist := 10 * math.Log10(ph/pl); twist > mostTwist || twist < -mostRevTwist {
		return noKey
	}
	// |Z|^2 of a sine of peak A is (A N / 2)^2, its power over the window A^2 N / 2.
	if (pl+ph)*2/window < purity*power {
		return noKey
	}
	return codeOf[r][c]
}

// group is the sum of x[t] e^(-jwt) for four tones. Goertzel's recursion gives it in one
// real multiplication a sample; the four are independent, so they go side by side.
func group(z []complex128, x *[window]int16, turn []complex128) {
	_, _ = z[3], turn[3]
	k0, k1, k2, k3 := 2*real(turn[0]), 2*real(turn[1]), 2*real(turn[2]), 2*real(turn[3])
	var a0, a1, a2, a3, b0, b1, b2, b3 float64
	for _, s := range x {
		v := float64(s)
		a0, b0 = v+k0*a0-b0, a0
		a1, b1 = v+k1*a1-b1, a1
		a2, b2 = v+k2*a2-b2, a2
		a3, b3 = v+k3*a3-b3, a3
	}
	// a - e^(-jw) b is the sum but for the phase of the last sample.
	for i, s := range [4][2]float64{{a0, b0}, {a1, b1}, {a2, b2}, {a3, b3}} {
		z[i] = complex(s[0]-real(turn[i])*s[1], -imag(turn[i])*s[1])
	}
}

// off is by how many Hz the tone i of two windows, a hop apart, is off its own: its
// phase goes round by 2 pi hz hop / 8000, and what it went more tells. Each window's z
// counts from its own last sample.
func off(before, now complex128, i int) float64 {
	if before == 0 {
		return math.Inf(1)
	}
	went := math.Atan2(imag(now), real(now)) - math.Atan2(imag(before), real(before))
	more := math.Remainder(went-2*math.Pi*tones[i]*hop/media.ClockRate, 2*math.Pi)
	return more * media.ClockRate / (2 * math.Pi * hop)
}

// response is the part of a tone's power that a window finds at so many Hz beside it.
func response(offHz float64) float64 {
	x := math.Pi * offHz * window / media.ClockRate
	if math.Abs(x) < 1e-6 {
		return 1
	}
	v := math.Sin(x) / x
	return max(v*v, 0.1)
}

func squared(z complex128) float64 { return real(z)*real(z) + imag(z)*imag(z) }

// strongest is the tone that stands above the others of its group, -1 none.
func strongest(group []complex128) int {
	best, second := -1, 0.0
	first := 0.0
	for i, z := range group {
		switch p := squared(z); {
		case p > first:
			best, first, second = i, p, first
		case p > second:
			second = p
		}
	}
	if first < second*leastAbove {
		return -1
	}
	return best
}
