package acd

import (
	"sort"
	"strconv"
	"strings"
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
	need    []skillLevel // Queue.Skills
	line    line         // everybody, in order
	classes []*class     // in order of first use
	byNeed  map[string]*class
	pools   []queuePool
	members int
	dropAt  int // number of classes at which unused ones are dropped
	// Everybody by joining, for who waits longest.
	oldest, newest *caller
}

type queuePool struct {
	p    *pool
	rank int
}

// class is the callers of one queue with the same own need.
type class struct {
	q       *queue
	key     string
	own     []skillLevel // the callers' own need
	need    []skillLevel // with the queue's
	waiting pq[*caller]  // not being offered
	pools   pq[poolRef]  // that fit and have somebody free
	// Members who fit, by standing; and those who lack a skill.
	by    [numStandings]int
	fit   int
	unfit int
	users int // callers of this class, those being offered included
}

// loggedIn counts the agents who could ever take a caller of this class.
func (c *class) loggedIn() int { return c.fit - c.by[0] }

// pool is the agents with the same queues, ranks and skills.
type pool struct {
	skills  map[string]int
	members int
	idle    pq[*agentRec] // free agents
	by      [numStandings]int
	classes []poolClass // that this pool fits
}

type poolClass struct {
	c    *class
	rank int
	pos  int // in c.pools; -1 = nobody free
}

// poolRef is a pool in a class's heap: p.classes[i] is the way back.
type poolRef struct {
	p *pool
	i int
}

type skillLevel struct {
	skill string
	level int
}

// levels sorts a need so that equal needs are equal.
func levels(m map[string]int) []skillLevel {
	if len(m) == 0 {
		return nil
	}
	s := make([]skillLevel, 0, len(m))
	for k, v := range m {
		s = append(s, skillLevel{k, v})
	}
	sort.Slice(s, func(i, j int) bool { return s[i].skill < s[j].skill })
	return s
}

func needKey(s []skillLevel) string {
	if len(s) == 0 {
		return ""
	}
	var b strings.Builder
	for _, x := range s {
		b.WriteString(strconv.Quote(x.skill))
		b.WriteByte('=')
		b.WriteString(strconv.Itoa(x.level))
		b.WriteByte(',')
	}
	return b.String()
}

// both merges two needs, the higher level winning.
func both(a, b []skillLevel) []skillLevel {
	if len(b) == 0 {
		return a
	}
	if len(a) == 0 {
		return b
	}
	m := make(map[string]int, len(a)+len(b))
	for _, x := range a {
		m[x.skill] = x.level
	}
	for _, x := range b {
		if l, ok := m[x.skill]; !ok || x.level > l {
			m[x.skill] = x.level
		}
	}
	return levels(m)
}

// fits: every skill is there, at the level or above. A need of level 0 asks
// for the skill at any level.
func (p *pool) fits(need []skillLevel) bool {
	for _, n := range need {
		if l, ok := p.skills[n.skill]; !ok || l < n.level {
			return false
		}
	}
	return true
}

func idleBefore(a, b *agentRec) bool {
	if a.idleSince != b.idleSince {
		return a.idleSince < b.idleSince
	}
	return a.idleSeq < b.idleSeq
}

func newPool(skills map[string]int) *pool {
	return &pool{skills: skills, idle: pq[*agentRec]{
		less:  idleBefore,
		moved: func(a *agentRec, at int) { a.idlePos = at },
	}}
}

func newClass(q *queue, key string, own []skillLevel) *class {
	return &class{q: q, key: key, own: own, need: both(q.need, own),
		waiting: pq[*caller]{
			less:  (*caller).before,
			moved: func(c *caller, at int) { c.pos = at },
		},
		pools: pq[poolRef]{
			less: func(a, b poolRef) bool {
				if ra, rb := a.p.classes[a.i].rank, b.p.classes[b.i].rank; ra != rb {
					return ra < rb
				}
				return idleBefore(a.p.idle.items[0], b.p.idle.items[0])
			},
			moved: func(r poolRef, at int) { r.p.classes[r.i].pos = at },
		}}
}

// bind works out which pools of the queue fit the class. The class must not be
// bound to any.
func (c *class) bind() {
	c.by, c.fit, c.unfit = [numStandings]int{}, 0, 0
	for _, qp := range c.q.pools {
		p := qp.p
		if !p.fits(c.need) {
			c.unfit += p.members
			continue
		}
		c.fit += p.members
		for s, n := range p.by {
			c.by[s] += n
		}
		p.classes = append(p.classes, poolClass{c, qp.rank, -1})
		if p.idle.len() > 0 {
			c.pools.push(poolRef{p, len(p.classes) - 1})
		}
	}
}

// maxClasses bounds the classes of one queue that nobody waits in. Needs come
// from flows, so there are few; this is for a flow that computes levels.
const maxClasses = 256

// classOf finds or makes the class of a queue for a caller's own need.
func (e *Engine) classOf(q *queue, skills map[string]int) *class {
	own := levels(skills)
	key := needKey(own)
	if c := q.byNeed[key]; c != nil {
		return c
	}
	if len(q.classes) >= max(q.dropAt, maxClasses) {
		e.dropClasses(q)
		q.dropAt = 2 * len(q.classes) // all in use: do not search again for each new one
	}
	c := newClass(q, key, own)
	q.classes = append(q.classes, c)
	q.byNeed[key] = c
	c.bind()
	return c
}

// dropClasses forgets the classes nobody is in, but for the plain one.
func (e *Engine) dropClasses(q *queue) {
	used := func(c *class) bool { return c.users > 0 || c.key == "" }
	q.classes = keep(q.classes, func(c *class) bool {
		if !used(c) {
			delete(q.byNeed, c.key)
			c.pools.items = nil
		}
		return used(c)
	})
	for _, qp := range q.pools {
		p := qp.p
		p.classes = keep(p.classes, func(pc poolClass) bool { return pc.c.q != q || used(pc.c) })
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

func (e *Engine) standingOf(a *agentRec) standing {
	s := standing(a.m.State)
	if s == standFree && (!a.reachable || a.lost || a.Device == "") {
		s = standUnreachable
	}
	return s
}

// setStanding moves an agent between the counts and in or out of the idle heap.
func (e *Engine) setStanding(a *agentRec) {
	s := e.standingOf(a)
	was := a.standing
	if s == was && (s != standFree || a.idlePos >= 0) {
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
		}
	}
	e.placeIdle(a)
}

// placeIdle brings the idle heaps in line with the agent's standing.
func (e *Engine) placeIdle(a *agentRec) {
	p := a.pool
	var head *agentRec
	if p.idle.len() > 0 {
		head = p.idle.items[0]
	}
	switch {
	case a.standing == standFree && a.idlePos < 0:
		p.idle.push(a)
	case a.standing != standFree && a.idlePos >= 0:
		p.idle.remove(a.idlePos)
	default:
		return
	}
	if p.idle.len() > 0 && p.idle.items[0] == head {
		return // the pool looks the same from outside
	}
	for i := range p.classes {
		pc := &p.classes[i]
		switch {
		case p.idle.len() == 0:
			if pc.pos >= 0 {
				pc.c.pools.remove(pc.pos)
			}
		case pc.pos < 0:
			pc.c.pools.push(poolRef{p, i})
		default:
			pc.c.pools.fix(pc.pos)
		}
	}
}
