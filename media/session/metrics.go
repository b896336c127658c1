package session

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/centrala/centrala/media"
)

// metrics sums the workers' counters when scraped: a packet touches none of them.
type metrics struct {
	e    *Engine
	reg  prometheus.Registerer
	tick prometheus.Histogram

	forwarded, unheard, ways *prometheus.Desc

	packets, lost, strangers, invalid, ignored, sendErrors, dropped, latePackets, concealed *prometheus.Desc
	refused, checks, shakes, webDropped, webTCP                                             *prometheus.Desc
	mos, alarms, alarmsTotal                                                                *prometheus.Desc
	legs, members, portsInUse, portsDraining, portsLimit                                    *prometheus.Desc
}

func newMetrics(e *Engine, reg prometheus.Registerer) (*metrics, error) {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("centrala_media_"+name, help, labels, nil)
	}
	m := &metrics{
		e: e, reg: reg,
		tick: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "centrala_media_tick_late_seconds",
			Help: "How late the 20 ms ticks of playing streams came.",
			// A jitter buffer forgives some 20 ms.
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .5},
		}),
		packets:       d("packets_total", "RTP packets taken from and sent to peers.", "direction"),
		lost:          d("packets_lost_total", "RTP packets that did not arrive: at us (in), at the peer by its own RTCP (out).", "direction"),
		forwarded:     d("packets_forwarded_total", "RTP packets that the kernel passed on by itself; they are in packets_total as well."),
		unheard:       d("packets_unheard_total", "RTP packets of callers to whom nobody listened, counted by the kernel; they are in packets_total as well."),
		ways:          d("io", "1 for the way in which packets are moved.", "io"),
		strangers:     d("strangers_total", "Packets dropped because they came from an address that was not signalled."),
		invalid:       d("invalid_packets_total", "Packets dropped because they were no RTP or RTCP, or their sequence jumped."),
		ignored:       d("ignored_packets_total", "Packets dropped on purpose: on hold, or of a payload type that was not negotiated."),
		sendErrors:    d("send_errors_total", "Packets that the system did not take for sending."),
		dropped:       d("commands_dropped_total", "Commands dropped because a worker was stuck."),
		latePackets:   d("late_packets_total", "Packets of conference members that came after their sound was due."),
		concealed:     d("concealed_seconds_total", "Sound of conference members that did not come and was made up."),
		refused:       d("srtp_refused_packets_total", "Protected packets dropped: their tag was not that of the agreed key (auth), or they had come before (replay).", "reason"),
		checks:        d("ice_checks_total", "Connectivity checks of browsers: answered, with credentials that nobody has, over the rate.", "result"),
		shakes:        d("dtls_handshakes_total", "DTLS handshakes with browsers that ended: with keys, with another certificate than the SDP named, else.", "result"),
		webDropped:    d("web_dropped_total", "What browsers sent that was not taken: packets that their worker had no room for, connections over the limit.", "what"),
		webTCP:        d("web_tcp_connections", "Browsers' connections by TCP."),
		mos:           d("mos", "Mean opinion score (ITU-T G.107) of each second of each leg: as we receive it (in), as the peer's RTCP says it receives us (out).", "direction"),
		alarms:        d("silence_alarms", "Legs from which nothing comes although it should, now.", "alarm"),
		alarmsTotal:   d("silence_alarms_total", "Times that nothing came from a leg for 5 s although it should.", "alarm"),
		legs:          d("legs", "Legs that are open."),
		members:       d("conference_members", "Legs that are in a conference."),
		portsInUse:    d("ports_in_use", "Port pairs taken by legs."),
		portsDraining: d("ports_draining", "Port pairs that rest before they are used again."),
		portsLimit:    d("ports_limit", "Port pairs configured."),
	}
	if reg == nil {
		return m, nil
	}
	if err := reg.Register(m); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.reg != nil {
		m.reg.Unregister(m)
	}
}

func (m *metrics) late(d time.Duration) { m.tick.Observe(d.Seconds()) }

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.forwarded, m.unheard, m.ways, m.packets, m.lost, m.strangers, m.invalid, m.ignored, m.sendErrors, m.dropped, m.latePackets, m.concealed,
		m.refused, m.checks, m.shakes, m.webDropped, m.webTCP,
		m.mos, m.alarms, m.alarmsTotal,
		m.legs, m.members, m.portsInUse, m.portsDraining, m.portsLimit} {
		ch <- d
	}
	m.tick.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	var c counts
	var legs, members int64
	var dropped uint64
	for _, w := range m.e.workers {
		p := &w.published
		c.in += p.in.Load()
		c.out += p.out.Load()
		c.lostIn += p.lostIn.Load()
		c.lostOut += p.lostOut.Load()
		c.strangers += p.strangers.Load()
		c.invalid += p.invalid.Load()
		c.ignored += p.ignored.Load()
		c.sendErrors += p.sendErrors.Load()
		c.late += p.late.Load()
		c.forwarded += p.forwarded.Load()
		c.unheard += p.unheard.Load()
		c.forged += p.forged.Load()
		c.replayed += p.replayed.Load()
		c.concealed += p.concealed.Load()
		legs += p.legs.Load()
		members += p.members.Load()
		dropped += w.dropped.Load()
		p.mu.Lock()
		c.mosIn.merge(&p.mosIn)
		c.mosOut.merge(&p.mosOut)
		for i := range p.alarms {
			c.alarms[i] += p.alarms[i]
			c.alarmsTotal[i] += p.alarmsTotal[i]
		}
		p.mu.Unlock()
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	counter(m.packets, c.in, "in")
	counter(m.packets, c.out, "out")
	counter(m.lost, c.lostIn, "in")
	counter(m.lost, c.lostOut, "out")
	counter(m.strangers, c.strangers)
	counter(m.invalid, c.invalid)
	counter(m.ignored, c.ignored)
	counter(m.sendErrors, c.sendErrors)
	counter(m.dropped, dropped)
	counter(m.latePackets, c.late)
	ch <- prometheus.MustNewConstMetric(m.concealed, prometheus.CounterValue, float64(c.concealed)/media.ClockRate)
	counter(m.forwarded, c.forwarded)
	counter(m.unheard, c.unheard)
	used := m.e.IO()
	for _, way := range ways {
		v := 0
		if way == used {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(m.ways, prometheus.GaugeValue, float64(v), string(way))
	}
	counter(m.refused, c.forged, "auth")
	counter(m.refused, c.replayed, "replay")
	m.collectWeb(counter, gauge)
	for i, name := range alarmNames[1:] {
		ch <- prometheus.MustNewConstMetric(m.alarms, prometheus.GaugeValue, float64(c.alarms[i+1]), name)
		counter(m.alarmsTotal, c.alarmsTotal[i+1], name)
	}
	ch <- c.mosIn.metric(m.mos, "in")
	ch <- c.mosOut.metric(m.mos, "out")
	inUse, draining, limit := m.e.ports.Usage()
	gauge(m.legs, int(legs))
	gauge(m.members, int(members))
	gauge(m.portsInUse, inUse)
	gauge(m.portsDraining, draining)
	gauge(m.portsLimit, limit)
	m.tick.Collect(ch)
}

// collectWeb is the port of browsers; without one its series are zero.
func (m *metrics) collectWeb(counter func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, int)) {
	none := &webPublished{}
	p := none
	if x := m.e.web; x != nil {
		p = &x.published
	}
	counter(m.checks, p.ok.Load(), "ok")
	counter(m.checks, p.bad.Load(), "bad")
	counter(m.checks, p.flooded.Load(), "flooded")
	counter(m.shakes, p.shaken.Load(), "ok")
	counter(m.shakes, p.fingerprint.Load(), "fingerprint")
	counter(m.shakes, p.unshaken.Load(), "failed")
	counter(m.webDropped, p.handedLost.Load(), "packets")
	counter(m.webDropped, p.tcpRefused.Load(), "connections")
	gauge(m.webTCP, int(p.tcpConns.Load()))
}

// metric is the histogram of one direction.
func (c *mosCount) metric(d *prometheus.Desc, direction string) prometheus.Metric {
	buckets, n := make(map[float64]uint64, len(mosBounds)), uint64(0)
	for i, bound := range mosBounds {
		n += c.n[i]
		buckets[bound] = n
	}
	return prometheus.MustNewConstHistogram(d, n, c.sum, buckets, direction)
}
