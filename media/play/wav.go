package play

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/centrala/centrala/media/codec"
)

// WAVE format tags (RFC 2361 and mmreg.h).
const (
	tagPCM        = 1
	tagFloat      = 3
	tagALaw       = 6
	tagMuLaw      = 7
	tagExtensible = 0xFFFE
)

// wavFormat is what the fmt chunk says.
type wavFormat struct {
	tag      uint16
	channels int
	rate     int
	bytes    int // a sample of one channel
}

func readWAV(r *bufio.Reader, begin beginning) (*Clip, error) {
	var h [12]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, short(err, "the RIFF header")
	}
	if string(h[:4]) != "RIFF" || string(h[8:]) != "WAVE" {
		return nil, fmt.Errorf("%w: starts with %q, want RIFF and WAVE", ErrFormat, h[:])
	}
	var f *wavFormat
	skipped := int64(0)
	for {
		if _, err := io.ReadFull(r, h[:8]); err != nil {
			return nil, short(err, "the chunk before the sound")
		}
		id, size := string(h[:4]), int64(binary.LittleEndian.Uint32(h[4:]))
		switch id {
		case "fmt ":
			if f != nil {
				return nil, fmt.Errorf("%w: two fmt chunks", ErrFormat)
			}
			var err error
			if f, err = readFormat(r, size); err != nil {
				return nil, err
			}
		case "data":
			if f == nil {
				return nil, fmt.Errorf("%w: data before fmt", ErrFormat)
			}
			return readData(r, f, size, begin)
		default:
			size += size & 1 // chunks start at even offsets
			if skipped += size; skipped > maxSkipped {
				return nil, fmt.Errorf("%w: more than %d MiB before the sound", ErrTooLong, maxSkipped>>20)
			}
			if _, err := io.CopyN(io.Discard, r, size); err != nil {
				return nil, short(err, fmt.Sprintf("chunk %q", id))
			}
		}
	}
}

// extensibleTail ends the GUID of a sub-format that is a plain format tag.
const extensibleTail = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

func readFormat(r io.Reader, size int64) (*wavFormat, error) {
	if size < 16 || size > 128 {
		return nil, fmt.Errorf("%w: fmt chunk of %d bytes, want 16-128", ErrFormat, size)
	}
	var buf [128]byte
	b := buf[:size+size&1]
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, short(err, "the fmt chunk")
	}
	le := binary.LittleEndian
	f := &wavFormat{tag: le.Uint16(b), channels: int(le.Uint16(b[2:])), rate: int(le.Uint32(b[4:]))}
	align, bits := int(le.Uint16(b[12:])), int(le.Uint16(b[14:]))
	if f.tag == tagExtensible {
		if size < 40 || string(b[26:40]) != extensibleTail {
			return nil, fmt.Errorf("%w: extensible format of an unknown kind", ErrFormat)
		}
		f.tag = le.Uint16(b[24:])
	}
	want := []int{8}
	switch f.tag {
	case tagPCM:
		want = []int{8, 16, 24, 32}
	case tagFloat:
		want = []int{32}
	case tagALaw, tagMuLaw:
	default:
		return nil, fmt.Errorf("%w: format tag %#x; want PCM, float, A-law or µ-law", ErrFormat, f.tag)
	}
	switch {
	case !slices.Contains(want, bits):
		return nil, fmt.Errorf("%w: %d bits a sample with format tag %d, want one of %v", ErrFormat, bits, f.tag, want)
	case f.channels != 1 && f.channels != 2:
		return nil, fmt.Errorf("%w: %d channels, want 1 or 2", ErrFormat, f.channels)
	case checkRate(f.rate) != nil:
		return nil, checkRate(f.rate)
	case align != f.channels*bits/8:
		return nil, fmt.Errorf("%w: block of %d bytes for %d channels of %d bits", ErrFormat, align, f.channels, bits)
	}
	f.bytes = bits / 8
	return f, nil
}

// Chunks that follow an empty data chunk, when 0 really means 0.
var trailing = []string{"LIST", "id3 ", "ID3 ", "bext", "fact", "cue ", "smpl", "JUNK", "PAD "}

func readData(r *bufio.Reader, f *wavFormat, size int64, begin beginning) (*Clip, error) {
	var src io.Reader = r
	switch {
	case size == 0:
		// A writer that was killed or writes to a pipe leaves 0: what follows is
		// the sound, unless it is clearly another chunk.
		if next, _ := r.Peek(4); slices.Contains(trailing, string(next)) {
			return nil, ErrEmpty
		}
	case size >= 0x7FFFF000: // sox and ffmpeg write all ones or the like to a pipe
	default:
		src = io.LimitReader(r, size)
	}
	block := f.bytes * f.channels
	sound := begin(f.rate)
	buf, mono := make([]byte, 1<<12*block), make([]float32, 1<<12)
	for {
		n, err := io.ReadFull(src, buf)
		n -= n % block
		if err := sound.push(f.mix(mono, buf[:n])); err != nil {
			return nil, err
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return sound.clip()
		}
		if err != nil {
			return nil, err
		}
	}
}

// mix decodes whole blocks into dst on the scale of 16 bits, the mean of the
// channels, and returns the part of dst used.
func (f *wavFormat) mix(dst []float32, b []byte) []float32 {
	n := len(b) / (f.bytes * f.channels)
	dst = dst[:n]
	if f.channels == 1 {
		for i := range dst {
			dst[i] = f.sample(b[i*f.bytes:])
		}
		return dst
	}
	for i := range dst {
		p := b[2*i*f.bytes:]
		dst[i] = (f.sample(p) + f.sample(p[f.bytes:])) / 2
	}
	return dst
}

func (f *wavFormat) sample(b []byte) float32 {
	switch {
	case f.tag == tagALaw:
		return g711(codec.PCMA, b)
	case f.tag == tagMuLaw:
		return g711(codec.PCMU, b)
	case f.tag == tagFloat:
		v := math.Float32frombits(binary.LittleEndian.Uint32(b))
		if v != v { // NaN would spread through the filter
			return 0
		}
		return min(max(v, -1), 1) * math.MaxInt16
	case f.bytes == 1:
		return float32(int(b[0])-128) * 256 // 8-bit WAV is unsigned
	case f.bytes == 2:
		return float32(int16(binary.LittleEndian.Uint16(b)))
	case f.bytes == 3:
		return float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 16)
	default:
		return float32(int32(binary.LittleEndian.Uint32(b))) / (1 << 16)
	}
}

func g711(l codec.Law, b []byte) float32 {
	var s [1]int16
	codec.Decode(l, s[:], b[:1])
	return float32(s[0])
}
