package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
)

// The committed audio must be what texts.yaml says: complete, nothing left over,
// small, and even in level.
func TestCommittedAudio(t *testing.T) {
	texts, err := readTexts("../texts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]job{}
	for _, j := range texts.jobs() {
		want[filepath.Join("../audio", j.lang, j.name+".wav")] = j
	}
	for name := range sounds {
		want[filepath.Join("../audio", neutral, name+".wav")] = job{name: name, lang: neutral}
	}
	have, err := filepath.Glob("../audio/*/*")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for i, path := range have {
		j, ok := want[path]
		if !ok {
			t.Errorf("%s: nothing names it; run make prompts", path)
			continue
		}
		delete(want, path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		total += len(b)
		le := binary.LittleEndian
		if le.Uint16(b[20:]) != 6 || le.Uint16(b[22:]) != 1 || le.Uint32(b[24:]) != 8000 {
			t.Errorf("%s: not mono A-law at 8 kHz", path)
		}
		if int(le.Uint32(b[4:]))+8 != len(b) {
			t.Errorf("%s: RIFF says %d, file has %d", path, le.Uint32(b[4:])+8, len(b))
		}
		if i%stride != 0 {
			continue
		}
		clip, err := play.Load(bytes.NewReader(b), path)
		if err != nil {
			t.Error(err)
			continue
		}
		checkSound(t, path, j, clip.PCM())
	}
	for path := range want {
		t.Errorf("%s: missing; run make prompts", path)
	}
	if total > 14<<20 {
		t.Errorf("%d bytes of audio, want at most 14 MiB", total)
	}
}

func checkSound(t *testing.T, path string, j job, pcm []int16) {
	x := make([]float64, len(pcm))
	peak := 0.0
	for i, s := range pcm {
		x[i] = float64(s) / 32768
		peak = max(peak, math.Abs(x[i]))
	}
	if peak > 0.93 {
		t.Errorf("%s: peak %.2f is near clipping", path, peak)
	}
	if j.text == "" {
		return // music and beep have levels of their own
	}
	if l := activeLevel(x); math.Abs(l-speechLevel) > 2 {
		t.Errorf("%s: %.1f dB while speaking, want %.0f", path, l, speechLevel)
	}
	if j.seconds > 0 && len(pcm) != int(j.seconds*rate) {
		t.Errorf("%s: %d samples, want exactly %v s", path, len(pcm), j.seconds)
	}
	first, last := sounding(x)
	if first > rate*3/20 || j.seconds == 0 && len(x)-last > rate*2/5 {
		t.Errorf("%s: silence of %d before and %d samples after", path, first, len(x)-last)
	}
	if last-first < rate/40 {
		t.Errorf("%s: only %d samples of speech", path, last-first)
	}
}

// sounding returns where |x| first and last passes 1 % of full scale.
func sounding(x []float64) (first, last int) {
	first = len(x)
	for i, v := range x {
		if math.Abs(v) > 0.01 {
			first, last = min(first, i), i
		}
	}
	return
}

// The music must loop without a click: the step over the seam may not be larger
// than the steps around it, and its level may not jump.
func TestMusicLoops(t *testing.T) {
	f, err := os.Open("../audio/any/music.wav")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clip, err := play.Load(f, "music")
	if err != nil {
		t.Fatal(err)
	}
	pcm := clip.PCM()
	if len(pcm)%160 != 0 || len(clip.Frames(codec.PCMA)) != len(pcm) {
		t.Errorf("%d samples are not whole packets", len(pcm))
	}
	if s := len(pcm) / rate; s < 40 || s > 60 {
		t.Errorf("%d s long", s)
	}
	step := func(i int) int {
		d := int(pcm[(i+1)%len(pcm)]) - int(pcm[i%len(pcm)])
		return max(d, -d)
	}
	around := 0
	for i := range 400 {
		around = max(around, step(len(pcm)-401+i), step(i))
	}
	if seam := step(len(pcm) - 1); seam > around {
		t.Errorf("step of %d over the seam, %d around it", seam, around)
	}
	// The level must be steady: no second is silent or booming.
	x := make([]float64, len(pcm))
	for i, s := range pcm {
		x[i] = float64(s) / 32768
	}
	for s := range len(x) / rate {
		if l := rms(x[s*rate : (s+1)*rate]); math.Abs(l-musicLevel) > 7 {
			t.Errorf("second %d: %.1f dB, want about %.0f", s, l, musicLevel)
		}
	}
	// What is generated now is what is committed.
	octets := make([]byte, len(pcm))
	codec.Encode(codec.PCMA, octets, music())
	differ := 0
	for i, o := range clip.Frames(codec.PCMA) {
		if o != octets[i] {
			differ++
		}
	}
	if differ > len(pcm)/100 { // other processors round some sines otherwise
		t.Errorf("%d samples differ from the committed music; run make prompts", differ)
	}
}

func TestSplitText(t *testing.T) {
	got, err := splitText("One. [500] [ro] Doi. [ru] Три", "en")
	if err != nil || len(got) != 4 || got[0] != (part{lang: "en", text: "One."}) || got[1].pauseMs != 500 ||
		got[2] != (part{lang: "ro", text: "Doi."}) || got[3] != (part{lang: "ru", text: "Три"}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"no voice", "[en] a [b"} {
		if _, err := splitText(bad, neutral); err == nil {
			t.Errorf("%q taken", bad)
		}
	}
}
