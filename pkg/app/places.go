package app

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/dispatch"
	"github.com/centrala/centrala/pkg/call"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/store"
)

// Bounds of what a start looks for in the journal.
const (
	placesBack  = time.Hour // of calls that had ended before the last process did
	placesPages = 5         // of a thousand calls
)

// endOfBefore is when the process before this one was last heard of, and which calls
// it left open.
type endOfBefore struct {
	at   time.Time // zero: there was none
	open []cdr.Call
}

// closeOrphans ends in the journal what a killed process left open.
func (a *App) closeOrphans(ctx context.Context) error {
	last, err := a.store.LastSeq(ctx)
	if err != nil {
		return err
	}
	err = a.store.Range(ctx, last, func(e event.Event) error { a.before.at = e.At; return nil })
	if err != nil {
		return err
	}
	// Calls that a killed process left open in the journal have ended.
	a.before.open, err = a.store.CloseOrphans()
	if n := len(a.before.open); n > 0 {
		a.log.Warn("calls of a process that was killed were closed in the journal", zap.Int("calls", n))
	}
	return err
}

// seedPlaces gives those callers of a tenant their old places who call again, and
// whom the end of the last process, or something else just before, cut off. The time
// in which nobody could call does not count.
func (a *App) seedPlaces(ctx context.Context, tenant string, d *dispatch.Dispatcher) error {
	if a.before.at.IsZero() {
		return nil
	}
	down := max(a.started.Sub(a.before.at), 0)
	var calls []cdr.Call // newest first
	f := store.CallFilter{Ended: true, Limit: 1000}
	for range placesPages {
		page, next, err := a.store.Calls(ctx, tenant, f)
		if err != nil {
			return err
		}
		calls = append(calls, page...)
		if f.Cursor = next; next == "" || page[len(page)-1].Started.Before(a.before.at.Add(-placesBack)) {
			break
		}
	}
	again := map[[2]string]time.Time{} // when somebody last came to a queue
	for _, c := range calls {
		if key := [2]string{c.Queue, c.From}; c.Started.After(again[key]) {
			again[key] = c.Started
		}
	}
	type stood struct {
		acd.KeptPlace
		seq uint64
	}
	var places []stood
	look := func(c cdr.Call, left time.Time) error {
		if c.Queue == "" || left.Before(a.before.at.Add(-placesBack)) || again[[2]string{c.Queue, c.From}].After(c.Started) {
			return nil
		}
		events, err := a.store.Events(ctx, tenant, c.ID)
		if err != nil {
			return err
		}
		if p, seq, ok := placeOf(events); ok {
			p.Left = left.Add(down)
			places = append(places, stood{p, seq})
		}
		return nil
	}
	orphan := map[string]bool{}
	for _, c := range a.before.open {
		if c.Tenant == tenant {
			orphan[c.ID] = true
			if err := look(c, a.before.at); err != nil {
				return err
			}
		}
	}
	for _, c := range calls {
		if orphan[c.ID] || !slices.Contains([]string{acd.LeftAbandoned, acd.LeftError, acd.LeftShutdown}, c.QueueOutcome) {
			continue
		}
		if err := look(c, c.Ended); err != nil {
			return err
		}
	}
	if len(places) == 0 {
		return nil
	}
	slices.SortFunc(places, func(x, y stood) int { return int(int64(x.seq) - int64(y.seq)) })
	ev := acd.KeepPlaces{}
	for _, p := range places {
		ev.Places = append(ev.Places, p.KeptPlace)
	}
	d.Post(ev)
	a.log.Info("callers who were cut off keep their places", zap.String("tenant", tenant), zap.Int("callers", len(places)))
	return nil
}

// placeOf tells from a call's journal where it stood when it was cut off: in which
// queue and since when, the queues before included that sent it on. seq is of its
// joining.
func placeOf(events []event.Event) (p acd.KeptPlace, seq uint64, ok bool) {
	var from string
	sentOn := false
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.CallStarted:
			from = call.KnownCaller(b.From, b.Private)
		case event.QueueEntered:
			if !sentOn || p.Arrived.IsZero() {
				p.Arrived = e.At
			}
			if b.Before != "" && b.WaitedMs > 0 { // what the stay before had waited counts, the gap as well
				p.Arrived = p.Arrived.Add(-time.Duration(b.WaitedMs) * time.Millisecond)
			}
			p.Queue, p.CallID, p.Priority, seq, ok = b.Queue, e.CallID, b.Priority-b.QueuePriority, e.Seq, true
		case event.QueueLeft:
			sentOn = b.Outcome == acd.LeftOverflow
			ok = slices.Contains([]string{acd.LeftAbandoned, acd.LeftError, acd.LeftShutdown}, b.Outcome)
		case event.SegmentStarted:
			if b.Segment == event.SegmentTalking {
				ok = false
			}
		}
	}
	p.Returns = from
	return p, seq, ok && from != ""
}
