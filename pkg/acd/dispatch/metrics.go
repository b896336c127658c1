package dispatch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/centrala/centrala/pkg/acd"
)

// maxQueueLabels bounds the queue label of one tenant; further queues share
// "other".
const maxQueueLabels = 1000

const otherQueue = "other"

// metrics are one tenant's. Counters and histograms are kept by the owner;
// gauges are asked of the engine at each scrape, so they cost nothing between.
type metrics struct {
	reg    prometheus.Registerer
	all    []prometheus.Collector
	d      *Dispatcher
	queues map[string]*queueMetrics // owner only

	joined, answered, leftTotal, offers *prometheus.CounterVec
	wait, answer, missed                *prometheus.HistogramVec
	estimates                           *prometheus.CounterVec
	cbAsked, cbTries, cbEnded           *prometheus.CounterVec
	faults, breaches                    *prometheus.CounterVec
	full                                prometheus.Counter
	step                                prometheus.Histogram
}

// queueMetrics are the series of one queue, looked up once.
type queueMetrics struct {
	joined       prometheus.Counter
	inSL, late   prometheus.Counter
	leftBy       map[string]prometheus.Counter
	waitBy       map[string]prometheus.Observer
	offersBy     map[string]prometheus.Counter
	answer       prometheus.Observer
	missed       prometheus.Observer
	heldBy       map[bool]prometheus.Counter
	callback     *callbackMetrics
	serviceLevel time.Duration
	shortAbandon time.Duration // -1 ms: none is short
}

// waitBuckets follow what a caller feels, from "at once" to an hour.
var waitBuckets = []float64{1, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600}

// missBuckets are differences of a wait from its estimate.
var missBuckets = []float64{-600, -300, -120, -60, -30, -10, 0, 10, 30, 60, 120, 300, 600}

func newMetrics(tenant string, reg prometheus.Registerer, d *Dispatcher) *metrics {
	m := &metrics{d: d, queues: map[string]*queueMetrics{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "centrala", Name: name, Help: help}, labels)
	}
	m.joined = counter("queue_joined_total", "Callers who got into a queue.", "queue")
	m.answered = counter("queue_answered_total", "Callers answered by an agent, within the queue's service level or not.", "queue", "in_sl")
	m.leftTotal = counter("queue_left_total", "Callers who left a queue or were refused, by reason.", "queue", "reason")
	m.offers = counter("agent_offers_total", "Offers to agents, by how they ended.", "queue", "result")
	m.breaches = counter("acd_breaches_total", "Promises of the queue engine that the auditor found broken, and repaired.", "rule")
	m.faults = counter("acd_faults_total", "Events the queue engine could not make sense of.", "rule")
	m.wait = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "centrala", Name: "queue_wait_seconds",
		Help: "Time in a queue, by how it ended.", Buckets: waitBuckets}, []string{"queue", "outcome"})
	m.answer = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "centrala", Name: "agent_answer_seconds",
		Help: "Time from offer to answer.", Buckets: []float64{0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60}}, []string{"queue"})
	m.estimates = counter("queue_estimates_total", "Estimates of the wait, made when callers joined, by whether the wait was no longer.", "queue", "held")
	m.missed = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "centrala", Name: "queue_estimate_error_seconds",
		Help: "Wait of answered callers less the estimate made when they joined; below zero they waited less.", Buckets: missBuckets}, []string{"queue"})
	m.cbAsked, m.cbTries, m.cbEnded = newCallbackCounters()
	m.full = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "centrala", Name: "acd_mailbox_full_total",
		Help: "Times somebody had to wait for the queue engine's mailbox."})
	m.step = prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "centrala", Name: "acd_step_seconds",
		Help: "Time to decide on one event and carry the effects out.", Buckets: []float64{1e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2, 0.1}})
	for _, rule := range acd.Faults {
		m.faults.WithLabelValues(rule)
	}
	m.faults.WithLabelValues(rulePanic)
	for _, rule := range acd.BreachRules {
		m.breaches.WithLabelValues(rule)
	}
	if reg != nil {
		m.reg = prometheus.WrapRegistererWith(prometheus.Labels{"tenant": tenant}, reg)
		m.all = []prometheus.Collector{m.joined, m.answered, m.leftTotal, m.offers, m.faults, m.breaches, m.wait, m.answer, m.estimates, m.missed, m.cbAsked, m.cbTries, m.cbEnded, m.full, m.step, &gauges{d}}
		m.reg.MustRegister(m.all...)
	}
	return m
}

func (m *metrics) unregister() {
	for _, c := range m.all {
		m.reg.Unregister(c)
	}
}

// configure makes the series of new queues at zero and takes service levels.
func (m *metrics) configure(queues []acd.Queue) {
	for _, q := range queues {
		s := m.queue(q.Name)
		s.serviceLevel = q.ServiceLevel
		if s.serviceLevel <= 0 {
			s.serviceLevel = 20 * time.Second
		}
		switch s.shortAbandon = q.ShortAbandon; {
		case s.shortAbandon == 0:
			s.shortAbandon = 5 * time.Second
		case s.shortAbandon < 0:
			s.shortAbandon = -time.Millisecond
		}
	}
}

func (m *metrics) queue(name string) *queueMetrics {
	if s := m.queues[name]; s != nil {
		return s
	}
	label := name
	if len(m.queues) >= maxQueueLabels {
		label = otherQueue
	}
	s := &queueMetrics{
		joined: m.joined.WithLabelValues(label),
		inSL:   m.answered.WithLabelValues(label, "yes"), late: m.answered.WithLabelValues(label, "no"),
		answer: m.answer.WithLabelValues(label),
		missed: m.missed.WithLabelValues(label),
		heldBy: map[bool]prometheus.Counter{true: m.estimates.WithLabelValues(label, "yes"), false: m.estimates.WithLabelValues(label, "no")},
		leftBy: map[string]prometheus.Counter{}, waitBy: map[string]prometheus.Observer{}, offersBy: map[string]prometheus.Counter{},
		serviceLevel: 20 * time.Second, shortAbandon: 5 * time.Second,
		callback: m.newCallbackMetrics(label),
	}
	for _, o := range acd.LeftOutcomes {
		s.leftBy[o] = m.leftTotal.WithLabelValues(label, o)
		if o != acd.LeftFull { // who is refused has not waited
			s.waitBy[o] = m.wait.WithLabelValues(label, o)
		}
	}
	for _, o := range acd.OfferOutcomes {
		s.offersBy[o] = m.offers.WithLabelValues(label, o)
	}
	m.queues[name] = s
	return s
}

func (m *metrics) left(f acd.LeftQueue) {
	s := m.queue(f.Queue)
	s.leftBy[f.Outcome].Inc()
	if w := s.waitBy[f.Outcome]; w != nil {
		w.Observe(f.Wait.Seconds())
	}
	// Who left before the estimate was over tells nothing of it.
	if f.Estimate > 0 && (f.Outcome == acd.LeftAnswered || f.Wait > f.Estimate) {
		s.heldBy[f.Wait <= f.Estimate].Inc()
		if f.Outcome == acd.LeftAnswered {
			s.missed.Observe((f.Wait - f.Estimate).Seconds())
		}
	}
	if f.Outcome == acd.LeftAnswered {
		if f.Wait <= s.serviceLevel {
			s.inSL.Inc()
		} else {
			s.late.Inc()
		}
	}
}

func (m *metrics) refused(f acd.Refused) { m.queue(f.Queue).leftBy[f.Outcome].Inc() }

func (m *metrics) offerEnded(f acd.OfferEnded) {
	s := m.queue(f.Queue)
	s.offersBy[f.Outcome].Inc()
	if f.Outcome == acd.OutcomeAccepted {
		s.answer.Observe(f.Ring.Seconds())
	}
}

// gauges collects what stands now.
type gauges struct{ d *Dispatcher }

var (
	descWaiting = prometheus.NewDesc("centrala_queue_waiting", "Callers in a queue, those being offered included.", []string{"queue"}, nil)
	descOldest  = prometheus.NewDesc("centrala_queue_oldest_wait_seconds", "How long the caller waiting longest has waited; 0 = nobody waits.", []string{"queue"}, nil)
	descAgents  = prometheus.NewDesc("centrala_agents", "Agents of a queue by state; an agent in several queues counts in each.", []string{"queue", "state"}, nil)
	descMailbox = prometheus.NewDesc("centrala_acd_mailbox_length", "Events that wait for the queue engine.", nil, nil)
)

func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- descWaiting
	ch <- descOldest
	ch <- descAgents
	ch <- descMailbox
	ch <- descCallbacks
}

// scrapeTimeout bounds how long a scrape waits for the owner: a scrape without
// queues beats one that hangs.
const scrapeTimeout = 2 * time.Second

func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descMailbox, float64(len(g.d.in)))
	if !g.d.running.Load() {
		return
	}
	timeout := time.NewTimer(scrapeTimeout)
	defer timeout.Stop()
	reply := make(chan []acd.QueueStats, 1)
	g.d.queue.Add(1) // what is posted meanwhile waits behind this
	select {
	case g.d.in <- message{stats: reply}:
	case <-g.d.done:
		g.d.queue.Add(-1)
		return
	case <-timeout.C:
		g.d.queue.Add(-1)
		return
	}
	var stats []acd.QueueStats
	select {
	case stats = <-reply:
	case <-g.d.done:
		return
	case <-timeout.C:
		return
	}
	words := acd.StateWords()
	for i, q := range stats {
		if i == maxQueueLabels { // gauges of further queues would have to share a series
			return
		}
		gauge(descWaiting, float64(q.Waiting), q.Name)
		oldest := 0.0
		if !q.Oldest.IsZero() {
			oldest = max(0, time.Since(q.Oldest).Seconds())
		}
		gauge(descOldest, oldest, q.Name)
		for s, n := range q.States {
			gauge(descAgents, float64(n), q.Name, words[s])
		}
		for s, n := range q.Callbacks {
			gauge(descCallbacks, float64(n), q.Name, acd.CallbackStates[s])
		}
	}
}

// rulePanic counts steps that failed: guard.
const rulePanic = "panic"
