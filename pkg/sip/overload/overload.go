// Package overload decides which new work a busy node refuses, so that the work
// it has taken goes through. It is pure: queueing delays and CPU use go in,
// verdicts come out. One owner.
//
// The measure is how long messages have waited for their owner, judged as CoDel
// does (RFC 8289): a queue that empties at least once in each interval is a
// burst, one whose shortest wait stays above the target is standing and only
// grows. From then on new calls are taken at a rate that is felt out, as
// TCP does, and the others refused; registrations go next, and only when refusing
// calls did not help. What belongs to a call in progress is never asked about.
package overload

import "time"

// Kind of new work.
type Kind uint8

// Kinds.
const (
	Call     Kind = iota // a new call
	Register             // a registration
)

// Config of a Control; zero fields take the defaults.
type Config struct {
	Target   time.Duration // shortest wait that is no queue; 25 ms
	Interval time.Duration // 100 ms
	// MaxCPU is the share of all CPUs that counts as overload; 0.97. Above 1: never.
	MaxCPU float64
}

// Control holds the rates at which new work is taken while there is too much.
type Control struct {
	cfg      Config
	begun    time.Time     // of the interval
	shortest time.Duration // wait seen in it
	before   time.Duration // the shortest of the interval before
	last     time.Duration // wait of the newest message
	seen     int
	cpu      float64
	backlog  float64 // of what the work leaves to others, 0..1
	piled    float64 // backlog at the end of the interval before
	bad      int     // intervals of overload in a row
	kinds    [2]gate
}

// gate is a limit on one kind of work.
type gate struct {
	on                bool
	limit             float64 // a second
	tokens            float64
	at                time.Time // of tokens
	offered, admitted int       // in this interval
	share             float64   // refused in the last interval
}

// The limit goes down by a tenth when the queue stands and does not get shorter,
// and up by a thirtieth when it is gone: it swings closely around what the node
// can carry, however much more is offered. least keeps a few coming: they are the
// probe that shows when it is over. Work that waited for stale has been sent again
// by then (timer A), or its sender has gone.
const (
	down  = 0.9
	up    = 1.03
	least = 2.0 // a second
	stale = 500 * time.Millisecond
	// After so many intervals of overload in spite of the limit on calls,
	// registrations are limited too.
	patience = 8
	// A backlog above this share is no burst.
	heap = 0.1
)

// New makes a Control.
func New(cfg Config) *Control {
	if cfg.Target <= 0 {
		cfg.Target = 25 * time.Millisecond
	}
	if cfg.Interval <= 0 {
		cfg.Interval = 100 * time.Millisecond
	}
	if cfg.MaxCPU <= 0 {
		cfg.MaxCPU = 0.97
	}
	return &Control{cfg: cfg}
}

// Waited notes how long a message waited for its owner.
func (c *Control) Waited(now time.Time, wait time.Duration) {
	c.turn(now)
	if c.seen == 0 || wait < c.shortest {
		c.shortest = wait
	}
	c.last = wait
	c.seen++
}

// CPU notes the share of all CPUs in use, 0..1.
func (c *Control) CPU(share float64) { c.cpu = share }

// Backlog notes the share of the room taken by what calls leave to be written: a disk
// or a writer that is slower than the calls shows there long before they wait.
func (c *Control) Backlog(share float64) { c.backlog = share }

// turn closes intervals that are over.
func (c *Control) turn(now time.Time) {
	if c.begun.IsZero() {
		c.begun = now
		return
	}
	past := now.Sub(c.begun)
	if past < c.cfg.Interval {
		return
	}
	over := 0.0 // how far above the target, in targets
	// One or two late messages are the scheduler's hiccup, unless they are very late.
	if c.shortest > c.cfg.Target && (c.seen > 2 || c.seen > 0 && c.shortest > 10*c.cfg.Target) {
		over = float64(c.shortest)/float64(c.cfg.Target) - 1
	}
	// A CPU that is used is no harm as long as nobody waits for it.
	if c.cpu > c.cfg.MaxCPU && c.seen > 2 && c.shortest > c.cfg.Target/5 {
		over = max(over, 0.5)
	}
	falling := over == 0 || c.shortest < c.before*8/10 // what is done already helps
	piled := c.backlog > heap
	if piled {
		over = max(over, 0.5)
		falling = falling && c.backlog < c.piled
	}
	c.piled = c.backlog
	if over > 0 {
		c.bad++
		// Once is what a busy machine's scheduler does to a node that has room; a
		// queue that stands for a second interval, or is long at once, is ours.
		c.kinds[Call].turn(past, c.bad > 1 || piled || c.kinds[Call].on || c.shortest > 4*c.cfg.Target, falling)
		c.kinds[Register].turn(past, c.bad > patience, falling)
	} else {
		c.bad = 0
		// Falling, too, when nearly nothing waits: then the limit is far too low.
		idle := c.shortest < c.cfg.Target/4 && c.backlog < heap/2
		c.kinds[Call].turn(past, false, idle)
		c.kinds[Register].turn(past, false, idle)
	}
	c.before = c.shortest
	c.begun, c.shortest, c.seen = now, 0, 0
}

func (g *gate) turn(past time.Duration, over, falling bool) {
	sec := past.Seconds()
	offered, admitted := float64(g.offered)/sec, float64(g.admitted)/sec
	g.share = 0
	if g.offered > 0 {
		g.share = 1 - float64(g.admitted)/float64(g.offered)
	}
	switch {
	case over && !g.on:
		if g.offered > 0 {
			g.on, g.limit = true, max(admitted*down, least)
		}
	case over && !falling:
		g.limit = max(g.limit*down, least)
	case !over && g.on:
		rise := up
		if falling {
			rise = up * up * up
		}
		g.limit = g.limit*rise + 0.5*sec
		// Less comes than may: over. A quiet time heals at once.
		if g.limit > 1.5*offered || past > 2*time.Second {
			g.on = false
		}
	}
	g.offered, g.admitted = 0, 0
}

// Admit reports whether new work is taken.
func (c *Control) Admit(now time.Time, k Kind) bool {
	c.turn(now)
	g := &c.kinds[min(int(k), len(c.kinds)-1)]
	g.offered++
	if g.on {
		g.tokens = min(g.tokens+g.limit*now.Sub(g.at).Seconds(), max(1, g.limit/20)) // at most 50 ms at once
	}
	g.at = now
	if g.on && (g.tokens < 1 || c.last > stale) {
		return false
	}
	if g.on {
		g.tokens--
	}
	g.admitted++
	return true
}

// Refused notes n pieces of work that were turned away by Limit before anybody asked.
func (c *Control) Refused(now time.Time, k Kind, n int) {
	if n == 0 {
		return
	}
	c.turn(now)
	c.kinds[min(int(k), len(c.kinds)-1)].offered += n
}

// Limit is how much work of that kind is taken a second now; 0: all that comes.
func (c *Control) Limit(k Kind) float64 {
	if g := &c.kinds[min(int(k), len(c.kinds)-1)]; g.on {
		return g.limit
	}
	return 0
}

// Limited reports whether work of that kind is being refused.
func (c *Control) Limited(k Kind) bool { return c.kinds[min(int(k), len(c.kinds)-1)].on }

// Share is the share of new calls refused in the last interval, 0..1.
func (c *Control) Share() float64 { return c.kinds[Call].share }
