// Package play holds sound that is played to a leg: clips read from WAV files,
// tones, silence, and a cache of clips by key.
//
// A Clip is immutable and shared by all who hear it. The package does not pace
// or send: media/session slices the encoded octets into packets. It owns no
// goroutine.
package play

import (
	"slices"
	"sync"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// frameSamples is 20 ms at 8 kHz, the packet size we send.
const frameSamples = 160

// Clip is immutable sound: 16-bit linear, 8 kHz, mono, a whole number of 20 ms
// frames. It is made once per source and law and shared by all who hear it.
// Methods may be called from any goroutine.
type Clip struct {
	name    string
	pcm     []int16
	samples int // before the last frame was filled up
	u, a    encoding
}

type encoding struct {
	once   sync.Once
	octets []byte
}

// newClip takes ownership of pcm. The last frame is filled up with silence, so
// that a caller can slice 160 octets anywhere on a frame boundary.
func newClip(name string, pcm []int16) *Clip {
	n := len(pcm)
	if odd := n % frameSamples; odd != 0 {
		pcm = append(pcm, make([]int16, frameSamples-odd)...)
	}
	return &Clip{name: name, pcm: slices.Clip(pcm), samples: n}
}

// NewClip returns a clip of a copy of pcm (16-bit linear, 8 kHz, mono).
func NewClip(name string, pcm []int16) *Clip { return newClip(name, slices.Clone(pcm)) }

// Name is what the clip was loaded as; for logs.
func (c *Clip) Name() string { return c.name }

// Frames returns the whole clip in law l, one octet a sample, a multiple of 160
// octets (20 ms). The slice is shared: it must not be written.
func (c *Clip) Frames(l codec.Law) []byte {
	e := &c.u
	if l == codec.PCMA {
		e = &c.a
	}
	e.once.Do(func() {
		e.octets = make([]byte, len(c.pcm))
		codec.Encode(l, e.octets, c.pcm)
	})
	return e.octets
}

// PCM returns the clip as 16-bit linear samples without the filling of its last
// frame. The slice is shared: it must not be written.
func (c *Clip) PCM() []int16 { return c.pcm[:c.samples:c.samples] }

// Duration is the clip's length, up to 20 ms less than what Frames holds.
func (c *Clip) Duration() time.Duration {
	return time.Duration(c.samples) * time.Second / codec.SampleRate
}

// bytes is what the clip may come to occupy: linear and both laws.
func (c *Clip) bytes() int64 { return int64(len(c.pcm))*4 + 256 }
