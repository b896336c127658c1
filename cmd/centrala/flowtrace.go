package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/event"
)

type flowTraceCmd struct {
	target
	Call   string `arg:"" optional:"" help:"Call id: what it did so far, and what it does, until it ends."`
	Number string `help:"The next call to this number, or from it." placeholder:"NUMBER"`
}

func (flowTraceCmd) Help() string {
	return "Examples:\n  centrala flow trace --number 1000     # then dial it\n  centrala flow trace 019e5f3a-..."
}

// traced are the events of a call that a trace shows.
var traced = []string{event.CallStarted{}.Kind(), event.CallAnswered{}.Kind(), event.CallEnded{}.Kind(), event.FlowStep{}.Kind(), event.FlowFailed{}.Kind(),
	event.FlowJob{}.Kind(), event.FlowVerbs{}.Kind(), event.DigitPressed{}.Kind(), event.SegmentStarted{}.Kind(), event.QueueEntered{}.Kind(), event.QueueLeft{}.Kind()}

// errOver ends the stream of events.
var errOver = errors.New("the call has ended")

func (k flowTraceCmd) Run(ctx context.Context, c *cli) error {
	if (k.Call == "") == (k.Number == "") {
		return usageError{errors.New("want a call's id, or --number")}
	}
	t := &trace{c: c, json: k.JSON, call: k.Call, number: k.Number}
	f := client.EventFilter{Kinds: traced, Call: k.Call}
	if k.Call != "" {
		d, err := k.client().Call(ctx, k.Call)
		if err != nil {
			return err
		}
		for _, r := range d.Events {
			f.After = r.Seq
			if err := t.take(r); errors.Is(err, errOver) {
				return nil
			} else if err != nil {
				return err
			}
		}
	} else if !k.JSON {
		fmt.Fprintf(c.out, "waiting for a call to or from %s\n", k.Number)
	}
	err := k.client().Events(ctx, f, t.take)
	if errors.Is(err, errOver) || ctx.Err() != nil {
		return nil
	}
	return err
}

// trace prints one call.
type trace struct {
	c            *cli
	json         bool
	call, number string // number: of a call that is yet to come
	began        time.Time
	last         string // step
}

// take prints an event of the call that is followed; errOver at its end.
func (t *trace) take(r event.Record) error {
	e, err := event.Decode(r)
	if err != nil {
		return nil // of a newer server
	}
	if t.call == "" {
		s, ok := e.Body.(event.CallStarted)
		if !ok || s.To != t.number && s.From != t.number {
			return nil
		}
		t.call = e.CallID
	}
	if e.CallID != t.call {
		return nil
	}
	if t.began.IsZero() {
		t.began = e.At
	}
	if t.json {
		if err := t.c.printJSON(r); err != nil {
			return err
		}
	} else if what, text := t.words(e); what != "" {
		fmt.Fprintf(t.c.out, "%8s  %-8s  %s\n", "+"+seconds(e.At.Sub(t.began).Milliseconds()), what, text)
	}
	if _, over := e.Body.(event.CallEnded); over {
		return errOver
	}
	return nil
}

// words are an event for people; "" is not shown.
func (t *trace) words(e event.Event) (what, text string) {
	switch b := e.Body.(type) {
	case event.CallStarted:
		return "call", fmt.Sprintf("%s, %s to %s", e.CallID, cmp.Or(b.From, "-"), b.To)
	case event.CallAnswered:
		return "answered", ""
	case event.FlowStep:
		version := ""
		if b.Version > 0 {
			version = fmt.Sprintf(", version %d", b.Version)
		}
		if t.last != b.Flow { // the flow once, then its steps
			t.last = b.Flow
			return "step", fmt.Sprintf("%s (%s) of flow %s%s", b.Step, b.StepKind, b.Flow, version)
		}
		return "step", fmt.Sprintf("%s (%s)", b.Step, b.StepKind)
	case event.DigitPressed:
		return "key", b.Digit
	case event.FlowJob:
		return "job", fmt.Sprintf("%s: %s in %d ms %s", b.Job, b.Outcome, b.TookMs, b.Error)
	case event.FlowVerbs:
		return "verbs", fmt.Sprintf("%d of %s", b.Verbs, cmp.Or(b.App, b.By))
	case event.FlowFailed:
		return "FAILED", fmt.Sprintf("step %s: %s", b.Step, b.Error)
	case event.QueueEntered:
		return "queue", b.Queue
	case event.QueueLeft:
		return "queue", fmt.Sprintf("left %s: %s", b.Queue, b.Outcome)
	case event.SegmentStarted:
		if b.Segment == event.SegmentTalking {
			return "talks", cmp.Or(b.Agent, b.Device, b.Number)
		}
	case event.CallEnded:
		return "end", fmt.Sprintf("%s/%s after %s", b.Result, b.Reason, seconds(b.TotalMs))
	}
	return "", ""
}
