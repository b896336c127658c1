package acd

import (
	"math"
	"time"
)

// pace is how fast the callers of a family who have to wait are handed over:
// hand-overs for each second that an agent who fits works while such a caller
// waits. Only that time counts: while nobody waits, hand-overs tell how many call,
// not how many could be served. Both sums fade, so that the pace is that of now.
type pace struct {
	n    float64 // hand-overs
	load float64 // seconds of agents
	at   int64   // accounted up to here
	held int     // callers now who have had to wait
}

const (
	// paceFade is the time, of those in which somebody waits, after which a
	// hand-over counts for 1/e. Shorter would be livelier and less true: a line is
	// short when agents have just been quicker than they are, long when slower.
	paceFade = float64(time.Hour)
	// paceLeast is how many hand-overs make a pace.
	paceLeast = 5
	// EstimateShare of callers wait no longer than the estimate told.
	EstimateShare = 0.8
	quantileZ     = 0.8416 // of the normal distribution at EstimateShare
	maxEstimate   = 24 * time.Hour
)

// pass accounts the time since the family last changed.
func (e *Engine) pass(f *family) {
	p := &f.pace
	dt := float64(e.now - p.at)
	p.at = e.now
	if p.held == 0 || dt <= 0 {
		return
	}
	if staffed := f.last().staffed(); staffed > 0 {
		fade := math.Exp(-dt / paceFade)
		p.n *= fade
		p.load = p.load*fade + float64(staffed)*dt/1e9
	}
}

// held counts a caller who has to wait; unheld one who leaves, handed over or not.
func (e *Engine) held(c *caller) {
	if !c.held {
		e.pass(c.fam)
		c.held = true
		c.fam.pace.held++
	}
}

func (e *Engine) unheld(c *caller, handedOver bool) {
	if !c.held {
		return
	}
	e.pass(c.fam)
	c.fam.pace.held--
	if handedOver {
		c.fam.pace.n++
	}
}

// estimate is what is left to wait for c: the time within which EstimateShare of
// such callers are handed over. known is false when nobody who fits works, when too
// few hand-overs were seen, or when the caller waits for one agent alone.
//
// The k-th hand-over of a Poisson stream of rate r comes after a time of the gamma
// distribution with mean k/r; r itself is known from hand-overs that fade to a sum of
// n, so the relative variances 1/k and 1/2n add up. The quantile is Wilson's and Hilferty's (1931).
func (e *Engine) estimate(c *caller) (d time.Duration, known bool) {
	cl := c.class
	switch {
	case len(c.offers) > 0:
		return 0, true
	case c.sticky != nil:
		return 0, false
	case cl.pools.len() > 0:
		return 0, true
	}
	e.pass(c.fam)
	staffed, p := c.fam.last().staffed(), &c.fam.pace
	if staffed == 0 || p.n < paceLeast || p.load <= 0 {
		return 0, false
	}
	// Of those ahead only callers of the same need go through this pace.
	ahead := float64(c.q.line.position(c) - 1)
	if n := c.q.line.len(); n > 1 && c.fam.users < n {
		ahead *= float64(c.fam.users-1) / float64(n-1)
	}
	k := ahead + 1
	mean := k * p.load / p.n / float64(staffed)
	s := 1 / (1/k + 1/(2*p.n))
	w := 1 - 1/(9*s) + quantileZ/(3*math.Sqrt(s))
	return min(time.Duration(min(mean*w*w*w, maxEstimate.Seconds())*1e9), maxEstimate), true
}

// level is the share of callers answered in time of late.
type level struct {
	in, all float64
	at      int64
}

const (
	levelFade  = float64(30 * time.Minute)
	levelLeast = 10
)

func (l *level) fade(now int64) {
	if dt := float64(now - l.at); dt > 0 {
		k := math.Exp(-dt / levelFade)
		l.in, l.all, l.at = l.in*k, l.all*k, now
	}
}

// count takes a caller who was answered, or left by the own will or a limit of ours;
// short abandons do not count.
func (l *level) count(now int64, inTime bool) {
	l.fade(now)
	l.all++
	if inTime {
		l.in++
	}
}

func (l *level) share(now int64) (share float64, known bool) {
	l.fade(now)
	if l.all < levelLeast {
		return 0, false
	}
	return l.in / l.all, true
}

// counts takes a caller who leaves into the queue's level of service.
func (q *queue) counts(now int64, outcome string, wait time.Duration) {
	in := q.ServiceLevel
	if in <= 0 {
		in = 20 * time.Second
	}
	short := q.ShortAbandon
	if short == 0 {
		short = 5 * time.Second
	}
	switch outcome {
	case LeftAnswered:
		q.level.count(now, wait <= in)
	case LeftAbandoned:
		if wait > short {
			q.level.count(now, false)
		}
	case LeftTimeout:
		q.level.count(now, false)
	}
}
