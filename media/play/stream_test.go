package play

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

// TestStream: programmes one behind another, joined in the middle, come as one sound;
// its end and the listener's are told apart.
func TestStream(t *testing.T) {
	for _, f := range foreign {
		raw, err := os.ReadFile("testdata/" + f.file)
		if err != nil {
			t.Fatal(err)
		}
		if f.file == "tone.flac" { // nobody broadcasts it
			continue
		}
		twice := append(append([]byte("HTTP nonsense\xff\xff\x00"), raw...), raw...)
		n := 0
		err = Stream(iotest.OneByteReader(bytes.NewReader(twice)), func(pcm []int16) error { n += len(pcm); return nil })
		least, most := 2*StreamRate*3/2, 2*StreamRate*3/2+StreamRate/4
		if err != nil || n < least || n > most {
			t.Errorf("%s twice: %d samples, want %d to %d; %v", f.file, n, least, most, err)
		}
		enough := errors.New("enough")
		if err := Stream(bytes.NewReader(raw), func([]int16) error { return enough }); err != enough {
			t.Errorf("%s: the listener's error became %v", f.file, err)
		}
	}
	if err := Stream(zeros{}, func([]int16) error { return nil }); !errors.Is(err, ErrFormat) {
		t.Errorf("endless nonsense: %v", err)
	}
	if err := Stream(bytes.NewReader(nil), func([]int16) error { return nil }); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
