package app_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

const recordable = `
kind: tenant
name: default
spec: {language: en}
---
kind: user
name: anna
spec: {roles: [supervisor], device: anna}
---
kind: prompt
name: note
spec: {number: "101"}
---
`

// stepIs waits until a call's flow is at a step.
func (o *office) stepIs(c *robot.Call, step string) {
	o.t.Helper()
	id := o.live(c)
	o.eventually("step "+step, func() bool {
		d, err := o.Call(context.Background(), "default", id)
		if err != nil {
			return false
		}
		last := ""
		for _, e := range d.Events {
			if e.Kind == "flow.step" {
				var at event.FlowStep
				if err := json.Unmarshal(e.Data, &at); err != nil {
					o.t.Fatal(err)
				}
				last = at.Step
			}
		}
		return last == step
	})
}

// A supervisor records a prompt by phone; the next caller hears that tone.
func TestPromptIsRecordedByPhone(t *testing.T) {
	o, phone := desked(t)
	ctx := context.Background()
	if _, err := o.apply(recordable+officeHours, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	c := o.isUp(o.call(phone, "*77"), phone)
	o.press(c, "999#") // no such prompt: it asks again
	o.press(c, "101#")
	o.stepIs(c, "language")
	o.press(c, "1") // English
	o.stepIs(c, "say")
	o.press(c, "1") // the request is cut short; then comes the beep
	o.eventually("the recording", func() bool { return slices.Contains(o.kinds(c), "recording.started") })
	sent := c.Leg().Stats().Sent
	o.eventually("somebody speaks", func() bool { return c.Leg().Stats().Sent > sent+100 }) // two seconds
	o.press(c, "#")
	o.press(c, "1") // keep
	o.stepIs(c, "number")
	d, err := o.Prompt(ctx, "default", "note")
	if v := d.Versions[0]; err != nil || v.Source != "phone" || v.Language != "en" || v.By != "phone 101" || v.DurationMs < 1000 || v.DurationMs > 15000 {
		t.Errorf("%+v %v", v, err)
	}
	// Once more: what is there now is heard first.
	o.press(c, "101#")
	o.stepIs(c, "language")
	heard := c.Leg().Stats().Received
	o.press(c, "1")
	o.eventually("it is heard", func() bool { return c.Leg().Stats().Received > heard+40 })
	o.press(c, "5")
	o.stepIs(c, "say")
	c.Hangup()
	o.over(c)
}

// *60 and a switch closes a schedule and opens it, for who may.
func TestScheduleIsClosedByPhone(t *testing.T) {
	o, phone := desked(t)
	ctx := context.Background()
	if _, err := o.apply(officeHours, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	open := func() bool {
		t.Helper()
		s, err := o.Schedule(ctx, "default", "office", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Open
	}
	o.over(o.call(phone, "*601")) // anna is nobody yet
	if !open() {
		t.Fatal("closed by who may not")
	}
	if _, err := o.apply(recordable, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	o.over(o.call(phone, "*607")) // no such switch
	if !open() {
		t.Fatal("closed by a switch that is not there")
	}
	o.over(o.call(phone, "*601"))
	if s, err := o.Schedule(ctx, "default", "office", time.Time{}); err != nil || s.Open || s.Closure == nil || s.Closure.By != "anna" {
		t.Fatalf("%+v %v", s, err)
	}
	o.over(o.call(phone, "*601"))
	if !open() {
		t.Error("still closed")
	}
}
