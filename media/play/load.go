package play

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/centrala/centrala/media/resample"
)

// MaxClip is the longest clip Load accepts.
const MaxClip = 15 * time.Minute

// maxSkipped bounds the chunks other than sound that Load reads over (cover
// pictures and the like).
const maxSkipped = 16 << 20

// Errors that callers tell apart; all are wrapped with the clip's name.
var (
	// ErrFormat: not a file that Load understands.
	ErrFormat = errors.New("unsupported sound file")
	// ErrTooLong: longer than MaxClip, or too much that is not sound.
	ErrTooLong = errors.New("sound file too long")
	// ErrEmpty: a well-formed file without a sample.
	ErrEmpty = errors.New("sound file holds no sound")
)

// rates that Load accepts, in Hz.
var rates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}

// Load reads a sound file, known by its first bytes and not by its name:
//
//   - WAV: PCM of 8, 16, 24 or 32 bits, 32-bit float or G.711
//   - FLAC up to 24 bits
//   - Ogg Opus (RFC 7845, mapping family 0)
//   - MP3 (MPEG 1 and 2, layer III)
//
// mono or stereo (mixed down), 8 to 96 kHz, and returns it as mono at 8 kHz, and at
// 16 kHz too when the file has that much. Memory grows with the sound read, never
// with what a header claims; at most MaxClip. A file that ends early gives what is
// there. Errors wrap ErrFormat, ErrTooLong, ErrEmpty or the reader's.
func Load(r io.Reader, name string) (c *Clip, err error) {
	defer func() {
		// The decoders of others were written for files that their makers meant well.
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("play: %q: %w: its decoder failed: %v", name, ErrFormat, p)
		}
	}()
	b := bufio.NewReaderSize(r, 1<<15)
	if c, err = reader(b)(b, newSound); err != nil {
		return nil, fmt.Errorf("play: %q: %w", name, err)
	}
	c.name = name
	return c, nil
}

// reader is the one for what b begins with.
func reader(b *bufio.Reader) func(*bufio.Reader, beginning) (*Clip, error) {
	first, _ := b.Peek(4)
	switch {
	case string(first) == "fLaC":
		return readFLAC
	case string(first) == "OggS":
		return readOgg
	case len(first) > 2 && (string(first[:3]) == "ID3" || first[0] == 0xff && first[1]&0xe0 == 0xe0 && first[1]&0x06 == 0x02):
		return readMP3
	}
	return readWAV // whose error says what it wants
}

// beginning makes what takes the samples of a file of that rate in Hz, one of rates.
type beginning func(rate int) *sound

// sound gathers a file's samples at the rates that clips have, or passes them on.
type sound struct {
	low, high *track
	any       bool // something was pushed
	// out is given the samples at wide in place of a clip, which is nil then; low is
	// nil.
	out func(pcm []int16) error
}

// newSound is for a file of that rate in Hz, one of rates.
func newSound(rate int) *sound {
	s := &sound{low: newTrack(rate, narrow)}
	if rate >= wide {
		s.high = newTrack(rate, wide)
	}
	return s
}

// checkRate tells a reader's user which rates there are.
func checkRate(rate int) error {
	if !slices.Contains(rates, rate) {
		return fmt.Errorf("%w: %d Hz, want one of %v", ErrFormat, rate, rates)
	}
	return nil
}

// push takes samples on the scale of 16 bits.
func (s *sound) push(x []float32) error {
	s.any = s.any || len(x) > 0
	if s.out != nil {
		s.high.pcm = s.high.pcm[:0]
		s.high.push(x)
		return s.out(s.high.pcm)
	}
	s.low.push(x)
	if s.high != nil {
		s.high.push(x)
	}
	if len(s.low.pcm) > int(MaxClip/time.Second)*narrow {
		return fmt.Errorf("%w: more than %v", ErrTooLong, MaxClip)
	}
	return nil
}

func (s *sound) clip() (*Clip, error) {
	if s.out != nil {
		s.high.pcm = s.high.pcm[:0]
		return nil, s.out(s.high.finish())
	}
	c := newClip("", s.low.finish())
	if c.samples == 0 {
		return nil, ErrEmpty
	}
	if s.high != nil {
		c.widen(s.high.finish())
	}
	return c, nil
}

// track is a file's sound at one rate.
type track struct {
	file *resample.File // nil: at that rate already
	pcm  []int16
}

func newTrack(from, to int) *track {
	if from == to {
		return new(track)
	}
	return &track{file: resample.NewFile(from, to)}
}

func (t *track) push(x []float32) {
	if t.file != nil {
		t.pcm = t.file.Push(t.pcm, x)
		return
	}
	for _, s := range x {
		t.pcm = append(t.pcm, clamp16(float64(s)))
	}
}

func (t *track) finish() []int16 {
	if t.file != nil {
		t.pcm = t.file.Finish(t.pcm)
	}
	return t.pcm
}

// short words an early end of the file; other errors pass.
func short(err error, where string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: ends within %s", ErrFormat, where)
	}
	return err
}
