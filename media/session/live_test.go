package session

import (
	"math"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
)

// TestLive: sound that comes while it is heard is sent in each codec, 20 ms by 20 ms,
// whatever the Play's offset says; when nothing comes the line stands still, in
// G.711 in silence, and goes on with the sound. Without Loop it is left out.
func TestLive(t *testing.T) {
	for _, id := range []codec.ID{codec.PCMA, codec.G722, codec.Opus} {
		s := newScore(t)
		l := s.leg(addrA, id)
		if id == codec.G722 || id == codec.Opus {
			s.voiced(l, id)
		}
		live, clip := play.NewLive("radio")
		n := 0
		put := func() {
			pcm := make([]int16, 320)
			for i := range pcm {
				pcm[i] = int16(9000 * math.Sin(2*math.Pi*500*float64(n)/16000))
				n++
			}
			live.Put(pcm)
		}
		for range 10 {
			put()
		}
		l.Play(Play{ID: 1, Clips: []*play.Clip{clip}})
		s.pass(100 * time.Millisecond)
		if got := len(l.take()); got > 1 {
			t.Errorf("%v: %d packets of what would never end", id, got)
		}
		l.Play(Play{ID: 2, Clips: []*play.Clip{clip}, Loop: true, Offset: time.Hour})
		for range 60 {
			put()
			s.pass(20 * time.Millisecond)
		}
		heard := l.take()
		if len(heard) < 55 || len(heard) > 61 {
			t.Errorf("%v: %d packets of 60", id, len(heard))
		}
		dec, err := codec.NewDecoder(id, id.Rate(8000))
		if err != nil {
			t.Fatal(err)
		}
		var energy float64
		for _, h := range heard[len(heard)-20:] {
			pcm := make([]int16, 1920)
			k, err := dec.Decode(pcm, h.payload)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range pcm[:k] {
				energy += float64(v) * float64(v) / float64(20*k)
			}
		}
		if rms := math.Sqrt(energy); rms < 5000 || rms > 7500 {
			t.Errorf("%v: an RMS of %.0f, want 6364", id, rms)
		}
		s.pass(time.Second) // nothing comes
		still := l.take()
		if id.Valid() && len(still) < 45 {
			t.Errorf("%v: %d packets of a second without sound", id, len(still))
		}
		for range 10 {
			put()
			s.pass(20 * time.Millisecond)
		}
		if got := l.take(); len(got) < 5 {
			t.Errorf("%v: %d packets when it comes again", id, len(got))
		}
	}
}
