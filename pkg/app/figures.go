package app

import (
	"context"
	"sync"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/report/follow"
)

// serviceLevel is the figure that is meant by these two words.
var serviceLevel = report.FigureByName(report.DefaultServiceLevelName)

// figuresFor is how long a tenant's figures are good for pages and alarms.
const figuresFor = time.Second

// figures keeps what the pages show beside the state of the queues, made once for
// all who watch. The numbers are those of the reports, by the same code.
type figures struct {
	app *App

	mu sync.Mutex
	at map[string]*queueFigures // by tenant
}

// queueFigures are counters by queue: since the tenant's midnight, and of the running
// quarter of an hour and the one before (report.Interval).
type queueFigures struct {
	made          time.Time
	recentFrom    time.Time
	today, recent map[string]report.Counts
}

// of returns a tenant's figures, at most figuresFor old; they are not to be changed.
func (f *figures) of(ctx context.Context, tenant string) (*queueFigures, error) {
	f.mu.Lock()
	have := f.at[tenant]
	f.mu.Unlock()
	now := time.Now()
	if have != nil && now.Sub(have.made) < figuresFor {
		return have, nil
	}
	q := &queueFigures{made: now, recentFrom: time.UnixMilli(report.IntervalOf(now.UnixMilli())).UTC().Add(-report.Interval), recent: map[string]report.Counts{}}
	recent, err := f.app.reports.Ask(ctx, follow.Question{Tenant: tenant, Kind: report.Queue, From: q.recentFrom, To: now.Add(report.Interval),
		Per: report.PerTotal, Zone: time.UTC, Limit: 100_000})
	if err != nil {
		return nil, err
	}
	for _, l := range recent.Lines {
		q.recent[l.Name] = l.Counts
	}
	if _, q.today, err = f.app.reports.Today(ctx, tenant); err != nil {
		return nil, err
	}
	f.mu.Lock()
	if f.at == nil {
		f.at = map[string]*queueFigures{}
	}
	f.at[tenant] = q
	f.mu.Unlock()
	return q, nil
}

// liveFigures are counters as the pages show them.
func liveFigures(c report.Counts) api.LiveFigures {
	out := api.LiveFigures{Entered: c[report.Entered], Answered: c[report.Answered], Abandoned: c[report.Abandoned], Callbacks: c[report.CallbacksAsked]}
	set := func(to **float64, name string) {
		if v, ok := report.FigureByName(name).Value(&c); ok {
			*to = &v
		}
	}
	set(&out.ServiceLevel, report.DefaultServiceLevelName)
	set(&out.ASA, "asa")
	set(&out.LongestWait, "longest_wait")
	return out
}
