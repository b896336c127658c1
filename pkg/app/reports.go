package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/report"
	"github.com/centrala/centrala/pkg/report/follow"
)

// startReports begins to follow the journal for the figures. It ends behind
// everything that writes events and before the store.
func (a *App) startReports(ctx context.Context) error {
	f, err := follow.New(ctx, a.store, follow.Config{Log: a.log.Named("report"), Registerer: a.opts.Registerer, Zone: a.zone, Queues: a.queueNames})
	if err != nil {
		return err
	}
	a.reports = f
	a.onStop("reports", f.Stop)
	return f.Start(ctx)
}

// zone is a tenant's time zone; nil = none is set.
func (a *App) zone(tenant string) *time.Location {
	d := a.dir.Load()
	if d == nil || d.set.Tenants[tenant] == nil {
		return nil
	}
	zone, err := time.LoadLocation(d.set.Tenants[tenant].TimeZone)
	if err != nil { // was checked at the apply
		return nil
	}
	return zone
}

func (a *App) queueNames() map[string][]string {
	d := a.dir.Load()
	if d == nil {
		return nil
	}
	out := make(map[string][]string, len(d.houses))
	for tenant, h := range d.houses {
		out[tenant] = nil
		for name := range h.queues {
			out[tenant] = append(out[tenant], name)
		}
	}
	return out
}

// window reads from and to of a query; "" = today up to the end of the running
// quarter of an hour.
func (a *App) window(tenant string, q api.ReportQuery) (from, to time.Time, zone *time.Location, err error) {
	if a.dir.Load().houses[tenant] == nil {
		return from, to, nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	if zone = a.zone(tenant); zone == nil {
		zone = time.UTC
	}
	now := time.Now().In(zone)
	from, to = report.StartOfDay(now), time.UnixMilli(report.IntervalOf(now.UnixMilli())).In(zone).Add(report.Interval)
	for _, x := range []struct {
		name, text string
		t          *time.Time
	}{{"from", q.From, &from}, {"to", q.To, &to}} {
		if x.text == "" {
			continue
		}
		if *x.t, err = report.ParseTime(x.text, zone); err != nil {
			return from, to, nil, fmt.Errorf("%w: %s: %w", api.ErrInvalid, x.name, err)
		}
	}
	if !from.Before(to) {
		return from, to, nil, fmt.Errorf("%w: from %s is not before to %s", api.ErrInvalid, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, zone, nil
}

// Report implements api.Server.
func (a *App) Report(ctx context.Context, tenant string, q api.ReportQuery) (api.Report, error) {
	var r api.Report
	from, to, zone, err := a.window(tenant, q)
	if err != nil {
		return r, err
	}
	after, err := report.ParseCursor(q.Cursor)
	if err != nil {
		return r, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	r = api.Report{By: cmp.Or(q.By, report.Queue), Per: cmp.Or(q.Per, report.PerTotal), TimeZone: zone.String(), From: from, To: to}
	got, err := a.reports.Ask(ctx, follow.Question{Tenant: tenant, Kind: r.By, Name: q.Name, From: from, To: to, Per: r.Per, Zone: zone,
		After: after, Limit: cmp.Or(q.Limit, 1000)})
	if err != nil {
		return r, err
	}
	r.AsOf, r.LagEvents, r.Next = got.AsOf, got.Lag, got.Next
	r.SetLines(got.Lines)
	return r, nil
}

// QueueLog implements api.Server. It reads by the order of the journal, so that
// pages and stretches of time join without a gap or an overlap.
func (a *App) QueueLog(ctx context.Context, tenant string, q api.ReportQuery) (api.QueueLog, error) {
	var out api.QueueLog
	from, to, _, err := a.window(tenant, q)
	if err != nil {
		return out, err
	}
	first, err := a.store.SeqAt(ctx, from.UnixMilli())
	if err != nil {
		return out, err
	}
	last, err := a.store.SeqAt(ctx, to.UnixMilli())
	if err != nil {
		return out, err
	}
	if q.Cursor != "" {
		if first, err = strconv.ParseUint(q.Cursor, 36, 63); err != nil {
			return out, fmt.Errorf("%w: %w", api.ErrInvalid, report.ErrCursor)
		}
	}
	var fault error
	log := report.NewQueueLog(func(line string) { out.Lines = append(out.Lines, line) }, func(callID string, before uint64) []event.Event {
		events, err := a.store.Events(ctx, tenant, callID)
		fault = errors.Join(fault, err)
		for i, e := range events {
			if e.Seq >= before {
				return events[:i]
			}
		}
		return events
	})
	const page = 2000
	for first < last {
		events, err := a.store.JournalOf(ctx, tenant, first, last-1, page, report.QueueLogKinds)
		if err != nil {
			return out, err
		}
		for _, e := range events {
			if len(out.Lines) >= q.Limit {
				out.Next = strconv.FormatUint(e.Seq, 36)
				return out, fault
			}
			log.Feed(e)
		}
		if len(events) < page {
			break
		}
		first = events[len(events)-1].Seq + 1
	}
	return out, fault
}

// RebuildReports implements api.Server.
func (a *App) RebuildReports(context.Context) (follow.Rebuild, error) {
	err := a.reports.StartRebuild()
	if errors.Is(err, follow.ErrRebuilding) {
		err = fmt.Errorf("%w: %w", api.ErrConflict, err)
	}
	return a.reports.Rebuild(), err
}

// ReportRebuild implements api.Server.
func (a *App) ReportRebuild(context.Context) (follow.Rebuild, error) { return a.reports.Rebuild(), nil }
