package selftest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// open starts the robots and asks the server for a sign of life.
func (t *test) open() (string, error) {
	var err error
	if t.media, err = robot.NewMedia(robot.MediaConfig{IP: t.o.Bind}); err != nil {
		return "", err
	}
	bind := netip.AddrPortFrom(t.o.Bind, 0)
	t.callerEnd, err = robot.Listen(robot.Config{Transport: t.o.CallerTransport, Bind: bind, Server: t.o.Server, Media: t.media,
		UserAgent: "centrala-selftest", Laws: []robot.Law{robot.PCMA, robot.PCMU}})
	if err != nil {
		return "", err
	}
	t.agentEnd, err = robot.Listen(robot.Config{Transport: t.o.AgentTransport, Bind: bind, Server: t.o.Server, Media: t.media,
		UserAgent: "centrala-selftest", Laws: []robot.Law{robot.PCMA, robot.PCMU}, Incoming: func(c *robot.Call) {
			c.Ring()
			select {
			case t.rings <- c:
			default:
				c.Reject(486, "Busy Here")
			}
		}})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	code, err := t.callerEnd.Options(ctx)
	if err != nil {
		return "", fmt.Errorf("nobody answers at %s: %w; is `centrala serve` running?", t.o.Server, err)
	}
	if code != 200 {
		return "", fmt.Errorf("it answers OPTIONS with %d (503: it is draining)", code)
	}
	return t.o.Server.String(), nil
}

func (t *test) register(e *robot.Endpoint, a robot.Account, transport string) (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	if err := e.RegisterWait(ctx, a, 120); err != nil {
		return "", err
	}
	t.registered++
	alg := string(a.Algorithm)
	if alg == "" {
		alg = "the strongest digest offered"
	}
	return fmt.Sprintf("%s over %s with %s", a.User, strings.ToUpper(transport), alg), nil
}

// code dials a feature code on the agent's phone and listens to the reply for a
// moment.
func (t *test) code(digits string) (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 6*time.Second)
	defer cancel()
	c, err := t.agentEnd.Invite(robot.Options{To: digits, From: t.o.Agent})
	if err != nil {
		return "", err
	}
	c.Leg().Listen()
	if err := c.WaitState(ctx, robot.Up); err != nil {
		c.Hangup()
		return "", err
	}
	c.Leg().Play(robot.Tone(robot.PCMA)) // silence, as a quiet room sends
	err = t.until(ctx, func() bool { return c.State() == robot.Ended || len(c.Leg().Since(0)) > 4000 })
	heard := robot.RMS(c.Leg().Since(0))
	if c.State() != robot.Ended {
		c.Hangup()
	}
	if err != nil {
		return "", fmt.Errorf("no sound came: %w", err)
	}
	if heard < 0.001 {
		return "done, without a word", nil
	}
	return "the phone says so", nil
}

// until polls a condition that no callback tells of, such as what is heard.
func (t *test) until(ctx context.Context, ok func() bool) error {
	k := time.NewTicker(20 * time.Millisecond)
	defer k.Stop()
	for {
		if ok() {
			return nil
		}
		select {
		case <-k.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *test) dial() (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 8*time.Second)
	defer cancel()
	began := time.Now()
	c, err := t.callerEnd.Invite(robot.Options{To: t.o.Number, From: t.o.Caller})
	if err != nil {
		return "", err
	}
	t.caller = c
	c.Leg().Listen()
	if err := c.WaitState(ctx, robot.Up); err != nil {
		c.Hangup()
		t.caller = nil
		return "", err
	}
	c.Leg().PlayTone(callerTone)
	return fmt.Sprintf("answered after %d ms", time.Since(began).Milliseconds()), nil
}

// loud waits until the last 300 ms have energy like speech or music.
func (t *test) loud(l *robot.Leg, mark int, within time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(t.ctx, within)
	defer cancel()
	var rms float64
	err := t.until(ctx, func() bool {
		pcm := l.Since(max(mark, l.Mark()-2400))
		rms = robot.RMS(pcm)
		return len(pcm) >= 2400 && rms > 0.005
	})
	if err != nil {
		return 0, fmt.Errorf("only silence (level %.4f, %d packets) within %s", rms, l.Stats().Received, within)
	}
	return rms, nil
}

func (t *test) greeting() (string, error) {
	rms, err := t.loud(t.caller.Leg(), 0, 5*time.Second)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("level %.0f %% of full scale", 100*rms), nil
}

func (t *test) press() (string, error) {
	if t.o.Keys == "" {
		return "nothing", nil
	}
	for i := range len(t.o.Keys) {
		if i > 0 { // the next menu speaks first
			if _, err := t.loud(t.caller.Leg(), t.caller.Leg().Mark(), 5*time.Second); err != nil {
				return "", err
			}
		}
		if !t.caller.Leg().SendDigits(t.o.Keys[i : i+1]) {
			return "", errors.New("the server offered no telephone-event")
		}
	}
	return "as RFC 4733 events", nil
}

func (t *test) music() (string, error) {
	l := t.caller.Leg()
	mark := l.Mark() + robot.SampleRate // what is left of the menu does not count
	rms, err := t.loud(l, mark, 8*time.Second)
	if err != nil {
		return "", err
	}
	if t.caller.State() != robot.Up {
		return "", errors.New("the call was ended")
	}
	return fmt.Sprintf("level %.0f %%", 100*rms), nil
}

func (t *test) ring() (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 8*time.Second)
	defer cancel()
	select {
	case c := <-t.rings:
		t.agent = c
	case <-ctx.Done():
		return "", errors.New("nothing rang within 8s; is another agent ready in this queue?")
	}
	t.agent.Leg().Listen()
	t.agent.Answer()
	if err := t.agent.Wait(ctx, "the ACK", func(c *robot.Call) bool { return c.Remote().Addr.IsValid() }); err != nil {
		return "", err
	}
	t.agent.Leg().PlayTone(agentTone)
	return fmt.Sprintf("shows %q, answered", t.agent.Caller()), nil
}

// hear waits until l hears the peer's tone and not its own in the last 400 ms.
func (t *test) hear(who string, l *robot.Leg, peer, own float64) error {
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	var a, b float64
	err := t.until(ctx, func() bool {
		pcm := l.Since(max(0, l.Mark()-3200))
		a, b = robot.Level(pcm, peer), robot.Level(pcm, own)
		return robot.Hears(pcm, peer) && robot.Quiet(pcm, own)
	})
	if err != nil {
		return fmt.Errorf("the %s hears the other's tone at %.3f (want 0.25), the own at %.3f (want 0), %d packets", who, a, b, l.Stats().Received)
	}
	return nil
}

func (t *test) talk() (string, error) {
	err := errors.Join(t.hear("caller", t.caller.Leg(), agentTone, callerTone), t.hear("agent", t.agent.Leg(), callerTone, agentTone))
	if err != nil {
		return "", err
	}
	// Enough conversation for the recording to be mostly tones.
	mark := t.caller.Leg().Mark()
	_ = t.until(t.ctx, func() bool { return t.caller.Leg().Mark() > mark+2*robot.SampleRate })
	return "two tones, two seconds", nil
}

func (t *test) hold() (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	t.agent.HoldPeer(robot.HoldSendOnly)
	if err := t.agent.Wait(ctx, "the answer to re-INVITE", func(c *robot.Call) bool { return !c.Reoffering() }); err != nil {
		return "", err
	}
	if d := t.agent.Remote().Direction; d != robot.RecvOnly && d != robot.Inactive {
		return "", fmt.Errorf("re-INVITE with sendonly was answered with %s", d)
	}
	l := t.caller.Leg()
	err := t.until(ctx, func() bool {
		pcm := l.Since(max(0, l.Mark()-2400))
		return robot.Quiet(pcm, agentTone) && robot.Level(pcm, callerTone) < 0.02
	})
	if err != nil {
		return "", errors.New("the caller still hears the agent")
	}
	mark := l.Mark()
	wait, stop := context.WithTimeout(ctx, 1200*time.Millisecond)
	defer stop()
	_ = t.until(wait, func() bool { return l.Mark() > mark+6400 })
	if pcm := l.Since(mark); robot.RMS(pcm) > 0.005 {
		return "the caller hears music instead", nil
	}
	return "the caller hears silence", nil
}

func (t *test) resume() (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	t.agent.Resume()
	if err := t.agent.Wait(ctx, "the answer to re-INVITE", func(c *robot.Call) bool { return !c.Reoffering() }); err != nil {
		return "", err
	}
	err := errors.Join(t.hear("caller", t.caller.Leg(), agentTone, callerTone), t.hear("agent", t.agent.Leg(), callerTone, agentTone))
	return "both hear each other again", err
}

func (t *test) hangup() (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	t.caller.Hangup()
	code, err := t.caller.WaitBye(ctx)
	if err == nil && code != 200 {
		err = fmt.Errorf("BYE was answered %d", code)
	}
	return "", errors.Join(err, t.agent.WaitState(ctx, robot.Ended))
}

// streams checks what RFC 3550 wants of each leg's stream from the server.
func (t *test) streams() (string, error) {
	var errs []error
	var lost, got int64
	for who, c := range map[string]*robot.Call{"caller": t.caller, "agent": t.agent} {
		s := c.Leg().Stats()
		lost += s.Lost
		got += int64(s.Received)
		if s.SSRCChanges > 0 || s.TimestampBack > 0 {
			errs = append(errs, fmt.Errorf("the %s's stream changed its SSRC %d times and ran backwards %d times", who, s.SSRCChanges, s.TimestampBack))
		}
		if s.Strangers > 0 || s.WrongPayload > 0 {
			errs = append(errs, fmt.Errorf("the %s got %d packets from a port that was not signalled and %d of another payload type", who, s.Strangers, s.WrongPayload))
		}
		if s.Lost*100 > int64(s.Received) {
			errs = append(errs, fmt.Errorf("the %s missed %d of %d packets", who, s.Lost, s.Received))
		}
	}
	return fmt.Sprintf("%d packets, %d lost, one SSRC each", got, lost), errors.Join(errs...)
}

func (t *test) record() (string, error) {
	if t.o.FindCall == nil {
		return "not looked up", nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	q := Query{SIPCallID: t.caller.SIPCallID(), From: t.o.Caller.User, To: t.o.Number, Since: t.began}
	var lookErr error
	err := t.until(ctx, func() bool {
		c, ok, err := t.o.FindCall(ctx, q)
		lookErr = err
		t.found = c
		return ok
	})
	if err != nil {
		return "", fmt.Errorf("no record of the call: %w", errors.Join(err, lookErr))
	}
	c := t.found
	segments := strings.Join(c.Segments, ", ")
	var errs []error
	if c.Result != "caller" {
		errs = append(errs, fmt.Errorf("result %q, want caller", c.Result))
	}
	for _, want := range []string{"waiting", "talking", "hold"} {
		if !strings.Contains(segments, want) {
			errs = append(errs, fmt.Errorf("no segment %q in %s", want, segments))
		}
	}
	return fmt.Sprintf("call %s, %s; agent %s of queue %s; ended by the %s", c.ID, segments, c.Agent, c.Queue, c.Result), errors.Join(errs...)
}

func (t *test) recording() (string, error) {
	if t.o.OpenRecording == nil {
		return "not opened", nil
	}
	if t.found.Recording == "" {
		return "", errors.New("the call's record names no recording")
	}
	f, err := t.o.OpenRecording(t.ctx, t.found)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	w, err := robot.ReadWAV(f)
	if err != nil {
		return "", err
	}
	if len(w.Channels) != 2 {
		return "", fmt.Errorf("it has %d channels, want 2", len(w.Channels))
	}
	length := time.Duration(len(w.Channels[0])) * time.Second / time.Duration(w.Rate)
	ll, lr := robot.Level(w.Channels[0], callerTone), robot.Level(w.Channels[0], agentTone)
	rl, rr := robot.Level(w.Channels[1], callerTone), robot.Level(w.Channels[1], agentTone)
	if ll < 0.1 || rr < 0.1 || lr > 0.02 || rl > 0.02 {
		return "", fmt.Errorf("caller's tone left %.3f right %.3f, agent's tone left %.3f right %.3f in %s of sound", ll, rl, lr, rr, length)
	}
	return fmt.Sprintf("%s, both tones where they belong", length.Round(100*time.Millisecond)), nil
}

// close leaves the house as it was found.
func (t *test) close() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), 5*time.Second)
	defer cancel()
	for _, c := range []*robot.Call{t.caller, t.agent} {
		if c != nil && c.State() != robot.Ended {
			c.Hangup()
		}
	}
	if t.agentEnd != nil && t.registered == 2 {
		if c, err := t.agentEnd.Invite(robot.Options{To: t.o.LogOut, From: t.o.Agent}); err == nil {
			if c.WaitState(ctx, robot.Up) == nil {
				c.Hangup()
				_, _ = c.WaitBye(ctx)
			}
		}
		_ = t.agentEnd.RegisterWait(ctx, t.o.Agent, 0)
	}
	if t.callerEnd != nil && t.registered > 0 {
		_ = t.callerEnd.RegisterWait(ctx, t.o.Caller, 0)
	}
	for _, e := range []*robot.Endpoint{t.agentEnd, t.callerEnd} {
		if e != nil {
			e.Close()
		}
	}
	if t.media != nil {
		t.media.Close()
	}
}
