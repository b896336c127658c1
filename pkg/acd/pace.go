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
func (e *Engine) pass(f *family) { f.pace.pass(e.now, f.last().staffed()) }

// pass accounts the time up to now, in which so many agents who fit worked.
func (p *pace) pass(now int64, staffed int) {
	dt := float64(now - p.at)
	p.at = now
	if p.held == 0 || dt <= 0 || staffed == 0 {
		return
	}
	fade := math.Exp(-dt / paceFade)
	p.n *= fade
	p.load = p.load*fade + float64(staffed)*dt/1e9
}

// wait is the time within which EstimateShare of callers are handed over who are
// the k-th in line, as so many agents work now.
//
// The k-th hand-over of a Poisson stream of rate r comes after a time of the gamma
// distribution with mean k/r; r itself is known from hand-overs that fade to a sum of
// n, so the relative variances 1/k and 1/2n add up. The quantile is Wilson's and Hilferty's (1931).
func (p *pace) wait(k float64, staffed int) (d time.Duration, known bool) {
	if staffed == 0 || p.n < paceLeast || p.load <= 0 {
		return 0, false
	}
	mean := k * p.load / p.n / float64(staffed)
	s := 1 / (1/k + 1/(2*p.n))
	w := 1 - 1/(9*s) + quantileZ/(3*math.Sqrt(s))
	return min(time.Duration(min(mean*w*w*w, maxEstimate.Seconds())*1e9), maxEstimate), true
}

// held counts a caller who has to wait; unheld one who leaves, handed over or not.
func (e *Engine) held(c *caller) {
	if !c.held {
		e.pass(c.fam)
		c.held = true
		c.fam.pace.held++
		e.touch(c.q)
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
	// Of those ahead only callers of the same need go through this pace.
	ahead := float64(c.q.line.position(c) - 1)
	if n := c.q.line.len(); n > 1 && c.fam.users < n {
		ahead *= float64(c.fam.users-1) / float64(n-1)
	}
	return c.fam.pace.wait(ahead+1, c.fam.last().staffed())
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
