// Package dispatch runs one ACD engine: it takes events one at a time, lets
// deadlines pass on time, and carries effects out in order: journal first, then
// the call concerned. Who posts an event to an idle engine has it done at once,
// where it is; what comes meanwhile waits in a bounded mailbox for the tenant's
// goroutine. A step takes microseconds, waking that goroutine for each takes
// more. It decides nothing itself. A second goroutine saves who is logged in, so
// that no decision ever waits for the store.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/agent"
	"github.com/centrala/centrala/pkg/event"
)

// ErrStopped answers whoever asks a dispatcher that is not running.
var ErrStopped = errors.New("acd: dispatcher is not running")

// ErrNotLoggedIn is acd.ErrNotLoggedIn, for those who ask only here.
var ErrNotLoggedIn = acd.ErrNotLoggedIn

// Config is what a dispatcher is made of.
type Config struct {
	Tenant string
	Engine acd.Config
	// Journal takes the queue's and agents' events; required.
	Journal event.Journal
	// Log and Registerer may be nil: nothing is said, nothing is measured.
	Log        *zap.Logger
	Registerer prometheus.Registerer
	// AgentStates keeps log-ins over a restart; nil = they are lost.
	AgentStates AgentStates
	// Callbacks keeps who waits to be called back over a restart; nil = they are lost.
	// CallBack begins their calls; nil = none can be made.
	Callbacks Callbacks
	CallBack  CallBack
	// Alive tells whether a call still exists, for the auditor; nil = it is not
	// asked. It is called on the dispatcher's goroutine and must not block.
	Alive func(callID string) bool
	// Mailbox bounds the events waiting for the engine; 0 = 8192. When it is
	// full, Post waits: the engine is then seconds behind, and more load must
	// not be let in.
	Mailbox int
}

// Dispatcher owns one engine. Its methods may be called from any goroutine,
// except from a sink (see Attach).
type Dispatcher struct {
	// As set at birth.
	tenant   string
	journal  event.Journal
	log      *zap.Logger
	met      *metrics
	keeper   *keeper
	promises *promises
	begin    CallBack
	startup  sync.Once
	ending   sync.Once
	running  atomic.Bool
	// Who has logged in from another device than the configured one: few, read by
	// every call.
	seated sync.Map // device -> agent
	seats  sync.Map // agent -> device

	// Owner only: whoever holds turn.
	turn     chan struct{} // a mutex, of a kind that tests on virtual time can wait for
	ended    bool
	armed    time.Time // when clock rings; zero: not running
	clock    *time.Timer
	eng      *acd.Engine
	sinks    map[string]func(acd.Effect)
	saved    []agent.Saved  // to be restored at the first Configure
	promised []acd.Callback // likewise
	again    []acd.Event    // follow-ups of the effects at hand
	audit    auditor

	// In.
	in    chan message
	queue atomic.Int32  // messages in the mailbox or on their way out of it
	due   chan struct{} // the clock has rung
	quit  chan struct{}
	// Out.
	done chan struct{}
}

// message is one thing in the mailbox. Exactly one of the fields beside callID
// and reply is set.
type message struct {
	ev     acd.Event
	reply  chan<- error // with ev: wants the verdict
	callID string       // attach (sink set) or detach
	sink   func(acd.Effect)
	snap   chan<- acd.Snapshot
	stats  chan<- []acd.QueueStats
	query  func(*acd.Engine) // runs on the owner's goroutine; must not change the engine
}

// New makes a dispatcher; Start runs it. It panics when Journal is missing or
// the tenant's metrics are registered already: both are mistakes of the caller.
func New(cfg Config) *Dispatcher {
	if cfg.Journal == nil {
		panic("dispatch: no journal")
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Mailbox <= 0 {
		cfg.Mailbox = 8192
	}
	if cfg.Engine.OfferPrefix == "" {
		// Unique in the journal from start to start, and sortable.
		cfg.Engine.OfferPrefix = strconv.FormatInt(time.Now().UnixMilli(), 36) + "-"
	}
	d := &Dispatcher{
		tenant:  cfg.Tenant,
		journal: cfg.Journal,
		log:     cfg.Log.With(zap.String("tenant", cfg.Tenant)),
		eng:     acd.New(cfg.Engine),
		sinks:   map[string]func(acd.Effect){},
		in:      make(chan message, cfg.Mailbox),
		turn:    make(chan struct{}, 1),
		due:     make(chan struct{}, 1),
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
		audit:   auditor{alive: cfg.Alive},
	}
	if cfg.AgentStates != nil {
		d.keeper = newKeeper(cfg.Tenant, cfg.AgentStates, d.log)
	}
	d.begin = cfg.CallBack
	if cfg.Callbacks != nil {
		d.promises = newPromises(cfg.Tenant, cfg.Callbacks, d.log)
	}
	d.met = newMetrics(cfg.Tenant, cfg.Registerer, d)
	return d
}

// Start loads who was logged in and runs the engine. Post Configure next: the
// saved states are restored with the first one, before anybody is offered
// anything. ctx bounds the loading only.
func (d *Dispatcher) Start(ctx context.Context) (err error) {
	d.startup.Do(func() {
		if d.keeper != nil {
			if d.saved, err = d.keeper.store.LoadAgentStates(ctx, d.tenant); err != nil {
				err = fmt.Errorf("acd: tenant %q: load agent states: %w", d.tenant, err)
				close(d.done)
				return
			}
		}
		if d.promises != nil {
			if d.promised, err = d.promises.store.LoadCallbacks(ctx, d.tenant); err != nil {
				err = fmt.Errorf("acd: tenant %q: load callbacks: %w", d.tenant, err)
				close(d.done)
				return
			}
			go d.promises.run()
		}
		if d.keeper != nil {
			go d.keeper.run()
		}
		d.clock = time.AfterFunc(time.Hour, func() {
			select {
			case d.due <- struct{}{}:
			default:
			}
		})
		d.running.Store(true)
		go d.run()
	})
	return err
}

// Stop takes what is in the mailbox, lets whoever still waits leave with
// LeftShutdown, saves agent states, and waits for all that within ctx. Safe to
// call twice, and without Start.
func (d *Dispatcher) Stop(ctx context.Context) error {
	d.startup.Do(func() { close(d.done) })
	d.ending.Do(func() { close(d.quit) })
	defer d.met.unregister()
	select {
	case <-d.done:
	case <-ctx.Done():
		return fmt.Errorf("acd: tenant %q: dispatcher still busy: %w", d.tenant, ctx.Err())
	}
	var err error
	if d.promises != nil && d.running.Load() {
		err = d.promises.stop(ctx)
	}
	if d.keeper != nil && d.running.Load() {
		err = errors.Join(d.keeper.stop(ctx), err)
	}
	return err
}

// Attach names who is told of the effects that concern a call: Offer,
// WithdrawOffer, Joined, Refused, LeftQueue and Announce. Attach before posting
// Enter. sink runs in the middle of a step, in order; it must neither block nor
// call the dispatcher. Attaching again replaces the sink.
func (d *Dispatcher) Attach(callID string, sink func(acd.Effect)) {
	d.send(message{callID: callID, sink: sink})
}

// Detach ends Attach. What is posted before it is still told. A call that still
// waits then, or is tied to an agent's offer, is taken out as by acd.Leave.
func (d *Dispatcher) Detach(callID string) { d.send(message{callID: callID}) }

// Post hands an event to the engine, which does it before Post returns when it is
// idle; sinks are then told on the caller's goroutine. Post waits only while the
// mailbox is full, and drops the event once the dispatcher has stopped.
func (d *Dispatcher) Post(ev acd.Event) { d.send(message{ev: ev}) }

func (d *Dispatcher) send(m message) bool {
	// What waits was there first: the mailbox must be empty and nobody at it.
	if d.queue.Load() == 0 && d.running.Load() {
		select {
		case d.turn <- struct{}{}:
			ended := d.ended
			if !ended {
				d.handle(m)
				d.arm()
			}
			<-d.turn
			if !ended {
				return true
			}
		default:
		}
	}
	d.queue.Add(1)
	select {
	case d.in <- m:
		return true
	default:
	}
	d.met.full.Inc()
	select {
	case d.in <- m:
		return true
	case <-d.done:
		return false
	}
}

// arm sets the clock to the engine's next deadline. It is moved only forward: one
// ring for nothing costs less than moving it at each step.
func (d *Dispatcher) arm() {
	if at, ok := d.eng.NextDeadline(); ok && (d.armed.IsZero() || at.Before(d.armed)) {
		d.armed = at
		d.clock.Reset(time.Until(at))
	}
}

// Ask hands an event to the engine and tells the verdict: nil, or an error that
// wraps acd.ErrUnknownAgent, acd.ErrUnknownQueue, acd.ErrRefused (ErrNotLoggedIn), ErrStopped or
// ctx's. After ctx has ended the event may still be carried out.
func (d *Dispatcher) Ask(ctx context.Context, ev acd.Event) error {
	reply := make(chan error, 1)
	return ask(ctx, d, message{ev: ev, reply: reply}, reply, func(err error) error { return err })
}

// Snapshot copies the engine's state.
func (d *Dispatcher) Snapshot(ctx context.Context) (s acd.Snapshot, err error) {
	reply := make(chan acd.Snapshot, 1)
	err = ask(ctx, d, message{snap: reply}, reply, func(got acd.Snapshot) error { s = got; return nil })
	return s, err
}

// Explain describes how a call that waits in a queue stands now. ok is false when
// it waits nowhere.
func (d *Dispatcher) Explain(ctx context.Context, callID string) (dec event.Decision, ok bool, err error) {
	type answer struct {
		d  event.Decision
		ok bool
	}
	reply := make(chan answer, 1)
	m := message{query: func(e *acd.Engine) {
		got, ok := e.Explain(callID)
		reply <- answer{got, ok}
	}}
	err = ask(ctx, d, m, reply, func(a answer) error { dec, ok = a.d, a.ok; return nil })
	return dec, ok, err
}

// QueueState tells how a queue stands, as of the last step. It neither waits nor
// locks. ok is false when there is none of that name.
func (d *Dispatcher) QueueState(name string) (s acd.QueueState, ok bool) {
	return d.eng.View().Queue(name, time.Now())
}

// Stranded tells which waiting callers would lose their last agent if next were
// configured; see acd.Engine.Stranded.
func (d *Dispatcher) Stranded(ctx context.Context, next acd.Configure) (list []acd.Stranded, err error) {
	reply := make(chan []acd.Stranded, 1)
	m := message{query: func(e *acd.Engine) { reply <- e.Stranded(next) }}
	err = ask(ctx, d, m, reply, func(got []acd.Stranded) error { list = got; return nil })
	return list, err
}

func ask[T any](ctx context.Context, d *Dispatcher, m message, reply <-chan T, take func(T) error) error {
	if !d.running.Load() {
		return ErrStopped
	}
	d.queue.Add(1)
	select {
	case d.in <- m:
	case <-d.done:
		d.queue.Add(-1)
		return ErrStopped
	case <-ctx.Done():
		d.queue.Add(-1)
		return fmt.Errorf("acd: tenant %q: mailbox full: %w", d.tenant, ctx.Err())
	}
	select {
	case got := <-reply:
		return take(got)
	case <-ctx.Done():
		return fmt.Errorf("acd: tenant %q: no answer yet: %w", d.tenant, ctx.Err())
	case <-d.done:
		select { // answered in the last instant
		case got := <-reply:
			return take(got)
		default:
			return ErrStopped
		}
	}
}

func (d *Dispatcher) run() {
	defer close(d.done)
	defer d.clock.Stop()
	for {
		var m message
		rung := false
		select {
		case m = <-d.in:
		case <-d.due:
			rung = true
		case <-d.quit:
			d.turn <- struct{}{}
			d.ended = true
			d.finish()
			<-d.turn
			return
		}
		d.turn <- struct{}{}
		if rung {
			d.armed = time.Time{}
			d.guard(func() { d.step(acd.Tick{}) })
		} else {
			d.handle(m)
			d.queue.Add(-1)
		}
		// What has piled up is taken in one go; the clock is set once.
		for n := len(d.in); n > 0; n-- {
			d.handle(<-d.in)
			d.queue.Add(-1)
		}
		d.arm()
		<-d.turn
	}
}

// finish takes what was posted before the end and empties the queues.
func (d *Dispatcher) finish() {
	for {
		select {
		case m := <-d.in:
			d.handle(m)
			d.queue.Add(-1)
			continue
		default:
		}
		break
	}
	left := 0
	for _, q := range d.eng.Snapshot().Queues {
		for _, c := range q.Callers {
			if c.Callback != "" {
				continue // saved as it stands
			}
			d.guard(func() { d.step(acd.Leave{CallID: c.CallID, Outcome: acd.LeftShutdown}) })
			left++
		}
	}
	if left > 0 {
		d.log.Warn("acd stopped with callers waiting", zap.Int("callers", left))
	}
}

// errFault answers whose event brought a fault to light.
var errFault = errors.New("acd: fault of the engine, see the log")

// guard keeps a fault from taking the turn with it: whoever brought the event may
// be a goroutine that catches faults and goes on (a SIP shard), and a tenant whose
// turn nobody gives back has no queues any more.
func (d *Dispatcher) guard(f func()) (sound bool) {
	defer func() {
		if p := recover(); p != nil {
			d.met.faults.WithLabelValues(rulePanic).Inc()
			d.log.Error("acd step failed; the event was dropped", zap.String("err", fmt.Sprint(p)), zap.ByteString("stack", debug.Stack()))
		}
	}()
	f()
	return true
}

func (d *Dispatcher) handle(m message) {
	if !d.guard(func() { d.do(m) }) && m.reply != nil {
		select {
		case m.reply <- errFault:
		default: // it was told before
		}
	}
}

func (d *Dispatcher) do(m message) {
	switch {
	case m.ev != nil:
		err := d.step(m.ev)
		if m.reply != nil {
			m.reply <- err
		}
	case m.snap != nil:
		m.snap <- d.eng.Snapshot()
	case m.query != nil:
		m.query(d.eng)
	case m.stats != nil:
		m.stats <- d.eng.Stats()
	case m.sink != nil:
		d.sinks[m.callID] = m.sink
	default:
		d.step(acd.Leave{CallID: m.callID})
		delete(d.sinks, m.callID)
	}
	d.auditNow()
}

// step feeds the engine one event and what follows from it.
func (d *Dispatcher) step(ev acd.Event) error {
	if c, ok := ev.(acd.Configure); ok {
		// Resources come out of maps: by name, so that a restart deals the same
		// hand (static agents are idle in the order they log in).
		c.Queues, c.Agents = slices.Clone(c.Queues), slices.Clone(c.Agents)
		slices.SortFunc(c.Queues, func(a, b acd.Queue) int { return strings.Compare(a.Name, b.Name) })
		slices.SortFunc(c.Agents, func(a, b acd.Agent) int { return strings.Compare(a.Name, b.Name) })
		ev = c
		d.met.configure(c.Queues)
		if promised := d.promised; len(promised) > 0 {
			d.promised = nil
			defer d.step(acd.RestoreCallbacks{List: promised}) // behind the agents
		}
		if saved := d.saved; len(saved) > 0 {
			d.saved = nil
			defer d.step(acd.Restore{Agents: saved})
		}
	}
	start := time.Now()
	effects := d.eng.Step(start, ev)
	err := d.eng.Verdict()
	d.eng.Publish() // before anybody is told: who decides next sees this step
	for _, f := range effects {
		d.carryOut(start, f)
	}
	d.met.step.Observe(time.Since(start).Seconds())
	for len(d.again) > 0 {
		next := d.again[0]
		d.again = d.again[1:]
		d.step(next)
	}
	return err
}

// carryOut writes an effect down and tells the call. The journal comes first:
// what the call writes because of an effect must stand behind it.
func (d *Dispatcher) carryOut(now time.Time, f acd.Effect) {
	if d.callbackEffect(now, f) {
		return
	}
	switch f := f.(type) {
	case acd.Offer:
		d.write(now, f.CallID, event.OfferMade{OfferID: f.OfferID, Queue: f.Queue, Agent: f.Agent})
		d.log.Info("agent offered", zap.String("call_id", f.CallID), zap.String("queue", f.Queue), zap.String("agent", f.Agent), zap.String("offer", f.OfferID))
		if f.Callback != "" {
			d.callBack(f)
		} else if !d.tell(f.CallID, f) {
			// Nobody would ring the phone or hang up: the call has no owner.
			d.log.Warn("offer for a call that nobody attached", zap.String("call_id", f.CallID), zap.String("queue", f.Queue))
			d.again = append(d.again, acd.Gone{CallID: f.CallID})
		}
	case acd.WithdrawOffer:
		d.tell(f.CallID, f)
	case acd.OfferEnded:
		d.write(now, f.CallID, event.OfferEnded{OfferID: f.OfferID, Queue: f.Queue, Agent: f.Agent, Outcome: f.Outcome, RingMs: f.Ring.Milliseconds()})
		d.met.offerEnded(f)
		if f.Outcome != acd.OutcomeAccepted {
			d.log.Info("offer ended", zap.String("call_id", f.CallID), zap.String("queue", f.Queue), zap.String("agent", f.Agent),
				zap.String("offer", f.OfferID), zap.String("reason", f.Outcome), zap.Duration("rang", f.Ring))
		}
	case acd.Joined:
		if f.Callback != "" {
			return // nobody has come
		}
		q := d.met.queue(f.Queue)
		d.write(now, f.CallID, event.QueueEntered{Queue: f.Queue, Priority: f.Priority, Position: f.Position,
			ServiceMs: q.serviceLevel.Milliseconds(), ShortMs: q.shortAbandon.Milliseconds(),
			QueuePriority: f.QueuePriority, Need: f.Need, Agent: f.Agent,
			Before: f.Before, WaitedMs: f.Waited.Milliseconds(), EstimateMs: max(0, f.Estimate.Milliseconds()), Front: f.Front})
		q.joined.Inc()
		d.tell(f.CallID, f)
	case acd.Refused:
		// An unknown queue is no queue of the journal's; the flow says so itself.
		if f.Outcome != acd.RefusedUnknown {
			d.write(now, f.CallID, event.QueueLeft{Queue: f.Queue, Outcome: f.Outcome})
			d.met.refused(f)
		}
		d.log.Info("queue refused", zap.String("call_id", f.CallID), zap.String("queue", f.Queue), zap.String("reason", f.Outcome))
		d.tell(f.CallID, f)
	case acd.LeftQueue:
		if f.Callback != "" {
			d.tell(f.CallID, f)
			return
		}
		d.write(now, f.CallID, event.QueueLeft{Queue: f.Queue, Outcome: f.Outcome, WaitMs: f.Wait.Milliseconds(), Agent: f.Agent, To: f.To, Why: f.Why})
		d.met.left(f)
		d.tell(f.CallID, f)
	case acd.Announce:
		d.write(now, f.CallID, event.QueueAnnounced{Queue: f.Queue, Position: f.Position, EstimateMs: max(0, f.Estimate.Milliseconds()), Items: f.Items})
		d.tell(f.CallID, f)
	case acd.AgentChanged:
		d.write(now, "", f.AgentStateChanged)
		d.agentChanged(f)
	case acd.Decided:
		d.write(now, f.CallID, f.Decision)
	case acd.Assigned:
		d.write(now, f.CallID, f.QueueAssigned)
		d.log.Info("caller given to an agent", zap.String("call_id", f.CallID), zap.String("queue", f.Queue), zap.String("agent", f.Agent), zap.String("how", f.How), zap.String("by", f.By))
	case acd.PriorityChanged:
		d.write(now, f.CallID, f.QueuePriority)
		d.log.Info("priority changed", zap.String("call_id", f.CallID), zap.String("queue", f.Queue), zap.Int("from", f.From), zap.Int("to", f.To), zap.String("by", f.By))
	case acd.Fault:
		d.met.faults.WithLabelValues(f.Rule).Inc()
		d.log.Warn("acd fault", zap.String("reason", f.Rule), zap.String("detail", f.Detail))
	}
}

func (d *Dispatcher) write(now time.Time, callID string, b event.Body) {
	d.journal.Append(event.Event{At: now, Tenant: d.tenant, CallID: callID, Body: b})
}

func (d *Dispatcher) tell(callID string, f acd.Effect) bool {
	sink := d.sinks[callID]
	if sink != nil {
		d.guard(func() { sink(f) }) // a call's fault is not the queue's
	}
	return sink != nil
}

// AgentOn names the agent whose calls a device's are: who is logged in from it
// today, else the one whom it is configured for, unless that agent sits elsewhere.
func (d *Dispatcher) AgentOn(device, configured string) string {
	if a, ok := d.seated.Load(device); ok {
		return a.(string)
	}
	if _, away := d.seats.Load(configured); away {
		return ""
	}
	return configured
}

func (d *Dispatcher) agentChanged(f acd.AgentChanged) {
	if f.Device != "" {
		d.seated.Store(f.Device, f.Agent)
		d.seats.Store(f.Agent, f.Device)
	} else if f.To == agent.Offline.String() {
		if dev, ok := d.seats.LoadAndDelete(f.Agent); ok {
			d.seated.Delete(dev)
		}
	}
	if f.By != acd.BySystem || f.Reason != "" {
		d.log.Info("agent changed state", zap.String("agent", f.Agent), zap.String("from", f.From), zap.String("state", f.To),
			zap.String("reason", f.Reason), zap.String("by", f.By))
	}
	if d.keeper == nil {
		return
	}
	if s, ok := d.eng.AgentSaved(f.Agent); ok {
		d.keeper.put(s)
	} else { // out of the configuration
		d.keeper.put(agent.Saved{Agent: f.Agent, State: agent.Offline, Since: time.Now().UTC()})
	}
}
