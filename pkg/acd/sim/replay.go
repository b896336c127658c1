package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/report"
)

// ReplayKinds are the kinds of events that a Replay reads.
var ReplayKinds = func() []string {
	kinds := slices.Clone(report.EventKinds)
	slices.Sort(kinds)
	return slices.Compact(kinds)
}()

// ReplayBefore and ReplayAfter say how much of the journal around a stretch of time
// a Replay wants: to know who was logged in, and how conversations ended.
const (
	ReplayBefore = 24 * time.Hour
	ReplayAfter  = 4 * time.Hour
)

// afterwards is how long agents who were there at the end stay on, for callers who
// came before it.
const afterwards = 15 * time.Minute

// engineReasons are not-ready reasons that the engine gives by itself: what led to
// them is played again, so they are no absence of the agent's own.
var engineReasons = []string{acd.ReasonRingNoAnswer, acd.ReasonOneCall, acd.CauseBusy, acd.CauseRejected, acd.CauseUnreachable, acd.CauseWithdrawn}

// Replay makes a Scenario of a stretch of one tenant's journal: the same callers
// at the same moments with the same wishes, their true handling times and what is
// known of their patience; agents with the shifts, absences and calls of no queue
// that they had; phones that ring as long and as often in vain as they did. Feed it
// in the order of the journal, from ReplayBefore before to ReplayAfter behind.
//
// What it cannot know: the way through menus (a caller who entered two queues one
// after the other is two callers who come when they came), and when phones were out
// of reach.
type Replay struct {
	from, to time.Time
	book     *Recorder
	calls    []Call
	byCall   map[string]*replayCall
	agents   map[string]*replayAgent
	rings    []time.Duration
	backs    []time.Duration
	offers   struct{ accepted, noAnswer, rejected, unreachable int }
	newest   time.Time
}

type replayCall struct {
	from, number string
	stay         int // index of the open one, -1 = none or outside of the stretch
	entered      bool
}

type replayAgent struct {
	state   string
	since   time.Time
	reason  string
	shifts  []Shift
	open    bool // the last shift runs
	away    bool // its last absence runs
	busy    bool // its last call of no queue runs
	talk    int  // call at hand, -1 = none
	talkAt  time.Time
	wrapFor int
}

// NewReplay reads [from, to).
func NewReplay(from, to time.Time) *Replay {
	r := &Replay{from: from, to: to, book: NewRecorder(nil), byCall: map[string]*replayCall{}, agents: map[string]*replayAgent{}}
	r.book.Within(from, to)
	return r
}

func (r *Replay) offset(t time.Time) Time {
	return Time(max(0, t.Sub(r.from).Truncate(time.Millisecond)))
}

func (r *Replay) within(t time.Time) bool { return !t.Before(r.from) && t.Before(r.to) }

// Feed takes the next event.
func (r *Replay) Feed(e event.Event) {
	r.book.Feed(e)
	switch b := e.Body.(type) {
	case event.CallStarted:
		c := &replayCall{from: b.From, stay: -1}
		if b.Direction == event.Inbound {
			c.number = b.To
		}
		r.byCall[e.CallID] = c
	case event.CallEnded:
		delete(r.byCall, e.CallID)
	case event.QueueEntered:
		c := r.call(e.CallID)
		c.entered, c.stay = true, -1
		if r.within(e.At) {
			c.stay = r.caller(c, e.At, Wish{Queue: b.Queue, Priority: b.Priority - b.QueuePriority, Need: b.Need, Agent: b.Agent})
		}
	case event.QueueLeft:
		r.left(e, b)
	case event.OfferEnded:
		if r.within(e.At) {
			r.offer(b)
		}
	case event.AgentStateChanged:
		r.agentChanged(e.At, b)
	case event.EngineStarted:
		r.allOff(minTime(e.At, r.newest))
	case event.EngineStopped:
		r.allOff(e.At)
	}
	if e.At.After(r.newest) {
		r.newest = e.At
	}
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) && !b.IsZero() {
		return b
	}
	return a
}

func (r *Replay) call(id string) *replayCall {
	c := r.byCall[id]
	if c == nil { // began before what is fed
		c = &replayCall{stay: -1}
		r.byCall[id] = c
	}
	return c
}

func (r *Replay) caller(c *replayCall, at time.Time, w Wish) int {
	w.From, w.Number = c.from, c.number
	r.calls = append(r.calls, Call{At: r.offset(at), Wish: w})
	return len(r.calls) - 1
}

func (r *Replay) left(e event.Event, b event.QueueLeft) {
	c := r.call(e.CallID)
	i := c.stay
	if !c.entered { // not let in: full, or nobody there
		if r.within(e.At) {
			i = r.caller(c, e.At, Wish{Queue: b.Queue})
		}
	}
	c.entered, c.stay = false, -1
	if i >= 0 {
		wait := Time(time.Duration(max(0, b.WaitMs)) * time.Millisecond)
		if b.Outcome == acd.LeftCallback {
			r.calls[i].Callback = &wait
		}
		if b.Outcome == acd.LeftAbandoned {
			r.calls[i].Patience = &wait
		} else {
			r.calls[i].PatienceOver = &wait
		}
	}
	if b.Outcome == acd.LeftAnswered && b.Agent != "" {
		a := r.agent(b.Agent)
		a.talk, a.talkAt = i, e.At
		if a.busy { // an answer that crossed: it was the queue's call
			s := &a.shifts[len(a.shifts)-1]
			s.Busy = s.Busy[:len(s.Busy)-1]
			a.busy = false
		}
	}
}

func (r *Replay) offer(b event.OfferEnded) {
	switch b.Outcome {
	case acd.OutcomeAccepted:
		r.offers.accepted++
		r.rings = append(r.rings, time.Duration(b.RingMs)*time.Millisecond)
	case acd.CauseNoAnswer:
		r.offers.noAnswer++
	case acd.CauseBusy, acd.CauseRejected:
		r.offers.rejected++
	case acd.CauseUnreachable:
		r.offers.unreachable++
	}
}

func (r *Replay) agent(name string) *replayAgent {
	a := r.agents[name]
	if a == nil {
		a = &replayAgent{state: "offline", talk: -1, wrapFor: -1}
		r.agents[name] = a
	}
	return a
}

func (r *Replay) agentChanged(at time.Time, b event.AgentStateChanged) {
	a := r.agent(b.Agent)
	if a.state == "offline" && b.From != "offline" && !a.open { // was there before what is fed
		r.logIn(a, r.from, b.Agent, "")
		a.state, a.since = b.From, r.from
	}
	switch a.state {
	case "on_call":
		if b.To == "on_call" {
			break
		}
		if a.busy {
			r.closeSpan(&a.shifts[len(a.shifts)-1].Busy, at)
			a.busy = false
		}
		if a.talk >= 0 {
			talk := Time(at.Sub(a.talkAt).Truncate(time.Millisecond))
			r.calls[a.talk].Talk = &talk
		}
		a.wrapFor, a.talk = a.talk, -1
	case "wrap_up":
		// Who ends wrap-up tells how long it takes; where the clock ended it, it took
		// what the queue gave.
		if b.To != "wrap_up" && a.wrapFor >= 0 && b.By != acd.BySystem && b.To != "on_call" {
			w := Time(at.Sub(a.since).Truncate(time.Millisecond))
			r.calls[a.wrapFor].WrapUp = &w
		}
		a.wrapFor = -1
	case "not_ready":
		if b.To == "ready" && a.reason == acd.ReasonRingNoAnswer && r.within(at) {
			r.backs = append(r.backs, at.Sub(a.since))
		}
	}
	if a.away && (b.To != "not_ready" || slices.Contains(engineReasons, b.Reason)) && b.To != "on_call" {
		r.closeSpan(&a.shifts[len(a.shifts)-1].Away, at)
		a.away = false
	}
	switch {
	case b.To == "offline":
		r.logOut(a, at)
	case !a.open:
		r.logIn(a, at, b.Agent, b.Device)
	}
	switch {
	case b.To == "not_ready" && !a.away && !slices.Contains(engineReasons, b.Reason):
		s := &a.shifts[len(a.shifts)-1]
		s.Away = append(s.Away, Span{From: r.offset(at), Reason: b.Reason})
		a.away = true
	case b.To == "on_call" && !a.busy && a.state != "reserved" && a.state != "ringing" && a.state != "on_call":
		s := &a.shifts[len(a.shifts)-1]
		s.Busy = append(s.Busy, Span{From: r.offset(at)})
		a.busy = true
	}
	if b.To != a.state {
		a.state, a.since = b.To, at
	}
	a.reason = b.Reason
}

func (r *Replay) logIn(a *replayAgent, at time.Time, name, device string) {
	a.shifts = append(a.shifts, Shift{Agents: []string{name}, From: r.offset(at), Device: device})
	a.open = true
}

func (r *Replay) closeSpan(list *[]Span, at time.Time) {
	s := &(*list)[len(*list)-1]
	s.To = r.offset(at)
}

func (r *Replay) logOut(a *replayAgent, at time.Time) {
	if !a.open {
		return
	}
	s := &a.shifts[len(a.shifts)-1]
	if a.away {
		r.closeSpan(&s.Away, at)
	}
	if a.busy {
		r.closeSpan(&s.Busy, at)
	}
	s.To = r.offset(at)
	a.open, a.away, a.busy = false, false, false
}

func (r *Replay) allOff(at time.Time) {
	for _, a := range r.agents {
		r.logOut(a, at)
		a.state, a.talk, a.wrapFor = "offline", -1, -1
	}
}

// Scenario is what was fed. The replay is at its end then.
func (r *Replay) Scenario() *Scenario {
	length := r.to.Sub(r.from)
	s := &Scenario{Start: r.from.UTC(), Length: Time(length), Calls: r.calls, OnlyLength: true}
	r.allOff(r.to.Add(afterwards)) // who is there at the end
	last := Time(length + afterwards)
	for _, name := range sortedKeys(r.agents) {
		for _, sh := range r.agents[name].shifts {
			sh.To = min(sh.To, last)
			sh.Away, sh.Busy = tidy(sh.Away, sh.To), tidy(sh.Busy, sh.To)
			if sh.From < min(sh.To, Time(length)) {
				s.Shifts = append(s.Shifts, sh)
			}
		}
	}
	for i := range s.Shifts { // a name is no pattern
		s.Shifts[i].Agents[0] = escape.Replace(s.Shifts[i].Agents[0])
	}
	if all := r.offers.accepted + r.offers.noAnswer + r.offers.rejected + r.offers.unreachable; all > 0 {
		part := func(n int) float64 { return float64(n) / float64(all) }
		s.Phones = Phones{Ring: SampleOf(r.rings), NoAnswer: part(r.offers.noAnswer), Rejected: part(r.offers.rejected), Unreachable: part(r.offers.unreachable)}
	}
	s.Phones.Back = SampleOf(r.backs)
	gaveUp, open := 0, 0
	for i := range s.Calls {
		switch c := &s.Calls[i]; {
		case c.Patience != nil:
			gaveUp++
		case c.PatienceOver == nil: // waits still
			open++
			zero := Time(0)
			c.PatienceOver = &zero
		}
	}
	s.Defaults.Talk = Constant(3 * time.Minute) // if nobody at all was answered
	s.Notes = append(s.Notes, fmt.Sprintf("%d callers, of whom %d hung up waiting: that is what patience is learned from (Kaplan and Meier; at least %d for a queue of its own)", len(s.Calls), gaveUp, fewest))
	if open > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d callers waited still at the end of the journal", open))
	}
	s.Actual = r.book.Result("as it was")
	s.Actual.Calls = len(s.Calls)
	return s
}

var escape = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`)

// tidy drops spans that are empty or outside of a shift.
func tidy(list []Span, end Time) []Span {
	out := list[:0]
	for _, s := range list {
		s.To = min(s.To, end)
		if s.To > s.From {
			out = append(out, s)
		}
	}
	return out
}
