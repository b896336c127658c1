package sim

import (
	"fmt"
	"slices"
	"time"
)

// Traffic is a scenario with everything decided that chance decides for callers.
// It is read only: many runs may share it.
type Traffic struct {
	Scenario *Scenario
	Start    time.Time
	Length   time.Duration
	Seed     uint64
	Notes    []string
	calls    []caller
}

// Calls is how many callers come.
func (t *Traffic) Calls() int { return len(t.calls) }

// caller is one, with all luck drawn.
type caller struct {
	at       time.Duration
	id       string
	wish     *Wish
	talk     time.Duration
	patience time.Duration // since entering; Forever
	wrapUp   time.Duration // -1 = as the queue gives
	asks     time.Duration // to be called back, since entering; neverAsks
}

// What chances are drawn for.
const (
	forStream = iota + 1
	forCall
	forOffer
	forBack
)

// Draw decides all that chance decides for callers. The same seed gives the same.
func (s *Scenario) Draw(seed uint64) (*Traffic, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	t := &Traffic{Scenario: s, Start: s.Start, Length: s.length(), Seed: seed, Notes: s.Notes}
	if t.Start.IsZero() {
		t.Start = defaultStart
	}
	for i := range s.Streams {
		if err := t.stream(i); err != nil {
			return nil, err
		}
	}
	if err := t.known(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(t.calls, func(a, b caller) int { return compareTimes(a.at, b.at) })
	for i := range t.calls {
		t.calls[i].id = fmt.Sprintf("call-%d", i+1)
	}
	return t, nil
}

// stream draws a Poisson process by exponential gaps of a rate of 1, stretched by
// each interval's own rate: no call is lost or doubled at a border.
func (t *Traffic) stream(i int) error {
	s := &t.Scenario.Streams[i]
	arrivals, habits := fork(t.Seed, forStream, uint64(i), 1), fork(t.Seed, forStream, uint64(i), 2)
	talk, patience, wrap := orDist(s.Talk, t.Scenario.Defaults.Talk), orDist(s.Patience, t.Scenario.Defaults.Patience, Never()), orDist(s.WrapUp, t.Scenario.Defaults.WrapUp)
	step := s.interval()
	left := arrivals.exponential()
	for k := 0; ; k++ {
		from := time.Duration(k) * step
		rate := 0.0 // calls in this interval
		switch {
		case len(s.Calls) == 1 && from < t.Length:
			rate = s.Calls[0]
		case len(s.Calls) > 1 && k < len(s.Calls):
			rate = s.Calls[k]
		default:
			return nil
		}
		to := from + step
		if len(s.Calls) == 1 {
			to = min(to, t.Length)
		}
		at := from
		for {
			if rate <= 0 {
				break
			}
			next := at + time.Duration(left/rate*float64(step))
			if next >= to {
				left -= float64(to-at) / float64(step) * rate
				break
			}
			at = next
			left = arrivals.exponential()
			if len(t.calls) >= MaxCalls {
				return bad("more than %d calls", MaxCalls)
			}
			c := caller{at: at.Truncate(time.Millisecond), wish: &s.Wish, talk: talk.draw(&habits), patience: patience.draw(&habits), wrapUp: -1, asks: neverAsks}
			if wrap.Said() {
				c.wrapUp = wrap.draw(&habits)
			}
			t.calls = append(t.calls, c)
		}
	}
}

// known takes the calls that are listed, and draws what is not known of them.
func (t *Traffic) known() error {
	s := t.Scenario
	if len(s.Calls) == 0 {
		return nil
	}
	patience, talks := learnPatience(s.Calls), map[string][]time.Duration{}
	var all []time.Duration
	for i := range s.Calls {
		if c := &s.Calls[i]; c.Talk != nil {
			talks[c.Queue] = append(talks[c.Queue], c.Talk.D())
			all = append(all, c.Talk.D())
		}
	}
	for i := range s.Calls {
		c := &s.Calls[i]
		r := fork(t.Seed, forCall, uint64(i))
		out := caller{at: c.At.D(), wish: &c.Wish, wrapUp: -1, patience: Forever}
		switch {
		case c.Talk != nil:
			out.talk = c.Talk.D()
		case len(talks[c.Queue]) > 0:
			list := talks[c.Queue]
			out.talk = list[r.next()%uint64(len(list))]
		case len(all) > 0:
			out.talk = all[r.next()%uint64(len(all))]
		case s.Defaults.Talk.Said():
			out.talk = s.Defaults.Talk.draw(&r)
		default:
			return bad("calls[%d]: talk is not said, in no call and not in defaults", i)
		}
		switch {
		case c.Patience != nil:
			out.patience = c.Patience.D()
		case c.PatienceOver != nil:
			out.patience = patience.of(c.Queue).beyond(c.PatienceOver.D(), &r)
		case s.Defaults.Patience.Said():
			out.patience = s.Defaults.Patience.draw(&r)
		}
		out.asks = neverAsks
		if c.Callback != nil {
			out.asks = c.Callback.D()
		}
		switch {
		case c.WrapUp != nil:
			out.wrapUp = c.WrapUp.D()
		case s.Defaults.WrapUp.Said():
			out.wrapUp = s.Defaults.WrapUp.draw(&r)
		}
		t.calls = append(t.calls, out)
	}
	return nil
}
