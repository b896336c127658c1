package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

// press sends keys from a phone, when it has none to send any more.
func (o *office) press(c *robot.Call, key string) {
	o.t.Helper()
	o.eventually("keys can be sent", func() bool { return c.Leg().SendDigits(key) })
}

// inOrder wants no packet of a call's line lost, late or twice.
func (o *office) inOrder(c *robot.Call) {
	o.t.Helper()
	if s := c.Leg().Stats(); s.Lost != 0 || s.SSRCChanges != 0 || s.TimestampBack != 0 {
		o.t.Errorf("%s: %+v", c.SIPCallID(), s)
	}
}

// Who listens by a code hears both and changes by keys; each hears whom the mode
// says, and the recording has no whisper.
func TestSuperviseByCode(t *testing.T) {
	o := newOffice(t)
	o.must(`{kind: user, name: carol, spec: {roles: [supervisor], device: carol}}`)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	id := o.live(a)

	s := o.isUp(o.call(o.carol, "*90201"), o.carol)
	three := func(aHears, bHears []int) {
		o.t.Helper()
		o.hears(s, annaTone, bobTone)
		o.hears(a, aHears...)
		o.hears(b, bHears...)
	}
	three([]int{bobTone}, []int{annaTone})
	o.press(s, "5") // whisper
	three([]int{bobTone}, []int{annaTone, carolTone})
	o.press(s, "4")
	three([]int{bobTone}, []int{annaTone})
	o.press(s, "6") // barge
	three([]int{bobTone, carolTone}, []int{annaTone, carolTone})
	o.press(s, "5")
	three([]int{bobTone}, []int{annaTone, carolTone})
	hangUp(s)
	o.over(s)
	o.talk(a, o.anna, b, o.bob)
	if k := a.Leg().Keys() + b.Leg().Keys(); k != "" {
		t.Errorf("the parties got the supervisor's keys: %q", k)
	}
	o.inOrder(a)
	o.inOrder(b)
	hangUp(a)
	o.over(b)
	r, kinds := o.ended(a)
	if r.Agent != "bob" || r.ID != id {
		t.Errorf("%+v", r)
	}
	var told []string
	for _, k := range kinds {
		if strings.HasPrefix(k, "supervision.") {
			told = append(told, strings.TrimPrefix(k, "supervision."))
		}
	}
	if want := []string{"started", "changed", "changed", "changed", "changed", "ended"}; !slices.Equal(told, want) {
		t.Errorf("journal: %v, want %v", told, want)
	}
	// Barged in, carol is on the agent's channel.
	o.recorded(r, []int{annaTone}, []int{bobTone, carolTone})
}

// A whisper is in no recording, hold and resume leave the supervisor in, a transfer
// by the agent ends it.
func TestSuperviseByAPI(t *testing.T) {
	o := newOffice(t)
	o.must(`{kind: user, name: carol, spec: {roles: [supervisor], device: carol}}`)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	o.command(a, "supervise", "whisper carol")
	s := o.answers(o.carol)
	both := func() {
		o.t.Helper()
		o.hears(s, annaTone, bobTone)
		o.hears(a, bobTone)
		o.hears(b, annaTone, carolTone)
	}
	both()
	o.command(a, "hold", "")
	o.hears(a) // music, as the supervisor
	o.hears(s)
	o.command(a, "resume", "")
	both()
	o.command(a, "play", "caller sorry")
	o.command(a, "supervise", "monitor")
	o.hears(b, annaTone)
	o.command(a, "supervise", "whisper")
	o.command(a, "play", "caller")
	both()
	o.command(a, "transfer", "203")
	o.over(s)
	d := o.answers(o.dan)
	o.over(b)
	o.talk(a, o.anna, d, o.dan)
	o.inOrder(a)
	hangUp(a)
	o.over(d)
	r, kinds := o.ended(a)
	for _, k := range []string{"supervision.started", "supervision.changed", "supervision.ended", "announcement.started", "announcement.ended"} {
		if !slices.Contains(kinds, k) {
			t.Errorf("journal has no %s: %v", k, kinds)
		}
	}
	o.recorded(r, []int{annaTone}, []int{bobTone, danTone})
}

// Who has no right to listen does not, by code and by API, and that is told.
func TestSuperviseRefused(t *testing.T) {
	o := newOffice(t)
	o.must(`
{kind: user, name: carol, spec: {roles: [quality], device: carol, may_monitor: ["*"]}}
---
{kind: queue, name: vip, spec: {members: [{agent: bob}]}}
---
{kind: device, name: erin, spec: {password: pw-erin, extension: "205"}}
---
{kind: user, name: erin, spec: {roles: [supervisor], device: erin, may_monitor: [vip]}}
`)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	ask := func(target string) error {
		return o.CommandCall(context.Background(), "default", o.live(a), api.CallCommand{Action: "supervise", Leg: -1, Target: target, By: "test"})
	}
	for target, want := range map[string]error{
		"monitor dan":    api.ErrConflict, // nobody's phone
		"whisper carol":  api.ErrConflict, // quality listens, no more
		"monitor erin":   api.ErrConflict, // another queue's supervisor
		"monitor nobody": api.ErrInvalid,
		"monitor":        api.ErrConflict,
	} {
		if err := ask(target); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", target, err, want)
		}
	}
	s := o.isUp(o.call(o.dan, "*90201"), o.dan)
	o.over(s) // after it has heard that it may not
	o.hears(a, bobTone)
	o.hears(b, annaTone)
	hangUp(a)
	o.over(b)
	r, _ := o.ended(a)
	d, err := o.Call(context.Background(), "default", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	var codes []int
	for _, e := range d.Events {
		if e.Kind == "supervision.refused" {
			var f event.SupervisionRefused
			if err := json.Unmarshal(e.Data, &f); err != nil {
				t.Fatal(err)
			}
			codes = append(codes, f.Code)
		}
	}
	if !slices.Equal(codes, []int{403, 403, 403, 403}) {
		t.Errorf("refusals told: %v", codes)
	}
}

// An agent who answers a queue's call hears the announcement first and not the
// caller, who hears music on; then they talk.
func TestAgentAnnouncement(t *testing.T) {
	o := newOffice(t)
	o.must(`{kind: queue, name: sales, spec: {members: [{agent: bob}], wrap_up: 0s, leave_when_empty: false, announce_first: -1s, agent_announcement: please_wait, agent_announcement_wait: seconds}}`)
	if err := o.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "1001")
	o.isUp(a, o.anna)
	b := o.answers(o.bob)
	o.talk(a, o.anna, b, o.bob)
	if kinds := o.kinds(a); !slices.Contains(kinds, "announcement.started") || !slices.Contains(kinds, "announcement.ended") {
		t.Errorf("journal: %v", kinds)
	}
	pcm := b.Leg().Since(0)
	first := 0
	for first+1600 <= len(pcm) && !robot.Hears(pcm[first:first+1600], annaTone) {
		first += 160
	}
	peak := int16(0)
	for _, v := range pcm[:first] {
		peak = max(peak, v)
	}
	if first < 4000 || peak < 1000 {
		t.Errorf("bob heard anna after %d samples; before that a peak of %d", first, peak)
	}
	hangUp(a)
	o.over(b)
	if r, _ := o.ended(a); r.Agent != "bob" || r.WaitMs < int64(first/8) {
		t.Errorf("%+v: the announcement took %d ms of the wait", r, first/8)
	}
}
