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
	res, err := n.apply("kind: skill\nname: greek\n---\nkind: queue\nname: sales\nspec: {need: greek, members: [{agent: bob}]}\n", api.ApplyOptions{Dry: true})
	if err != nil || !slices.ContainsFunc(res.Faults, func(f resource.Fault) bool {
		return f.Warning && strings.Contains(f.Message, "1 waiting now would lose their last agent")
	}) {
		t.Errorf("%v %+v", err, res.Faults)
	}
	caller.Hangup()
}
