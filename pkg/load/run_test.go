package load

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// b2bua is a toy server made of two robots: it rings agents at agents for each
// caller and couples the ends of both legs. broken lets every n-th call fail.
func b2bua(t testing.TB, agents netip.AddrPort, broken int) netip.AddrPort {
	t.Helper()
	out, err := robot.Listen(robot.Config{Server: agents})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	n := 0
	in, err := robot.Listen(robot.Config{Incoming: func(c *robot.Call) {
		n++
		if broken > 0 && n%broken == 0 {
			c.Reject(503, "Service Unavailable")
			return
		}
		leg, err := out.Invite(robot.Options{To: "agent1", From: robot.Account{User: c.Caller()}, On: func(_ *robot.Call, ev robot.Event) {
			switch ev.Kind {
			case robot.EvAnswered:
				c.Answer()
			case robot.EvEnded:
				c.Hangup()
			}
		}})
		if err != nil {
			t.Error(err)
			return
		}
		c.On(func(_ *robot.Call, ev robot.Event) {
			if ev.Kind == robot.EvEnded {
				leg.Hangup()
			}
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return in.Addr()
}

// freeUDP is a loopback address that was free a moment ago.
func freeUDP(t testing.TB) netip.AddrPort {
	t.Helper()
	e, err := robot.Listen(robot.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.Addr()
}

func TestRunCountsGoodAndFailedCalls(t *testing.T) {
	agents := freeUDP(t)
	server := b2bua(t, agents, 5)
	rep, err := Run(context.Background(), Options{Server: server, Agents: agents, Scenario: Direct, Rate: 400, Calls: 100,
		Talk: 20 * time.Millisecond, ServerPID: os.Getpid(), silentSettle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Good != 80 || rep.Failed != 20 || rep.Causes["INVITE refused 503"] != 20 {
		t.Fatalf("%d good, %d failed %v; want 80, 20 refused 503", rep.Good, rep.Failed, rep.Causes)
	}
	if rep.InviteToAgentP50Ms <= 0 || rep.InviteToAgentP99Ms < rep.InviteToAgentP50Ms || rep.CallSeconds < 80*0.02 {
		t.Fatalf("latency %g/%g ms, %g call-seconds", rep.InviteToAgentP50Ms, rep.InviteToAgentP99Ms, rep.CallSeconds)
	}
	if rep.Clean() {
		t.Fatal("20 failed calls are not clean")
	}
	var b strings.Builder
	rep.Print(&b)
	if !strings.Contains(b.String(), "INVITE refused 503") {
		t.Fatal(b.String())
	}
}

// TestRunFailsDeafCalls: the toy server carries no sound, so with RTP every
// call must fail although its signalling is perfect.
func TestRunFailsDeafCalls(t *testing.T) {
	agents := freeUDP(t)
	rep, err := Run(context.Background(), Options{Server: b2bua(t, agents, 0), Agents: agents, Scenario: Direct, Rate: 50, Calls: 5,
		Talk: 250 * time.Millisecond, RTP: true, silentSettle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Good != 0 || rep.Causes["a side did not hear the other"] != 5 {
		t.Fatalf("%d good, %v", rep.Good, rep.Causes)
	}
}

func TestRunWithoutServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, Options{Server: freeUDP(t), Agents: freeUDP(t), Rate: 1, Calls: 1}); err == nil {
		t.Fatal("a run against nobody succeeded")
	}
	for _, o := range []Options{{Scenario: "fax", Rate: 1, Calls: 1}, {Rate: -1, Calls: 1}, {Rate: 1}} {
		if _, err := Run(context.Background(), o); err == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
}

// TestSplit recovers known costs from two runs.
func TestSplit(t *testing.T) {
	run := func(talk float64) Report { // 2 ms set-up, 1.2 ms a second, idle 1 % of a core over 10 s
		return Report{Good: 100, CallSeconds: 100 * talk, WallS: 10, ServerCPU: time.Duration((2+1.2*talk)*100*1e6 + 0.01*10*1e9)}
	}
	b := &bench{idle: 0.01}
	s, p := b.split(run(2), run(8))
	if s < 1.999 || s > 2.001 || p < 1.199 || p > 1.201 {
		t.Fatalf("set-up %.3f, per second %.3f; want 2, 1.2", s, p)
	}
	if s, p := b.split(run(2), run(2)); s != 0 || p != 0 {
		t.Fatal("two equal talk times tell nothing")
	}
	if s, p := b.split(Report{}, run(2)); s != 0 || p != 0 {
		t.Fatal("no good call tells nothing")
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(v, q); got != want {
			t.Errorf("quantile %g: %g, want %g", q, got, want)
		}
	}
	if quantile[float64](nil, 0.5) != 0 {
		t.Error("nothing has no quantile")
	}
}

func TestUsageAndFind(t *testing.T) {
	u, err := ReadUsage(os.Getpid())
	if err != nil || u.RSS < 1<<20 {
		t.Fatalf("%+v, %v", u, err)
	}
	if _, err := ReadUsage(1 << 30); err == nil {
		t.Fatal("read a process that is not there")
	}
	if _, err := FindProcess("no such process anywhere 7f3a"); err == nil {
		t.Fatal("found nobody")
	}
}

// BenchmarkGenerator is the capacity of the generator: its own CPU and the toy
// server's (also a robot) per call; the generator's share is a little over half.
func BenchmarkGenerator(b *testing.B) {
	agents := freeUDP(b)
	rep, err := Run(context.Background(), Options{Server: b2bua(b, agents, 0), Agents: agents, Scenario: Direct, Rate: 2000, Calls: max(b.N, 2000),
		Talk: 10 * time.Millisecond, silentSettle: time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(rep.OwnCPU.Microseconds())/float64(max(rep.Good, 1)), "CPU-us/call")
	b.ReportMetric(float64(rep.Failed), "failed")
}
