package record

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/mewkiz/flac"
	flacframe "github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"

	"github.com/centrala/centrala/media/codec"
)

// flacBlock is how many samples of a channel one FLAC frame has: half a second,
// within the streamable subset (RFC 9639 7).
const flacBlock = 4096

// ErrVerify: what was written is not what was to be written.
var ErrVerify = errors.New("record: the converted recording differs from the original")

// WriteFLAC writes src as FLAC (RFC 9639), without loss. Marks become chapters in
// its Vorbis comment. pace is called after each half second of sound; its error
// ends the work and is returned.
func WriteFLAC(dst io.WriteSeeker, src *Reader, pace func() error) error {
	info := &meta.StreamInfo{BlockSizeMin: flacBlock, BlockSizeMax: flacBlock, SampleRate: codec.SampleRate, NChannels: 2, BitsPerSample: 16, NSamples: uint64(src.Samples)}
	// Not dst itself: the encoder's many small writes would each be a system call.
	out := &seekBuffer{dst: dst, w: bufio.NewWriterSize(dst, 1<<16)}
	enc, err := flac.NewEncoder(out, info, comment(src.Marks))
	if err != nil {
		return fmt.Errorf("record: flac: %w", err)
	}
	var pcm [2][]int16
	var subs [2]*flacframe.Subframe
	for ch := range subs {
		pcm[ch] = make([]int16, flacBlock)
		subs[ch] = &flacframe.Subframe{Samples: make([]int32, flacBlock)}
	}
	for {
		n, err := src.Read(pcm[Left], pcm[Right])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		for ch, s := range subs {
			s.SubHeader = flacframe.SubHeader{Pred: flacframe.PredVerbatim} // the encoder looks for better
			s.Samples, s.NSamples = s.Samples[:n], n
			for i, v := range pcm[ch][:n] {
				s.Samples[i] = int32(v)
			}
		}
		f := &flacframe.Frame{Header: flacframe.Header{HasFixedBlockSize: true, BlockSize: uint16(n), SampleRate: codec.SampleRate, Channels: flacframe.ChannelsLR, BitsPerSample: 16}, Subframes: subs[:]}
		if err := enc.WriteFrame(f); err != nil {
			return fmt.Errorf("record: flac: %w", err)
		}
		if err := pace(); err != nil {
			return err
		}
	}
	if err := enc.Close(); err != nil {
		return fmt.Errorf("record: flac: %w", err)
	}
	// The encoder counts the last block, which may be shorter, in the smallest; in a
	// stream of fixed blocks both are the same (RFC 9639 8.2).
	if _, err := out.Seek(8, io.SeekStart); err != nil {
		return fmt.Errorf("record: flac: %w", err)
	}
	out.Write([]byte{flacBlock >> 8, flacBlock & 0xFF, flacBlock >> 8, flacBlock & 0xFF})
	return out.flush()
}

// comment is the Vorbis comment of a recording: its marks as chapters.
func comment(marks []Mark) *meta.Block {
	c := &meta.VorbisComment{Vendor: "Centrala", Tags: chapters(marks)}
	length := int64(4 + len(c.Vendor) + 4)
	for _, t := range c.Tags {
		length += int64(4 + len(t[0]) + 1 + len(t[1]))
	}
	return &meta.Block{Header: meta.Header{Type: meta.TypeVorbisComment, Length: length}, Body: c}
}

// chapters are marks as the tags of a Vorbis comment that players know.
func chapters(marks []Mark) (tags [][2]string) {
	for i, m := range marks {
		at := samples(m.At)
		key := fmt.Sprintf("CHAPTER%03d", i+1)
		tags = append(tags, [2]string{key, fmt.Sprintf("%02d:%02d:%06.3f", int(at.Hours()), int(at.Minutes())%60, (at % time.Minute).Seconds())}, [2]string{key + "NAME", m.Name})
	}
	return tags
}

// seekBuffer gathers small writes; a seek writes them out.
type seekBuffer struct {
	dst io.WriteSeeker
	w   *bufio.Writer
}

func (b *seekBuffer) Write(p []byte) (int, error) { return b.w.Write(p) }

func (b *seekBuffer) Seek(off int64, whence int) (int64, error) {
	if err := b.w.Flush(); err != nil {
		return 0, err
	}
	return b.dst.Seek(off, whence)
}

func (b *seekBuffer) flush() error {
	if err := b.w.Flush(); err != nil {
		return fmt.Errorf("record: flac: %w", err)
	}
	return nil
}

// VerifyFLAC reads a FLAC file back, wants every sample of src in it, and returns
// its checksum in hex and its size. Errors wrap ErrVerify when they differ.
func VerifyFLAC(r io.Reader, src *Reader, pace func() error) (sum string, size int64, err error) {
	h := sha256.New()
	count := &tally{w: h}
	tee := io.TeeReader(r, count)
	s, err := flac.New(tee)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrVerify, err)
	}
	if s.Info.NSamples != uint64(src.Samples) || s.Info.NChannels != 2 || s.Info.SampleRate != codec.SampleRate {
		return "", 0, fmt.Errorf("%w: %d samples of %d channels at %d Hz", ErrVerify, s.Info.NSamples, s.Info.NChannels, s.Info.SampleRate)
	}
	var left, right [flacBlock]int16
	for at := int64(0); at < src.Samples; {
		f, err := s.ParseNext()
		if err != nil {
			return "", 0, fmt.Errorf("%w: at sample %s: %w", ErrVerify, strconv.FormatInt(at, 10), err)
		}
		n := len(f.Subframes[0].Samples)
		if n > flacBlock || int64(n) > src.Samples-at {
			return "", 0, fmt.Errorf("%w: a block of %d samples at %d", ErrVerify, n, at)
		}
		if k, err := src.Read(left[:n], right[:n]); err != nil || k != n {
			return "", 0, fmt.Errorf("%w: the original ends at %d: %w", ErrVerify, at, err)
		}
		for i := range n {
			if f.Subframes[0].Samples[i] != int32(left[i]) || f.Subframes[1].Samples[i] != int32(right[i]) {
				return "", 0, fmt.Errorf("%w: at sample %d", ErrVerify, at+int64(i))
			}
		}
		at += int64(n)
		if err := pace(); err != nil {
			return "", 0, err
		}
	}
	// What the decoder has not looked at belongs to the checksum too.
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return "", 0, fmt.Errorf("record: read back: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), count.n, nil
}

type tally struct {
	w io.Writer
	n int64
}

func (c *tally) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.w.Write(p)
}
