// Package quality says how good a call sounds, from figures of its line: the
// E-model of ITU-T G.107 (06/2015) with the impairments of G.113 Appendix I, and
// a Meter that keeps its values second by second. It is pure: no I/O, no clock,
// no goroutine.
//
// The scale is the narrow-band one: the best that G.711 can have is R 93.2, MOS
// 4.41. G.113 Appendix I has no figures on this scale for G.722 and Opus; they are
// taken as G.711 with concealment, so that what is told of them is the line, not
// the codec.
package quality

import (
	"math"
	"strings"
	"sync"
	"time"
)

// Codec is what G.113 says of a codec.
type Codec struct {
	// Ie is the equipment impairment without loss (G.113 Table I.1), 0-95.
	Ie float64
	// Bpl is the robustness against loss (G.113 Table I.4), > 0.
	Bpl float64
}

// concealed is G.711 with the concealment of its Appendix I, which ours is at
// least: Ie 0, Bpl 25.1 (G.113 Table I.4; without any it would be 4.3).
var concealed = Codec{0, 25.1}

// G.113 Appendix I, Table I.4, by the names of RFC 3551.
var codecs = map[string]Codec{
	"PCMU": concealed,
	"PCMA": concealed,
	"G729": {11, 19}, // G.729 Annex A with VAD
	"G723": {15, 16.1},
	"GSM":  {20, 4.3}, // GSM-FR; G.113 has no Bpl: that of no concealment
}

// CodecOf finds a codec by its name in SDP, whatever its case. One that G.113 does
// not list is taken as G.711 with concealment.
func CodecOf(name string) Codec {
	if c, ok := codecs[name]; ok {
		return c
	}
	if c, ok := codecs[strings.ToUpper(name)]; ok {
		return c
	}
	return concealed
}

// Path is one direction of a line, from the mouth to the ear.
type Path struct {
	// Delay is the one-way delay Ta: network, packets, jitter buffer.
	Delay time.Duration
	// Loss is the share of packets that are not heard, 0-1: lost, or too late.
	Loss float64
	// BurstR is the mean length of runs of lost packets over that of losses at
	// random (G.107 7.5): 1 = random. Less is taken as 1, more than maxBurst as that.
	BurstR float64
	Codec  Codec
}

// maxBurst bounds what few packets make of BurstR. The model was not tried beyond.
const maxBurst = 8

// Default values of G.107 Table 2.
const (
	slr, rlr   = 8.0, 2.0 // loudness ratings, dB
	olr        = slr + rlr
	stmr       = 15.0 // sidetone masking
	dr, ds     = 3.0, 3.0
	lstr       = stmr + dr
	telr       = 65.0 // talker echo loudness
	wepl       = 110.0
	nc, nfor   = -70.0, -64.0
	ps, pr     = 35.0, 35.0 // room noise, dB(A)
	qdu        = 1.0
	meanDelay  = 100.0 // mT, ms: delay that is not noticed
	delaySense = 1.0   // sT
)

// What the default values make of the formulas that no line changes.
var ro, no = basicRatio()

// basicRatio is G.107 7.2: the signal to noise ratio Ro, and the noise No.
func basicRatio() (ro, no float64) {
	pre := pr + 10*math.Log10(1+math.Pow(10, (10-lstr)/10))          // 7-6
	nos := ps - slr - ds - 100 + 0.004*(ps-olr-ds-14)*(ps-olr-ds-14) // 7-4
	nor := rlr - 121 + pre + 0.008*(pre-35)*(pre-35)                 // 7-5
	nfo := nfor + rlr                                                // 7-7
	sum := power(nc) + power(nos) + power(nor) + power(nfo)          // 7-3
	no = 10 * math.Log10(sum)
	return 15 - 1.5*(slr+no), no // 7-2
}

func power(db float64) float64 { return math.Pow(10, db/10) }

// root is the n-th root of 1 + x to the n, the bend that G.107 uses all over.
func root(x, n float64) float64 { return math.Pow(1+math.Pow(x, n), 1/n) }

// simultaneous is G.107 7.3: Is, for an echo delay of ms.
func simultaneous(ms float64) float64 {
	xolr := olr + 0.2*(64+no-rlr)                                        // 7-10
	iolr := 20 * (root(xolr/8, 8) - xolr/8)                              // 7-9
	stmro := -10 * math.Log10(power(-stmr)+math.Exp(-ms/4)*power(-telr)) // 7-12
	ist := 12*root((stmro-13)/6, 8) - 28*root((stmro+1)/19.4, 35) -
		13*root((stmro-3)/33, 13) + 29 // 7-11
	q := 37 - 15*math.Log10(qdu)                             // 7-17
	g := 1.07 + 0.258*q + 0.0602*q*q                         // 7-16
	y := (ro-100)/15 + 46/8.4 - g/9                          // 7-14
	z := 46.0/30 - g/40                                      // 7-15
	iq := 15 * math.Log10(1+math.Pow(10, y)+math.Pow(10, z)) // 7-13
	return iolr + ist + iq
}

// delayed is G.107 7.4: Id for a one-way delay of ms, whose echo takes as long back.
func delayed(ms float64) float64 {
	// Talker echo, 7-19 to 7-22.
	idte := 0.0
	if ms >= 1 {
		terv := telr - 40*math.Log10((1+ms/10)/(1+ms/150)) + 6*math.Exp(-0.3*ms*ms)
		d := (-1.5*(no-rlr) - (80 + 2.5*(terv-14))) / 2
		idte = (d + math.Sqrt(d*d+100) - 1) * (1 - math.Exp(-ms))
	}
	// Listener echo, 7-25 and 7-26.
	rle := 10.5 * (wepl + 7) * math.Pow(2*ms+1, -0.25)
	d := (ro - rle) / 2
	idle := d + math.Sqrt(d*d+169)
	// Delay as such, 7-27 and 7-28.
	idd := 0.0
	if ms > meanDelay {
		x := math.Log2(ms / meanDelay)
		idd = 25 * (root(x, 6*delaySense) - 3*root(x/3, 6*delaySense) + 2)
	}
	return idte + idle + idd
}

// EffectiveIe is Ie-eff of G.107 7-29, for loss in per cent.
func EffectiveIe(c Codec, percent, burstR float64) float64 {
	burstR = min(max(burstR, 1), maxBurst)
	return c.Ie + (95-c.Ie)*percent/(percent/burstR+c.Bpl)
}

// R is the transmission rating of p (G.107 7-1): R = Ro - Is - Id - Ie-eff, with the
// default values and without an advantage factor. 93.2 is the best; it may fall
// below 0.
func R(p Path) float64 {
	ms := min(max(float64(p.Delay)/float64(time.Millisecond), 0), 10_000)
	loss := min(max(p.Loss, 0), 1)
	c := p.Codec
	if c.Bpl <= 0 {
		c.Bpl = concealed.Bpl
	}
	return undamaged(ms) - EffectiveIe(c, 100*loss, p.BurstR)
}

// rStep is the grid, in ms, on which what depends on the delay alone is kept: its
// formulas take 2 µs, and every leg asks every second.
const rStep = 4

var rTable = sync.OnceValue(func() []float64 {
	t := make([]float64, 1000/rStep+2)
	for i := range t {
		ms := float64(i * rStep)
		t[i] = ro - simultaneous(ms) - delayed(ms)
	}
	return t
})

// undamaged is R without loss.
func undamaged(ms float64) float64 {
	if ms >= 1000 {
		return ro - simultaneous(ms) - delayed(ms)
	}
	t, at := rTable(), ms/rStep
	i := int(at)
	return t[i] + (t[i+1]-t[i])*(at-float64(i))
}

// MOS is the mean opinion score that belongs to r (G.107 Annex B, B-4): 1 to 4.5.
func MOS(r float64) float64 {
	switch {
	case r <= 0 || math.IsNaN(r):
		return 1
	case r >= 100:
		return 4.5
	}
	return max(1+0.035*r+r*(r-60)*(100-r)*7e-6, 1) // under R 6.5 the formula falls below 1
}

// BurstRatio is BurstR (G.107 7.5) of packets of which lost were lost in runs
// runs: the mean run over 1/(1-Ppl), which it would be at random. 1 without loss.
func BurstRatio(expected, lost, runs uint64) float64 {
	if lost == 0 || runs == 0 || lost >= expected {
		return 1
	}
	return float64(lost) / float64(runs) * (1 - float64(lost)/float64(expected))
}

// BufferDelay guesses what the jitter buffer of a receiver adds that we do not see:
// one packet and twice the jitter (RFC 3550 A.8), 20 to 200 ms.
func BufferDelay(jitter, packet time.Duration) time.Duration {
	return min(max(2*jitter+packet, 20*time.Millisecond), 200*time.Millisecond)
}
