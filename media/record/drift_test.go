package record

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/centrala/centrala/media/codec"
	"github.com/prometheus/client_golang/prometheus"
)

func counter(t testing.TB, c prometheus.Metric) int {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

// runs shows octets as value×count.
func runs(b []byte) (out []string) {
	for i := 0; i < len(b) && len(out) < 20; {
		j := i
		for j < len(b) && b[j] == b[i] {
			j++
		}
		out = append(out, fmt.Sprintf("%#x×%d", b[i], j-i))
		i = j
	}
	return out
}

// One hour of two senders whose clocks are off in opposite directions, with
// jitter, 5 % loss, 2 % reordering and a start delayed on one side; in the hard
// case each changes its SSRC or leaps to other timestamps every few minutes. Every
// ten seconds both make the same mark at the same true instant: in the file the
// marks must lie within 40 ms of each other to the end, each mark whole, and no
// more samples may be bent than the drift asks for.
func TestAlignedOverAnHour(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ppm     [2]float64
		seconds float64
		leaps   bool
	}{
		{"20 ppm", [2]float64{+20, -20}, 1200, false},
		{"100 ppm, leaps and new sources", [2]float64{-100, +100}, 3600, true},
		{"500 ppm", [2]float64{+500, 0}, 600, false}, // a bad sound card
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, codec.PCMU, &disk{b: make([]byte, 0, 116e6)})
			rng := rand.New(rand.NewPCG(3, 4))
			seconds := tt.seconds
			p := make([]byte, 160)
			var ms [2]float64 // true time of the next packet's first sample
			var ts = [2]uint32{0xFFFF0000, 12345}
			ssrc := [2]uint32{1, 2}
			type packet struct {
				ssrc, ts uint32
				p        []byte
			}
			var back [2]*packet // comes behind the next
			n := [2]int{}
			var held [2]float64
			for flush := 0.0; ms[0] < seconds*1000; {
				ch := 0
				if ms[1] < ms[0] {
					ch = 1
				}
				// The sender's clock: its 160 samples take this long.
				length := 20 / (1 + tt.ppm[ch]*1e-6)
				for i := range p {
					at := ms[ch] + float64(i)*length/160
					p[i] = 0x80
					if in := at - float64(int(at/10000))*10000; in < 100 { // a mark of 100 ms
						p[i] = 0x01
					}
				}
				arrival := ms[ch] + 20 + 30*rng.Float64()*rng.Float64()
				if ms[ch] < 20 {
					arrival += 60 // the first packet is late, the network wakes up
				}
				arrival = max(arrival, held[ch])
				held[ch] = arrival
				if n[ch]++; tt.leaps && n[ch]%(7000+3000*ch) == 0 {
					if ts[ch] = rng.Uint32(); n[ch]%2000 == 0 {
						ssrc[ch] += 2 // a new source; else the same one leaps
					}
				}
				switch lot := rng.Float64(); {
				case lot < 0.05 && ms[ch] >= 20: // lost
				case lot < 0.07 && ms[ch] >= 20 && back[ch] == nil:
					back[ch] = &packet{ssrc[ch], ts[ch], bytes.Clone(p)}
				default:
					b.r.Write(Channel(ch), codec.PCMU, b.at(arrival), ssrc[ch], ts[ch], p)
					if q := back[ch]; q != nil {
						back[ch] = nil
						b.r.Write(Channel(ch), codec.PCMU, b.at(arrival), q.ssrc, q.ts, q.p)
					}
				}
				ts[ch] += 160
				ms[ch] += length
				if ms[ch] > flush {
					b.sh.flush(b.r, false)
					flush += 500
				}
			}
			w, res := b.close(seconds * 1000)
			if res.Fault != "" {
				t.Fatal(res.Fault)
			}
			worst, seen := 0, 0
			for mark := 6; mark < int(seconds)/10; mark++ {
				l, r := findMark(w.sides[Left], mark*80000), findMark(w.sides[Right], mark*80000)
				if l < 0 || r < 0 {
					continue // lost with its packet
				}
				seen++
				worst = max(worst, l-r, r-l)
				if off := l - mark*80000; off > 80000*7/100 || off < -400 {
					t.Fatalf("mark %d at %d, far from its time", mark, l)
				}
			}
			t.Logf("worst: %.1f ms over %d marks", float64(worst)/8, seen)
			if seen < int(seconds)/10*2/3 {
				t.Errorf("only %d marks found", seen)
			}
			if worst > 40*8 {
				t.Errorf("channels are %d ms apart", worst/8)
			}
		})
	}
}

// findMark returns where the mark begins near at, when it is there in full.
func findMark(b []byte, at int) int {
	from, to := max(0, at-4000), min(len(b), at+8000)
	i := bytes.IndexByte(b[from:to], 0x01)
	if i <= 0 || b[from+i-1] != 0x80 {
		return -1 // its beginning was lost
	}
	return from + i
}

// Nothing but the corrections may touch the sound: with a clock 100 ppm fast,
// no loss and no jitter, each correction drops one sample.
func TestDriftDamage(t *testing.T) {
	format = G711 // octets as they came, to tell every one
	defer func() { format = PCM }()
	for _, ppm := range []float64{-100, 0, 100} {
		b := newBench(t, codec.PCMU, &disk{})
		ms, p := 0.0, make([]byte, 160)
		const packets = 60 * 50 * 10
		for i := range packets {
			for j := range p {
				p[j] = byte((i*160 + j) % 250) // counts up: every bend shows
			}
			b.r.Write(Left, codec.PCMU, b.at(ms), 1, uint32(i*160), p)
			ms += 20 / (1 + ppm*1e-6)
			if i%25 == 0 {
				b.sh.flush(b.r, false)
			}
		}
		w, _ := b.close(ms)
		bends, worst := 0, 0
		for i := 1; i < len(w.sides[Left]); i++ {
			step := (int(w.sides[Left][i]) - int(w.sides[Left][i-1]) + 250) % 250
			if step != 1 {
				bends++
				worst = max(worst, min((step+249)%250, (251-step)%250))
			}
		}
		want := int(packets * 160 * 100e-6) // 480 samples of drift in ten minutes
		if ppm == 0 {
			want = 0
		}
		// The dead band of 80 samples is not corrected; the pad at the end may
		// show as one bend.
		if bends > want+2 || bends < want-90-2 {
			t.Errorf("%v ppm: %d bends, want about %d", ppm, bends, want)
		}
		if ppm == 0 && bends > 0 || worst > 1 && bends > want {
			t.Errorf("%v ppm: a bend of %d samples", ppm, worst)
		}
	}
}
