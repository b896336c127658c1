package play

import (
	"bytes"
	"errors"
	"math"
	"os"
	"testing"
	"testing/iotest"
	"time"
)

// The files were made by lame, flac and opusenc of a tone of 440 Hz, 1.5 s, 44.1
// kHz stereo, peak 0.3 of full scale.
var foreign = []struct {
	file string
	late time.Duration // an encoder's own delay, where the format does not tell it
}{{"tone.mp3", 90 * time.Millisecond}, {"tone.flac", 0}, {"tone.opus", 0}}

func TestForeignFormats(t *testing.T) {
	for _, f := range foreign {
		raw, err := os.ReadFile("testdata/" + f.file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Load(iotest.OneByteReader(bytes.NewReader(raw)), f.file)
		if err != nil {
			t.Error(err)
			continue
		}
		if d := c.Duration() - 1500*time.Millisecond; d < -time.Millisecond || d > f.late+time.Millisecond {
			t.Errorf("%s: %v long", f.file, c.Duration())
		}
		if c.high == nil {
			t.Errorf("%s: not wideband", f.file)
		}
		mid := c.PCM()[4000:8000]
		if s, want := strength(mid, 440), 20*math.Log10(0.3/0.5); math.Abs(s-want) > 0.6 {
			t.Errorf("%s: the tone has %.2f dB, want %.2f", f.file, s, want)
		}
		peak := 0
		for _, s := range mid {
			peak = max(peak, int(s))
		}
		if want := 0.3 * 32768; math.Abs(float64(peak)-want) > want*0.05 {
			t.Errorf("%s: peak %d, want %.0f", f.file, peak, want)
		}
	}
}

// A file that ends early gives what is there, or says what is wrong; it never
// panics and never gives sound longer than the whole.
func TestForeignFormatsDamaged(t *testing.T) {
	for _, f := range foreign {
		raw, err := os.ReadFile("testdata/" + f.file)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := Load(bytes.NewReader(raw), f.file)
		if err != nil {
			t.Fatal(err)
		}
		for cut := 4; cut < len(raw); cut += max(1, len(raw)/29) {
			c, err := Load(bytes.NewReader(raw[:cut]), f.file)
			if err == nil && c.Duration() > whole.Duration()+50*time.Millisecond {
				t.Errorf("%s cut at %d is longer: %v", f.file, cut, c.Duration())
			}
			if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrEmpty) {
				t.Errorf("%s cut at %d: %v", f.file, cut, err)
			}
			broken := bytes.Clone(raw)
			broken[cut] ^= 0x55
			if c, err := Load(bytes.NewReader(broken), f.file); err == nil && c.Duration() > whole.Duration()+time.Second {
				t.Errorf("%s damaged at %d is longer: %v", f.file, cut, c.Duration())
			}
		}
	}
}

func tone(hz, peakDB float64, d time.Duration, rate int) []int16 {
	pcm := make([]int16, int(d.Seconds()*float64(rate)))
	for i := range pcm {
		pcm[i] = int16(math.Round(32767 * math.Pow(10, peakDB/20) * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return pcm
}

// The anchor of BS.1770: a sine of 997 Hz in one channel at full scale reads -3.01.
// The signals and limits of EBU Tech 3341 cases 1 to 3, in one channel.
func TestLoudness(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		if got := Loudness(tone(997, 0, 5*time.Second, rate), rate); math.Abs(got+3.01) > 0.1 {
			t.Errorf("%d Hz, full scale: %.2f", rate, got)
		}
		for _, db := range []float64{-23, -33} {
			if got := Loudness(tone(997, db, 20*time.Second, rate), rate); math.Abs(got-(db-3.01)) > 0.1 {
				t.Errorf("%d Hz, %v dB: %.2f", rate, db, got)
			}
		}
		// Pauses do not count: 10 s at -36, 60 s at -23, 10 s at -36.
		var gated []int16
		for _, part := range []struct {
			db float64
			s  time.Duration
		}{{-36, 10}, {-23, 60}, {-36, 10}} {
			gated = append(gated, tone(997, part.db, part.s*time.Second, rate)...)
		}
		if got := Loudness(gated, rate); math.Abs(got+26.01) > 0.1 {
			t.Errorf("%d Hz, gated: %.2f", rate, got)
		}
	}
	if got := Loudness(make([]int16, 8000), 8000); !math.IsInf(got, -1) {
		t.Errorf("silence: %v", got)
	}
	if got := Loudness(tone(997, -20, 100*time.Millisecond, 8000), 8000); math.Abs(got+23) > 0.5 {
		t.Errorf("100 ms: %.2f", got)
	}
}

func TestEven(t *testing.T) {
	for _, db := range []float64{-40, -30, -18, -6, 0} {
		c := NewClip("x", tone(997, db, 2*time.Second, 8000)).Even(DefaultLoudness)
		want := DefaultLoudness
		if db == -40 { // 20 dB at most
			want = -40 - 3.01 + maxGain
		}
		if got := Loudness(c.PCM(), 8000); math.Abs(got-want) > 0.2 {
			t.Errorf("%v dB became %.2f LUFS, want %.2f", db, got, want)
		}
	}
	// Short clicks in silence may not be raised into the ceiling.
	pcm := tone(997, -50, 2*time.Second, 8000)
	pcm[8000] = 26000
	peak := 0
	for _, s := range NewClip("click", pcm).Even(DefaultLoudness).PCM() {
		peak = max(peak, int(s))
	}
	if limit := 32768 * math.Pow(10, ceiling/20); float64(peak) > limit+1 {
		t.Errorf("peak %d over %.0f", peak, limit)
	}
	silent := NewClip("silent", make([]int16, 8000))
	if silent.Even(DefaultLoudness) != silent {
		t.Error("silence was changed")
	}
	w := NewClip("wide", tone(997, -30, time.Second, 8000))
	w.widen(tone(997, -30, time.Second, 16000))
	if e := w.Even(DefaultLoudness); e.high == nil || math.Abs(Loudness(e.high, 16000)-DefaultLoudness) > 0.2 {
		t.Error("wideband sound was left behind")
	}
}
