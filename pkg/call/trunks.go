package call

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

// DefaultFailover are the answers that send a call to the next trunk: they speak
// of the carrier, not of the callee.
var DefaultFailover = []int{408, 500, 502, 503, 504}

// defaultResponse is how long a trunk may say nothing at all. A carrier's first
// answer (100 Trying) takes a round trip; four seconds let UDP try four times.
const defaultResponse = 4 * time.Second

// nextTrunk tells whether a refusal leads to the next trunk. That nobody may
// have rung is the machine's to see.
func (o *owner) nextTrunk(l *legHandle, f sip.Failed) bool {
	t := o.house.Trunk(l.trunk)
	if t == nil {
		return false
	}
	switch {
	case f.Timeout:
		return time.Since(l.began) < t.RingTimeout // else it was the ring time that ran out
	case f.Code == 503 && f.Reason == "transport failed":
		return true
	case t.Failover != nil:
		return slices.Contains(t.Failover, f.Code)
	}
	return slices.Contains(DefaultFailover, f.Code)
}

// codeTowardsCaller keeps the far side's status for the caller where it means
// the same there. 0 = ours to choose.
func codeTowardsCaller(code int) int {
	switch code {
	case 401, 407: // our own credentials: the caller has nothing to do with them
		return 403
	case 415, 606:
		return 488
	case 405, 406, 413, 414, 416, 420, 421, 422, 423, 481, 482, 483, 491, 493, 494:
		return 500 // between us and the carrier
	case 503:
		// RFC 3261 16.7, 6: the caller would turn its back on us, not on the carrier.
		return 500
	}
	if code < 400 || code > 699 {
		return 0
	}
	return code
}

// safeReason makes a Reason header of the far side (RFC 3326) fit to be passed
// on: protocol and cause, and the text without anything that could hurt; "" when
// it is none.
func safeReason(v string) string {
	protocol, rest, _ := strings.Cut(v, ";")
	protocol = strings.ToUpper(strings.TrimSpace(protocol))
	if protocol != "SIP" && protocol != "Q.850" {
		return ""
	}
	cause, text := "", ""
	for p := range strings.SplitSeq(rest, ";") {
		k, val, _ := strings.Cut(p, "=")
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "cause":
			cause = strings.TrimSpace(val)
		case "text":
			text = strings.Trim(strings.TrimSpace(val), `"`)
		}
	}
	if len(cause) == 0 || len(cause) > 3 || strings.Trim(cause, "0123456789") != "" {
		return ""
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, text)
	out := protocol + ";cause=" + cause
	if text != "" {
		out += fmt.Sprintf(`;text="%s"`, text[:min(len(text), 64)])
	}
	return out
}

func wordHeader(word string) []sip.Header {
	if word == "" {
		return nil
	}
	return []sip.Header{{Name: "Reason", Value: word}}
}

// TrunkName names a trunk of the configuration.
type TrunkName struct{ Tenant, Trunk string }

// trunkMetrics tell of calls on trunks; the labels are names of the configuration.
type trunkMetrics struct {
	calls     *prometheus.GaugeVec
	responses *prometheus.CounterVec
	delay     *prometheus.HistogramVec
	mos       *prometheus.HistogramVec
	known     map[TrunkName]bool // guarded by Manager.mu
}

// trunkClasses are the outcomes of an INVITE on a trunk.
var trunkClasses = []string{"2xx", "3xx", "4xx", "5xx", "6xx", "timeout"}

func newTrunkMetrics(reg prometheus.Registerer) *trunkMetrics {
	m := &trunkMetrics{
		calls: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "centrala_trunk_calls", Help: "Calls on the trunk now."}, []string{"tenant", "trunk", "direction"}),
		responses: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_trunk_responses_total",
			Help: "Final answers of the carrier to our INVITEs; timeout: none came."}, []string{"tenant", "trunk", "class"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "centrala_trunk_post_dial_delay_seconds",
			Help: "From our INVITE to the first 18x or 200 of the carrier.", Buckets: []float64{.1, .25, .5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 30}}, []string{"tenant", "trunk"}),
		mos: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "centrala_trunk_mos",
			Help:    "Mean opinion score (ITU-T G.107) of each call on the trunk, as we heard it.",
			Buckets: []float64{2, 2.58, 3.1, 3.6, 4.03, 4.34, 4.5}}, []string{"tenant", "trunk"}),
		known: map[TrunkName]bool{},
	}
	if reg != nil {
		reg.MustRegister(m.calls, m.responses, m.delay, m.mos)
	}
	return m
}

// SetTrunks names the trunks there are, so that each shows its figures from the
// start and those that are gone do not.
func (m *Manager) SetTrunks(list []TrunkName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.trunkMetrics
	next := map[TrunkName]bool{}
	for _, n := range list {
		next[n] = true
		t.calls.WithLabelValues(n.Tenant, n.Trunk, "in")
		t.calls.WithLabelValues(n.Tenant, n.Trunk, "out")
		t.delay.WithLabelValues(n.Tenant, n.Trunk)
		t.mos.WithLabelValues(n.Tenant, n.Trunk)
		for _, c := range trunkClasses {
			t.responses.WithLabelValues(n.Tenant, n.Trunk, c)
		}
	}
	for n := range t.known {
		if !next[n] {
			labels := prometheus.Labels{"tenant": n.Tenant, "trunk": n.Trunk}
			t.calls.DeletePartialMatch(labels)
			t.delay.DeletePartialMatch(labels)
			t.mos.DeletePartialMatch(labels)
			t.responses.DeletePartialMatch(labels)
		}
	}
	t.known = next
}

// TrunkCalls is the number of calls on a trunk, both ways.
func (m *Manager) TrunkCalls(tenant, trunk string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trunks[tenant+"/"+trunk]
}

// onTrunk counts a call on a trunk, by +1 or -1. Under mu.
func (m *Manager) onTrunk(tenant, trunk string, inward bool, by float64) {
	if !m.trunkMetrics.known[TrunkName{tenant, trunk}] {
		return // its series are gone
	}
	direction := "out"
	if inward {
		direction = "in"
	}
	m.trunkMetrics.calls.WithLabelValues(tenant, trunk, direction).Add(by)
}

// trunkSound counts how a call on a trunk sounded, if it is one and anything was heard.
func (m *Manager) trunkSound(tenant, trunk string, a *event.Audio) {
	if trunk == "" || a == nil || a.MOSIn == nil {
		return
	}
	m.mu.Lock()
	known := m.trunkMetrics.known[TrunkName{tenant, trunk}]
	m.mu.Unlock()
	if known {
		m.trunkMetrics.mos.WithLabelValues(tenant, trunk).Observe(a.MOSIn.Mean)
	}
}

// trunkAnswered takes the first sign of life of a call out, and its 200.
func (m *Manager) trunkAnswered(tenant string, l *legHandle, code int) {
	if l.trunk == "" {
		return
	}
	m.mu.Lock()
	known := m.trunkMetrics.known[TrunkName{tenant, l.trunk}]
	m.mu.Unlock()
	if !known {
		return
	}
	if !l.heard {
		l.heard = true
		m.trunkMetrics.delay.WithLabelValues(tenant, l.trunk).Observe(time.Since(l.began).Seconds())
	}
	if code >= 200 {
		m.trunkMetrics.responses.WithLabelValues(tenant, l.trunk, "2xx").Inc()
	}
}

func (m *Manager) trunkFailed(tenant string, l *legHandle, f sip.Failed) {
	if l.trunk == "" {
		return
	}
	m.mu.Lock()
	known := m.trunkMetrics.known[TrunkName{tenant, l.trunk}]
	m.mu.Unlock()
	if !known {
		return
	}
	class := fmt.Sprintf("%dxx", f.Code/100)
	if f.Timeout || f.Code == 503 && f.Reason == "transport failed" {
		class = "timeout"
	}
	if slices.Contains(trunkClasses, class) {
		m.trunkMetrics.responses.WithLabelValues(tenant, l.trunk, class).Inc()
	}
}

// reasonOfRoute maps an error of the house's routing to our closed list.
func reasonOfRoute(err error) event.Reason {
	switch {
	case errors.Is(err, route.ErrForbidden):
		return event.ReasonForbidden
	case errors.Is(err, route.ErrFull):
		return event.ReasonOverload
	case errors.Is(err, route.ErrDown):
		return event.ReasonUnreachable
	}
	return event.ReasonNotFound
}

// dialOutside finds the trunks for a number that a flow dials.
func (o *owner) dialOutside(number string, one bool) {
	routes, err := o.house.Outside(number)
	if err != nil {
		o.then(DialFailed{Reason: reasonOfRoute(err), Detail: err.Error()})
		return
	}
	if one {
		o.dialTrunk(routes[0].Trunk, routes[0].Number)
		return
	}
	targets := make([]string, len(routes))
	for i, r := range routes {
		targets[i] = "trunk:" + r.Trunk + ":" + r.Number
	}
	o.then(OutsideFound{targets})
}

// dialTrunk sends a call out on a trunk.
func (o *owner) dialTrunk(trunk, number string) {
	t := o.house.Trunk(trunk)
	if t == nil || t.Target.URI == "" {
		o.then(DialFailed{Reason: event.ReasonUnreachable, Detail: "trunk takes no calls out"})
		return
	}
	// A flow or a transfer may call for help too.
	urgent := o.m.S.Emergency || o.house.Emergency(number)
	target := t.Target
	target.URI = withUser(target.URI, number)
	if st, known := o.mgr.deps.SIP.Trunk(o.tenant, trunk); known {
		if !st.Usable() && !urgent {
			o.then(DialFailed{Reason: event.ReasonUnreachable, Detail: "trunk is down"})
			return
		}
		if len(st.ServiceRoute) > 0 { // RFC 3608 6.1
			target.Routes = st.ServiceRoute
		}
	}
	if !o.mgr.takeTrunk(o.m.S.Tenant, trunk, t.MaxCalls, urgent) {
		o.then(DialFailed{Reason: event.ReasonOverload, Detail: "trunk is full"})
		return
	}
	from, headers := o.shown(t, number, urgent)
	l := &legHandle{policy: t.Codecs, keys: t.Keys, source: target, trunk: trunk, began: time.Now()}
	response := t.ResponseTimeout
	if response <= 0 {
		response = defaultResponse
	}
	ok := o.startLeg(l, sip.DialRequest{Target: target, From: from, To: sip.Address{User: number, Host: t.Host}, Headers: headers,
		AuthUser: t.AuthUser, AuthPassword: t.AuthPassword, RingTimeout: t.RingTimeout, TryTimeout: response,
		Tenant: o.tenant, Name: trunk, Kind: sip.IdentityTrunk, Urgent: urgent})
	if !ok {
		o.mgr.release(o.m.S.Tenant, l)
		o.then(DialFailed{Reason: event.ReasonUnreachable, Detail: "trunk could not be dialled"})
		return
	}
	o.then(DialStarted{Legs: []LegInfo{{Trunk: trunk, Number: number, SIPCallID: l.dialog.SIPCallID()}}})
}
