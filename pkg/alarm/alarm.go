// Package alarm decides when a supervisor is to be told: readings of what is measured
// against the bounds that a queue or the node sets, in; alarms raised and cleared, out.
// Pure: no clock, no I/O; who owns a Board calls Step about once a second.
package alarm

import (
	"cmp"
	"slices"
	"time"
)

// Kind is what an alarm is about, a closed list: label of metrics, word of the journal.
type Kind string

// Alarms of a queue, of a call, and of the node.
const (
	Waiting      Kind = "waiting"       // more callers wait than the bound
	LongestWait  Kind = "longest_wait"  // one waits longer, seconds
	ServiceLevel Kind = "service_level" // less of late was answered in time, percent
	Ready        Kind = "ready"         // fewer agents are free
	OneWayAudio  Kind = "one_way_audio" // a leg of a call is silent, seconds when it was raised
	DiskLow      Kind = "disk_low"      // room for recordings, percent
)

// Kinds lists every Kind, for metrics that create their series at zero.
var Kinds = []Kind{Waiting, LongestWait, ServiceLevel, Ready, OneWayAudio, DiskLow}

// ClearAfter is how long what raised an alarm must be over before it is cleared: a
// queue that swings about its bound makes one alarm and not one a second.
const ClearAfter = 5 * time.Second

// leastCallers is how many callers a service level must be made of to count: one
// caller who had to wait is no trend.
const leastCallers = 5

// Rules are the bounds of one queue; a zero field is no bound.
type Rules struct {
	Waiting      int
	LongestWait  time.Duration
	ServiceLevel int // percent
	Ready        int
	// After: what is past its bound must stay so this long.
	After time.Duration
}

// Queue is how a queue stands.
type Queue struct {
	Waiting  int
	Oldest   time.Time // zero: nobody waits
	Ready    int
	LoggedIn int
	// ServiceLevel of late, 0 to 1, made of Callers; without any it does not count.
	ServiceLevel float64
	Callers      int64
}

// Key names one alarm.
type Key struct {
	Tenant string
	Kind   Kind
	Queue  string // "" = of no queue
	CallID string // "" = of no call
}

// Reading is one thing that was measured. Past says that it is beyond the bound.
type Reading struct {
	Key
	Value, Limit float64
	Past         bool
	After        time.Duration
}

// Read holds a queue against its rules.
func (r Rules) Read(tenant, queue string, q Queue, now time.Time) []Reading {
	var out []Reading
	add := func(k Kind, value, limit float64, past bool) {
		out = append(out, Reading{Key{Tenant: tenant, Kind: k, Queue: queue}, value, limit, past, r.After})
	}
	if r.Waiting > 0 {
		add(Waiting, float64(q.Waiting), float64(r.Waiting), q.Waiting > r.Waiting)
	}
	if r.LongestWait > 0 {
		var wait time.Duration
		if !q.Oldest.IsZero() {
			wait = max(0, now.Sub(q.Oldest))
		}
		add(LongestWait, wait.Truncate(time.Second).Seconds(), r.LongestWait.Seconds(), wait > r.LongestWait)
	}
	if r.ServiceLevel > 0 && q.Callers > 0 {
		percent := 100 * q.ServiceLevel
		add(ServiceLevel, percent, float64(r.ServiceLevel), q.Callers >= leastCallers && percent < float64(r.ServiceLevel))
	}
	if r.Ready > 0 { // not in the night, when nobody waits and nobody is there
		add(Ready, float64(q.Ready), float64(r.Ready), q.Ready < r.Ready && (q.Waiting > 0 || q.LoggedIn > 0))
	}
	return out
}

// Alarm is one that is raised.
type Alarm struct {
	Key
	Value float64 // as it was last read
	Limit float64
	Since time.Time
}

// Board is what is raised now.
type Board struct{ of map[Key]*state }

type state struct {
	alarm  Alarm
	raised bool
	past   time.Time // since when it is past its bound
	within time.Time // of a raised one: since when it is not; zero = it is past
}

// NewBoard makes an empty one.
func NewBoard() *Board { return &Board{of: map[Key]*state{}} }

// Step takes the readings of one moment, all there are: what is not read any more (a
// queue that was removed, a call that has ended) is within its bound. It returns what
// is raised and cleared by them, in order of their keys.
func (b *Board) Step(now time.Time, readings []Reading) (raised, cleared []Alarm) {
	seen := make(map[Key]bool, len(readings))
	for _, r := range readings {
		seen[r.Key] = true
		s := b.of[r.Key]
		if !r.Past {
			if s != nil {
				s.alarm.Value, s.alarm.Limit = r.Value, r.Limit
			}
			cleared = b.ease(now, r.Key, cleared)
			continue
		}
		if s == nil {
			s = &state{past: now}
			b.of[r.Key] = s
		}
		s.within = time.Time{}
		s.alarm = Alarm{r.Key, r.Value, r.Limit, s.alarm.Since}
		if !s.raised && now.Sub(s.past) >= r.After {
			s.raised, s.alarm.Since = true, now
			raised = append(raised, s.alarm)
		}
	}
	for k := range b.of {
		if !seen[k] {
			cleared = b.ease(now, k, cleared)
		}
	}
	sortAlarms(raised)
	sortAlarms(cleared)
	return raised, cleared
}

// ease notes that what k is about is within its bound.
func (b *Board) ease(now time.Time, k Key, cleared []Alarm) []Alarm {
	s := b.of[k]
	switch {
	case s == nil:
	case !s.raised: // was not past for long enough
		delete(b.of, k)
	case s.within.IsZero():
		s.within = now
	case now.Sub(s.within) >= ClearAfter:
		cleared = append(cleared, s.alarm)
		delete(b.of, k)
	}
	return cleared
}

// Raised lists a tenant's alarms by kind, queue and call; "" = of all tenants.
func (b *Board) Raised(tenant string) []Alarm {
	var out []Alarm
	for _, s := range b.of {
		if s.raised && (tenant == "" || s.alarm.Tenant == tenant) {
			out = append(out, s.alarm)
		}
	}
	sortAlarms(out)
	return out
}

func sortAlarms(list []Alarm) {
	slices.SortFunc(list, func(x, y Alarm) int {
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Queue, y.Queue), cmp.Compare(x.CallID, y.CallID))
	})
}
