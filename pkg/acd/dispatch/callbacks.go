package dispatch

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/acd"
)

// Callbacks keeps callbacks over a restart. pkg/store implements it. Load is called
// before the dispatcher runs, Save away from its goroutine; both may take their time.
type Callbacks interface {
	// LoadCallbacks returns all of a tenant, in any order.
	LoadCallbacks(ctx context.Context, tenant string) ([]acd.Callback, error)
	// SaveCallbacks replaces those of list and forgets those of gone.
	SaveCallbacks(ctx context.Context, tenant string, list []acd.Callback, gone []string) error
}

// CallBack begins the call of a callback whose turn has come: with the first offer,
// which is the call's to take. The effects that concern the call go to sink. It runs in
// the middle of a step: it must neither block nor call the dispatcher. nil = no call can
// be made now.
type CallBack func(o acd.Offer, cb acd.Callback) (sink func(acd.Effect))

// callBack hands an offer for a callback to a call of its own.
func (d *Dispatcher) callBack(o acd.Offer) {
	if d.tell(o.CallID, o) {
		return // a further offer: the call is there
	}
	cb, ok := d.eng.Callback(o.Callback)
	if ok && d.begin != nil {
		if sink := d.begin(o, cb); sink != nil {
			d.sinks[o.CallID] = sink
			return
		}
	}
	d.log.Warn("no call can be made for a callback now", zap.String("callback", o.Callback), zap.String("queue", o.Queue))
	d.again = append(d.again, acd.Leave{CallID: o.CallID, Outcome: acd.LeftShutdown}) // it rests, and nothing counts
}

// CallbackList lists the tenant's callbacks in the order of asking.
func (d *Dispatcher) CallbackList(ctx context.Context) (list []acd.Callback, err error) {
	reply := make(chan []acd.Callback, 1)
	m := message{query: func(e *acd.Engine) { reply <- e.Callbacks() }}
	err = ask(ctx, d, m, reply, func(got []acd.Callback) error { list = got; return nil })
	return list, err
}

// callbackEffect carries out what concerns callbacks; false = it is something else.
func (d *Dispatcher) callbackEffect(now time.Time, f acd.Effect) bool {
	switch f := f.(type) {
	case acd.CallbackTaken:
		d.write(now, f.CallID, f.CallbackAsked)
		d.met.callbacks(f.Queue).asked.Inc()
		d.log.Info("will be called back", zap.String("call_id", f.CallID), zap.String("queue", f.Queue), zap.Int("position", f.Position))
		d.tell(f.CallID, f)
	case acd.CallbackRefused:
		d.log.Info("callback refused", zap.String("call_id", f.CallID), zap.String("queue", f.Queue), zap.String("reason", f.Why))
		d.tell(f.CallID, f)
	case acd.CallbackTried:
		d.write(now, f.CallID, f.CallbackTried)
		d.met.callbacks(f.Queue).tries[f.Outcome].Inc()
	case acd.CallbackOver:
		d.write(now, f.CallID, f.CallbackEnded)
		d.met.callbacks(f.Queue).ended[f.Outcome].Inc()
		d.log.Info("callback ended", zap.String("call_id", f.CallID), zap.String("queue", f.Queue), zap.String("result", f.Outcome),
			zap.Int("tries", f.Tries), zap.Int64("wait_ms", f.WaitMs))
	case acd.CallbackKept:
		if d.promises != nil {
			cb, ok := d.eng.Callback(f.ID)
			d.promises.put(f.ID, cb, ok)
		}
	default:
		return false
	}
	return true
}

// callbackMetrics are the series of one queue.
type callbackMetrics struct {
	asked prometheus.Counter
	tries map[string]prometheus.Counter
	ended map[string]prometheus.Counter
}

var descCallbacks = prometheus.NewDesc("centrala_callbacks", "Callbacks of a queue by state.", []string{"queue", "state"}, nil)

func newCallbackCounters() (asked, tries, ended *prometheus.CounterVec) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "centrala", Name: name, Help: help}, labels)
	}
	return counter("callbacks_asked_total", "Callers who asked to be called back.", "queue"),
		counter("callback_tries_total", "Numbers dialled for callbacks, by how it went.", "queue", "outcome"),
		counter("callbacks_ended_total", "Callbacks that ended, by how.", "queue", "outcome")
}

func (m *metrics) callbacks(queue string) *callbackMetrics { return m.queue(queue).callback }

// newCallbackMetrics makes a queue's series at zero.
func (m *metrics) newCallbackMetrics(label string) *callbackMetrics {
	c := &callbackMetrics{asked: m.cbAsked.WithLabelValues(label), tries: map[string]prometheus.Counter{}, ended: map[string]prometheus.Counter{}}
	for _, o := range acd.TryOutcomes {
		c.tries[o] = m.cbTries.WithLabelValues(label, o)
	}
	for _, o := range acd.CallbackOutcomes {
		c.ended[o] = m.cbEnded.WithLabelValues(label, o)
	}
	return c
}

// promises saves callbacks behind the dispatcher's back: only the last state of each
// matters, so what waits is bounded by their number.
type promises struct {
	*saver[*acd.Callback] // nil: gone
	store                 Callbacks
}

func newPromises(tenant string, store Callbacks, log *zap.Logger) *promises {
	return &promises{store: store,
		saver: newSaver(tenant, "callbacks", "callbacks not saved; a restart would forget them", log, func(ctx context.Context, batch map[string]*acd.Callback) error {
			var list []acd.Callback
			var gone []string
			for id, cb := range batch {
				if cb != nil {
					list = append(list, *cb)
				} else {
					gone = append(gone, id)
				}
			}
			slices.SortFunc(list, func(a, b acd.Callback) int { return strings.Compare(a.ID, b.ID) })
			slices.Sort(gone)
			return store.SaveCallbacks(ctx, tenant, list, gone)
		})}
}

// put notes a callback as it is now, or that it is gone.
func (p *promises) put(id string, cb acd.Callback, there bool) {
	if !there {
		p.saver.put(id, nil)
		return
	}
	p.saver.put(id, &cb)
}
