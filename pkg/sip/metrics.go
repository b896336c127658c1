package sip

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/centrala/centrala/pkg/sip/ban"
	"github.com/centrala/centrala/pkg/sip/overload"
)

// Reasons of dropped_total, the closed set.
const (
	dropRead        = iota // a socket could not be read
	dropSend               // a message could not be sent
	dropQueue              // an owner's queue was full
	dropStray              // a response or ACK without a transaction
	dropSlow               // a TCP peer was too slow or silent
	dropConnections        // too many TCP connections
	dropPanic              // our own fault, see the log
	dropBrake              // a source that guesses passwords
	dropCommand            // a dialog's command queue was full
	dropBanned             // from a banned source, unread
	dropSlowed             // not answered: its source sends what scanners send
	numDrops
)

var dropNames = [numDrops]string{"read_error", "send_error", "queue_full", "stray", "slow_peer", "connection_limit", "panic", "auth_brake", "command_overflow", "banned", "slowed"}

// Limits of refused_total, the closed set.
const (
	capDialogs = iota
	capDialogsSource
	capTransactions
	capTransactionsSource
	numCaps
)

var capNames = [numCaps]string{"dialogs", "dialogs_per_source", "transactions", "transactions_per_source"}

// methods are the label values of a method; all else is "OTHER".
var methods = []string{"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY", "SUBSCRIBE", "MESSAGE", "PUBLISH", "OTHER"}

var classes = []string{"1xx", "2xx", "3xx", "4xx", "5xx", "6xx"}

// metrics are counters found without a label lookup: the hot path adds one.
type metrics struct {
	requests        map[string]*[len(protos)]prometheus.Counter // method; as protos
	responses       map[string]*[6]prometheus.Counter
	parseErrors     map[string]*[len(protos)]prometheus.Counter
	dropped         [numDrops]prometheus.Counter
	retransmissions prometheus.Counter
	switched        prometheus.Counter
	authFailures    prometheus.Counter
	faults          prometheus.Counter
	dialogs         prometheus.Gauge
	transactions    prometheus.Gauge
	connections     prometheus.Gauge
	registrations   prometheus.Gauge
	subscriptions   prometheus.Gauge
	notifies        prometheus.Counter
	bans            prometheus.Gauge
	bansTotal       map[ban.Reason]prometheus.Counter
	shed            [2]prometheus.Counter // by overload.Kind
	refused         [numCaps]prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_sip_" + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "centrala_sip_" + name, Help: help})
	}
	req := counter("requests_total", "SIP requests received, retransmissions included.", "method", "transport")
	res := counter("responses_total", "SIP responses sent, by the request's method.", "method", "class")
	perr := counter("parse_errors_total", "SIP messages refused for their form.", "transport", "reason")
	drop := counter("dropped_total", "SIP messages and connections dropped without an answer.", "reason")
	ret := counter("retransmissions_total", "SIP messages sent again.")
	switched := counter("tcp_switches_total", "Requests too large for UDP that went by TCP (RFC 3261 18.1.1).")
	auth := counter("auth_failures_total", "Requests with wrong credentials.")
	bans := counter("bans_total", "Sources banned.", "reason")
	shed := counter("shed_total", "New requests refused with 503 because the node is busy.", "method")
	refused := counter("refused_total", "Requests refused with 503 because a cap was reached.", "limit")
	fault := counter("dialog_faults_total", "Events that a dialog in that state should not see.")
	m := &metrics{
		requests: map[string]*[len(protos)]prometheus.Counter{}, responses: map[string]*[6]prometheus.Counter{},
		parseErrors:     map[string]*[len(protos)]prometheus.Counter{},
		retransmissions: ret.WithLabelValues(), switched: switched.WithLabelValues(), authFailures: auth.WithLabelValues(), faults: fault.WithLabelValues(),
		dialogs:       gauge("dialogs", "SIP dialogs alive."),
		transactions:  gauge("transactions", "SIP transactions kept, those that only absorb retransmissions included."),
		connections:   gauge("connections", "Connections open: TCP, TLS and WebSocket."),
		registrations: gauge("registrations", "Registered contacts."),
		subscriptions: gauge("subscriptions", "Subscriptions of phones to lamps and voice mail."),
		notifies:      prometheus.NewCounter(prometheus.CounterOpts{Name: "centrala_sip_notifies_total", Help: "NOTIFYs sent to subscribers, repetitions not counted."}),
		bans:          gauge("bans", "Sources that are not listened to."),
		bansTotal:     map[ban.Reason]prometheus.Counter{},
		shed:          [2]prometheus.Counter{overload.Call: shed.WithLabelValues("INVITE"), overload.Register: shed.WithLabelValues("REGISTER")},
	}
	for _, name := range methods {
		var q [len(protos)]prometheus.Counter
		for i, proto := range protos {
			q[i] = req.WithLabelValues(name, proto)
		}
		m.requests[name] = &q
		var c [6]prometheus.Counter
		for i, class := range classes {
			c[i] = res.WithLabelValues(name, class)
		}
		m.responses[name] = &c
	}
	for _, reason := range parseReasons {
		var q [len(protos)]prometheus.Counter
		for i, proto := range protos {
			q[i] = perr.WithLabelValues(proto, reason)
		}
		m.parseErrors[reason] = &q
	}
	for _, reason := range ban.Reasons {
		m.bansTotal[reason] = bans.WithLabelValues(string(reason))
	}
	for i, reason := range dropNames {
		m.dropped[i] = drop.WithLabelValues(reason)
	}
	for i, limit := range capNames {
		m.refused[i] = refused.WithLabelValues(limit)
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{req, res, perr, drop, ret, switched, auth, fault, m.dialogs, m.transactions, m.connections, m.registrations, m.subscriptions, m.notifies, m.bans, bans, shed, refused} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) request(method, proto string) {
	c := m.requests[method]
	if c == nil {
		c = m.requests["OTHER"]
	}
	c[protoIndex(proto)].Inc()
}

func (m *metrics) response(method string, code int) {
	c := m.responses[method]
	if c == nil {
		c = m.responses["OTHER"]
	}
	if i := code/100 - 1; i >= 0 && i < len(c) {
		c[i].Inc()
	}
}

func (m *metrics) parseError(proto, reason string) {
	if c := m.parseErrors[reason]; c != nil {
		c[protoIndex(proto)].Inc()
	}
}
