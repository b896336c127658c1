// Package selftest makes one real call without any phone: a robot caller and a
// robot agent walk through menu, queue, conversation, hold and recording over
// SIP and RTP, and say in words what happened. The robots are those of
// pkg/load/robot, which share no code with the server they judge.
//
// It owns no goroutine beyond its robots and leaves the agent logged out and both
// accounts unregistered.
package selftest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// ErrFailed: at least one step failed; what and why was written to Out.
var ErrFailed = errors.New("selftest: failed")

// Call is what the house wrote about the test call.
type Call struct {
	ID        string
	Result    string // event.Result
	Reason    string // event.Reason
	Queue     string
	Agent     string
	Segments  []string // "menu", "waiting", "talking", "hold" in order
	TalkMs    int64
	Recording string // name to pass to OpenRecording; "" = none
}

// Query tells which call to look up.
type Query struct {
	SIPCallID string // Call-ID of the caller's dialog
	From, To  string
	Since     time.Time
}

// Options of Run. Functions that are nil leave out what they are for.
type Options struct {
	Server        netip.AddrPort
	Bind          netip.Addr // address of the robots; default 127.0.0.1
	Caller, Agent robot.Account
	// CallerTransport "udp" and AgentTransport "tcp" by default: both are tried.
	CallerTransport, AgentTransport string
	Number                          string // dialled by the caller
	Keys                            string // pressed one after the other in the menu; "" = the number leads to a queue
	// LogIn, Ready, NotReady, LogOut are the feature codes; defaults *41 *43 *44 *42.
	LogIn, Ready, NotReady, LogOut string
	// FindCall looks up the ended call; false while it is not there yet.
	FindCall func(ctx context.Context, q Query) (Call, bool, error)
	// OpenRecording opens the recording's file.
	OpenRecording func(ctx context.Context, c Call) (io.ReadCloser, error)
	Out           io.Writer
	// Limit bounds the whole test; default 40 s.
	Limit time.Duration
}

// Tones of the robots, in hertz: apart from each other, from the tones of a
// telephone network and from the keys' frequencies.
const (
	callerTone = 1050
	agentTone  = 1430
)

type test struct {
	o      Options
	ctx    context.Context
	began  time.Time
	failed int

	media         *robot.Media
	callerEnd     *robot.Endpoint
	agentEnd      *robot.Endpoint
	rings         chan *robot.Call
	caller, agent *robot.Call
	registered    int // phones
	found         Call
}

// Run carries the test out. It returns an error that wraps ErrFailed when a step
// failed, and writes each step as a line to Out.
func Run(ctx context.Context, o Options) error {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&o.CallerTransport, "udp")
	def(&o.AgentTransport, "tcp")
	def(&o.LogIn, "*41")
	def(&o.LogOut, "*42")
	def(&o.Ready, "*43")
	def(&o.NotReady, "*44")
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Limit <= 0 {
		o.Limit = 40 * time.Second
	}
	if !o.Bind.IsValid() {
		o.Bind = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	t := &test{o: o, ctx: ctx, began: time.Now(), rings: make(chan *robot.Call, 8)}
	t.all()
	took := time.Since(t.began).Round(100 * time.Millisecond)
	if t.failed > 0 {
		fmt.Fprintf(o.Out, "FAILED: %d of the steps above, after %s.\n", t.failed, took)
		return fmt.Errorf("%w: %d steps", ErrFailed, t.failed)
	}
	fmt.Fprintf(o.Out, "All is well: menu, queue, conversation, hold, recording and call record work. It took %s.\n", took)
	return nil
}

// step runs f and tells how it went; f returns what was seen, in words.
func (t *test) step(what string, f func() (string, error)) bool {
	seen, err := f()
	if err != nil {
		t.failed++
		fmt.Fprintf(t.o.Out, "FAIL  %s: %v\n", what, err)
		return false
	}
	if seen != "" {
		what += ": " + seen
	}
	fmt.Fprintf(t.o.Out, "ok    %s\n", what)
	return true
}

func (t *test) all() {
	defer t.close()
	const must = true // nothing after it can work
	for _, s := range []struct {
		what string
		must bool
		f    func() (string, error)
	}{
		{"the server answers", must, t.open},
		{"the caller's phone registers", must, func() (string, error) {
			return t.register(t.callerEnd, t.o.Caller, t.o.CallerTransport)
		}},
		{"the agent's phone registers", must, func() (string, error) {
			return t.register(t.agentEnd, t.o.Agent, t.o.AgentTransport)
		}},
		{"the agent logs in (" + t.o.LogIn + ")", false, func() (string, error) { return t.code(t.o.LogIn) }},
		{"the agent takes a pause (" + t.o.NotReady + ")", false, func() (string, error) { return t.code(t.o.NotReady) }},
		{"the caller dials " + t.o.Number, must, t.dial},
		{"the caller hears a greeting", false, t.greeting},
		{"the caller presses " + t.o.Keys, false, t.press},
		{"the caller hears music while waiting", false, t.music},
		{"the agent is ready again (" + t.o.Ready + ")", false, func() (string, error) { return t.code(t.o.Ready) }},
		{"the agent's phone rings", must, t.ring},
		{"both hear each other and not themselves", false, t.talk},
		{"the agent puts the caller on hold", false, t.hold},
		{"the agent takes the caller back", false, t.resume},
		{"the caller hangs up, the agent is told", false, t.hangup},
		{"the sound ran in one line", false, t.streams},
		{"the call is in the records", false, t.record},
		{"the recording has the caller left, the agent right", false, t.recording},
	} {
		if !t.step(s.what, s.f) && s.must {
			return
		}
		if t.ctx.Err() != nil {
			t.step("the test ends within "+t.o.Limit.String(), func() (string, error) { return "", t.ctx.Err() })
			return
		}
	}
}
