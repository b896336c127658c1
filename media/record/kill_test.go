package record

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/media/codec"
)

// How often and in the midst of how many recordings the process is killed; the
// bench tag makes it 200 moments of 500 recordings (make bench).
var killMoments, killCalls = 3, 40

// A process that records is killed with SIGKILL at random moments: every file
// opens in Python's wave, both channels hold what was written, and less than a
// second is missing.
func TestKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) // other moments in each run
	worst, files := 0, 0
	for moment := range killMoments {
		alive := time.Duration(rng.IntN(2500)) * time.Millisecond
		dir := t.TempDir()
		cmd := exec.Command(exe, "-test.run=^$")
		cmd.Env = append(os.Environ(), "RECORD_CRASH_DIR="+dir, "RECORD_CRASH_CALLS="+strconv.Itoa(killCalls))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil { // it has begun
			t.Fatal(err)
		}
		time.Sleep(alive)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		b, err := os.ReadFile(dir + "-progress")
		if err != nil || len(b) < 8 {
			t.Fatalf("progress: %d bytes, %v", len(b), err)
		}
		// Samples of every channel, at least: the time before the first packet and all
		// that was given to Write.
		given := 0
		if packets := binary.LittleEndian.Uint64(b); packets > 0 {
			given = int(beforeFirst/time.Millisecond)*8 + int(packets)*160
		}
		seen := 0
		for line := range strings.Lines(python(t, wavePy, dir)) {
			var name string
			var channels, width, rate, n, got int
			if _, err := fmt.Sscan(line, &name, &channels, &width, &rate, &n, &got); err != nil {
				t.Fatalf("python said %q", line)
			}
			seen++
			if channels != 2 || width != 2 || rate != 8000 || got != n {
				t.Errorf("killed after %v: %s", alive, line)
			}
			worst = max(worst, given-n)
			if given-n > 8000 {
				t.Errorf("killed after %v: %s lacks %d ms", alive, name, (given-n)/8)
			}
		}
		if seen != killCalls && given > 0 {
			t.Errorf("killed after %v: python read %d files of %d", alive, seen, killCalls)
		}
		files += seen
		for i := 0; i < killCalls && given > 0; i += 7 {
			wholeUntilKilled(t, filepath.Join(dir, fmt.Sprintf("c-%d.wav", i)))
		}
		os.RemoveAll(dir)
		if t.Failed() {
			t.Fatalf("at moment %d", moment)
		}
	}
	t.Logf("%d moments, %d files opened by Python's wave, at most %d ms missing", killMoments, files, worst/8)
}

// wholeUntilKilled wants the child's sound on both channels without a hole.
func wholeUntilKilled(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := readStrict(b)
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	quiet, loud, first := 0, 0, 0
	for first < w.n && w.sample(0, first) == 0 { // before the first packet
		first++
	}
	for i := first; i < w.n; i++ {
		for ch := range 2 {
			if w.sample(ch, i) == codec.Table(codec.PCMU)[ch+1] {
				loud++
			} else {
				quiet++
			}
		}
	}
	if quiet > loud/10 { // a busy machine sends late
		t.Errorf("%s: %d of %d samples are not what was written", path, quiet, quiet+loud)
	}
}

// beforeFirst is how long the child waits with its first packet.
const beforeFirst = 300 * time.Millisecond

// crashChild records until it is killed.
func crashChild(dir string) {
	calls, _ := strconv.Atoi(os.Getenv("RECORD_CRASH_CALLS"))
	w, err := NewWriter(Config{Dir: dir, FlushEvery: 400 * time.Millisecond}) // as the node file has it
	if err != nil || w.Start(context.Background()) != nil {
		os.Exit(3)
	}
	progress, err := os.Create(dir + "-progress")
	if err != nil {
		os.Exit(3)
	}
	progress.WriteAt(make([]byte, 8), 0)
	fmt.Print(".")
	var recs []*Recording
	for i := range calls {
		r, err := w.Open(fmt.Sprintf("c-%d.wav", i), codec.PCMU, nil)
		if err != nil {
			os.Exit(4)
		}
		recs = append(recs, r)
	}
	time.Sleep(beforeFirst)
	for _, r := range recs {
		for _, err := os.Stat(w.path(r.Name())); err != nil; _, err = os.Stat(w.path(r.Name())) {
			time.Sleep(time.Millisecond)
		}
	}
	start := time.Now()
	for i := range 1000 {
		time.Sleep(time.Until(start.Add(time.Duration(i) * 20 * time.Millisecond)))
		now := time.Now()
		for _, r := range recs {
			r.Write(Left, codec.PCMU, now, 1, uint32(i*160), frame(1))
			r.Write(Right, codec.PCMU, now, 2, uint32(i*160), frame(2))
		}
		progress.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(i+1)), 0)
	}
	os.Exit(5)
}
