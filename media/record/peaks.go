package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/mewkiz/flac"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/codec/opus"
)

// Peaks is what a waveform is drawn of: the greatest sample of each step, of both
// channels, 0 to 255 of full scale.
type Peaks struct {
	DurationMs int64    `json:"duration_ms"`
	StepMs     int64    `json:"step_ms"`
	Caller     []uint16 `json:"caller"`
	Agent      []uint16 `json:"agent"`
}

// mostPeaks bounds the columns of a waveform: no screen has more.
const mostPeaks = 4000

// leastStep is the shortest column: 100 ms.
const leastStep = codec.SampleRate / 10

// peaks adds up samples.
type peaks struct {
	step, at int64
	sides    [2][]uint16
}

func (p *peaks) add(side int, at int64, pcm []int16) {
	for i, v := range pcm {
		k := int((at + int64(i)) / p.step)
		for len(p.sides[side]) <= k {
			p.sides[side] = append(p.sides[side], 0)
		}
		a := int(v)
		if a < 0 {
			a = -a
		}
		if level := uint16(min(a>>7, 255)); level > p.sides[side][k] {
			p.sides[side][k] = level
		}
	}
}

// PeaksOf reads a recording of name's format (.wav, .flac, .opus) from its beginning.
// pace is asked once a block and ends the work by an error. Errors wrap
// ErrNotARecording when the file is none.
func PeaksOf(r interface {
	io.Reader
	io.ReaderAt
}, size int64, name string, samples int64, pace func() error) (Peaks, error) {
	p := peaks{step: max(leastStep, (samples+mostPeaks-1)/mostPeaks)}
	var err error
	switch path.Ext(name) {
	case ".wav":
		err = p.wav(r, size, pace)
	case ".flac":
		err = p.flac(r, pace)
	case ".opus":
		err = p.opus(r, pace)
	default:
		err = fmt.Errorf("%w: %q", ErrNotARecording, path.Ext(name))
	}
	if p.sides[0] == nil {
		p.sides = [2][]uint16{{}, {}}
	}
	return Peaks{DurationMs: p.at * 1000 / codec.SampleRate, StepMs: p.step * 1000 / codec.SampleRate, Caller: p.sides[0], Agent: p.sides[1]}, err
}

func (p *peaks) wav(r io.ReaderAt, size int64, pace func() error) error {
	src, err := NewReader(r, size)
	if err != nil {
		return err
	}
	var left, right [codec.SampleRate]int16
	for {
		n, err := src.Read(left[:], right[:])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		p.both(left[:n], right[:n])
		if err := pace(); err != nil {
			return err
		}
	}
}

func (p *peaks) both(left, right []int16) {
	p.add(0, p.at, left)
	p.add(1, p.at, right)
	p.at += int64(len(left))
}

func (p *peaks) flac(r io.Reader, pace func() error) error {
	s, err := flac.New(bufio.NewReaderSize(r, 1<<16))
	if err != nil || s.Info.NChannels != 2 || s.Info.SampleRate != codec.SampleRate {
		return fmt.Errorf("%w: %w", ErrNotARecording, errors.Join(err, errors.ErrUnsupported))
	}
	var left, right []int16
	for {
		f, err := s.ParseNext()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("record: read sound: %w", err)
		}
		left, right = left[:0], right[:0]
		for i := range f.Subframes[0].Samples {
			left, right = append(left, int16(f.Subframes[0].Samples[i])), append(right, int16(f.Subframes[1].Samples[i]))
		}
		p.both(left, right)
		if err := pace(); err != nil {
			return err
		}
	}
}

func (p *peaks) opus(r io.Reader, pace func() error) error {
	ogg := oggReader{r: bufio.NewReaderSize(r, 1<<16)}
	for range 2 { // the headers
		if _, _, _, err := ogg.next(); err != nil {
			return fmt.Errorf("%w: %w", ErrNotARecording, err)
		}
	}
	var dec [2]*opus.Codec
	for ch := range dec {
		var err error
		if dec[ch], err = opus.New(opus.Config{Rate: codec.SampleRate}); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	var pcm [2][opusFrame * 6]int16
	skip := opusSkip
	for last := false; !last; {
		flag, _, packets, err := ogg.next()
		if err != nil {
			return fmt.Errorf("record: read sound: %w", err)
		}
		for _, q := range packets {
			l, r, ok := splitStreams(q)
			if !ok {
				return fmt.Errorf("%w: a packet without two streams", ErrNotARecording)
			}
			var n [2]int
			for ch, q := range [][]byte{l, r} {
				if n[ch], err = dec[ch].Decode(pcm[ch][:], q); err != nil || n[ch] < skip || n[ch] != n[0] {
					return fmt.Errorf("%w: a packet of %d samples: %w", ErrNotARecording, n[ch], errors.Join(err, errors.ErrUnsupported))
				}
			}
			p.both(pcm[0][skip:n[0]], pcm[1][skip:n[1]])
			skip = 0
		}
		last = flag&oggLast != 0
		if err := pace(); err != nil {
			return err
		}
	}
	return nil
}
