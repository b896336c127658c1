package store

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	events   prometheus.Counter
	failures prometheus.Counter
	bad      prometheus.Counter
	waiting  prometheus.Gauge
	commit   prometheus.Histogram
	sync     prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) metrics {
	seconds := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	m := metrics{
		events:   prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_store_events_total", Help: "Events written to the journal."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_store_write_failures_total", Help: "Transactions that the disk or the database refused; they are tried again."}),
		bad:      prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_store_events_unencodable_total", Help: "Events whose body could not be written as JSON; kept with the fault in its place."}),
		waiting:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "centrala_store_queue_events", Help: "Events that waited for the writer at its last transaction."}),
		commit:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "centrala_store_commit_seconds", Help: "Time to write one transaction.", Buckets: seconds}),
		sync:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "centrala_store_sync_seconds", Help: "Time of the disk to make a transaction durable.", Buckets: seconds}),
	}
	if r != nil {
		r.MustRegister(m.events, m.failures, m.bad, m.waiting, m.commit, m.sync)
	}
	return m
}
