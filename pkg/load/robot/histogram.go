package robot

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram counts durations in classes about 6 % wide, from 1 µs up. It may be
// filled and read by several goroutines.
type Histogram struct{ n [16 * 40]atomic.Uint64 }

// class of d: 16 for each power of two.
func class(d time.Duration) int {
	us := uint64(max(d/time.Microsecond, 0))
	if us < 16 {
		return int(us)
	}
	e := bits.Len64(us) - 5 // us>>e is 16 to 31
	return min(16*(e+1)+int(us>>e)-16, 16*40-1)
}

// bound is the least duration of a class.
func bound(c int) time.Duration {
	if c < 16 {
		return time.Duration(c) * time.Microsecond
	}
	e := c/16 - 1
	return time.Duration(16+c%16) << e * time.Microsecond
}

// Add counts d; less than nothing counts as nothing.
func (h *Histogram) Add(d time.Duration) { h.n[class(d)].Add(1) }

// Quantile is the duration that share q of those counted does not exceed, rounded up
// to the end of its class; 0 when nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	var total uint64
	for i := range h.n {
		total += h.n[i].Load()
	}
	left := uint64(q * float64(total))
	for i := range h.n {
		n := h.n[i].Load()
		if n > 0 && left < n {
			return bound(i + 1)
		}
		left -= min(n, left)
	}
	return 0
}
