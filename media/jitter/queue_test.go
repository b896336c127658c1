package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// linear is a decoder of payloads that are samples; it counts what it is asked.
type linear struct {
	decoded, concealed, recovered int
	last                          int16
}

func (d *linear) Decode(dst []int16, payload []byte) (int, error) {
	if len(payload)%2 != 0 || len(payload)/2 > len(dst) {
		return 0, errors.New("odd")
	}
	for i := range len(payload) / 2 {
		dst[i] = int16(binary.LittleEndian.Uint16(payload[2*i:]))
		d.last = dst[i]
	}
	d.decoded++
	return len(payload) / 2, nil
}

func (d *linear) Conceal(dst []int16) {
	d.concealed++
	for i := range dst {
		dst[i] = d.last
	}
}

func (d *linear) Recover(dst []int16, payload []byte) {
	d.recovered++
	for i := range dst {
		dst[i] = int16(payload[0])
	}
}

// queueBench is a queue at 16 kHz with the clock of Opus and a sender of a tone.
type queueBench struct {
	*Queue
	dec   linear
	now   time.Time
	heard []int64 // where decoded sound lay
	ends  int64
}

func newQueueBench() *queueBench {
	b := &queueBench{now: time.Unix(1e9, 0)}
	b.Queue = NewQueue(QueueConfig{Clock: 48000, Rate: 16000, Decoder: &b.dec, Heard: func(s Sound, pcm []int16) {
		b.heard = append(b.heard, s.Pos)
		b.ends = s.Pos + int64(len(pcm))
	}})
	return b
}

func (b *queueBench) put(n int, ssrc uint32) {
	payload := make([]byte, 640)
	for i := range 320 {
		v := int16(8000 * math.Sin(2*math.Pi*200*float64(320*n+i)/16000))
		binary.LittleEndian.PutUint16(payload[2*i:], uint16(v))
	}
	// Both wrap within the test.
	b.Put(b.now, ssrc, uint16(65530+n), uint32(1<<32-3000+960*n), 960, payload)
}

func (b *queueBench) get() (pcm [320]int16, k Kind) {
	b.now = b.now.Add(20 * time.Millisecond)
	k = b.Get(b.now, pcm[:])
	return pcm, k
}

// TestQueueInOrder: what comes swapped or twice is decoded in order and once, over
// the wraps of sequence number and timestamp; a lost one is recovered from the next.
func TestQueueInOrder(t *testing.T) {
	b := newQueueBench()
	b.put(0, 1)
	b.put(1, 1)
	for n := 2; n < 200; n += 2 {
		b.put(n+1, 1)
		if n != 100 {
			b.put(n, 1)
		}
		b.put(n+1, 1)
		b.get()
		if _, k := b.get(); k != Voice {
			t.Fatalf("frame %d: %v", n, k)
		}
	}
	if s := b.Stats(); s.Duplicates != 99 || s.Late != 0 || s.Concealed != 320 || s.Resyncs != 0 {
		t.Errorf("%+v", s)
	}
	if b.dec.recovered != 1 || b.dec.concealed != 0 {
		t.Errorf("recovered %d, concealed %d", b.dec.recovered, b.dec.concealed)
	}
	for i := 1; i < len(b.heard); i++ {
		if b.heard[i] != b.heard[i-1]+320 {
			t.Fatalf("sound %d lies at %d, after %d", i, b.heard[i], b.heard[i-1])
		}
	}
}

// TestQueuePauses: a key's packets are no loss; a pause of ten seconds whose
// timestamps go on, or do not, ends with sound at once; so does a new sender.
func TestQueuePauses(t *testing.T) {
	b := newQueueBench()
	n := 0
	speak := func(frames int, ssrc uint32) (voiced int) {
		for range frames {
			b.put(n, ssrc)
			n++
			if _, k := b.get(); k == Voice {
				voiced++
			}
		}
		return voiced
	}
	speak(50, 1)
	for range 15 {
		b.Pass(uint16(65530 + n))
		n++
		b.get()
	}
	if v := speak(50, 1); v < 48 || b.dec.concealed+b.dec.recovered != 0 {
		t.Errorf("after a key: %d of 50, %d made up", v, b.dec.concealed+b.dec.recovered)
	}
	for range 500 {
		b.get()
	}
	if b.dec.concealed != madeUp {
		t.Errorf("%d frames made up for a pause", b.dec.concealed)
	}
	if v := speak(50, 1); v < 48 {
		t.Errorf("timestamps stood still: %d of 50", v)
	}
	for range 500 {
		b.get()
	}
	n += 500
	if v := speak(50, 1); v < 48 {
		t.Errorf("timestamps went on: %d of 50", v)
	}
	if v := speak(50, 2); v < 44 {
		t.Errorf("a new sender: %d of 50", v)
	}
}

// TestQueueStall: the line stands still for half a second and all comes at once: the
// delay is bounded, and soon small again.
func TestQueueStall(t *testing.T) {
	b := newQueueBench()
	for n := range 2000 {
		switch {
		case n > 500 && n < 525:
		case n == 525:
			for i := 501; i <= n; i++ {
				b.put(i, 1)
			}
		default:
			b.put(n, 1)
		}
		b.get()
		if d := b.Stats().Delay; d > 500*time.Millisecond {
			t.Fatalf("packet %d: delay %v", n, d)
		}
	}
	if d := b.Stats().Delay; d > 60*time.Millisecond {
		t.Errorf("delay %v at the end", d)
	}
}

// TestQueueTakesAnything: any order, size and moment: no panic, memory bounded.
func TestQueueTakesAnything(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		b := newQueueBench()
		seq, ts := uint16(r.Uint32()), r.Uint32()
		room := cap(b.fifo)
		for range 2000 {
			size := []int{0, 1, 2, 80, 640, 1280, 1920, 3840, 9000}[r.IntN(9)]
			ticks := min(uint32(size/2*3), 5760)
			switch r.IntN(20) {
			case 0:
				seq, ts = uint16(r.Uint32()), r.Uint32()
			case 1:
				seq += uint16(r.IntN(40))
			case 2:
				seq -= uint16(r.IntN(40))
				ts += r.Uint32N(1 << 20)
			}
			payload := make([]byte, size)
			if size == 0 {
				payload = make([]byte, 2)
			}
			if r.IntN(10) == 0 {
				b.Pass(seq)
			} else {
				b.Put(b.now, r.Uint32N(50)/49, seq, ts, ticks, payload)
			}
			seq, ts = seq+1, ts+ticks
			for range r.IntN(3) {
				b.get()
			}
			if cap(b.fifo) != room || b.held < 0 || b.held > depth {
				t.Fatalf("%d samples of room, %d packets", cap(b.fifo), b.held)
			}
		}
		b.Drain()
	}
}

// TestQueueAllocatesNothing once it is under way.
func TestQueueAllocatesNothing(t *testing.T) {
	b := newQueueBench()
	b.c.Heard = nil
	payload := make([]byte, 640)
	n := 0
	if a := testing.AllocsPerRun(500, func() {
		b.Put(b.now, 1, uint16(n), uint32(960*n), 960, payload)
		n++
		b.get()
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
