package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// EventKinds are the kinds of events that a Projector reads; it passes all others
// over, so that who feeds it need not decode them.
var EventKinds = []string{
	event.CallStarted{}.Kind(), event.CallEnded{}.Kind(), event.SegmentStarted{}.Kind(),
	event.QueueEntered{}.Kind(), event.QueueLeft{}.Kind(), event.OfferEnded{}.Kind(),
	event.AgentStateChanged{}.Kind(), event.TransferAsked{}.Kind(), event.TransferEnded{}.Kind(),
	event.CallbackAsked{}.Kind(), event.CallbackTried{}.Kind(), event.CallbackEnded{}.Kind(),
	event.EngineStarted{}.Kind(), event.EngineStopped{}.Kind(),
}

// longest bounds a stretch of an agent's time: a clock that was set wrong once
// must not write rows for decades.
const longest = 366 * 24 * time.Hour

// Emit is told what an event adds to a row.
type Emit func(k Key, c Counter, n int64)

// Projector turns events into additions to rows. What it holds is bounded by the
// calls that run and the agents logged in. It has one owner.
type Projector struct {
	emit   Emit
	calls  map[ref]*call
	agents map[ref]*agentClock
	last   map[string]int64 // tenant -> time of its newest event
}

type ref struct{ tenant, id string }

// call is a running call.
type call struct {
	Number    string        `json:"number,omitempty"` // "" unless it came from outside
	Started   int64         `json:"started"`
	Connected bool          `json:"connected,omitempty"`
	InMenu    bool          `json:"in_menu,omitempty"`  // the running segment is a menu
	Back      bool          `json:"back,omitempty"`     // made for a callback
	Transfer  bool          `json:"transfer,omitempty"` // asked and taken on, not ended
	AskedBy   string        `json:"asked_by,omitempty"` // the agent who asked for it; "" = the caller
	Stays     int           `json:"stays,omitempty"`    // ended without an answer since the last answer
	Stay      *stay         `json:"stay,omitempty"`
	Segment   segment       `json:"segment,omitzero"`
	Talk      *conversation `json:"talk,omitempty"`
}

// segment is the running one, when it is talk or hold with an agent.
type segment struct {
	Agent string `json:"agent,omitempty"`
	Hold  bool   `json:"hold,omitempty"`
	Since int64  `json:"since,omitempty"`
}

// stay is a caller in a queue.
type stay struct {
	Queue   string `json:"queue"`
	Entered int64  `json:"entered"`
	T       int64  `json:"t"`
	S       int64  `json:"s"`
}

// origin says where the handling of a stay is counted.
type origin struct {
	Queue    string `json:"queue"`
	Number   string `json:"number,omitempty"`
	Entered  int64  `json:"entered"`
	Answered int64  `json:"answered"`
}

// conversation is a caller from a queue with the agent who answered.
type conversation struct {
	origin
	Agent  string `json:"agent"` // "" = not told yet, or nobody's phone
	WaitMs int64  `json:"wait_ms,omitempty"`
	InT    bool   `json:"in_t,omitempty"`
	TalkMs int64  `json:"talk_ms,omitempty"`
	HoldMs int64  `json:"hold_ms,omitempty"`
}

// agentClock is what an agent does, since when.
type agentClock struct {
	State string `json:"state"`
	Since int64  `json:"since"`
	// WrapUp is the stay that the next wrap-up follows; nil = none was answered yet.
	WrapUp *origin `json:"wrap_up,omitempty"`
}

// NewProjector has seen no events. emit must not call the projector.
func NewProjector(emit Emit) *Projector {
	return &Projector{emit: emit, calls: map[ref]*call{}, agents: map[ref]*agentClock{}, last: map[string]int64{}}
}

// Feed takes the next event of the journal.
func (p *Projector) Feed(e event.Event) {
	now := e.At.UnixMilli()
	switch b := e.Body.(type) {
	case event.AgentStateChanged:
		p.agentChanged(e.Tenant, b, now)
	case event.EngineStarted:
		// What came before was the work of a process that is gone, and did not say
		// good-bye: the agents' time ends at the last thing it wrote.
		p.engineGone(e.Tenant, min(now, p.last[e.Tenant]))
	case event.EngineStopped:
		p.engineGone(e.Tenant, now)
	case event.OfferEnded:
		p.offerEnded(e.Tenant, b, now)
	case event.CallbackAsked, event.CallbackTried, event.CallbackEnded:
		p.callback(e.Tenant, b, now)
	case event.CallStarted:
		if k := (ref{e.Tenant, e.CallID}); p.calls[k] == nil {
			c := &call{Started: now, Back: b.Callback != ""}
			if b.Direction == event.Inbound {
				c.Number = b.To
			}
			p.calls[k] = c
		}
	default:
		if c := p.calls[ref{e.Tenant, e.CallID}]; c != nil {
			p.callEvent(e, c, now)
		}
	}
	if t := p.last[e.Tenant]; now > t || t == 0 {
		p.last[e.Tenant] = now
	}
}

func (p *Projector) callEvent(e event.Event, c *call, now int64) {
	switch b := e.Body.(type) {
	case event.QueueEntered:
		p.entered(e.Tenant, c, b, now)
	case event.QueueLeft:
		p.left(e.Tenant, c, b, now)
	case event.SegmentStarted:
		p.segment(e.Tenant, c, b, now)
	case event.TransferAsked:
		if b.Code == 202 && b.Transfer != "third" {
			c.Transfer, c.AskedBy = true, b.Agent
		}
	case event.TransferEnded:
		p.transferEnded(e.Tenant, c, b, now)
	case event.CallEnded:
		p.callEnded(e.Tenant, c, b, now)
		delete(p.calls, ref{e.Tenant, e.CallID})
	}
}

// book adds to the rows of a stay: its queue, its number, its tenant.
func (p *Projector) book(tenant, queue, number string, at int64, c Counter, n int64) {
	if n == 0 {
		return
	}
	start := IntervalOf(at)
	p.emit(Key{tenant, start, Queue, queue}, c, n)
	p.emit(Key{tenant, start, Tenant, ""}, c, n)
	if number != "" {
		p.emit(Key{tenant, start, Number, number}, c, n)
	}
}

func (p *Projector) bookAgent(tenant, agent string, at int64, c Counter, n int64) {
	if n != 0 && agent != "" {
		p.emit(Key{tenant, IntervalOf(at), Agent, agent}, c, n)
	}
}

func (p *Projector) entered(tenant string, c *call, b event.QueueEntered, now int64) {
	p.endStay(tenant, c, now) // its end was lost
	p.endTalk(tenant, c, now, c.byAgent())
	c.Stay = &stay{b.Queue, now, threshold(b.ServiceMs, DefaultServiceLevel), threshold(b.ShortMs, DefaultShortAbandon)}
	p.book(tenant, b.Queue, c.Number, now, Entered, 1)
	switch {
	case c.Transfer:
		p.book(tenant, b.Queue, c.Number, now, EnteredByTransfer, 1)
	case c.Stays > 0:
		p.book(tenant, b.Queue, c.Number, now, EnteredAgain, 1)
	}
}

// threshold reads one of an event: 0 is not told, less is none at all.
func threshold(ms int64, or time.Duration) int64 {
	if ms == 0 {
		return or.Milliseconds()
	}
	return ms
}

// leftCounters are the outcomes of a stay that have a counter of their own beside
// answered and abandoned. All others are LeftOther.
var leftCounters = map[string]Counter{"answered": Answered, "abandoned": Abandoned, "timeout": LeftTimeout, "full": LeftOther,
	"empty": LeftEmpty, "key": LeftKey, "overflow": LeftOverflow, "callback": LeftCallback}

func (p *Projector) left(tenant string, c *call, b event.QueueLeft, now int64) {
	s := c.Stay
	if s == nil {
		if b.Outcome == "full" || b.Outcome == "empty" {
			p.book(tenant, b.Queue, c.Number, now, Refused, 1)
			c.Stays++
		}
		return
	}
	wait := max(0, b.WaitMs)
	c.Stay = nil
	k, ok := leftCounters[b.Outcome]
	if !ok {
		k = LeftOther
	}
	add := func(k Counter, n int64) { p.book(tenant, s.Queue, c.Number, s.Entered, k, n) }
	add(k, 1)
	add(LongestWaitMs, wait)
	switch k {
	case Answered:
		add(WaitAnsweredMs, wait)
		if wait <= s.T {
			add(AnsweredInT, 1)
		}
		p.endTalk(tenant, c, now, false)
		c.Stays = 0
		c.Talk = &conversation{origin: origin{s.Queue, c.Number, s.Entered, now}, WaitMs: wait, InT: wait <= s.T}
		// Whom the queue did not send (a call picked up) the segment names.
		p.answeredBy(tenant, c.Talk, cmp.Or(b.Agent, c.Segment.Agent))
		return
	case Abandoned:
		add(WaitAbandonedMs, wait)
		if wait <= s.T {
			add(AbandonedInT, 1)
		}
		if wait <= s.S {
			add(AbandonedShort, 1)
		}
	}
	c.Stays++
}

// answeredBy says who has answered, once.
func (p *Projector) answeredBy(tenant string, t *conversation, agent string) {
	if t.Agent != "" || agent == "" {
		return
	}
	t.Agent = agent
	in := int64(0)
	if t.InT {
		in = 1
	}
	p.bookAgent(tenant, agent, t.Answered, Answered, 1)
	p.bookAgent(tenant, agent, t.Answered, AnsweredInT, in)
	p.bookAgent(tenant, agent, t.Answered, WaitAnsweredMs, t.WaitMs)
	p.bookAgent(tenant, agent, t.Answered, LongestWaitMs, t.WaitMs)
	if a := p.agents[ref{tenant, agent}]; a != nil {
		o := t.origin
		a.WrapUp = &o
	}
}

// endStay closes a stay whose QueueLeft never came: the server was killed.
func (p *Projector) endStay(tenant string, c *call, now int64) {
	if s := c.Stay; s != nil {
		c.Stay = nil
		c.Stays++
		p.book(tenant, s.Queue, c.Number, s.Entered, LeftOther, 1)
		p.book(tenant, s.Queue, c.Number, s.Entered, LongestWaitMs, max(0, now-s.Entered))
	}
}

// segment follows who talks. The queue says "answered" and the call says "talking"
// in either order.
func (p *Projector) segment(tenant string, c *call, b event.SegmentStarted, now int64) {
	p.addSegment(c, now)
	talk := b.Segment == event.SegmentTalking
	c.Connected = c.Connected || talk
	c.InMenu = b.Segment == event.SegmentMenu
	c.Segment = segment{}
	if !talk && b.Segment != event.SegmentHold {
		return // while somebody else is rung for a transfer, the conversation may come back
	}
	if c.Back && talk && c.Talk == nil && b.Queue != "" && b.Agent != "" {
		c.Back = false // the conversation is handled as one of the queue's, though nobody was answered
		c.Talk = &conversation{origin: origin{Queue: b.Queue, Entered: now, Answered: now}, Agent: b.Agent}
		if a := p.agents[ref{tenant, b.Agent}]; a != nil {
			o := c.Talk.origin
			a.WrapUp = &o
		}
	}
	if c.Talk != nil && b.By != "park" {
		if c.Talk.TalkMs+c.Talk.HoldMs == 0 {
			p.answeredBy(tenant, c.Talk, b.Agent)
		}
		if c.Talk.Agent != b.Agent {
			p.endTalk(tenant, c, now, false)
		}
	}
	if b.By == "park" {
		return
	}
	c.Segment = segment{b.Agent, !talk, now}
}

// addSegment counts the running segment to the conversation that it belongs to.
func (p *Projector) addSegment(c *call, now int64) {
	s := c.Segment
	if c.Talk == nil || s.Since == 0 || s.Agent != c.Talk.Agent {
		return
	}
	if s.Hold {
		c.Talk.HoldMs += max(0, now-s.Since)
	} else {
		c.Talk.TalkMs += max(0, now-s.Since)
	}
	c.Segment.Since = now
}

func (p *Projector) transferEnded(tenant string, c *call, b event.TransferEnded, now int64) {
	if b.Transfer == "third" {
		return
	}
	if b.Outcome == "done" {
		p.endTalk(tenant, c, now, b.Transfer != "park" && c.byAgent())
	}
	c.Transfer, c.AskedBy = false, ""
}

// byAgent: the transfer that goes on is one of the agent who talks.
func (c *call) byAgent() bool { return c.Transfer && c.Talk != nil && c.Talk.Agent == c.AskedBy }

// endTalk counts a conversation that is over.
func (p *Projector) endTalk(tenant string, c *call, now int64, transferred bool) {
	t := c.Talk
	if t == nil {
		return
	}
	p.addSegment(c, now)
	c.Talk = nil
	moved := int64(0)
	if transferred {
		moved = 1
	}
	for _, x := range []struct {
		c Counter
		n int64
	}{{Handled, 1}, {TalkMs, t.TalkMs}, {HoldMs, t.HoldMs}, {Transferred, moved}} {
		p.book(tenant, t.Queue, t.Number, t.Entered, x.c, x.n)
		p.bookAgent(tenant, t.Agent, t.Answered, x.c, x.n)
	}
}

func (p *Projector) callEnded(tenant string, c *call, b event.CallEnded, now int64) {
	p.endStay(tenant, c, now)
	p.endTalk(tenant, c, now, false)
	number := c.Number
	if number != "" && (b.Reason == event.ReasonNotFound || b.Reason == event.ReasonForbidden) {
		number = UnknownNumber
	}
	add := func(k Counter, n int64) {
		if n == 0 {
			return
		}
		p.emit(Key{tenant, IntervalOf(c.Started), Tenant, ""}, k, n)
		if number != "" {
			p.emit(Key{tenant, IntervalOf(c.Started), Number, number}, k, n)
		}
	}
	add(Calls, 1)
	add(CallMs, max(0, now-c.Started))
	switch {
	case c.Connected:
		add(CallsConnected, 1)
	case b.Reason == event.ReasonLeftMenu:
		add(CallsLeftMenu, 1)
	}
}

// offerCounters are the outcomes of an offer with a counter of their own.
var offerCounters = map[string]Counter{"no_answer": RingNoAnswer, "busy": OffersDeclined, "rejected": OffersDeclined, "unreachable": OffersUnreachable}

func (p *Projector) offerEnded(tenant string, b event.OfferEnded, now int64) {
	add := func(k Counter, n int64) {
		p.book(tenant, b.Queue, "", now, k, n)
		p.bookAgent(tenant, b.Agent, now, k, n)
	}
	add(Offers, 1)
	add(OfferRingMs, max(0, b.RingMs))
	if k, ok := offerCounters[b.Outcome]; ok {
		add(k, 1)
	}
}

// clockCounters are the agent's states (pkg/agent) by the clock. Offline is none;
// a state that this build does not know is time logged in and not ready.
var clockCounters = map[string]Counter{"ready": ReadyMs, "reserved": RingingMs, "ringing": RingingMs, "on_call": OnCallMs,
	"wrap_up": AfterCallMs, "not_ready": NotReadyMs}

func clockCounter(state string) Counter {
	if c, ok := clockCounters[state]; ok {
		return c
	}
	return NotReadyMs
}

const offline = "offline"

func (p *Projector) agentChanged(tenant string, b event.AgentStateChanged, now int64) {
	k := ref{tenant, b.Agent}
	a := p.agents[k]
	if a == nil {
		a = &agentClock{}
	} else {
		until := now
		if b.From == offline {
			// A new process, of a build that wrote no EngineStarted.
			until = min(now, p.last[tenant])
		}
		p.endState(tenant, b.Agent, a, until)
	}
	if b.To == offline {
		delete(p.agents, k)
		return
	}
	a.State, a.Since = b.To, now
	p.agents[k] = a
}

// endState counts the time of an agent's state until a moment.
func (p *Projector) endState(tenant, agent string, a *agentClock, until int64) {
	p.clock(tenant, agent, a, until)
	if a.State == "wrap_up" && a.WrapUp != nil {
		o, n := a.WrapUp, max(0, until-a.Since)
		p.book(tenant, o.Queue, o.Number, o.Entered, WrapUpMs, n)
		p.bookAgent(tenant, agent, o.Answered, WrapUpMs, n)
	}
}

// clock cuts the time of a state at the borders of the intervals.
func (p *Projector) clock(tenant, agent string, a *agentClock, until int64) {
	c := clockCounter(a.State)
	split(max(a.Since, until-longest.Milliseconds()), until, func(start, ms int64) {
		p.emit(Key{tenant, start, Agent, agent}, c, ms)
		p.emit(Key{tenant, start, Tenant, ""}, c, ms)
	})
}

// split cuts [from, to) at the borders of the intervals.
func split(from, to int64, part func(start, ms int64)) {
	for from < to {
		start := IntervalOf(from)
		end := min(to, start+intervalMs)
		part(start, end-from)
		from = end
	}
}

func (p *Projector) engineGone(tenant string, until int64) {
	for k, a := range p.agents {
		if k.tenant == tenant {
			p.endState(tenant, k.id, a, until)
			delete(p.agents, k)
		}
	}
}

// Running tells what would be added if now were the end of what runs: the time of
// agents in their states, and the waits of those who wait still. Nothing of it is
// counted yet. Only rows of tenant ("" = all) that start in [from, to) are told.
func (p *Projector) Running(tenant string, now, from, to int64, emit Emit) {
	q := Projector{emit: func(k Key, c Counter, n int64) {
		if k.Start >= from && k.Start < to && n != 0 {
			emit(k, c, n)
		}
	}}
	for k, a := range p.agents {
		if tenant == "" || k.tenant == tenant {
			part := *a
			part.Since = max(a.Since, from)
			q.clock(k.tenant, k.id, &part, min(now, to))
		}
	}
	for k, c := range p.calls {
		if c.Stay != nil && (tenant == "" || k.tenant == tenant) {
			q.book(k.tenant, c.Stay.Queue, c.Number, c.Stay.Entered, LongestWaitMs, max(0, now-c.Stay.Entered))
		}
	}
}

// Open is how many calls and agents are held.
func (p *Projector) Open() (calls, agents int) { return len(p.calls), len(p.agents) }

// state is what a Projector holds, as it is kept over a restart.
type state struct {
	Version int              `json:"version"`
	Calls   []savedCall      `json:"calls,omitempty"`
	Agents  []savedAgent     `json:"agents,omitempty"`
	Last    map[string]int64 `json:"last,omitempty"`
}

type savedCall struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
	Call   *call  `json:"call"`
}

type savedAgent struct {
	Tenant string      `json:"tenant"`
	Name   string      `json:"name"`
	Clock  *agentClock `json:"clock"`
}

// MarshalJSON saves what the projector holds; the same state is the same bytes.
func (p *Projector) MarshalJSON() ([]byte, error) {
	s := state{Version: Version, Last: p.last}
	for k, c := range p.calls {
		s.Calls = append(s.Calls, savedCall{k.tenant, k.id, c})
	}
	for k, a := range p.agents {
		s.Agents = append(s.Agents, savedAgent{k.tenant, k.id, a})
	}
	slices.SortFunc(s.Calls, func(a, b savedCall) int {
		return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.Agents, func(a, b savedAgent) int {
		return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Name, b.Name))
	})
	return json.Marshal(s)
}

// UnmarshalJSON takes up what MarshalJSON saved, with the emit of NewProjector.
func (p *Projector) UnmarshalJSON(b []byte) error {
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("report: saved state: %w", err)
	}
	if s.Version != Version {
		return fmt.Errorf("report: saved state is of version %d, this build has %d", s.Version, Version)
	}
	q := NewProjector(p.emit)
	for _, c := range s.Calls {
		q.calls[ref{c.Tenant, c.ID}] = c.Call
	}
	for _, a := range s.Agents {
		q.agents[ref{a.Tenant, a.Name}] = a.Clock
	}
	for t, at := range s.Last {
		q.last[t] = at
	}
	*p = *q
	return nil
}
