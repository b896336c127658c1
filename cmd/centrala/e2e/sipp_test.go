//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// sipp runs a scenario from the carrier's address; calls one after the other.
func (h *house) sipp(scenario, number string, calls int, extra ...string) {
	h.t.Helper()
	if out, err := h.sippCommand(scenario, number, calls, extra...); err != nil {
		h.t.Fatalf("sipp %s: %v\n%s", scenario, err, out)
	}
}

func (h *house) sippCommand(scenario, number string, calls int, extra ...string) (string, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	xml, err := filepath.Abs(filepath.Join("sipp", scenario))
	if err != nil {
		h.t.Fatal(err)
	}
	mp, release := sippRTP(h.t)
	defer release()
	args := []string{h.sip.String(), "-sf", xml, "-s", number, "-m", fmt.Sprint(calls), "-i", carrierIP.String(),
		"-mi", carrierIP.String(), "-p", fmt.Sprint(freePort(h.t)), "-mp", fmt.Sprint(mp), "-nostdin",
		"-timeout", "30", "-timeout_error", "-trace_err", "-error_file", filepath.Join(h.dir, scenario+".err")}
	cmd := exec.CommandContext(ctx, "sipp", append(args, extra...)...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "TERM=xterm")
	out, err := cmd.CombinedOutput()
	faults, _ := os.ReadFile(filepath.Join(h.dir, scenario+".err"))
	return string(out[max(0, len(out)-1500):]) + string(faults[:min(len(faults), 4000)]), err
}

// sippRTP spreads the media ports of sipp processes, which sipp does not check:
// above those of the servers, below the range of outgoing connections (32768).
func sippRTP(t testing.TB) (port int, release func()) {
	t.Helper()
	return claim(t, &nextSipp, 30400, 8, 280)
}

func TestCallerHangsUpInMenu(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"u1", "t1"} {
		h := open(t)
		h.sipp("uac-bye-in-menu.xml", "1000", 1, "-t", transport)
		d := h.ended()
		if string(d.Result) != "caller" || string(d.Reason) != "left_menu" || segments(d) != "menu" {
			t.Errorf("%s: %s/%s, %s", transport, d.Result, d.Reason, segments(d))
		}
		h.quiet()
	}
}

func TestCallerHangsUpWhileWaiting(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	h.agent("bob", "not_ready") // logged in, so that the queue is not empty
	h.sipp("uac-bye-while-queued.xml", "2000", 1)
	d := h.ended()
	if string(d.Result) != "caller" || string(d.Reason) != "abandoned" || segments(d) != "waiting" || d.WaitMs < 1000 {
		t.Errorf("%s/%s, %s, waited %d ms", d.Result, d.Reason, segments(d), d.WaitMs)
	}
	h.quiet()
}

// TestCallerHangsUpWhileAgentRings: the agent's ringing stops and the agent is
// free for the next.
func TestCallerHangsUpWhileAgentRings(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob := h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	h.sipp("uac-bye-while-queued.xml", "2000", 1)
	ring := h.ring(bob)
	h.over(ring)
	if by, code := ring.Ended(); by != robot.ByPeer || code != 487 {
		t.Errorf("ringing ended by %s %d", by, code)
	}
	h.eventually(patience, "bob is ready again", func() bool { return h.state("bob") == "ready" })
	h.quiet()
}

func TestCallerCancelsWhileRinging(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob := h.phone("bob", "udp", robot.Any)
	h.sipp("uac-cancel-while-ringing.xml", "3000", 1)
	ring := h.ring(bob)
	h.over(ring)
	if by, code := ring.Ended(); by != robot.ByPeer || code != 487 {
		t.Errorf("ringing ended by %s %d", by, code)
	}
	if d := h.ended(); string(d.Result) != "caller" || string(d.Reason) != "cancelled" {
		t.Errorf("%s/%s", d.Result, d.Reason)
	}
	h.quiet()
}

func TestSippHoldAndResume(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob := h.phone("bob", "udp", robot.Any)
	go func() {
		if c, ok := <-bob.rings; ok {
			c.Answer()
			c.Leg().PlayTone(agentTone)
		}
	}()
	h.sipp("uac-hold-and-resume.xml", "3000", 1)
	if d := h.ended(); strings.Count(segments(d), "hold") != 2 {
		t.Error(segments(d))
	}
	h.quiet()
}

func TestNoCommonCodec(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.sipp("uac-no-codec.xml", "1000", 1)
	if d := h.ended(); string(d.Reason) != "no_codec" {
		t.Errorf("%s/%s", d.Result, d.Reason)
	}
	h.quiet()
}

// TestSippCarrier: a call out is answered by sipp as the carrier.
func TestSippCarrier(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob := h.phone("bob", "udp", robot.Any)
	done := make(chan error, 1)
	go func() {
		out, err := h.sippCommand("uas-carrier.xml", "x", 1, "-p", fmt.Sprint(h.carrier.Port()))
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		done <- err
	}()
	var c *robot.Call
	h.eventually(patience, "sipp listens and answers", func() bool {
		c = h.dial(bob, "0722333444")
		err := c.WaitState(within(t, time.Second), robot.Up)
		if err != nil {
			c.Hangup()
		}
		return err == nil
	})
	c.Leg().PlayTone(callerTone)
	time.Sleep(300 * time.Millisecond) // some conversation
	c.Hangup()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.quiet()
}

// TestManyCallers: forty callers from sipp through a menu at once end clean.
func TestManyCallers(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.sipp("uac-bye-in-menu.xml", "1000", 60, "-r", "30")
	h.eventually(patience, "60 calls in the metrics", func() bool { return h.metric("centrala_calls_ended_total") >= 60 })
	h.quiet()
}
