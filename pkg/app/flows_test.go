package app_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

// flowBusy is a version of the flow hear: whoever presses 1 is told busy.
const flowBusy = `
start: ask
tests:
  - {name: one, press: ["1"], expect: {hangup: busy}}
steps:
  ask:
    menu: {prompts: [main_menu], keys: {"1": end}, timeout: 1m}
    next: end
  end: {hangup: busy}
`

// A draft is seen by no call until it is published, which its tests may refuse; a call
// in progress finishes on the version it began with; an old version comes back.
func TestFlowDraftsAndVersions(t *testing.T) {
	n := newOffice(t)
	ctx := t.Context()

	res, err := n.SaveFlowDraft(ctx, "default", "hear", flowBusy, "ana")
	if err != nil || len(res.Changes) == 0 {
		t.Fatal(res, err)
	}
	flows, err := n.Flows(ctx, "default")
	if err != nil || len(flows) != 1 || flows[0].Version != 1 || !flows[0].Draft || flows[0].DraftBy != "ana" || flows[0].DraftBase != 1 {
		t.Fatalf("got %+v %v", flows, err)
	}
	c := n.isUp(n.call(n.anna, "1000"), n.anna) // the echo of version 1, for it is live
	if res, err = n.PublishFlow(ctx, "default", "hear", api.PublishOptions{By: "ana", Dry: true}); err != nil || res.Applied {
		t.Fatal(res, err)
	}
	if res, err = n.PublishFlow(ctx, "default", "hear", api.PublishOptions{By: "ana"}); err != nil || !res.Applied {
		t.Fatal(res, err)
	}
	// The call goes on with version 1: # ends the echo, and the flow with "normal".
	c.Leg().SendDigits("#")
	if err := c.WaitState(within(t), robot.Ended); err != nil {
		t.Fatal(err)
	}
	detail, err := n.Call(ctx, "default", n.record("default", c).ID)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[int]bool{}
	for _, r := range detail.Events {
		if e, err := event.Decode(r); err != nil {
			t.Fatal(err)
		} else if s, ok := e.Body.(event.FlowStep); ok {
			versions[s.Version] = true
		}
	}
	if len(versions) != 1 || !versions[1] {
		t.Errorf("the call went through versions %v", versions)
	}
	if doc, err := n.Flow(ctx, "default", "hear", 0, false); err != nil || doc.Version != 2 || doc.By != "ana" || !strings.Contains(doc.Spec, "busy") {
		t.Errorf("got %+v %v", doc, err)
	}
	if _, err := n.Flow(ctx, "default", "hear", 0, true); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("the published draft is still there: %v", err)
	}
	results, err := n.TestFlow(ctx, "default", "hear", false)
	if err != nil || len(results) != 1 || !results[0].Passed() {
		t.Errorf("got %+v %v", results, err)
	}

	// A test that fails refuses the draft, which stays.
	if res, err = n.SaveFlowDraft(ctx, "default", "hear", strings.Replace(flowBusy, "hangup: busy}}", "hangup: normal}}", 1), "ion"); err != nil || len(res.Faults) == 0 {
		t.Fatal(res, err)
	}
	if res, err = n.PublishFlow(ctx, "default", "hear", api.PublishOptions{}); !errors.Is(err, api.ErrInvalid) || res.Applied {
		t.Errorf("published with a test that fails: %+v %v", res, err)
	}
	// Version 1 again, as version 3; the draft of version 2 is behind now.
	if res, err = n.PublishFlow(ctx, "default", "hear", api.PublishOptions{Version: 1, By: "ion"}); err != nil || !res.Applied {
		t.Fatal(res, err)
	}
	if _, err = n.SaveFlowDraft(ctx, "default", "hear", flowBusy, "ion"); err != nil {
		t.Fatal(err)
	}
	if _, err = n.PublishFlow(ctx, "default", "hear", api.PublishOptions{}); !errors.Is(err, api.ErrConflict) {
		t.Errorf("a draft of version 2 over version 3: %v", err)
	}
	list, err := n.FlowVersions(ctx, "default", "hear")
	if err != nil || len(list) != 3 || list[0].Version != 3 || !list[0].Live || list[0].By != "ion" {
		t.Errorf("got %+v %v", list, err)
	}
	if _, err := n.FlowVersions(ctx, "acme", "hear"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("another tenant sees it: %v", err)
	}
	figures, err := n.FlowFigures(ctx, "default", "hear", "", "")
	if err != nil || figures.Calls != 1 || len(figures.Steps) != 2 || figures.Steps[0].Step != "echo" || figures.Steps[0].Next["end"] != 1 {
		t.Errorf("got %+v %v", figures, err)
	}
}
