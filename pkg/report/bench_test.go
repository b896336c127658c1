package report

import (
	"fmt"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// BenchmarkFeed is the cost of one event while 1000 calls and 200 agents run; 12
// events a call, as a queue's call has of the kinds that are read.
func BenchmarkFeed(b *testing.B) {
	var counts Counts
	p := NewProjector(func(_ Key, c Counter, n int64) { counts.Add(c, n) })
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	const running = 1000
	events := make([][12]event.Body, 200)
	for i := range events {
		agent := fmt.Sprint("agent", i)
		events[i] = [12]event.Body{
			event.CallStarted{Direction: event.Inbound, To: "1000"}, event.SegmentStarted{Segment: event.SegmentMenu},
			event.QueueEntered{Queue: "sales"}, event.AgentStateChanged{Agent: agent, From: "ready", To: "reserved"},
			event.AgentStateChanged{Agent: agent, From: "reserved", To: "ringing"}, event.OfferEnded{Queue: "sales", Agent: agent, Outcome: "accepted"},
			event.AgentStateChanged{Agent: agent, From: "ringing", To: "on_call"}, event.QueueLeft{Queue: "sales", Outcome: "answered", WaitMs: 9000, Agent: agent},
			event.SegmentStarted{Segment: event.SegmentTalking, Agent: agent}, event.AgentStateChanged{Agent: agent, From: "on_call", To: "wrap_up"},
			event.CallEnded{}, event.AgentStateChanged{Agent: agent, From: "wrap_up", To: "ready"},
		}
	}
	ids := make([]string, running)
	for i := range ids {
		ids[i] = fmt.Sprint("call", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		call, step := i%running, i/running%12
		at = at.Add(time.Millisecond)
		p.Feed(event.Event{At: at, Tenant: "default", CallID: ids[call], Body: events[call%200][step]})
	}
}
