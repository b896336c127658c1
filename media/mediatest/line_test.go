package mediatest

import (
	"math"
	"testing"
	"time"
)

// TestLine: the line does as much harm as it was told, and the same each time.
func TestLine(t *testing.T) {
	run := func(burst int) (*Line, []byte, float64) {
		l := NewLine(7)
		l.Loss, l.Copies, l.Swaps, l.Burst = .05, .01, .02, burst
		l.Delay, l.Jitter = 20*time.Millisecond, 60*time.Millisecond
		now := time.Unix(0, 0)
		var got []byte
		var last time.Time
		sum := 0.0
		for i := range 20000 {
			l.Send(now, []byte{byte(i)})
			now = now.Add(20 * time.Millisecond)
			l.Deliver(now, func(at time.Time, b []byte) {
				if at.Before(last) || at.After(now) {
					t.Fatal("not in the order of arrival")
				}
				last = at
				got = append(got, b...)
				sum++
			})
		}
		return l, got, sum
	}
	for _, burst := range []int{1, 4} {
		l, got, n := run(burst)
		share := func(k int) float64 { return float64(k) / float64(l.Sent) }
		if math.Abs(share(l.Lost)-.05) > .01 || math.Abs(share(l.Copied)-.01) > .003 || math.Abs(share(l.Swapped)-.02) > .004 {
			t.Errorf("%+v", l)
		}
		if want := float64(l.Sent - l.Lost + l.Copied); math.Abs(n-want) > 10 {
			t.Errorf("%v packets of %v", n, want)
		}
		if _, again, _ := run(burst); string(again) != string(got) {
			t.Error("another run, another line")
		}
	}
}
