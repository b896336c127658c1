package opus

import (
	"math"
	"testing"
)

// voice is like speech for a codec: a glide of harmonics with syllables.
func voice(rate, n int) []int16 {
	pcm := make([]int16, n)
	phase := 0.0
	for i := range pcm {
		t := float64(i) / float64(rate)
		f := 140 + 40*math.Sin(2*math.Pi*0.7*t)
		phase += 2 * math.Pi * f / float64(rate)
		v := 0.0
		for h := 1; h <= 20 && float64(h)*f < float64(rate)/2.2; h++ {
			v += math.Sin(phase*float64(h)) / (1 + math.Pow((float64(h)*f-600)/500, 2))
		}
		pcm[i] = int16(3000 * v * (0.55 + 0.45*math.Sin(2*math.Pi*3*t)))
	}
	return pcm
}

func tone(rate, n int, hz float64) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(10000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return pcm
}

// engines under test: the one in use, and the translated one when that is another.
func engines() map[string]func() engine {
	m := map[string]func() engine{"translated": newTranslated}
	if native() {
		m["native"] = newEngine
	}
	return m
}

func mustNew(t testing.TB, c Config, e func() engine) *Codec {
	t.Helper()
	k, err := newCodec(c, e())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// snr is the best signal-to-noise ratio over all delays up to 30 ms, in dB.
func snr(in, out []int16, rate int) float64 {
	best := math.Inf(-1)
	for d := range rate * 30 / 1000 {
		var sig, noise float64
		for i := rate / 5; i+d < len(out) && i < len(in); i++ {
			e := float64(out[i+d]) - float64(in[i])
			sig += float64(in[i]) * float64(in[i])
			noise += e * e
		}
		best = max(best, 10*math.Log10(sig/(noise+1)))
	}
	return best
}

func TestRoundTrip(t *testing.T) {
	for name, e := range engines() {
		for _, rate := range []int{8000, 16000, 48000} {
			k := mustNew(t, Config{Rate: rate, Bitrate: 32000}, e)
			in := tone(rate, rate, 440)
			out := make([]int16, 0, rate)
			frame := rate / 50
			var packet [MaxPacket]byte
			for i := 0; i+frame <= len(in); i += frame {
				n, err := k.Encode(packet[:], in[i:i+frame])
				if err != nil || n < 3 {
					t.Fatal(n, err)
				}
				if s := Samples(packet[:n], rate); s != frame {
					t.Fatalf("%s %d: packet says %d samples, want %d", name, rate, s, frame)
				}
				buf := make([]int16, 120*rate/1000)
				m, err := k.Decode(buf, packet[:n])
				if err != nil || m != frame {
					t.Fatal(m, err)
				}
				out = append(out, buf[:m]...)
			}
			// 25-28 dB were measured of libopus for a sine at 48 kHz.
			if got := snr(in, out, rate); got < 18 {
				t.Errorf("%s at %d Hz: %.1f dB", name, rate, got)
			}
		}
	}
}

// TestFormsAgree: what one form of libopus makes the other understands.
func TestFormsAgree(t *testing.T) {
	if !native() {
		t.Skip("needs the build tag libopus and libopus.so.0")
	}
	in := tone(48000, 48000, 440)
	for _, p := range [][2]func() engine{{newEngine, newTranslated}, {newTranslated, newEngine}} {
		enc, dec := mustNew(t, Config{Bitrate: 32000}, p[0]), mustNew(t, Config{}, p[1])
		var out []int16
		var packet [MaxPacket]byte
		buf := make([]int16, maxMs*48)
		for i := 0; i+960 <= len(in); i += 960 {
			n, err := enc.Encode(packet[:], in[i:i+960])
			if err != nil {
				t.Fatal(err)
			}
			m, err := dec.Decode(buf, packet[:n])
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, buf[:m]...)
		}
		if got := snr(in, out, 48000); got < 18 {
			t.Errorf("%.1f dB", got)
		}
	}
}

// TestFEC: a frame that was lost comes back out of the next packet, much better
// than by concealment alone.
func TestFEC(t *testing.T) {
	for name, e := range engines() {
		in := voice(16000, 3*16000)
		lose := func(fec bool) (errorOfLost float64) {
			k := mustNew(t, Config{Rate: 16000, Bitrate: 24000, FEC: true, Loss: 20}, e)
			ref := mustNew(t, Config{Rate: 16000}, e)
			var packets [][]byte
			for i := 0; i+320 <= len(in); i += 320 {
				var b [MaxPacket]byte
				n, err := k.Encode(b[:], in[i:i+320])
				if err != nil {
					t.Fatal(err)
				}
				packets = append(packets, append([]byte(nil), b[:n]...))
			}
			want, got := make([]int16, 1920), make([]int16, 1920)
			var sig, noise float64
			for i, p := range packets {
				if _, err := ref.Decode(want, p); err != nil {
					t.Fatal(err)
				}
				var err error
				switch {
				case i%10 != 9 || i == len(packets)-1:
					_, err = k.Decode(got, p)
				case fec:
					_, err = k.Recover(got[:320], packets[i+1])
				default:
					_, err = k.Conceal(got[:320])
				}
				if err != nil {
					t.Fatal(err)
				}
				if i%10 == 9 {
					for j := range 320 {
						d := float64(got[j]) - float64(want[j])
						sig, noise = sig+float64(want[j])*float64(want[j]), noise+d*d
					}
				}
			}
			return 10 * math.Log10(sig/(noise+1))
		}
		plain, fec := lose(false), lose(true)
		t.Logf("%s: lost frames at %.1f dB concealed, %.1f dB by FEC", name, plain, fec)
		if fec < plain+2 {
			t.Errorf("%s: FEC %.1f dB, concealment %.1f dB", name, fec, plain)
		}
	}
}

func TestDTX(t *testing.T) {
	k, err := New(Config{Rate: 8000, DTX: true})
	if err != nil {
		t.Fatal(err)
	}
	var b [MaxPacket]byte
	quiet, sent := make([]int16, 160), 0
	for range 150 { // 3 s
		n, err := k.Encode(b[:], quiet)
		if err != nil {
			t.Fatal(err)
		}
		if n > 2 {
			sent++
		}
	}
	if sent > 40 {
		t.Errorf("%d of 150 packets of silence are more than two bytes", sent)
	}
}

func TestStereo(t *testing.T) {
	k, err := New(Config{Rate: 16000, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	var b [MaxPacket]byte
	pcm := make([]int16, 640)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(float64(i/2)/3) * float64(i&1))
	}
	for range 10 {
		n, err := k.Encode(b[:], pcm)
		if err != nil || b[0]&4 == 0 {
			t.Fatal(n, err, b[0])
		}
		out := make([]int16, 1920)
		if n, err = k.Decode(out, b[:n]); err != nil || n != 320 {
			t.Fatal(n, err)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	for name, e := range engines() {
		k := mustNew(t, Config{Rate: 8000, FEC: true, Loss: 5}, e)
		in, out := voice(8000, 160), make([]int16, 960)
		var b [MaxPacket]byte
		frame := func() {
			n, err := k.Encode(b[:], in)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = k.Decode(out, b[:n]); err != nil {
				t.Fatal(err)
			}
			if _, err = k.Conceal(out[:160]); err != nil {
				t.Fatal(err)
			}
		}
		frame()
		if n := testing.AllocsPerRun(100, frame); n != 0 {
			t.Errorf("%s: %v allocations a frame", name, n)
		}
	}
}

func TestRefuses(t *testing.T) {
	if _, err := New(Config{Rate: 44100}); err == nil {
		t.Error("44100 Hz was taken")
	}
	if _, err := New(Config{Channels: 3}); err == nil {
		t.Error("three channels were taken")
	}
	k, _ := New(Config{Rate: 8000})
	if _, err := k.Encode(make([]byte, 100), make([]int16, 161)); err == nil {
		t.Error("a frame of 161 samples was taken")
	}
	if _, err := k.Decode(make([]int16, 960), nil); err == nil {
		t.Error("an empty packet was taken")
	}
}

func FuzzDecode(f *testing.F) {
	k, err := newCodec(Config{Rate: 8000}, newTranslated())
	if err != nil {
		f.Fatal(err)
	}
	var b [MaxPacket]byte
	for _, rate := range []int{8000, 48000} {
		e, _ := newCodec(Config{Rate: rate, FEC: true, Loss: 20}, newTranslated())
		in := voice(rate, rate/50)
		for range 3 {
			n, _ := e.Encode(b[:], in)
			f.Add(append([]byte(nil), b[:n]...))
		}
	}
	f.Add([]byte{0xFF, 0xFF, 0xFF})
	f.Add([]byte{0x03, 0x40})
	out := make([]int16, 960)
	f.Fuzz(func(t *testing.T, p []byte) {
		n, err := k.Decode(out, p)
		if err == nil && n != Samples(p, 8000) {
			t.Fatalf("%d samples, the header says %d", n, Samples(p, 8000))
		}
		if n, err := k.Recover(out[:160], p); err == nil && n != 160 {
			t.Fatalf("recovered %d samples", n)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for name, e := range engines() {
		for _, rate := range []int{8000, 48000} {
			b.Run(name+map[int]string{8000: "/8kHz", 48000: "/48kHz"}[rate], func(b *testing.B) {
				k := mustNew(b, Config{Rate: rate, Bitrate: 32000}, e)
				in, frame := voice(rate, 5*rate), rate/50
				var p [MaxPacket]byte
				b.ReportAllocs()
				for i := 0; b.Loop(); i = (i + frame) % len(in) {
					if _, err := k.Encode(p[:], in[i:i+frame]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, e := range engines() {
		for _, rate := range []int{8000, 48000} {
			b.Run(name+map[int]string{8000: "/8kHz", 48000: "/48kHz"}[rate], func(b *testing.B) {
				k := mustNew(b, Config{Rate: 48000, Bitrate: 32000}, e)
				in := voice(48000, 5*48000)
				var packets [][]byte
				for i := 0; i+960 <= len(in); i += 960 {
					var p [MaxPacket]byte
					n, _ := k.Encode(p[:], in[i:i+960])
					packets = append(packets, append([]byte(nil), p[:n]...))
				}
				k = mustNew(b, Config{Rate: rate}, e)
				out := make([]int16, maxMs*48)
				b.ReportAllocs()
				for i := 0; b.Loop(); i = (i + 1) % len(packets) {
					if _, err := k.Decode(out, packets[i]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
