package call

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/sdp"
)

// metrics of this room; labels come from the closed lists of pkg/event.
type metrics struct {
	ended        *prometheus.CounterVec
	setup, talk  *prometheus.HistogramVec
	overflow     prometheus.Counter
	faults       prometheus.Counter
	promptFaults prometheus.Counter
	transfers    *prometheus.CounterVec
	sdpRefused   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, limit, calls, parked func() int) *metrics {
	m := &metrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_calls_ended_total",
			Help: "Calls ended, by verdict. Refused INVITEs count too."}, []string{"direction", "result", "reason"}),
		setup: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "centrala_call_setup_seconds",
			Help: "From the caller's INVITE to its 200.", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60}}, []string{"direction"}),
		talk: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "centrala_call_talk_seconds",
			Help: "Time two legs were bridged, hold apart.", Buckets: []float64{5, 15, 30, 60, 120, 180, 300, 600, 1200, 3600}}, []string{"direction"}),
		overflow: prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_call_mailbox_full_total",
			Help: "Events lost because a call's mailbox was full."}),
		faults: prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_call_faults_total",
			Help: "Events whose handling failed; their calls were ended."}),
		promptFaults: prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_call_prompt_faults_total",
			Help: "Prompts that could not be opened or decoded."}),
	}
	m.transfers = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_call_transfers_total",
		Help: "Transfers, parked calls and further parties asked for, by how they ended."}, []string{"transfer", "outcome"})
	for _, t := range event.Transfers {
		for _, outcome := range event.TransferOutcomes {
			m.transfers.WithLabelValues(t, outcome)
		}
	}
	m.sdpRefused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_call_sdp_refused_total",
		Help: "Session descriptions refused unread."}, []string{"reason"})
	for _, f := range sdpFaults {
		m.sdpRefused.WithLabelValues(f.reason)
	}
	for _, d := range directions {
		m.setup.WithLabelValues(string(d))
		m.talk.WithLabelValues(string(d))
		for _, r := range event.Results {
			for _, why := range event.Reasons {
				m.ended.WithLabelValues(string(d), string(r), string(why))
			}
		}
	}
	if reg != nil {
		reg.MustRegister(m.ended, m.transfers, m.setup, m.talk, m.overflow, m.faults, m.promptFaults, m.sdpRefused,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "centrala_calls", Help: "Calls in progress."}, func() float64 { return float64(calls()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "centrala_calls_parked", Help: "Calls in parking slots."}, func() float64 { return float64(parked()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "centrala_calls_limit", Help: "Most calls at a time; more are refused with 503."},
				func() float64 { return float64(limit()) }))
	}
	return m
}

// sdpFaults name why sdp.Parse refuses a description.
var sdpFaults = []struct {
	err    error
	reason string
}{{sdp.ErrTooLarge, "too_large"}, {sdp.ErrHostName, "host_name"}, {sdp.ErrSyntax, "malformed"}}

// parseSDP is sdp.Parse, counted.
func (m *metrics) parseSDP(body []byte) (*sdp.Session, error) {
	s, err := sdp.Parse(body)
	for _, f := range sdpFaults {
		if errors.Is(err, f.err) {
			m.sdpRefused.WithLabelValues(f.reason).Inc()
			break
		}
	}
	return s, err
}

var directions = []event.Direction{event.Inbound, event.Outbound, event.Internal}

// count takes the figures from the few events that metrics are made of.
func (m *metrics) count(d event.Direction, b event.Body) {
	var e event.CallEnded
	switch b := b.(type) {
	case event.CallEnded:
		e = b
	case event.TransferAsked:
		if b.Code != 202 {
			m.transfers.WithLabelValues(b.Transfer, "refused").Inc()
		}
		return
	case event.TransferEnded:
		m.transfers.WithLabelValues(b.Transfer, b.Outcome).Inc()
		return
	default:
		return
	}
	m.ended.WithLabelValues(string(d), string(e.Result), string(e.Reason)).Inc()
	if e.SetupMs > 0 {
		m.setup.WithLabelValues(string(d)).Observe(float64(e.SetupMs) / 1000)
	}
	if e.TalkMs > 0 {
		m.talk.WithLabelValues(string(d)).Observe(float64(e.TalkMs) / 1000)
	}
}

// refused counts an INVITE that never became a call.
func (m *metrics) refused(d event.Direction, why event.Reason) {
	r := event.ResultCaller
	if why == event.ReasonOverload || why == event.ReasonError {
		r = event.ResultOurs
	}
	m.ended.WithLabelValues(string(d), string(r), string(why)).Inc()
}
