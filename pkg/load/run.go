package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// runner is one run: an endpoint of callers, one of agents, and their calls.
type runner struct {
	o       Options
	media   *robot.Media
	callers *robot.Endpoint
	agents  *robot.Endpoint

	serial atomic.Int64
	active atomic.Int64
	left   sync.WaitGroup // calls not over

	mu    sync.Mutex
	calls map[string]*call // by the caller's number, until over

	res results
}

// results are guarded by runner.mu.
type results struct {
	good, failed, heldBack int
	causes                 map[string]int
	latency                []time.Duration // caller's INVITE -> agent's INVITE
	answer                 []time.Duration // caller's INVITE -> caller's 200
	keys                   []time.Duration // key let go in silence -> next packet of sound
	talk                   time.Duration   // sum over good calls, agent's ACK to BYE
	packets, lost          int64
	jitter                 []float64 // ms, one a leg
	crossed, strangers     uint64
	ssrcChanges            int
	firstStart, lastStart  time.Time
}

// call is one caller with the agent that took it. Guarded by runner.mu where
// both sides write.
type call struct {
	r        *runner
	number   string
	caller   *robot.Call
	agent    *robot.Call
	waiting  *robot.Call // agent that is up before caller is set
	began    time.Time
	connect  time.Time
	byeSent  time.Time
	over     bool
	patience *time.Timer
}

// Run carries out one run and waits until every call is over.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.defaults(); err != nil {
		return Report{}, err
	}
	r := &runner{o: o, calls: map[string]*call{}}
	r.res.causes = map[string]int{}
	var err error
	// 8 shared ports: enough to spread over, few enough to send in batches.
	if r.media, err = robot.NewMedia(robot.MediaConfig{IP: o.Agents.Addr(), SharedPorts: 8}); err != nil {
		return Report{}, fmt.Errorf("load: %w", err)
	}
	defer r.media.Close()
	r.callers, err = robot.Listen(robot.Config{Transport: o.Transport, Server: o.Server, Media: r.media, UserAgent: "centrala-load",
		Bind: netip.AddrPortFrom(o.Agents.Addr(), 0)})
	if err != nil {
		return Report{}, fmt.Errorf("load: callers: %w", err)
	}
	defer r.callers.Close()
	if o.Scenario != Register && o.Scenario != Echo && o.Scenario != Keys {
		r.agents, err = robot.Listen(robot.Config{Bind: o.Agents, Server: o.Server, Media: r.media, UserAgent: "centrala-load", Incoming: r.incoming})
		if err != nil {
			return Report{}, fmt.Errorf("load: agents: %w", err)
		}
		defer r.agents.Close()
	}
	ping, cancel := context.WithTimeout(ctx, 5*time.Second)
	_, err = r.callers.Options(ping)
	cancel()
	if err != nil {
		return Report{}, fmt.Errorf("load: %s over %s gives no answer to OPTIONS: %w", o.Server, r.o.Transport, err)
	}
	before, self := r.usage(), selfUsage()
	start := time.Now()
	if o.Scenario == Keys {
		done := make(chan struct{})
		defer close(done)
		go r.pressing(done)
	}
	r.generate(ctx)
	r.left.Wait()
	wall := time.Since(start)
	select { // what the server does after the last BYE belongs to the calls
	case <-time.After(o.silentSettle):
	case <-ctx.Done():
	}
	rep := r.report(wall)
	after := r.usage()
	if o.ServerPID != 0 {
		rep.ServerCPU, rep.ServerRSS = after.CPU-before.CPU, after.RSS
		rep.ServerRSSBefore = before.RSS
	}
	rep.OwnCPU = selfUsage().CPU - self.CPU
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return rep, ctx.Err()
	}
	return rep, nil
}

func (r *runner) usage() Usage {
	if r.o.ServerPID == 0 {
		return Usage{}
	}
	u, _ := ReadUsage(r.o.ServerPID)
	return u
}

// generate starts calls on a fixed grid: a slow server does not slow the offer
// (no coordinated omission).
func (r *runner) generate(ctx context.Context) {
	gap := time.Duration(float64(time.Second) / r.o.Rate)
	start := time.Now()
	for n := 0; r.o.Calls == 0 || n < r.o.Calls; n++ {
		at := start.Add(time.Duration(n) * gap)
		if at.Sub(start) >= r.o.Duration {
			return
		}
		if d := time.Until(at); d > 0 {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return
			}
		} else if ctx.Err() != nil {
			return
		}
		if r.o.Concurrent > 0 && int(r.active.Load()) >= r.o.Concurrent {
			r.mu.Lock()
			r.res.heldBack++
			r.mu.Unlock()
			continue
		}
		if r.o.Scenario == Register {
			r.register(n)
		} else {
			r.start()
		}
	}
}

func (r *runner) register(n int) {
	r.left.Add(1)
	r.active.Add(1)
	i := n % r.o.Users
	a := robot.Account{User: fmt.Sprintf("user%d", i), Password: fmt.Sprintf("secret%d", i)}
	began := time.Now()
	r.callers.Register(a, 3600, func(code int, err error) {
		r.mu.Lock()
		if err != nil {
			r.res.failed++
			r.res.causes[fmt.Sprintf("REGISTER %d", code)]++
		} else {
			r.res.good++
			r.res.answer = append(r.res.answer, time.Since(began))
		}
		r.mu.Unlock()
		r.active.Add(-1)
		r.left.Done()
	})
}

// start begins one call.
func (r *runner) start() {
	n := r.serial.Add(1)
	c := &call{r: r, number: fmt.Sprintf("07%08d", n)}
	r.left.Add(1)
	r.active.Add(1)
	c.patience = time.AfterFunc(r.o.Patience, c.impatient)
	r.mu.Lock()
	r.calls[c.number] = c
	c.began = time.Now()
	if r.res.firstStart.IsZero() {
		r.res.firstStart = c.began
	}
	r.res.lastStart = c.began
	r.mu.Unlock()
	rc, err := r.callers.Invite(robot.Options{To: r.o.Number, From: robot.Account{User: c.number}, On: c.callerEvent, Tag: c})
	if err != nil {
		c.fail("generator: " + err.Error())
		return
	}
	r.mu.Lock()
	c.caller = rc
	over, waiting := c.over, c.waiting
	r.mu.Unlock()
	switch {
	case over:
		rc.Hangup()
	case waiting != nil:
		c.connected(rc, waiting)
	}
}

// incoming is an agent's phone ringing.
func (r *runner) incoming(a *robot.Call) {
	now := time.Now()
	number := a.Caller()
	r.mu.Lock()
	c := r.calls[number]
	if c == nil || c.agent != nil {
		r.mu.Unlock()
		cause := "agent rung for an unknown caller"
		if c != nil {
			cause = "two agents rung for one caller"
		}
		r.note(cause)
		a.Reject(486, "Busy Here")
		return
	}
	c.agent = a
	r.res.latency = append(r.res.latency, now.Sub(c.began))
	r.mu.Unlock()
	a.On(c.agentEvent)
	a.Ring()
	if r.o.AnswerAfter > 0 {
		time.AfterFunc(r.o.AnswerAfter, a.Answer)
		return
	}
	a.Answer()
}

func (r *runner) note(cause string) {
	r.mu.Lock()
	r.res.causes[cause]++
	r.mu.Unlock()
}

func (c *call) callerEvent(rc *robot.Call, ev robot.Event) {
	switch ev.Kind {
	case robot.EvAnswered:
		c.r.mu.Lock()
		c.r.res.answer = append(c.r.res.answer, time.Since(c.began))
		c.r.mu.Unlock()
		switch {
		case c.r.o.Scenario == Keys:
			c.inMenu(rc)
		case c.r.o.Scenario == Echo:
			c.connected(rc, nil)
		case c.r.o.Scenario == Menu:
			rc.Leg().Play(robot.Tone(robot.PCMU)) // silence: a phone sends sound always
			// The prompt is 5 s; the key comes after it, as most callers press.
			time.AfterFunc(5*time.Second+200*time.Millisecond, func() { rc.Leg().SendDigits("1") })
		case c.r.o.RTP:
			rc.Leg().Probe()
		}
	case robot.EvEnded:
		by, code := rc.Ended()
		switch by {
		case robot.ByRefusal:
			c.fail(fmt.Sprintf("INVITE refused %d", code))
		case robot.ByTimeout:
			c.fail("INVITE timed out")
		case robot.ByPeer:
			c.fail("server hung up on the caller")
		}
	}
}

func (c *call) agentEvent(a *robot.Call, ev robot.Event) {
	switch ev.Kind {
	case robot.EvConfirmed:
		c.connected(nil, a)
	case robot.EvEnded:
		if by, _ := a.Ended(); by != robot.ByPeer {
			c.fail("agent's leg: ended by " + string(by))
		}
	}
}

// connected begins the conversation; rc nil = the call's own caller.
func (c *call) connected(rc, a *robot.Call) {
	c.r.mu.Lock()
	if rc == nil {
		rc = c.caller
	}
	if rc == nil { // the agent was faster than our own Invite returned: start goes on
		c.waiting = a
		c.r.mu.Unlock()
		return
	}
	if c.over {
		c.r.mu.Unlock()
		return
	}
	c.connect = time.Now()
	c.r.mu.Unlock()
	c.patience.Stop()
	if c.r.o.RTP {
		if a != nil {
			rc.Leg().ExpectPeer(a.Leg().ID())
			a.Leg().ExpectPeer(rc.Leg().ID())
			a.Leg().Probe()
		}
		rc.Leg().Probe()
	}
	time.AfterFunc(c.r.o.Talk, func() { c.hangup(rc, a) })
}

// impatient ends a call that never came to a conversation, and says how far it came.
func (c *call) impatient() {
	c.r.mu.Lock()
	rc, a := c.caller, c.agent
	c.r.mu.Unlock()
	switch {
	case a != nil:
		c.fail("agent rung, never got ACK")
	case rc != nil && rc.State() == robot.Up:
		c.fail("answered, no agent rung in time")
	default:
		c.fail("INVITE unanswered in time")
	}
}

// hangup ends a good call from the caller's side and gives the server 3 s to
// answer the BYE and to tell the agent.
func (c *call) hangup(rc, a *robot.Call) {
	c.r.mu.Lock()
	if c.over {
		c.r.mu.Unlock()
		return
	}
	c.byeSent = time.Now()
	c.r.mu.Unlock()
	switch {
	case c.r.o.Scenario == Keys:
		c.pressed(rc)
	case c.r.o.RTP:
		c.measure(rc, a)
	}
	rc.Hangup()
	go c.farewell(rc, a)
}

func (c *call) farewell(rc, a *robot.Call) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	code, err := rc.WaitBye(ctx)
	switch {
	case err != nil:
		c.fail("BYE unanswered")
		return
	case code != 200:
		c.fail(fmt.Sprintf("BYE answered %d", code))
		return
	}
	if a != nil && a.WaitState(ctx, robot.Ended) != nil {
		c.fail("agent never got BYE")
		return
	}
	c.finish("")
}

// measure takes the sound's figures of both legs; a leg that heard nothing of
// its peer fails the call.
func (c *call) measure(rc, a *robot.Call) {
	legs := []*robot.Leg{rc.Leg()}
	if a != nil {
		legs = append(legs, a.Leg())
	}
	deaf := false
	c.r.mu.Lock()
	for _, l := range legs {
		s := l.Stats()
		c.r.res.packets += int64(s.Received)
		c.r.res.lost += max(s.Lost, 0)
		c.r.res.jitter = append(c.r.res.jitter, s.JitterMs)
		c.r.res.crossed += s.Crossed
		c.r.res.strangers += s.Strangers
		c.r.res.ssrcChanges += s.SSRCChanges
		deaf = deaf || s.Probes == 0
	}
	c.r.mu.Unlock()
	if deaf && c.r.o.Talk >= 200*time.Millisecond {
		c.fail("a side did not hear the other")
	}
}

func (c *call) fail(cause string) { c.finish(cause) }

// finish ends the bookkeeping of a call, once; cause "" is a good one.
func (c *call) finish(cause string) {
	r := c.r
	r.mu.Lock()
	if c.over {
		r.mu.Unlock()
		return
	}
	c.over = true
	delete(r.calls, c.number)
	rc, a := c.caller, c.agent
	if cause == "" {
		r.res.good++
		r.res.talk += c.byeSent.Sub(c.connect)
	} else {
		r.res.failed++
		r.res.causes[cause]++
	}
	r.mu.Unlock()
	c.patience.Stop()
	if cause != "" {
		for _, side := range []*robot.Call{rc, a} {
			if side != nil {
				side.Hangup()
			}
		}
	}
	r.active.Add(-1)
	r.left.Done()
}
