//go:build e2e

package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// wavePy opens every recording under a folder with Python's wave module, which
// believes nothing but a true header, and prints its milliseconds.
const wavePy = `import sys, os, wave
for d, _, names in os.walk(sys.argv[1]):
    for n in names:
        if not n.startswith('.'):
            w = wave.open(os.path.join(d, n))
            print(n, len(w.readframes(w.getnframes())) // (w.getnchannels() * w.getsampwidth()) * 1000 // w.getframerate())
`

// TestKillNineMoments kills the server at random moments of recorded calls: each
// time every file opens in a strict reader and lacks less than a second, and at
// the next start the index knows of it.
func TestKillNineMoments(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip("python3 is not installed (make deps)")
	}
	h := open(t)
	anna, bob := h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any)
	for moment := range 4 {
		caller, agent := connect(h, anna, bob)
		talking := time.Now()
		time.Sleep(time.Duration(100+rand.IntN(2500)) * time.Millisecond)
		h.kill()
		length := time.Since(talking)
		out, err := exec.Command(python, "-c", wavePy, filepath.Join(h.data(), "recordings")).CombinedOutput()
		if err != nil {
			t.Fatalf("moment %d, after %v: %v\n%s", moment, length, err, out)
		}
		if n := strings.Count(string(out), "\n"); n != moment+1 {
			t.Errorf("moment %d: %d files\n%s", moment, n, out)
		}
		caller.Vanish()
		agent.Vanish()
		h.start()
		text, err := h.run("recording", "list", "--json")
		var list []struct {
			Path, Fault string
			DurationMs  int64 `json:"duration_ms"`
			Open        bool
		}
		if err != nil || json.Unmarshal([]byte(text), &list) != nil || len(list) != moment+1 {
			t.Fatalf("moment %d: %v\n%s", moment, err, text)
		}
		newest := list[0]
		if newest.Fault != "interrupted" || newest.Open || time.Duration(newest.DurationMs)*time.Millisecond < length-time.Second {
			t.Errorf("moment %d, after %v of talk: %+v", moment, length, newest)
		}
		if !strings.Contains(string(out), filepath.Base(newest.Path)) {
			t.Errorf("the index has %s, the folder\n%s", newest.Path, out)
		}
		h.eventually(patience, "bob is free again", func() bool {
			out, err := h.run("call", "list", "--live", "--json")
			return err == nil && !strings.Contains(out, `"id"`)
		})
	}
}
