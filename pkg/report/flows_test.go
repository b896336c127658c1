package report

import (
	"reflect"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

func TestFlowFigures(t *testing.T) {
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	w := NewFlowWatch("main")
	at := func(ms int, call string, b event.Body) {
		w.Feed(event.Event{At: start.Add(time.Duration(ms) * time.Millisecond), Tenant: "default", CallID: call, Body: b})
	}
	step := func(name, kind string) event.Body { return event.FlowStep{Flow: "main", Step: name, StepKind: kind} }
	gone := event.CallEnded{Result: event.ResultCaller, Reason: event.ReasonLeftMenu}
	// a: menu twice, then a conversation of a minute that is no time in the flow.
	at(0, "a", step("menu", "menu"))
	at(4000, "a", step("menu", "menu"))
	at(5000, "a", step("sales", "queue"))
	at(9000, "a", event.SegmentStarted{Segment: event.SegmentTalking})
	// b leaves in the menu, c in the queue of another flow.
	at(1000, "b", step("menu", "menu"))
	at(3000, "b", gone)
	at(2000, "c", step("menu", "menu"))
	at(4000, "c", event.FlowStep{Flow: "other", Step: "wait", StepKind: "queue"})
	at(6000, "c", gone)
	// d's prompt is gone; it is sent on and ends with us.
	at(3000, "d", step("menu", "menu"))
	at(3500, "d", event.FlowFailed{Flow: "main", Step: "menu", Error: "x"})
	at(4000, "d", event.CallEnded{Result: event.ResultOurs})
	at(69000, "a", gone) // after the conversation: nobody left the flow
	got := w.Figures(start, start)
	want := FlowFigures{Flow: "main", From: start, To: start, Calls: 4, Left: 1, Steps: []StepFigures{
		{Step: "menu", Kind: "menu", Entered: 5, Left: 1, DropOff: 0.2, Failed: 1, MeanMs: 2000, MaxMs: 4000,
			Next: map[string]int{"menu": 1, "sales": 1, "other/wait": 1}, totalMs: 10000, done: 5},
		{Step: "sales", Kind: "queue", Entered: 1, MeanMs: 4000, MaxMs: 4000, totalMs: 4000, done: 1},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(w.at) != 0 {
		t.Errorf("%d calls are kept after their end", len(w.at))
	}
}
