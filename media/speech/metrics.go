package speech

import "github.com/prometheus/client_golang/prometheus"

// Where a text that was asked for came from.
const (
	fromMemory = "memory"
	fromDisk   = "disk"
	fromEngine = "engine"
	fromFlight = "joined" // another was having it made
	failed     = "failed"
	refused    = "refused"
)

type metrics struct {
	asked map[string]prometheus.Counter
	took  prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, d *disk) *metrics {
	asked := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "centrala_speech_texts_total",
		Help: "Texts to be spoken, by where they came from."}, []string{"from"})
	m := &metrics{asked: map[string]prometheus.Counter{}, took: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "centrala_speech_made_seconds", Help: "Time the engine took for a text.", Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 10, 30}})}
	for _, from := range []string{fromMemory, fromDisk, fromEngine, fromFlight, failed, refused} {
		m.asked[from] = asked.WithLabelValues(from)
	}
	r.MustRegister(asked, m.took, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "centrala_speech_cache_bytes",
		Help: "Spoken texts kept on disk."}, func() float64 { return float64(d.bytes()) }))
	return m
}
