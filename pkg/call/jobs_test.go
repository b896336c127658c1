package call

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// jobsFunc is a Jobs made of a function.
type jobsFunc func(ctx context.Context, tenant, callID string, j flow.Job) (string, map[string]string, error)

func (f jobsFunc) Run(ctx context.Context, tenant, callID string, j flow.Job) (string, map[string]string, error) {
	return f(ctx, tenant, callID, j)
}

// jobOwner is an owner with nothing but what jobs need; what is posted stays in its box.
func jobOwner(jobs Jobs, most, mostTenant int) *owner {
	m := &Manager{deps: Deps{Jobs: jobs, Log: zap.NewNop()}, jobs: newJobRoom(nil, most, mostTenant), metrics: newMetrics(nil, func() int { return 0 }, func() int { return 0 }, func() int { return 0 })}
	return &owner{mgr: m, tenant: "acme", id: "c1", log: zap.NewNop(), box: mailbox{busy: true}}
}

func (o *owner) posted(t *testing.T) []any {
	t.Helper()
	got, _ := o.box.take()
	return got
}

func TestJobs(t *testing.T) {
	request := RunJob{ID: 7, Job: &flow.HTTPJob{Method: "GET"}, Timeout: 5 * time.Second}
	one := func(t *testing.T, o *owner) JobDone {
		t.Helper()
		got := o.posted(t)
		if len(got) != 1 {
			t.Fatalf("%d messages: %v", len(got), got)
		}
		return got[0].(JobDone)
	}
	for _, c := range []struct {
		name string
		run  jobsFunc
		want JobDone
	}{
		{"done", func(context.Context, string, string, flow.Job) (string, map[string]string, error) {
			return "", map[string]string{"a": "b"}, nil
		}, JobDone{Outcome: flow.OutcomeDone}},
		{"its own word", func(context.Context, string, string, flow.Job) (string, map[string]string, error) {
			return "not_found", nil, nil
		}, JobDone{Outcome: "not_found"}},
		{"a fault", func(context.Context, string, string, flow.Job) (string, map[string]string, error) {
			return "", nil, errors.New("no way\x00there")
		}, JobDone{Outcome: flow.OutcomeFailed, Err: "no waythere"}},
		{"a panic", func(context.Context, string, string, flow.Job) (string, map[string]string, error) {
			panic("oh")
		}, JobDone{Outcome: flow.OutcomeFailed, Err: "internal fault"}},
		{"for ever", func(ctx context.Context, _, _ string, _ flow.Job) (string, map[string]string, error) {
			<-ctx.Done()
			return "", nil, ctx.Err()
		}, JobDone{Outcome: flow.OutcomeFailed, Err: "context deadline exceeded"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := jobOwner(c.run, 0, 0)
				o.runJob(request)
				time.Sleep(7 * time.Second)
				synctest.Wait()
				got := one(t, o)
				if got.ID != 7 || got.Outcome != c.want.Outcome || got.Err != c.want.Err {
					t.Errorf("%+v", got)
				}
				if o.mgr.jobs.running != 0 || len(o.mgr.jobs.tenant) != 0 {
					t.Errorf("%d jobs left", o.mgr.jobs.running)
				}
			})
		})
	}
	t.Run("the caller goes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var cause error
			o := jobOwner(jobsFunc(func(ctx context.Context, _, _ string, _ flow.Job) (string, map[string]string, error) {
				<-ctx.Done()
				cause = ctx.Err()
				return "", nil, cause
			}), 0, 0)
			o.runJob(request)
			o.stopJob()
			o.stopJob()
			synctest.Wait()
			if cause != context.Canceled {
				t.Errorf("%v", cause)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			o.mgr.jobs.wait(ctx) // nothing is left to wait for
			if ctx.Err() != nil {
				t.Error("the room waits for a job that has ended")
			}
		})
	})
	t.Run("room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			block := jobsFunc(func(ctx context.Context, _, _ string, _ flow.Job) (string, map[string]string, error) {
				<-ctx.Done()
				return "", nil, ctx.Err()
			})
			a := jobOwner(block, 3, 2)
			beside := func(tenant string) *owner {
				o := jobOwner(block, 0, 0)
				o.mgr, o.tenant = a.mgr, tenant
				o.runJob(request)
				return o
			}
			owners := []*owner{beside("acme"), beside("acme"), beside("acme"), beside("other"), beside("other")}
			for i, want := range []bool{false, false, true, false, true} { // two of a tenant, three of the node
				if refused := len(owners[i].pending) == 1; refused != want {
					t.Errorf("job %d: refused %v", i, refused)
				}
			}
			if d := owners[2].pending[0].(JobDone); d.Outcome != flow.OutcomeFailed || d.Err != errJobsFull.Error() {
				t.Errorf("%+v", d)
			}
			for _, o := range owners {
				o.stopJob()
			}
			synctest.Wait()
			if beside("acme").pending != nil {
				t.Error("no room though all jobs have ended")
			}
			time.Sleep(10 * time.Second)
		})
	})
}

// A call in a request: its journal says how it went, and a caller who goes takes the
// request along.
func TestJobOfACall(t *testing.T) {
	f, err := flow.ParseYAML("look", []byte(`
start: look
steps:
  look: {http: {url: "https://x.example.com/"}, next: bye, on: {failed: bye}}
  bye: {hangup: normal}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := house
	r.flows = map[string]*flow.Flow{"look": f}
	begin := func() *score {
		s := start(t, r, route.Target{Kind: route.Flow, Name: "look"})
		s.want("RunJob")
		return s
	}
	last := func(s *score) event.FlowJob {
		t.Helper()
		for i := len(s.all) - 1; i >= 0; i-- {
			if j, ok := s.all[i].(Journal); ok {
				if b, ok := j.Body.(event.FlowJob); ok {
					return b
				}
			}
		}
		t.Fatal("no flow.job in the journal")
		return event.FlowJob{}
	}
	s := begin()
	id := s.m.S.Job.ID
	s.after(300*time.Millisecond, JobDone{ID: id, Outcome: flow.OutcomeDone})
	s.want("journal flow.job", "journal flow.step")
	if b := last(s); b.Outcome != "done" || b.TookMs != 300 || b.Job != "http" || b.Step != "look" {
		t.Errorf("%+v", b)
	}

	s = begin()
	s.do(JobDone{ID: id + 99, Outcome: flow.OutcomeDone}) // of another life
	s.never("journal flow.job")
	s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
	s.never("journal flow.failed")
	s.want("journal flow.job", "StopJob")
	if b := last(s); b.Outcome != "call_over" || jobResult(b) != "stopped" {
		t.Errorf("%+v", b)
	}
	s.do(JobDone{ID: id, Outcome: flow.OutcomeDone})
	s.never("journal flow.job")

	s = begin()
	s.after(time.Second, TimerFired{TimerFlow + TimerID(s.m.S.IVR.Timer)})
	s.want("RingCaller")
	s.after(4*time.Second, TimerFired{TimerFlow + TimerID(s.m.S.IVR.Timer)})
	s.want("journal flow.job", "StopJob")
	if b := last(s); b.Outcome != "timeout" {
		t.Errorf("%+v", b)
	}
}

func TestJobResults(t *testing.T) {
	room := newJobRoom(nil, 0, 0)
	if n := testutil.CollectAndCount(room.count); n != len(flow.JobNames)*len(jobResults) {
		t.Errorf("%d series", n)
	}
	for b, want := range map[event.FlowJob]string{
		{Outcome: "done"}: "done", {Outcome: "not_found"}: "done", {Outcome: "refused", Error: "403"}: "failed", {Outcome: "timeout"}: "timeout",
		{Outcome: "left"}: "stopped", {Outcome: "failed", Error: errJobsFull.Error()}: "refused",
	} {
		if got := jobResult(b); got != want {
			t.Errorf("%+v: %s", b, got)
		}
	}
}
