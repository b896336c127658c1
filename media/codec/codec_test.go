package codec

import (
	"bytes"
	"math"
	"testing"
)

// The reference below is written from the tables of G.711 by search, apart from
// the arithmetic of the package: the decision values and output values of table
// 1 (A-law) and 2 (µ-law), and the nearest interval by walking them.

// positive half of table 2: 128 output values y_n in 14-bit units.
func refOutputsU() (y [128]int) {
	for seg := range 8 {
		for step := range 16 {
			y[seg*16+step] = (33+2*step)<<seg - 33
		}
	}
	return
}

// positive half of table 1: 128 output values in 13-bit units (4096 = full).
func refOutputsA() (y [128]int) {
	for n := range 128 {
		switch {
		case n < 32:
			y[n] = 2*n + 1
		default:
			seg := n / 16
			y[n] = (2*(n%16) + 33) << (seg - 1)
		}
	}
	return
}

func TestDecodeTables(t *testing.T) {
	u, a := refOutputsU(), refOutputsA()
	for n := range 128 {
		// µ-law: all bits inverted; A-law: sign set is positive, even bits inverted.
		for _, c := range []struct {
			law  Law
			code byte
			want int
		}{
			{PCMU, ^byte(n), u[n] * 4}, {PCMU, ^byte(n | 0x80), -u[n] * 4},
			{PCMA, byte(n|0x80) ^ 0x55, a[n] * 8}, {PCMA, byte(n) ^ 0x55, -a[n] * 8},
		} {
			var s [1]int16
			Decode(c.law, s[:], []byte{c.code})
			if int(s[0]) != c.want {
				t.Errorf("%v %#02x: %d, want %d", c.law, c.code, s[0], c.want)
			}
		}
	}
}

// Known values: the ends and the middle of both tables.
func TestVectors(t *testing.T) {
	for _, tt := range []struct {
		law  Law
		pcm  int16
		code byte
		back int16
	}{
		{PCMU, 0, 0xFF, 0}, {PCMU, 32767, 0x80, 32124}, {PCMU, -32768, 0x00, -32124},
		{PCMU, 32124, 0x80, 32124}, {PCMU, 1000, 0xCE, 988}, {PCMU, -1000, 0x4E, -988}, {PCMU, 8, 0xFE, 8},
		{PCMA, 0, 0xD5, 8}, {PCMA, -1, 0x55, -8}, {PCMA, 32767, 0xAA, 32256}, {PCMA, -32768, 0x2A, -32256},
		{PCMA, 1000, 0xFA, 1008}, {PCMA, -1000, 0x7A, -1008},
	} {
		var b [1]byte
		Encode(tt.law, b[:], []int16{tt.pcm})
		var s [1]int16
		Decode(tt.law, s[:], b[:])
		if b[0] != tt.code || s[0] != tt.back {
			t.Errorf("%v %d: code %#02x back %d, want %#02x %d", tt.law, tt.pcm, b[0], s[0], tt.code, tt.back)
		}
	}
}

// The digital milliwatt (G.711 table 5 and 6): eight octets that decode to 1 kHz
// at 0 dBm0.
func TestDigitalMilliwatt(t *testing.T) {
	for _, tt := range []struct {
		law  Law
		mw   []byte
		full float64 // dBm0 of a sine of full scale: G.711 table 1 and 2
		unit float64 // its amplitude on the scale of 16 bits: virtual decision value
	}{
		{PCMA, []byte{0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4}, 3.14, 4096 * 8},
		{PCMU, []byte{0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E}, 3.17, 8159 * 4},
	} {
		var pcm [8]int16
		Decode(tt.law, pcm[:], tt.mw)
		sum := 0.0
		for _, s := range pcm {
			sum += float64(s) * float64(s)
		}
		level := 20*math.Log10(math.Sqrt(2*sum/8)/tt.unit) + tt.full
		if math.Abs(level) > 0.05 {
			t.Errorf("%v: %.3f dBm0, want 0", tt.law, level)
		}
		out := make([]byte, 8)
		Encode(tt.law, out, pcm[:])
		if !bytes.Equal(out, tt.mw) {
			t.Errorf("%v: % x came back as % x", tt.law, tt.mw, out)
		}
	}
}

// Each code decodes to a value that encodes to the same code; the one exception
// is µ-law's negative zero, which is the same sound as its positive one.
func TestIdentity(t *testing.T) {
	for _, l := range []Law{PCMU, PCMA} {
		for c := range 256 {
			var s [1]int16
			var b [1]byte
			Decode(l, s[:], []byte{byte(c)})
			Encode(l, b[:], s[:])
			want := byte(c)
			if l == PCMU && c == 0x7F {
				want = 0xFF
			}
			if b[0] != want {
				t.Errorf("%v %#02x -> %d -> %#02x", l, c, s[0], b[0])
			}
		}
	}
}

// Every 16-bit value goes to the nearest output value: no other code is closer
// by more than the boundary rule of the tables (a tie goes outwards).
func TestEncodeNearest(t *testing.T) {
	for _, l := range []Law{PCMU, PCMA} {
		var out [256]int16
		codes := make([]byte, 256)
		for i := range codes {
			codes[i] = byte(i)
		}
		Decode(l, out[:], codes)
		prev := math.MinInt32
		for v := math.MinInt16; v <= math.MaxInt16; v++ {
			var b [1]byte
			Encode(l, b[:], []int16{int16(v)})
			got := int(out[b[0]])
			if got < prev {
				t.Fatalf("%v: not rising at %d", l, v)
			}
			prev = got
			best := math.MaxInt
			for _, o := range out {
				best = min(best, abs(int(o)-v))
			}
			// The input has 14 or 13 bits, so it is known to 4 or 8 only.
			slack := 4
			if l == PCMA {
				slack = 8
			}
			// The clipped ends are far from all; in between nearest wins. In A- and
			// µ-law the decision values between segments lie not at the middle of
			// the two outputs but at the segment's edge: half the smaller step more.
			if d := abs(got - v); d > best+slack+abs(v)/64 {
				t.Fatalf("%v %d: %d, %d away; %d is possible", l, v, got, d, best)
			}
		}
	}
}

// Signal to quantising noise of a sine must pass the mask of G.712 (33 dB from
// 0 to -30 dBm0, 27 at -40, 22 at -45 for a whole channel; the codec alone must
// do better by far than that).
func TestNoise(t *testing.T) {
	for _, l := range []Law{PCMU, PCMA} {
		for _, tt := range []struct{ dBm0, want float64 }{{0, 36}, {-10, 36}, {-20, 36}, {-30, 35}, {-40, 29}, {-45, 24}} {
			peak := 32767 * math.Pow(10, (tt.dBm0-3.17)/20)
			var sig, noise float64
			for i := range 8000 {
				v := peak * math.Sin(2*math.Pi*1019.7*float64(i)/8000)
				in := [1]int16{int16(math.Round(v))}
				var b [1]byte
				var out [1]int16
				Encode(l, b[:], in[:])
				Decode(l, out[:], b[:])
				sig += v * v
				noise += (float64(out[0]) - v) * (float64(out[0]) - v)
			}
			if snr := 10 * math.Log10(sig/noise); snr < tt.want {
				t.Errorf("%v at %v dBm0: %.1f dB, want %v", l, tt.dBm0, snr, tt.want)
			}
		}
	}
}

// Between the laws: through the linear value, and there and back must not creep:
// the second time changes nothing more (G.711 3.3 transparency after one pass).
func TestTranscode(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, p := range []struct{ from, to Law }{{PCMU, PCMA}, {PCMA, PCMU}} {
		pcm, want, got := make([]int16, 256), make([]byte, 256), make([]byte, 256)
		Decode(p.from, pcm, all)
		Encode(p.to, want, pcm)
		if n := Transcode(got, all, p.from, p.to); n != 256 || !bytes.Equal(got, want) {
			t.Errorf("%v to %v differs from decoding and encoding", p.from, p.to)
		}
		back := make([]byte, 256)
		Transcode(back, got, p.to, p.from)
		again := make([]byte, 256)
		Transcode(again, back, p.from, p.to)
		Transcode(again, again, p.to, p.from) // in place
		creeping := 0
		for i := range back {
			if back[i] != again[i] {
				creeping++
			}
		}
		if creeping != 0 {
			t.Errorf("%v to %v: %d codes creep on the second round", p.from, p.to, creeping)
		}
	}
	same := make([]byte, 256)
	if Transcode(same, all, PCMA, PCMA); !bytes.Equal(same, all) {
		t.Error("equal laws are not a copy")
	}
	if s := []byte{Silence(PCMU)}; Transcode(s, s, PCMU, PCMA) != 1 || s[0] != Silence(PCMA) {
		t.Errorf("silence becomes %#x", s[0])
	}
}

func TestShortBuffers(t *testing.T) {
	pcm, b := make([]int16, 5), make([]byte, 3)
	if Encode(PCMU, b, pcm) != 3 || Decode(PCMA, pcm[:2], b) != 2 || Transcode(b[:1], b, PCMU, PCMA) != 1 || Encode(PCMA, nil, pcm) != 0 {
		t.Error("want the shorter length")
	}
	if PCMU.String() != "PCMU" || PCMA.String() != "PCMA" || Law(3).Valid() || Law(3).String() != "codec(3)" {
		t.Error("names")
	}
}

func abs(x int) int { return max(x, -x) }

func BenchmarkTranscode20ms(b *testing.B) {
	src, dst := make([]byte, 160), make([]byte, 160)
	for b.Loop() {
		Transcode(dst, src, PCMU, PCMA)
	}
}

func BenchmarkEncode20ms(b *testing.B) {
	pcm, dst := make([]int16, 160), make([]byte, 160)
	for b.Loop() {
		Encode(PCMA, dst, pcm)
	}
}
