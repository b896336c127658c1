package play

import (
	"math"
	"testing"

	"github.com/centrala/centrala/media/codec"
)

// TestSoftEnds: a clip cut out of the middle of a sound begins and ends without a step
// in the codecs whose packets are made in advance; in G.711, whose seams are made when
// it is heard, and where it begins and ends softly by itself, nothing is changed.
func TestSoftEnds(t *testing.T) {
	hard := make([]int16, 8000)
	for i := range hard {
		hard[i] = int16(12000 * math.Cos(2*math.Pi*100*float64(i)/8000))
	}
	for _, id := range []codec.ID{codec.G722, codec.Opus} {
		c := NewClip("hard", hard)
		dec, err := codec.NewDecoder(id, 16000)
		if err != nil {
			t.Fatal(err)
		}
		var out []int16
		buf := make([]int16, 32000)
		if id == codec.G722 {
			n, err := dec.Decode(buf, c.Frames(id))
			if err != nil {
				t.Fatal(err)
			}
			out = buf[:n]
		} else {
			for _, p := range c.Packets(id) {
				n, err := dec.Decode(buf, p)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, buf[:n]...)
			}
		}
		worst, peak := 0, 0
		for i := 1; i < len(out); i++ {
			worst, peak = max(worst, int(out[i])-int(out[i-1]), int(out[i-1])-int(out[i])), max(peak, int(out[i]))
		}
		// The tone steps by 470 at 16 kHz, its rise by 150; a hard beginning by 12,000.
		if worst > 1800 || peak < 9000 || out[0] > 600 || out[0] < -600 {
			t.Errorf("%v: begins at %d, a step of %d, a peak of %d", id, out[0], worst, peak)
		}
	}
	even := make([]int16, 8000)
	for i := range even {
		even[i] = int16(9000 * math.Sin(2*math.Pi*75*float64(i)/8000))
	}
	if got := soft(even, 8000); &got[0] != &even[0] {
		t.Error("what begins and ends softly was copied")
	}
	if f := NewClip("hard", hard).Frames(codec.PCMA); f[0] == codec.Silence(codec.PCMA) {
		t.Error("G.711 was changed")
	}
}
