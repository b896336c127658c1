package sip

import "github.com/prometheus/client_golang/prometheus"

// trunkMetrics are the gauges of trunks; the labels are names of the configuration.
type trunkMetrics struct {
	up, registered, rtt *prometheus.GaugeVec
}

func newTrunkMetrics(r prometheus.Registerer) (*trunkMetrics, error) {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "centrala_trunk_" + name, Help: help}, []string{"tenant", "trunk"})
	}
	m := &trunkMetrics{
		up:         gauge("up", "1 when calls may be sent over the trunk: its OPTIONS are answered (or none are sent)."),
		registered: gauge("registered", "1 when the trunk is registered with its carrier; only of trunks that register."),
		rtt:        gauge("options_rtt_seconds", "Round trip of the last OPTIONS that was answered."),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.up, m.registered, m.rtt} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// begin creates the series of trunks that are new, so that they are there from
// the start.
func (m *trunkMetrics) begin(known map[TrunkID]TrunkStatus, list []TrunkConfig) {
	for _, c := range list {
		if _, ok := known[TrunkID{c.Tenant, c.Name}]; ok {
			continue
		}
		m.up.WithLabelValues(c.Tenant, c.Name).Set(1)
		if c.Register.AOR != "" {
			m.registered.WithLabelValues(c.Tenant, c.Name)
		}
		if c.Options > 0 {
			m.rtt.WithLabelValues(c.Tenant, c.Name)
		}
	}
}

// show takes the figures of next and forgets trunks that are in old alone.
func (m *trunkMetrics) show(old, next map[TrunkID]TrunkStatus) {
	for id := range old {
		if st, ok := next[id]; !ok || !st.Registers {
			m.registered.DeleteLabelValues(id.Tenant, id.Trunk)
		}
		if st, ok := next[id]; !ok || !st.Probed {
			m.rtt.DeleteLabelValues(id.Tenant, id.Trunk)
		}
		if _, ok := next[id]; !ok {
			m.up.DeleteLabelValues(id.Tenant, id.Trunk)
		}
	}
	for id, st := range next {
		m.up.WithLabelValues(id.Tenant, id.Trunk).Set(number(st.Up))
		if st.Registers {
			m.registered.WithLabelValues(id.Tenant, id.Trunk).Set(number(st.Registered))
		}
		if st.Probed {
			m.rtt.WithLabelValues(id.Tenant, id.Trunk).Set(st.RTT.Seconds())
		}
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
