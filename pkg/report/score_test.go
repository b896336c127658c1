package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// score is a history written by hand: the events of one tenant at moments.
type score struct {
	t      testing.TB
	day    time.Time
	events []event.Event
}

// at adds events of a call ("" = none) at a clock time of the score's day:
// "09:00:05", or with milliseconds.
func (s *score) at(clock, callID string, bodies ...event.Body) *score {
	s.t.Helper()
	layout := "15:04:05"
	if strings.Contains(clock, ".") {
		layout = "15:04:05.000"
	}
	c, err := time.Parse(layout, clock)
	if err != nil {
		s.t.Fatal(err)
	}
	at := s.day.Add(c.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)))
	for _, b := range bodies {
		s.events = append(s.events, event.Event{Seq: uint64(len(s.events) + 1), At: at, Tenant: "default", CallID: callID, Body: b})
	}
	return s
}

func newScore(t testing.TB) *score {
	return &score{t: t, day: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
}

// Words of the scores.
func starts(number string) event.Body {
	return event.CallStarted{Direction: event.Inbound, From: "+37322111111", To: number}
}
func enters(queue string) event.Body {
	return event.QueueEntered{Queue: queue, Position: 1, ServiceMs: 20_000, ShortMs: 5_000}
}
func leaves(queue, outcome string, waitMs int64, agent ...string) event.Body {
	return event.QueueLeft{Queue: queue, Outcome: outcome, WaitMs: waitMs, Agent: strings.Join(agent, "")}
}
func talks(queue, agent string) event.Body {
	return event.SegmentStarted{Segment: event.SegmentTalking, Queue: queue, Agent: agent}
}
func holds(queue, agent string) event.Body {
	return event.SegmentStarted{Segment: event.SegmentHold, Queue: queue, Agent: agent, By: "agent"}
}
func rings(flow string) event.Body {
	return event.SegmentStarted{Segment: event.SegmentRinging, Flow: flow}
}
func offer(queue, agent, outcome string, ringMs int64) event.Body {
	return event.OfferEnded{Queue: queue, Agent: agent, Outcome: outcome, RingMs: ringMs}
}
func moves(agent, from, to string) event.Body {
	return event.AgentStateChanged{Agent: agent, From: from, To: to, By: "system"}
}
func ends(r event.Result, why event.Reason) event.Body {
	return event.CallEnded{Result: r, Reason: why}
}

// table holds rows as a store would.
type table map[Key]*Counts

func (b table) add(k Key, c Counter, n int64) {
	if b[k] == nil {
		b[k] = &Counts{}
	}
	b[k].Add(c, n)
}

func project(events []event.Event) (table, *Projector) {
	b := table{}
	p := NewProjector(b.add)
	for _, e := range events {
		p.Feed(e)
	}
	return b, p
}

// total adds a kind's rows of one name up.
func (b table) total(k Kind, name string) *Counts {
	var c Counts
	for key, n := range b {
		if key.Kind == k && key.Name == name {
			c.Merge(n)
		}
	}
	return &c
}

// row is the row that begins at a clock time of the score's day.
func (s *score) row(b table, clock string, k Kind, name string) *Counts {
	s.t.Helper()
	c, err := time.Parse("15:04", clock)
	if err != nil {
		s.t.Fatal(err)
	}
	at := s.day.Add(c.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)))
	if r := b[Key{"default", at.UnixMilli(), k, name}]; r != nil {
		return r
	}
	return &Counts{}
}

// want compares all counters: those not named are zero.
func want(t testing.TB, what string, got *Counts, text string) {
	t.Helper()
	if have := got.text(); have != text {
		t.Errorf("%s:\n got %s\nwant %s", what, have, text)
	}
}

func (c *Counts) text() string {
	var out []string
	for k, n := range c {
		if n != 0 {
			out = append(out, fmt.Sprintf("%s=%d", Counter(k), n))
		}
	}
	return strings.Join(out, " ")
}

// figures names what a row shows, "-" for nothing to divide by.
func figures(c *Counts, names ...string) string {
	var out []string
	for _, n := range names {
		f := FigureByName(n)
		if f == nil {
			out = append(out, "no figure "+n)
			continue
		}
		v, ok := f.Value(c)
		short := n[strings.LastIndexByte(n, '.')+1:]
		if !ok {
			out = append(out, short+"=-")
			continue
		}
		out = append(out, fmt.Sprintf("%s=%.4g", short, v))
	}
	return strings.Join(out, " ")
}
