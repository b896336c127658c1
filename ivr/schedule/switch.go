package schedule

import (
	"sync/atomic"
	"time"
)

// Closure closes a place by hand, whatever its hours say.
type Closure struct {
	Since  time.Time
	Until  time.Time // zero = until somebody opens it
	Reason string
	By     string
}

// Over tells whether the closure has ended by itself at a moment.
func (c Closure) Over(at time.Time) bool { return !c.Until.IsZero() && !at.Before(c.Until) }

// Switch closes a place for a while. It may be shared by schedules of one name
// at several revisions, and be asked and set by anybody at any time.
type Switch struct{ closure atomic.Pointer[Closure] }

// Close closes until the closure's end, or until Open. A later one replaces it.
func (s *Switch) Close(c Closure) { s.closure.Store(&c) }

// Open ends a closure; it tells whether there was one.
func (s *Switch) Open() bool { return s.closure.Swap(nil) != nil }

// Closure is the one that holds at a moment, nil when there is none.
func (s *Switch) Closure(at time.Time) *Closure { return s.closed(at) }

func (s *Switch) closed(at time.Time) *Closure {
	if s == nil {
		return nil
	}
	// Not before Since either: what was asked about yesterday is answered with yesterday.
	if c := s.closure.Load(); c != nil && !c.Over(at) && !at.Before(c.Since) {
		return c
	}
	return nil
}

// WithSwitch returns the same schedule, which sw can close.
func (s *Schedule) WithSwitch(sw *Switch) *Schedule {
	c := *s
	c.hand = sw
	return &c
}
