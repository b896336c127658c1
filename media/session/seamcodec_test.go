package session

import (
	"math"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
)

// TestSeamsOfCodecs: talk that is cut off, and talk again, on a line of G.722 and of
// Opus: wherever the cut falls, no step much larger than the sound's own.
func TestSeamsOfCodecs(t *testing.T) {
	for _, id := range []codec.ID{codec.G722, codec.Opus} {
		for cut := range 6 {
			s := newScore(t)
			a, b := s.leg(addrA, codec.PCMA), s.voiced(s.leg(addrB, id), id)
			n := 0
			talk := func(packets int) {
				for range packets {
					var pcm [160]int16
					for i := range pcm {
						pcm[i] = int16(12000 * math.Cos(float64(cut)+2*math.Pi*80*float64(n)/8000))
						n++
					}
					payload := make([]byte, 160)
					codec.Encode(codec.PCMA, payload, pcm[:])
					raw := a.packet(uint8(codec.PCMA), payload)
					a.ts += 160
					a.Receive(nil, raw, a.from, s.now)
					s.pass(20 * time.Millisecond)
				}
			}
			a.Bridge(b.Leg)
			s.run()
			talk(40 + cut)
			b.Unbridge()
			s.pass(300 * time.Millisecond)
			a.Bridge(b.Leg)
			s.run()
			talk(30)
			// One decoder, as a phone has, and the packets back to back.
			dec, err := codec.NewDecoder(id, b.rate)
			if err != nil {
				t.Fatal(err)
			}
			worst, last := 0, int16(0)
			for i, h := range b.take() {
				pcm := make([]int16, b.rate/50)
				if i > 0 && h.Marker && (last > 1500 || last < -1500) {
					t.Errorf("%v, cut %d: packet %d begins where %d was left", id, cut, i, last)
				}
				if _, err := dec.Decode(pcm, h.payload); err != nil {
					t.Fatal(err)
				}
				for _, v := range pcm {
					worst, last = max(worst, int(v)-int(last), int(last)-int(v)), v
				}
			}
			// The talk steps by 380 at 16 kHz, the way to silence by 150; cut off in its
			// middle, by up to 12,000.
			if worst > 1500 {
				t.Errorf("%v, cut %d: a step of %d", id, cut, worst)
			}
		}
	}
}

// TestPromptsBrokenOff: prompts of G.722 and of Opus that begin in their middle, and are
// broken off there, by silence or by another prompt: no step much larger than the
// sound's own.
func TestPromptsBrokenOff(t *testing.T) {
	pcm := make([]int16, 3*8000)
	for i := range pcm {
		pcm[i] = int16(12000 * math.Cos(2*math.Pi*80*float64(i)/8000))
	}
	clip := play.NewClip("long", pcm)
	for _, id := range []codec.ID{codec.G722, codec.Opus} {
		for cut := range 8 {
			s := newScore(t)
			b := s.voiced(s.leg(addrB, id), id)
			at := 500*time.Millisecond + time.Duration(cut)*3*time.Millisecond
			b.Play(Play{ID: 1, Clips: []*play.Clip{clip}, Offset: at})
			s.pass(300*time.Millisecond + time.Duration(cut)*5*time.Millisecond)
			b.StopPlay()
			s.pass(200 * time.Millisecond)
			b.Play(Play{ID: 2, Clips: []*play.Clip{clip}, Offset: 2*at + time.Millisecond})
			s.pass(300 * time.Millisecond)
			b.Play(Play{ID: 3, Clips: []*play.Clip{clip}, Offset: at})
			s.pass(300 * time.Millisecond)
			dec, err := codec.NewDecoder(id, b.rate)
			if err != nil {
				t.Fatal(err)
			}
			packets := b.take()
			continuous(t, packets)
			worst, last, energy, n := 0, int16(0), 0.0, 0
			for i, h := range packets {
				pcm := make([]int16, b.rate/50)
				if i > 0 && h.Marker && (last > 1500 || last < -1500) {
					t.Errorf("%v, cut %d: packet %d begins where %d was left", id, cut, i, last)
				}
				if _, err := dec.Decode(pcm, h.payload); err != nil {
					t.Fatal(err)
				}
				for _, v := range pcm {
					worst, last = max(worst, int(v)-int(last), int(last)-int(v)), v
					energy, n = energy+float64(v)*float64(v), n+1
				}
			}
			if worst > 1500 {
				t.Errorf("%v, cut %d: a step of %d", id, cut, worst)
			}
			if level := math.Sqrt(energy / float64(n)); len(packets) < 42 || level < 6000 {
				t.Errorf("%v, cut %d: %d packets of level %.0f", id, cut, len(packets), level)
			}
		}
	}
}

// TestMeetAllocatesNothing, nor changes what goes on.
func TestMeetAllocatesNothing(t *testing.T) {
	s := newScore(t)
	b := s.voiced(s.leg(addrB, codec.G722), codec.G722)
	pcm := make([]int16, 320)
	b.line.Frame(s.now, 160)
	fill := func() {
		for i := range pcm {
			pcm[i] = 9000
		}
	}
	fill()
	if b.meet(s.now, 16000, pcm); pcm[0] != 9000 {
		t.Error("sound that goes on was changed")
	}
	b.line.Cut()
	if n := testing.AllocsPerRun(100, func() { fill(); b.meet(s.now, 16000, pcm) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if pcm[0] > 200 || pcm[80] != 9000 {
		t.Errorf("rises from %d to %d within 5 ms", pcm[0], pcm[80])
	}
}
