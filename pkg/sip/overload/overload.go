// Package overload decides which new work a busy node refuses, so that the work
// it has taken goes through. It is pure: queueing delays and CPU use go in,
// verdicts come out. One owner.
//
// The measure is how long messages have waited for their owner, judged as CoDel
// does (RFC 8289): a queue that empties at least once in each interval is a
// burst, one whose shortest wait stays above the target is standing and only
// grows. From then on a share of the new calls is refused, which follows the
// load up and down; registrations go next, and only when refusing calls did not
// help. What belongs to a call in progress is never asked about.
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
	Target   time.Duration // shortest wait that is no queue; 10 ms
	Interval time.Duration // 100 ms
	// MaxCPU is the share of all CPUs that counts as overload; 0.97. Above 1: never.
	MaxCPU float64
}

// Control holds the share of new work that is refused.
type Control struct {
	cfg      Config
	begun    time.Time     // of the interval
	shortest time.Duration // wait seen in it
	seen     int
	cpu      float64
	calls    float64 // share of calls refused, 0..maxShare
	register float64
	credit   [2]float64 // so that a share is met evenly, without chance
}

// maxShare leaves a few through at any load: they are the probe that shows when it
// is over.
const maxShare = 0.98

// New makes a Control.
func New(cfg Config) *Control {
	if cfg.Target <= 0 {
		cfg.Target = 10 * time.Millisecond
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
	c.seen++
}

// CPU notes the share of all CPUs in use, 0..1.
func (c *Control) CPU(share float64) { c.cpu = share }

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
	switch {
	case over > 0:
		// Up quickly, by how far we are off; 0.03 to 0.4 of what still comes in.
		step := min(0.03+0.03*over, 0.4)
		if c.calls >= 0.9 {
			c.register = min(c.register+(1-c.register)*step, maxShare)
		}
		c.calls = min(c.calls+(1-c.calls)*step, maxShare)
	default:
		// Down gently, one interval at a time: registrations first.
		for range min(int(past/c.cfg.Interval), 100) {
			if c.register > 0 {
				c.register = max(0, c.register*0.9-0.02)
			} else {
				c.calls = max(0, c.calls*0.98-0.002)
			}
		}
	}
	c.begun, c.shortest, c.seen = now, 0, 0
}

// Admit reports whether new work is taken.
func (c *Control) Admit(now time.Time, k Kind) bool {
	c.turn(now)
	share := c.calls
	if k == Register {
		share = c.register
	}
	if share == 0 {
		return true
	}
	i := min(int(k), len(c.credit)-1)
	if c.credit[i] += share; c.credit[i] >= 1 {
		c.credit[i]--
		return false
	}
	return true
}

// Share is the share of new calls refused now, 0..1.
func (c *Control) Share() float64 { return c.calls }
