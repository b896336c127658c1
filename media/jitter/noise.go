package jitter

import "math"

const (
	// loudest is the level in -dBov that a peer's noise is held to: what it calls
	// background is not to be shouted.
	loudest = 30
	// maxOrder bounds the filter; RFC 3389 3.2 finds 10 enough.
	maxOrder = 12
)

// Noise is comfort noise by RFC 3389: white noise of a level, through an all-pole
// filter when the peer told its shape. The zero value is silent.
type Noise struct {
	gain  float32 // of the excitation: its peak
	order int
	k     [maxOrder]float32 // reflection coefficients
	b     [maxOrder + 1]float32
	seed  uint32
}

// Take reads a comfort noise payload: a level, and reflection coefficients or none
// (RFC 3389 3). False when it is empty.
func (n *Noise) Take(payload []byte) bool {
	if len(payload) == 0 {
		return false
	}
	n.order = min(len(payload)-1, maxOrder)
	white := float32(1) // share of the power that the excitation has
	for i, q := range payload[1 : 1+n.order] {
		k := float32(258*(min(int(q), 254)-127)) / 32768 // 3.2
		k = min(max(k, -.98), .98)                       // nearer to 1 it is a whistle, and of no level
		n.k[i] = k
		white *= 1 - k*k
	}
	n.level(rms(float64(max(payload[0]&0x7F, loudest))) * math.Sqrt(float64(white)))
	return true
}

// Flat sets noise without shape, of mean square ms.
func (n *Noise) Flat(ms float64) {
	n.order = 0
	n.level(math.Sqrt(max(ms, 0)))
}

// level is of the excitation, as RMS; evenly spread noise has its peak sqrt(3) higher.
func (n *Noise) level(rms float64) { n.gain = float32(min(rms*math.Sqrt(3), 32767)) }

// rms of a level in -dBov: 0 dBov is a square wave of full scale (RFC 3389 3.1).
func rms(minusDBov float64) float64 { return 32768 * math.Pow(10, -minusDBov/20) }

// Fill writes noise that goes on from the last.
func (n *Noise) Fill(dst []int16) {
	for i := range dst {
		// Numerical Recipes' generator: noise, not secrecy.
		n.seed = n.seed*1664525 + 1013904223
		f := n.gain * float32(int32(n.seed)) / (1 << 31)
		// All-pole lattice: from the last coefficient to the first.
		for m := n.order - 1; m >= 0; m-- {
			f -= n.k[m] * n.b[m]
			n.b[m+1] = n.b[m] + n.k[m]*f
		}
		n.b[0] = f
		dst[i] = round(f)
	}
}

// floor follows the level of what lies under the voice: the quietest 20 ms, which
// may rise slowly.
type floor struct {
	ms   float64 // mean square
	seen int
}

const (
	// floorRise a frame: 3 dB a second.
	floorRise = 1.0139
	// floorMost is the loudest that is taken for background: -45 dBov.
	floorMost = 32768 * 32768 / 31623.0
	// floorSure frames must have been heard before noise of ours is made.
	floorSure = 50
)

func (f *floor) take(pcm []int16) {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	ms := sum / float64(len(pcm))
	if f.seen == 0 || ms < f.ms*floorRise+1e-3 {
		f.ms = ms
	} else {
		f.ms = f.ms*floorRise + 1e-3
	}
	f.seen++
}
