// Package follow keeps the figures of pkg/report up to date: one goroutine reads
// the journal behind the writer, feeds the projector and has the store keep the
// rows. It is never in the way of a call: nothing waits for it, and when it lags,
// only the figures are late. What it has not stored yet it adds at each question,
// so that an answer has all that the journal holds.
//
// The rows and how far the journal is counted change in one transaction: after
// any crash the follower goes on where the rows stand, and counts nothing twice.
package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/report"
)

// Store is where the journal is read and the rows are kept; pkg/store implements it.
type Store interface {
	LastSeq(ctx context.Context) (uint64, error)
	// JournalOf reads events of some kinds with from <= seq <= to, in order, at
	// most n, of one tenant or ("") all.
	JournalOf(ctx context.Context, tenant string, from, to uint64, n int, kinds []string) ([]event.Event, error)
	// LoadReport returns the generation in use; ok is false when there is none, and
	// r.Gen is then the newest there has been.
	LoadReport(ctx context.Context) (r Saved, ok bool, err error)
	// ReportSeq is how far a generation has counted, 0 when it is not there.
	ReportSeq(ctx context.Context, gen int64) (uint64, error)
	ReportCounts(ctx context.Context, gen int64, k report.Key) (report.Counts, error)
	// SaveReport replaces rows and the position in one transaction. With
	// r.Active the generation is the one in use from then on.
	SaveReport(ctx context.Context, r Saved, rows map[report.Key]report.Counts) error
	// ReportRows lists rows that start in [from, to), by start and name, as they
	// are when the first is told.
	ReportRows(ctx context.Context, gen int64, tenant string, kind report.Kind, name string, from, to int64) iter.Seq2[report.Row, error]
	// CompareReports counts the rows that differ between two generations.
	CompareReports(ctx context.Context, a, b int64) (int, error)
	// DropReports forgets all generations but keep.
	DropReports(ctx context.Context, keep int64) error
}

// Saved is a generation of rows: how far it has counted, and what runs then.
type Saved struct {
	Gen     int64
	Active  bool
	Version int
	Seq     uint64
	State   []byte // the projector
}

// Config of a Follower. The zero value takes every default.
type Config struct {
	Poll       time.Duration // how often the journal is looked at; 0 = 1 s
	FlushEvery time.Duration // how often rows are stored; 0 = 10 s
	Log        *zap.Logger
	Registerer prometheus.Registerer
	// Zone is a tenant's time zone; nil or a nil answer = UTC.
	Zone func(tenant string) *time.Location
	// Queues lists every tenant's queues, for metrics; nil = none.
	Queues func() map[string][]string
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

const (
	page      = 2000  // events read at once
	flushRows = 5000  // rows that wait at most
	askAtMost = 50000 // events that a question waits for; behind that it is told how late the figures are
)

// line is one projection of the journal into one generation of rows.
type line struct {
	gen     int64
	seq     uint64 // counted up to here
	proj    *report.Projector
	pending map[report.Key]*report.Counts // not stored yet
	flushed uint64                        // stored up to here
	base    map[report.Key]report.Counts  // what is stored of the newest intervals: nobody else writes this generation
	also    report.Emit                   // told of each addition too; nil = nobody
}

func newLine(gen int64, also report.Emit) *line {
	l := &line{gen: gen, pending: map[report.Key]*report.Counts{}, base: map[report.Key]report.Counts{}, also: also}
	l.proj = report.NewProjector(func(k report.Key, c report.Counter, n int64) {
		p := l.pending[k]
		if p == nil {
			p = &report.Counts{}
			l.pending[k] = p
		}
		p.Add(c, n)
		if l.also != nil {
			l.also(k, c, n)
		}
	})
	return l
}

// Follower owns the figures. Its methods may be called from any goroutine.
type Follower struct {
	// Set at birth.
	cfg     Config
	store   Store
	metrics metrics

	// lock guards live, today and last; a channel, so that who waits may give up.
	lock  chan struct{}
	live  *line
	last  uint64 // newest event of the journal, as last seen
	stale bool   // rows of an older version are to be forgotten
	today map[string]*day

	mu      sync.Mutex // guards rebuild
	rebuild Rebuild

	dropping sync.Mutex // held by who forgets generations: a rebuild's own must not go

	cancel context.CancelFunc
	run    context.Context
	wg     sync.WaitGroup
}

// New takes up the rows where the store has them.
func New(ctx context.Context, s Store, cfg Config) (*Follower, error) {
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.FlushEvery <= 0 {
		cfg.FlushEvery = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := &Follower{cfg: cfg, store: s, lock: make(chan struct{}, 1), today: map[string]*day{}}
	f.run, f.cancel = context.WithCancel(context.Background())
	saved, ok, err := s.LoadReport(ctx)
	if err != nil {
		return nil, err
	}
	f.live, f.stale = newLine(saved.Gen+1, f.count), saved.Gen > 0
	switch {
	case !ok:
	case saved.Version != report.Version:
		cfg.Log.Info("the figures are made again: this build counts differently", zap.Int("version", saved.Version), zap.Int("now", report.Version))
	default:
		if err := json.Unmarshal(saved.State, f.live.proj); err != nil {
			cfg.Log.Warn("the figures are made again: their state cannot be read", zap.Error(err))
			f.live = newLine(saved.Gen+1, f.count)
			break
		}
		f.live.gen, f.live.seq, f.live.flushed, f.stale = saved.Gen, saved.Seq, saved.Seq, false
	}
	f.metrics = newMetrics(cfg.Registerer, f)
	return f, nil
}

// Start begins to follow the journal.
func (f *Follower) Start(context.Context) error {
	f.wg.Go(f.follow)
	return nil
}

// Stop counts and stores what the journal has, then ends. Safe to call twice.
func (f *Follower) Stop(ctx context.Context) error {
	if f.run.Err() != nil {
		return nil
	}
	f.cancel()
	f.wg.Wait()
	f.metrics.unregister()
	if err := f.take(ctx); err != nil {
		return fmt.Errorf("report: stop: %w", err)
	}
	defer f.give()
	// The rest of a long journal can wait for the next start.
	return errors.Join(f.catchUp(ctx, f.live, askAtMost), f.flush(ctx, f.live, true))
}

func (f *Follower) take(ctx context.Context) error {
	select {
	case f.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *Follower) give() { <-f.lock }

// follow is the goroutine.
func (f *Follower) follow() {
	poll := time.NewTicker(f.cfg.Poll)
	defer poll.Stop()
	stored, failing := f.cfg.Now(), false
	for {
		more, err := f.turn(&stored)
		switch {
		case errors.Is(err, context.Canceled):
		case err != nil && !failing:
			f.cfg.Log.Error("the figures cannot be brought up to date; it is tried again", zap.Error(err))
		case err == nil && failing:
			f.cfg.Log.Info("the figures are up to date again")
		}
		if failing = err != nil; failing {
			f.metrics.failures.Inc()
		}
		if more && err == nil && f.run.Err() == nil {
			continue // far behind: page after page
		}
		select {
		case <-f.run.Done():
			return
		case <-poll.C:
		}
	}
}

// turn reads one page and stores when it is time.
func (f *Follower) turn(stored *time.Time) (more bool, err error) {
	if err := f.take(f.run); err != nil {
		return false, err
	}
	defer f.give()
	if err := f.catchUp(f.run, f.live, page); err != nil {
		return false, err
	}
	now := f.cfg.Now()
	if len(f.live.pending) >= flushRows || now.Sub(*stored) >= f.cfg.FlushEvery || now.Before(*stored) {
		*stored = now
		if err := f.flush(f.run, f.live, true); err != nil {
			return false, err
		}
		if f.stale && f.live.seq == f.last {
			f.stale = false
			gen := f.live.gen
			f.wg.Go(func() {
				f.dropping.Lock()
				defer f.dropping.Unlock()
				if err := f.store.DropReports(f.run, gen); err != nil && f.run.Err() == nil {
					f.cfg.Log.Warn("old figures are left in the store", zap.Error(err))
				}
			})
		}
	}
	return f.live.seq < f.last, nil
}

// catchUp feeds at most n events' worth of the journal to l.
func (f *Follower) catchUp(ctx context.Context, l *line, n int) error {
	last, err := f.store.LastSeq(ctx)
	if err != nil {
		return err
	}
	f.last = last
	for l.seq < last && n > 0 {
		to := min(last, l.seq+page)
		events, err := f.store.JournalOf(ctx, "", l.seq+1, to, page, report.EventKinds)
		if err != nil {
			return err
		}
		for _, e := range events {
			l.proj.Feed(e)
		}
		f.metrics.events.Add(float64(len(events)))
		n -= page
		l.seq = to
	}
	return nil
}

// flush stores the pending rows of l with its position.
func (f *Follower) flush(ctx context.Context, l *line, active bool) error {
	if l.seq == l.flushed && l.flushed != 0 {
		return nil
	}
	start := time.Now()
	rows := make(map[report.Key]report.Counts, len(l.pending))
	for k, p := range l.pending {
		c, ok := l.base[k]
		if !ok {
			var err error
			if c, err = f.store.ReportCounts(ctx, l.gen, k); err != nil {
				return err
			}
		}
		c.Merge(p)
		rows[k] = c
	}
	state, err := json.Marshal(l.proj)
	if err != nil {
		return fmt.Errorf("report: save state: %w", err)
	}
	// Not ctx: who gives up waiting would not know whether the rows were stored.
	ctx = context.WithoutCancel(ctx)
	if err := f.store.SaveReport(ctx, Saved{Gen: l.gen, Active: active, Version: report.Version, Seq: l.seq, State: state}, rows); err != nil {
		// A disk that would not say "durable" may have taken them all the same.
		if seq, serr := f.store.ReportSeq(ctx, l.gen); serr != nil || seq != l.seq {
			return errors.Join(err, serr)
		}
	}
	l.flushed = l.seq
	clear(l.pending)
	l.remember(rows)
	f.metrics.flush.Observe(time.Since(start).Seconds())
	return nil
}

// remember keeps rows as they are stored, of the newest interval and the one before:
// almost all that is counted goes there, and a row costs a query each time it is read.
func (l *line) remember(rows map[report.Key]report.Counts) {
	newest := int64(0)
	for k, c := range rows {
		l.base[k] = c
		newest = max(newest, k.Start)
	}
	for k := range l.base {
		if k.Start < newest-report.Interval.Milliseconds() {
			delete(l.base, k)
		}
	}
}

// Question asks for lines of a report.
type Question struct {
	Tenant   string
	Kind     report.Kind
	Name     string // "" = all
	From, To time.Time
	Per      report.Period
	Zone     *time.Location
	After    report.Cursor
	Limit    int
}

// Answer is one page of a report.
type Answer struct {
	Lines []report.Line
	Next  string    // cursor of the page behind, "" = no more
	AsOf  time.Time // what runs still is counted up to here
	Lag   uint64    // events of the journal that are not counted yet; 0 but after a rebuild or an upgrade
}

// Ask answers with all that the journal holds, and with the time of agents up to
// now. It reads no more of the journal than a second or so of work: when the
// figures are being made for the first time, Lag says how many events they lack.
func (f *Follower) Ask(ctx context.Context, q Question) (a Answer, err error) {
	if err := f.take(ctx); err != nil {
		return a, err
	}
	if f.run.Err() == nil {
		if err := f.catchUp(ctx, f.live, askAtMost); err != nil {
			f.give()
			return a, err
		}
	}
	a.AsOf, a.Lag = f.cfg.Now(), f.last-f.live.seq
	from, to := q.After.From(q.From.UnixMilli(), q.Per), q.To.UnixMilli()
	more := f.unstored(q.Tenant, q.Kind, q.Name, from, to, a.AsOf.UnixMilli())
	// The first row is read while nothing can be stored: from then on the reader
	// sees the rows as they are now, and a long answer is in nobody's way.
	next, end := iter.Pull2(f.store.ReportRows(ctx, f.live.gen, q.Tenant, q.Kind, q.Name, from, to))
	defer end()
	r, err, ok := next()
	f.give()
	rows := func(yield func(report.Row, error) bool) {
		for ; ok; r, err, ok = next() {
			if !yield(r, err) {
				return
			}
		}
	}
	a.Lines, a.Next, err = report.Group(report.Overlay(rows, more), q.Per, q.Zone, q.After, q.Limit)
	if q.Per == report.PerTotal {
		for i := range a.Lines {
			a.Lines[i].Start, a.Lines[i].End = q.From.In(q.Zone), q.To.In(q.Zone)
		}
	}
	return a, err
}

// unstored lists what is pending or runs, by start and name.
func (f *Follower) unstored(tenant string, kind report.Kind, name string, from, to, now int64) []report.Row {
	more := map[report.Key]*report.Counts{}
	want := func(k report.Key) *report.Counts {
		if k.Tenant != tenant || k.Kind != kind || name != "" && k.Name != name || k.Start < from || k.Start >= to {
			return nil
		}
		c := more[k]
		if c == nil {
			c = &report.Counts{}
			more[k] = c
		}
		return c
	}
	for k, p := range f.live.pending {
		if c := want(k); c != nil {
			c.Merge(p)
		}
	}
	f.live.proj.Running(tenant, now, from, to, func(k report.Key, c report.Counter, n int64) {
		if x := want(k); x != nil {
			x.Add(c, n)
		}
	})
	out := make([]report.Row, 0, len(more))
	for k, c := range more {
		out = append(out, report.Row{Start: k.Start, Name: k.Name, Counts: *c})
	}
	report.SortRows(out)
	return out
}
