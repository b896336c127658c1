package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
)

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	n := up(t)
	ctx := context.Background()
	p := n.phone("127.0.0.1", nil)
	ours, code := n.dial(p, anna, "1000")
	if code != 200 {
		t.Fatal(code)
	}
	theirs, code := n.dial(p, acme, "1000")
	if code != 200 {
		t.Fatal(code)
	}
	// While both calls run, and after.
	for _, after := range []bool{false, true} {
		if after {
			hangUp(ours)
			hangUp(theirs)
			n.record("default", ours)
			n.record("acme", theirs)
		}
		for tenant, c := range map[string]*robot.Call{"default": ours, "acme": theirs} {
			n.eventually(tenant+" lists its call alone", func() bool {
				page, err := n.Calls(ctx, tenant, api.CallFilter{})
				return err == nil && len(page.Calls) == 1 && page.Calls[0].SIPCallID == c.SIPCallID()
			})
			page, _ := n.Calls(ctx, tenant, api.CallFilter{})
			id, other := page.Calls[0].ID, map[string]string{"default": "acme", "acme": "default"}[tenant]
			if _, err := n.Call(ctx, tenant, id); err != nil {
				t.Errorf("%s asks for its own call: %v", tenant, err)
			}
			if _, err := n.Call(ctx, other, id); !errors.Is(err, api.ErrNotFound) {
				t.Errorf("%s asks for a call of %s: %v", other, tenant, err)
			}
			if err := n.HangUp(ctx, other, id); !errors.Is(err, api.ErrNotFound) {
				t.Errorf("%s hangs up a call of %s: %v", other, tenant, err)
			}
		}
	}
	if err := n.SetAgentState(ctx, "acme", "bob", "ready", ""); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("acme moves an agent of default: %v", err)
	}
	devices, err := n.Devices(ctx, "acme")
	if err != nil || len(devices) != 1 || devices[0].Username != "acme-anna" {
		t.Errorf("devices of acme: %+v %v", devices, err)
	}
	for what, ask := range map[string]func() error{
		"agents":  func() error { _, err := n.Agents(ctx, "nobody"); return err },
		"queues":  func() error { _, err := n.Queues(ctx, "nobody"); return err },
		"devices": func() error { _, err := n.Devices(ctx, "nobody"); return err },
	} {
		if err := ask(); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("%s of an unknown company: %v", what, err)
		}
	}
}

func TestHangUpByAPI(t *testing.T) {
	n := up(t)
	c, code := n.dial(n.phone("127.0.0.1", nil), anna, "1000")
	if code != 200 {
		t.Fatal(code)
	}
	var id string
	n.eventually("the call is listed", func() bool {
		page, err := n.Calls(context.Background(), "default", api.CallFilter{Live: true})
		if err != nil || len(page.Calls) != 1 {
			return false
		}
		id = page.Calls[0].ID
		return true
	})
	if err := n.HangUp(context.Background(), "default", id); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitState(within(t), robot.Ended); err != nil {
		t.Fatal(err)
	}
	n.record("default", c)
	n.eventually("a call that has ended is not found", func() bool {
		return errors.Is(n.HangUp(context.Background(), "default", id), api.ErrNotFound)
	})
}

// Pages by cursor give every call once, running and past, whatever the limit.
func TestPagesOfCalls(t *testing.T) {
	n := up(t)
	p := n.phone("127.0.0.1", nil)
	var want []string
	for i := range 7 {
		c, code := n.dial(p, anna, "1000")
		if code != 200 {
			t.Fatal(code)
		}
		want = append(want, c.SIPCallID())
		if i < 4 {
			hangUp(c)
			n.record("default", c)
		}
	}
	n.eventually("three run", func() bool {
		page, err := n.Calls(context.Background(), "default", api.CallFilter{Live: true, Limit: 500})
		return err == nil && len(page.Calls) == 3 && page.Next == ""
	})
	slices.Reverse(want) // newest first: the running ones are the newest here
	for limit := 1; limit <= 8; limit++ {
		var got []string
		cursor, pages := "", 0
		for {
			page, err := n.Calls(context.Background(), "default", api.CallFilter{Limit: limit, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Calls) > limit {
				t.Fatalf("limit %d: a page of %d", limit, len(page.Calls))
			}
			for _, c := range page.Calls {
				got = append(got, c.SIPCallID)
			}
			if pages++; page.Next == "" || pages > 10 {
				break
			}
			cursor = page.Next
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d in %d pages: %v, want %v", limit, pages, got, want)
		}
	}
	for _, limit := range []int{1, 2} {
		page, err := n.Calls(context.Background(), "default", api.CallFilter{Live: true, Limit: limit})
		if err != nil || len(page.Calls) != limit || page.Next == "" {
			t.Errorf("live, limit %d: %d calls, next %q, %v", limit, len(page.Calls), page.Next, err)
		}
	}
	if _, err := n.Calls(context.Background(), "default", api.CallFilter{Cursor: "nonsense"}); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("a cursor that is none: %v", err)
	}
	for f, want := range map[api.CallFilter]int{{Caller: "101"}: 7, {Dialled: "1000"}: 7, {Caller: "102"}: 0, {Queue: "sales"}: 0} {
		if page, err := n.Calls(context.Background(), "default", f); err != nil || len(page.Calls) != want {
			t.Errorf("%+v: %d calls, %v; want %d", f, len(page.Calls), err, want)
		}
	}
}

func TestAgentStates(t *testing.T) {
	n := up(t)
	ctx := context.Background()
	state := func() string {
		agents, err := n.Agents(ctx, "default")
		if err != nil || len(agents) != 1 {
			t.Fatalf("%+v %v", agents, err)
		}
		if agents[0].Reason != "" {
			return agents[0].State + " " + agents[0].Reason
		}
		return agents[0].State
	}
	for _, row := range []struct {
		state, reason string
		want          error
		then          string
	}{
		{"not_ready", "lunch", api.ErrConflict, "offline"}, // who is not logged in is not at lunch
		{"ready", "", nil, "ready"},                        // logs in
		{"wrap_up_done", "", nil, "ready"},
		{"not_ready", "lunch", nil, "not_ready lunch"},
		{"ready", "", nil, "ready"},
		{"asleep", "", api.ErrInvalid, "ready"},
		{"offline", "", nil, "offline"},
		{"wrap_up_done", "", api.ErrConflict, "offline"},
	} {
		if err := n.SetAgentState(ctx, "default", "bob", row.state, row.reason); !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
			t.Errorf("%s: %v, want %v", row.state, err, row.want)
		}
		if got := state(); got != row.then {
			t.Errorf("after %s %s: %q, want %q", row.state, row.reason, got, row.then)
		}
	}
	if err := n.SetAgentState(ctx, "default", "ghost", "ready", ""); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("an agent that is none: %v", err)
	}
}

// An agent whose phone is gone is not offered calls, and is again when the
// phone comes back.
func TestPhoneGoneAgentUnreachable(t *testing.T) {
	n := up(t)
	reachable := func() bool {
		agents, err := n.Agents(context.Background(), "default")
		return err == nil && agents[0].Reachable
	}
	phone := n.phone("127.0.0.1", nil)
	for _, expires := range []int{600, 0, 600} {
		if err := phone.RegisterWait(within(t), bob, expires); err != nil {
			t.Fatal(err)
		}
		n.eventually(fmt.Sprintf("reachable after expires %d", expires), func() bool { return reachable() == (expires > 0) })
	}
}

// One call by one grep: every line of the log about a call has its id, and the
// last one sums up.
func TestOneCallByOneGrep(t *testing.T) {
	n := up(t)
	rings := make(chan *robot.Call, 1)
	phone := n.phone("127.0.0.1", rings)
	n.register(phone, bob)
	if err := n.SetAgentState(context.Background(), "default", "bob", "ready", ""); err != nil {
		t.Fatal(err)
	}
	c, code := n.dial(n.phone("127.0.0.1", nil), anna, "1001")
	if code != 200 {
		t.Fatal(code)
	}
	n.ring(rings)
	hangUp(c)
	id := n.record("default", c).ID
	n.eventually("the last line", func() bool { return n.logs.FilterMessage("call ended").Len() == 1 })
	var said []string
	for _, e := range n.logs.All() {
		fields := e.ContextMap()
		if fields["call_id"] == id {
			said = append(said, e.Message)
		} else if e.LoggerName == "call" {
			t.Errorf("a line about a call without its id: %s %v", e.Message, fields)
		}
	}
	for _, want := range []string{"call started", "call segment", "agent offered", "call ended"} {
		if !slices.Contains(said, want) {
			t.Errorf("no %q under the call's id in %v", want, said)
		}
	}
	if last := said[len(said)-1]; last != "call ended" {
		t.Errorf("last line %q", last)
	}
	end := n.logs.FilterMessage("call ended").All()[0].ContextMap()
	for _, key := range []string{"result", "reason", "setup_ms", "wait_ms", "talk_ms", "total_ms", "queue", "agent"} {
		if _, ok := end[key]; !ok {
			t.Errorf("the summary lacks %s: %v", key, end)
		}
	}
}

// metricNames of a started node that has seen a call; process's own not among them.
func metricNames(t *testing.T, n *node) map[string]string {
	families, err := n.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "centrala_") {
			names[f.GetName()] = strings.ToLower(f.GetType().String())
		}
	}
	return names
}

// docs/operations.md has every metric, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	n := up(t)
	got := metricNames(t, n)
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(centrala_[a-z0-9_]+)` \\| (\\w+) \\|").FindAllStringSubmatch(string(text), -1) {
		if want[m[1]] != "" {
			t.Errorf("%s is in the table twice", m[1])
		}
		want[m[1]] = m[2]
	}
	for name, kind := range got {
		switch {
		case want[name] == "":
			t.Errorf("docs/operations.md lacks %s (%s)", name, kind)
		case want[name] != kind:
			t.Errorf("docs/operations.md calls %s a %s; it is a %s", name, want[name], kind)
		}
	}
	// These come with what they measure, which this node does not have.
	elsewhere := map[string]bool{"centrala_trunk_registered": true, "centrala_trunk_options_rtt_seconds": true,
		"centrala_sip_tls_certificate_expiry_timestamp_seconds": true}
	for name := range want {
		if got[name] == "" && !elsewhere[name] {
			t.Errorf("docs/operations.md has %s, a started node does not", name)
		}
	}
}

// Labels come from closed lists or the configuration: what strangers send makes
// no series.
func TestStrangersMakeNoSeries(t *testing.T) {
	n := up(t)
	count := func() int {
		families, err := n.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, f := range families {
			if strings.HasPrefix(f.GetName(), "centrala_") {
				total += len(f.GetMetric())
			}
		}
		return total
	}
	before := count()
	p := n.phone("127.0.0.1", nil)
	for i := range 20 {
		stranger := robot.Account{User: fmt.Sprintf("stranger%d", i), Password: "guess"}
		n.dial(p, stranger, fmt.Sprintf("00%d", i))
		n.dial(p, anna, fmt.Sprintf("77%d", i))
	}
	if after := count(); after != before {
		t.Errorf("%d series before, %d after", before, after)
	}
}
