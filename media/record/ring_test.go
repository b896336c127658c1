package record

import (
	"testing"

	"github.com/centrala/centrala/media/codec"
)

// TestRingFollowsTheDisk: a disk that stands still for almost four seconds costs
// nothing but memory, both channels keep their places whatever the ring turned to
// meanwhile, and the memory is given back when the disk follows again.
func TestRingFollowsTheDisk(t *testing.T) {
	inBoth(t, func(t *testing.T) {
		for _, wide := range []bool{false, true} {
			b := newBench(t, codec.PCMA, &disk{})
			ms := 0.0
			pcm := make([]int16, 160)
			talk := func(ms0 float64) {
				v := byte(1 + int(ms0/20)%100)
				now, ts := b.at(ms0), uint32(ms0*8)
				b.r.Write(Left, codec.PCMA, now, 1, ts, frame(v))
				if !wide {
					b.r.Write(Right, codec.PCMA, now, 2, ts, frame(v+100))
					return
				}
				codec.Decode(codec.PCMA, pcm, frame(v+100))
				b.r.WritePCM(Right, now, 2, ts, pcm)
			}
			for _, stall := range []float64{480, 900, 3900} {
				for end := ms + 12000; ms < end; ms += 480 { // what was taken too much is given back
					for i := 0.0; i < 480; i += 20 {
						talk(ms + i)
					}
					b.sh.flush(b.r, false)
				}
				if b.r.size != ringSamples {
					t.Errorf("wide %v, before %v ms: a ring of %d", wide, stall, b.r.size)
				}
				for end := ms + stall; ms < end; ms += 20 {
					talk(ms)
				}
				if stall > 1000 && b.r.size != maxRing {
					t.Errorf("wide %v, after %v ms: a ring of %d", wide, stall, b.r.size)
				}
			}
			w, res := b.close(ms)
			if res.Fault != "" || w.n != int(ms*8) {
				t.Fatalf("wide %v: fault %q, %d samples, want %v", wide, res.Fault, w.n, ms*8)
			}
			for i := range w.n {
				v := byte(1 + i/160%100)
				if w.sides[Left][i] != v || w.sides[Right][i] != v+100 {
					t.Fatalf("wide %v: sample %d is %d and %d, want %d and %d", wide, i, w.sides[Left][i], w.sides[Right][i], v, v+100)
				}
			}
		}
	})
}
