package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/alarm"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
)

// alarmEvery is how often what has bounds is read.
const alarmEvery = time.Second

// alarms holds what queues, calls and the node are against their bounds, and tells
// the journal, the metrics and the pages.
type alarms struct {
	app    *App
	now    *prometheus.GaugeVec
	raised *prometheus.CounterVec
	stop   context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	board *alarm.Board

	// runner only
	seq    uint64                         // of the journal that was looked at
	silent map[alarm.Key]map[int]struct{} // legs of calls from which nothing comes
}

var alarmKinds = []string{event.AudioAlarm{}.Kind(), event.AudioCleared{}.Kind(), event.CallEnded{}.Kind()}

func (a *App) startAlarms(context.Context) error {
	m := &alarms{app: a, board: alarm.NewBoard(), seq: a.store.Newest(), silent: map[alarm.Key]map[int]struct{}{}, done: make(chan struct{}),
		now:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "centrala_alarms", Help: "Alarms that are raised now, of all tenants."}, []string{"alarm"}),
		raised: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_alarms_raised_total", Help: "Alarms raised."}, []string{"alarm"})}
	for _, k := range alarm.Kinds {
		m.now.WithLabelValues(string(k))
		m.raised.WithLabelValues(string(k))
	}
	a.opts.Registerer.MustRegister(m.now, m.raised)
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	a.alarms = m
	go m.run(ctx)
	a.onStop("alarms", func(context.Context) error {
		m.stop()
		<-m.done
		a.opts.Registerer.Unregister(m.now)
		a.opts.Registerer.Unregister(m.raised)
		return nil
	})
	return nil
}

func (m *alarms) run(ctx context.Context) {
	defer close(m.done)
	tick := time.NewTicker(alarmEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			m.over(time.Now())
			return
		case now := <-tick.C:
			m.look(ctx, now)
		}
	}
}

// look reads all that has bounds. What cannot be read now is as it was.
func (m *alarms) look(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	readings, err := m.readings(ctx, now)
	if err != nil {
		if ctx.Err() == nil {
			m.app.log.Warn("alarms were not looked at", zap.Error(err))
		}
		return
	}
	m.mu.Lock()
	raised, cleared := m.board.Step(now, readings)
	m.mu.Unlock()
	for _, r := range raised {
		m.now.WithLabelValues(string(r.Kind)).Inc()
		m.raised.WithLabelValues(string(r.Kind)).Inc()
		m.app.store.Append(event.Event{At: now, Tenant: r.Tenant, CallID: r.CallID, Body: event.AlarmRaised{Alarm: string(r.Kind), Queue: r.Queue, Value: r.Value, Limit: r.Limit}})
	}
	for _, c := range cleared {
		m.clear(now, c, "")
	}
}

func (m *alarms) clear(now time.Time, c alarm.Alarm, reason string) {
	m.now.WithLabelValues(string(c.Kind)).Dec()
	m.app.store.Append(event.Event{At: now, Tenant: c.Tenant, CallID: c.CallID, Body: event.AlarmCleared{Alarm: string(c.Kind), Queue: c.Queue, Value: c.Value,
		LastedMs: now.Sub(c.Since).Milliseconds(), Reason: reason}})
}

// over ends what is raised when the node stops: the next one raises anew what holds.
func (m *alarms) over(now time.Time) {
	m.mu.Lock()
	raised := m.board.Raised("")
	m.board = alarm.NewBoard()
	m.mu.Unlock()
	for _, r := range raised {
		m.clear(now, r, "stopped")
	}
}

func (m *alarms) readings(ctx context.Context, now time.Time) ([]alarm.Reading, error) {
	var out []alarm.Reading
	for tenant, h := range m.app.dir.Load().houses {
		r, err := m.ofQueues(ctx, tenant, h, now)
		if err != nil {
			return nil, err
		}
		out = append(out, r...)
	}
	if err := m.follow(ctx); err != nil {
		return nil, err
	}
	for k := range m.silent {
		out = append(out, alarm.Reading{Key: k, Value: 5, Limit: 5, Past: true}) // the leg's own alarm comes after 5 s
	}
	if st := m.app.recorder.Storage(); st.TotalBytes > 0 {
		free := 100 * float64(st.FreeBytes) / float64(st.TotalBytes)
		out = append(out, alarm.Reading{Key: alarm.Key{Tenant: resource.DefaultTenant, Kind: alarm.DiskLow}, Value: free,
			Limit: float64(m.app.cfg.Recordings.AlarmPercent), Past: st.Low})
	}
	return out, nil
}

// ofQueues reads the queues of a tenant that have bounds; without any it costs nothing.
func (m *alarms) ofQueues(ctx context.Context, tenant string, h *house, now time.Time) (out []alarm.Reading, err error) {
	rules := map[string]alarm.Rules{}
	for name, q := range h.queues {
		if r := q.Alarms.Rules(); r != (alarm.Rules{}) {
			rules[name] = r
		}
	}
	if len(rules) == 0 {
		return nil, nil
	}
	s, err := h.acd.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	figures, err := m.app.figures.of(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for _, q := range s.Queues {
		r, ok := rules[q.Name]
		if !ok {
			continue
		}
		at := alarm.Queue{Waiting: q.Waiting, Oldest: q.Oldest, Ready: q.Free, LoggedIn: q.LoggedIn}
		recent := figures.recent[q.Name]
		if sl, ok := serviceLevel.Value(&recent); ok {
			at.ServiceLevel, at.Callers = sl, serviceLevel.Den.Of(&recent)
		}
		out = append(out, r.Read(tenant, q.Name, at, now)...)
	}
	return out, nil
}

// follow reads in the journal which calls have a silent side.
func (m *alarms) follow(ctx context.Context) error {
	const page = 500
	for {
		last := m.app.store.Newest()
		if last <= m.seq {
			return nil
		}
		events, err := m.app.store.JournalOf(ctx, "", m.seq+1, last, page, alarmKinds)
		if err != nil {
			return err
		}
		for _, e := range events {
			k := alarm.Key{Tenant: e.Tenant, Kind: alarm.OneWayAudio, CallID: e.CallID}
			switch b := e.Body.(type) {
			case event.AudioAlarm:
				if m.silent[k] == nil {
					m.silent[k] = map[int]struct{}{}
				}
				m.silent[k][b.Leg] = struct{}{}
			case event.AudioCleared:
				if delete(m.silent[k], b.Leg); len(m.silent[k]) == 0 {
					delete(m.silent, k)
				}
			case event.CallEnded:
				delete(m.silent, k)
			}
		}
		if len(events) < page {
			m.seq = last
			return nil
		}
		m.seq = events[len(events)-1].Seq
	}
}

// of lists a tenant's alarms for the pages.
func (m *alarms) of(tenant string) []api.LiveAlarm {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []api.LiveAlarm{}
	for _, r := range m.board.Raised(tenant) {
		out = append(out, api.LiveAlarm{Alarm: string(r.Kind), Queue: r.Queue, CallID: r.CallID, Value: r.Value, Limit: r.Limit, Since: r.Since.UTC()})
	}
	return out
}
