package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/centrala/centrala/media/codec"
)

// Format is how a recording's samples are kept.
type Format uint8

const (
	// PCM is 16-bit linear sound, which every reader of WAV opens: 32 kB/s.
	PCM Format = iota
	// G711 is the octets of G.711, those of the file's own law as they came: half
	// the size, but strict readers (Python's wave module) refuse it.
	G711
)

// String is the format's name in the node file.
func (f Format) String() string {
	if f == G711 {
		return "g711"
	}
	return "pcm"
}

// ParseFormat reads "pcm" or "g711".
func ParseFormat(s string) (Format, error) {
	switch s {
	case "pcm", "":
		return PCM, nil
	case "g711":
		return G711, nil
	}
	return 0, fmt.Errorf("record: unknown format %q; want pcm or g711", s)
}

// frameBytes is one sample of both channels.
func (f Format) frameBytes() int64 {
	if f == G711 {
		return 2
	}
	return 4
}

const (
	// headerBytes is where the sound begins: a page, so that blocks of sound lie on
	// pages of the file, and marks find room without moving it. A header is
	// rewritten by one write within one page, which no kill cuts in two.
	headerBytes = 4096
	// blockBytes: a growing file is written in whole blocks, aligned.
	blockBytes = 4096
	// maxMarks in the file; further pauses are silence all the same, and in the journal.
	maxMarks = 64
)

// Mark is a place of the recording with a name, in samples (1/8000 s) from its start.
type Mark struct {
	At   int64
	Name string // one of the Mark names
}

// Names of marks, as players that know cue points show them.
const (
	MarkPaused  = "paused"  // from here nothing was recorded on purpose
	MarkResumed = "resumed" // until here
)

// appendHeader appends the header of n samples: fmt, fact for G.711 (RFC 2361
// A.6, A.7: format tags 6 and 7), cue and LIST adtl when there are marks
// (Multimedia Programming Interface and Data Specifications 1.0, 3), and JUNK up
// to the data. The data is always even, so no padding follows it.
func appendHeader(b []byte, f Format, law codec.Law, n int64, marks []Mark) []byte {
	le, base := binary.LittleEndian, len(b)
	size := f.frameBytes() * n
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, uint32(headerBytes-8+size))
	b = append(b, "WAVEfmt "...)
	tag, bits := uint16(1), uint16(16)
	if f == G711 {
		tag, bits = 7, 8
		if law == codec.PCMA {
			tag = 6
		}
		b = le.AppendUint32(b, 18)
	} else {
		b = le.AppendUint32(b, 16)
	}
	b = le.AppendUint16(b, tag)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint32(b, codec.SampleRate)
	b = le.AppendUint32(b, uint32(f.frameBytes())*codec.SampleRate)
	b = le.AppendUint16(b, uint16(f.frameBytes()))
	b = le.AppendUint16(b, bits)
	if f == G711 {
		b = le.AppendUint16(b, 0) // the empty extension that other formats than PCM need
		b = append(b, "fact"...)
		b = le.AppendUint32(b, 4)
		b = le.AppendUint32(b, uint32(n))
	}
	for i, m := range marks {
		if m.At > n { // not in the file yet
			marks = marks[:i]
			break
		}
	}
	b = appendMarks(b, marks)
	fill := headerBytes - 8 - (len(b) - base) - 8
	b = append(b, "JUNK"...)
	b = le.AppendUint32(b, uint32(fill))
	b = append(b, blank[:fill]...)
	b = append(b, "data"...)
	return le.AppendUint32(b, uint32(size))
}

var blank [headerBytes]byte

func appendMarks(b []byte, marks []Mark) []byte {
	if len(marks) == 0 {
		return b
	}
	marks = marks[:min(len(marks), maxMarks)]
	le := binary.LittleEndian
	b = append(b, "cue "...)
	b = le.AppendUint32(b, uint32(4+24*len(marks)))
	b = le.AppendUint32(b, uint32(len(marks)))
	list := 4
	for i, m := range marks {
		b = le.AppendUint32(b, uint32(i+1))
		b = le.AppendUint32(b, uint32(m.At)) // position in the play order: there is no playlist
		b = append(b, "data"...)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, uint32(m.At))
		list += 8 + 4 + len(m.Name) + 1 + (len(m.Name)+1)&1
	}
	b = append(b, "LIST"...)
	b = le.AppendUint32(b, uint32(list))
	b = append(b, "adtl"...)
	for i, m := range marks {
		b = append(b, "labl"...)
		b = le.AppendUint32(b, uint32(4+len(m.Name)+1))
		b = le.AppendUint32(b, uint32(i+1))
		b = append(b, m.Name...)
		b = append(b, 0)
		if (len(m.Name)+1)&1 == 1 {
			b = append(b, 0)
		}
	}
	return b
}

// Info is what a recording's header says.
type Info struct {
	Format  Format
	Law     codec.Law // of G711
	Samples int64     // of each channel
	Marks   []Mark
	dataAt  int64
}

// SizeBytes is the file up to the last sample that the header promises. A file
// that a kill left behind may be longer.
func (i Info) SizeBytes() int64 { return i.dataAt + i.Samples*i.Format.frameBytes() }

// ErrNotARecording: the file is not a WAV as this package writes them, now or in
// earlier versions.
var ErrNotARecording = errors.New("record: not a recording of ours")

// maxChunks bounds the chunks before the sound; ours have six at most.
const maxChunks = 16

// ReadInfo reads the header of a recording of size bytes: stereo at 8 kHz, 16-bit
// linear or G.711. It reads at most the chunks before the sound, each bounded.
// Errors wrap ErrNotARecording, or are those of r.
func ReadInfo(r io.ReaderAt, size int64) (Info, error) {
	le := binary.LittleEndian
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrNotARecording, fmt.Sprintf(format, a...))
	}
	var info Info
	var head [12]byte
	if err := readAt(r, head[:], 0, size); err != nil {
		return info, err
	}
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return info, bad("no RIFF WAVE")
	}
	end := min(8+int64(le.Uint32(head[4:])), size)
	known := false
	labels := map[uint32]string{}
	var ids []uint32
	for at, n := int64(12), 0; ; n++ {
		if n == maxChunks {
			return info, bad("over %d chunks before the sound", maxChunks)
		}
		if err := readAt(r, head[:8], at, end); err != nil {
			return info, err
		}
		id, length := string(head[:4]), int64(le.Uint32(head[4:]))
		at += 8
		if id == "data" {
			if !known {
				return info, bad("sound before its format")
			}
			if at+length > size {
				return info, bad("%d bytes of sound promised, %d there", length, size-at)
			}
			info.dataAt, info.Samples = at, length/info.Format.frameBytes()
			for i := range info.Marks {
				info.Marks[i].Name = labels[ids[i]]
			}
			return info, nil
		}
		if at+length > end || length > headerBytes {
			return info, bad("chunk %q of %d bytes", id, length)
		}
		body := make([]byte, length)
		if err := readAt(r, body, at, end); err != nil {
			return info, err
		}
		switch id {
		case "fmt ":
			if length < 16 {
				return info, bad("fmt chunk of %d bytes", length)
			}
			tag, bits := le.Uint16(body), le.Uint16(body[14:])
			switch {
			case tag == 1 && bits == 16:
			case tag == 6 && bits == 8:
				info.Format, info.Law = G711, codec.PCMA
			case tag == 7 && bits == 8:
				info.Format, info.Law = G711, codec.PCMU
			default:
				return info, bad("format tag %d with %d bits", tag, bits)
			}
			if le.Uint16(body[2:]) != 2 || le.Uint32(body[4:]) != codec.SampleRate {
				return info, bad("%d channels at %d Hz", le.Uint16(body[2:]), le.Uint32(body[4:]))
			}
			known = true
		case "cue ":
			for p := 4; p+24 <= len(body) && len(ids) < maxMarks; p += 24 {
				ids = append(ids, le.Uint32(body[p:]))
				info.Marks = append(info.Marks, Mark{At: int64(le.Uint32(body[p+20:]))})
			}
		case "LIST":
			readLabels(body, labels)
		}
		at += length + length&1
	}
}

// readLabels collects the labl chunks of a LIST adtl.
func readLabels(b []byte, labels map[uint32]string) {
	le := binary.LittleEndian
	if len(b) < 4 || string(b[:4]) != "adtl" {
		return
	}
	for b = b[4:]; len(b) >= 12; {
		size := int(le.Uint32(b[4:]))
		if size < 4 || size > len(b)-8 {
			return
		}
		if string(b[:4]) == "labl" {
			labels[le.Uint32(b[8:])] = strings.TrimRight(string(b[12:8+size]), "\x00")
		}
		b = b[min(len(b), 8+size+size&1):]
	}
}

// readAt fills b from at; what passes end is ErrNotARecording.
func readAt(r io.ReaderAt, b []byte, at, end int64) error {
	if at+int64(len(b)) > end {
		return fmt.Errorf("%w: it ends at %d", ErrNotARecording, end)
	}
	if n, err := r.ReadAt(b, at); n < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("record: read header: %w", err)
	}
	return nil
}

// Reader gives the sound of a finished recording as linear samples.
type Reader struct {
	Info
	r   io.ReaderAt
	at  int64 // next sample
	buf []byte
}

// NewReader reads the header and is ready at the first sample. Errors as ReadInfo.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	info, err := ReadInfo(r, size)
	if err != nil {
		return nil, err
	}
	return &Reader{Info: info, r: r}, nil
}

// Read fills left and right, of equal length, with the next samples and returns
// how many there were; io.EOF at the end.
func (d *Reader) Read(left, right []int16) (int, error) {
	n := int(min(int64(len(left)), d.Samples-d.at))
	if n == 0 {
		return 0, io.EOF
	}
	fb := d.Format.frameBytes()
	if need := n * int(fb); len(d.buf) < need {
		d.buf = make([]byte, need)
	}
	b := d.buf[:n*int(fb)]
	if k, err := d.r.ReadAt(b, d.dataAt+d.at*fb); k < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, fmt.Errorf("record: read sound: %w", err)
	}
	if d.Format == G711 {
		t := codec.Table(d.Law)
		for i := range n {
			left[i], right[i] = t[b[2*i]], t[b[2*i+1]]
		}
	} else {
		for i := range n {
			left[i] = int16(binary.LittleEndian.Uint16(b[4*i:]))
			right[i] = int16(binary.LittleEndian.Uint16(b[4*i+2:]))
		}
	}
	d.at += int64(n)
	return n, nil
}
