package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/meta"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
)

// written makes a recording of n samples: speech-like on one side, what fill says
// on the other.
func written(f Format, n int, marks []Mark) []byte {
	b := appendHeader(nil, f, codec.PCMA, int64(n), marks)
	tone := play.Tone(1e9, -12, 440, 700).PCM()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		l, r := tone[i%len(tone)], int16(0)
		if i/8000%2 == 1 {
			r = int16(rng.IntN(65536) - 32768)
		}
		if f == PCM {
			b = append(b, byte(l), byte(uint16(l)>>8), byte(r), byte(uint16(r)>>8))
		} else {
			b = append(b, byte(l), byte(r))
		}
	}
	return b
}

func noPace() error { return nil }

func TestFLAC(t *testing.T) {
	for _, f := range []Format{PCM, G711} {
		for _, n := range []int{0, 1, 15, flacBlock, flacBlock + 1, 5*8000 + 77} {
			marks := []Mark{{0, MarkPaused}, {int64(n), MarkResumed}}
			wav := written(f, n, marks)
			open := func() *Reader {
				r, err := NewReader(bytes.NewReader(wav), int64(len(wav)))
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			path := filepath.Join(t.TempDir(), "x.flac")
			out, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			paces := 0
			if err := WriteFLAC(out, open(), func() error { paces++; return nil }); err != nil {
				t.Fatal(err)
			}
			out.Close()
			if want := (n + flacBlock - 1) / flacBlock; paces != want {
				t.Errorf("%d samples: paced %d times, want %d", n, paces, want)
			}
			got, _ := os.ReadFile(path)
			sum, size, err := VerifyFLAC(bytes.NewReader(got), open(), noPace)
			real := sha256.Sum256(got)
			if err != nil || size != int64(len(got)) || sum != hex.EncodeToString(real[:]) {
				t.Errorf("%v, %d samples: %v, %d bytes %s", f, n, err, size, sum)
			}
			s, err := flac.ParseFile(path)
			if err != nil || s.Info.BlockSizeMin != flacBlock || s.Info.BlockSizeMax != flacBlock {
				t.Errorf("%d samples: %+v, %v", n, s.Info, err)
			}
			if c := s.Blocks[0].Body.(*meta.VorbisComment); len(c.Tags) != 4 || c.Tags[3] != [2]string{"CHAPTER002NAME", MarkResumed} || n == 40077 && c.Tags[2][1] != "00:00:05.010" {
				t.Errorf("chapters %v", c.Tags)
			}
			s.Close()
			if n > 8000 {
				other, err := exec.LookPath("sox") // who has never seen our encoder
				if err == nil {
					stat, err := exec.Command(other, path, "-n", "stat").CombinedOutput()
					if err != nil || strings.Contains(string(stat), "WARN") || !strings.Contains(string(stat), fmt.Sprintf(" %d\n", 2*n)) {
						t.Errorf("sox: %v\n%s", err, stat)
					}
				}
				// What differs is found, wherever it does.
				for _, at := range []int{len(wav) - 1, headerBytes + 3, headerBytes + 30000} {
					bent := bytes.Clone(wav)
					bent[at] ^= 0x10
					r, _ := NewReader(bytes.NewReader(bent), int64(len(bent)))
					if _, _, err := VerifyFLAC(bytes.NewReader(got), r, noPace); !errors.Is(err, ErrVerify) {
						t.Errorf("a changed sample at %d: %v", at, err)
					}
				}
				for _, cut := range []int{0, 20, len(got) / 2, len(got) - 3} {
					if _, _, err := VerifyFLAC(bytes.NewReader(got[:cut]), open(), noPace); !errors.Is(err, ErrVerify) {
						t.Errorf("cut at %d: %v", cut, err)
					}
				}
			}
		}
	}
	stop := errors.New("stop")
	wav := written(PCM, 3*flacBlock, nil)
	r, _ := NewReader(bytes.NewReader(wav), int64(len(wav)))
	out, _ := os.Create(filepath.Join(t.TempDir(), "x"))
	defer out.Close()
	if err := WriteFLAC(out, r, func() error { return stop }); !errors.Is(err, stop) {
		t.Errorf("told to stop: %v", err)
	}
}
