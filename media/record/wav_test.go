package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
)

func TestHeaderReadBack(t *testing.T) {
	many := make([]Mark, 2*maxMarks)
	for i := range many {
		many[i] = Mark{int64(i), MarkPaused}
	}
	for _, tt := range []struct {
		f     Format
		law   codec.Law
		n     int64
		marks []Mark
		want  []Mark
	}{
		{PCM, 0, 0, nil, nil},
		{PCM, 0, 800, []Mark{{100, MarkPaused}, {800, MarkResumed}}, []Mark{{100, MarkPaused}, {800, MarkResumed}}},
		{G711, codec.PCMA, 8000, []Mark{{100, MarkPaused}, {8001, MarkResumed}}, []Mark{{100, MarkPaused}}}, // the second is not in the file yet
		{G711, codec.PCMU, 8000, many, many[:maxMarks]},
	} {
		b := appendHeader(nil, tt.f, tt.law, tt.n, tt.marks)
		if len(b) != headerBytes {
			t.Fatalf("header of %d bytes", len(b))
		}
		b = append(b, make([]byte, tt.n*tt.f.frameBytes()+7)...)
		if _, err := readStrict(b); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		got, err := ReadInfo(bytes.NewReader(b), int64(len(b)))
		if err != nil || got.Format != tt.f || got.Law != tt.law || got.Samples != tt.n || fmt.Sprint(got.Marks) != fmt.Sprint(tt.want) || got.SizeBytes() != int64(len(b))-7 {
			t.Errorf("%+v, %v; want %+v", got, err, tt)
		}
	}
}

// What is no recording of ours is said so, at bounded cost.
func TestNotARecording(t *testing.T) {
	good := append(appendHeader(nil, G711, codec.PCMA, 100, []Mark{{3, MarkPaused}}), make([]byte, 200)...)
	edit := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	for name, b := range map[string][]byte{
		"empty":          nil,
		"cut":            good[:30],
		"sound cut":      good[:len(good)-1],
		"other":          edit(func(b []byte) { copy(b[8:], "AVI ") }),
		"mono":           edit(func(b []byte) { b[22] = 1 }),
		"16 kHz":         edit(func(b []byte) { b[25] = 0x3e }),
		"float":          edit(func(b []byte) { b[20] = 3 }),
		"half a fmt":     edit(func(b []byte) { b[16] = 4 }),
		"huge chunk":     edit(func(b []byte) { b[18] = 0xff }),
		"endless chunks": append([]byte("RIFF\xff\xff\xff\x7fWAVE"), bytes.Repeat([]byte("JUNK\x00\x00\x00\x00"), 100)...),
		"sound first":    append([]byte("RIFF\xff\xff\xff\x7fWAVE"), "data\x00\x00\x00\x00"...),
	} {
		if _, err := ReadInfo(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrNotARecording) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The earlier header, without JUNK, is still read.
	old := []byte("RIFF\x36\x00\x00\x00WAVEfmt \x12\x00\x00\x00\x07\x00\x02\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x08\x00\x00\x00fact\x04\x00\x00\x00\x02\x00\x00\x00data\x04\x00\x00\x00\x01\x02\x03\x04")
	r, err := NewReader(bytes.NewReader(old), int64(len(old)))
	if err != nil {
		t.Fatal(err)
	}
	var left, right [5]int16
	if n, err := r.Read(left[:], right[:]); n != 2 || err != nil || right[1] != codec.Table(codec.PCMU)[4] {
		t.Errorf("%d samples, %v, %v", n, right, err)
	}
	if _, err := r.Read(left[:], right[:]); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// FuzzReadInfo: any bytes give an answer or ErrNotARecording; what is taken has
// all its samples in the file.
func FuzzReadInfo(f *testing.F) {
	f.Add(appendHeader(nil, PCM, 0, 0, []Mark{{0, MarkPaused}}))
	f.Add(append(appendHeader(nil, G711, codec.PCMA, 4, nil), make([]byte, 8)...))
	f.Add([]byte("RIFF\xff\xff\xff\xffWAVELIST\x10\x00\x00\x00adtllabl\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrNotARecording) {
				t.Fatal(err)
			}
			return
		}
		if r.SizeBytes() > int64(len(b)) || len(r.Marks) > maxMarks {
			t.Fatalf("%+v of %d bytes", r.Info, len(b))
		}
		var left, right [1000]int16
		for total := int64(0); ; {
			n, err := r.Read(left[:], right[:])
			if total += int64(n); err == io.EOF {
				if total != r.Samples {
					t.Fatalf("%d samples of %d", total, r.Samples)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A pause: silence of the same length, marked, on both channels; nothing that was
// said in it comes in late; what came before and comes after is whole.
func TestPause(t *testing.T) { inBoth(t, pause) }

func pause(t *testing.T) {
	b := newBench(t, codec.PCMA, &disk{})
	silent := codec.Silence(codec.PCMA)
	for i := range 500 { // 10 s, pause from 3 s to 6 s
		ms := float64(i) * 20
		if i == 149 {
			continue // it arrives in time, and is told behind the pause
		}
		switch i {
		case 150:
			if at, ok := b.r.Pause(b.at(ms)); !ok || at != 3*time.Second {
				t.Errorf("paused at %v, %v", at, ok)
			}
			if _, ok := b.r.Pause(b.at(ms)); ok {
				t.Error("paused twice")
			}
		case 300:
			if at, ok := b.r.Resume(b.at(ms)); !ok || at != 6*time.Second {
				t.Errorf("resumed at %v, %v", at, ok)
			}
		}
		if i == 150 {
			b.r.Write(Left, codec.PCMA, b.at(2980), 1, 149*160, frame(1))
			b.r.Write(Right, codec.PCMA, b.at(2980), 2, 149*160, frame(2))
		}
		v := byte(1)
		if i >= 150 && i < 300 {
			v = 99 // the card's number
		}
		b.r.Write(Left, codec.PCMA, b.at(ms), 1, uint32(i*160), frame(v))
		if i == 300 {
			// Spoken in the pause, held up by the network; and one that reaches into it.
			b.r.Write(Right, codec.PCMA, b.at(ms), 2, uint32(i*160), frame(2))
			b.r.Write(Right, codec.PCMA, b.at(ms+1), 2, uint32(295*160), frame(99))
			b.r.Write(Right, codec.PCMA, b.at(ms+1), 2, uint32(i*160-100), append(bytes.Repeat([]byte{99}, 100), frame(2)[:60]...))
		} else {
			b.r.Write(Right, codec.PCMA, b.at(ms), 2, uint32(i*160), frame(v+1))
		}
		b.sh.flush(b.r, false)
		if bytes.Contains(b.d.b[min(len(b.d.b), headerBytes):], []byte{99, 99, 99, 99}) {
			t.Fatalf("packet %d: what was not to be kept is on disk", i)
		}
	}
	w, res := b.close(10_000)
	if w.n != 80_000 || res.Pauses != 3*time.Second || res.Fault != "" || w.marks != 2 {
		t.Errorf("%d samples, %+v, %d marks", w.n, res, w.marks)
	}
	for ch := range w.sides {
		v := byte(ch + 1)
		want := append(append(bytes.Repeat([]byte{v}, 24000), bytes.Repeat([]byte{silent}, 24000)...), bytes.Repeat([]byte{v}, 32000)...)
		if !bytes.Equal(w.sides[ch], want) {
			t.Errorf("channel %d: %v", ch, runs(w.sides[ch]))
		}
	}
	info, err := ReadInfo(bytes.NewReader(b.d.b), int64(len(b.d.b)))
	if want := []Mark{{24000, MarkPaused}, {48000, MarkResumed}}; err != nil || fmt.Sprint(info.Marks) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", info.Marks, err)
	}
	if _, ok := b.r.Resume(b.at(11_000)); ok {
		t.Error("resumed after the end")
	}
}

// Linear sound from a decoder or a mix lies beside octets as they come.
func TestWritePCM(t *testing.T) { inBoth(t, writePCM) }

func writePCM(t *testing.T) {
	if r, err := newBench(t, codec.PCMU, &disk{}).w.Open("wide.wav", codec.Law(111), nil); err != nil || r.law != codec.PCMA {
		t.Errorf("of a leg that is decoded: %v", err)
	}
	b := newBench(t, codec.PCMU, &disk{})
	pcm := make([]int16, 160)
	for i := range 200 {
		ms := float64(i) * 20
		b.r.Write(Left, codec.PCMA, b.at(ms), 1, uint32(i*160), frame(0x35))
		if i >= 50 { // goes over in mid-call
			for j := range pcm {
				pcm[j] = int16(10000 + i + j)
			}
			b.r.WritePCM(Right, b.at(ms), 2, uint32(i*160), pcm)
		} else {
			b.r.Write(Right, codec.PCMU, b.at(ms), 2, uint32(i*160), frame(0x21))
		}
		if i%12 == 0 {
			b.sh.flush(b.r, false)
		}
	}
	if wide := b.r.wide != nil; wide != (format == PCM) {
		t.Errorf("wide %v", wide)
	}
	w, res := b.close(4000)
	if w.n != 32000 || res.Fault != "" {
		t.Fatalf("%d samples, %+v", w.n, res)
	}
	if format == G711 {
		var want [1]byte
		codec.Encode(codec.PCMU, want[:], []int16{10000 + 100 + 7})
		if got := w.sides[Right][100*160+7]; got != want[0] || w.sides[Right][49*160] != 0x21 {
			t.Errorf("octet %#x, want %#x", got, want)
		}
		return
	}
	for i := range w.n {
		left, right := codec.Table(codec.PCMA)[0x35], codec.Table(codec.PCMU)[0x21]
		if i >= 8000 {
			right = int16(10000 + i/160 + i%160)
		}
		if w.sample(0, i) != left || w.sample(1, i) != right {
			t.Fatalf("sample %d: %d %d, want %d %d", i, w.sample(0, i), w.sample(1, i), left, right)
		}
	}
}

// Gain: a soft and a loud voice come out alike after some seconds, a pause's noise
// is not pulled up, and nothing is clipped.
func TestGain(t *testing.T) {
	if _, err := NewWriter(Config{Dir: "x", Gain: true, Format: G711}); err == nil {
		t.Error("gain for G.711 taken")
	}
	rms := func(pcm []int16) float64 {
		sum := 0.0
		for _, s := range pcm {
			sum += float64(s) * float64(s)
		}
		return 20 * math.Log10(math.Sqrt(sum/float64(len(pcm)))/32768)
	}
	for _, level := range []float64{-36, -30, -20, -10} {
		var g gain
		amp := math.Pow(10, level/20) * 32768 * math.Sqrt2
		pcm := make([]int16, 160)
		var out []int16
		for i := range 30 * 50 {
			for j := range pcm {
				pcm[j] = int16(amp * math.Sin(2*math.Pi*440*float64(i*160+j)/8000))
			}
			g.apply(pcm)
			out = append(out, pcm...)
		}
		if got := rms(out[20*8000:]); math.Abs(got+20) > 1 {
			t.Errorf("%v dB became %.1f dB", level, got)
		}
		// Full scale at once.
		for j := range pcm {
			pcm[j] = 32767
		}
		g.apply(pcm)
		for _, s := range pcm {
			if float64(s) > 32767*0.98 {
				t.Fatalf("%v dB: peak %d", level, s)
			}
		}
		// Noise at -60 dB for a minute.
		before := g.now
		for range 3000 {
			for j := range pcm {
				pcm[j] = int16(33 - 66*(j&1))
			}
			g.apply(pcm)
		}
		if g.now > before {
			t.Errorf("%v dB: noise raised the gain from %v to %v", level, before, g.now)
		}
	}
	b := newBench(t, codec.PCMA, &disk{})
	b.w.cfg.Gain = true
	r, err := b.w.Open("loud.wav", codec.PCMA, nil)
	if err != nil || r.wide == nil {
		t.Fatalf("%v; a recording with gain keeps linear samples", err)
	}
}

// wavePy opens every file of a folder with Python's wave module and prints name,
// channels, bytes a sample, rate and samples, and how many it could read.
const wavePy = `import sys, os, wave
for d, _, names in os.walk(sys.argv[1]):
    for n in sorted(names):
        if n.startswith('.'): continue
        w = wave.open(os.path.join(d, n))
        f = w.readframes(w.getnframes())
        print(n, w.getnchannels(), w.getsampwidth(), w.getframerate(), w.getnframes(), len(f) // 4)
`

func python(t testing.TB, args ...string) string {
	t.Helper()
	path := "/usr/bin/python3" // Debian's, before any other that lies in the path
	if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath("python3"); err != nil {
			t.Skip("python3 is not installed (make deps)")
		}
	}
	out, err := exec.Command(path, append([]string{"-c"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("python: %v\n%s", err, out)
	}
	return string(out)
}

// Python's wave takes nothing but linear sound and a true header.
func TestPythonOpensIt(t *testing.T) {
	w := startWriter(t, Config{})
	done := make(chan Result, 1)
	r, _ := w.Open("default/x.wav", codec.PCMA, func(r Result) { done <- r })
	t0 := r.start
	for i := range 100 {
		r.Write(Left, codec.PCMA, t0.Add(time.Duration(i)*20*time.Millisecond), 1, uint32(i*160), frame(1))
		if i == 50 {
			r.Pause(t0.Add(time.Second))
		}
	}
	r.Close(t0.Add(2 * time.Second))
	res := <-done
	got := python(t, wavePy, w.cfg.Dir)
	if strings.TrimSpace(got) != "x.wav 2 2 8000 16000 16000" {
		t.Errorf("python read %q, result %+v", got, res)
	}
	if info, err := os.Stat(filepath.Join(w.cfg.Dir, "default/x.wav")); err != nil || info.Size() != res.SizeBytes {
		t.Errorf("%v, %v", info, err)
	}
}
