package follow

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/centrala/centrala/pkg/report"
)

// day holds what was counted of a tenant's day so far: its queues and itself.
// Agents and numbers are asked for (Ask); they are no labels.
type day struct {
	start, end int64
	queues     map[string]*report.Counts
	tenant     report.Counts
}

func (d *day) of(k report.Key) *report.Counts {
	if k.Start < d.start || k.Start >= d.end {
		return nil
	}
	switch k.Kind {
	case report.Tenant:
		return &d.tenant
	case report.Queue:
		c := d.queues[k.Name]
		if c == nil {
			c = &report.Counts{}
			d.queues[k.Name] = c
		}
		return c
	}
	return nil
}

// count is told every addition of the line in use.
func (f *Follower) count(k report.Key, c report.Counter, n int64) {
	if d := f.today[k.Tenant]; d != nil {
		if x := d.of(k); x != nil {
			x.Add(c, n)
		}
	}
}

func (f *Follower) zone(tenant string) *time.Location {
	if f.cfg.Zone != nil {
		if z := f.cfg.Zone(tenant); z != nil {
			return z
		}
	}
	return time.UTC
}

// day returns the figures of a tenant's today; they are read once a day and
// counted on from then.
func (f *Follower) day(ctx context.Context, tenant string) (*day, error) {
	now := f.cfg.Now().In(f.zone(tenant))
	start := report.StartOfDay(now).UnixMilli()
	if d := f.today[tenant]; d != nil && d.start == start {
		return d, nil
	}
	y, m, n := now.Date()
	d := &day{start: start, end: report.StartOfDay(time.Date(y, m, n+1, 12, 0, 0, 0, now.Location())).UnixMilli(), queues: map[string]*report.Counts{}}
	for _, kind := range []report.Kind{report.Queue, report.Tenant} {
		for r, err := range f.store.ReportRows(ctx, f.live.gen, tenant, kind, "", d.start, d.end) {
			if err != nil {
				return nil, err
			}
			d.of(report.Key{Tenant: tenant, Start: r.Start, Kind: kind, Name: r.Name}).Merge(&r.Counts)
		}
	}
	for k, p := range f.live.pending {
		if k.Tenant == tenant {
			if c := d.of(k); c != nil {
				c.Merge(p)
			}
		}
	}
	f.today[tenant] = d
	return d, nil
}

// Today returns a tenant's figures since its midnight: of the tenant, and of each
// queue that had callers. What runs is counted up to now.
func (f *Follower) Today(ctx context.Context, tenant string) (all report.Counts, queues map[string]report.Counts, err error) {
	if err := f.take(ctx); err != nil {
		return all, nil, err
	}
	defer f.give()
	d, err := f.day(ctx, tenant)
	if err != nil {
		return all, nil, err
	}
	all, queues = d.tenant, make(map[string]report.Counts, len(d.queues))
	for name, c := range d.queues {
		queues[name] = *c
	}
	f.live.proj.Running(tenant, f.cfg.Now().UnixMilli(), d.start, d.end, func(k report.Key, c report.Counter, n int64) {
		switch k.Kind {
		case report.Tenant:
			all.Add(c, n)
		case report.Queue:
			x := queues[k.Name]
			x.Add(c, n)
			queues[k.Name] = x
		}
	})
	return all, queues, nil
}

// maxQueueLabels bounds the queues of one tenant that have series.
const maxQueueLabels = 1000

// scrapeTimeout bounds how long a scrape waits: one without figures beats one
// that hangs.
const scrapeTimeout = 2 * time.Second

// metrics of the follower, and of today.
type metrics struct {
	reg      prometheus.Registerer
	events   prometheus.Counter
	failures prometheus.Counter
	flush    prometheus.Histogram
	f        *Follower
}

var (
	descLag     = prometheus.NewDesc("centrala_report_lag_events", "Events of the journal that the figures lack.", nil, nil)
	descCallers = prometheus.NewDesc("centrala_report_today_callers", "Callers of a queue since the tenant's midnight, by what became of them.", []string{"tenant", "queue", "counter"}, nil)
	descRatio   = prometheus.NewDesc("centrala_report_today_ratio", "Figures of a queue since the tenant's midnight, 0 to 1; NaN = nothing to divide by.", []string{"tenant", "queue", "figure"}, nil)
	descSeconds = prometheus.NewDesc("centrala_report_today_seconds", "Figures of a queue since the tenant's midnight, in seconds; NaN = nothing to divide by.", []string{"tenant", "queue", "figure"}, nil)
	descAgents  = prometheus.NewDesc("centrala_report_today_agents_ratio", "Figures of all agents of a tenant since its midnight, 0 to 1; NaN = nobody was logged in.", []string{"tenant", "figure"}, nil)

	todayCallers = []report.Counter{report.Entered, report.Refused, report.Answered, report.AnsweredInT, report.Abandoned, report.AbandonedShort,
		report.LeftTimeout, report.LeftOverflow, report.LeftCallback, report.RingNoAnswer, report.Transferred}
	todayRatios = []string{"service_level.short_excluded", "service_level.abandons_positive", "service_level.abandons_ignored",
		"service_level.abandons_negative", "service_level.early_abandons_excluded", "service_level.short_credited", "abandonment"}
	todaySeconds = []string{"asa", "longest_wait", "aht"}
	todayAgents  = []string{"occupancy", "utilisation"}
)

func newMetrics(r prometheus.Registerer, f *Follower) metrics {
	m := metrics{reg: r, f: f,
		events:   prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_report_events_total", Help: "Events of the journal that were counted in the figures."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_report_failures_total", Help: "Times the figures could not be brought up to date; it is tried again."}),
		flush: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "centrala_report_flush_seconds", Help: "Time to store the figures.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}),
	}
	if r != nil {
		r.MustRegister(m.events, m.failures, m.flush, m)
	}
	return m
}

func (m metrics) unregister() {
	if m.reg != nil {
		for _, c := range []prometheus.Collector{m.events, m.failures, m.flush, m} {
			m.reg.Unregister(c)
		}
	}
}

// Describe implements prometheus.Collector.
func (m metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descLag, descCallers, descRatio, descSeconds, descAgents} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(m.f.run, scrapeTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if m.f.take(ctx) != nil {
		return
	}
	lag := m.f.last - m.f.live.seq
	m.f.give()
	gauge(descLag, float64(lag))
	if m.f.cfg.Queues == nil {
		return
	}
	queues := m.f.cfg.Queues()
	for _, tenant := range slices.Sorted(maps.Keys(queues)) {
		all, counts, err := m.f.Today(ctx, tenant)
		if err != nil {
			return
		}
		for _, name := range todayAgents {
			gauge(descAgents, value(name, &all), tenant, name)
		}
		names := slices.Sorted(slices.Values(queues[tenant]))
		for _, q := range names[:min(len(names), maxQueueLabels)] {
			c := counts[q]
			for _, k := range todayCallers {
				gauge(descCallers, float64(c[k]), tenant, q, k.String())
			}
			for _, name := range todayRatios {
				gauge(descRatio, value(name, &c), tenant, q, name)
			}
			for _, name := range todaySeconds {
				gauge(descSeconds, value(name, &c), tenant, q, name)
			}
		}
	}
}

func value(figure string, c *report.Counts) float64 {
	if v, ok := report.FigureByName(figure).Value(c); ok {
		return v
	}
	return math.NaN()
}
