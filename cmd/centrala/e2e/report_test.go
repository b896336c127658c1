//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
)

// TestReportAgreesWithRecords: three calls of sipp (nobody ready, answered, gone
// while the phone rang) are in the figures as they are in the call records; made
// again, and after kill -9, they are the same.
func TestReportAgreesWithRecords(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob := h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	h.agent("bob", "not_ready")
	h.sipp("uac-bye-while-queued.xml", "2000", 1)
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
	h.sipp("uac-bye-while-queued.xml", "2000", 1)
	h.over(h.ring(bob))

	var page api.CallPage
	h.eventually(patience, "three calls are in the records", func() bool {
		h.decode(&page, "call", "list", "--limit", "20")
		n := 0
		for _, c := range page.Calls {
			if !c.Open() {
				n++
			}
		}
		return n == 3
	})
	want := map[string]int64{"calls": 3}
	var talk int64
	for _, c := range page.Calls {
		want["call_ms"] += c.TotalMs
		want["entered"]++
		want["longest_wait_ms"] = max(want["longest_wait_ms"], c.WaitMs)
		if c.Agent == "bob" {
			want["answered"]++
			want["handled"]++
			want["calls_connected"]++
			want["wait_answered_ms"] += c.WaitMs
			talk += c.TalkMs
			continue
		}
		want["abandoned"]++
		want["wait_abandoned_ms"] += c.WaitMs
	}
	want["talk_ms"], want["abandoned_short"], want["answered_in_t"] = talk, want["abandoned"], want["answered"]
	if want["answered"] != 1 || want["abandoned"] != 2 || talk == 0 {
		t.Fatalf("the records: %v", want)
	}
	// Two clocks beside each other, the queue engine's and the call's: a few ms.
	near := func(what string, got map[string]int64) {
		t.Helper()
		for k, w := range want {
			slack := int64(0)
			if strings.HasSuffix(k, "_ms") {
				slack = 200
			}
			if g := got[k]; g < w-slack || g > w+slack {
				t.Errorf("%s: %s is %d, the records say %d", what, k, g, w)
			}
		}
	}
	report := func(args ...string) map[string]map[string]int64 {
		t.Helper()
		var r api.Report
		// Two days, so that a midnight in mid-test does not matter.
		from := time.Now().UTC().Add(-24 * time.Hour).Format("2006-01-02")
		h.decode(&r, append([]string{"report", "--from", from}, args...)...)
		out := map[string]map[string]int64{}
		for _, i := range r.Items {
			out[i.Name] = i.Counters
			if v := i.Figures["service_level.short_excluded"]; (v == nil || *v != 1) && args[1] != "agent" {
				t.Errorf("%v: service level %v", args, v)
			}
		}
		return out
	}
	check := func(what string) {
		t.Helper()
		near(what+", tenant", report("--by", "tenant")[""])
		near(what+", number", report("--by", "number")["2000"])
		q, b := report("--by", "queue")["patient"], report("--by", "agent")["bob"]
		if fmt.Sprint(q["entered"], q["answered"], q["abandoned"], q["abandoned_short"], q["handled"], q["offers"]) != "3 1 2 2 1 2" {
			t.Errorf("%s: queue %v", what, q)
		}
		if fmt.Sprint(b["answered"], b["offers"], b["ring_no_answer"]) != "1 2 0" || b["on_call_ms"] < talk-200 || b["on_call_ms"] > talk+2000 || b["not_ready_ms"] == 0 {
			t.Errorf("%s: bob %v", what, b)
		}
	}
	check("live")
	if out, err := h.run("report", "rebuild"); err != nil || !strings.Contains(out, " 0 rows differ") {
		t.Errorf("rebuild: %v\n%s", err, out)
	}
	check("made again")
	log, err := h.run("report", "queue-log")
	if err != nil {
		t.Fatal(err)
	}
	for word, n := range map[string]int{"ENTERQUEUE": 3, "CONNECT": 1, "COMPLETECALLER": 1, "ABANDON": 2, "RINGCANCELED": 1, "AGENTLOGIN": 1, "QUEUESTART": 1} {
		if got := strings.Count(log, "|"+word); got != n {
			t.Errorf("queue_log has %s %d times, want %d:\n%s", word, got, n, log)
		}
	}
	if out, err := h.run("report", "--by", "number", "--csv"); err != nil || !strings.HasPrefix(out, "start,end,number,entered,") {
		t.Errorf("%v\n%s", err, out)
	}
	h.quiet()
	h.kill()
	h.start()
	check("after kill -9")
	if out, err := h.run("report", "rebuild"); err != nil || !strings.Contains(out, " 0 rows differ") {
		t.Errorf("rebuild after kill -9: %v\n%s", err, out)
	}
}
