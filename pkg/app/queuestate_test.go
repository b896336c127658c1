package app

import (
	"context"
	"testing"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/dispatch"
	"github.com/centrala/centrala/pkg/event"
)

type noJournal struct{}

func (noJournal) Append(event.Event) {}

func (noJournal) Sync() error { return nil }

// TestFlowsSeeQueues: what a flow is given tells how the tenant's queues stand, as
// of the last thing that happened.
func TestFlowsSeeQueues(t *testing.T) {
	ctx := context.Background()
	d := dispatch.New(dispatch.Config{Tenant: "default", Journal: noJournal{}})
	if err := d.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer d.Stop(ctx)
	in := (&house{acd: d}).FlowInput(ivr.Input{})
	if _, ok := in.Queue("sales"); ok {
		t.Error("a queue before there is any")
	}
	d.Post(acd.Configure{Queues: []acd.Queue{{Name: "sales", Members: []acd.Member{{Agent: "*"}}}}, Agents: []acd.Agent{{Name: "ana", Device: "d1"}, {Name: "bob", Device: "d2"}}})
	for _, ev := range []acd.Event{acd.LogIn{Agent: "ana", By: acd.ByPhone}, acd.LogIn{Agent: "bob", By: acd.ByPhone},
		acd.SetNotReady{Agent: "bob", Reason: "lunch", By: acd.ByPhone}, acd.Occupy{Agent: "ana", CallID: "x"}} {
		if err := d.Ask(ctx, ev); err != nil {
			t.Fatal(err)
		}
	}
	d.Attach("c1", func(acd.Effect) {})
	if err := d.Ask(ctx, acd.Enter{CallID: "c1", Queue: "sales"}); err != nil {
		t.Fatal(err)
	}
	s, ok := in.Queue("sales")
	if !ok || s.Waiting != 1 || s.ReadyAgents != 0 || s.LoggedIn != 2 || s.Estimate >= 0 || s.ServiceLevel >= 0 || s.LongestWait < 0 {
		t.Errorf("%+v %v", s, ok)
	}
	if err := d.Ask(ctx, acd.Release{Agent: "ana", CallID: "x"}); err != nil {
		t.Fatal(err)
	}
	if s, _ := in.Queue("sales"); s.ReadyAgents != 0 || s.Waiting != 1 {
		t.Errorf("ana rings for the caller: %+v", s)
	}
	if _, ok := in.Queue("support"); ok {
		t.Error("a queue that is not there")
	}
	if in := (&house{}).FlowInput(ivr.Input{}); in.Queue != nil {
		t.Error("a house without queues tells of them")
	}
}
