package sim

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// untilDone is the wrap-up of who must end it by hand and of whom nothing is known.
const untilDone = 30 * time.Second

// longestAfter bounds what runs on behind the scenario's end.
const longestAfter = 24 * time.Hour

// Options of Run.
type Options struct {
	// Name of the result: "as it is", "with the change".
	Name string
	// Considered is how many candidates the engine writes down for a choice; 0 = 1.
	// It changes no choice.
	Considered int
	// Known are the agents of the configuration that the shifts were made for: agents
	// whom it does not have are taken to be there from the first log-in to the last
	// log-out of all. nil = who has no shift is not there.
	Known []acd.Agent
	// Watch is told every event of the journal; nil = nobody.
	Watch func(event.Event)
}

// Run plays traffic against a configuration (as Scenario.Configured makes it).
// It ends early with ctx's error.
func Run(ctx context.Context, t *Traffic, cfg acd.Configure, o Options) (*Result, error) {
	w := &world{t: t, o: o, eng: acd.New(acd.Config{Considered: max(o.Considered, 1), Seed: t.Seed}), book: NewRecorder(o.Watch),
		byName: map[string]int{}, byCall: make(map[string]int, len(t.calls)), promised: map[string]int{}, state: make([]live, len(t.calls)), unknown: map[string]int{}}
	if err := w.people(cfg); err != nil {
		return nil, err
	}
	if err := w.play(ctx, cfg); err != nil {
		return nil, err
	}
	return w.result(cfg), nil
}

// What happens outside of the engine.
type kind uint8

const (
	evHangUp  kind = iota // the caller's patience is over
	evAsks                // the caller asks to be called back
	evReached             // who is called back has answered
	evPickUp
	evRefuse
	evUnreachable
	evTalkOver
	evWrapOver
	evBack
	evLogIn
	evLogOut
	evAway
	evAwayOver
	evBusy
	evBusyOver
)

// happening is one thing to come. who is a caller or an agent; nr an offer's number
// within its call, a span of a shift, or a token that says whether it still counts.
type happening struct {
	at   time.Duration
	seq  uint32
	kind kind
	who  int32
	nr   int32
}

func (h *happening) before(g *happening) bool { return h.at < g.at || h.at == g.at && h.seq < g.seq }

// live is a caller on the way.
type live struct {
	waiting bool
	talking bool
	agent   int32  // who talks with the caller
	offers  int32  // made so far
	call    string // as which a callback stands in line; "" = the caller's own
	left    bool
	sentOn  int // by rules of overflow
}

// worker is an agent.
type worker struct {
	name    string
	spans   []span
	in      bool // the shift runs
	away    int  // spans of absence that run
	token   int32
	offer   string // that rings
	call    int32  // that the offer is for
	talking int    // calls at hand
	owed    []time.Duration
	queue   string // of the last call
	wrapOf  int32  // caller whose wrap-up runs
	wage    float64
	cfg     *acd.Agent
}

// span is a stretch of a shift in the worker's list.
type span struct {
	from, to time.Duration
	reason   string
	device   string
}

type world struct {
	t        *Traffic
	o        Options
	eng      *acd.Engine
	book     *Recorder
	promised map[string]int // callback -> caller
	now      time.Duration
	seq      uint32
	heap     []happening
	next     int // of the arrivals
	state    []live
	byCall   map[string]int
	agents   []worker
	byName   map[string]int
	queues   map[string]*acd.Queue
	again    []acd.Event
	waiting  int
	staying  []int32 // agents who leave once nobody waits
	talking  int
	steps    int
	unknown  map[string]int // queues that are not there
	faults   int
	notes    []string
	cut      int // who still waited or talked at the very end
}

func (w *world) at(d time.Duration) time.Time { return w.t.Start.Add(d) }

func (w *world) plan(d time.Duration, k kind, who, nr int32) {
	w.seq++
	w.heap = append(w.heap, happening{d, w.seq, k, who, nr})
	for i := len(w.heap) - 1; i > 0; {
		p := (i - 1) / 2
		if !w.heap[i].before(&w.heap[p]) {
			break
		}
		w.heap[i], w.heap[p] = w.heap[p], w.heap[i]
		i = p
	}
}

func (w *world) pop() happening {
	top, n := w.heap[0], len(w.heap)-1
	w.heap[0] = w.heap[n]
	w.heap = w.heap[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c+1 < n && w.heap[c+1].before(&w.heap[c]) {
			c++
		}
		if c >= n || !w.heap[c].before(&w.heap[i]) {
			return top
		}
		w.heap[i], w.heap[c] = w.heap[c], w.heap[i]
		i = c
	}
}

// people makes the workers and plans their shifts.
func (w *world) people(cfg acd.Configure) error {
	s := w.t.Scenario
	w.queues = make(map[string]*acd.Queue, len(cfg.Queues))
	for i := range cfg.Queues {
		cfg.Queues[i].DispositionRequired = false // the workers of a simulation write nothing down
		w.queues[cfg.Queues[i].Name] = &cfg.Queues[i]
	}
	w.agents = make([]worker, len(cfg.Agents))
	for i := range cfg.Agents {
		w.agents[i] = worker{name: cfg.Agents[i].Name, cfg: &cfg.Agents[i], wage: s.Cost.AgentHour, wrapOf: -1}
		w.byName[cfg.Agents[i].Name] = i
	}
	end := w.t.Length
	until := func(t Time) time.Duration {
		if t == 0 {
			return end
		}
		return t.D()
	}
	hired := map[string]bool{}
	for _, h := range s.Hire {
		for n := range h.Agents {
			name := h.Name + strconv.Itoa(n+1)
			hired[name] = true
			i, ok := w.byName[name]
			if !ok {
				return bad("hire: %q is not in the configuration; use Scenario.Configured", name)
			}
			if h.Wage > 0 {
				w.agents[i].wage = h.Wage
			}
			w.shift(int32(i), h.From.D(), until(h.To), "", h.Away, nil)
		}
	}
	for _, sh := range s.Shifts {
		for i := range w.agents {
			a := &w.agents[i]
			if hired[a.name] || !slices.ContainsFunc(sh.Agents, func(p string) bool { ok, _ := path.Match(p, a.name); return ok }) {
				continue
			}
			if sh.Wage > 0 {
				a.wage = sh.Wage
			}
			w.shift(int32(i), sh.From.D(), until(sh.To), sh.Device, sh.Away, sh.Busy)
		}
	}
	from, to := time.Duration(0), end
	if len(s.Shifts) > 0 {
		from, to = Forever, 0
		for _, sh := range s.Shifts {
			from, to = min(from, sh.From.D()), max(to, until(sh.To))
		}
	}
	for i := range w.agents {
		name := w.agents[i].name
		is := func(a acd.Agent) bool { return a.Name == name }
		if hired[name] || len(w.agents[i].spans) > 0 {
			continue
		}
		if len(s.Shifts) > 0 {
			if w.o.Known == nil || slices.ContainsFunc(w.o.Known, is) {
				continue
			}
			w.notes = append(w.notes, fmt.Sprintf("agent %q is new: taken to be there from %s to %s", name, w.at(from).Format("15:04"), w.at(to).Format("15:04")))
		}
		w.shift(int32(i), from, to, "", nil, nil)
	}
	return nil
}

func (w *world) shift(who int32, from, to time.Duration, device string, away, busy []Span) {
	a := &w.agents[who]
	add := func(s span) int32 {
		a.spans = append(a.spans, s)
		return int32(len(a.spans) - 1)
	}
	w.plan(from, evLogIn, who, add(span{from: from, to: to, device: device}))
	for _, x := range away {
		nr := add(span{from: x.From.D(), to: x.To.D(), reason: x.Reason})
		w.plan(x.From.D(), evAway, who, nr)
		w.plan(x.To.D(), evAwayOver, who, nr)
	}
	for _, x := range busy {
		w.plan(x.From.D(), evBusy, who, add(span{from: x.From.D(), to: x.To.D()}))
	}
	stays := int32(0)
	if to == w.t.Length {
		stays = 1
	}
	w.plan(to, evLogOut, who, stays)
}

// play is the loop: the engine's deadlines, the callers who come, and what the
// world has planned, whichever is first. At one moment the world goes before the
// engine's deadline: who answers in the last instant has answered.
func (w *world) play(ctx context.Context, cfg acd.Configure) error {
	if w.t.Scenario.OnlyLength {
		w.book.Within(w.t.Start, w.at(w.t.Length))
	}
	w.book.Feed(event.Event{At: w.at(0), Tenant: Tenant, Body: event.EngineStarted{Node: "simulation"}})
	for i := range cfg.Queues {
		w.book.Queue(cfg.Queues[i])
	}
	w.step(cfg)
	for i := range w.agents { // static agents too have shifts here
		if w.agents[i].cfg.AlwaysReady {
			w.step(acd.LogOut{Agent: w.agents[i].name, Reason: "shift", By: acd.ByAPI})
		}
	}
	for n := 0; ; n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		const never = Forever
		arrival, planned, deadline := never, never, never
		if w.next < len(w.t.calls) {
			arrival = w.t.calls[w.next].at
		}
		if len(w.heap) > 0 {
			planned = w.heap[0].at
		}
		if arrival == never && planned == never && w.waiting+w.talking == 0 {
			break
		}
		if at, ok := w.eng.NextDeadline(); ok {
			deadline = max(at.Sub(w.t.Start), w.now)
		}
		first := min(arrival, planned, deadline)
		if first == never || first > w.t.Length+longestAfter {
			break // whoever waits, waits for nobody
		}
		w.now = first
		switch first {
		case planned:
			w.happens(w.pop())
		case arrival:
			w.arrives()
		default:
			w.step(acd.Tick{})
		}
	}
	w.end()
	return nil
}

// end closes what is open: callers for whom nobody will come.
func (w *world) end() {
	w.cut = w.waiting + w.talking
	for i := range w.state {
		switch s := &w.state[i]; {
		case s.waiting:
			w.step(acd.Leave{CallID: w.callOf(i), Outcome: acd.LeftShutdown})
		case s.talking:
			w.talkOver(i)
		}
	}
	w.book.Feed(event.Event{At: w.at(w.now), Tenant: Tenant, Body: event.EngineStopped{Node: "simulation"}})
}

func (w *world) arrives() {
	i := w.next
	w.next++
	c := &w.t.calls[i]
	if w.queues[c.wish.Queue] == nil {
		w.unknown[c.wish.Queue]++
		return
	}
	w.byCall[c.id] = i
	w.write(c.id, event.CallStarted{Direction: event.Inbound, From: c.wish.From, To: c.wish.Number})
	if c.patience != Forever {
		w.plan(c.at+c.patience, evHangUp, int32(i), 0)
	}
	if c.asks != neverAsks {
		w.plan(c.at+c.asks, evAsks, int32(i), 0)
	}
	w.step(acd.Enter{CallID: c.id, Queue: c.wish.Queue, Priority: c.wish.Priority, Skills: c.wish.Skills, Need: c.wish.Need,
		From: c.wish.From, Agent: c.wish.Agent})
}

func (w *world) happens(h happening) {
	switch h.kind {
	case evHangUp:
		if w.state[h.who].waiting && w.state[h.who].call == "" {
			w.step(acd.Leave{CallID: w.t.calls[h.who].id})
		}
		return
	case evAsks:
		w.asks(int(h.who))
		return
	case evReached:
		w.reached(int(h.who))
		return
	case evTalkOver:
		if w.state[h.who].talking {
			w.talkOver(int(h.who))
		}
		return
	}
	a := &w.agents[h.who]
	switch h.kind {
	case evPickUp:
		if a.offer != "" && a.token == h.nr {
			w.step(acd.OfferAccepted{OfferID: a.offer})
		}
	case evRefuse, evUnreachable:
		if a.offer != "" && a.token == h.nr {
			cause := acd.CauseRejected
			if h.kind == evUnreachable {
				cause = acd.CauseUnreachable
			}
			w.step(acd.OfferFailed{OfferID: a.offer, Cause: cause})
		}
	case evWrapOver:
		if a.wrapOf == h.nr {
			w.step(acd.WrapUpDone{Agent: a.name, By: acd.ByAPI})
		}
	case evBack:
		if a.token == h.nr && a.in && a.away == 0 {
			w.step(acd.SetReady{Agent: a.name, By: acd.ByAPI})
		}
	case evLogIn:
		a.in = true
		w.step(acd.LogIn{Agent: a.name, Reason: "shift", By: acd.ByAPI, Device: a.spans[h.nr].device})
		if w.eng.Verdict() != nil && a.spans[h.nr].device != "" { // somebody sits there in this configuration
			w.step(acd.LogIn{Agent: a.name, Reason: "shift", By: acd.ByAPI})
		}
		if a.away > 0 {
			w.step(acd.SetNotReady{Agent: a.name, Reason: "away", By: acd.ByAPI})
		}
	case evLogOut:
		if h.nr == 1 && w.waiting > 0 { // the end, and callers wait still
			w.staying = append(w.staying, h.who)
			return
		}
		a.in = false
		w.step(acd.LogOut{Agent: a.name, Reason: "shift", By: acd.ByAPI})
	case evAway:
		if a.away++; a.in {
			w.step(acd.SetNotReady{Agent: a.name, Reason: a.spans[h.nr].reason, By: acd.ByAPI})
		}
	case evAwayOver:
		if a.away--; a.in && a.away == 0 {
			w.step(acd.SetReady{Agent: a.name, By: acd.ByAPI})
		}
	case evBusy:
		a.owed = append(a.owed, a.spans[h.nr].to-a.spans[h.nr].from)
		w.calls(h.who)
	case evBusyOver:
		a.talking--
		w.step(acd.Release{Agent: a.name, CallID: "own-" + strconv.Itoa(int(h.nr))})
		w.calls(h.who)
	}
}

// calls lets an agent begin the next call of no queue, when the phone is free.
func (w *world) calls(who int32) {
	a := &w.agents[who]
	if len(a.owed) == 0 || a.talking > 0 {
		return
	}
	d := a.owed[0]
	a.owed = a.owed[1:]
	a.talking++
	nr := int32(w.seq)
	w.plan(w.now+d, evBusyOver, who, nr)
	w.step(acd.Occupy{Agent: a.name, CallID: "own-" + strconv.Itoa(int(nr))})
}

func (w *world) talkOver(i int) {
	s := &w.state[i]
	s.talking = false
	w.talking--
	a := &w.agents[s.agent]
	a.talking--
	id := w.callOf(i)
	w.write(id, event.CallEnded{Result: event.ResultSuccess})
	w.step(acd.CallEnded{Agent: a.name, CallID: id})
	delete(w.byCall, id)
	w.calls(s.agent)
}

// step tells the engine, and what follows from its answer.
func (w *world) step(ev acd.Event) {
	for {
		w.steps++
		for _, f := range w.eng.Step(w.at(w.now), ev) {
			w.effect(f)
		}
		if len(w.again) == 0 {
			return
		}
		ev = w.again[0]
		w.again = w.again[1:]
	}
}

func (w *world) write(callID string, b event.Body) {
	w.book.Feed(event.Event{At: w.at(w.now), Tenant: Tenant, CallID: callID, Body: b})
}

func (w *world) effect(f acd.Effect) {
	if w.callbackEffect(f) {
		return
	}
	switch f := f.(type) {
	case acd.Offer:
		w.ring(f)
	case acd.OfferEnded:
		w.write(f.CallID, event.OfferEnded{OfferID: f.OfferID, Queue: f.Queue, Agent: f.Agent, Outcome: f.Outcome, RingMs: f.Ring.Milliseconds()})
		if a := &w.agents[w.byName[f.Agent]]; a.offer == f.OfferID {
			a.offer = ""
			a.token++
		}
	case acd.Joined:
		i := w.byCall[f.CallID]
		w.state[i].waiting = true
		w.waiting++
		service, short := thresholds(w.queues[f.Queue])
		w.write(f.CallID, event.QueueEntered{Queue: f.Queue, Priority: f.Priority, Position: f.Position, ServiceMs: service, ShortMs: short,
			QueuePriority: f.QueuePriority, Need: f.Need, Agent: f.Agent})
	case acd.Refused:
		if f.Outcome != acd.RefusedUnknown {
			w.write(f.CallID, event.QueueLeft{Queue: f.Queue, Outcome: f.Outcome})
		}
		w.gone(f.CallID)
	case acd.LeftQueue:
		w.left(f)
	case acd.AgentChanged:
		w.write("", f.AgentStateChanged)
		w.agentChanged(f)
	case acd.Fault:
		w.faults++
	}
}

// thresholds as the dispatcher writes them.
func thresholds(q *acd.Queue) (service, short int64) {
	service, short = 20_000, 5_000
	if q.ServiceLevel > 0 {
		service = q.ServiceLevel.Milliseconds()
	}
	switch {
	case q.ShortAbandon > 0:
		short = q.ShortAbandon.Milliseconds()
	case q.ShortAbandon < 0:
		short = -1
	}
	return service, short
}

func (w *world) left(f acd.LeftQueue) {
	i := w.byCall[f.CallID]
	s := &w.state[i]
	s.waiting = false
	w.waiting--
	w.write(f.CallID, event.QueueLeft{Queue: f.Queue, Outcome: f.Outcome, WaitMs: f.Wait.Milliseconds(), Agent: f.Agent, To: f.To, Why: f.Why})
	if to, ok := strings.CutPrefix(f.To, "queue:"); ok && f.Outcome == acd.LeftOverflow {
		c := &w.t.calls[i]
		s.sentOn++
		w.again = append(w.again, acd.Enter{CallID: c.id, Queue: to, Priority: c.wish.Priority, Skills: c.wish.Skills, Need: c.wish.Need,
			From: c.wish.From, ArrivedAt: w.at(c.at), Stays: s.sentOn >= acd.MaxSentOn})
		return
	}
	if w.waiting == 0 {
		for _, who := range w.staying {
			w.plan(w.now, evLogOut, who, 1)
		}
		w.staying = w.staying[:0]
	}
	if f.Outcome != acd.LeftAnswered {
		w.gone(f.CallID)
		return
	}
	who := int32(w.byName[f.Agent])
	a := &w.agents[who]
	s.talking, s.agent = true, who
	w.talking++
	a.talking++
	a.queue = f.Queue
	w.write(f.CallID, event.SegmentStarted{Segment: event.SegmentTalking, Queue: f.Queue, Agent: f.Agent})
	w.plan(w.now+w.t.calls[i].talk, evTalkOver, int32(i), 0)
}

// gone ends a call that came to nothing.
func (w *world) gone(callID string) {
	w.write(callID, event.CallEnded{Result: event.ResultCaller})
	delete(w.byCall, callID)
}

// ring decides what a phone does with an offer: by the seed, the call and how many
// offers it had, so that luck is the same under every configuration.
func (w *world) ring(o acd.Offer) {
	i, there := w.byCall[o.CallID]
	if !there { // nobody would answer: as the dispatcher does for a call without an owner
		w.again = append(w.again, acd.Gone{CallID: o.CallID})
		return
	}
	who := int32(w.byName[o.Agent])
	s, a, p := &w.state[i], &w.agents[who], &w.t.Scenario.Phones
	r := fork(w.t.Seed, forOffer, uint64(i), uint64(s.offers))
	s.offers++
	a.token++
	a.offer, a.call = o.OfferID, int32(i)
	luck := r.unit()
	ring := 3 * time.Second
	if p.Ring.Said() {
		ring = p.Ring.draw(&r)
	}
	switch {
	case luck < p.Unreachable:
		w.plan(w.now, evUnreachable, who, a.token)
		return
	case luck < p.Unreachable+p.Rejected:
		w.plan(w.now+ring, evRefuse, who, a.token)
	case luck < p.Unreachable+p.Rejected+p.NoAnswer: // the engine's deadline ends it
	default:
		w.plan(w.now+ring, evPickUp, who, a.token)
	}
	w.again = append(w.again, acd.OfferRinging{OfferID: o.OfferID})
}

func (w *world) agentChanged(f acd.AgentChanged) {
	who := int32(w.byName[f.Agent])
	a := &w.agents[who]
	if f.From == "wrap_up" {
		a.wrapOf = -1
	}
	switch {
	case f.To == "wrap_up" && f.From != "wrap_up":
		w.wrapUp(who, f.CallID)
	case f.To == "not_ready" && a.in && a.away == 0 && f.By == acd.BySystem && !w.passes(f.Agent):
		// The engine took the agent out until further notice.
		r := fork(w.t.Seed, forBack, uint64(who), uint64(a.token))
		w.plan(w.now+orDist(w.t.Scenario.Phones.Back, Exponential(2*time.Minute)).draw(&r), evBack, who, a.token)
	}
}

// passes: the engine itself ends this not ready (the pause after a busy phone).
func (w *world) passes(agent string) bool { return w.eng.Paused(agent) }

// wrapUp begins the work after a call.
func (w *world) wrapUp(who int32, callID string) {
	a := &w.agents[who]
	at, ok := w.byCall[callID]
	if !ok {
		n, err := strconv.Atoi(callID[min(len(callID), len("call-")):])
		at, ok = n-1, err == nil
	}
	i := at + 1
	q := w.queues[a.queue]
	if !ok || q == nil {
		return
	}
	c := &w.t.calls[at]
	due := q.WrapUp
	if a.cfg.WrapUp != nil {
		due = *a.cfg.WrapUp
	}
	needs := c.wrapUp
	if q.WrapUpMode == acd.WrapUntilDone {
		due = longest
		if needs < 0 {
			needs = untilDone
		}
	}
	a.wrapOf = int32(i)
	switch {
	case needs < 0:
	case needs < due:
		w.plan(w.now+needs, evWrapOver, who, int32(i))
	case needs > due && q.WrapUpExtend > 0:
		w.again = append(w.again, acd.ExtendWrapUp{Agent: a.name, By: acd.ByAPI, For: min(needs-due, q.WrapUpExtend)})
	}
}

func (w *world) result(cfg acd.Configure) *Result {
	r := w.book.Result(w.o.Name)
	r.Seed, r.Steps = w.t.Seed, w.steps
	r.Calls = len(w.t.calls)
	r.Notes = append(append(r.Notes, w.t.Notes...), w.notes...)
	for _, q := range sortedKeys(w.unknown) {
		r.Notes = append(r.Notes, fmt.Sprintf("%d callers wanted queue %q, which is not there: they are in no figure", w.unknown[q], q))
	}
	if w.cut > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d callers waited or talked still when all was over", w.cut))
	}
	if w.faults > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("the engine found %d faults", w.faults))
	}
	members := map[string][]string{}
	for i := range cfg.Queues {
		for j := range cfg.Agents {
			if slices.ContainsFunc(cfg.Queues[i].Members, func(m acd.Member) bool {
				if m.Agent == cfg.Agents[j].Name {
					return true
				}
				ok, _ := path.Match(m.Agent, cfg.Agents[j].Name)
				return ok
			}) {
				members[cfg.Queues[i].Name] = append(members[cfg.Queues[i].Name], cfg.Agents[j].Name)
			}
		}
	}
	r.occupancy(members)
	wages := map[string]float64{}
	for i := range w.agents {
		wages[w.agents[i].name] = w.agents[i].wage
	}
	r.price(wages, w.t.Scenario.Cost.Currency)
	return r
}
