package acd

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// A callback is a caller who has hung up and keeps the place in the queue. While
// its turn has not come it stands in the queue's line like everybody else, with the
// arrival and the number of the caller who asked, so that nobody who waits on the
// line and is older is ever passed over. When the turn comes an agent is offered the
// callback; once the agent has answered, the call concerned dials and says how it
// went (CallbackResult). Each state has a deadline, and so each callback an end.

// CallbackRules are a queue's. The zero value of a field means its default.
type CallbackRules struct {
	On bool // callers may ask for it
	// Retries are the tries after the first, when nobody was reached. Negative = none,
	// 0 = DefaultCallbackRetries. Interval is the time between tries.
	Retries  int
	Interval time.Duration
	// MaxAge since it was asked for; then it is given up.
	MaxAge time.Duration
	// Dial bounds a try, from the agent's answer to the customer's.
	Dial time.Duration
}

// Defaults of CallbackRules and Settings.MaxCallbacks.
const (
	DefaultCallbackRetries  = 2
	DefaultCallbackInterval = 10 * time.Minute
	DefaultCallbackAge      = 24 * time.Hour
	DefaultCallbackDial     = 2 * time.Minute
	DefaultMaxCallbacks     = 1000
)

const (
	maxCallbackAge = 14 * 24 * time.Hour
	// callbackKept is how long one that was given up stays in the list for people.
	callbackKept = 7 * 24 * time.Hour
	// callbackRest follows a try that was not the customer's doing: the agent hung up,
	// or the call broke off. Without it, what fails at once would be tried at once again.
	callbackRest = 10 * time.Second
	// callbackNoLine follows a try for which no trunk had a line. Both double with each
	// such try, up to the interval between tries: max_age alone ends them.
	callbackNoLine = time.Minute
	// callbackAgain is when an age that ran out while a phone rang is looked at again.
	callbackAgain = 30 * time.Second
)

func (r CallbackRules) withDefaults() CallbackRules {
	or := func(d *time.Duration, otherwise, most time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
		*d = min(max(*d, time.Second), most)
	}
	if r.Retries == 0 {
		r.Retries = DefaultCallbackRetries
	}
	r.Retries = min(max(r.Retries, 0), 100)
	or(&r.Interval, DefaultCallbackInterval, maxCallbackAge)
	or(&r.MaxAge, DefaultCallbackAge, maxCallbackAge)
	or(&r.Dial, DefaultCallbackDial, time.Hour)
	return r
}

// States of a Callback.
const (
	CallbackWaiting  = "waiting"  // in the queue's line, or an agent's phone rings for it
	CallbackClosed   = "closed"   // out of the queue's hours for callbacks
	CallbackDialling = "dialling" // an agent has answered, the number is dialled
	CallbackResting  = "resting"  // until Next
	CallbackGivenUp  = "given_up" // nobody was reached: for people to see to
)

// CallbackStates lists them, for metrics that start at zero.
var CallbackStates = []string{CallbackWaiting, CallbackClosed, CallbackDialling, CallbackResting, CallbackGivenUp}

// Outcomes of one try (CallbackResult).
const (
	TryReached   = "reached"
	TryBusy      = "busy"
	TryNoAnswer  = "no_answer"
	TryFailed    = "failed"     // refused, forbidden, or it broke off
	TryNoLine    = "no_line"    // no trunk had a line: it does not count
	TryAgentLeft = "agent_left" // the agent hung up while it was dialled: it does not count
)

// TryOutcomes lists them.
var TryOutcomes = []string{TryReached, TryBusy, TryNoAnswer, TryFailed, TryNoLine, TryAgentLeft}

// How a callback ends.
const (
	CallbackReached   = "reached"
	CallbackFailed    = "given_up"  // every try
	CallbackExpired   = "expired"   // older than CallbackRules.MaxAge
	CallbackCancelled = "cancelled" // by a person
	CallbackReturned  = "returned"  // the customer called again and has the place
	CallbackRemoved   = "removed"   // the queue is gone
)

// CallbackOutcomes lists them.
var CallbackOutcomes = []string{CallbackReached, CallbackFailed, CallbackExpired, CallbackCancelled, CallbackReturned, CallbackRemoved}

// Why a callback is refused (CallbackRefused).
const (
	RefusedExists = "exists" // the number waits for one in this queue
	RefusedOff    = "off"    // the queue does not call back
	RefusedMany   = "many"   // the tenant has as many as it may
)

// Callback is one, as plain data: what survives a restart.
type Callback struct {
	ID     string `json:"id"` // of the call that asked for it
	Queue  string `json:"queue"`
	Number string `json:"number"` // to be dialled
	// Caller is the number of who asked, "" = withheld; by it and by Number a customer
	// who calls again is known.
	Caller   string    `json:"caller,omitempty"`
	Name     string    `json:"name,omitempty"` // shown beside the number
	Language string    `json:"language,omitempty"`
	Record   string    `json:"record,omitempty"` // recording policy of the call that asked
	To       string    `json:"to,omitempty"`     // what the customer had called
	Priority int       `json:"priority,omitempty"`
	Need     string    `json:"need,omitempty"` // as Enter.Need
	Arrived  time.Time `json:"arrived"`
	Order    uint64    `json:"order"` // among those who arrived in the same moment
	Asked    time.Time `json:"asked"`
	State    string    `json:"state"`
	Tries    int       `json:"tries"`
	Strays   int       `json:"strays,omitempty"` // tries that did not count
	Next     time.Time `json:"next,omitzero"`    // when it is tried again, of resting
	// Call is the try at hand: as this call the callback stands in line.
	Call string `json:"call,omitempty"`
	Last string `json:"last,omitempty"` // outcome of the last try
}

type (
	// AskCallback turns a waiting caller into a callback that keeps the place. A call
	// that waits nowhere gets one in Queue, with the arrival named. Answered by
	// CallbackTaken or CallbackRefused.
	AskCallback struct {
		CallID string
		Queue  string
		Number string
		Caller string // see Callback
		Name   string
		// Language that the customer was spoken to in, Record the recording policy of the
		// call, To the number that was called: the engine only keeps them.
		Language, Record, To string
		By                   string // "key", "flow", "api"
		// Of a call that waits nowhere; see Enter.
		Priority  int
		Skills    map[string]int
		Need      string
		ArrivedAt time.Time
	}
	// CallbackResult: how a try went; CallID is Callback.Call. Reached at the
	// customer's answer, all others when it is over.
	CallbackResult struct{ CallID, Outcome string }
	// CancelCallback takes one out; one that was given up is forgotten. A try under way
	// goes on and is the last.
	CancelCallback struct{ ID, By string }
	// CallbackHours opens and closes the queue's callbacks. Until told they are open.
	CallbackHours struct {
		Queue string
		Open  bool
	}
	// RestoreCallbacks puts those back that a process before this one has saved.
	RestoreCallbacks struct{ List []Callback }
)

func (AskCallback) acdEvent()      {}
func (CallbackResult) acdEvent()   {}
func (CancelCallback) acdEvent()   {}
func (CallbackHours) acdEvent()    {}
func (RestoreCallbacks) acdEvent() {}

type (
	// CallbackTaken: the caller keeps the place and may hang up.
	CallbackTaken struct {
		event.CallbackAsked
		CallID string
	}
	// CallbackRefused: the caller stays where it is.
	CallbackRefused struct{ CallID, Queue, Why string }
	// CallbackTried: a try is over. CallID is the callback's.
	CallbackTried struct {
		event.CallbackTried
		CallID string
	}
	// CallbackOver: the callback has ended. CallID is the callback's.
	CallbackOver struct {
		event.CallbackEnded
		CallID string
	}
	// CallbackKept: what is to be saved of it has changed; see Engine.Callback.
	CallbackKept struct{ ID string }
)

func (CallbackTaken) acdEffect()   {}
func (CallbackRefused) acdEffect() {}
func (CallbackTried) acdEffect()   {}
func (CallbackOver) acdEffect()    {}
func (CallbackKept) acdEffect()    {}

// ErrUnknownCallback: there is none of that id.
var ErrUnknownCallback = fmt.Errorf("%w: no such callback", ErrRefused)

// callback is one in the engine. Its caller is a place in line while State is
// CallbackWaiting; the timer is its one deadline, always armed.
type callback struct {
	Callback
	c       *caller
	rules   CallbackRules
	arrived int64
	seq     uint64
	expires int64
	timer   timer
	last    bool   // the try at hand is the last, whatever comes of it
	ends    string // and then it ends so
}

// callbacks is all of an engine.
type callbacks struct {
	byID  map[string]*callback
	byTry map[string]*callback   // State CallbackDialling, by Call
	party map[placeKey]*callback // by queue and number; those given up are not in it
	list  []*callback            // in order of asking
	shut  map[string]bool        // queues out of hours
}

func (k *callbacks) live() int {
	n := 0
	for _, cb := range k.list {
		if cb.State != CallbackGivenUp {
			n++
		}
	}
	return n
}

func (cb *callback) keys() []placeKey {
	out := []placeKey{{cb.Queue, cb.Number}}
	if cb.Caller != "" && cb.Caller != cb.Number {
		out = append(out, placeKey{cb.Queue, cb.Caller})
	}
	return out
}

// unknown: by its numbers a callback is found no more.
func (k *callbacks) unknown(cb *callback) {
	for _, key := range cb.keys() {
		if k.party[key] == cb {
			delete(k.party, key)
		}
	}
}

func (e *Engine) askCallback(ev AskCallback) {
	c := e.callers[ev.CallID]
	if c != nil {
		ev.Queue = c.q.Name
	}
	q := e.byQueue[ev.Queue]
	refuse := func(why string, err error) {
		e.verdict = err
		e.emit(CallbackRefused{ev.CallID, ev.Queue, why})
	}
	k := &e.callbacks
	switch {
	case q == nil:
		refuse(RefusedUnknown, fmt.Errorf("%w %q", ErrUnknownQueue, ev.Queue))
		return
	case !q.Callback.On || ev.Number == "" || c != nil && c.cb != nil:
		refuse(RefusedOff, fmt.Errorf("%w: queue %q does not call back", ErrRefused, q.Name))
		return
	case k.party[placeKey{q.Name, ev.Number}] != nil || k.byID[ev.CallID] != nil:
		refuse(RefusedExists, fmt.Errorf("%w: %q is called back already", ErrRefused, ev.Number))
		return
	case k.live() >= e.set.MaxCallbacks:
		refuse(RefusedMany, fmt.Errorf("%w: %d callbacks wait", ErrRefused, k.live()))
		return
	}
	cb := &callback{Callback: Callback{ID: ev.CallID, Queue: q.Name, Number: ev.Number, Caller: ev.Caller, Name: ev.Name,
		Language: ev.Language, Record: ev.Record, To: ev.To, Asked: wall(e.abs(e.now))}}
	var fam *family
	position := 0
	if c != nil {
		position = c.q.line.position(c)
		fam, cb.Priority, cb.arrived, cb.seq = c.fam, c.priority, c.arrived, c.seq
	} else {
		fam = e.familyOf(q, ev.Skills, ev.Need)
		cb.Priority = min(max(ev.Priority, -maxPriority), maxPriority)
		e.seq++
		cb.arrived, cb.seq = e.now, e.seq
		if !ev.ArrivedAt.IsZero() {
			cb.arrived = min(e.now, int64(ev.ArrivedAt.Sub(e.epoch)))
		}
	}
	cb.Need = fam.text()
	cb.Arrived, cb.Order = wall(e.abs(cb.arrived)), cb.seq
	e.addCallback(cb, q)
	taken := CallbackTaken{event.CallbackAsked{Queue: q.Name, Number: cb.Number, Position: position, By: ev.By}, ev.CallID}
	var back []*agentRec
	if c != nil {
		back = e.stopRinging(c, nil, CauseCallerLeft)
		e.emit(taken)
		e.leave(c, LeftCallback, "")
	} else {
		e.emit(taken)
	}
	e.standBefore(back, func() { e.stand(cb) })
	if cb.State == CallbackWaiting && len(cb.c.offers) == 0 {
		e.held(cb.c)
	}
}

// standBefore puts somebody in line and then serves those agents whose phones have
// stopped ringing for it: by the order of the line, in which others may be ahead.
func (e *Engine) standBefore(back []*agentRec, stand func()) {
	if len(back) == 0 {
		stand()
		return
	}
	e.hold = true
	stand()
	e.hold = false
	e.matchAll()
}

// addCallback takes one in, in no state yet.
func (e *Engine) addCallback(cb *callback, q *queue) {
	k := &e.callbacks
	if k.byID == nil {
		k.byID, k.byTry, k.party = map[string]*callback{}, map[string]*callback{}, map[placeKey]*callback{}
	}
	cb.rules = q.Callback.withDefaults()
	cb.expires = int64(cb.Asked.Sub(e.epoch)) + int64(cb.rules.MaxAge)
	cb.c = &caller{cb: cb}
	cb.timer = timer{pos: -1, kind: timerCallback, c: cb.c}
	k.byID[cb.ID] = cb
	k.list = append(k.list, cb)
	for _, key := range cb.keys() {
		if k.party[key] == nil {
			k.party[key] = cb
		}
	}
}

// stand puts a callback in line, or aside while the queue's hours are over.
func (e *Engine) stand(cb *callback) {
	q := e.byQueue[cb.Queue]
	cb.Next, cb.Call = time.Time{}, ""
	switch {
	case q == nil:
		e.callbackOver(cb, CallbackRemoved, BySystem)
		return
	case e.now >= cb.expires:
		e.callbackOver(cb, CallbackExpired, BySystem)
		return
	case e.callbacks.shut[q.Name]:
		cb.State = CallbackClosed
		e.arm(&cb.timer, cb.expires)
		e.emit(CallbackKept{cb.ID})
		return
	}
	cb.State = CallbackWaiting
	e.arm(&cb.timer, cb.expires)
	e.seq++
	cb.Call = tryID(e.abs(e.now), cb.ID, e.seq)
	c := cb.c
	*c = caller{callID: cb.Call, from: cb.Caller, q: q, fam: e.familyOf(q, nil, cb.Need), priority: cb.Priority, joined: e.now,
		arrived: cb.arrived, seq: cb.seq, due: -1, stays: true, told: -1, cb: cb}
	e.prefer(c, Enter{})
	e.setKey(c)
	e.addCaller(c)
	c.class = e.stageOf(c)
	e.emit(CallbackKept{cb.ID})
	e.emit(Joined{CallID: c.callID, Queue: q.Name, Position: q.line.position(c), Priority: c.priority + q.Priority,
		QueuePriority: q.Priority, Need: cb.Need, Estimate: -1, Callback: cb.ID})
	e.wait(c, "callback")
}

// tryID names a try: a UUID of version 7 (RFC 9562 5.7), as calls have, but made of
// what the engine knows.
func tryID(at time.Time, id string, n uint64) string {
	h := fnv.New128a()
	h.Write([]byte(id))
	h.Write(binary.BigEndian.AppendUint64(nil, n))
	b := h.Sum(nil)
	ms := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli())<<16)
	copy(b, ms[:6])
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// callbackLeft: the callback's place in line is gone, for one of the outcomes of a stay.
func (e *Engine) callbackLeft(cb *callback, outcome, agentName string) {
	cb.c.q.callbacks--
	switch {
	case outcome == LeftAnswered && agentName != "":
		cb.State = CallbackDialling
		cb.Tries++
		e.callbacks.byTry[cb.Call] = cb
		e.arm(&cb.timer, e.now+int64(cb.rules.Dial))
		e.emit(CallbackKept{cb.ID})
	case cb.ends != "": // whoever took it out goes on
	case outcome == LeftTimeout: // no agent is offered any more: it waits on without a call
		e.stand(cb)
	default:
		rest := callbackRest
		if outcome != LeftShutdown {
			rest = cb.strays(rest)
		}
		e.callbackRests(cb, rest)
	}
}

// callbackRests sets a callback aside for a time.
func (e *Engine) callbackRests(cb *callback, d time.Duration) {
	at := e.now + int64(d)
	cb.State, cb.Call, cb.Next = CallbackResting, "", wall(e.abs(at))
	e.arm(&cb.timer, min(at, max(cb.expires, e.now+1)))
	e.emit(CallbackKept{cb.ID})
}

func (e *Engine) callbackResult(ev CallbackResult) {
	if cb := e.callbacks.byTry[ev.CallID]; cb != nil {
		e.tried(cb, ev.Outcome)
	}
}

// tried: a try of cb, which is being dialled, is over or has reached the customer.
func (e *Engine) tried(cb *callback, outcome string) {
	delete(e.callbacks.byTry, cb.Call)
	counts := outcome != TryNoLine && outcome != TryAgentLeft
	cb.Last = outcome
	agent := ""
	if on := e.onCall[cb.Call]; len(on) > 0 {
		agent = on[0].Name
	}
	if !counts {
		cb.Tries--
	}
	said := event.CallbackTried{Queue: cb.Queue, Call: cb.Call, Agent: agent, Try: cb.Tries, Outcome: outcome}
	rest := cb.rules.Interval
	switch outcome {
	case TryNoLine:
		rest = cb.strays(callbackNoLine)
	case TryAgentLeft:
		rest = cb.strays(callbackRest)
	}
	over := ""
	switch {
	case outcome == TryReached:
		over = CallbackReached
		e.memory.put(cb.Caller, agent, e.now)
	case cb.last:
		over = cb.ends
	case counts && cb.Tries > cb.rules.Retries:
		over = CallbackFailed
	case e.now+int64(rest) >= cb.expires:
		over = CallbackExpired
	default:
		said.NextMs = rest.Milliseconds()
	}
	e.emit(CallbackTried{said, cb.ID})
	if over != "" {
		e.callbackOver(cb, over, BySystem)
		return
	}
	e.callbackRests(cb, rest)
}

// strays counts a try that did not count, and tells how long to rest after it.
func (cb *callback) strays(rest time.Duration) time.Duration {
	rest = min(rest<<min(cb.Strays, 16), max(cb.rules.Interval, rest))
	cb.Strays++
	return rest
}

// callbackOver ends a callback, which is in no line any more. Those that reached
// nobody stay in the list for people.
func (e *Engine) callbackOver(cb *callback, outcome, by string) {
	k := &e.callbacks
	e.disarm(&cb.timer)
	k.unknown(cb)
	was := cb.Call
	cb.Next, cb.Call = time.Time{}, ""
	e.emit(CallbackOver{event.CallbackEnded{Queue: cb.Queue, Outcome: outcome, Tries: cb.Tries, WaitMs: (e.now - cb.arrived) / 1e6, Call: was, By: by}, cb.ID})
	if outcome == CallbackFailed || outcome == CallbackExpired {
		cb.State = CallbackGivenUp
		e.arm(&cb.timer, max(cb.expires, e.now)+int64(callbackKept))
		e.emit(CallbackKept{cb.ID})
		return
	}
	e.forgetCallback(cb)
}

func (e *Engine) forgetCallback(cb *callback) {
	k := &e.callbacks
	e.disarm(&cb.timer)
	k.unknown(cb)
	delete(k.byID, cb.ID)
	for i, x := range k.list {
		if x == cb {
			k.list = append(k.list[:i], k.list[i+1:]...)
			break
		}
	}
	e.emit(CallbackKept{cb.ID})
}

// callbackDue: the callback's state has lasted as long as it may.
func (e *Engine) callbackDue(cb *callback) {
	switch cb.State {
	case CallbackDialling:
		e.tried(cb, TryFailed) // nobody has said how it went
	case CallbackResting:
		e.stand(cb)
	case CallbackGivenUp:
		e.forgetCallback(cb)
	case CallbackWaiting:
		if len(cb.c.offers) > 0 {
			e.arm(&cb.timer, e.now+int64(callbackAgain))
			return
		}
		e.dropCallback(cb, CallbackExpired, BySystem)
	default:
		e.callbackOver(cb, CallbackExpired, BySystem)
	}
}

// dropCallback ends one in whatever state, but for a try that is being dialled: that
// one goes on and is the last.
func (e *Engine) dropCallback(cb *callback, outcome, by string) {
	switch cb.State {
	case CallbackDialling:
		cb.last, cb.ends = true, outcome
		return
	case CallbackWaiting:
		cb.ends = outcome
		back := e.stopRinging(cb.c, nil, CauseCallerLeft)
		e.leave(cb.c, LeftCallback, "")
		defer e.serveAll(back)
	}
	e.callbackOver(cb, outcome, by)
}

func (e *Engine) cancelCallback(ev CancelCallback) {
	cb := e.callbacks.byID[ev.ID]
	switch {
	case cb == nil:
		e.verdict = fmt.Errorf("%w: %q", ErrUnknownCallback, ev.ID)
	case cb.State == CallbackGivenUp:
		e.forgetCallback(cb)
	default:
		e.dropCallback(cb, CallbackCancelled, ev.By)
	}
}

// returned gives a live caller who enters the place of the callback for which the
// same customer waits, and ends it. c is in no line yet. The agents given back are to
// be served when c stands.
func (e *Engine) returned(c *caller) (id string, waited time.Duration, back []*agentRec) {
	cb := e.callbacks.party[placeKey{c.q.Name, c.returns}]
	if cb == nil || c.returns == "" {
		return "", 0, nil
	}
	c.priority = max(c.priority, cb.Priority)
	if cb.arrived <= c.arrived {
		c.arrived, c.seq = cb.arrived, cb.seq
	}
	id, waited = cb.ID, duration(e.now-cb.arrived)
	switch cb.State {
	case CallbackDialling:
		cb.last, cb.ends = true, CallbackReturned
		e.callbacks.unknown(cb) // the place is given once
		return id, waited, nil
	case CallbackWaiting:
		cb.ends = CallbackReturned
		back = e.stopRinging(cb.c, nil, CauseCallerLeft)
		e.leave(cb.c, LeftCallback, "")
	}
	e.callbackOver(cb, CallbackReturned, BySystem)
	return id, waited, back
}

// callbackHours opens or closes a queue's callbacks. One for which a phone rings is
// left to it.
func (e *Engine) callbackHours(ev CallbackHours) {
	k := &e.callbacks
	if k.shut[ev.Queue] == !ev.Open {
		return
	}
	if k.shut == nil {
		k.shut = map[string]bool{}
	}
	if ev.Open {
		delete(k.shut, ev.Queue)
	} else {
		k.shut[ev.Queue] = true
	}
	for _, cb := range append([]*callback(nil), k.list...) {
		switch {
		case cb.Queue != ev.Queue:
		case ev.Open && cb.State == CallbackClosed:
			e.stand(cb)
		case !ev.Open && cb.State == CallbackWaiting && len(cb.c.offers) == 0:
			e.setAside(cb)
		}
	}
}

// setAside takes a callback for which nothing rings out of the line until its hours.
func (e *Engine) setAside(cb *callback) {
	cb.ends = CallbackClosed
	e.leave(cb.c, LeftCallback, "")
	cb.ends = ""
	e.stand(cb)
}

// restoreCallbacks takes up what was saved, in the order it stood. A try that was
// under way has not reached its customer, as far as anybody knows.
func (e *Engine) restoreCallbacks(ev RestoreCallbacks) {
	list := append([]Callback(nil), ev.List...)
	sortCallbacks(list)
	e.hold = true
	for _, saved := range list {
		if saved.ID == "" || saved.Number == "" || e.callbacks.byID[saved.ID] != nil {
			e.fault(FaultBadConfig, fmt.Sprintf("callback %q: no number, or there twice", saved.ID))
			continue
		}
		cb := &callback{Callback: saved, arrived: min(e.now, int64(saved.Arrived.Sub(e.epoch)))}
		e.seq++
		cb.seq = e.seq
		cb.Order = cb.seq
		q := e.byQueue[saved.Queue]
		if q == nil {
			e.addCallback(cb, &queue{})
			if saved.State == CallbackGivenUp {
				e.forgetCallback(cb)
				continue
			}
			e.callbackOver(cb, CallbackRemoved, BySystem)
			continue
		}
		e.addCallback(cb, q)
		next := int64(saved.Next.Sub(e.epoch))
		switch {
		case saved.State == CallbackGivenUp:
			e.callbacks.unknown(cb)
			e.arm(&cb.timer, max(cb.expires, e.now)+int64(callbackKept))
		case saved.State == CallbackDialling && cb.Tries > cb.rules.Retries:
			e.callbackOver(cb, CallbackFailed, BySystem)
		case saved.State == CallbackDialling:
			e.callbackRests(cb, cb.rules.Interval)
		case saved.State == CallbackResting && !saved.Next.IsZero() && next > e.now:
			e.callbackRests(cb, duration(next-e.now))
		default:
			e.stand(cb)
		}
	}
	e.hold = false
	e.matchAll()
}

// configureCallbacks gives those there are the rules of now. What has an end already
// keeps it.
func (e *Engine) configureCallbacks() {
	for _, cb := range e.callbacks.list {
		if q := e.byQueue[cb.Queue]; q != nil {
			cb.rules = q.Callback.withDefaults()
		}
	}
}

// Callback is one of the engine's, as it would be saved; ok is false when it is gone.
func (e *Engine) Callback(id string) (Callback, bool) {
	cb := e.callbacks.byID[id]
	if cb == nil {
		return Callback{}, false
	}
	return cb.Callback, true
}

// Callbacks lists all, in the order of asking.
func (e *Engine) Callbacks() []Callback {
	out := make([]Callback, 0, len(e.callbacks.list))
	for _, cb := range e.callbacks.list {
		out = append(out, cb.Callback)
	}
	return out
}
