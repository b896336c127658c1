package record

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

type metrics struct {
	active    prometheus.Gauge
	written   prometheus.Counter
	errors    *prometheus.CounterVec
	misplaced prometheus.Counter
	free      prometheus.Gauge
	left      prometheus.Gauge
	low       prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "centrala_recordings_active", Help: "Recordings being written now."}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "centrala_recording_written_bytes_total", Help: "Sound written to recordings, in bytes, headers not counted."}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "centrala_recording_errors_total", Help: "Recordings that lack something, by reason. The call goes on."}, []string{"reason"}),
		misplaced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "centrala_recording_packets_dropped_total", Help: "Packets left out of recordings: over a second late, or strays."}),
		free: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "centrala_storage_free_bytes", Help: "Free space for recordings; -1 when the folder cannot be asked."}),
		left: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "centrala_storage_left_seconds", Help: "How long the free space lasts at the present rate of recording; +Inf when nothing is recorded."}),
		low: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "centrala_storage_low", Help: "1 while the room for recordings is below recordings.alarm_percent or recordings.alarm_hours."}),
	}
	for _, reason := range faults {
		m.errors.WithLabelValues(reason)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.active, m.written, m.errors, m.misplaced, m.free, m.left, m.low} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// faultLog writes at most one line a second for each reason: a full disk breaks
// every recording at once.
type faultLog struct {
	log *zap.Logger

	mu     sync.Mutex
	last   map[string]time.Time
	unsaid map[string]int
}

func newFaultLog(log *zap.Logger) *faultLog {
	return &faultLog{log: log, last: map[string]time.Time{}, unsaid: map[string]int{}}
}

func (l *faultLog) fault(name, reason string, err error) {
	now := time.Now()
	l.mu.Lock()
	if now.Sub(l.last[reason]) < time.Second {
		l.unsaid[reason]++
		l.mu.Unlock()
		return
	}
	others := l.unsaid[reason]
	l.last[reason], l.unsaid[reason] = now, 0
	l.mu.Unlock()
	l.log.Error("recording incomplete", zap.String("recording", name), zap.String("reason", reason),
		zap.Int("others_since_last", others), zap.Error(err))
}

// finished is a result on its way to its checksum.
type finished struct {
	Result
	done func(Result)
}

func (f finished) tell() {
	if f.done != nil {
		f.done(f.Result)
	}
}

// runHasher reads finished files back, which are still in the page cache. It
// steps aside after each 64 kB (about 0.1 ms). A thread of low priority would be
// worse than this: while the kernel lets it wait, it holds a processor of the Go
// runtime and delays every stop of the garbage collector.
func (w *Writer) runHasher() {
	buf := make([]byte, 1<<16)
	for f := range w.toHash {
		f.SHA256 = hashFile(w.path(f.Name), buf)
		f.tell()
	}
}

func hashFile(path string, buf []byte) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		runtime.Gosched()
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil))
		}
		if err != nil {
			return ""
		}
	}
}
