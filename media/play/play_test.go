package play

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// wavOpts describes a test file.
type wavOpts struct {
	tag, ch, bits, rate int
	ext                 bool   // WAVE_FORMAT_EXTENSIBLE
	before              string // raw chunks before fmt
	size                int64  // of data as the header says; -1 = true
}

func makeWAV(o wavOpts, data []byte) []byte {
	var b bytes.Buffer
	put := func(v ...any) {
		for _, x := range v {
			binary.Write(&b, binary.LittleEndian, x)
		}
	}
	b.WriteString("RIFF\xff\xff\xff\xffWAVE" + o.before)
	tag, size := uint16(o.tag), uint32(16)
	if o.ext {
		tag, size = 0xFFFE, 40
	}
	b.WriteString("fmt ")
	put(size, tag, uint16(o.ch), uint32(o.rate), uint32(o.rate*o.ch*o.bits/8), uint16(o.ch*o.bits/8), uint16(o.bits))
	if o.ext {
		put(uint16(22), uint16(o.bits), uint32(0), uint16(o.tag))
		b.WriteString(extensibleTail)
	}
	b.WriteString("data")
	if o.size < 0 {
		o.size = int64(len(data))
	}
	put(uint32(o.size))
	b.Write(data)
	return b.Bytes()
}

// sine is d seconds of hz at half scale in the asked format, on each channel.
func sine(o wavOpts, hz, d float64) []byte {
	var b []byte
	le := binary.LittleEndian
	for i := range int(d * float64(o.rate)) {
		v := 0.5 * math.Sin(2*math.Pi*hz*float64(i)/float64(o.rate))
		for range o.ch {
			switch {
			case o.tag == tagALaw || o.tag == tagMuLaw:
				l := codec.PCMA
				if o.tag == tagMuLaw {
					l = codec.PCMU
				}
				var x [1]byte
				codec.Encode(l, x[:], []int16{int16(v * 32767)})
				b = append(b, x[0])
			case o.tag == tagFloat:
				b = le.AppendUint32(b, math.Float32bits(float32(v)))
			case o.bits == 8:
				b = append(b, byte(int(math.Round(v*127))+128))
			case o.bits == 16:
				b = le.AppendUint16(b, uint16(int16(math.Round(v*32767))))
			}
		}
	}
	return b
}

// strength is the level of hz in pcm in dB against a sine of half scale.
func strength(pcm []int16, hz float64) float64 {
	var re, im float64
	for i, s := range pcm {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(len(pcm)))
		re += w * float64(s) * math.Cos(2*math.Pi*hz*float64(i)/narrow)
		im += w * float64(s) * math.Sin(2*math.Pi*hz*float64(i)/narrow)
	}
	return 20 * math.Log10(math.Hypot(re, im)*4/float64(len(pcm))/(0.5*32767)+1e-9)
}

func TestLoadFormats(t *testing.T) {
	for _, rate := range rates {
		for _, f := range []struct{ tag, bits int }{{tagPCM, 8}, {tagPCM, 16}, {tagFloat, 32}, {tagALaw, 8}, {tagMuLaw, 8}} {
			for ch := 1; ch <= 2; ch++ {
				for _, ext := range []bool{false, true} {
					o := wavOpts{tag: f.tag, bits: f.bits, rate: rate, ch: ch, ext: ext, size: -1,
						before: "LIST\x03\x00\x00\x00abc\x00bext\x02\x00\x00\x00xy"} // an odd chunk is padded
					name := fmt.Sprintf("%+v", o)
					c, err := Load(bytes.NewReader(makeWAV(o, sine(o, 1000, 0.5))), name)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					if d := c.Duration() - 500*time.Millisecond; d.Abs() > time.Millisecond {
						t.Errorf("%s: lasts %v", name, c.Duration())
					}
					if s := strength(c.PCM(), 1000); math.Abs(s) > 0.15 {
						t.Errorf("%s: 1 kHz at %+.2f dB", name, s)
					}
					if s := strength(c.PCM(), 1700); s > -45 { // no images, no distortion
						t.Errorf("%s: 1.7 kHz at %+.2f dB", name, s)
					}
				}
			}
		}
	}
}

func TestLoad24And32Bits(t *testing.T) {
	for _, bits := range []int{24, 32} {
		var data []byte
		want := []int16{0, 1, -1, 32767, -32768, 12345, -12345}
		for _, s := range want {
			full := binary.LittleEndian.AppendUint32(nil, uint32(int32(s)<<16))
			data = append(data, full[4-bits/8:]...)
		}
		c, err := Load(bytes.NewReader(makeWAV(wavOpts{tag: 1, ch: 1, bits: bits, rate: 8000, size: -1}, data)), "x")
		if err != nil || !slices.Equal(c.PCM(), want) {
			t.Errorf("%d bits: %v %v", bits, c, err)
		}
	}
}

// 44.1 and 48 kHz: flat where speech is, and nothing folds back.
func TestResamplingQuality(t *testing.T) {
	for _, rate := range []int{11025, 16000, 22050, 44100, 48000, 96000} {
		for _, tt := range []struct {
			hz, at   float64 // what goes in, where it would be heard
			min, max float64
		}{
			{100, 100, -0.1, 0.1}, {1000, 1000, -0.1, 0.1}, {3300, 3300, -0.3, 0.1},
			{4700, 3300, -999, -60}, {5000, 3000, -999, -75}, {7000, 1000, -999, -75}, {9000, 1000, -999, -75}, {17000, 1000, -999, -75},
		} {
			if tt.hz > float64(rate)/2 {
				continue
			}
			o := wavOpts{tag: 1, ch: 1, bits: 16, rate: rate, size: -1}
			c, err := Load(bytes.NewReader(makeWAV(o, sine(o, tt.hz, 1))), "x")
			if err != nil {
				t.Fatal(err)
			}
			pcm := c.PCM()
			if s := strength(pcm[400:len(pcm)-400], tt.at); s < tt.min || s > tt.max {
				t.Errorf("%d Hz: %v Hz is heard at %v Hz with %.2f dB, want %v to %v", rate, tt.hz, tt.at, s, tt.min, tt.max)
			}
		}
	}
}

// The filter's delay is taken out: a click stays where it was.
func TestResamplingKeepsTime(t *testing.T) {
	for _, rate := range []int{16000, 44100, 48000} {
		data := make([]byte, 2*rate)
		at := rate / 4
		binary.LittleEndian.PutUint16(data[2*at:], 32000)
		c, err := Load(bytes.NewReader(makeWAV(wavOpts{tag: 1, ch: 1, bits: 16, rate: rate, size: -1}, data)), "x")
		if err != nil {
			t.Fatal(err)
		}
		best := 0
		for i, s := range c.PCM() {
			if s > c.PCM()[best] {
				best = i
			}
		}
		if best != 2000 || len(c.PCM()) != 8000 {
			t.Errorf("%d Hz: click at sample %d of %d, want 2000 of 8000", rate, best, len(c.PCM()))
		}
	}
}

// A chunk boundary inside the reader must not be heard: the same file through a
// reader that gives one byte at a time is the same sound.
func TestLoadOneByteReader(t *testing.T) {
	o := wavOpts{tag: 1, ch: 2, bits: 16, rate: 44100, size: -1}
	b := makeWAV(o, sine(o, 440, 1.3))
	x, err1 := Load(bytes.NewReader(b), "x")
	y, err2 := Load(iotestOneByte{bytes.NewReader(b)}, "y")
	if err1 != nil || err2 != nil || !slices.Equal(x.PCM(), y.PCM()) {
		t.Error(err1, err2, "sound differs")
	}
}

type iotestOneByte struct{ r io.Reader }

func (r iotestOneByte) Read(p []byte) (int, error) { return r.r.Read(p[:min(1, len(p))]) }

func TestLoadDamaged(t *testing.T) {
	o := wavOpts{tag: 1, ch: 1, bits: 16, rate: 8000, size: -1}
	sound := sine(o, 500, 0.1) // 800 samples
	with := func(f func(*wavOpts)) []byte { p := o; f(&p); return makeWAV(p, sound) }
	whole := makeWAV(o, sound)
	for _, tt := range []struct {
		name    string
		file    []byte
		samples int
		err     error
	}{
		{"as it should be", whole, 800, nil},
		{"streamed, size 0", with(func(o *wavOpts) { o.size = 0 }), 800, nil},
		{"streamed, size all ones", with(func(o *wavOpts) { o.size = 0xFFFFFFFF }), 800, nil},
		{"streamed by espeak, 0x7ffff000", with(func(o *wavOpts) { o.size = 0x7ffff000 }), 800, nil},
		{"streamed, cut in half a sample", append(with(func(o *wavOpts) { o.size = 0 }), 1), 800, nil},
		{"cut short", whole[:len(whole)-301], 649, nil},
		{"more after the data", append(slices.Clone(whole), "LIST\x04\x00\x00\x00abcd"...), 800, nil},
		{"truly empty", makeWAV(o, nil), 0, ErrEmpty},
		{"empty with a chunk behind", makeWAV(wavOpts{tag: 1, ch: 1, bits: 16, rate: 8000, size: 0}, []byte("LIST\x04\x00\x00\x00abcd")), 0, ErrEmpty},
		{"half a sample", makeWAV(o, []byte{1}), 0, ErrEmpty},
		{"nothing", nil, 0, ErrFormat},
		{"header only", whole[:12], 0, ErrFormat},
		{"half a fmt chunk", whole[:25], 0, ErrFormat},
		{"no data chunk", whole[:36], 0, ErrFormat},
		{"RIFX", append([]byte("RIFX"), whole[4:]...), 0, ErrFormat},
		{"mp3", []byte("ID3\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0, ErrFormat},
		{"three channels", with(func(o *wavOpts) { o.ch = 3 }), 0, ErrFormat},
		{"no channel", with(func(o *wavOpts) { o.ch = 0 }), 0, ErrFormat},
		{"0 Hz", with(func(o *wavOpts) { o.rate = 0 }), 0, ErrFormat},
		{"4 GHz", with(func(o *wavOpts) { o.rate = 4e9 }), 0, ErrFormat},
		{"12 bits", with(func(o *wavOpts) { o.bits = 12 }), 0, ErrFormat},
		{"ADPCM", with(func(o *wavOpts) { o.tag = 2 }), 0, ErrFormat},
		{"two fmt chunks", append(slices.Clone(whole[:36]), whole[12:]...), 0, ErrFormat},
		{"data first", append(slices.Clone(whole[:12]), whole[36:]...), 0, ErrFormat},
		{"huge chunk before", with(func(o *wavOpts) { o.before = "LIST\xfe\xff\xff\xff" }), 0, ErrTooLong},
		{"fmt of 4 GB", append(slices.Clone(whole[:16]), 0xff, 0xff, 0xff, 0xff), 0, ErrFormat},
	} {
		c, err := Load(bytes.NewReader(tt.file), tt.name)
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		} else if err == nil && len(c.PCM()) != tt.samples {
			t.Errorf("%s: %d samples, want %d", tt.name, len(c.PCM()), tt.samples)
		} else if err != nil && !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s: %v does not name the file", tt.name, err)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLoadTooLong(t *testing.T) {
	h := makeWAV(wavOpts{tag: tagMuLaw, ch: 1, bits: 8, rate: 8000, size: 0}, nil)
	if _, err := Load(io.MultiReader(bytes.NewReader(h), endless{}), "x"); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	boom := errors.New("disk on fire")
	if _, err := Load(io.MultiReader(bytes.NewReader(h), failing{boom}), "x"); !errors.Is(err, boom) {
		t.Errorf("%v, want the reader's error", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestClipFramesAreWholeAndShared(t *testing.T) {
	c := NewClip("x", make([]int16, 161))
	f := c.Frames(codec.PCMA)
	if len(f) != 320 || len(c.PCM()) != 161 || c.Duration() != 20125*time.Microsecond {
		t.Errorf("%d octets, %d samples, %v", len(f), len(c.PCM()), c.Duration())
	}
	if bytes.Count(f, []byte{codec.Silence(codec.PCMA)}) != 320 {
		t.Error("filling is not silence")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if &c.Frames(codec.PCMA)[0] != &f[0] || len(c.Frames(codec.PCMU)) != 320 {
				t.Error("encoded again")
			}
		})
	}
	wg.Wait()
}

func TestTones(t *testing.T) {
	db := func(dbm0 float64) float64 { return dbm0 - 3.14 + 6.02 } // against half scale
	c := Tone(time.Second, -10, 697, 1209)
	for _, hz := range []float64{697, 1209} {
		if s := strength(c.PCM(), hz); math.Abs(s-db(-10)) > 0.1 {
			t.Errorf("%v Hz at %.2f dB, want %.2f", hz, s, db(-10))
		}
	}
	if s := strength(c.PCM(), 425); s > -80 {
		t.Errorf("425 Hz at %.1f dB", s)
	}
	for _, tt := range []struct {
		c       *Clip
		on, all time.Duration
	}{{RingBack(), time.Second, 5 * time.Second}, {Busy(), time.Second / 2, time.Second},
		{Congestion(), time.Second / 5, 2 * time.Second / 5}, {Dial(), time.Second, time.Second}} {
		on := int(tt.on.Seconds() * 8000)
		if tt.c.Duration() != tt.all || len(tt.c.PCM())%frameSamples != 0 {
			t.Errorf("%s lasts %v", tt.c.Name(), tt.c.Duration())
		}
		if s := strength(tt.c.PCM()[:on], 425); math.Abs(s-db(-10)) > 0.1 {
			t.Errorf("%s: 425 Hz at %.2f dB", tt.c.Name(), s)
		}
		for _, s := range tt.c.PCM()[on:] {
			if s != 0 {
				t.Errorf("%s: sound in its pause", tt.c.Name())
				break
			}
		}
	}
	if p := Tone(time.Second/10, 20, 1000).PCM(); slices.Max(p) != 32767 || slices.Min(p) > -32767 {
		t.Error("a tone too loud must be clipped, not wrapped")
	}
	if len(Tone(-time.Second, 0, 1000).PCM()) != 0 || len(Silence(48*time.Hour).PCM()) != 3600*8000 {
		t.Error("lengths out of range")
	}
	if slices.Max(Tone(time.Second, 0, 5000, -3, 0).PCM()) != 0 {
		t.Error("a frequency outside the band is heard")
	}
}

func TestLibrary(t *testing.T) {
	o := wavOpts{tag: tagMuLaw, ch: 1, bits: 8, rate: 8000, size: -1}
	second := makeWAV(o, make([]byte, 8000)) // 44 kB in the cache
	var opens atomic.Int32
	open := func() (io.ReadCloser, error) { opens.Add(1); return io.NopCloser(bytes.NewReader(second)), nil }
	l := NewLibrary(140_000, 0) // three clips
	for _, key := range []string{"a", "b", "c", "a", "d", "a", "c", "b"} {
		if _, err := l.Get(key, open); err != nil {
			t.Fatal(err)
		}
	}
	// d pushed out b (a was asked for again); b at the end is read again.
	if opens.Load() != 5 || l.Bytes() > 140_000 {
		t.Errorf("%d reads, want 5; %d bytes", opens.Load(), l.Bytes())
	}
	boom := errors.New("boom")
	for range 2 {
		if _, err := l.Get("bad", func() (io.ReadCloser, error) { opens.Add(1); return nil, boom }); !errors.Is(err, boom) {
			t.Error(err)
		}
	}
	if opens.Load() != 7 {
		t.Error("an error was kept")
	}
	small := NewLibrary(10, 0)
	if c, err := small.Get("a", open); err != nil || c.Duration() != time.Second || small.Bytes() != 0 {
		t.Error("a clip larger than the cache:", err)
	}
	l.Purge()
	if l.Bytes() != 0 {
		t.Error("purge")
	}
}

func TestLibraryReadsOnceForAll(t *testing.T) {
	o := wavOpts{tag: tagMuLaw, ch: 1, bits: 8, rate: 8000, size: -1}
	l := NewLibrary(1<<20, 0)
	var opens atomic.Int32
	gate := make(chan struct{})
	open := func() (io.ReadCloser, error) {
		opens.Add(1)
		<-gate
		return io.NopCloser(bytes.NewReader(makeWAV(o, make([]byte, 160)))), nil
	}
	clips := make([]*Clip, 20)
	var wg sync.WaitGroup
	for i := range clips {
		wg.Go(func() { clips[i], _ = l.Get("k", open) })
	}
	close(gate)
	wg.Wait()
	for _, c := range clips {
		if c == nil || c != clips[0] {
			t.Fatal("not the same clip")
		}
	}
	if opens.Load() != 1 {
		t.Errorf("%d reads", opens.Load())
	}
	func() {
		defer func() { recover() }()
		l.Get("p", func() (io.ReadCloser, error) { panic("bad opener") })
	}()
	if _, err := l.Get("p", open); err != nil {
		t.Error("a panic keeps the key for ever:", err)
	}
}

func FuzzLoad(f *testing.F) {
	for _, o := range []wavOpts{{tag: 1, ch: 1, bits: 16, rate: 8000, size: -1}, {tag: 6, ch: 2, bits: 8, rate: 44100, size: 0},
		{tag: 3, ch: 1, bits: 32, rate: 48000, ext: true, size: -1}, {tag: 1, ch: 2, bits: 24, rate: 16000, before: "LIST\x01\x00\x00\x00a\x00", size: 0xFFFFFFFF}} {
		f.Add(makeWAV(o, bytes.Repeat([]byte{1, 2, 3, 0xff, 0x80, 0x7f}, 40)))
	}
	for _, x := range foreign {
		if raw, err := os.ReadFile("testdata/" + x.file); err == nil {
			f.Add(raw[:min(len(raw), 3000)])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Load(bytes.NewReader(b), "x")
		if (c == nil) == (err == nil) {
			t.Fatal("neither clip nor error")
		}
		if err != nil {
			return
		}
		// What is made can be at most what was there: one byte a sample, 8 kHz
		// the lowest rate.
		if n := len(c.PCM()); n == 0 || n > len(b) && bytes.HasPrefix(b, []byte("RIFF")) || c.Duration() > MaxClip+time.Second {
			t.Fatalf("%d samples out of %d bytes", n, len(b))
		}
		if f := c.Frames(codec.PCMA); len(f)%frameSamples != 0 {
			t.Fatalf("%d octets", len(f))
		}
	})
}

func BenchmarkLoad44100Stereo10s(b *testing.B) {
	o := wavOpts{tag: 1, ch: 2, bits: 16, rate: 44100, size: -1}
	file := makeWAV(o, sine(o, 440, 10))
	for b.Loop() {
		if _, err := Load(bytes.NewReader(file), "x"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWideband: a file of 48 kHz keeps what G.722 and Opus carry above 4 kHz, and
// one of 8 kHz plays in every codec as well.
func TestWideband(t *testing.T) {
	for _, tt := range []struct {
		rate int
		hz   float64
	}{{48000, 5500}, {16000, 5500}, {8000, 1000}} {
		pcm := make([]byte, 2*tt.rate)
		for i := range tt.rate {
			binary.LittleEndian.PutUint16(pcm[2*i:], uint16(int16(8000*math.Sin(2*math.Pi*tt.hz*float64(i)/float64(tt.rate)))))
		}
		c, err := Load(bytes.NewReader(makeWAV(wavOpts{tag: tagPCM, ch: 1, bits: 16, rate: tt.rate, size: -1}, pcm)), "tone")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.Frames(codec.G722)); n != 8000 {
			t.Errorf("%d Hz: %d octets of G.722", tt.rate, n)
		}
		if n := len(c.Packets(codec.Opus)); n != 50 {
			t.Errorf("%d Hz: %d packets of Opus", tt.rate, n)
		}
		decode := map[codec.ID]func(d codec.Decoder) (out []int16){
			codec.G722: func(d codec.Decoder) []int16 {
				out := make([]int16, 16000)
				n, _ := d.Decode(out, c.Frames(codec.G722))
				return out[:n]
			},
			codec.Opus: func(d codec.Decoder) (all []int16) {
				out := make([]int16, 1920)
				for _, p := range c.Packets(codec.Opus) {
					n, err := d.Decode(out, p)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, out[:n]...)
				}
				return all
			},
		}
		for id, f := range decode {
			d, err := codec.NewDecoder(id, 16000)
			if err != nil {
				t.Fatal(err)
			}
			out := f(d)[4800:]
			var a, b float64
			for i, v := range out {
				p := 2 * math.Pi * tt.hz * float64(i) / 16000
				a, b = a+float64(v)*math.Cos(p), b+float64(v)*math.Sin(p)
			}
			if peak := 2 * math.Hypot(a, b) / float64(len(out)); peak < 4500 || peak > 11000 {
				t.Errorf("%v of a file at %d Hz: %.0f Hz at a peak of %.0f, want about 8000", id, tt.rate, tt.hz, peak)
			}
		}
	}
}
