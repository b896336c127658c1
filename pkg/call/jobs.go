package call

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/flow"
)

// Jobs does what flows ask of the world outside: requests, mails, look-ups.
type Jobs interface {
	// Run does a job for a call of a tenant and may take its time until ctx is over.
	// outcome is one of the job's own words, or flow.OutcomeDone; values are for
	// variables. An error says in our own words what went wrong, for the journal:
	// nothing a caller typed, no secret; outcome "" is then flow.OutcomeFailed.
	Run(ctx context.Context, tenant, callID string, job flow.Job) (outcome string, values map[string]string, err error)
}

var (
	errNoJobs   = errors.New("this node does no jobs for flows")
	errJobsFull = errors.New("too many jobs are under way")
)

// jobRoom bounds the jobs under way: slow services of one tenant take no room from
// another, and never more of the node than it can bear. It knows no call.
type jobRoom struct {
	most, mostTenant int
	count            *prometheus.CounterVec
	took             *prometheus.HistogramVec

	mu      sync.Mutex
	running int
	tenant  map[string]int
	idle    *sync.Cond
}

// jobResults are how jobs end, for the counter.
var jobResults = []string{"done", "failed", "timeout", "stopped", "refused"}

func newJobRoom(reg prometheus.Registerer, most, mostTenant int) *jobRoom {
	if most <= 0 {
		most = 2000
	}
	if mostTenant <= 0 {
		mostTenant = most
	}
	r := &jobRoom{most: most, mostTenant: mostTenant, tenant: map[string]int{}}
	r.idle = sync.NewCond(&r.mu)
	r.count = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_flow_jobs_total",
		Help: "Jobs that flows asked for, by how they ended; refused: too many were under way."}, []string{"kind", "result"})
	r.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "centrala_flow_job_seconds",
		Help: "Time that jobs of flows took.", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}}, []string{"kind"})
	for _, name := range flow.JobNames {
		r.took.WithLabelValues(name)
		for _, result := range jobResults {
			r.count.WithLabelValues(name, result)
		}
	}
	if reg != nil {
		reg.MustRegister(r.count, r.took, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "centrala_flow_jobs",
			Help: "Jobs of flows under way."}, func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(r.running)
		}))
	}
	return r
}

// take makes room for a job; false when there is none.
func (r *jobRoom) take(tenant string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running >= r.most || r.tenant[tenant] >= r.mostTenant {
		return false
	}
	r.running++
	r.tenant[tenant]++
	return true
}

func (r *jobRoom) give(tenant string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	if r.tenant[tenant]--; r.tenant[tenant] == 0 {
		delete(r.tenant, tenant)
	}
	if r.running == 0 {
		r.idle.Broadcast()
	}
}

// wait returns when no job is under way, or ctx is over. Their calls have ended, so
// that none comes to those there are.
func (r *jobRoom) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.idle.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.running > 0 && ctx.Err() == nil {
		r.idle.Wait()
	}
}

// runJob does a job on a goroutine of its own. One at a time in a call.
func (o *owner) runJob(e RunJob) {
	room, jobs := o.mgr.jobs, o.mgr.deps.Jobs
	o.stopJob()
	var refused error
	switch {
	case jobs == nil:
		refused = errNoJobs
	case !room.take(o.tenant):
		refused = errJobsFull
	}
	if refused != nil {
		o.log.Warn("job of a flow refused", zap.String("job", e.Job.Name()), zap.Error(refused))
		o.then(JobDone{ID: e.ID, Outcome: flow.OutcomeFailed, Err: refused.Error()})
		return
	}
	// The flow's own timer ends it in time; this bound is for a flow that cannot.
	ctx, cancel := context.WithTimeout(context.Background(), e.Timeout+time.Second)
	o.cancelJob = cancel
	go func() {
		defer room.give(o.tenant)
		defer cancel()
		began := time.Now()
		outcome, values, err := o.tryJob(ctx, jobs, e.Job)
		room.took.WithLabelValues(e.Job.Name()).Observe(time.Since(began).Seconds())
		done := JobDone{ID: e.ID, Outcome: outcome, Values: values}
		if err != nil {
			done.Err = clean(err.Error(), 500)
		}
		o.post(done)
	}()
}

// tryJob keeps a fault to the job that it is in.
func (o *owner) tryJob(ctx context.Context, jobs Jobs, job flow.Job) (outcome string, values map[string]string, err error) {
	defer func() {
		if p := recover(); p != nil {
			o.mgr.metrics.faults.Inc()
			o.log.Error("job of a flow failed", zap.String("job", job.Name()), zap.String("err", fmt.Sprint(p)), zap.ByteString("stack", debug.Stack()))
			outcome, values, err = flow.OutcomeFailed, nil, errors.New("internal fault")
		}
	}()
	outcome, values, err = jobs.Run(ctx, o.tenant, o.id, job)
	switch {
	case outcome != "":
	case err != nil:
		outcome = flow.OutcomeFailed
	default:
		outcome = flow.OutcomeDone
	}
	return outcome, values, err
}

// stopJob gives the job under way up; what it still says is ignored by its id.
func (o *owner) stopJob() {
	if o.cancelJob != nil {
		o.cancelJob()
		o.cancelJob = nil
	}
}
