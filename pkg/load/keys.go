package load

import (
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// silentBefore is how long a prompt must be over before a caller presses the next key:
// only then is the next packet the answer to it.
const silentBefore = 200 * time.Millisecond

// pressing presses a key for every caller in a menu who hears nothing any more, until
// done is closed. One for all callers: thousands of timers would be late themselves.
func (r *runner) pressing(done <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		now := time.Now().UnixNano()
		r.mu.Lock()
		for _, c := range r.calls {
			if c.caller != nil && !c.connect.IsZero() && c.byeSent.IsZero() && c.caller.Leg().Silent(now) > silentBefore {
				c.caller.Leg().SendDigits("1")
			}
		}
		r.mu.Unlock()
	}
}

// inMenu begins a caller's stay in the menu.
func (c *call) inMenu(rc *robot.Call) {
	rc.Leg().Play(robot.Tone(robot.PCMU)) // silence: a phone sends sound always
	c.r.mu.Lock()
	over := c.over
	if !over {
		c.caller, c.connect = rc, time.Now()
	}
	c.r.mu.Unlock()
	if !over {
		c.patience.Stop()
		time.AfterFunc(c.r.o.Talk, func() { c.hangup(rc, nil) })
	}
}

// pressed takes the figures of a caller who leaves the menu; none fails the call.
func (c *call) pressed(rc *robot.Call) {
	answers := rc.Leg().Answered()
	c.r.mu.Lock()
	c.r.res.keys = append(c.r.res.keys, answers...)
	c.r.mu.Unlock()
	if len(answers) == 0 && c.r.o.Talk >= 10*time.Second {
		c.fail("no key was answered")
	}
}
