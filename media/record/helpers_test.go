package record

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// wav is what a strict reader found in a file.
type wav struct {
	format Format
	law    codec.Law
	n      int // samples a channel
	data   []byte
	marks  int
	sides  [2][]byte // after split
}

// split takes the channels apart. Linear samples become the octets of law again
// that they were made of: but for the second zero of µ-law it is exact.
func (w wav) split(law codec.Law) wav {
	for ch := range w.sides {
		w.sides[ch] = make([]byte, w.n)
		for i := range w.n {
			if w.format == G711 {
				w.sides[ch][i] = w.data[2*i+ch]
			} else {
				codec.Encode(law, w.sides[ch][i:i+1], []int16{w.sample(ch, i)})
			}
		}
	}
	return w
}

func (w wav) sample(ch, i int) int16 {
	return int16(binary.LittleEndian.Uint16(w.data[4*i+2*ch:]))
}

// readStrict is written apart from the package: it takes nothing but a correct
// RIFF WAVE file and says what is wrong with any other. A file longer than its
// header says is correct: RIFF readers stop at the size.
func readStrict(b []byte) (wav, error) {
	u32 := func(at int) int { return int(binary.LittleEndian.Uint32(b[at:])) }
	u16 := func(at int) int { return int(binary.LittleEndian.Uint16(b[at:])) }
	var w wav
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return w, fmt.Errorf("no RIFF WAVE in %d bytes", len(b))
	}
	end := 8 + u32(4)
	if end > len(b) {
		return w, fmt.Errorf("RIFF says %d bytes, file has %d", end, len(b))
	}
	fact, seen := -1, ""
	for at := 12; at < end; {
		if at+8 > end {
			return w, fmt.Errorf("half a chunk header at %d", at)
		}
		id, size := string(b[at:at+4]), u32(at+4)
		at += 8
		if at+size+size&1 > end {
			return w, fmt.Errorf("chunk %q of %d bytes at %d passes the end %d", id, size, at, end)
		}
		seen += id
		switch id {
		case "fmt ":
			w.format = G711
			switch u16(at) {
			case 1:
				w.format = PCM
			case 6:
				w.law = codec.PCMA
			case 7:
				w.law = codec.PCMU
			default:
				return w, fmt.Errorf("format tag %d", u16(at))
			}
			want := []int{18, 16000, 2, 8}
			if w.format == PCM {
				want = []int{16, 32000, 4, 16}
			}
			if size != want[0] || u16(at+2) != 2 || u32(at+4) != 8000 || u32(at+8) != want[1] || u16(at+12) != want[2] || u16(at+14) != want[3] || size == 18 && u16(at+16) != 0 {
				return w, fmt.Errorf("fmt chunk % x", b[at:at+size])
			}
		case "fact":
			if size != 4 {
				return w, fmt.Errorf("fact chunk of %d", size)
			}
			fact = u32(at)
		case "cue ":
			w.marks = u32(at)
			if size != 4+24*w.marks {
				return w, fmt.Errorf("cue chunk of %d bytes with %d points", size, w.marks)
			}
		case "LIST", "JUNK":
		case "data":
			fb := int(w.format.frameBytes())
			if size%fb != 0 {
				return w, fmt.Errorf("data of %d bytes is half a sample", size)
			}
			if at != headerBytes {
				return w, fmt.Errorf("data at %d, not on a page", at)
			}
			w.n = size / fb
			w.data = b[at : at+size]
		default:
			return w, fmt.Errorf("chunk %q", id)
		}
		at += size + size&1
	}
	want := "fmt "
	if w.format == G711 {
		want += "fact"
	}
	if w.marks > 0 {
		want += "cue LIST"
	}
	if seen != want+"JUNKdata" {
		return w, fmt.Errorf("chunks %q", seen)
	}
	if w.format == G711 && fact != w.n {
		return w, fmt.Errorf("fact says %d samples, data %d", fact, w.n)
	}
	return w, nil
}

// disk is a file in memory, with a size limit and a check after every write.
type disk struct {
	b      []byte
	limit  int // bytes; 0 = none
	fail   error
	after  func(b []byte)
	closed bool
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if d.fail != nil {
		return 0, d.fail
	}
	n := len(p)
	if d.limit > 0 {
		n = max(0, min(n, d.limit-int(off)))
	}
	if need := int(off) + n; need > len(d.b) {
		d.b = append(d.b, make([]byte, need-len(d.b))...)
	}
	copy(d.b[off:], p[:n])
	if d.after != nil {
		d.after(d.b)
	}
	if n < len(p) {
		return n, fmt.Errorf("pwrite: %w", syscall.ENOSPC)
	}
	return n, nil
}

func (d *disk) Close() error { d.closed = true; return nil }

// format is what newBench makes; inBoth sets it.
var format = PCM

// inBoth runs a test with either format.
func inBoth(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	defer func() { format = PCM }()
	for _, f := range []Format{PCM, G711} {
		format = f
		t.Run(f.String(), test)
	}
}

// bench is one recording whose writer is turned by hand.
type bench struct {
	testing.TB
	w    *Writer
	sh   *shard
	r    *Recording
	d    *disk
	law  codec.Law
	t0   time.Time
	res  []Result
	sent int
}

func newBench(t testing.TB, law codec.Law, d *disk) *bench {
	t.Helper()
	w, err := NewWriter(Config{Dir: t.TempDir(), Threads: 1, Format: format})
	if err != nil {
		t.Fatal(err)
	}
	w.open = func(string) (file, error) { return d, nil }
	w.toHash = nil // results are told at once
	b := &bench{TB: t, w: w, sh: w.shards[0], d: d, law: law}
	b.sh.up = true
	b.r, err = w.Open("default/2026/call.wav", law, func(r Result) { b.res = append(b.res, r) })
	if err != nil {
		t.Fatal(err)
	}
	b.t0 = b.r.start
	b.sh.service(true)
	return b
}

func (b *bench) at(ms float64) time.Time {
	return b.t0.Add(time.Duration(ms * float64(time.Millisecond)))
}

func (b *bench) close(ms float64) (wav, Result) {
	b.Helper()
	b.r.Close(b.at(ms))
	b.sh.service(true)
	if len(b.res) != 1 {
		b.Fatalf("done called %d times, want 1", len(b.res))
	}
	if !b.d.closed {
		b.Fatal("file not closed")
	}
	w, err := readStrict(b.d.b)
	if err != nil {
		b.Fatal(err)
	}
	return w.split(b.law), b.res[0]
}

// frame is 20 ms of one octet that is not silence.
func frame(v byte) []byte {
	p := make([]byte, 160)
	for i := range p {
		p[i] = v
	}
	return p
}
