package stream

import (
	"encoding/binary"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/resample"
)

// Format is how sound is written on the wire.
type Format string

// The formats. PCM16 is 16-bit linear, little-endian.
const (
	PCM16 Format = "pcm16"
	PCMU  Format = "pcmu"
	PCMA  Format = "pcma"
)

const (
	// outboxFrames of 20 ms wait for a slow peer: 2 s of two tracks. Then the oldest go.
	outboxFrames = 200
	// mixWait is by how much one side may be ahead of the other, in samples at 8 kHz,
	// before it is mixed with silence (60 ms).
	mixWait = 480
)

// outbox is the ring of frames on their way to the machine. Not safe for several
// goroutines; a Stream guards it.
type outbox struct {
	format  Format
	rate    int // on the wire, in Hz
	size    int // of a slot, header included
	slots   []byte
	lengths [outboxFrames]int
	first   int
	n       int

	frames, dropped uint64
	began           time.Time
	sides           [2]side
	mixing          bool
	mixed           side // its fill alone
}

// side is one direction on its way into frames.
type side struct {
	track   Track
	started bool
	at      uint32    // of the ear's line, at 8 kHz, that follows
	heard   time.Time // when sound came last
	rate    int       // of what comes
	conv    *resample.Stream
	buf     []int16 // less than a frame, or for the mix somewhat more
	seq     uint16
	ts      uint32 // samples on the wire before buf
}

func newOutbox(format Format, rate int, mixing bool, now time.Time) *outbox {
	o := &outbox{format: format, rate: rate, mixing: mixing, began: now, size: HeaderSize + rate/50*2}
	o.slots = make([]byte, outboxFrames*o.size)
	o.sides[1].track, o.mixed.track = Agent, Mixed
	return o
}

// put takes sound of a side: at is where it lies on the leg's own line in samples at
// 8 kHz, which begins anew when fresh.
func (o *outbox) put(now time.Time, t Track, fresh bool, rate int, at uint32, pcm []int16) {
	if t > Agent || len(pcm) == 0 {
		return
	}
	s := &o.sides[t]
	length := uint32(len(pcm) * media.ClockRate / rate)
	switch {
	case !s.started, fresh:
		// Both tracks count from the stream's beginning, so that they stay side by side.
		since := uint32(max(now.Sub(o.began)-media.Duration(int64(length)), 0) * time.Duration(o.rate) / time.Second)
		if s.flush(o); !s.started || int32(since-s.ts) > 0 {
			s.ts = since
		}
		s.started, s.rate = true, 0
	default:
		// A pause of the sender is a gap in the timestamps, never longer than time went by.
		if gap := int64(int32(at - s.at)); gap > 0 {
			gap = min(gap, media.Samples(now.Sub(s.heard)))
			s.flush(o)
			s.ts += uint32(max(gap, 0) * int64(o.rate) / media.ClockRate)
		}
	}
	s.at, s.heard = at+length, now
	if s.rate != rate {
		s.rate, s.conv = rate, nil
		if rate != o.rate {
			s.conv = resample.NewStream(rate, o.rate)
		}
	}
	if s.conv == nil {
		s.buf = append(s.buf, pcm...)
	} else {
		n, need := len(s.buf), len(pcm)*o.rate/rate+8
		for cap(s.buf)-n < need {
			s.buf = append(s.buf[:cap(s.buf)], 0)
		}
		s.buf = s.buf[:n+s.conv.Process(s.buf[n:cap(s.buf)], pcm)]
	}
	if o.mixing {
		o.mix()
		return
	}
	frame := o.rate / 50
	for len(s.buf) >= frame {
		o.frame(s, s.buf[:frame])
		s.buf = s.buf[:copy(s.buf, s.buf[frame:])]
	}
}

// flush fills what is left of a frame with silence, so that what follows may lie elsewhere.
func (s *side) flush(o *outbox) {
	if len(s.buf) == 0 || o.mixing {
		return
	}
	frame := o.rate / 50
	for len(s.buf) < frame {
		s.buf = append(s.buf, 0)
	}
	o.frame(s, s.buf[:frame])
	s.buf = s.buf[:0]
}

// mix puts both sides together as far as both are there.
func (o *outbox) mix() {
	frame, wait := o.rate/50, mixWait*o.rate/media.ClockRate
	for {
		a, b := &o.sides[0], &o.sides[1]
		if x, y := len(a.buf), len(b.buf); min(x, y) < frame && max(x, y) < frame+wait {
			return
		}
		o.mixed.buf = append(o.mixed.buf[:0], a.buf[:min(frame, len(a.buf))]...)
		for len(o.mixed.buf) < frame {
			o.mixed.buf = append(o.mixed.buf, 0)
		}
		for i, v := range b.buf[:min(frame, len(b.buf))] {
			o.mixed.buf[i] = int16(max(min(int(o.mixed.buf[i])+int(v), 32767), -32768))
		}
		a.buf = a.buf[:copy(a.buf, a.buf[min(frame, len(a.buf)):])]
		b.buf = b.buf[:copy(b.buf, b.buf[min(frame, len(b.buf)):])]
		o.frame(&o.mixed, o.mixed.buf)
	}
}

// frame writes 20 ms into the ring; when it is full the oldest goes.
func (o *outbox) frame(s *side, pcm []int16) {
	if o.n == outboxFrames {
		o.first = (o.first + 1) % outboxFrames
		o.n--
		o.dropped++
	}
	i := (o.first + o.n) % outboxFrames
	b := o.slots[i*o.size : (i+1)*o.size]
	Frame{s.track, s.seq, s.ts}.Put(b)
	o.lengths[i] = HeaderSize + encode(o.format, b[HeaderSize:], pcm)
	o.n++
	o.frames++
	s.seq++
	s.ts += uint32(len(pcm))
}

// take copies the oldest frame behind dst; nil when there is none.
func (o *outbox) take(dst []byte) []byte {
	if o.n == 0 {
		return nil
	}
	i := o.first
	o.first = (o.first + 1) % outboxFrames
	o.n--
	return append(dst, o.slots[i*o.size:i*o.size+o.lengths[i]]...)
}

func (f Format) law() codec.Law {
	if f == PCMA {
		return codec.PCMA
	}
	return codec.PCMU
}

func encode(f Format, dst []byte, pcm []int16) int {
	if f != PCM16 {
		return codec.Encode(f.law(), dst, pcm)
	}
	for i, v := range pcm {
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(v))
	}
	return 2 * len(pcm)
}

// decode makes new linear sound of what came; an odd octet at the end is left out.
func decode(f Format, b []byte) []int16 {
	if f != PCM16 {
		pcm := make([]int16, len(b))
		codec.Decode(f.law(), pcm, b)
		return pcm
	}
	pcm := make([]int16, len(b)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return pcm
}
