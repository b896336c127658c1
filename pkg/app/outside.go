package app

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/spend"
	"github.com/centrala/centrala/pkg/store"
)

// outside is what guards the way out of all tenants: limits, and what was used of
// them.
type outside struct {
	ledger  *spend.Ledger
	refused map[route.Why]prometheus.Counter
	cut     map[route.Why]prometheus.Counter
	journal event.Journal
	log     *zap.Logger
}

func (a *App) newOutside() *outside {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_calls_outside_refused_total",
		Help: "Calls to the outside that were refused for want of a right, by what stood against them."}, []string{"why"})
	a.opts.Registerer.MustRegister(vec)
	cut := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_calls_outside_cut_total",
		Help: "Conversations with the outside that were ended because what the day allows was used up."}, []string{"why"})
	a.opts.Registerer.MustRegister(cut)
	o := &outside{refused: map[route.Why]prometheus.Counter{}, cut: map[route.Why]prometheus.Counter{}, journal: a.store, log: a.log.Named("outside")}
	for _, w := range route.Whys {
		o.refused[w] = vec.WithLabelValues(string(w))
	}
	for _, w := range [...]route.Why{route.WhyMinutes, route.WhySpend} {
		o.cut[w] = cut.WithLabelValues(string(w))
	}
	routes := func() *route.Table {
		if d := a.dir.Load(); d != nil {
			return d.routes
		}
		return nil
	}
	o.ledger = spend.New(spend.Rules{
		Price: func(tenant, number string, d time.Duration) int64 {
			if t := routes(); t != nil {
				return t.Price(tenant, number, d)
			}
			return 0
		},
		Day: func(tenant string, now time.Time) time.Time {
			if t := routes(); t != nil {
				return t.Day(tenant, now)
			}
			return time.Time{}
		},
		User: func(tenant, device string) string {
			if t := routes(); t != nil {
				return t.Agent(tenant, device)
			}
			return ""
		},
		Help: func(tenant, number string) bool {
			if d := a.dir.Load(); d != nil && d.houses[tenant] != nil {
				return d.houses[tenant].Emergency(number)
			}
			return false
		},
	})
	return o
}

// loadOutside counts what was used today before this process began.
func (a *App) loadOutside(ctx context.Context) error {
	now, dir := time.Now(), a.dir.Load()
	for tenant := range dir.houses {
		// A call that began yesterday may have lasted into today.
		f := store.CallFilter{From: dir.routes.Day(tenant, now).Add(-a.cfg.Limits.MaxCallDuration.D()), Ended: true, Limit: 1000}
		for {
			calls, next, err := a.store.Calls(ctx, tenant, f)
			if err != nil {
				return err
			}
			for _, c := range calls {
				a.outside.ledger.Load(now, c)
			}
			if next == "" {
				break
			}
			f.Cursor = next
		}
	}
	return nil
}

// permit asks the limits about a call to the outside, and counts it when it may
// be made. device "" is a flow of the house.
func (o *outside) permit(h *house, now time.Time, device, number string) error {
	err := o.ledger.Permit(now, h.tenant, device, func(use func(string) route.Use) error {
		return h.routes.MayDial(now, h.tenant, device, number, use)
	})
	if err != nil {
		o.refuse(h, now, device, number, err)
	}
	return err
}

// refuse tells of a call that may not be made.
func (o *outside) refuse(h *house, now time.Time, device, number string, err error) {
	why, who := route.WhyOf(err)
	if c := o.refused[why]; c != nil {
		c.Inc()
	}
	if len(number) > 64 {
		number = number[:64]
	}
	o.journal.Append(event.Event{At: now, Tenant: h.tenant, Body: event.OutsideRefused{Device: device, Number: number, Why: string(why), Who: who}})
	o.log.Warn("call to the outside refused", zap.String("tenant", h.tenant), zap.String("device", device), zap.String("to", number),
		zap.String("reason", string(why)), zap.String("limit", who))
}

// cutEvery is how often running calls are held against the limits of the day: what
// a call may cost too much is a second of it.
const cutEvery = time.Second

func (a *App) startOutside() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.watchOutside(ctx)
	}()
	a.onStop("limits of calls outside", func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

// watchOutside ends the conversations for which nothing is left, until ctx ends.
func (a *App) watchOutside(ctx context.Context) {
	tick := time.NewTicker(cutEvery)
	defer tick.Stop()
	warned := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			a.cutOutside(now)
			warned = a.warnOutside(now, warned)
		}
	}
}

// warnBefore is how long before its end a call's own phone hears of it.
const warnBefore = 30 * time.Second

// warnOutside tells each conversation once that it will end soon.
func (a *App) warnOutside(now time.Time, warned map[string]bool) map[string]bool {
	next := map[string]bool{}
	for _, r := range a.outside.ledger.UsedUp(now, warnBefore, cutEvery, a.dir.Load().routes.UsedUp) {
		id := fmt.Sprint(r.CallID, "/", r.Leg)
		if next[id] = true; !warned[id] {
			a.calls.Warn(r.CallID, r.Leg)
		}
	}
	return next
}

func (a *App) cutOutside(now time.Time) {
	dir := a.dir.Load()
	for _, r := range a.outside.ledger.UsedUp(now, 0, cutEvery, dir.routes.UsedUp) {
		if h := dir.houses[r.Tenant]; h == nil || h.Emergency(r.Number) {
			continue // a call that was transferred to an emergency number
		}
		why, who := route.WhyOf(r.Why)
		a.calls.Cut(r.CallID, r.Leg, event.ReasonLimit)
		a.outside.cut[why].Inc()
		a.log.Warn("call to the outside ended: nothing is left for today", zap.String("call_id", r.CallID), zap.String("tenant", r.Tenant),
			zap.String("device", r.Device), zap.String("reason", string(why)), zap.String("limit", who))
	}
}
