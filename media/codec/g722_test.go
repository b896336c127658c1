package codec

import (
	"hash/fnv"
	"math"
	"testing"
)

// noise is a deterministic signal that drives every part of the coder: noise of
// two levels, and at its end squares.
func noise() []int16 {
	seed := uint32(1)
	low := int32(0)
	pcm := make([]int16, 32000)
	for i := range pcm {
		seed = seed*1664525 + 1013904223
		low += (int32(seed>>16) - 32768 - low) / 4
		v := low / 2
		if i/4000&1 == 1 {
			v /= 16
		}
		if i >= 28000 {
			v = -12000
			if i&64 != 0 {
				v = 12000
			}
		}
		pcm[i] = int16(v)
	}
	return pcm
}

func sum16(pcm []int16) uint32 {
	h := fnv.New32a()
	for _, v := range pcm {
		h.Write([]byte{byte(v), byte(v >> 8)})
	}
	return h.Sum32()
}

func g722(t testing.TB) (Encoder, Decoder) {
	t.Helper()
	e, err := NewEncoder(G722, 16000, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecoder(G722, 16000)
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

// TestG722Vectors: bit for bit what the G.722 of spandsp 0.0.6 makes of the same
// signal (which it does not let overflow: spandsp wraps there, the Recommendation
// limits).
func TestG722Vectors(t *testing.T) {
	e, d := g722(t)
	in := noise()
	code, out := make([]byte, 16000), make([]int16, 32000)
	if n, _ := e.Encode(code, in); n != 16000 {
		t.Fatal(n)
	}
	h := fnv.New32a()
	h.Write(code)
	if h.Sum32() != 0x0f779c02 {
		t.Errorf("encoded %08x; octets 1000-1015: % x", h.Sum32(), code[1000:1016])
	}
	if n, _ := d.Decode(out, code); n != 32000 {
		t.Fatal(n)
	}
	if got := sum16(out); got != 0x5a6ee7d0 {
		t.Errorf("decoded %08x; samples 2000-2007: %v", got, out[2000:2008])
	}
}

// TestG722Frames: frames of any length give what the whole gives.
func TestG722Frames(t *testing.T) {
	in := noise()
	e, d := g722(t)
	code, out := make([]byte, 16000), make([]int16, 32000)
	e.Encode(code, in)
	d.Decode(out, code)
	e, d = g722(t)
	var got []int16
	buf, pcm := make([]byte, 500), make([]int16, 1000)
	for i, n := 0, 2; i < len(in); i, n = i+n, n%640+14 {
		n = min(n, len(in)-i)
		c, _ := e.Encode(buf, in[i:i+n])
		p, _ := d.Decode(pcm, buf[:c])
		got = append(got, pcm[:p]...)
	}
	if sum16(got) != sum16(out) {
		t.Error("frames of odd lengths give another sound")
	}
}

// TestG722Sine: what comes out is the tone that went in, over the whole band.
func TestG722Sine(t *testing.T) {
	for _, c := range []struct{ hz, db float64 }{{300, 35}, {1000, 35}, {3000, 30}, {5500, 15}, {6500, 12}} {
		e, d := g722(t)
		in := make([]int16, 16000)
		for i := range in {
			in[i] = int16(8000 * math.Sin(2*math.Pi*c.hz*float64(i)/16000))
		}
		code, out := make([]byte, 8000), make([]int16, 16000)
		e.Encode(code, in)
		d.Decode(out, code)
		out = out[4000:]
		var a, b, total float64
		for i, v := range out {
			p := 2 * math.Pi * c.hz * float64(i) / 16000
			a += float64(v) * math.Cos(p)
			b += float64(v) * math.Sin(p)
			total += float64(v) * float64(v)
		}
		power := 2 * (a*a + b*b) / float64(len(out))
		db, peak := 10*math.Log10(power/(total-power)), math.Sqrt(2*power/float64(len(out)))
		if db < c.db || math.Abs(20*math.Log10(peak/8000)) > 1 {
			t.Errorf("%.0f Hz: %.1f dB over the noise, peak %.0f", c.hz, db, peak)
		}
	}
}

// TestConceal: after a loss of 20 ms a steady tone goes on nearly as if nothing had
// been lost, and a long loss fades to silence.
func TestConceal(t *testing.T) {
	for _, c := range []struct {
		id   ID
		rate int
	}{{PCMA, 8000}, {PCMU, 8000}, {G722, 16000}} {
		e, _ := NewEncoder(c.id, c.rate, Options{})
		d, _ := NewDecoder(c.id, c.rate)
		frame := c.rate / 50
		pcm, out, code := make([]int16, frame), make([]int16, frame), make([]byte, 160)
		var tail []int16
		for f := range 20 {
			for i := range pcm {
				pcm[i] = int16(8000 * math.Sin(2*math.Pi*425*float64(f*frame+i)/float64(c.rate)))
			}
			n, _ := e.Encode(code, pcm)
			if f == 18 {
				d.Conceal(out)
			} else if m, _ := d.Decode(out, code[:n]); m != frame {
				t.Fatal(m)
			}
			if f >= 17 {
				tail = append(tail, out...)
			}
		}
		step, least := 0.0, math.Inf(1)
		for i := 1; i < len(tail); i++ {
			step = max(step, math.Abs(float64(tail[i])-float64(tail[i-1])))
		}
		for i := 0; i+frame/4 <= len(tail); i += frame / 4 { // 5 ms: two periods
			var e float64
			for _, v := range tail[i : i+frame/4] {
				e += float64(v) * float64(v)
			}
			least = min(least, math.Sqrt(e/float64(frame/4)))
		}
		// The tone's own steepest step is 8000*2π*425/rate.
		if own := 8000 * 2 * math.Pi * 425 / float64(c.rate); step > 1.6*own+200 {
			t.Errorf("%v: a step of %.0f, the tone's own is %.0f", c.id, step, own)
		}
		if least < 0.6*8000/math.Sqrt2 {
			t.Errorf("%v: 5 ms at %.0f, the tone has %.0f", c.id, least, 8000/math.Sqrt2)
		}
		for range 5 {
			d.Conceal(out)
		}
		for _, v := range out {
			if v != 0 {
				t.Fatalf("%v: not silent after 100 ms", c.id)
			}
		}
	}
}

// TestFormats: what SDP is told of each codec.
func TestFormats(t *testing.T) {
	for _, c := range []struct {
		id                     ID
		name                   string
		pt, clock, rate, chans int
	}{
		{PCMU, "PCMU", 0, 8000, 8000, 1},
		{PCMA, "PCMA", 8, 8000, 8000, 1},
		{G722, "G722", 9, 8000, 16000, 1},
		{Opus, "opus", 111, 48000, 48000, 2},
	} {
		f := c.id.Format()
		if f.Name != c.name || int(f.ID) != c.pt || f.ClockRate != c.clock || f.SampleRate != c.rate || f.Channels != c.chans || c.id.ClockRate() != c.clock {
			t.Errorf("%v: %+v", c.id, f)
		}
		if id, ok := ByName(c.name); !ok || id != c.id {
			t.Errorf("%s: %v %v", c.name, id, ok)
		}
		if rate := c.id.Rate(c.rate); rate != c.rate {
			t.Errorf("%v: rate %d", c.id, rate)
		}
	}
	if _, ok := ByName("G729"); ok {
		t.Error("G729 was found")
	}
	if _, err := NewEncoder(ID(77), 8000, Options{}); err == nil {
		t.Error("an encoder of nothing")
	}
	if _, err := NewDecoder(G722, 8000); err == nil {
		t.Error("G.722 at 8 kHz")
	}
}

func TestStreamsAllocateNothing(t *testing.T) {
	for _, f := range Formats {
		rate := f.ID.Rate(8000)
		e, err := NewEncoder(f.ID, rate, Options{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewDecoder(f.ID, rate)
		if err != nil {
			t.Fatal(err)
		}
		pcm, out, code := make([]int16, rate/50), make([]int16, rate*120/1000), make([]byte, 1500)
		for i := range pcm {
			pcm[i] = int16(i * 100)
		}
		frame := func() {
			n, err := e.Encode(code, pcm)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := d.Decode(out, code[:n]); err != nil || n != len(pcm) {
				t.Fatal(n, err)
			}
			d.Conceal(out[:len(pcm)])
		}
		frame()
		if n := testing.AllocsPerRun(50, frame); n != 0 {
			t.Errorf("%v: %v allocations a frame", f.ID, n)
		}
	}
}

func FuzzG722(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 255})
	f.Fuzz(func(t *testing.T, code []byte) {
		_, d := g722(t)
		e, _ := g722(t)
		out := make([]int16, 2*len(code)+2)
		n, _ := d.Decode(out, code)
		if n != 2*len(code) {
			t.Fatal(n)
		}
		d.Conceal(out)
		if n, _ := e.Encode(make([]byte, len(code)), out[:n]); n != len(code) {
			t.Fatal(n)
		}
	})
}

func BenchmarkG722(b *testing.B) {
	e, d := g722(b)
	in := noise()
	code, out := make([]byte, 160), make([]int16, 320)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i = (i + 320) % 32000 {
			e.Encode(code, in[i:i+320])
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Decode(out, code)
		}
	})
}
