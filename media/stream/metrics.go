package stream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/centrala/centrala/media"
)

type metrics struct {
	ended   *prometheus.CounterVec // by outcome
	frames  *prometheus.CounterVec // by direction, as the machine sees it
	dropped *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, active func() int) *metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	vec := func(name, help, label string, values ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		for _, x := range values {
			v.WithLabelValues(x)
		}
		reg.MustRegister(v)
		return v
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "centrala_streams", Help: "Streams of sound to machines."},
		func() float64 { return float64(active()) }))
	return &metrics{
		ended:   vec("centrala_streams_ended_total", "Streams that ended.", "outcome", Outcomes...),
		frames:  vec("centrala_stream_frames_total", "Frames of 20 ms of streams that ended.", "direction", "heard", "spoken"),
		dropped: vec("centrala_stream_frames_dropped_total", "Frames lost because the machine was slow, or sent more than may wait.", "direction", "heard", "spoken"),
	}
}

// count is told of each stream's end.
func (m *metrics) count(r *Result) {
	per := func(d time.Duration) float64 { return float64(d / media.FrameDuration) }
	m.ended.WithLabelValues(r.Outcome).Inc()
	m.frames.WithLabelValues("heard").Add(float64(r.Sent))
	m.frames.WithLabelValues("spoken").Add(per(r.Played))
	m.dropped.WithLabelValues("heard").Add(float64(r.Dropped))
	m.dropped.WithLabelValues("spoken").Add(per(r.Overflow))
}
