package follow_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/report"
)

// BenchmarkRebuild makes the figures of some 20,000 events again; it tells the
// events a second.
func BenchmarkRebuild(b *testing.B) {
	s := open(b)
	n := len(traffic(s, rand.New(rand.NewPCG(1, 2)), 0, 3300))
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
	f := follower(b, s, quiet)
	if err := f.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	ask(b, f, "t0", report.Queue)
	for b.Loop() {
		if err := f.StartRebuild(); err != nil {
			b.Fatal(err)
		}
		for f.Rebuild().Running {
			time.Sleep(time.Millisecond)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
	stop(b, f)
}
