package cdr

import (
	"fmt"
	"iter"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/event"
)

var t0 = time.Date(2026, 10, 25, 0, 59, 59, 999_600_000, time.UTC) // rounds wrongly when not truncated

func ev(d time.Duration, body event.Body) event.Event {
	return event.Event{At: t0.Add(d), Tenant: "default", CallID: "c1", Body: body}
}

const ms1 = time.Millisecond

func TestWholeCall(t *testing.T) {
	events := []event.Event{
		ev(0, event.CallStarted{Direction: event.Inbound, From: "+40", To: "1000", Trunk: "carrier"}),
		ev(40*ms1, event.CallAnswered{}),
		ev(40*ms1, event.SegmentStarted{Segment: event.SegmentMenu, Flow: "main"}),
		ev(3040*ms1, event.QueueEntered{Queue: "sales"}),
		ev(3040*ms1, event.SegmentStarted{Segment: event.SegmentWaiting, Queue: "sales"}),
		ev(4000*ms1, event.OfferMade{Agent: "bob"}),
		ev(24000*ms1, event.OfferEnded{Agent: "bob", Outcome: "no_answer"}),
		ev(24000*ms1, event.OfferMade{Agent: "anna"}),
		ev(24010*ms1, event.LegStarted{Leg: 1, Device: "bob-phone"}),
		ev(24020*ms1, event.LegEnded{Leg: 1, Code: 480, Reason: event.ReasonNoAnswer}),
		ev(24030*ms1, event.LegStarted{Leg: 2, Device: "anna-phone", Agent: "anna"}),
		ev(24080*ms1, event.LegRinging{Leg: 2}),
		ev(26000*ms1, event.LegAnswered{Leg: 2}),
		ev(26000*ms1, event.OfferEnded{Agent: "anna", Outcome: "accepted"}),
		ev(26000*ms1, event.QueueLeft{Queue: "sales", Outcome: "answered"}),
		ev(26000*ms1, event.SegmentStarted{Segment: event.SegmentTalking, Agent: "anna", Device: "anna-phone"}),
		ev(26000*ms1, event.RecordingStarted{Recording: "r", Path: "p.wav"}),
		ev(30000*ms1, event.SegmentStarted{Segment: event.SegmentHold, By: "agent", Agent: "anna"}),
		ev(35000*ms1, event.SegmentStarted{Segment: event.SegmentTalking, Agent: "anna", Device: "anna-phone"}),
		ev(36000*ms1, event.RecordingEnded{Recording: "r", Path: "p.wav", DurationMs: 10000}),
		ev(36000*ms1, event.CallEnded{Result: event.ResultCaller, Reason: event.ReasonNormal}),
		ev(36500*ms1, event.LegEnded{Leg: 2, Reason: event.ReasonNormal}), // too late: the record is closed
	}
	c, ok := Project(events)
	if !ok {
		t.Fatal("no call")
	}
	got := []any{c.SetupMs, c.MenuMs, c.WaitMs, c.TalkMs, c.HoldMs, c.TotalMs, c.Offers, c.Missed, c.Agent, c.Peer, c.Queue, c.QueueOutcome, len(c.Segments), len(c.Legs), c.Legs[2].RingMs, c.Legs[2].AnswerMs, c.Legs[2].EndedMs, c.Legs[1].Code, c.Recordings[0].Closed}
	want := []any{int64(40), int64(3000), int64(22960), int64(5000), int64(5000), int64(36000), 2, 1, "anna", "anna-phone", "sales", "answered", 5, 3, int64(50), int64(1970), int64(0), 480, true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if !c.Started.Equal(t0.Truncate(ms1)) {
		t.Errorf("started %v", c.Started)
	}
}

func TestClockSetBackNeverGivesNegativeTimes(t *testing.T) {
	c, _ := Project([]event.Event{
		ev(10*time.Second, event.CallStarted{}),
		ev(9*time.Second, event.SegmentStarted{Segment: event.SegmentTalking}),
		ev(-time.Hour, event.CallEnded{}),
	})
	if c.TotalMs != 0 || c.TalkMs != 0 || c.Open() {
		t.Errorf("%+v", c)
	}
}

func TestCallWithoutStartIsNoCall(t *testing.T) {
	if _, ok := Project([]event.Event{ev(0, event.CallAnswered{}), ev(1, event.CallEnded{})}); ok {
		t.Error("a record of a call that never started")
	}
}

func TestRunningCountsUpToNowAndChangesNothing(t *testing.T) {
	p := NewProjector()
	p.Feed(ev(0, event.CallStarted{}))
	c, _ := p.Feed(ev(time.Second, event.SegmentStarted{Segment: event.SegmentTalking}))
	now := c.Running(t0.Add(5 * time.Second))
	if now.TalkMs != 4000 || now.TotalMs != 5000 || !now.Open() {
		t.Errorf("%+v", now)
	}
	if c.TalkMs != 0 || c.Segments[0].Ms != 0 {
		t.Error("looking changed the record")
	}
}

// draw makes any event, sensible or not, in any order.
func draw(rt *rapid.T) event.Event {
	leg := rapid.IntRange(0, 3)
	name := rapid.SampledFrom([]string{"", "a", "b"})
	body := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) event.Body { return event.CallStarted{From: name.Draw(t, "from")} }),
		rapid.Just[event.Body](event.CallAnswered{}),
		rapid.Custom(func(t *rapid.T) event.Body {
			return event.LegStarted{Leg: leg.Draw(t, "leg"), Trunk: name.Draw(t, "trunk"), Number: name.Draw(t, "n")}
		}),
		rapid.Custom(func(t *rapid.T) event.Body { return event.LegRinging{Leg: leg.Draw(t, "leg")} }),
		rapid.Custom(func(t *rapid.T) event.Body { return event.LegAnswered{Leg: leg.Draw(t, "leg")} }),
		rapid.Custom(func(t *rapid.T) event.Body {
			return event.LegEnded{Leg: leg.Draw(t, "leg"), Reason: event.ReasonBusy, Audio: &event.Audio{JitterMs: 0.25}}
		}),
		rapid.Custom(func(t *rapid.T) event.Body {
			return event.SegmentStarted{Segment: rapid.SampledFrom([]event.SegmentKind{event.SegmentMenu, event.SegmentWaiting, event.SegmentRinging, event.SegmentTalking, event.SegmentHold}).Draw(t, "kind"), Agent: name.Draw(t, "agent"), Number: name.Draw(t, "n")}
		}),
		rapid.Just[event.Body](event.QueueEntered{Queue: "q"}),
		rapid.Just[event.Body](event.QueueLeft{Outcome: "timeout"}),
		rapid.Just[event.Body](event.OfferEnded{Outcome: "no_answer"}),
		rapid.Just[event.Body](event.RecordingStarted{Recording: "r"}),
		rapid.Just[event.Body](event.RecordingEnded{Recording: "r", Fault: "full"}),
		rapid.Just[event.Body](event.AgentStateChanged{Agent: "a"}),
		rapid.Just[event.Body](event.CallEnded{Result: event.ResultCaller}),
	).Draw(rt, "body")
	return event.Event{
		At:     t0.Add(time.Duration(rapid.Int64Range(-1e9, 1e12).Draw(rt, "at"))),
		Tenant: rapid.SampledFrom([]string{"default", "acme"}).Draw(rt, "tenant"),
		CallID: rapid.SampledFrom([]string{"", "c1", "c2", "c3"}).Draw(rt, "call"),
		Body:   body,
	}
}

// The record made live, event by event with nanoseconds, and the one made of
// the journal as it is stored are the same, for any journal.
func TestLiveAndRebuiltAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(rt, "n")
		live := NewProjector()
		var fromLive []string
		var stored []event.Record
		for i := range n {
			e := draw(rt)
			e.Seq = uint64(i + 1)
			r, err := event.Encode(e)
			if err != nil {
				rt.Fatal(err)
			}
			stored = append(stored, r)
			if c, step := live.Feed(e); step == StepEnded {
				fromLive = append(fromLive, show(*c))
			}
		}
		for _, c := range live.Open() {
			fromLive = append(fromLive, show(c))
		}
		var rebuilt []string
		if err := Rebuild(decode(stored), func(c Call) error { rebuilt = append(rebuilt, show(c)); return check(c) }); err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(fromLive, rebuilt) {
			rt.Fatalf("live    %v\nrebuilt %v", fromLive, rebuilt)
		}
	})
}

// check is the law of the durations.
func check(c Call) error {
	for _, d := range []int64{c.TotalMs, c.SetupMs, c.MenuMs, c.WaitMs, c.RingMs, c.TalkMs, c.HoldMs} {
		if d < 0 {
			return fmt.Errorf("negative duration in %+v", c)
		}
	}
	var sum int64
	for _, s := range c.Segments {
		sum += s.Ms
	}
	if sum != c.MenuMs+c.WaitMs+c.RingMs+c.TalkMs+c.HoldMs {
		return fmt.Errorf("segments sum to %d: %+v", sum, c)
	}
	return nil
}

func show(c Call) string {
	for i := range c.Legs {
		if c.Legs[i].Audio != nil {
			c.Legs[i].Reason += event.Reason(fmt.Sprint(*c.Legs[i].Audio))
			c.Legs[i].Audio = nil
		}
	}
	return fmt.Sprintf("%+v", c)
}

func decode(records []event.Record) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		for _, r := range records {
			if e, err := event.Decode(r); !yield(e, err) {
				return
			}
		}
	}
}
