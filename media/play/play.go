// Package play holds sound that is played to a leg: clips read from WAV files,
// tones, silence, and a cache of clips by key.
//
// A Clip is immutable and shared by all who hear it. The package does not pace
// or send; media/session slices the encoded octets. It owns no goroutine.
package play

import (
	"errors"
	"io"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// Clip is immutable sound, 16-bit linear, 8 kHz, mono. Encodings are made once
// per law and shared.
type Clip struct {
	name string
	pcm  []int16
}

// Load reads a WAV file.
func Load(r io.Reader, name string) (*Clip, error) { return nil, errors.New("play: not there yet") }

// Frames returns the whole clip in law l, one octet a sample.
func (c *Clip) Frames(l codec.Law) []byte { return nil }

// Duration is the clip's length.
func (c *Clip) Duration() time.Duration {
	return time.Duration(len(c.pcm)) * time.Second / codec.SampleRate
}

// Library caches clips by key.
type Library struct{ max int64 }

// NewLibrary returns a cache of at most maxBytes.
func NewLibrary(maxBytes int64) *Library { return &Library{max: maxBytes} }

// Get returns the clip of key, reading it by open when it is not cached.
func (l *Library) Get(key string, open func() (io.ReadCloser, error)) (*Clip, error) {
	return nil, errors.New("play: not there yet")
}

// Silence returns d of silence.
func Silence(d time.Duration) *Clip { return &Clip{} }

// Tone returns the sum of sines, each at levelDBm0.
func Tone(d time.Duration, levelDBm0 float64, freqHz ...float64) *Clip { return &Clip{} }

// RingBack returns one cycle of the ringing tone.
func RingBack() *Clip { return &Clip{} }

// Busy returns one cycle of the busy tone.
func Busy() *Clip { return &Clip{} }

// Dial returns one cycle of the dial tone.
func Dial() *Clip { return &Clip{} }
