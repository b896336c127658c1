package session

import (
	"errors"
	"flag"
	"testing"

	"github.com/centrala/centrala/media/port/bpf"
)

var testIO = flag.String("io", "", "the engines' Config.IO in tests that do not choose")

// possible are the IOs that can be tested here, auto left out.
func possible(t *testing.T) []IO {
	t.Helper()
	w := []IO{IOEpoll}
	table, err := bpf.Open(20000, 20001, 1)
	switch {
	case err == nil:
		table.Close()
		w = append(w, IOBPF)
	case !errors.Is(err, bpf.ErrUnsupported):
		t.Fatal(err)
	default:
		t.Log(err)
	}
	return w
}
