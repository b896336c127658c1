package app

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

func TestPlaceOf(t *testing.T) {
	noon := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	at := func(sec int, b event.Body) event.Event {
		return event.Event{Seq: uint64(100 + sec), At: noon.Add(time.Duration(sec) * time.Second), CallID: "c1", Body: b}
	}
	started := at(0, event.CallStarted{From: "0700"})
	in := at(5, event.QueueEntered{Queue: "sales", Priority: 5, QueuePriority: 2})
	left := func(outcome string) event.Event {
		return at(20, event.QueueLeft{Queue: "sales", Outcome: outcome, WaitMs: 15_000})
	}
	place := acd.KeptPlace{Queue: "sales", Returns: "0700", CallID: "c1", Priority: 3, Arrived: noon.Add(5 * time.Second)}
	for name, x := range map[string]struct {
		events []event.Event
		want   acd.KeptPlace
		ok     bool
	}{
		"killed while waiting":   {[]event.Event{started, in}, place, true},
		"hung up":                {[]event.Event{started, in, left(acd.LeftAbandoned)}, place, true},
		"sent away by the stop":  {[]event.Event{started, in, left(acd.LeftShutdown)}, place, true},
		"answered":               {[]event.Event{started, in, left(acd.LeftAnswered)}, acd.KeptPlace{}, false},
		"waited too long":        {[]event.Event{started, in, left(acd.LeftTimeout)}, acd.KeptPlace{}, false},
		"withheld":               {[]event.Event{at(0, event.CallStarted{From: "0700", Private: true}), in}, acd.KeptPlace{}, false},
		"never in a queue":       {[]event.Event{started}, acd.KeptPlace{}, false},
		"talks":                  {[]event.Event{started, in, at(9, event.SegmentStarted{Segment: event.SegmentTalking})}, acd.KeptPlace{}, false},
		"sent on by an overflow": {[]event.Event{started, in, left(acd.LeftOverflow), at(20, event.QueueEntered{Queue: "backup"})}, acd.KeptPlace{Queue: "backup", Returns: "0700", CallID: "c1", Arrived: noon.Add(5 * time.Second)}, true},
		"chose another queue":    {[]event.Event{started, in, left(acd.LeftKey), at(30, event.QueueEntered{Queue: "other"})}, acd.KeptPlace{Queue: "other", Returns: "0700", CallID: "c1", Arrived: noon.Add(30 * time.Second)}, true},
		"had an old place": {[]event.Event{started, at(5, event.QueueEntered{Queue: "sales", Priority: 3, Before: "c0", WaitedMs: 60_000})},
			acd.KeptPlace{Queue: "sales", Returns: "0700", CallID: "c1", Priority: 3, Arrived: noon.Add(-55 * time.Second)}, true},
	} {
		got, _, ok := placeOf(x.events)
		if ok != x.ok || ok && got != x.want {
			t.Errorf("%s: %+v %v, want %+v", name, got, ok, x.want)
		}
	}
}
