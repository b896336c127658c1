package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

// value is a counter of the node with one label of this value.
func (n *node) value(metric, label string) float64 {
	n.t.Helper()
	fams, err := n.registry.Gather()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, f := range fams {
		for _, m := range f.GetMetric() {
			if f.GetName() == metric && (label == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	n.t.Fatalf("no metric %s %s", metric, label)
	return 0
}

func TestOutsideLimits(t *testing.T) {
	n := up(t)
	if _, err := n.apply(`
kind: tenant
name: default
spec: {language: en, region: RO, not_ready_reasons: {"2": lunch}, rates: [{prefix: "*", per_minute: 60000}]}
---
kind: user
name: bob
spec: {roles: [agent], device: bob, outside: ["0"], outside_calls: {max_calls: 1, deny: ["0236"], spend_per_day: 500}}
`, api.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	p := n.phone("127.0.0.1", nil)
	for to, why := range map[string]string{"0236123456": "destination", "0906123456": "premium"} {
		before := n.value("centrala_calls_outside_refused_total", why)
		if _, code := n.dial(p, bob, to); code != 403 {
			t.Errorf("%s: %d", to, code)
		}
		if n.value("centrala_calls_outside_refused_total", why) != before+1 {
			t.Errorf("%s: not counted as %s", to, why)
		}
	}
	c, err := p.Invite(robot.Options{To: "0213456789", From: bob})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(c) })
	out := n.ring(n.rings)
	if err := c.WaitState(within(t), robot.Up); err != nil {
		t.Fatal(err)
	}
	// A second at the same time.
	if _, code := n.dial(p, bob, "0213456789"); code != 403 {
		t.Errorf("second call: %d", code)
	}
	time.Sleep(600 * time.Millisecond) // costs 1000: a second begun
	out.Hangup()
	n.record("default", c)
	if _, code := n.dial(p, bob, "0213456789"); code != 403 {
		t.Errorf("after the money is spent: %d", code)
	}
	// What was spent is known after a restart, and an emergency call passes.
	n.restart()
	p = n.phone("127.0.0.1", nil)
	if _, code := n.dial(p, bob, "0213456789"); code != 403 {
		t.Errorf("after a restart: %d", code)
	}
	if n.value("centrala_calls_outside_refused_total", "spend") != 1 {
		t.Error("refused for another reason than money")
	}
	c, err = p.Invite(robot.Options{To: "112", From: bob})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(c) })
	if out := n.ring(n.rings); out.Dialled() != "112" {
		t.Errorf("the carrier was asked for %q", out.Dialled())
	}
}

// A call is ended when the money of the day is used up; one for help is not.
func TestOutsideMoneyRunsOut(t *testing.T) {
	t.Parallel()
	n := up(t)
	if _, err := n.apply(`
kind: tenant
name: default
spec: {language: en, region: RO, rates: [{prefix: "112", per_minute: 60}, {prefix: "*", per_minute: 60000}]}
---
kind: user
name: bob
spec: {roles: [agent], device: bob, outside: ["0"], outside_calls: {spend_per_day: 2500}}
`, api.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	p := n.phone("127.0.0.1", nil)
	talk := func(to string) *robot.Call {
		t.Helper()
		c, err := p.Invite(robot.Options{To: to, From: bob})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { hangUp(c) })
		n.ring(n.rings)
		if err := c.WaitState(within(t), robot.Up); err != nil {
			t.Fatal(err)
		}
		return c
	}
	help, c := talk("112"), talk("0213456789")
	if err := c.WaitState(within(t), robot.Ended); err != nil {
		t.Fatal(err)
	}
	r := n.record("default", c)
	// The third second costs the rest; a fourth is not begun, but it may be looked
	// at as late as a second after. By the server's clock: this test's may be late.
	if r.TalkMs < 2000 || r.TalkMs > 4500 {
		t.Errorf("ended after %d ms", r.TalkMs)
	}
	if r.Result != event.ResultOurs || r.Reason != event.ReasonLimit {
		t.Errorf("%s, %s", r.Result, r.Reason)
	}
	if v := n.value("centrala_calls_outside_cut_total", "spend"); v != 1 {
		t.Errorf("%v counted", v)
	}
	time.Sleep(1500 * time.Millisecond)
	if help.State() != robot.Up {
		t.Error("the emergency call was ended as well")
	}
}

func TestBansByCommand(t *testing.T) {
	n := up(t)
	ctx := context.Background()
	b, err := n.AddBan(ctx, "198.51.100.7", time.Hour)
	if err != nil || b.Source != "198.51.100.7/32" || b.Reason != "manual" {
		t.Fatalf("%+v, %v", b, err)
	}
	if _, err := n.AddBan(ctx, "2001:db8::7", 0); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "x", "198.51.100.0/24", "2001:db8::/32"} {
		if _, err := n.AddBan(ctx, bad, time.Hour); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if n.value("centrala_sip_bans", "") != 2 {
		t.Error("the metric does not tell")
	}
	n.restart()
	list, err := n.Bans(ctx)
	if err != nil || len(list) != 2 {
		t.Fatalf("after a restart: %+v, %v", list, err)
	}
	if err := n.LiftBan(ctx, "198.51.100.7"); err != nil {
		t.Error(err)
	}
	if err := n.LiftBan(ctx, "2001:db8:0:0::/64"); err != nil { // as the list shows it
		t.Error(err)
	}
	if err := n.LiftBan(ctx, "198.51.100.7"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("lifted twice: %v", err)
	}
}
