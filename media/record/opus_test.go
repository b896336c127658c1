package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// talk is a recording of n samples: tones on the left in every other second, on
// the right in the others.
func talk(f Format, n int, marks []Mark) []byte {
	b := appendHeader(nil, f, 0, int64(n), marks)
	for i := range n {
		var v [2]int16
		v[i/8000%2] = int16(8000 * math.Sin(2*math.Pi*float64(440+300*(i/8000%3))*float64(i)/8000) * math.Abs(math.Sin(float64(i)/900)))
		b = append(b, byte(v[0]), byte(uint16(v[0])>>8), byte(v[1]), byte(uint16(v[1])>>8))
	}
	return b
}

func TestOpus(t *testing.T) {
	for _, n := range []int{0, 1, 107, 108, 109, 160, 7*8000 + 77} {
		wav := talk(PCM, n, []Mark{{0, MarkPaused}, {int64(n), MarkResumed}})
		open := func() *Reader {
			r, err := NewReader(bytes.NewReader(wav), int64(len(wav)))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		var out bytes.Buffer
		if err := WriteOpus(&out, open(), noPace); err != nil {
			t.Fatal(err)
		}
		got := out.Bytes()
		sum, size, err := VerifyOpus(bytes.NewReader(got), open(), noPace)
		real := sha256.Sum256(got)
		if err != nil || size != int64(len(got)) || sum != hex.EncodeToString(real[:]) {
			t.Errorf("%d samples: %v, %d of %d bytes", n, err, size, len(got))
		}
		if n < 8000 {
			continue
		}
		t.Logf("%d kB of WAV became %d kB", len(wav)/1000, len(got)/1000)
		for _, at := range []int{30, 100, len(got) / 2, len(got) - 1} {
			bent := bytes.Clone(got)
			bent[at] ^= 4
			if _, _, err := VerifyOpus(bytes.NewReader(bent), open(), noPace); !errors.Is(err, ErrVerify) {
				t.Errorf("a changed bit at %d: %v", at, err)
			}
		}
		for _, cut := range []int{0, 20, 200, len(got) / 2, len(got) - 1} {
			if _, _, err := VerifyOpus(bytes.NewReader(got[:cut]), open(), noPace); !errors.Is(err, ErrVerify) {
				t.Errorf("cut at %d: %v", cut, err)
			}
		}
		// Another conversation, a longer one, one with the sides changed over.
		swapped := bytes.Clone(wav)
		for i := headerBytes; i < len(swapped); i += 4 {
			swapped[i], swapped[i+1], swapped[i+2], swapped[i+3] = wav[i+2], wav[i+3], wav[i], wav[i+1]
		}
		for name, other := range map[string][]byte{"swapped": swapped, "longer": talk(PCM, n+160, nil)} {
			r, _ := NewReader(bytes.NewReader(other), int64(len(other)))
			r.Marks = open().Marks
			if _, _, err := VerifyOpus(bytes.NewReader(got), r, noPace); !errors.Is(err, ErrVerify) {
				t.Errorf("%s: %v", name, err)
			}
		}
		judge(t, got, n)
	}
	stop := errors.New("stop")
	wav := talk(PCM, 16000, nil)
	r, _ := NewReader(bytes.NewReader(wav), int64(len(wav)))
	if err := WriteOpus(&bytes.Buffer{}, r, func() error { return stop }); !errors.Is(err, stop) {
		t.Errorf("told to stop: %v", err)
	}
}

// judge lets a decoder that is not ours open the file.
func judge(t *testing.T, ogg []byte, n int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.opus")
	if err := os.WriteFile(path, ogg, 0o600); err != nil {
		t.Fatal(err)
	}
	if ffmpeg, err := exec.LookPath("ffmpeg"); err == nil {
		out, err := exec.Command(ffmpeg, "-v", "error", "-i", path, "-f", "s16le", "-ar", "8000", "-").Output()
		if err != nil || len(out) < 4*n-400 || len(out) > 4*n+400 {
			t.Errorf("ffmpeg: %d bytes of %d, %v", len(out), 4*n, err)
		}
	}
	if info, err := exec.LookPath("opusinfo"); err == nil {
		out, err := exec.Command(info, path).CombinedOutput()
		if err != nil || strings.Contains(string(out), "WARNING") {
			t.Errorf("opusinfo: %v\n%s", err, out)
		}
	}
}

// FuzzSplit: no packet leads the reader of streams astray, and what is put
// together comes apart again.
func FuzzSplit(f *testing.F) {
	f.Add([]byte{8, 1, 2}, []byte{8, 3})
	f.Add(bytes.Repeat([]byte{8}, 300), []byte{1})
	f.Add([]byte{8, 255, 255}, []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		splitStreams(a)
		if len(a) == 0 || len(a) > 1276 || a[0]&3 != 0 || len(b) == 0 {
			return
		}
		p, err := appendStream(nil, a, true)
		if err != nil {
			t.Fatal(err)
		}
		p, _ = appendStream(p, b, false)
		l, r, ok := splitStreams(p)
		if !ok || !bytes.Equal(l, a) || !bytes.Equal(r, b) {
			t.Fatalf("% x and % x became % x: % x, % x, %v", a, b, p, l, r, ok)
		}
	})
}
