package acd

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Strategies of a queue. All take rank first: a member of a lower rank before
// any of a higher.
const (
	StrategyLongestIdle   = "longest_idle"   // who has been free longest
	StrategyRoundRobin    = "round_robin"    // whose last offer lies back farthest
	StrategyFewestCalls   = "fewest_calls"   // who has taken fewest since log-in
	StrategyLeastOccupied = "least_occupied" // who was on calls least of late
	StrategyRingAll       = "ring_all"       // everybody at once, who answers first
	StrategyLinear        = "linear"         // in the order of the list, always from its top
	StrategyProgressive   = "progressive"    // linear, and one more phone every RingStep
	StrategyRandom        = "random"         // by chance, in proportion to weight
	StrategyBestSkill     = "best_skill"     // highest levels of the skills that the caller needs
)

// Strategies lists them for checks.
var Strategies = []string{StrategyLongestIdle, StrategyRoundRobin, StrategyFewestCalls, StrategyLeastOccupied,
	StrategyRingAll, StrategyLinear, StrategyProgressive, StrategyRandom, StrategyBestSkill}

// strategy is how agents of one rank are ordered, and how many are rung.
type strategy struct {
	// compare is a total order of agents: 0 only for one and the same. Its keys
	// change only while the agent is not free.
	compare func(x, y *seat) int
	// order names the heap; strategies of one order share it, unless seats hold
	// something of the queue.
	order    string
	perQueue bool
	many     bool // all at once
	grows    bool // one more after a while
	skill    bool // the pool's levels come before compare
	say      func(e *Engine, s *seat) string
}

var strategies = map[string]*strategy{
	StrategyLongestIdle:   {compare: byIdle, order: "idle", say: sayIdle},
	StrategyRoundRobin:    {compare: byLastOffer, order: "offer", say: sayOffer},
	StrategyFewestCalls:   {compare: byTaken, order: "taken", say: sayTaken},
	StrategyLeastOccupied: {compare: byOccupancy, order: "occupancy", say: sayOccupancy},
	StrategyRingAll:       {compare: byIdle, order: "idle", many: true, say: sayIdle},
	StrategyLinear:        {compare: byPlace, perQueue: true, say: sayPlace},
	StrategyProgressive:   {compare: byPlace, perQueue: true, grows: true, say: sayPlace},
	StrategyRandom:        {compare: byDraw, perQueue: true, say: sayDraw},
	StrategyBestSkill:     {compare: byIdle, order: "idle", skill: true, say: sayIdle},
}

// seat is an agent in one order of the agent's pool.
type seat struct {
	a      *agentRec
	place  int   // in the queue's list
	weight int   // of random
	draw   int64 // of random: drawn when the agent becomes free
	pos    int   // in the order's heap; -1 = not free
}

// order is the free agents of one pool, as one strategy orders them.
type order struct {
	s       *strategy
	q       *queue // of a perQueue strategy
	free    pq[*seat]
	changed bool // head, while placeFree works
}

func newOrder(s *strategy, q *queue) *order {
	return &order{s: s, q: q, free: pq[*seat]{
		less:  func(a, b *seat) bool { return s.compare(a, b) < 0 },
		moved: func(x *seat, at int) { x.pos = at },
	}}
}

func (o *order) head() *seat {
	if len(o.free.items) == 0 {
		return nil
	}
	return o.free.items[0]
}

func byIdle(x, y *seat) int {
	return cmp.Or(cmp.Compare(x.a.idleSince, y.a.idleSince), cmp.Compare(x.a.idleSeq, y.a.idleSeq), byNumber(x, y))
}

func byLastOffer(x, y *seat) int {
	return cmp.Or(cmp.Compare(x.a.lastOffer, y.a.lastOffer), byNumber(x, y))
}

func byTaken(x, y *seat) int { return cmp.Or(cmp.Compare(x.a.taken, y.a.taken), byIdle(x, y)) }

func byOccupancy(x, y *seat) int { return cmp.Or(cmp.Compare(x.a.load, y.a.load), byIdle(x, y)) }

func byPlace(x, y *seat) int { return cmp.Or(cmp.Compare(x.place, y.place), byNumber(x, y)) }

func byDraw(x, y *seat) int { return cmp.Or(cmp.Compare(x.draw, y.draw), byNumber(x, y)) }

// byNumber is the configured order; no two agents share a number.
func byNumber(x, y *seat) int { return cmp.Compare(x.a.number, y.a.number) }

func sayIdle(*Engine, *seat) string { return "" } // the candidate's idle time says it

func sayOffer(e *Engine, s *seat) string {
	if s.a.offered == never {
		return "never offered anybody"
	}
	return "last offered " + ago(e.now-s.a.offered)
}

func sayTaken(_ *Engine, s *seat) string {
	if s.a.taken == 1 {
		return "1 call"
	}
	return fmt.Sprintf("%d calls", s.a.taken)
}

func sayOccupancy(e *Engine, s *seat) string {
	return fmt.Sprintf("%.0f%% occupied", 100*s.a.occupancyAt(e.now))
}

func sayPlace(_ *Engine, s *seat) string {
	return fmt.Sprintf("line %d of the list", s.place/maxAgents+1)
}

func sayDraw(_ *Engine, s *seat) string { return fmt.Sprintf("by chance, weight %d", s.weight) }

func ago(ns int64) string { return time.Duration(ns).Round(time.Second).String() + " ago" }

const never = math.MinInt64

// occupancyFade is the time constant of an agent's occupancy: an hour ago counts
// e^-2 = 14% of now.
const occupancyFade = float64(30 * time.Minute)

// occupancyAt is the share of recent time on calls and in wrap-up, 0 to 1.
func (a *agentRec) occupancyAt(now int64) float64 {
	f := math.Exp(-float64(now-a.occAt) / occupancyFade)
	if a.working {
		return 1 - (1-a.occ)*f
	}
	return a.occ * f
}

// weigh follows the agent's state: working or not. While the agent is free the
// occupancy fades, everybody's at the same rate, so the order between two free
// agents stands still. load is that standing order: ln(occ) + t/fade in steps of
// a millionth (2 ms), rounded so that it is a plain number.
func (a *agentRec) weigh(now int64, working bool) {
	if working == a.working {
		return
	}
	a.occ = a.occupancyAt(now)
	a.occAt, a.working = now, working
	if !working {
		a.load = never
		if a.occ > 0 {
			a.load = int64(math.Round(1e6 * (math.Log(a.occ) + float64(now)/occupancyFade)))
		}
	}
}

// scatter is splitmix64's finaliser: neighbours get unrelated numbers.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// draw is the generator's next number: splitmix64.
func (e *Engine) draw() uint64 {
	e.rng += 0x9e3779b97f4a7c15
	return scatter(e.rng - 0x9e3779b97f4a7c15)
}

// shuffle draws an agent's time for the strategy random: an exponential wait
// from the queue's drawn-so-far, at the rate of the weight. The least of such
// times is of each agent with a chance in proportion to weight, and since an
// exponential wait has no memory, those passed over need no new draw.
func (e *Engine) shuffle(q *queue, s *seat) {
	u := (float64(e.draw()>>11) + 0.5) / (1 << 53)
	s.draw = q.drawn + int64(-math.Log(u)*1e9/float64(s.weight))
}
