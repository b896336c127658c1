package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// The next call to a number is followed to its end, and no other.
func TestFlowTrace(t *testing.T) {
	var out bytes.Buffer
	tr := &trace{c: &cli{out: &out}, number: "1000"}
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var err error
	at := func(ms int, call string, b event.Body) {
		t.Helper()
		if err != nil {
			t.Fatalf("the trace has ended before %s: %v", b.Kind(), err)
		}
		r, e := event.Encode(event.Event{At: start.Add(time.Duration(ms) * time.Millisecond), Tenant: "default", CallID: call, Body: b})
		if e != nil {
			t.Fatal(e)
		}
		err = tr.take(r)
	}
	at(0, "x", event.CallStarted{From: "1", To: "2000"})
	at(1, "x", event.FlowStep{Flow: "other", Step: "a", StepKind: "play"})
	at(5, "c", event.CallStarted{From: "0722", To: "1000"})
	at(6, "d", event.CallStarted{From: "0723", To: "1000"})
	at(10, "c", event.FlowStep{Flow: "main", Step: "menu", StepKind: "menu", Version: 3})
	at(2005, "c", event.DigitPressed{Digit: "2"})
	at(2010, "d", event.CallEnded{Result: event.ResultCaller, Reason: event.ReasonLeftMenu})
	at(2015, "c", event.FlowStep{Flow: "main", Step: "sales", StepKind: "queue", Version: 3})
	at(9005, "c", event.CallEnded{Result: event.ResultCaller, Reason: event.ReasonAbandoned, TotalMs: 9000})
	if !errors.Is(err, errOver) {
		t.Errorf("not over: %v", err)
	}
	want := []string{"+0.0s call c, 0722 to 1000", "+0.0s step menu (menu) of flow main, version 3", "+2.0s key 2", "+2.0s step sales (queue)", "+9.0s end caller/abandoned after 9.0s"}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got\n%s", out.String())
	}
	for i, l := range lines {
		if got := strings.Join(strings.Fields(l), " "); got != want[i] {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
}
