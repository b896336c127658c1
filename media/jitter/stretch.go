package jitter

import "math"

const (
	minLag  = 20 // 2.5 ms
	maxLag  = maxPitch
	fadeLen = 80 // over which two places are joined
	// alike is the correlation at which a join is not heard.
	alike = 0.7
	// quiet is the mean square under which any join will do: -60 dBm0.
	quiet = 30 * 30
	// patience: so often it is tried before a poor join is taken.
	patience = 25
)

// adjust makes a frame with a longer or shorter delay, if that is needed and can
// be done without being heard.
func (b *Buffer) adjust(dst []int16) bool {
	if b.rest > 0 {
		b.rest--
		return false
	}
	if !b.known || b.plc.Lost() {
		return false
	}
	// Positive: too long a delay.
	off := b.want - (b.play - b.pulls)
	switch {
	case off <= -guard/2:
		if !b.all(b.play, frame) {
			return false
		}
		return b.lengthen(dst, off < -400)
	case off > excess && b.earlyN >= settle:
		if !b.all(b.play, frame+maxLag) {
			return false
		}
		return b.shorten(dst, off > 800)
	}
	return false
}

// lengthen inserts one period: the frame goes over into what was heard before.
func (b *Buffer) lengthen(dst []int16, urgent bool) bool {
	w := b.work[:histLen+frame]
	copy(w, b.plc.hist[:])
	b.read(w[histLen:], b.play)
	lag, ok := b.find(w, histLen, -1, urgent)
	if !ok {
		return false
	}
	join(dst, w[histLen:], w[histLen-lag:])
	b.finish(dst, frame-int64(lag), 2)
	b.stats.Inserted += uint64(lag)
	return true
}

// shorten leaves one period out.
func (b *Buffer) shorten(dst []int16, urgent bool) bool {
	w := b.work[:frame+maxLag]
	b.read(w, b.play)
	lag, ok := b.find(w, 0, 1, urgent)
	if !ok {
		return false
	}
	join(dst, w, w[lag:])
	rest := 10
	if urgent {
		rest = 2
	}
	b.finish(dst, frame+int64(lag), rest)
	b.stats.Removed += uint64(lag)
	return true
}

func (b *Buffer) finish(dst []int16, used int64, rest int) {
	b.plc.Good(dst)
	b.advance(used)
	b.gap, b.rest, b.tries = b.play, rest, 0
}

// join writes a frame that begins as a and goes on as b.
func join(dst, a, b []int16) { blend(dst[:frame], a, b, fadeLen) }

// blend is join over fade samples.
func blend(dst, a, b []int16, fade int) {
	for i := range fade {
		w := float32(i+1) / float32(fade+1)
		dst[i] = round(float32(a[i])*(1-w) + float32(b[i])*w)
	}
	copy(dst[fade:], b[fade:])
}

// find is the lag in direction dir at which the sound resembles that at w[at:].
func (b *Buffer) find(w []int16, at, dir int, urgent bool) (lag int, ok bool) {
	lag, best, here := resemblance(w, at, dir, 1)
	b.tries++
	if best < alike && here > quiet*fadeLen && b.tries < patience && !urgent {
		return 0, false
	}
	return lag, true
}

// resemblance is the lag in direction dir at which sound of k times 8 kHz is most
// like that at w[at:], the correlation there, and the energy. Every k-th sample does.
func resemblance(w []int16, at, dir, k int) (lag int, best, here float64) {
	part := w[at : at+fadeLen*k]
	for i := 0; i < len(part); i += k {
		here += float64(part[i]) * float64(part[i])
	}
	best = -2.0
	for l := minLag * k; l <= maxLag*k; l += k {
		o := w[at+dir*l:]
		var cross, energy float64
		for i := 0; i < len(part); i += k {
			x := float64(o[i])
			cross += float64(part[i]) * x
			energy += x * x
		}
		c := cross / math.Sqrt((here+1)*(energy+1))
		if c > best {
			lag, best = l, c
		}
	}
	return lag, best, here
}
