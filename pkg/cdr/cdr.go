// Package cdr makes call records of the journal: one row a call with its
// segments, legs and durations. It is a projection: it holds nothing that the
// events do not say and can be made again from them. Fed event by event while
// calls run (Projector) or from the journal afterwards (Rebuild), the rows are
// the same. Pure: no I/O, no clock; who feeds it owns it.
package cdr

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// Call is one call record. Times are UTC with millisecond precision; durations
// are whole milliseconds, never negative (a clock set back counts as 0).
type Call struct {
	ID        string          `json:"id"`
	Tenant    string          `json:"tenant"`
	Direction event.Direction `json:"direction"`
	From      string          `json:"from"`
	Display   string          `json:"display,omitempty"`
	To        string          `json:"to"`
	Trunk     string          `json:"trunk,omitempty"`  // of the caller
	Device    string          `json:"device,omitempty"` // of the caller
	Flow      string          `json:"flow,omitempty"`   // entered last
	SIPCallID string          `json:"sip_call_id"`
	// Callback is the call whose caller was called back by this one, "" = it is none.
	Callback string `json:"callback,omitempty"`

	Started  time.Time `json:"started"`
	Answered time.Time `json:"answered,omitzero"` // caller's 200; zero = never
	Ended    time.Time `json:"ended,omitzero"`    // zero = runs still

	Result event.Result `json:"result,omitempty"`
	Reason event.Reason `json:"reason,omitempty"`
	Code   int          `json:"code,omitempty"`

	// TotalMs = Ended - Started.
	TotalMs int64 `json:"total_ms"`
	// SetupMs = Answered - Started; 0 when never answered.
	SetupMs int64 `json:"setup_ms"`
	// MenuMs, WaitMs, RingMs, TalkMs, HoldMs are the sums of the segments of
	// that kind; a segment lasts from its start to the next one's, or the end.
	// The sum of all five is at most TotalMs (the time before the first segment
	// is in none).
	MenuMs int64 `json:"menu_ms"`
	WaitMs int64 `json:"wait_ms"`
	RingMs int64 `json:"ring_ms"`
	TalkMs int64 `json:"talk_ms"`
	HoldMs int64 `json:"hold_ms"`

	Queue        string `json:"queue,omitempty"`         // entered last
	QueueOutcome string `json:"queue_outcome,omitempty"` // how it was left
	Agent        string `json:"agent,omitempty"`         // talked last
	Peer         string `json:"peer,omitempty"`          // device, or number on a trunk, talked to last
	PeerTrunk    string `json:"peer_trunk,omitempty"`
	Offers       int    `json:"offers,omitempty"` // agents rung or tried
	Missed       int    `json:"missed,omitempty"` // of these, who did not answer

	Segments   []Segment   `json:"segments,omitempty"`
	Legs       []Leg       `json:"legs,omitempty"`
	Recordings []Recording `json:"recordings,omitempty"`

	// Dispositions are what agents said of the call, the earliest first, one of each. They
	// may come after its end: the store adds them to the record that it reads.
	Dispositions []Disposition `json:"dispositions,omitempty"`

	LastSeq uint64    `json:"last_seq"` // newest event in this record
	LastAt  time.Time `json:"last_at"`
}

// Segment is one stretch of a call.
type Segment struct {
	Kind   event.SegmentKind `json:"kind"`
	AtMs   int64             `json:"at_ms"` // since the call's start
	Ms     int64             `json:"ms"`    // 0 while it runs
	Flow   string            `json:"flow,omitempty"`
	Queue  string            `json:"queue,omitempty"`
	Agent  string            `json:"agent,omitempty"`
	Device string            `json:"device,omitempty"`
	Number string            `json:"number,omitempty"`
	By     string            `json:"by,omitempty"`
}

// Leg is one leg; 0 is the caller's.
type Leg struct {
	Leg       int          `json:"leg"`
	Device    string       `json:"device,omitempty"`
	Trunk     string       `json:"trunk,omitempty"`
	Number    string       `json:"number,omitempty"`
	Agent     string       `json:"agent,omitempty"`
	SIPCallID string       `json:"sip_call_id,omitempty"`
	AtMs      int64        `json:"at_ms"`                 // since the call's start
	RingMs    int64        `json:"ring_ms,omitempty"`     // start of the leg to its 180
	AnswerMs  int64        `json:"answer_ms,omitempty"`   // start of the leg to its 200
	EndedMs   int64        `json:"ended_ms,omitempty"`    // start of the leg to its end
	Code      int          `json:"code,omitempty"`        // SIP status when it failed
	Reason    event.Reason `json:"reason,omitempty"`      // "" while it runs
	Audio     *event.Audio `json:"audio,omitempty"`       // shared with the event; not changed
	Answered  bool         `json:"answered,omitempty"`    //
	Ringing   bool         `json:"was_ringing,omitempty"` //
	Inbound   bool         `json:"inbound,omitempty"`     // came in as a call of its own and was transferred here
}

// Recording is one file of the call.
type Recording struct {
	ID         string `json:"id"`
	Path       string `json:"path"`
	DurationMs int64  `json:"duration_ms"`
	SizeBytes  int64  `json:"size_bytes"`
	Fault      string `json:"fault,omitempty"`
	SHA256     string `json:"sha256,omitempty"`
	PausedMs   int64  `json:"paused_ms,omitempty"` // of the duration nothing was recorded on purpose
	Closed     bool   `json:"closed"`
}

// Disposition is how a call went, by an agent's word.
type Disposition struct {
	Disposition string    `json:"disposition"`
	Group       string    `json:"group,omitempty"`
	List        string    `json:"list"`
	Agent       string    `json:"agent"`
	Queue       string    `json:"queue,omitempty"`
	Note        string    `json:"note,omitempty"`
	At          time.Time `json:"at"`
}

// Open reports whether the call runs still.
func (c *Call) Open() bool { return c.Ended.IsZero() }

// Clone copies what a Projector may still change.
func (c *Call) Clone() Call {
	d := *c
	d.Segments, d.Legs, d.Recordings = slices.Clone(c.Segments), slices.Clone(c.Legs), slices.Clone(c.Recordings)
	return d
}

// at is the precision the journal keeps: without it a record made live would
// differ by a rounding from one made of the journal.
func at(e event.Event) time.Time { return e.At.UTC().Truncate(time.Millisecond) }

func ms(from, to time.Time) int64 { return max(0, to.Sub(from).Milliseconds()) }

// begin opens a record of a CallStarted.
func begin(e event.Event, b event.CallStarted) *Call {
	return &Call{ID: e.CallID, Tenant: e.Tenant, Direction: b.Direction, From: b.From, Display: b.Display, To: b.To,
		Trunk: b.Trunk, Device: b.Device, Flow: b.Flow, SIPCallID: b.SIPCallID, Callback: b.Callback, Started: at(e),
		LastSeq: e.Seq, LastAt: at(e),
		Legs: []Leg{{Device: b.Device, Trunk: b.Trunk, Number: b.From, SIPCallID: b.SIPCallID}}}
}

// apply adds one event of the call. Events after CallEnded change nothing.
func (c *Call) apply(e event.Event) {
	if !c.Open() {
		return
	}
	now := at(e)
	c.LastSeq, c.LastAt = e.Seq, now
	switch b := e.Body.(type) {
	case event.CallAnswered:
		if c.Answered.IsZero() {
			c.Answered = now
			c.SetupMs = ms(c.Started, now)
		}
	case event.LegStarted:
		c.Legs = append(c.Legs, Leg{Leg: b.Leg, Device: b.Device, Trunk: b.Trunk, Number: b.Number, Agent: b.Agent,
			SIPCallID: b.SIPCallID, AtMs: ms(c.Started, now), Inbound: b.Inbound})
	case event.LegRinging:
		if l := c.leg(b.Leg); l != nil && !l.Ringing {
			l.Ringing, l.RingMs = true, max(0, ms(c.Started, now)-l.AtMs)
		}
	case event.LegAnswered:
		if l := c.leg(b.Leg); l != nil && !l.Answered {
			l.Answered, l.AnswerMs = true, max(0, ms(c.Started, now)-l.AtMs)
		}
	case event.LegEnded:
		if l := c.leg(b.Leg); l != nil && l.Reason == "" {
			l.EndedMs, l.Code, l.Reason, l.Audio = max(0, ms(c.Started, now)-l.AtMs), b.Code, b.Reason, b.Audio
		}
	case event.SegmentStarted:
		c.closeSegment(now)
		c.Segments = append(c.Segments, Segment{Kind: b.Segment, AtMs: ms(c.Started, now), Flow: b.Flow, Queue: b.Queue,
			Agent: b.Agent, Device: b.Device, Number: b.Number, By: b.By})
		if c.Callback != "" && b.Queue != "" {
			c.Queue = b.Queue
		}
		if b.Segment == event.SegmentTalking {
			if b.Agent != "" {
				c.Agent = b.Agent
			}
			if b.Device != "" {
				c.Peer = b.Device
			} else if b.Number != "" {
				c.Peer = b.Number
			}
			for i := range c.Legs { // the trunk of the leg that is talked to
				if l := &c.Legs[i]; i > 0 && l.Answered && l.Trunk != "" && l.Number == b.Number {
					c.PeerTrunk = l.Trunk
				}
			}
		}
	case event.FlowStep:
		c.Flow = b.Flow
	case event.QueueEntered:
		c.Queue, c.QueueOutcome = b.Queue, ""
	case event.QueueLeft:
		c.QueueOutcome = b.Outcome
	case event.OfferMade:
		c.Offers++
	case event.OfferEnded:
		if b.Outcome == "no_answer" {
			c.Missed++
		}
	case event.RecordingStarted:
		c.Recordings = append(c.Recordings, Recording{ID: b.Recording, Path: b.Path})
	case event.RecordingEnded:
		for i := range c.Recordings {
			if r := &c.Recordings[i]; r.ID == b.Recording {
				r.DurationMs, r.SizeBytes, r.Fault, r.Closed = b.DurationMs, b.SizeBytes, b.Fault, true
				r.SHA256, r.PausedMs = b.SHA256, b.PausedMs
			}
		}
	case event.CallEnded:
		c.closeSegment(now)
		c.Ended, c.Result, c.Reason, c.Code = now, b.Result, b.Reason, b.Code
		c.TotalMs = ms(c.Started, now)
	}
}

func (c *Call) leg(n int) *Leg {
	for i := range c.Legs {
		if c.Legs[i].Leg == n {
			return &c.Legs[i]
		}
	}
	return nil
}

// closeSegment ends the running segment and adds it to its kind's sum.
func (c *Call) closeSegment(now time.Time) {
	if len(c.Segments) == 0 {
		return
	}
	s := &c.Segments[len(c.Segments)-1]
	s.Ms = max(0, ms(c.Started, now)-s.AtMs)
	switch s.Kind {
	case event.SegmentMenu:
		c.MenuMs += s.Ms
	case event.SegmentWaiting:
		c.WaitMs += s.Ms
	case event.SegmentRinging:
		c.RingMs += s.Ms
	case event.SegmentTalking:
		c.TalkMs += s.Ms
	case event.SegmentHold:
		c.HoldMs += s.Ms
	}
}

// Running returns the record as it would be if the call ended at now, still
// open: the running segment and the sums count up to now. For live screens.
func (c *Call) Running(now time.Time) Call {
	d := c.Clone()
	if d.Open() {
		d.closeSegment(now)
		d.TotalMs = ms(d.Started, now)
	}
	return d
}

// Step says what an event did to the records.
type Step uint8

const (
	StepNone    Step = iota // no call, or one that never started
	StepOpened              // a call began
	StepChanged             // a running call changed
	StepEnded               // a call ended; the projector forgets it
)

// Projector holds the records of the calls that run. It has one owner.
type Projector struct {
	open map[key]*Call
}

type key struct{ tenant, call string }

// NewProjector has no calls yet.
func NewProjector() *Projector { return &Projector{open: map[key]*Call{}} }

// Feed takes the next event of the journal and returns the record it changed.
// The record belongs to the projector until StepEnded; Clone it to keep it.
func (p *Projector) Feed(e event.Event) (*Call, Step) {
	if e.CallID == "" {
		return nil, StepNone
	}
	k := key{e.Tenant, e.CallID}
	c := p.open[k]
	if c == nil {
		b, ok := e.Body.(event.CallStarted)
		if !ok {
			return nil, StepNone // behind the call's end, or of a call whose start was lost
		}
		c = begin(e, b)
		p.open[k] = c
		return c, StepOpened
	}
	c.apply(e)
	if c.Open() {
		return c, StepChanged
	}
	delete(p.open, k)
	return c, StepEnded
}

// Open lists copies of the running calls, oldest first.
func (p *Projector) Open() []Call {
	out := make([]Call, 0, len(p.open))
	for _, c := range p.open {
		out = append(out, c.Clone())
	}
	slices.SortFunc(out, func(a, b Call) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Tenant, b.Tenant))
	})
	return out
}

// Project makes the record of one call's events, in order. ok is false when
// they hold no CallStarted.
func Project(events []event.Event) (c Call, ok bool) {
	p := NewProjector()
	var last *Call
	for _, e := range events {
		if got, step := p.Feed(e); step != StepNone {
			last = got
		}
	}
	if last == nil {
		return Call{}, false
	}
	return last.Clone(), true
}

// Rebuild makes the records of a whole journal: each ended call goes to sink at
// its end, the calls still open afterwards, oldest first.
func Rebuild(journal iter.Seq2[event.Event, error], sink func(Call) error) error {
	p := NewProjector()
	for e, err := range journal {
		if err != nil {
			return err
		}
		if c, step := p.Feed(e); step == StepEnded {
			if err := sink(*c); err != nil {
				return err
			}
		}
	}
	for _, c := range p.Open() {
		if err := sink(c); err != nil {
			return err
		}
	}
	return nil
}
