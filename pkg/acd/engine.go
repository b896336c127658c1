package acd

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/agent"
	"github.com/centrala/centrala/pkg/event"
)

// Verdicts on an event that asked for something; see Engine.Verdict.
var (
	ErrUnknownAgent = errors.New("acd: unknown agent")
	ErrUnknownQueue = errors.New("acd: unknown queue")
	ErrRefused      = errors.New("acd: refused")
	// ErrNotLoggedIn wraps ErrRefused: the agent must log in first.
	ErrNotLoggedIn = fmt.Errorf("%w: not logged in", ErrRefused)
	// ErrElsewhere wraps ErrRefused: the agent is logged in at another device.
	ErrElsewhere = fmt.Errorf("%w: logged in elsewhere", ErrRefused)
)

// Engine holds all queues and agents of one tenant. It is not safe for
// concurrent use: one goroutine owns it (pkg/acd/dispatch).
type Engine struct {
	cfg     Config
	set     Settings
	epoch   time.Time // the first Step's time; all times inside are ns since
	started bool
	now     int64 // never goes back
	seq     uint64
	offers  uint64 // made so far; the next offer's number less one
	rng     uint64 // of the strategy random

	queues    []*queue // as configured
	byQueue   map[string]*queue
	agents    []*agentRec // as configured, then those who leave after their call
	byAgent   map[string]*agentRec
	onDevice  map[string][]*agentRec // by the device that agents take calls on
	down      map[string]bool        // devices out of reach, as told by Reach
	pools     []*pool
	callers   map[string]*caller
	byOffer   map[string]*offer
	late      map[string]*offer      // offers that failed, while their callers wait on
	onCall    map[string][]*agentRec // by call id, for Gone
	memory    memory
	places    places
	callbacks callbacks
	timers    ladder[*timer]
	hold      bool // no matching until the change at hand is complete
	out       []Effect
	verdict   error
	view      View
	touched   []*queue       // whose figures have changed since Publish
	panelsDue bool           // and the list of queues
	frontier  []frontierNode // scratch of choose
	picked    []*agentRec    // scratch of makeOffer
}

// caller is one call in one queue.
type caller struct {
	callID   string
	from     string        // who calls, for the memory of last agents; "" = unknown
	returns  string        // who calls, for the places of those cut off; "" = nobody knows
	stays    bool          // rules of overflow do not count
	held     bool          // had to wait, see pace
	to, why  string        // of the rule of overflow that holds
	told     time.Duration // the estimate on joining; negative = none
	q        *queue
	fam      *family
	class    *class // the family's, after the time waited
	priority int    // the call's own
	strict   int    // with key: the place in all lines, see setKey
	key      int64
	arrived  int64  // may lie before joined, and before the epoch
	seq      uint64 // order of joining
	front    string // Enter.Front
	joined   int64
	leaf     *knot  // in the line
	in       *crowd // waits in; nil = phones ring, and no more are wanted
	pos      int
	older    *caller
	younger  *caller
	offers   []*offer // that ring now
	past     []*offer // the last that failed, while the caller waits on
	// sticky is the agent the caller waits for alone, until patience is over.
	sticky   *agentRec
	patience int64
	limit    timer
	announce timer
	widen    timer
	another  timer
	look     timer
	due      int64     // of the next announcement; -1 = none
	dues     []int64   // of each item, if the queue has items with times of their own
	cb       *callback // nobody on the line; nil = a caller
}

// agentRec is one agent.
type agentRec struct {
	Agent
	number    int    // in the configured order
	device    string // the configured one, or the one logged in from
	m         agent.Machine
	since     int64 // of the state
	reachable bool  // as told by Reach
	lost      bool  // an offer could not reach the phone
	lostUntil int64
	standing  standing
	pool      *pool
	seats     []seat // one for each of the pool's orders
	queues    []*queue
	free      bool // in the heaps of the pool's orders
	idleSince int64
	idleSeq   uint64
	keepIdle  bool // the coming Ready does not send the agent to the back
	redraw    bool // the coming place among the free is drawn anew
	lastOffer uint64
	offered   int64 // when; never = not yet
	taken     int   // calls since log-in, see StrategyFewestCalls
	occ       float64
	occAt     int64
	working   bool
	load      int64
	once      bool // one call, then not ready
	offer     *offer
	personal  crowd // wait for this agent alone
	calls     []talk
	lastCall  talk          // of a queue, the latest
	wrapUp    time.Duration // due after the last call
	wrapMode  string
	wrapMore  time.Duration // that the agent may still add
	owes      string        // the call whose disposition the wrap-up waits for
	disposed  string        // the call that was given one last
	pause     time.Duration // of NotReady for a time
	timer     timer
	lease     timer
	leaving   bool // out of the configuration, on the last call
}

// talk is one call on an agent's phone; q is "" for direct and outbound calls.
type talk struct{ callID, q string }

// offer is a reservation of one agent for one caller.
type offer struct {
	id       string
	a        *agentRec
	c        *caller
	made     int64
	deadline int64
	alone    bool // made for an agent whom the caller waited for: nobody else rings
}

// New makes an engine without queues and agents; the first event is Configure.
func New(cfg Config) *Engine {
	return &Engine{
		cfg:      cfg.withDefaults(),
		set:      Settings{}.withDefaults(),
		rng:      cfg.Seed,
		byQueue:  map[string]*queue{},
		byAgent:  map[string]*agentRec{},
		onDevice: map[string][]*agentRec{},
		down:     map[string]bool{},
		callers:  map[string]*caller{},
		byOffer:  map[string]*offer{},
		late:     map[string]*offer{},
		onCall:   map[string][]*agentRec{},
		memory:   newMemory(),
	}
}

// Step tells the engine what happened at now and returns what is to be done, in
// order. The slice is the engine's own and good until the next Step. A now
// before the last one counts as the last one. Deadlines that have passed are
// carried out after ev: who answers in the last instant has answered.
func (e *Engine) Step(now time.Time, ev Event) []Effect {
	if !e.started {
		e.epoch, e.started = now, true
	}
	// Sub uses the monotonic clock when both times carry it, so that a step of
	// the wall clock neither ends nor prolongs an offer.
	if t := int64(now.Sub(e.epoch)); t > e.now {
		e.now = t
	}
	clear(e.out)
	e.out, e.verdict = e.out[:0], nil
	switch ev := ev.(type) {
	case Configure:
		e.configure(ev)
	case Restore:
		e.restore(ev)
	case Enter:
		e.enter(ev)
	case Leave:
		e.leaveEvent(ev)
	case Gone:
		e.gone(ev)
	case LogIn:
		e.logIn(ev)
	case LogOut:
		e.presence(ev.Agent, agent.LogOut, ev.Reason, ev.By)
	case SetReady:
		if a := e.byAgent[ev.Agent]; a != nil {
			a.once = ev.Once || a.OnDemand
		}
		e.presence(ev.Agent, agent.SetReady, ev.Reason, ev.By)
	case SetNotReady:
		e.presence(ev.Agent, agent.SetNotReady, ev.Reason, ev.By)
	case WrapUpDone:
		e.presence(ev.Agent, agent.WrapUpOver, ev.Reason, ev.By)
	case Disposed:
		e.dispose(ev)
	case ExtendWrapUp:
		e.extendWrapUp(ev)
	case Assign:
		e.assign(ev)
	case SetPriority:
		e.setPriority(ev)
	case Move:
		e.move(ev)
	case Remember:
		e.memory.put(ev.From, ev.Agent, min(e.now, int64(ev.At.Sub(e.epoch))))
	case KeepPlaces:
		e.keepPlaces(ev)
	case Reach:
		e.reach(ev)
	case OfferRinging:
		e.offerRinging(ev)
	case OfferAccepted:
		e.offerAccepted(ev)
	case OfferFailed:
		e.offerFailed(ev)
	case CallEnded:
		e.hangUp(ev.Agent, ev.CallID)
	case Release:
		e.hangUp(ev.Agent, ev.CallID)
	case Occupy:
		e.occupy(ev)
	case AskCallback:
		e.askCallback(ev)
	case CallbackResult:
		e.callbackResult(ev)
	case CancelCallback:
		e.cancelCallback(ev)
	case CallbackHours:
		e.callbackHours(ev)
	case RestoreCallbacks:
		e.restoreCallbacks(ev)
	case Repair:
		e.repair()
	case Tick:
	default:
		e.fault(FaultUnknownEvent, fmt.Sprintf("%T", ev))
	}
	for t := e.due(); t != nil; t = e.due() {
		e.disarm(t)
		e.fire(t)
	}
	return e.out
}

// Verdict tells whoever posted the last event whether it was taken: nil, or an
// error that wraps ErrUnknownAgent, ErrUnknownQueue or ErrRefused and says why.
func (e *Engine) Verdict() error { return e.verdict }

// NextDeadline is when Step must be called at the latest, with Tick if nothing
// else happens. ok is false when nothing is pending.
func (e *Engine) NextDeadline() (at time.Time, ok bool) {
	if e.timers.len() == 0 {
		return time.Time{}, false
	}
	return e.abs(e.timers.items[0].key), true
}

func (e *Engine) abs(t int64) time.Time { return e.epoch.Add(time.Duration(t)) }

func (e *Engine) emit(f Effect) { e.out = append(e.out, f) }

func (e *Engine) fault(rule, detail string) {
	e.emit(Fault{rule, detail})
	if e.verdict == nil {
		e.verdict = fmt.Errorf("%w: %s: %s", ErrRefused, rule, detail)
	}
}

func (e *Engine) fire(t *timer) {
	switch t.kind {
	case timerAgent:
		e.agentDeadline(t.a)
	case timerLease:
		e.leaseOver(t.a)
	case timerLimit:
		// Not while an agent's phone rings for the caller; requeue looks again.
		if len(t.c.offers) == 0 {
			e.leave(t.c, LeftTimeout, "")
		}
	case timerAnnounce:
		c := t.c
		d, known := e.estimate(c)
		if !known {
			d = -1
		}
		e.emit(Announce{c.callID, c.q.Name, c.q.line.position(c), d, e.told(c)})
		if c.due >= 0 {
			e.arm(&c.announce, c.due)
		}
	case timerLook:
		if len(t.c.offers) == 0 && !e.flows(t.c) {
			e.armLook(t.c)
		}
	case timerWiden:
		e.widenNow(t.c)
	case timerMore:
		e.ringMore(t.c)
	case timerCallback:
		e.callbackDue(t.c.cb)
	}
}

// change applies an event to an agent's machine, reports what changed, and
// brings counts, idle heaps and the agent's deadline in line. It does not match.
func (e *Engine) change(a *agentRec, ev agent.Event, f agent.Facts, reason, by string) agent.Verdict {
	was := a.m
	v, why := a.m.Step(ev, f)
	switch v {
	case agent.Faulty:
		e.fault(FaultTransition, fmt.Sprintf("agent %q: %s in %s: %s", a.Name, ev, was.State, why))
		return v
	case agent.Refused:
		if was.State == agent.Offline {
			e.verdict = fmt.Errorf("%w: agent %q", ErrNotLoggedIn, a.Name)
		} else {
			e.verdict = fmt.Errorf("%w: agent %q: %s", ErrRefused, a.Name, why)
		}
		return v
	}
	if a.m.State != was.State || a.m.Reason != was.Reason {
		c := AgentChanged{event.AgentStateChanged{Agent: a.Name, From: was.State.String(), To: a.m.State.String(),
			Reason: cmp.Or(a.m.Reason, reason), By: cmp.Or(by, BySystem)}}
		if a.m.State != was.State {
			c.WasMs = (e.now - a.since) / 1e6
			a.since = e.now
			if (a.m.State == agent.OnCall || a.m.State == agent.WrapUp) && a.lastCall.q != "" {
				c.Queue, c.CallID = a.lastCall.q, a.lastCall.callID
			}
		}
		if was.State == agent.Offline && a.device != a.Device {
			c.Device = a.device
		}
		e.emit(c)
	}
	a.weigh(e.now, a.m.State == agent.OnCall || a.m.State == agent.WrapUp)
	if was.State == agent.WrapUp && a.m.State != agent.WrapUp {
		a.wrapUp, a.wrapMore = 0, 0 // a call made in wrap-up has used it up
		if a.m.State != agent.OnCall {
			a.owes = ""
		}
	}
	if a.m.State == agent.Offline && was.State != agent.Offline {
		e.loggedOut(a)
	}
	if a.m.State == agent.Ready && was.State != agent.Ready {
		if !a.keepIdle {
			a.idleSince = e.now
			e.seq++
			a.idleSeq = e.seq
			a.redraw = true
		}
		a.keepIdle = false
	} else if !a.m.Paused {
		a.keepIdle = false
	}
	e.armAgent(a)
	e.setStanding(a)
	return v
}

// armAgent sets the deadline of the agent's state, if it should pass, and the
// lease of a log-in whose phone is out of reach.
func (e *Engine) armAgent(a *agentRec) {
	var at int64
	switch {
	case a.offer != nil:
		at = a.offer.deadline
	case a.m.State == agent.WrapUp:
		at = a.since + int64(a.wrapUp)
		if a.owes != "" {
			at = a.since + int64(max(a.wrapUp, e.set.MaxWrapUp))
		}
	case a.m.State == agent.NotReady && a.m.Paused:
		at = a.since + int64(a.pause)
	case a.m.State == agent.Ready && a.lost:
		at = a.lostUntil
	default:
		at = never
	}
	switch {
	case at == never:
		e.disarm(&a.timer)
	case a.timer.pos < 0 || a.timer.at != at:
		e.arm(&a.timer, at)
	}
	e.armLease(a)
}

// agentDeadline: the agent's state has lasted as long as it may.
func (e *Engine) agentDeadline(a *agentRec) {
	switch {
	case a.m.State == agent.Ringing:
		e.expire(a.offer, CauseNoAnswer)
	case a.m.State == agent.Reserved:
		// Not even a 180 in all that time: the phone is gone, not its owner.
		e.expire(a.offer, CauseUnreachable)
	case a.m.State == agent.WrapUp:
		e.change(a, agent.WrapUpOver, agent.Facts{}, "", BySystem)
		e.serve(a)
	case a.m.State == agent.NotReady && a.m.Paused:
		e.change(a, agent.PauseOver, agent.Facts{}, "", BySystem)
		e.serve(a)
	case a.lost:
		a.lost = false
		e.setStanding(a)
		e.serve(a)
	}
}
