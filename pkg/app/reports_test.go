package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
	"github.com/centrala/centrala/pkg/report"
)

// counted is the line of one name in a tenant's figures of the last two days.
func (o *office) counted(tenant string, by report.Kind, name string) map[string]int64 {
	o.t.Helper()
	r, err := o.Report(context.Background(), tenant, api.ReportQuery{By: by, From: time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)})
	if err != nil || r.LagEvents != 0 {
		o.t.Fatal(err, r.LagEvents)
	}
	for _, i := range r.Items {
		if i.Name == name {
			return i.Counters
		}
	}
	return nil
}

// What real calls write into the journal is counted as it was meant: transfers of
// both kinds, a hold, a call that a colleague picks up.
func TestFiguresOfTransfersHoldAndPickUp(t *testing.T) {
	o := newOffice(t)
	bobIs := func(state string) {
		t.Helper()
		o.eventually("bob is "+state, func() bool {
			agents, err := o.Agents(context.Background(), "default")
			if err != nil {
				return false
			}
			for _, a := range agents {
				if a.Name == "bob" {
					return a.State == state
				}
			}
			return false
		})
	}
	if err := o.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	toBob := func() (a, b *robot.Call) {
		t.Helper()
		bobIs("ready")
		a = o.call(o.anna, "1001")
		b = o.answers(o.bob)
		o.isUp(a, o.anna)
		o.talk(a, o.anna, b, o.bob)
		return a, b
	}
	// Attended, to carol.
	a, b := toBob()
	b.HoldPeer(robot.HoldSendOnly)
	b2 := o.call(o.bob, "202")
	c := o.answers(o.carol)
	o.isUp(b2, o.bob)
	o.refers(b, "202", b2.Replaces(), 200)
	o.talk(a, o.anna, c, o.carol)
	hangUp(a)
	o.ended(a)
	// Blind, by API.
	a, b = toBob()
	o.command(a, "transfer", "202")
	c = o.answers(o.carol)
	o.over(b)
	o.talk(a, o.anna, c, o.carol)
	hangUp(c)
	o.ended(a)
	// Blind, to nobody: it comes back, and bob hangs up.
	a, b = toBob()
	b.Refer("sip:202@centrala.example", "")
	select {
	case c := <-o.carol.rings:
		c.Reject(486, "Busy Here")
	case <-time.After(patience):
		t.Fatal("carol's phone does not ring")
	}
	o.talk(a, o.anna, b, o.bob)
	hangUp(b)
	o.ended(a)
	// dan, who is no agent, picks up what rings at bob's.
	bobIs("ready")
	a = o.call(o.anna, "1001")
	select {
	case <-o.bob.rings:
	case <-time.After(patience):
		t.Fatal("bob's phone does not ring")
	}
	d := o.isUp(o.call(o.dan, "*8201"), o.dan)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, d, o.dan)
	hangUp(a)
	last, _ := o.ended(a)

	q, g := o.counted("default", report.Queue, "sales"), o.counted("default", report.Agent, "bob")
	for k, want := range map[string]int64{"entered": 4, "answered": 4, "handled": 4, "transferred": 2, "abandoned": 0, "left_other": 0, "offers": 4} {
		if q[k] != want {
			t.Errorf("queue: %s is %d, want %d", k, q[k], want)
		}
	}
	for k, want := range map[string]int64{"answered": 3, "handled": 3, "transferred": 2, "offers": 4, "ring_no_answer": 0} {
		if g[k] != want {
			t.Errorf("bob: %s is %d, want %d", k, g[k], want)
		}
	}
	if g["hold_ms"] == 0 || g["on_call_ms"] < g["talk_ms"]+g["hold_ms"]-500 || q["talk_ms"] < g["talk_ms"]+last.TalkMs-200 {
		t.Errorf("times: queue %v, bob %v, dan's call %d", q, g, last.TalkMs)
	}
	if carol := o.counted("default", report.Agent, "carol"); carol["answered"] != 0 || carol["handled"] != 0 {
		t.Errorf("carol took no call of a queue: %v", carol)
	}
	if other := o.counted("acme", report.Queue, "sales"); other != nil {
		t.Errorf("another tenant sees %v", other)
	}
	if _, err := o.Report(context.Background(), "nobody", api.ReportQuery{}); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a tenant that is not there: %v", err)
	}
	for _, bad := range []api.ReportQuery{{From: "x"}, {From: "2026-01-02", To: "2026-01-01"}, {Cursor: "?"}} {
		if _, err := o.Report(context.Background(), "default", bad); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if log, err := o.QueueLog(context.Background(), "default", api.ReportQuery{Limit: 3}); err != nil || len(log.Lines) < 3 || log.Next == "" {
		t.Errorf("%+v %v", log, err)
	} else if rest, err := o.QueueLog(context.Background(), "default", api.ReportQuery{Limit: 1000, Cursor: log.Next}); err != nil || rest.Next != "" || rest.Lines[0] == log.Lines[len(log.Lines)-1] {
		t.Errorf("%+v %v", rest, err)
	}
}
