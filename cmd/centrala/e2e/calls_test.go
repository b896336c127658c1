//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// connect brings anna and bob into conversation through menu 1000 key 1.
func connect(h *house, anna, bob *phone) (caller, agent *robot.Call) {
	h.t.Helper()
	h.agent("bob", "ready")
	caller = h.dial(anna, "1000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("menu", caller, helloTone, musicTone)
	caller.Leg().SendDigits("1")
	agent = h.ring(bob)
	agent.Answer()
	h.talk(caller, agent)
	return caller, agent
}

// TestMenuQueueTalkRecording is the main road, over both transports, digests and
// ways to send a key.
func TestMenuQueueTalkRecording(t *testing.T) {
	for _, tc := range []struct {
		name, callerVia, agentVia string
		callerAlg, agentAlg       robot.Algorithm
		info                      bool
	}{
		{"caller UDP SHA-256 key RFC 4733, agent TCP MD5", "udp", "tcp", robot.SHA256, robot.MD5, false},
		{"caller TCP MD5 key INFO, agent UDP SHA-256", "tcp", "udp", robot.MD5, robot.SHA256, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			anna, bob := h.phone("anna", tc.callerVia, tc.callerAlg), h.phone("bob", tc.agentVia, tc.agentAlg)
			for _, code := range []string{"*41", "*44"} { // logged in, but not ready: the caller must wait
				c := h.dial(bob, code)
				h.up(c)
				c.Hangup()
				h.over(c)
			}
			h.eventually(patience, "bob not ready", func() bool { return h.state("bob") == "not_ready" })
			caller := h.dial(anna, "1000")
			h.up(caller)
			caller.Leg().PlayTone(callerTone)
			h.hears("menu", caller, helloTone, musicTone)
			if tc.info {
				caller.Info('1')
			} else if !caller.Leg().SendDigits("1") {
				t.Fatal("no telephone-event in the answer")
			}
			h.hears("waiting", caller, musicTone, helloTone)
			c := h.dial(bob, "*43")
			h.up(c)
			c.Hangup()
			agent := h.ring(bob)
			if agent.Caller() != "anna" && agent.Caller() != "101" {
				t.Errorf("bob's phone shows %q", agent.Caller())
			}
			agent.Answer()
			h.talk(caller, agent)
			h.converse(2*time.Second, caller, agent)
			agent.Hangup()
			h.over(caller)
			h.streams(caller, agent)
			d := h.ended(caller)
			if string(d.Result) != "agent" || segments(d) != "menu waiting talking" || d.Agent != "bob" || d.Queue != "sales" {
				t.Errorf("record: %s/%s, %s, agent %q, queue %q", d.Result, d.Reason, segments(d), d.Agent, d.Queue)
			}
			if d.TalkMs < 2000 || d.TalkMs > 8000 || d.WaitMs < 300 || d.MenuMs < 300 {
				t.Errorf("talk %d ms, wait %d ms, menu %d ms", d.TalkMs, d.WaitMs, d.MenuMs)
			}
			w := h.recording()
			h.holdsBoth(w)
			if got := int64(len(w.Channels[0])) / 8; got < d.TalkMs-300 || got > d.TalkMs+1000 {
				t.Errorf("recording of %d ms, talk of %d ms", got, d.TalkMs)
			}
			if n := h.metric("centrala_calls_ended_total"); n < 1 {
				t.Errorf("metrics know %.0f ended calls", n)
			}
			b, _ := os.ReadFile(h.log)
			if n := strings.Count(string(b), d.ID); n < 3 {
				t.Errorf("the log names the call %d times; one grep should tell its story", n)
			}
			h.quiet()
		})
	}
}

// TestHoldAndResume holds from either side in each of the four ways.
func TestHoldAndResume(t *testing.T) {
	for _, by := range []string{"agent", "caller"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			anna, bob := h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any)
			caller, agent := connect(h, anna, bob)
			holder, held, tone := agent, caller, float64(agentTone)
			if by == "caller" {
				holder, held, tone = caller, agent, callerTone
			}
			for _, way := range []robot.Hold{robot.HoldSendOnly, robot.HoldInactive, robot.HoldZero, robot.HoldLate} {
				holder.HoldPeer(way)
				if err := holder.Wait(within(t, patience), "answer to hold", func(c *robot.Call) bool { return !c.Reoffering() }); err != nil {
					t.Fatal(way, err)
				}
				h.hears(fmt.Sprintf("%s: held side", way), held, 0, tone)
				before := holder.Leg().Stats().Received
				time.Sleep(300 * time.Millisecond) // nothing tells that nothing comes
				if got := holder.Leg().Stats().Received - before; got > 3 {
					t.Errorf("%s: the holder still gets sound: %d packets", way, got)
				}
				holder.Resume()
				if err := holder.Wait(within(t, patience), "answer to resume", func(c *robot.Call) bool { return !c.Reoffering() }); err != nil {
					t.Fatal(way, err)
				}
				h.talk(caller, agent)
			}
			caller.Hangup()
			h.over(agent)
			h.streams(caller, agent)
			d := h.ended(caller)
			if n := strings.Count(segments(d), "hold"); n != 4 || d.HoldMs < 1200 || string(d.Result) != "caller" {
				t.Errorf("%d holds of %d ms, %s: %s", n, d.HoldMs, d.Result, segments(d))
			}
			h.quiet()
		})
	}
}

// TestAgentDoesNotAnswer: the next agent rings, the caller keeps the place, and
// who let it ring is taken out.
func TestAgentDoesNotAnswer(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna, bob, carol := h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any), h.phone("carol", "udp", robot.Any)
	h.agent("bob", "ready")
	time.Sleep(50 * time.Millisecond) // bob is idle longer by the journal's milliseconds
	h.agent("carol", "ready")
	caller := h.dial(anna, "1000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("menu", caller, helloTone)
	caller.Leg().SendDigits("1")
	first := h.ring(bob) // longest idle
	h.hears("while bob rings", caller, musicTone)
	second := h.ring(carol)
	h.over(first)
	if by, code := first.Ended(); by != robot.ByPeer || code != 487 {
		t.Errorf("bob's ringing ended by %s %d, want CANCEL", by, code)
	}
	second.Answer()
	h.talk(caller, second)
	if s := h.state("bob"); s != "not_ready" {
		t.Errorf("bob let it ring and is %q", s)
	}
	caller.Hangup()
	h.over(second)
	d := h.ended(caller)
	if d.Agent != "carol" || segments(d) != "menu waiting talking" {
		t.Errorf("agent %q, %s", d.Agent, segments(d))
	}
	h.quiet()
}

// TestNobodyLoggedInAndMaxWait: the flow goes on.
func TestNobodyLoggedInAndMaxWait(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna := h.phone("anna", "udp", robot.Any)
	caller := h.dial(anna, "1000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("menu", caller, helloTone)
	caller.Leg().SendDigits("1")
	h.hears("nobody is logged in", caller, 1870, musicTone)
	h.over(caller) // the flow hangs up
	if d := h.ended(caller); string(d.Result) != "success" {
		t.Errorf("%s/%s", d.Result, d.Reason)
	}
	h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	h.agent("bob", "not_ready")
	caller = h.dial(anna, "1000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("menu", caller, helloTone)
	caller.Leg().SendDigits("3")
	h.hears("waiting", caller, musicTone)
	h.hears("waited 2 s", caller, 1870, musicTone)
	h.over(caller)
	h.quiet()
}

// TestTrunkInAndOut: the dialled number decides the flow; who may calls out, and
// that is recorded too; phone to phone.
func TestTrunkInAndOut(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna, bob := h.phone("anna", "udp", robot.Any), h.phone("bob", "tcp", robot.Any)
	carrier := h.phoneAt(h.carrier, "udp", robot.Account{User: "0722111222"})
	// In, without registration, to the public number.
	in := h.dial(carrier, "37322000000")
	h.up(in)
	h.hears("menu", in, helloTone)
	in.Hangup()
	if d := h.ended(in); string(d.Direction) != "in" || d.From != "0722111222" {
		t.Errorf("direction %q from %q", d.Direction, d.From)
	}
	for to, code := range map[string]int{"4711": 404, "0722333444": 404, "*41": 404} {
		c := h.dial(carrier, to)
		h.over(c)
		if by, got := c.Ended(); by != robot.ByRefusal || got != code {
			t.Errorf("%s from the trunk: %s %d, want %d", to, by, got, code)
		}
	}
	// Out.
	out := h.dial(bob, "0722333444")
	there := h.ring(carrier)
	if there.Dialled() != "0722333444" || !strings.Contains(there.Request().Get("from"), "37322000000") {
		t.Errorf("carrier got %q from %q", there.Dialled(), there.Request().Get("from"))
	}
	there.Answer()
	h.up(out)
	h.talk(out, there)
	h.converse(1*time.Second, out, there)
	there.Hangup()
	h.over(out)
	if d := h.ended(out); string(d.Direction) != "out" || d.PeerTrunk != "carrier" || d.TalkMs < 800 {
		t.Errorf("out: direction %q trunk %q talk %d ms", d.Direction, d.PeerTrunk, d.TalkMs)
	}
	h.holdsBoth(h.recording())
	// The carrier is busy.
	out = h.dial(bob, "0722333445")
	h.ring(carrier).Reject(486, "Busy Here")
	h.over(out)
	if _, code := out.Ended(); code != 486 {
		t.Errorf("busy outside came as %d", code)
	}
	// Phone to phone.
	c := h.dial(anna, "201")
	b := h.ring(bob)
	b.Answer()
	h.up(c)
	h.talk(c, b)
	c.Hangup()
	h.over(b)
	if d := h.ended(c); string(d.Direction) != "internal" {
		t.Errorf("phone to phone: %q", d.Direction)
	}
	h.quiet()
}

// TestTollFraud: nobody reaches the trunk without the right to.
func TestTollFraud(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna, bob := h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any)
	carrier := h.phoneAt(h.carrier, "udp", robot.Account{User: "0722111222"})
	stranger := h.phoneAt(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), 0), "udp", robot.Account{User: "eve"})
	liar := h.phoneAt(netip.AddrPortFrom(houseIP, 0), "udp", robot.Account{User: "bob"})
	guess := h.phoneAt(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.4"), 0), "udp", robot.Account{User: "bob", Password: "wrong"})
	for _, tc := range []struct {
		what  string
		p     *phone
		to    string
		codes []int
	}{
		{"a stranger", stranger, "0722333444", []int{401, 407, 403}},
		{"a stranger to a flow", stranger, "1000", []int{401, 407, 403}},
		{"bob's name without his password", liar, "0722333444", []int{401, 407, 403}},
		{"bob's name with a wrong password", guess, "0722333444", []int{401, 407, 403}},
		{"anna, who may not call out", anna, "0722333444", []int{403}},
		{"bob to a prefix he may not call", bob, "900123456", []int{403, 404}},
		{"the carrier back to the carrier", carrier, "0722333444", []int{404, 403}},
	} {
		c := h.dial(tc.p, tc.to)
		if err := c.WaitState(within(t, patience), robot.Ended); err != nil {
			t.Fatalf("%s: %v", tc.what, err)
		}
		by, code := c.Ended()
		ok := false
		for _, want := range tc.codes {
			ok = ok || code == want
		}
		if by != robot.ByRefusal || !ok {
			t.Errorf("%s: %s %d, want refusal with one of %v", tc.what, by, code, tc.codes)
		}
	}
	select {
	case c := <-carrier.rings:
		t.Fatalf("the carrier was called: %s", c.Request().URI)
	default:
	}
	h.quiet()
}

// TestKillNine: the recording of a call cut by kill -9 plays, and the house
// stands up again with the call's record closed.
func TestKillNine(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna, bob := h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any)
	caller, agent := connect(h, anna, bob)
	talking := time.Now()
	h.converse(4*time.Second, caller, agent)
	// It plays while the call runs.
	h.holdsBoth(h.recording())
	h.kill()
	length := time.Since(talking)
	w := h.recording()
	h.holdsBoth(w)
	if got := time.Duration(len(w.Channels[0])) * time.Second / 8000; got < length-1200*time.Millisecond {
		t.Errorf("recording of %s after %s of talk; at most 1 s may be missing", got, length)
	}
	caller.Vanish()
	agent.Vanish()
	h.start()
	h.eventually(patience, "no call is live after the restart", func() bool {
		out, err := h.run("call", "list", "--live", "--json")
		return err == nil && !strings.Contains(out, `"id"`)
	})
	// And it takes calls again.
	c := h.dial(anna, "9")
	h.up(c)
	c.Leg().PlayTone(callerTone)
	h.hears("echo after the restart", c, callerTone)
	c.Hangup()
	h.over(c)
}

// TestRegistrationSurvivesRestart: bob does not register again and rings.
func TestRegistrationSurvivesRestart(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna, bob := h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any)
	h.stop()
	h.start()
	c := h.dial(anna, "201")
	h.ring(bob).Answer()
	h.up(c)
	c.Hangup()
	h.over(c)
	h.quiet()
}

// TestDrain: SIGTERM lets a running call end, takes no new one, and ends in
// bounded time with the recording closed and the journal written.
func TestDrain(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna, bob := h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any)
	caller, agent := connect(h, anna, bob)
	h.signal(syscall.SIGTERM)
	h.eventually(patience, "new calls are refused with 503", func() bool {
		c := h.dial(anna, "9")
		_ = c.WaitState(within(t, 2*time.Second), robot.Ended)
		_, code := c.Ended()
		c.Hangup()
		return code == 503
	})
	if agent.State() != robot.Up {
		t.Error("the running call was cut at once")
	}
	h.over(caller) // BYE when the 4 s are over
	h.over(agent)
	select {
	case <-h.gone:
	case <-time.After(patience):
		t.Fatal("still there")
	}
	h.cmd = nil
	h.holdsBoth(h.recording())
	h.start()
	if d := h.ended(caller); string(d.Reason) != "shutdown" {
		t.Errorf("the call's end says %s/%s", d.Result, d.Reason)
	}
}

// TestVanishedPhoneTakesNoCalls: a phone that neither answers nor refuses frees the caller.
func TestVanishedPhoneTakesNoCalls(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna, carol := h.phone("anna", "udp", robot.Any), h.phone("carol", "udp", robot.Any)
	bob := h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	time.Sleep(50 * time.Millisecond)
	h.agent("carol", "ready")
	bob.Close() // the battery ran out: nothing answers there
	caller := h.dial(anna, "1000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("menu", caller, helloTone)
	caller.Leg().SendDigits("1")
	agent := h.ring(carol)
	agent.Answer()
	h.talk(caller, agent)
	caller.Hangup()
	h.over(agent)
	// The INVITE to the dead phone may be tried for 64*T1; media must be gone.
	h.eventually(patience, "no call and no media port in use", func() bool {
		return h.metric("centrala_calls") == 0 && h.metric("centrala_media_ports_in_use") == 0
	})
}
