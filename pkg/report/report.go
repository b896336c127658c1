// Package report makes the figures of a call centre of the journal: counters per
// quarter of an hour and queue, agent, dialled number and tenant (Projector), and
// the ratios that people read (Figures), each with its formula. It is a
// projection like pkg/cdr: it holds nothing that the events do not say. Fed event
// by event while calls run, with any number of restarts between, or from the whole
// journal afterwards, it gives the same numbers. Pure: no I/O, no clock; who feeds
// a Projector owns it. pkg/report/follow feeds it behind the journal, pkg/store
// keeps the rows.
//
// # What belongs to which quarter of an hour
//
// Two rules, and no third:
//
//   - A caller's stay in a queue is counted whole in the quarter in which the
//     caller entered the queue: its outcome, its wait, and the talk, hold and
//     wrap-up that followed. So the answered and abandoned of a quarter never
//     exceed those who came in it. In the row of the agent the stay belongs to the
//     quarter of the answer; a call, in the row of its number, to the quarter of
//     its start; an offer to the quarter in which it ended.
//   - The time of agents by the clock (ready, on call ...) is cut at the borders:
//     each quarter has the part that lies in it. So the states of an agent never
//     add up to more than a quarter in a quarter, whatever crosses its border.
//
// Quarters begin at multiples of 15 minutes UTC. The offset of every time zone in
// use is a multiple of that, so hours and days of any zone, and the 23 and 25
// hours of the nights when clocks change, are made of whole quarters.
package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Version names the meaning of the counters. Rows of another version are made
// again from the journal at start.
const Version = 1

// Interval is what one row counts.
const Interval = 15 * time.Minute

const intervalMs = int64(Interval / time.Millisecond)

// Thresholds of stays whose events name none (journals of older builds).
const (
	DefaultServiceLevel = 20 * time.Second
	DefaultShortAbandon = 5 * time.Second
)

// IntervalOf is the start of the interval of a moment, both in milliseconds since
// 1970 UTC.
func IntervalOf(ms int64) int64 {
	if r := ms % intervalMs; r >= 0 {
		return ms - r
	} else {
		return ms - r - intervalMs
	}
}

// Kind says what a row is about.
type Kind string

const (
	Queue  Kind = "queue"
	Agent  Kind = "agent"
	Number Kind = "number" // as it was dialled from outside
	Tenant Kind = "tenant" // Name is ""
)

// Kinds lists every Kind.
var Kinds = []Kind{Queue, Agent, Number, Tenant}

// UnknownNumber is the row of calls to numbers that nobody has: strangers may dial
// anything, and must not make rows by it.
const UnknownNumber = "(unknown)"

// Key names a row.
type Key struct {
	Tenant string
	Start  int64 // of the interval, milliseconds since 1970 UTC
	Kind   Kind
	Name   string
}

// Counter is one number of a row. Times are whole milliseconds.
type Counter uint8

// The counters. Those of stays, offers and handling are in the rows of queues,
// numbers and tenants; agents have those of their own.
const (
	Entered           Counter = iota // stays begun in a queue
	EnteredAgain                     // of these: came from another queue that did not answer (overflow)
	EnteredByTransfer                // of these: an agent transferred the caller here
	Refused                          // not let in: full, or nobody logged in; not in Entered
	Answered                         // stays ended by an agent's answer
	AnsweredInT                      // of these: wait within the queue's service level T
	Abandoned                        // stays ended by the caller hanging up
	AbandonedInT                     // of these: within T
	AbandonedShort                   // of these: within the queue's short-abandon limit S
	LeftTimeout                      // stays ended by the longest wait of the queue or flow
	LeftEmpty                        // nobody was logged in any more
	LeftKey                          // the caller pressed a key
	LeftOverflow                     // sent on by an overflow rule
	LeftCallback                     // the caller asked to be called back
	LeftOther                        // an error, a shutdown, a server that was killed
	WaitAnsweredMs                   // sum of the waits of Answered
	WaitAbandonedMs                  // sum of the waits of Abandoned
	LongestWaitMs                    // the longest wait of any stay; a maximum, not a sum
	Handled                          // conversations of Answered that are over
	TalkMs                           // of Handled: time talking with the agent who answered
	HoldMs                           // of Handled: time on hold with that agent
	WrapUpMs                         // wrap-up after Handled
	Transferred                      // of Handled: the agent transferred the caller to somebody else
	Offers                           // offers that ended, whatever became of them
	RingNoAnswer                     // of these: the phone rang and nobody picked up
	OffersDeclined                   // of these: busy or rejected
	OffersUnreachable                // of these: the phone could not be reached
	OfferRingMs                      // sum of the times of Offers
	ReadyMs                          // agents by the clock: ready
	RingingMs                        // reserved, or the phone rings
	OnCallMs                         // on a call of any kind
	AfterCallMs                      // in wrap-up
	NotReadyMs                       // logged in, not ready
	Calls                            // calls that ended: number rows those from outside, tenants all
	CallsConnected                   // of these: somebody talked
	CallsLeftMenu                    // of these: the caller hung up in a menu
	CallMs                           // sum of the lengths of Calls
	CallbacksAsked                   // callbacks promised, in a queue or by a flow
	CallbackTries                    // numbers dialled for them that count: reached, busy, not answered, failed
	CallbackRetries                  // of these: not the first of their callback
	CallbacksReached                 // callbacks ended by the customer's answer
	CallbacksGivenUp                 // ended because nobody was reached in time or in so many tries
	CallbacksOther                   // ended otherwise: the customer called again, cancelled
	CallbackWaitMs                   // of CallbacksReached: from the caller's coming to the answer

	NumCounters = int(CallbackWaitMs) + 1
)

var counterNames = [NumCounters]string{"entered", "entered_again", "entered_by_transfer", "refused",
	"answered", "answered_in_t", "abandoned", "abandoned_in_t", "abandoned_short",
	"left_timeout", "left_empty", "left_key", "left_overflow", "left_callback", "left_other",
	"wait_answered_ms", "wait_abandoned_ms", "longest_wait_ms",
	"handled", "talk_ms", "hold_ms", "wrap_up_ms", "transferred",
	"offers", "ring_no_answer", "offers_declined", "offers_unreachable", "offer_ring_ms",
	"ready_ms", "ringing_ms", "on_call_ms", "after_call_ms", "not_ready_ms",
	"calls", "calls_connected", "calls_left_menu", "call_ms",
	"callbacks_asked", "callback_tries", "callback_retries", "callbacks_reached", "callbacks_given_up", "callbacks_other", "callback_wait_ms"}

// String is the counter's name in the API, in CSV and in formulas.
func (c Counter) String() string {
	if int(c) < NumCounters {
		return counterNames[c]
	}
	return fmt.Sprintf("counter(%d)", uint8(c))
}

var counterOf = func() map[string]Counter {
	m := make(map[string]Counter, NumCounters)
	for c, n := range counterNames {
		m[n] = Counter(c)
	}
	return m
}()

// Counts are the counters of one row.
type Counts [NumCounters]int64

// Add takes n into a counter: LongestWaitMs keeps the larger, all others sum up.
func (c *Counts) Add(k Counter, n int64) {
	if k == LongestWaitMs {
		c[k] = max(c[k], n)
		return
	}
	c[k] += n
}

// Merge takes all of d in.
func (c *Counts) Merge(d *Counts) {
	for k, n := range d {
		if n != 0 {
			c.Add(Counter(k), n)
		}
	}
}

// Zero: nothing was counted.
func (c *Counts) Zero() bool { return *c == Counts{} }

// AppendJSON writes the counters that are not zero as one JSON object, in the
// order of the list above: the same counts are the same bytes.
func (c *Counts) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	for k, n := range c {
		if n == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, counterNames[k]...)
		b = append(b, '"', ':')
		b = strconv.AppendInt(b, n, 10)
	}
	return append(b, '}')
}

// MarshalJSON implements json.Marshaler.
func (c Counts) MarshalJSON() ([]byte, error) { return c.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler. Unknown names are an error: rows of
// another Version must not be misread.
func (c *Counts) UnmarshalJSON(b []byte) error {
	var m map[string]int64
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("report: counters: %w", err)
	}
	*c = Counts{}
	for name, n := range m {
		k, ok := counterOf[name]
		if !ok {
			return fmt.Errorf("report: unknown counter %q", name)
		}
		c[k] = n
	}
	return nil
}
