package app_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/browser"
	"github.com/centrala/centrala/pkg/load/robot"
)

// phoneCall is what a page of bob's is told that it may take over.
func (o *webOffice) phoneCall() *api.PhoneCall {
	o.t.Helper()
	s, err := o.PhoneSession(within(o.t), "default", "bob", "s", time.Now().Add(time.Hour))
	if err != nil {
		o.t.Fatal(err)
	}
	return s.Call
}

// lostTo wants the phone to hear somebody, but not the page any more.
func (o *webOffice) lostTo(a *robot.Call) {
	o.t.Helper()
	o.eventually("comfort instead of the page", func() bool {
		pcm := a.Leg().Since(max(0, a.Leg().Mark()-4000))
		loud := 0
		for _, x := range pcm {
			if x > 500 || x < -500 {
				loud++
			}
		}
		return len(pcm) >= 4000 && robot.Quiet(pcm, bobTone) && loud > 400
	})
}

func (o *webOffice) resumes(p *browser.Page, id string) *browser.Call {
	o.t.Helper()
	b, err := p.Resume(within(o.t), id)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := b.Connected(within(o.t)); err != nil {
		o.t.Fatal(err)
	}
	return b
}

// TestPageIsLoadedAnew: the agent's page vanishes in mid-call, the caller hears comfort,
// a new page takes the leg over and both hear each other; then a second page takes it
// from the living one, which is told. The agent stays on the call throughout, and one
// recording holds it all. Others take nothing.
func TestPageIsLoadedAnew(t *testing.T) {
	o := newWebOffice(t)
	if err := o.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	if o.phoneCall() != nil {
		t.Error("a call before there is one")
	}
	a := o.call(o.anna, "1001")
	b := o.webRings()
	o.isUp(a, o.anna)
	o.webHears(b, annaTone)
	o.hears(a, bobTone)
	id := o.live(a)
	if c := o.phoneCall(); c == nil || c.ID != id || c.Away {
		t.Errorf("%+v", c)
	}
	stranger := o.node.page(carol, carolTone, nil, nil)
	for page, call := range map[*browser.Page]string{stranger: id, o.page: "018f0000-0000-7000-8000-000000000000"} {
		if _, err := page.Resume(within(t), call); err == nil || !strings.Contains(err.Error(), "481") {
			t.Errorf("%v", err)
		}
	}
	o.page.Close() // no BYE, no word
	o.lostTo(a)
	o.eventually("it is told to be away", func() bool { c := o.phoneCall(); return c != nil && c.Away })
	if s := o.stateOf("bob"); s != "on_call" {
		t.Errorf("bob is %s", s)
	}
	second := o.node.page(bob, bobTone, nil, nil)
	b = o.resumes(second, id)
	o.hears(a, bobTone)
	o.webHears(b, annaTone)
	o.command(a, "hold", "")
	o.lostTo(a)
	third := o.node.page(bob, bobTone, nil, nil)
	b2 := o.resumes(third, id)
	select {
	case <-b.Gone():
	case <-time.After(5 * time.Second):
		t.Fatal("the page that lost the call was not told")
	}
	if s := o.stateOf("bob"); s != "on_call" {
		t.Errorf("bob is %s", s)
	}
	o.command(a, "resume", "")
	o.hears(a, bobTone)
	o.webHears(b2, annaTone)
	hangUp(a)
	select {
	case <-b2.Gone():
	case <-time.After(5 * time.Second):
		t.Fatal("BYE does not reach the page")
	}
	r, kinds := o.ended(a)
	var path []string
	for _, k := range kinds {
		if k == "leg.away" || k == "leg.back" {
			path = append(path, k)
		}
	}
	if got := strings.Join(path, " "); got != "leg.away leg.back leg.back" {
		t.Errorf("%s of %v", got, kinds)
	}
	if len(r.Legs) != 2 || r.Agent != "bob" {
		t.Errorf("%+v", r)
	}
	o.recorded(r, []int{annaTone}, []int{bobTone})
	if f, err := os.Stat(filepath.Join(o.cfg.RecordingsDir(), r.Recordings[0].Path)); err != nil || f.Size() == 0 {
		t.Error(err)
	}
}

// stateOf is an agent's state and reason.
func (o *webOffice) stateOf(agent string) string {
	o.t.Helper()
	all, err := o.Agents(context.Background(), "default")
	if err != nil {
		o.t.Fatal(err)
	}
	for _, a := range all {
		if a.Name == agent {
			return strings.TrimSpace(a.State + " " + a.Reason)
		}
	}
	return ""
}

// TestPageIsLostForGood: who does not come back within the tenant's bound loses the
// call: the caller goes before all others in the queue, to the next agent, and the one
// who was lost is not ready. The recording goes on.
func TestPageIsLostForGood(t *testing.T) {
	o := newWebOffice(t)
	if _, err := o.apply(`{kind: tenant, name: default, spec: {language: en, record: always, resume_within: 5s, resume_prompt: music}}
---
{kind: queue, name: sales, spec: {members: [{agent: bob}, {agent: carol}], wrap_up: 0s, leave_when_empty: false, announce_first: -1s}}`, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	if err := o.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "1001")
	b := o.webRings()
	o.isUp(a, o.anna)
	o.webHears(b, annaTone)
	o.hears(a, bobTone)
	o.page.Close()
	o.lostTo(a)
	carols := make(chan *browser.Call, 1)
	o.node.page(carol, carolTone, carols, nil)
	if err := o.SetAgentState(context.Background(), "default", "carol", "ready", ""); err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-carols:
		if err := c.Answer(); err != nil {
			t.Fatal(err)
		}
		if err := c.Connected(within(t)); err != nil {
			t.Fatal(err)
		}
		o.webHears(c, annaTone)
		o.hears(a, carolTone)
	case <-time.After(20 * time.Second):
		t.Fatal("the caller does not get to another agent")
	}
	o.eventually("bob is not ready", func() bool { return o.stateOf("bob") == "not_ready call_lost" })
	id := o.live(a)
	hangUp(a)
	r := o.record("default", a)
	d, err := o.Call(context.Background(), "default", id)
	if err != nil {
		t.Fatal(err)
	}
	var fronts []string
	for _, e := range d.Events {
		var q event.QueueEntered
		if e.Kind == q.Kind() {
			if err := json.Unmarshal(e.Data, &q); err != nil {
				t.Fatal(err)
			}
			fronts = append(fronts, q.Front)
		}
	}
	if got := strings.Join(fronts, ","); got != ",agent_lost" {
		t.Errorf("entered the queue %q", got)
	}
	o.recorded(r, []int{annaTone}, []int{bobTone, carolTone})
}
