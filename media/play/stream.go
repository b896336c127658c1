package play

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxSeek is how far into a broadcast its first whole piece may begin: listeners are
// let in at any octet.
const maxSeek = 1 << 16

// StreamRate is the sample rate of what Stream gives, in Hz.
const StreamRate = wide

// Stream reads sound of Load's formats that has no end (a broadcast of MP3 or Ogg
// Opus, also of one programme after another) and gives it to out as it comes: mono
// at StreamRate, good until out returns. It ends with the reader's or out's error,
// one that wraps ErrFormat when it is no such sound, or nil at the end of the sound.
func Stream(r io.Reader, out func(pcm []int16) error) (err error) {
	var gone error // of out
	defer func() {
		if p := recover(); p != nil { // see Load
			err = fmt.Errorf("play: %w: its decoder failed: %v", ErrFormat, p)
		}
	}()
	b := bufio.NewReaderSize(r, 1<<12)
	begin := func(rate int) *sound {
		return &sound{high: newTrack(rate, wide), out: func(pcm []int16) error {
			gone = out(pcm)
			return gone
		}}
	}
	for programmes := 0; ; programmes++ {
		if err := align(b); err != nil {
			if programmes > 0 && errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("play: %w", err)
		}
		_, err := reader(b)(b, begin)
		if gone != nil {
			return gone
		}
		if err != nil {
			return fmt.Errorf("play: %w", err)
		}
	}
}

// align skips what is before the first thing that has a reader.
func align(b *bufio.Reader) error {
	for range maxSeek {
		h, err := b.Peek(4)
		if err != nil {
			return err
		}
		switch {
		case string(h) == "fLaC", string(h) == "OggS", string(h) == "RIFF", string(h[:3]) == "ID3",
			// The frame header of ISO 11172-3 2.4.1.3: layer III, no free or bad bit
			// rate, no reserved sample rate.
			h[0] == 0xff && h[1]&0xe6 == 0xe2 && h[2]>>4 != 0 && h[2]>>4 != 15 && h[2]>>2&3 != 3:
			return nil
		}
		if _, err := b.Discard(1); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: nothing known in the first %d KiB", ErrFormat, maxSeek>>10)
}
