package record

import (
	"math"
	"testing"
	"time"
)

// 500 calls at 32 kB/s on a disk of 4 TB: the alarm comes a day before it is full,
// and ends only when there is clearly room.
func TestAlarmLongBefore(t *testing.T) {
	s := space{percent: 5, hours: 24}
	const total, rate = int64(4e12), 500 * 32000
	now, free, written := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), int64(3e12), int64(0)
	st, changed := s.measure(now, free, total, written)
	if st.Low || changed || !math.IsInf(st.HoursLeft, 1) {
		t.Fatalf("at the start: %+v", st)
	}
	var alarm Storage
	step := func() (Storage, bool) {
		now = now.Add(5 * time.Second)
		free, written = free-5*rate, written+5*rate
		return s.measure(now, free, total, written)
	}
	for range 2 * 86400 / 5 {
		if st, changed := step(); changed {
			alarm = st
			break
		}
	}
	if !alarm.Low || math.Abs(alarm.HoursLeft-24) > 0.1 || alarm.FreeBytes < 24*3600*rate*99/100 {
		t.Errorf("alarm at %+v", alarm)
	}
	free += 3600 * rate // an hour's worth was removed: not yet all clear
	if st, changed := step(); !st.Low || changed {
		t.Errorf("after little was removed: %+v", st)
	}
	free += 4 * 3600 * rate
	if st, changed := step(); st.Low || !changed {
		t.Errorf("after much was removed: %+v", st)
	}
	// Nobody calls for two hours: the rate is forgotten, the space still counts.
	for range 2 * 720 {
		now = now.Add(5 * time.Second)
		st, _ = s.measure(now, free, total, written)
	}
	if st.Low || st.HoursLeft < 1e5 {
		t.Errorf("at night: %+v", st)
	}
	if st, changed = s.measure(now.Add(time.Second), total/25, total, written); !st.Low || !changed {
		t.Errorf("4 %% free: %+v", st)
	}
	if st, _ = s.measure(now.Add(2*time.Second), -1, 0, written); !st.Low || st.String() == "" {
		t.Errorf("folder gone: %+v", st)
	}
}
