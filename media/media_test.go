package media

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		0: 0, 124999: 0, 125 * time.Microsecond: 1, FrameDuration: FrameSamples,
		time.Second: ClockRate, 90 * 24 * time.Hour: 90 * 24 * 3600 * ClockRate, -FrameDuration: -FrameSamples,
	} {
		if got := Samples(d); got != want {
			t.Errorf("%v: %d samples, want %d", d, got, want)
		}
		if got := Samples(Duration(want)); got != want {
			t.Errorf("%d samples there and back: %d", want, got)
		}
	}
}
