package record

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The waveform of a recording is the same from WAV and FLAC, and much the same from
// Opus; which side speaks when can be seen in it.
func TestPeaks(t *testing.T) {
	const n = 4*8000 + 77
	wav := written(PCM, n, nil)
	src := func() *Reader {
		r, err := NewReader(bytes.NewReader(wav), int64(len(wav)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want, err := PeaksOf(bytes.NewReader(wav), int64(len(wav)), "x.wav", n, noPace)
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Caller) != 41 || len(want.Agent) != 41 || want.StepMs != 100 || want.DurationMs != n/8 {
		t.Fatalf("%d and %d columns of %d ms for %d ms", len(want.Caller), len(want.Agent), want.StepMs, want.DurationMs)
	}
	for i := range 40 {
		if speaks := i/10%2 == 1; (want.Agent[i] > 200) != speaks || (want.Agent[i] == 0) == speaks {
			t.Errorf("column %d of the agent: %d", i, want.Agent[i])
		}
		if want.Caller[i] < 20 || want.Caller[i] > 200 {
			t.Errorf("column %d of the caller: %d", i, want.Caller[i])
		}
	}
	path := filepath.Join(t.TempDir(), "x.flac")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := WriteFLAC(out, src(), noPace); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := PeaksOf(bytes.NewReader(b), int64(len(b)), path, n, noPace)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Caller {
		if got.Caller[i] != want.Caller[i] || got.Agent[i] != want.Agent[i] {
			t.Fatalf("FLAC column %d: %d %d, WAV %d %d", i, got.Caller[i], got.Agent[i], want.Caller[i], want.Agent[i])
		}
	}
	var ogg bytes.Buffer
	if err := WriteOpus(&ogg, src(), noPace); err != nil {
		t.Fatal(err)
	}
	got, err = PeaksOf(bytes.NewReader(ogg.Bytes()), int64(ogg.Len()), "x.opus", n, noPace)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 39; i++ {
		if d := int(got.Caller[i]) - int(want.Caller[i]); d > 40 || d < -40 {
			t.Errorf("Opus column %d: %d, WAV %d", i, got.Caller[i], want.Caller[i])
		}
	}
}

// A long recording has no more columns than a screen, and what is no recording is
// refused; a pace that ends it is heeded.
func TestPeaksAreBounded(t *testing.T) {
	wav := written(G711, 60*8000, nil)
	p, err := PeaksOf(bytes.NewReader(wav), int64(len(wav)), "x.wav", 10*3600*8000, noPace)
	if err != nil || p.StepMs != 9000 || len(p.Caller) != 7 {
		t.Errorf("%d columns of %d ms: %v", len(p.Caller), p.StepMs, err)
	}
	if len(p.Caller) != len(p.Agent) {
		t.Error("sides of different length")
	}
	for _, name := range []string{"x.wav", "x.flac", "x.opus", "x.txt"} {
		if _, err := PeaksOf(bytes.NewReader([]byte("no recording at all")), 19, name, 0, noPace); !errors.Is(err, ErrNotARecording) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stop := errors.New("stop")
	if _, err := PeaksOf(bytes.NewReader(wav), int64(len(wav)), "x.wav", 1, func() error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}
