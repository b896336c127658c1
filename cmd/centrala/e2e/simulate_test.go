//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd/sim"
	"github.com/centrala/centrala/pkg/load/robot"
)

// TestSimulateToday: two calls of sipp (bob answers the first; nobody is ready for
// the second) are played again from the journal and come out as they were; a change
// that closes the queue to bob is shown to lose the first; nothing is changed by it;
// and the data folder tells the same when the server is down.
func TestSimulateToday(t *testing.T) {
	t.Parallel()
	if now := time.Now().UTC(); now.Hour() == 23 && now.Minute() >= 58 {
		t.Skip("the day is about to end")
	}
	h := open(t)
	bob := h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if c, ok := <-bob.rings; ok {
			c.Answer()
		}
	}()
	h.sipp("uac-bye-while-queued.xml", "2000", 1)
	<-answered
	h.eventually(patience, "bob is ready again", func() bool { return h.state("bob") == "ready" })
	h.agent("bob", "not_ready")
	h.sipp("uac-bye-while-queued.xml", "2000", 1)
	h.quiet()

	change := filepath.Join(h.dir, "change.yaml")
	h.write("change.yaml", "kind: queue\nname: patient\nspec:\n  members: [{agent: carol}]\n  leave_when_empty: false\n")
	check := func(what string, args ...string) {
		t.Helper()
		var c sim.Comparison
		h.decode(&c, args...)
		if len(c.Results) != 3 {
			t.Fatalf("%s: %d results", what, len(c.Results))
		}
		for i, want := range []struct{ entered, answered, abandoned int64 }{{2, 1, 1}, {2, 1, 1}, {2, 0, 2}} {
			r := c.Results[i]
			n := r.Total.Counters
			if n["entered"] != want.entered || n["answered"] != want.answered || n["abandoned"] != want.abandoned {
				t.Errorf("%s: %s: %d entered, %d answered, %d abandoned; want %+v", what, r.Name, n["entered"], n["answered"], n["abandoned"], want)
			}
		}
	}
	check("simulate", "simulate", "--day", "today", "--against", change)
	check("apply --simulate", "apply", "--simulate", "today", change)
	out, err := h.run("apply", "--simulate", "today", change)
	if err != nil || !strings.Contains(out, "WITH THE CHANGE") || !strings.Contains(out, "nothing was changed") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _ := h.run("export"); strings.Contains(out, "carol}]") || !strings.Contains(out, "patient") {
		t.Error("the change took effect")
	}
	h.stop()
	check("the server is down", "apply", "--simulate", "today", change)
}
