package follow_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/report/follow"
	"github.com/centrala/centrala/pkg/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var day = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "c.db"), store.Options{FlushEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// quiet: its goroutine does nothing by itself in the time of a test.
var quiet = follow.Config{Poll: time.Hour, FlushEvery: time.Hour, Now: func() time.Time { return day.Add(8 * time.Hour) }}

func follower(t testing.TB, s follow.Store, cfg follow.Config) *follow.Follower {
	t.Helper()
	f, err := follow.New(t.Context(), s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func stop(t testing.TB, f *follow.Follower) {
	t.Helper()
	for range 2 { // safe to call twice
		if err := f.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// traffic writes calls one after the other; some are abandoned.
func traffic(s *store.Store, r *rand.Rand, first, n int) (events []event.Event) {
	add := func(at time.Time, call string, b event.Body) {
		e := event.Event{At: at, Tenant: fmt.Sprintf("t%d", first%2), CallID: call, Body: b}
		s.Append(e)
		events = append(events, e)
	}
	for i := first; i < first+n; i++ {
		at, id := day.Add(time.Duration(i)*40*time.Second), fmt.Sprint("c", i)
		queue, agent := fmt.Sprint("q", r.IntN(3)), fmt.Sprint("a", r.IntN(4))
		wait := time.Duration(r.IntN(60_000)) * time.Millisecond
		add(at, id, event.CallStarted{Direction: event.Inbound, To: "1000"})
		add(at, id, event.QueueEntered{Queue: queue})
		if r.IntN(4) == 0 {
			add(at.Add(wait), id, event.QueueLeft{Queue: queue, Outcome: "abandoned", WaitMs: wait.Milliseconds()})
		} else {
			add(at.Add(wait), "", event.AgentStateChanged{Agent: agent, From: "ready", To: "on_call"})
			add(at.Add(wait), id, event.QueueLeft{Queue: queue, Outcome: "answered", Agent: agent, WaitMs: wait.Milliseconds()})
			add(at.Add(wait), id, event.SegmentStarted{Segment: event.SegmentTalking, Queue: queue, Agent: agent})
			add(at.Add(wait+3*time.Minute), "", event.AgentStateChanged{Agent: agent, From: "on_call", To: "ready"})
		}
		add(at.Add(wait+3*time.Minute), id, event.CallEnded{Result: event.ResultCaller, Reason: event.ReasonNormal})
	}
	return events
}

func ask(t testing.TB, f *follow.Follower, tenant string, k report.Kind) map[string]report.Counts {
	t.Helper()
	a, err := f.Ask(t.Context(), follow.Question{Tenant: tenant, Kind: k, From: day.Add(-time.Hour), To: day.Add(7 * time.Hour), Per: report.PerInterval, Zone: time.UTC, Limit: 1 << 20})
	if err != nil || a.Next != "" || a.Lag != 0 {
		t.Fatal(err, a.Next, a.Lag)
	}
	out := map[string]report.Counts{}
	for _, l := range a.Lines {
		out[fmt.Sprint(l.Start.UnixMilli(), l.Name)] = l.Counts
	}
	return out
}

// Whenever the server stops, in order or killed, and however often it is asked in
// between, the figures are those of one pass over the journal; made again, none
// of them changes.
func TestRestartsCountNothingTwice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := open(t)
	var all []event.Event
	f := follower(t, s, quiet)
	for batch := range 12 {
		all = append(all, traffic(s, r, batch*20, 20)...)
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		ask(t, f, "t0", report.Queue)
		switch batch % 3 {
		case 0:
			stop(t, f)
			f = follower(t, s, quiet)
		case 1: // killed: what it had counted and not stored is gone with it
			killed := f
			defer stop(t, killed)
			f = follower(t, s, quiet)
		}
	}
	check := func(what string) {
		t.Helper()
		want := map[report.Key]*report.Counts{}
		p := report.NewProjector(func(k report.Key, c report.Counter, n int64) {
			if want[k] == nil {
				want[k] = &report.Counts{}
			}
			want[k].Add(c, n)
		})
		for _, e := range all {
			p.Feed(e)
		}
		p.Running("", quiet.Now().UnixMilli(), day.Add(-time.Hour).UnixMilli(), day.Add(7*time.Hour).UnixMilli(), func(k report.Key, c report.Counter, n int64) {
			if want[k] == nil {
				want[k] = &report.Counts{}
			}
			want[k].Add(c, n)
		})
		rows := 0
		for _, tenant := range []string{"t0", "t1"} {
			for _, kind := range report.Kinds {
				for k, c := range ask(t, f, tenant, kind) {
					rows++
					found := false
					for key, w := range want {
						if key.Tenant == tenant && key.Kind == kind && fmt.Sprint(key.Start, key.Name) == k {
							found = *w == c
						}
					}
					if !found {
						t.Fatalf("%s: %s %s %s differs: %v", what, tenant, kind, k, c)
					}
				}
			}
		}
		if rows != len(want) || rows < 100 {
			t.Fatalf("%s: %d rows, want %d", what, rows, len(want))
		}
	}
	check("live")
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.StartRebuild(); err != nil {
		t.Fatal(err)
	}
	for f.Rebuild().Running {
		time.Sleep(time.Millisecond) // its own goroutine works
	}
	if b := f.Rebuild(); b.Error != "" || b.Changed != 0 || b.Seq != uint64(len(all)) {
		t.Fatalf("%+v", b)
	}
	check("made again")
	all = append(all, traffic(s, r, 240, 20)...)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	check("after that")
	stop(t, f)
	f = follower(t, s, quiet)
	check("started again")
	stop(t, f)
}

// A row that is wrong is told by a rebuild, and put right.
func TestRebuildFindsWhatIsWrong(t *testing.T) {
	s := open(t)
	traffic(s, rand.New(rand.NewPCG(1, 2)), 0, 30)
	f := follower(t, s, quiet)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	right := ask(t, f, "t0", report.Queue)
	stop(t, f)
	saved, _, err := s.LoadReport(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveReport(t.Context(), saved, map[report.Key]report.Counts{
		{Tenant: "t0", Start: day.UnixMilli(), Kind: report.Queue, Name: "q0"}:    {report.Entered: 999},
		{Tenant: "t0", Start: day.UnixMilli(), Kind: report.Queue, Name: "ghost"}: {report.Entered: 1}}); err != nil {
		t.Fatal(err)
	}
	f = follower(t, s, quiet)
	if wrong := ask(t, f, "t0", report.Queue); maps.Equal(wrong, right) {
		t.Fatal("the rows are right already")
	}
	if err := f.StartRebuild(); err != nil {
		t.Fatal(err)
	}
	for f.Rebuild().Running {
		time.Sleep(time.Millisecond)
	}
	if b := f.Rebuild(); b.Changed != 2 {
		t.Errorf("%+v", b)
	}
	if got := ask(t, f, "t0", report.Queue); !maps.Equal(got, right) {
		t.Errorf("got %v\nwant %v", got, right)
	}
	stop(t, f)
}

// flaky refuses to store, or stores and says that it failed: the disk did not say
// "durable".
type flaky struct {
	*store.Store
	fail func() (before, after error)
}

func (s flaky) SaveReport(ctx context.Context, r follow.Saved, rows map[report.Key]report.Counts) error {
	before, after := s.fail()
	if before != nil {
		return before
	}
	return errors.Join(s.Store.SaveReport(ctx, r, rows), after)
}

func TestDiskThatRefuses(t *testing.T) {
	s := open(t)
	broken := errors.New("no space left on device")
	var before, after error
	f := follower(t, flaky{s, func() (error, error) { return before, after }}, quiet)
	traffic(s, rand.New(rand.NewPCG(3, 4)), 0, 30)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	right := ask(t, f, "t0", report.Queue)
	before = broken
	if err := f.Stop(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("%v", err)
	}
	// Nothing was stored: the next counts from the beginning.
	f = follower(t, flaky{s, func() (error, error) { return nil, broken }}, quiet)
	if got := ask(t, f, "t0", report.Queue); !maps.Equal(got, right) {
		t.Fatal("after a refusal")
	}
	after = broken
	stop(t, f) // stored, whatever the disk said: no error, and nothing is counted twice
	f = follower(t, s, quiet)
	if got := ask(t, f, "t0", report.Queue); !maps.Equal(got, right) {
		t.Fatal("after a doubt")
	}
	stop(t, f)
}

// Figures of today by name for Prometheus: queues of the configuration from the
// start, at zero; others make no series. At the tenant's midnight they begin anew.
func TestToday(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Bucharest")
	if err != nil {
		t.Fatal(err)
	}
	s := open(t)
	now := time.Date(2026, 11, 23, 23, 50, 0, 0, zone)
	reg := prometheus.NewRegistry()
	f := follower(t, s, follow.Config{Poll: time.Hour, FlushEvery: time.Hour, Now: func() time.Time { return now }, Registerer: reg,
		Zone: func(string) *time.Location { return zone }, Queues: func() map[string][]string { return map[string][]string{"default": {"sales", "idle"}} }})
	defer stop(t, f)
	stay := func(id string, at time.Time, queue, outcome string) {
		s.Append(event.Event{At: at, Tenant: "default", CallID: id, Body: event.CallStarted{}})
		s.Append(event.Event{At: at, Tenant: "default", CallID: id, Body: event.QueueEntered{Queue: queue}})
		s.Append(event.Event{At: at.Add(time.Second), Tenant: "default", CallID: id, Body: event.QueueLeft{Queue: queue, Outcome: outcome, WaitMs: 1000, Agent: "bob"}})
	}
	gather := func() map[string]float64 {
		t.Helper()
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		ask(t, f, "default", report.Queue) // reads the journal
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, m := range families {
			for _, x := range m.Metric {
				name := m.GetName()
				for _, l := range x.Label {
					name += " " + l.GetValue()
				}
				if x.Gauge != nil {
					out[name] = x.Gauge.GetValue()
				}
			}
		}
		return out
	}
	stay("a", now.Add(-24*time.Hour), "sales", "answered") // yesterday
	stay("b", now.Add(-time.Hour), "sales", "answered")
	stay("c", now.Add(-time.Minute), "stranger", "answered")
	got := gather()
	for name, want := range map[string]float64{
		"centrala_report_today_callers answered sales default": 1, "centrala_report_today_callers answered idle default": 0,
		"centrala_report_today_ratio service_level.short_excluded sales default": 1, "centrala_report_today_seconds asa sales default": 1,
		"centrala_report_lag_events": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v %v, want %v", name, v, ok, want)
		}
	}
	if v := got["centrala_report_today_ratio service_level.short_excluded idle default"]; v == v {
		t.Errorf("nobody called: %v", v)
	}
	if n := len(slices.Collect(maps.Keys(got))); n != 1+2*(11+7+3)+2 {
		t.Errorf("%d series", n)
	}
	stay("d", now.Add(-time.Minute), "sales", "abandoned") // counted on, not read again
	if got := gather(); got["centrala_report_today_callers entered sales default"] != 2 {
		t.Errorf("%v", got)
	}
	now = now.Add(20 * time.Minute) // past midnight
	stay("e", now, "sales", "abandoned")
	if got := gather(); got["centrala_report_today_callers entered sales default"] != 1 || got["centrala_report_today_callers answered sales default"] != 0 {
		t.Errorf("%v", got)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// The goroutine by itself: what is in the journal is counted and stored.
func TestFollows(t *testing.T) {
	s := open(t)
	f := follower(t, s, follow.Config{Poll: time.Millisecond, FlushEvery: time.Millisecond})
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, f)
	events := traffic(s, rand.New(rand.NewPCG(5, 6)), 0, 2000) // several pages
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		saved, ok, err := s.LoadReport(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ok && saved.Seq == uint64(len(events)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("stored up to %d of %d", saved.Seq, len(events))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
