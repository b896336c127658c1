package robot

import (
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 15, 16, 17, 31, 32, 33, 1000, 4095, 4096, 1e6, 1e9} {
		d *= time.Microsecond
		c := class(d)
		if lo, hi := bound(c), bound(c+1); d < lo || d >= hi || hi-lo > max(d/15, time.Microsecond) {
			t.Errorf("%v is in %v-%v", d, lo, hi)
		}
	}
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Error("something of nothing")
	}
	for i := range 1000 {
		h.Add(time.Duration(i) * time.Millisecond)
	}
	h.Add(-time.Second)
	h.Add(1000 * time.Hour)
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := h.Quantile(q); got < want || got > want*107/100 {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
}
