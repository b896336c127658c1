package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/agent"
)

// TestAuditorFreesAgentsOfDeadCalls: a call that is gone without a word does not
// keep its agent for ever; the breach is counted.
func TestAuditorFreesAgentsOfDeadCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		d := start(t, Config{Registerer: reg, Alive: func(id string) bool { return id != "ghost" }})
		defer stop(t, d)
		ctx := context.Background()
		d.Post(config("ana"))
		if err := d.Ask(ctx, acd.LogIn{Agent: "ana", By: acd.ByPhone}); err != nil {
			t.Fatal(err)
		}
		d.Post(acd.Occupy{Agent: "ana", CallID: "ghost"})
		for range 10 {
			time.Sleep(300 * time.Millisecond)
			d.Post(acd.Tick{})
		}
		s, err := d.Snapshot(ctx)
		if err != nil || s.Agents[0].State != agent.Ready {
			t.Fatalf("%v %+v", err, s.Agents)
		}
		if n := testutil.ToFloat64(d.met.breaches.WithLabelValues("dead_call")); n != 1 {
			t.Errorf("%v breaches", n)
		}
	})
}

func TestExplainAndStranded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, Config{})
		defer stop(t, d)
		ctx := context.Background()
		d.Post(config("ana", "bob"))
		for _, ev := range []acd.Event{acd.LogIn{Agent: "ana", By: acd.ByPhone}, acd.SetNotReady{Agent: "ana", Reason: "lunch", By: acd.ByPhone}} {
			if err := d.Ask(ctx, ev); err != nil {
				t.Fatal(err)
			}
		}
		d.Attach("c1", (&ear{}).sink)
		d.Post(acd.Enter{CallID: "c1", Queue: "sales"})
		dec, ok, err := d.Explain(ctx, "c1")
		if err != nil || !ok || dec.Excluded["not_ready"] != 1 || dec.Excluded["offline"] != 1 {
			t.Errorf("%+v %v %v", dec, ok, err)
		}
		if _, ok, _ := d.Explain(ctx, "nobody"); ok {
			t.Error("explains a call that waits nowhere")
		}
		left, err := d.Stranded(ctx, config("bob"))
		if err != nil || len(left) != 1 || left[0].Callers != 1 {
			t.Errorf("%v %v", left, err)
		}
	})
}

// TestAgentOnAnotherDevice: whose calls a device's are follows the log-in.
func TestAgentOnAnotherDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, Config{})
		defer stop(t, d)
		ctx := context.Background()
		d.Post(config("ana"))
		if err := d.Ask(ctx, acd.LogIn{Agent: "ana", Device: "desk7", By: acd.ByAPI}); err != nil {
			t.Fatal(err)
		}
		if a, b := d.AgentOn("desk7", ""), d.AgentOn("ana", "ana"); a != "ana" || b != "" {
			t.Errorf("desk7 is %q's, ana's own %q's", a, b)
		}
		if err := d.Ask(ctx, acd.LogOut{Agent: "ana", By: acd.ByAPI}); err != nil {
			t.Fatal(err)
		}
		if a, b := d.AgentOn("desk7", ""), d.AgentOn("ana", "ana"); a != "" || b != "ana" {
			t.Errorf("desk7 is %q's, ana's own %q's", a, b)
		}
	})
}
