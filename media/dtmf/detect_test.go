package dtmf

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
)

// burst is a key as it comes by a line.
type burst struct {
	code       uint8
	ms         int
	low, high  float64 // dBm0 of each tone
	offL, offH float64 // parts by which they are off
}

const dBm0 = 32767 * 0.6966 // peak of a sine of 0 dBm0: full scale is +3.14

func peak(db float64) float64 { return dBm0 * math.Pow(10, db/20) }

// sound appends the burst at phase, and a pause.
func (b burst) sound(pcm []int16, phase float64, pauseMs int) []int16 {
	lo, hi := Frequencies(b.code)
	lo, hi = lo*(1+b.offL), hi*(1+b.offH)
	for i := range b.ms * 8 {
		t := float64(i) / media.ClockRate
		v := peak(b.low)*math.Sin(2*math.Pi*lo*t+phase) + peak(b.high)*math.Sin(2*math.Pi*hi*t+2*phase)
		pcm = append(pcm, int16(max(-32768, min(32767, v))))
	}
	return append(pcm, make([]int16, pauseMs*8)...)
}

// heard is what a detector makes of sound that comes in packets of 20 ms by a law.
func heard(d *Detector, pcm []int16, law codec.Law) (keys string, presses []Press) {
	for len(pcm) > 0 {
		part := pcm[:min(160, len(pcm))]
		pcm = pcm[len(part):]
		octets := make([]byte, len(part))
		codec.Encode(law, octets, part)
		part = append([]int16(nil), part...)
		codec.Decode(law, part, octets)
		got, n := d.Put(part)
		for _, p := range got[:n] {
			keys += string(rune(p.Key))
			presses = append(presses, p)
		}
	}
	return keys, presses
}

// lead is a pause of any length before a key: windows begin anywhere in it.
func lead(i int) []int16 { return make([]int16, 400+i*7%211) }

// TestDetects is what ITU-T Q.24 wants taken and refused, each key, at several
// positions of the tone in the windows, by both laws.
func TestDetects(t *testing.T) {
	plain := burst{ms: 60, low: -9, high: -7}
	with := func(f func(*burst)) burst { b := plain; f(&b); return b }
	for what, x := range map[string]struct {
		b    burst
		take bool
	}{
		"plain":           {plain, true},
		"40 ms":           {with(func(b *burst) { b.ms = 40 }), true},
		"23 ms":           {with(func(b *burst) { b.ms = 23 }), false},
		"loud":            {with(func(b *burst) { b.low, b.high = -3, -3 }), true},
		"weak":            {with(func(b *burst) { b.low, b.high = -27, -25 }), true},
		"weaker still":    {with(func(b *burst) { b.low, b.high = -36, -36 }), true},
		"too weak":        {with(func(b *burst) { b.low, b.high = -55, -55 }), false},
		"twist":           {with(func(b *burst) { b.low, b.high = -14, -10 }), true},
		"back twist":      {with(func(b *burst) { b.low, b.high = -8, -16 }), true},
		"too much":        {with(func(b *burst) { b.low, b.high = -20, -10 }), false},
		"too much back":   {with(func(b *burst) { b.low, b.high = -5, -21 }), false},
		"1.5 % up":        {with(func(b *burst) { b.offL, b.offH = .015, .015 }), true},
		"1.5 % down":      {with(func(b *burst) { b.offL, b.offH = -.015, -.015 }), true},
		"1.5 % apart":     {with(func(b *burst) { b.offL, b.offH = -.015, .015 }), true},
		"low 3.5 % up":    {with(func(b *burst) { b.offL = .035 }), false},
		"low 3.5 % down":  {with(func(b *burst) { b.offL = -.035 }), false},
		"high 3.5 % up":   {with(func(b *burst) { b.offH = .035 }), false},
		"high 3.5 % down": {with(func(b *burst) { b.offH = -.035 }), false},
		"low alone":       {with(func(b *burst) { b.high = -100 }), false},
		"high alone":      {with(func(b *burst) { b.low = -100 }), false},
	} {
		for code := range uint8(16) {
			for i := range 12 {
				b := x.b
				b.code = code
				law := []codec.Law{codec.PCMA, codec.PCMU}[i%2]
				var d Detector
				keys, _ := heard(&d, b.sound(lead(i), float64(i), 100), law)
				key, _ := Key(code)
				if want := string(rune(key)); x.take && keys != want || !x.take && keys != "" {
					t.Errorf("%s: key %s at %d by %v: heard %q", what, want, i, law, keys)
				}
			}
		}
	}
}

// TestDetectsDialling: numbers in the fastest rhythm that Q.24 has, a key twice among
// them, breaks in a tone, a key held for seconds.
func TestDetectsDialling(t *testing.T) {
	const number = "0112358*#ABCD9944"
	for _, rhythm := range [][2]int{{50, 50}, {40, 53}, {53, 40}, {80, 80}, {300, 45}} {
		for at := range 20 {
			pcm := lead(at)
			for i := range number {
				code, _ := Code(number[i])
				pcm = burst{code: code, ms: rhythm[0], low: -9, high: -7}.sound(pcm, float64(at+i), rhythm[1])
			}
			var d Detector
			if keys, _ := heard(&d, append(pcm, make([]int16, 800)...), codec.PCMA); keys != number {
				t.Fatalf("%d ms, pause %d, at %d: heard %q", rhythm[0], rhythm[1], at, keys)
			}
		}
	}
	for at := range 50 { // a break of 10 ms in a tone
		b := burst{code: 5, ms: 60, low: -9, high: -7}
		pcm := b.sound(b.sound(lead(at), 0, 10), 1, 100)
		var d Detector
		keys, presses := heard(&d, pcm, codec.PCMA)
		if keys != "5" || presses[0].Duration < 110*time.Millisecond || presses[0].Duration > 140*time.Millisecond {
			t.Fatalf("broken tone at %d: %q %v", at, keys, presses)
		}
	}
	var d Detector
	_, presses := heard(&d, burst{code: 11, ms: 4000, low: -9, high: -7}.sound(lead(3), 0, 100), codec.PCMA)
	if len(presses) != 1 || presses[0].Key != '#' || presses[0].Duration < 3980*time.Millisecond || presses[0].Duration > 4020*time.Millisecond {
		t.Errorf("held: %v", presses)
	}
	// What ends under it is told.
	heard(&d, burst{code: 3, ms: 100, low: -9, high: -7}.sound(lead(3), 0, 0), codec.PCMA)
	if p, ok := d.Reset(); !ok || p.Key != '3' {
		t.Errorf("%v %v", p, ok)
	}
	if _, ok := d.Reset(); ok {
		t.Error("told twice")
	}
}

// TestDetectsInNoise: 15 dB below the tones it hides no key; alone it is none.
func TestDetectsInNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(pcm []int16, db float64) {
		for i := range pcm { // of the power of a sine of so much
			v := float64(pcm[i]) + peak(db)/math.Sqrt2*r.NormFloat64()
			pcm[i] = int16(max(-32768, min(32767, v)))
		}
	}
	missed, n := 0, 0
	for range 20 {
		for code := range uint8(16) {
			pcm := burst{code: code, ms: 50, low: -9, high: -9}.sound(lead(n), float64(n), 100)
			noise(pcm, -9-15)
			var d Detector
			key, _ := Key(code)
			keys, _ := heard(&d, pcm, codec.PCMU)
			if n++; keys == "" {
				missed++
			} else if keys != string(rune(key)) {
				t.Fatalf("key %c in noise: heard %q", key, keys)
			}
		}
	}
	if missed > n/100 {
		t.Errorf("%d of %d keys missed in noise", missed, n)
	}
	var d Detector
	for _, db := range []float64{0, -10, -20, -30} {
		pcm := make([]int16, 60*media.ClockRate)
		noise(pcm, db)
		if keys, _ := heard(&d, pcm, codec.PCMA); keys != "" {
			t.Errorf("noise of %v dBm0 is %q", db, keys)
		}
	}
}

// TestTalkOff: in all that our prompts say in three languages there is no key, at
// their own level, and a quarter of it louder.
func TestTalkOff(t *testing.T) {
	files, err := filepath.Glob("../../ivr/prompt/audio/*/*.wav")
	if err != nil || len(files) < 500 {
		t.Fatalf("%d prompts: %v", len(files), err)
	}
	said := 0
	for _, gain := range []int{1, 3} {
		for i, name := range files {
			if gain > 1 && i%4 > 0 {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			at := bytes.Index(b, []byte("data"))
			if at < 0 || b[20] != 6 {
				t.Fatalf("%s is no A-law", name)
			}
			octets := b[at+8:]
			pcm := make([]int16, len(octets))
			codec.Decode(codec.PCMA, pcm, octets)
			for i, v := range pcm {
				pcm[i] = int16(max(-32768, min(32767, gain*int(v))))
			}
			said += len(pcm)
			var d Detector
			if keys, _ := heard(&d, append(pcm, make([]int16, 800)...), codec.PCMA); keys != "" {
				t.Errorf("%s times %d: heard %q", filepath.Base(name), gain, keys)
			}
		}
	}
	t.Logf("%v of speech", media.Duration(int64(said)).Round(time.Second))
}

// TestDetectorAllocatesNothing: it is there for every packet.
func TestDetectorAllocatesNothing(t *testing.T) {
	pcm := burst{code: 5, ms: 100, low: -9, high: -7}.sound(nil, 0, 0)
	var d Detector
	if n := testing.AllocsPerRun(200, func() { d.Put(pcm[:160]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkDetector is a second of a tone.
func BenchmarkDetector(b *testing.B) {
	for _, db := range []float64{-9, -60} {
		b.Run(fmt.Sprintf("%v dBm0", db), func(b *testing.B) {
			pcm := burst{code: 5, ms: 1000, low: db, high: db}.sound(nil, 0, 0)
			var d Detector
			b.ReportAllocs()
			for b.Loop() {
				for at := 0; at < len(pcm); at += 160 {
					d.Put(pcm[at : at+160])
				}
			}
		})
	}
}

// BenchmarkDetectorSpeech is a second of a prompt.
func BenchmarkDetectorSpeech(b *testing.B) {
	raw, err := os.ReadFile("../../ivr/prompt/audio/en/welcome.wav")
	if err != nil {
		b.Skip(err)
	}
	pcm := make([]int16, media.ClockRate)
	codec.Decode(codec.PCMA, pcm, raw[len(raw)/4:][:min(len(raw)/2, len(pcm))])
	var d Detector
	b.ReportAllocs()
	for b.Loop() {
		for at := 0; at < len(pcm); at += 160 {
			d.Put(pcm[at : at+160])
		}
	}
}
