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
	"github.com/centrala/centrala/media/resample"
)

const (
	narrow = codec.SampleRate
	wide   = 16000
	// frameSamples is 20 ms at 8 kHz, the packet size we send.
	frameSamples = 160
)

// Clip is immutable sound: 16-bit linear, mono, a whole number of 20 ms frames, at
// 8 kHz, and at 16 kHz where its source has more than telephone sound. It is encoded
// once for each codec and shared by all who hear it. Methods may be called from any
// goroutine.
type Clip struct {
	name    string
	pcm     []int16
	high    []int16 // at 16 kHz, as long as pcm; nil = the source has no more
	samples int     // of pcm, before the last frame was filled up
	u, a    encoding
	g722    encoding
	opus    packets
	live    *Live // in place of all that; nil: the clip has its sound in it
}

type encoding struct {
	once   sync.Once
	octets []byte
}

type packets struct {
	once sync.Once
	list [][]byte
}

// newClip takes ownership of pcm. The last frame is filled up with silence, so
// that a caller can slice 160 octets anywhere on a frame boundary.
func newClip(name string, pcm []int16) *Clip {
	n := len(pcm)
	return &Clip{name: name, pcm: fillUp(pcm, frameSamples), samples: n}
}

func fillUp(pcm []int16, frame int) []int16 {
	if odd := len(pcm) % frame; odd != 0 {
		pcm = append(pcm, make([]int16, frame-odd)...)
	}
	return slices.Clip(pcm)
}

// widen takes ownership of the same sound at 16 kHz.
func (c *Clip) widen(pcm []int16) {
	n := 2 * len(c.pcm)
	if len(pcm) < n {
		pcm = append(pcm, make([]int16, n-len(pcm))...)
	}
	c.high = slices.Clip(pcm[:n])
}

// NewClip returns a clip of a copy of pcm (16-bit linear, 8 kHz, mono).
func NewClip(name string, pcm []int16) *Clip { return newClip(name, slices.Clone(pcm)) }

// Name is what the clip was loaded as; for logs.
func (c *Clip) Name() string { return c.name }

// Frames returns the whole clip in a codec that Octets says yes to: 8,000 octets a
// second, a multiple of 160 (20 ms). The slice is shared: it must not be written.
func (c *Clip) Frames(id codec.ID) []byte {
	e := &c.u
	switch id {
	case codec.PCMA:
		e = &c.a
	case codec.G722:
		e = &c.g722
	}
	e.once.Do(func() {
		e.octets = make([]byte, len(c.pcm))
		if id != codec.G722 {
			codec.Encode(id, e.octets, c.pcm)
		} else if enc, err := codec.NewEncoder(id, wide, codec.Options{}); err == nil {
			_, _ = enc.Encode(e.octets, soft(c.atWide(), 2*c.samples))
		}
	})
	return e.octets
}

// Packets returns the whole clip as packets of 20 ms, for a codec whose packets
// cannot be cut. They are shared: they must not be written.
func (c *Clip) Packets(id codec.ID) [][]byte {
	c.opus.once.Do(func() {
		pcm, rate := c.pcm, narrow
		if c.high != nil {
			pcm, rate = c.high, wide
		}
		pcm = soft(pcm, c.samples*(rate/narrow))
		// No FEC: nobody can ask for a prompt's packet again, but its listeners
		// differ in what they lose.
		enc, err := codec.NewEncoder(id, id.Rate(rate), codec.Options{})
		if err != nil {
			return
		}
		frame := rate / 50
		var buf [1500]byte
		for ; len(pcm) >= frame; pcm = pcm[frame:] {
			n, err := enc.Encode(buf[:], pcm[:frame])
			if err != nil {
				n = 0
			}
			c.opus.list = append(c.opus.list, slices.Clone(buf[:n]))
		}
	})
	return c.opus.list
}

// softStep is a first or last sample that would be heard as a click: -35 dB of full
// scale, as media/session's seams have it.
const softStep = 600

// soft is pcm, of which n samples are sound, as it is coded for packets that cannot be
// joined to others afterwards (media/session does that with G.711): what begins or
// ends abruptly rises from silence, and falls to it, in 5 ms.
func soft(pcm []int16, n int) []int16 {
	const ramp = wide / 200
	if n < 4*ramp {
		return pcm
	}
	abrupt := func(v int16) bool { return v > softStep || v < -softStep }
	begin, end := abrupt(pcm[0]), abrupt(pcm[n-1])
	if !begin && !end {
		return pcm
	}
	pcm = slices.Clone(pcm)
	for i := range ramp {
		if begin {
			pcm[i] = int16(int(pcm[i]) * i / ramp)
		}
		if end {
			pcm[n-1-i] = int16(int(pcm[n-1-i]) * i / ramp)
		}
	}
	return pcm
}

// High is the clip at 16 kHz without the filling of its last frame, nil when its source
// has no more than telephone sound. The slice is shared: it must not be written.
func (c *Clip) High() []int16 {
	if c.high == nil {
		return nil
	}
	return c.high[: 2*c.samples : 2*c.samples]
}

func (c *Clip) atWide() []int16 {
	if c.high != nil {
		return c.high
	}
	return resample.Convert(c.pcm, narrow, wide)
}

// PCM returns the clip as 16-bit linear samples without the filling of its last
// frame. The slice is shared: it must not be written.
func (c *Clip) PCM() []int16 { return c.pcm[:c.samples:c.samples] }

// Duration is the clip's length, up to 20 ms less than what Frames holds.
func (c *Clip) Duration() time.Duration {
	return time.Duration(c.samples) * time.Second / codec.SampleRate
}

// bytes is what the clip may come to occupy: linear, in both laws, in G.722 and in
// Opus (24 kbit/s and a slice header a packet).
func (c *Clip) bytes() int64 {
	n := int64(len(c.pcm))
	return 2*n + 2*int64(len(c.high)) + 3*n + n/frameSamples*(60+24) + 256
}
