// Package mix adds sounds: frames of 20 ms of 16-bit samples from any number of
// sources, each listener's sum without his own, limited so that loud sources
// together do not break. It is pure, allocates nothing and starts no goroutine.
package mix

import "github.com/centrala/centrala/media"

const frame = media.FrameSamples

// Sum is one frame under addition. It holds 65,536 sources of full scale.
type Sum [frame]int32

// Reset makes s silent.
func (s *Sum) Reset() { *s = Sum{} }

// Add adds a source's frame of media.FrameSamples samples.
func (s *Sum) Add(pcm []int16) {
	for i, v := range pcm[:frame] {
		s[i] += int32(v)
	}
}

// Sub takes out what Add put in.
func (s *Sum) Sub(pcm []int16) {
	for i, v := range pcm[:frame] {
		s[i] -= int32(v)
	}
}

const (
	ceiling = 32767
	// attack: the gain falls within 2 ms, so that the fall is not a click; what
	// exceeds meanwhile is cut.
	attack = 16
	// release: it rises by 0.26 dB a frame, 13 dB a second, which is not heard as
	// pumping.
	release = 1.03
)

// Limiter turns sums into sound for one listener. The zero value is ready.
type Limiter struct {
	loss float32 // 1 less the gain at the end of the last frame
}

// Open tells that nothing is being held down: the listener hears the plain sum.
func (l *Limiter) Open() bool { return l.loss == 0 }

// Apply writes s into dst, which holds media.FrameSamples.
func (l *Limiter) Apply(dst []int16, s *Sum) {
	dst = dst[:frame]
	var peak int32
	for _, v := range s {
		peak = max(peak, v, -v)
	}
	gain, target := 1-l.loss, float32(1)
	if peak > ceiling {
		target = ceiling / float32(peak)
	}
	if gain == 1 && target == 1 {
		for i, v := range s {
			dst[i] = int16(v)
		}
		return
	}
	n, end := frame, min(gain*release, target)
	if target < gain {
		n, end = attack, target
	}
	step := (end - gain) / float32(n)
	for i, v := range s {
		if i < n {
			gain += step
		} else {
			gain = end
		}
		dst[i] = int16(min(max(float32(v)*gain, -ceiling), ceiling))
	}
	l.loss = 1 - end
	if l.loss < 1e-6 {
		l.loss = 0
	}
}
