package record

import (
	"fmt"
	"math"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// Storage is how much room there is for recordings.
type Storage struct {
	FreeBytes  int64   // what an ordinary user may still write; -1 when the folder cannot be asked
	TotalBytes int64   // of the file system
	HoursLeft  float64 // at the present rate of recording, which follows over some ten minutes; +Inf when nothing is recorded
	Low        bool    // an alarm: below Config.AlarmPercent or Config.AlarmHours, or not to be asked
}

// String says it for a person.
func (s Storage) String() string {
	if s.FreeBytes < 0 {
		return "the recordings folder cannot be asked for its free space"
	}
	out := fmt.Sprintf("%.1f GB (%.0f %%) free for recordings", float64(s.FreeBytes)/1e9, s.percent())
	if !math.IsInf(s.HoursLeft, 1) {
		out += fmt.Sprintf(", enough for %.0f hours at the present rate", s.HoursLeft)
	}
	return out
}

func (s Storage) percent() float64 { return 100 * float64(s.FreeBytes) / float64(max(s.TotalBytes, 1)) }

// rateMemory is how far back the rate of recording looks.
const rateMemory = 10 * time.Minute

// space watches the free space. It is pure but for its lock.
type space struct {
	percent, hours float64 // alarm thresholds

	mu      sync.Mutex
	at      time.Time
	written int64
	rate    float64 // bytes a second
	now     Storage
}

// measure takes a reading and returns what it means, and whether the alarm changed.
func (s *space) measure(now time.Time, free, total, written int64) (Storage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := now.Sub(s.at); !s.at.IsZero() && d > 0 {
		seen := float64(written-s.written) / d.Seconds()
		s.rate += (seen - s.rate) * (1 - math.Exp(-d.Seconds()/rateMemory.Seconds()))
	}
	s.at, s.written = now, written
	st := Storage{FreeBytes: free, TotalBytes: total, HoursLeft: math.Inf(1)}
	if s.rate >= 1 && free >= 0 {
		st.HoursLeft = float64(free) / s.rate / 3600
	}
	ease := 1.0
	if s.now.Low {
		ease = 1.1 // it ends a little above where it began, not at every file
	}
	st.Low = free < 0 || st.percent() < s.percent*ease || st.HoursLeft < s.hours*ease
	changed := st.Low != s.now.Low
	s.now = st
	return st, changed
}

// measureFree asks the file system of the recordings, sets the gauges and says a
// change of the alarm.
func (w *Writer) measureFree() {
	free, total := int64(-1), int64(0)
	var s unix.Statfs_t
	if err := unix.Statfs(w.cfg.Dir, &s); err == nil {
		free, total = int64(s.Bavail)*s.Bsize, int64(s.Blocks)*s.Bsize
	}
	st, changed := w.space.measure(time.Now(), free, total, w.bytes.Load())
	w.m.free.Set(float64(free))
	w.m.left.Set(st.HoursLeft * 3600)
	w.m.low.Set(0)
	if st.Low {
		w.m.low.Set(1)
	}
	switch {
	case changed && st.Low:
		w.cfg.Log.Error("room for recordings runs low; make room or move old ones away", zap.String("folder", w.cfg.Dir),
			zap.Int64("free_bytes", free), zap.Float64("hours_left", st.HoursLeft))
	case changed:
		w.cfg.Log.Info("room for recordings again", zap.String("folder", w.cfg.Dir), zap.Int64("free_bytes", free))
	}
}

// Storage tells how much room there was some seconds ago.
func (w *Writer) Storage() Storage {
	w.space.mu.Lock()
	defer w.space.mu.Unlock()
	return w.space.now
}
