package acd

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/acd/skill"
)

// standing is an agent's state as routing sees it: the agent's state, but ready
// and out of reach is its own.
type standing uint8

const (
	standFree        = standing(1) // agent.Ready, reachable
	standUnreachable = standing(7) // one past the agent's states
	numStandings     = 8
)

// queue is one configured queue and its callers.
type queue struct {
	Queue
	s        *strategy
	need     skill.Need // Queue.Skills and Queue.Need
	line     line       // everybody, in order
	families []*family  // in order of first use
	byNeed   map[string]*family
	pools    []queuePool
	members  int
	unable   int // agents named as members who have no capacity for the channel
	dropAt   int // number of families at which unused ones are dropped
	level    level
	// Everybody by joining, for who waits longest.
	oldest, newest *caller
	callbacks      int // of those in line

	panel   *panel // in the engine's view
	touched bool   // since Publish

	drawn int64 // random: the last draw that won
	floor int   // fewest_calls: the count of who was chosen last
}

type queuePool struct {
	p    *pool
	rank int
	o    *order
}

// family is the callers of one queue with the same own need, over the steps in
// which it relaxes: one class each.
type family struct {
	q      *queue
	key    string
	levels map[string]int // what own was made of
	need   string
	own    skill.Need
	bound  uint64 // when to the pools: the order in which pools know families
	stages []*class
	users  int // callers, those being offered included
	pace   pace
}

func (f *family) last() *class { return f.stages[len(f.stages)-1] }

// class is the callers of one family who have waited for one of its steps.
type class struct {
	q      *queue
	f      *family
	stage  int
	after  int64      // of waiting; where the stage begins
	need   skill.Expr // the queue's and the callers' own
	opens  int        // the lowest rank that is still closed
	shut   bool       // some rank is
	wanted []string   // skills that best_skill adds up
	text   string     // of need, once asked for

	waiting crowd       // nobody rings for them
	more    crowd       // somebody rings, and they take more (ring_all, progressive)
	pools   pq[poolRef] // that fit and have somebody free
	// Members who fit, by standing; those who lack a skill; those whose tier is
	// not open yet.
	by     [numStandings]int
	fit    int
	unfit  int
	closed int
}

// loggedIn counts the agents who could ever take a caller of this class.
func (c *class) loggedIn() int { return c.fit - c.by[0] }

// pool is the agents with the same queues, ranks and skills.
type pool struct {
	skills  map[string]int
	agents  []*agentRec // as configured
	orders  []*order
	by      [numStandings]int
	free    int
	classes []poolClass // that this pool fits
}

type poolClass struct {
	c     *class
	rank  int
	skill int // best_skill: the sum of levels wanted
	o     *order
	pos   int // in c.pools; -1 = nobody free
}

// poolRef is a pool in a class's heap: p.classes[i] is the way back.
type poolRef struct {
	p *pool
	i int
}

func (r poolRef) class() *poolClass { return &r.p.classes[r.i] }

// levelsKey writes skills and levels so that equal ones are equal.
func levelsKey(m map[string]int) string {
	if len(m) == 0 {
		return ""
	}
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		b.WriteString(strconv.Quote(n))
		b.WriteByte('=')
		b.WriteString(strconv.Itoa(m[n]))
		b.WriteByte(',')
	}
	return b.String()
}

func newPool(skills map[string]int) *pool { return &pool{skills: skills} }

// before is the order of callers, inside a queue and over all: priority, then
// arrival, then number. Where priority is worth waiting, it is in key alone.
func (c *caller) before(d *caller) bool {
	if c.strict != d.strict {
		return c.strict > d.strict
	}
	if c.key != d.key {
		return c.key < d.key
	}
	return c.seq < d.seq
}

// setKey works out the caller's place from priority and arrival.
func (e *Engine) setKey(c *caller) {
	p := min(max(c.priority+c.q.Priority, -maxPriority), maxPriority)
	if w := int64(e.set.PriorityWorth); w > 0 {
		c.strict, c.key = 0, c.arrived-int64(p)*w
	} else {
		c.strict, c.key = p, c.arrived
	}
	if c.front != "" {
		c.strict = 2 * maxPriority
	}
}

// maxPriority keeps sums of priorities times their worth in bounds.
const maxPriority = 10_000

func (e *Engine) newClass(f *family, stage int, after time.Duration) *class {
	q := f.q
	c := &class{q: q, f: f, stage: stage, after: int64(after), opens: math.MaxInt,
		pools: pq[poolRef]{
			less: func(a, b poolRef) bool {
				x, y := a.class(), b.class()
				return betterPool(x.rank, x.skill, x.o, x.o.free.items[0], y.rank, y.skill, y.o.free.items[0])
			},
			moved: func(r poolRef, at int) { r.class().pos = at },
		}}
	c.need = skill.And(q.need.At(after), f.own.At(after))
	for _, t := range q.Tiers {
		if t.After > after {
			c.opens, c.shut = min(c.opens, t.Rank), true
		}
	}
	if q.s.skill {
		c.wanted = c.need.Wanted()
	}
	return c
}

// betterPool is the order between agents of a class: rank, then the skills that
// best_skill adds up, then the strategy's own.
func betterPool(rankX, skillX int, o *order, x *seat, rankY, skillY int, y *seat) bool {
	if rankX != rankY {
		return rankX < rankY
	}
	if skillX != skillY {
		return skillX > skillY
	}
	return o.s.compare(x, y) < 0
}

// newFamily makes a class for each time at which the need relaxes or a tier opens.
func (e *Engine) newFamily(q *queue, key string, own skill.Need) *family {
	f := &family{q: q, key: key, own: own}
	times := []time.Duration{0}
	for _, s := range q.need.Steps {
		times = append(times, s.After)
	}
	for _, s := range own.Steps {
		times = append(times, s.After)
	}
	for _, t := range q.Tiers {
		times = append(times, max(t.After, 0))
	}
	slices.Sort(times)
	for i, at := range slices.Compact(times) {
		f.stages = append(f.stages, e.newClass(f, i, at))
	}
	return f
}

// bind works out which pools of the queue fit the class. The class must not be
// bound to any.
func (c *class) bind() {
	c.by, c.fit, c.unfit, c.closed = [numStandings]int{}, 0, 0, 0
	for _, qp := range c.q.pools {
		p := qp.p
		if !c.need.Match(p.skills) {
			c.unfit += len(p.agents)
			continue
		}
		if c.shut && qp.rank >= c.opens {
			c.closed += len(p.agents)
			continue
		}
		c.fit += len(p.agents)
		for s, n := range p.by {
			c.by[s] += n
		}
		sum := 0
		for _, w := range c.wanted {
			sum += p.skills[w]
		}
		p.classes = append(p.classes, poolClass{c, qp.rank, sum, qp.o, -1})
		if p.free > 0 {
			c.pools.push(poolRef{p, len(p.classes) - 1})
		}
	}
}

func (e *Engine) bind(f *family) {
	e.seq++
	f.bound = e.seq
	for _, c := range f.stages {
		c.bind()
	}
}

// maxFamilies bounds the families of one queue that nobody waits in. Needs come
// from flows, so there are few; this is for a flow that computes levels.
const maxFamilies = 256

// familyOf finds or makes the family of a queue for a caller's own need.
func (e *Engine) familyOf(q *queue, levels map[string]int, text string) *family {
	key := levelsKey(levels)
	if text != "" {
		key += ";" + text
	}
	if f := q.byNeed[key]; f != nil {
		return f
	}
	own, err := parsedNeed(levels, text)
	if err != nil {
		e.fault(FaultBadNeed, err.Error())
	}
	if len(q.families) >= max(q.dropAt, maxFamilies) {
		e.dropFamilies(q)
		q.dropAt = 2 * len(q.families) // all in use: do not search again for each new one
	}
	f := e.newFamily(q, key, own)
	f.levels, f.need = levels, text
	q.families = append(q.families, f)
	q.byNeed[key] = f
	e.bind(f)
	return f
}

// dropFamilies forgets those nobody is in, but for the plain one.
func (e *Engine) dropFamilies(q *queue) {
	used := func(f *family) bool { return f.users > 0 || f.key == "" }
	q.families = keep(q.families, func(f *family) bool {
		if !used(f) {
			delete(q.byNeed, f.key)
			for _, c := range f.stages {
				c.pools.items = nil
			}
		}
		return used(f)
	})
	for _, qp := range q.pools {
		p := qp.p
		p.classes = keep(p.classes, func(pc poolClass) bool { return pc.c.q != q || used(pc.c.f) })
		for i := range p.classes { // the way back has moved
			if at := p.classes[i].pos; at >= 0 {
				p.classes[i].c.pools.items[at].i = i
			}
		}
	}
}

func keep[T any](s []T, ok func(T) bool) []T {
	out := s[:0]
	for _, x := range s {
		if ok(x) {
			out = append(out, x)
		}
	}
	clear(s[len(out):])
	return out
}

// stageOf is the class of a caller's family after the time waited.
func (e *Engine) stageOf(c *caller) *class {
	waited := e.now - c.arrived
	s := c.fam.stages
	i := len(s) - 1
	for i > 0 && s[i].after > waited {
		i--
	}
	return s[i]
}

func (e *Engine) standingOf(a *agentRec) standing {
	s := standing(a.m.State)
	if s == standFree && (!a.reachable || a.lost || a.device == "") {
		s = standUnreachable
	}
	return s
}

// setStanding moves an agent between the counts and in or out of the heaps of
// free agents.
func (e *Engine) setStanding(a *agentRec) {
	s := e.standingOf(a)
	was := a.standing
	if s == was && (s == standFree) == a.free {
		return
	}
	a.standing = s
	p := a.pool
	if p == nil {
		return
	}
	if s != was {
		p.by[was]--
		p.by[s]++
		for i := range p.classes {
			c := p.classes[i].c
			c.by[was]--
			c.by[s]++
			e.touch(c.q)
		}
	}
	e.placeFree(a)
}

// placeFree brings the heaps of free agents in line with the agent's standing.
func (e *Engine) placeFree(a *agentRec) {
	in := a.standing == standFree
	if in == a.free {
		return
	}
	a.free = in
	p := a.pool
	if in {
		p.free++
	} else {
		p.free--
	}
	moved := 0 // orders whose head has changed
	for i, o := range p.orders {
		head := o.head()
		s := &a.seats[i]
		if in {
			if o.s.perQueue && a.redraw && o.q.Strategy == StrategyRandom {
				e.shuffle(o.q, s)
			}
			o.free.push(s)
		} else {
			o.free.remove(s.pos)
		}
		if o.head() != head {
			o.changed = true
			moved++
		}
	}
	if in {
		a.redraw = false
	}
	if moved == 0 {
		return // the pool looks the same from outside
	}
	for i := range p.classes {
		pc := &p.classes[i]
		switch {
		case !pc.o.changed:
		case p.free == 0:
			if pc.pos >= 0 {
				pc.c.pools.remove(pc.pos)
			}
		case pc.pos < 0:
			pc.c.pools.push(poolRef{p, i})
		default:
			pc.c.pools.fix(pc.pos)
		}
	}
	for _, o := range p.orders {
		o.changed = false
	}
}
