package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/sim"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// Routing is a tenant's queues and agents in the words of the ACD, as the server
// would run them.
func Routing(s *resource.Set, tenant string) (acd.Configure, error) {
	spec := s.Tenants[tenant]
	if spec == nil {
		return acd.Configure{}, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	h := &house{tenant: tenant, spec: spec, queues: map[string]*resource.QueueSpec{}, users: map[string]*resource.UserSpec{}}
	for k, q := range s.Queues {
		if k.Tenant == tenant {
			h.queues[k.Name] = q
		}
	}
	for k, u := range s.Users {
		if k.Tenant == tenant {
			h.users[k.Name] = u
		}
	}
	return h.acdConfig(), nil
}

// longestTraffic bounds what Traffic reads at once.
const longestTraffic = 7 * 24 * time.Hour

// Traffic implements api.Server.
func (a *App) Traffic(ctx context.Context, tenant string, q api.TrafficQuery) (*sim.Scenario, error) {
	if q.Day != "" && (q.From != "" || q.To != "") {
		return nil, fmt.Errorf("%w: day is there beside from and to; want one or the other", api.ErrInvalid)
	}
	from, to, zone, err := a.window(tenant, api.ReportQuery{From: q.From, To: q.To})
	if err != nil {
		return nil, err
	}
	if q.Day != "" {
		if from, to, err = dayOf(q.Day, zone, time.Now()); err != nil {
			return nil, err
		}
	}
	return readTraffic(ctx, a.store, tenant, from, to)
}

// dayOf is a day of a zone's clock: "yesterday", "today" (as far as it has come) or
// a date.
func dayOf(day string, zone *time.Location, now time.Time) (from, to time.Time, err error) {
	today := report.StartOfDay(now.In(zone))
	switch day {
	case "today":
		return today, time.UnixMilli(report.IntervalOf(now.UnixMilli())).In(zone).Add(report.Interval), nil
	case "yesterday":
		return report.StartOfDay(today.Add(-time.Hour)), today, nil
	}
	if _, err := time.Parse("2006-01-02", day); err != nil {
		return from, to, fmt.Errorf("%w: day %q: want yesterday, today or a date (2026-10-25)", api.ErrInvalid, day)
	}
	if from, err = report.ParseTime(day, zone); err != nil {
		return from, to, fmt.Errorf("%w: day: %w", api.ErrInvalid, err)
	}
	y, m, d := from.Add(12 * time.Hour).Date() // in a night of 23 hours too
	return from, report.StartOfDay(time.Date(y, m, d+1, 12, 0, 0, 0, zone)), nil
}

// readTraffic makes a scenario of the journal.
func readTraffic(ctx context.Context, s *store.Store, tenant string, from, to time.Time) (*sim.Scenario, error) {
	if to.Sub(from) > longestTraffic {
		return nil, fmt.Errorf("%w: from %s to %s is more than %d days", api.ErrInvalid, from.Format(time.RFC3339), to.Format(time.RFC3339), longestTraffic/24/time.Hour)
	}
	first, err := s.SeqAt(ctx, from.Add(-sim.ReplayBefore).UnixMilli())
	if err != nil {
		return nil, err
	}
	last, err := s.SeqAt(ctx, to.Add(sim.ReplayAfter).UnixMilli())
	if err != nil {
		return nil, err
	}
	r := sim.NewReplay(from, to)
	const page = 2000
	for first < last {
		events, err := s.JournalOf(ctx, tenant, first, last-1, page, sim.ReplayKinds)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			r.Feed(e)
		}
		if len(events) < page {
			break
		}
		first = events[len(events)-1].Seq + 1
	}
	out := r.Scenario()
	if len(out.Calls) == 0 {
		return nil, fmt.Errorf("%w: nobody came into a queue from %s to %s", api.ErrNotFound, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return out, nil
}

// OfflineTraffic reads a day, and the resources, of a data folder whose server does
// not run. configFile "" = the store lies where it does without one.
func OfflineTraffic(ctx context.Context, configFile, data, tenant, day string) (*sim.Scenario, *resource.Set, error) {
	cfg := config.Default()
	if configFile != "" {
		var err error
		if cfg, err = config.Load(configFile, os.Environ()); err != nil {
			return nil, nil, err
		}
	}
	cfg.Rebase(data)
	if _, err := os.Stat(cfg.StorePath()); err != nil { // Open would make one
		return nil, nil, fmt.Errorf("%s: no data of a server there: %w", cfg.StorePath(), err)
	}
	s, err := store.Open(ctx, cfg.StorePath(), store.Options{Log: zap.NewNop()})
	if err != nil {
		return nil, nil, err
	}
	defer s.Close(context.WithoutCancel(ctx))
	set, err := s.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	zone := time.UTC
	if t := set.Tenants[tenant]; t == nil {
		return nil, nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	} else if z, err := time.LoadLocation(t.TimeZone); err == nil && t.TimeZone != "" {
		zone = z
	}
	from, to, err := dayOf(day, zone, time.Now())
	if err != nil {
		return nil, nil, err
	}
	scenario, err := readTraffic(ctx, s, tenant, from, to)
	return scenario, set, err
}
