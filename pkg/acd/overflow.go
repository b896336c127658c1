package acd

import (
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/agent"
)

// Overflow is a rule that sends a caller on. It holds when all that it names
// holds; the first of a queue's rules that holds counts. Rules are looked at when
// a caller joins whom nobody can serve at once, and every two seconds while
// nothing rings for the caller.
type Overflow struct {
	// After this time in the queue at the earliest; 0 = on joining, too.
	After time.Duration
	// Ahead: at least so many callers stand before this one. 0 = any number.
	Ahead int
	// Estimate: what is left to wait is more than this, as far as that is known.
	// 0 = any wait.
	Estimate time.Duration
	// ServiceLevel: the share of callers answered in time of late, in percent, is
	// less than this. It is known after ten of them. 0 = any share.
	ServiceLevel int
	// Agents who fit, now: one of NoneFree, NoneReady, NoneLoggedIn; "" = any.
	Agents string
	// To goes into LeftQueue as it is; the engine does not read it.
	To string
}

// Words of Overflow.Agents. Each holds wherever the next one does.
const (
	NoneFree     = "none_free"      // nobody could take the call at once
	NoneReady    = "none_ready"     // all are logged out, not ready or out of reach
	NoneLoggedIn = "none_logged_in" // all are logged out
)

// OverflowAgents lists them, for checks.
var OverflowAgents = []string{NoneFree, NoneReady, NoneLoggedIn}

// MaxSentOn is how often rules of overflow send one call on before it stays where it
// is: rules may lead in a circle.
const MaxSentOn = 5

// maxOverflow bounds a queue's rules: each is looked at for each caller.
const maxOverflow = 16

// lookEvery is the time between looks at rules that hang on more than time.
const lookEvery = 2 * time.Second

// onlyTime: the rule hangs on the time of waiting alone.
func (o *Overflow) onlyTime() bool {
	return o.Ahead == 0 && o.Estimate == 0 && o.ServiceLevel == 0 && o.Agents == ""
}

// nextLook is when a caller's rules must be looked at again.
func (e *Engine) nextLook(c *caller) int64 {
	at := int64(never)
	if c.stays {
		return at
	}
	for i := range c.q.Overflow {
		o := &c.q.Overflow[i]
		t := c.joined + int64(o.After)
		if t <= e.now {
			if o.onlyTime() {
				t = e.now // due; the caller is being offered somebody
			} else {
				t = e.now + int64(lookEvery)
			}
		}
		if at == never || t < at {
			at = t
		}
	}
	return at
}

// armLook sets the next look at the rules of a caller for whom nothing rings.
func (e *Engine) armLook(c *caller) {
	if at := e.nextLook(c); at == never || len(c.offers) > 0 {
		e.disarm(&c.look)
	} else if c.look.pos < 0 || c.look.at != at {
		e.arm(&c.look, at)
	}
}

// flows sends a caller on whom a rule of the queue sends on. Nothing rings for
// the caller.
func (e *Engine) flows(c *caller) bool {
	if c.stays || len(c.q.Overflow) == 0 || c.sticky == nil && c.class.pools.len() > 0 || c.sticky != nil && c.sticky.free {
		return false
	}
	for i := range c.q.Overflow {
		o := &c.q.Overflow[i]
		if why, ok := e.overflows(c, o); ok {
			c.to, c.why = o.To, why
			e.leave(c, LeftOverflow, "")
			return true
		}
	}
	return false
}

// overflows tells whether a rule holds for a caller, and in what words.
func (e *Engine) overflows(c *caller, o *Overflow) (why string, ok bool) {
	if e.now < c.joined+int64(o.After) {
		return "", false
	}
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	if o.After > 0 {
		say("waited %s", o.After)
	}
	if o.Ahead > 0 {
		n := c.q.line.position(c) - 1
		if n < o.Ahead {
			return "", false
		}
		say("%d callers ahead", n)
	}
	if o.Estimate > 0 {
		d, known := e.estimate(c)
		if !known || d <= o.Estimate {
			return "", false
		}
		say("%s still to wait", d.Round(time.Second))
	}
	if o.ServiceLevel > 0 {
		share, known := c.q.level.share(e.now)
		if !known || share*100 >= float64(o.ServiceLevel) {
			return "", false
		}
		say("%.0f%% answered in time", share*100)
	}
	if o.Agents != "" {
		if !c.fam.last().none(o.Agents) {
			return "", false
		}
		say("%s", map[string]string{NoneFree: "nobody free", NoneReady: "nobody ready", NoneLoggedIn: "nobody logged in"}[o.Agents])
	}
	return strings.Join(said, ", "), true
}

// none tells whether the agents who fit stand as a word of OverflowAgents says.
func (c *class) none(word string) bool {
	left := c.fit - c.by[agent.Offline]
	switch word {
	case NoneFree:
		left = c.by[standFree]
	case NoneReady:
		left = c.staffed()
	}
	return left == 0
}

// staffed counts the agents who fit and work: ready, rung, talking or in wrap-up.
func (c *class) staffed() int {
	return c.by[standFree] + c.by[agent.Reserved] + c.by[agent.Ringing] + c.by[agent.OnCall] + c.by[agent.WrapUp]
}
