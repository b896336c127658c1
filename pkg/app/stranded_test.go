package app_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/resource"
)

// TestApplyWarnsOfStrandedCallers: a dry run tells who waits now and would be
// left without anybody.
func TestApplyWarnsOfStrandedCallers(t *testing.T) {
	n := up(t)
	phone := n.phone("127.0.0.1", nil)
	n.register(phone, bob)
	ctx := context.Background()
	for _, state := range []string{"ready", "not_ready"} {
		if err := n.SetAgentState(ctx, "default", "bob", state, ""); err != nil {
			t.Fatal(err)
		}
	}
	caller, code := n.dial(n.phone("127.0.0.1", nil), anna, "1001")
	if code != 200 {
		t.Fatal(code)
	}
	n.eventually("the caller waits", func() bool {
		queues, err := n.Queues(ctx, "default")
		return err == nil && slices.ContainsFunc(queues, func(q api.Queue) bool { return q.Name == "sales" && q.Waiting == 1 })
	})
	greek := "kind: skill\nname: greek\n---\nkind: queue\nname: sales\nspec: {need: greek, leave_when_empty: false, members: [{agent: bob}]}\n"
	without := "kind: queue\nname: sales\nspec: {leave_when_empty: false, members: []}\n"
	relaxed := "kind: skill\nname: greek\n---\nkind: queue\nname: sales\nspec: {need: \"greek; after 1h any\", leave_when_empty: false, members: [{agent: bob}]}\n"
	told := func(docs string, o api.ApplyOptions) bool {
		t.Helper()
		res, err := n.apply(docs, o)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(res.Faults, func(f resource.Fault) bool {
			return f.Warning && f.Path == `queue "sales"` && strings.Contains(f.Message, "1 waiting now would lose their last agent")
		})
	}
	for name, c := range map[string]struct {
		docs string
		want bool
	}{"a skill that nobody has": {greek, true}, "no member any more": {without, true}, "a need that relaxes": {relaxed, false}} {
		if got := told(c.docs, api.ApplyOptions{Dry: true}); got != c.want {
			t.Errorf("%s: told %v, want %v", name, got, c.want)
		}
	}
	// The queue goes, and with it who waits in it.
	keep := strings.NewReplacer("CARRIER", n.carrier.Addr().String(), "OTHER", "127.0.0.3").Replace(houseDocs)
	keep = strings.Replace(keep, "kind: queue\nname: sales\n", "kind: queue\nname: other\n", 1)
	keep = strings.Replace(keep, `{digits: "1001", queue: sales}`, `{digits: "1001", queue: other}`, 1)
	res, err := n.apply(keep, api.ApplyOptions{Dry: true, Prune: true})
	if err != nil || !slices.ContainsFunc(res.Faults, func(f resource.Fault) bool {
		return f.Warning && strings.Contains(f.Message, "1 waiting now would be sent away: the queue goes")
	}) {
		t.Errorf("%v %+v", err, res.Faults)
	}
	// It is a warning: who applies all the same is told, too, and the caller keeps the place.
	if !told(greek, api.ApplyOptions{By: "test"}) {
		t.Error("the apply itself does not tell")
	}
	if q, err := n.Queues(ctx, "default"); err != nil || q[0].Waiting != 1 {
		t.Errorf("%+v %v", q, err)
	}
	caller.Hangup()
}
