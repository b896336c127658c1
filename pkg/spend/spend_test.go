package spend

import (
	"errors"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func rules() Rules {
	return Rules{
		Price: func(_, _ string, d time.Duration) int64 { return int64(d / time.Second) },
		Day:   func(_ string, now time.Time) time.Time { return now.Truncate(24 * time.Hour) },
		User: func(_, device string) string {
			if device == "desk" {
				return "ana"
			}
			return ""
		},
	}
}

func say(l *Ledger, at time.Time, call string, b event.Body) {
	l.Note(event.Event{At: at, Tenant: "default", CallID: call, Body: b})
}

func check(t *testing.T, l *Ledger, at time.Time, who string, want route.Use) {
	t.Helper()
	if got := l.Use(at, "default", who); got != want {
		t.Errorf("%s used %+v, want %+v", who, got, want)
	}
}

func TestLedger(t *testing.T) {
	l := New(rules())
	say(l, t0, "c1", event.CallStarted{Device: "desk"})
	say(l, t0, "c1", event.LegStarted{Leg: 1, Device: "other"}) // not outside
	say(l, t0, "c1", event.LegStarted{Leg: 2, Trunk: "north", Number: "1"})
	for _, who := range []string{"tenant", "user/ana", "device/desk"} {
		check(t, l, t0, who, route.Use{Calls: 1})
	}
	check(t, l, t0, "device/other", route.Use{})
	say(l, t0.Add(10*time.Second), "c1", event.LegAnswered{Leg: 2})
	check(t, l, t0.Add(40*time.Second), "user/ana", route.Use{Calls: 1, Talked: 30 * time.Second, Spent: 30})
	say(l, t0.Add(70*time.Second), "c1", event.LegEnded{Leg: 2})
	say(l, t0.Add(70*time.Second), "c1", event.LegEnded{Leg: 2})
	say(l, t0.Add(80*time.Second), "c1", event.CallEnded{})
	check(t, l, t0.Add(time.Hour), "user/ana", route.Use{Talked: time.Minute, Spent: 60})
	// A second one that never answers, and ends with its call.
	say(l, t0, "c2", event.CallStarted{Device: "desk"})
	say(l, t0, "c2", event.LegStarted{Leg: 1, Trunk: "north", Number: "1"})
	say(l, t0.Add(time.Minute), "c2", event.CallEnded{})
	check(t, l, t0.Add(time.Hour), "tenant", route.Use{Talked: time.Minute, Spent: 60})
	check(t, l, t0.Add(13*time.Hour), "tenant", route.Use{}) // tomorrow
	if len(l.calls) != 0 {
		t.Errorf("%d calls kept", len(l.calls))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, a := range l.who {
		if len(a.legs) != 0 || len(a.pending) != 0 {
			t.Errorf("%v keeps %d legs", k, len(a.legs))
		}
	}
}

// A call over midnight counts for today from midnight on.
func TestMidnight(t *testing.T) {
	l := New(rules())
	night := time.Date(2026, 11, 23, 23, 59, 0, 0, time.UTC)
	say(l, night, "c1", event.CallStarted{Device: "desk"})
	say(l, night, "c1", event.LegStarted{Leg: 1, Trunk: "north"})
	say(l, night, "c1", event.LegAnswered{Leg: 1})
	check(t, l, night.Add(30*time.Second), "tenant", route.Use{Calls: 1, Talked: 30 * time.Second, Spent: 30})
	check(t, l, night.Add(3*time.Minute), "tenant", route.Use{Calls: 1, Talked: 2 * time.Minute, Spent: 120})
	say(l, night.Add(4*time.Minute), "c1", event.CallEnded{})
	check(t, l, night.Add(4*time.Minute), "tenant", route.Use{Talked: 3 * time.Minute, Spent: 180})
}

// Two calls at one moment cannot have the same last place.
func TestPermitCounts(t *testing.T) {
	l := New(rules())
	full := errors.New("full")
	may := func(use func(string) route.Use) error {
		if use("user/ana").Calls >= 1 {
			return full
		}
		return nil
	}
	if err := l.Permit(t0, "default", "desk", may); err != nil {
		t.Fatal(err)
	}
	if err := l.Permit(t0, "default", "desk", may); err != full {
		t.Errorf("two calls have the last place: %v", err)
	}
	say(l, t0, "c1", event.CallStarted{Device: "desk"})
	say(l, t0.Add(time.Second), "c1", event.LegStarted{Leg: 1, Trunk: "north"})
	check(t, l, t0.Add(time.Second), "user/ana", route.Use{Calls: 1}) // not twice
	say(l, t0.Add(2*time.Second), "c1", event.CallEnded{})
	if err := l.Permit(t0.Add(2*time.Second), "default", "desk", may); err != nil {
		t.Error("the place is free again")
	}
	if err := l.Permit(t0.Add(6*time.Second), "default", "desk", may); err != nil {
		t.Error("a permission that nobody used still counts")
	}
}

// After a restart the records of today give the same figures.
func TestLoad(t *testing.T) {
	l := New(rules())
	l.Load(t0, cdr.Call{Tenant: "default", Device: "desk", Started: t0.Add(-time.Hour), Legs: []cdr.Leg{
		{Leg: 0, Trunk: "", Answered: true, AnswerMs: 1, EndedMs: 99000},
		{Leg: 1, Trunk: "north", Number: "1", AtMs: 1000, AnswerMs: 5000, EndedMs: 65000, Answered: true},
		{Leg: 2, Trunk: "north", Number: "1", AtMs: 1000, EndedMs: 65000},
	}})
	check(t, l, t0, "user/ana", route.Use{Talked: time.Minute, Spent: 60})
	l.Load(t0, cdr.Call{Tenant: "default", Device: "desk", Started: t0.Add(-24 * time.Hour), Legs: []cdr.Leg{
		{Leg: 1, Trunk: "north", AnswerMs: 0, EndedMs: int64(13 * time.Hour / time.Millisecond), Answered: true}}}) // an hour of it today
	check(t, l, t0, "tenant", route.Use{Talked: time.Hour + time.Minute, Spent: 3660})
}

// A call from outside that a phone transfers outside is that phone's, and a line
// that called in is nobody's cost in the call to which it is transferred.
func TestWhoTransfersPays(t *testing.T) {
	l := New(rules())
	say(l, t0, "c1", event.CallStarted{Trunk: "north"})
	say(l, t0, "c1", event.TransferAsked{Transfer: "blind", Device: "other", Code: 403})
	say(l, t0, "c1", event.TransferAsked{Transfer: "blind", Device: "desk", Code: 202})
	say(l, t0, "c1", event.LegStarted{Leg: 2, Trunk: "north", Number: "1"})
	say(l, t0, "c1", event.LegStarted{Leg: 3, Trunk: "north", Number: "2", Inbound: true})
	say(l, t0, "c1", event.LegAnswered{Leg: 2})
	say(l, t0, "c1", event.LegAnswered{Leg: 3})
	say(l, t0, "c1", event.TransferAsked{Transfer: "blind", Device: "other", Code: 202}) // for what comes next
	check(t, l, t0.Add(30*time.Second), "user/ana", route.Use{Calls: 1, Talked: 30 * time.Second, Spent: 30})
	say(l, t0.Add(time.Minute), "c1", event.CallEnded{})
	check(t, l, t0.Add(time.Hour), "device/desk", route.Use{Talked: time.Minute, Spent: 60})
	check(t, l, t0.Add(time.Hour), "device/other", route.Use{})
	check(t, l, t0.Add(time.Hour), "tenant", route.Use{Talked: time.Minute, Spent: 60})
}

// Call forwarding of a phone (302) to the outside is that phone's, unless it was
// not followed.
func TestWhoForwardsPays(t *testing.T) {
	l := New(rules())
	for _, c := range []struct {
		call    string
		refused int
		want    int
	}{{"c1", 0, 1}, {"c2", 403, 0}} {
		before := l.Use(t0, "default", "device/desk")
		say(l, t0, c.call, event.CallStarted{Trunk: "north"})
		say(l, t0, c.call, event.LegRedirected{Leg: 1, Device: "desk", To: "1", Refused: c.refused})
		say(l, t0, c.call, event.LegStarted{Leg: 2, Trunk: "north", Number: "1"})
		after := l.Use(t0, "default", "device/desk")
		if got := after.Calls - before.Calls; got != c.want {
			t.Errorf("%s: %d calls of the phone that forwards", c.call, got)
		}
	}
}

// A call for help counts as a call and costs nothing, whoever made it, while it runs,
// when it has ended and after a restart.
func TestHelpCostsNothing(t *testing.T) {
	r := rules()
	r.Help = func(tenant, number string) bool { return tenant == "default" && number == "112" }
	l := New(r)
	for call, started := range map[string]event.CallStarted{"known": {Device: "desk", Emergency: true}, "by its number": {Device: "desk"}} {
		number := map[string]string{"known": "+40112", "by its number": "112"}[call]
		say(l, t0, call, started)
		say(l, t0, call, event.LegStarted{Leg: 1, Trunk: "north", Number: number})
		say(l, t0, call, event.LegAnswered{Leg: 1})
		check(t, l, t0.Add(time.Minute), "device/desk", route.Use{Calls: 1})
		say(l, t0.Add(time.Minute), call, event.LegEnded{Leg: 1})
		say(l, t0.Add(time.Minute), call, event.CallEnded{})
		check(t, l, t0.Add(time.Minute), "tenant", route.Use{})
	}
	l.Load(t0, cdr.Call{Tenant: "default", Device: "desk", Started: t0.Add(-time.Hour), Legs: []cdr.Leg{
		{Leg: 1, Trunk: "north", Number: "112", AnswerMs: 1, EndedMs: 60000, Answered: true}}})
	check(t, l, t0, "tenant", route.Use{})
}

func TestUsedUp(t *testing.T) {
	l := New(rules())
	say(l, t0, "c1", event.CallStarted{Device: "desk"})
	say(l, t0, "c1", event.LegStarted{Leg: 1, Trunk: "north", Number: "1"})
	say(l, t0, "help", event.CallStarted{Device: "desk", Emergency: true})
	say(l, t0, "help", event.LegStarted{Leg: 1, Trunk: "north", Number: "112"})
	say(l, t0, "help", event.LegAnswered{Leg: 1})
	asked, ahead := 0, time.Duration(0)
	ask := func(at time.Duration, limit int64) []Running {
		return l.UsedUp(t0.Add(at-ahead), ahead, time.Second, func(tenant, device string, use, soon func(string) route.Use) error {
			asked++
			if tenant != "default" || device != "desk" {
				t.Errorf("asked about %s of %s", device, tenant)
			}
			now, then := use("device/desk"), soon("device/desk")
			if then.Spent < now.Spent {
				t.Errorf("%+v becomes %+v", now, then)
			}
			if now.Spent >= limit && then.Spent > now.Spent {
				return &route.Refusal{Why: route.WhySpend, Who: "device/desk"}
			}
			return nil
		})
	}
	if got := ask(time.Second, 0); got != nil || asked != 0 {
		t.Errorf("of a call that rings, and one for help: %v", got)
	}
	say(l, t0, "c1", event.LegAnswered{Leg: 1})
	before := l.Use(t0.Add(5*time.Second), "default", "device/desk")
	if got := ask(5*time.Second, before.Spent+1); got != nil {
		t.Errorf("below the limit: %v", got)
	}
	if got := ask(5*time.Second, before.Spent); len(got) != 1 || got[0].CallID != "c1" || got[0].Leg != 1 || got[0].Number != "1" || got[0].Why == nil {
		t.Errorf("%+v", got)
	}
	if after := l.Use(t0.Add(5*time.Second), "default", "device/desk"); after != before {
		t.Errorf("asking changed %+v to %+v", before, after)
	}
	ahead = 3 * time.Second // the same, seen before
	if got := ask(5*time.Second, before.Spent); len(got) != 1 {
		t.Errorf("seen before: %+v", got)
	}
	if got := ask(5*time.Second, before.Spent+1); got != nil {
		t.Errorf("seen before, below the limit: %v", got)
	}
	ahead = 0
	say(l, t0.Add(6*time.Second), "c1", event.LegEnded{Leg: 1})
	if got := ask(7*time.Second, 0); got != nil {
		t.Errorf("of a leg that has ended: %v", got)
	}
}
