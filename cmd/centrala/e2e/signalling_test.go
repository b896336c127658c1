//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// openWith starts a server with more keys under sip in its node file.
func openWith(t testing.TB, keys string) *house {
	t.Helper()
	h := prepare(t)
	b, err := os.ReadFile(filepath.Join(h.dir, "centrala.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("centrala.yaml", strings.Replace(string(b), "sip:\n", "sip:\n  "+keys+"\n", 1))
	h.start()
	return h
}

// picksUp picks up whatever rings at p, after a while.
func picksUp(p *phone, after time.Duration) {
	go func() {
		for c := range p.rings {
			time.Sleep(after) // the caller has to hear it ring
			c.Answer()
			c.Leg().PlayTone(agentTone)
		}
	}()
}

// TestCallerScenarios runs each way of calling that a sipp file describes.
func TestCallerScenarios(t *testing.T) {
	for _, c := range []struct {
		scenario, number, keys, result string
		ring                           time.Duration // how long bob lets it ring; 0: nobody rings
	}{
		{"uac-100rel-never-prack", "3000", "timers: {t1: 50ms}", "", time.Minute},
		{"uac-late-offer-without-answer", "1000", "", "", 0},
		{"uac-late-offer-100rel", "3000", "", "", time.Second},
		{"uac-reinvite-new-port-and-codec", "3000", "", "", 200 * time.Millisecond},
		{"uac-session-timer-ours", "1000", "", "", 0},
		{"uac-replaces-twice", "1000", "", "none", 0},
		{"uac-replaces-early-only", "1000", "", "none", 0},
		{"uac-inside-a-call", "1000", "", "", 0},
		{"uac-subscribe-refused", "201", "", "none", 0},
		{"uac-subscribe-gone", "201", "", "none", 0},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			t.Parallel()
			h := openWith(t, c.keys)
			if c.ring > 0 {
				bob := h.phone("bob", "udp", robot.Any)
				if c.ring < time.Minute {
					picksUp(bob, c.ring)
				}
			}
			h.sipp(c.scenario+".xml", c.number, 1, "-auth_uri", c.number+"@"+h.sip.String())
			if c.result != "none" {
				d := h.ended()
				if strings.HasPrefix(string(d.Result), "ours") || d.Result == "unknown" {
					t.Errorf("%s/%s", d.Result, d.Reason)
				}
			}
			h.quiet()
		})
	}
}

// TestLamp: a colleague's phone shows that bob's rings, talks, and is idle.
func TestLamp(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob, carol := h.phone("bob", "udp", robot.Any), h.phone("carol", "udp", robot.Any)
	done := make(chan error, 1)
	go func() {
		out, err := h.sippCommand("uac-subscribe-lamp.xml", "201", 1, "-auth_uri", "201@"+h.sip.String())
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		done <- err
	}()
	h.eventually(patience, "the lamp is watched", func() bool { return h.metric("centrala_sip_subscriptions") == 1 })
	c := h.dial(carol, "201")
	r := h.ring(bob)
	time.Sleep(300 * time.Millisecond) // it rings
	r.Answer()
	h.up(c)
	time.Sleep(300 * time.Millisecond) // some words
	c.Hangup()
	if err := <-done; err != nil {
		t.Error(err)
	}
	h.eventually(patience, "nobody watches any more", func() bool { return h.metric("centrala_sip_subscriptions") == 0 })
	h.quiet()
}

// TestCarrierScenarios: calls out to a carrier with manners of its own.
func TestCarrierScenarios(t *testing.T) {
	for _, scenario := range []string{"uas-carrier-100rel", "uas-carrier-early-update", "uas-carrier-reinvites-without-sdp"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			bob := h.phone("bob", "udp", robot.Any)
			done := make(chan error, 1)
			go func() {
				out, err := h.sippCommand(scenario+".xml", "x", 1, "-p", fmt.Sprint(h.carrier.Port()))
				if err != nil {
					err = fmt.Errorf("%w\n%s", err, out)
				}
				done <- err
			}()
			time.Sleep(500 * time.Millisecond) // sipp binds its port; a call before gets no answer at all
			call := h.dial(bob, "0722333444")
			h.up(call)
			call.Leg().PlayTone(callerTone)
			time.Sleep(1200 * time.Millisecond) // what the carrier does in mid-call
			call.Hangup()
			if err := <-done; err != nil {
				t.Error(err)
			}
			h.quiet()
		})
	}
}

// TestSubscriptionOverRestart: killed and started again, the server tells who
// watches without being asked.
func TestSubscriptionOverRestart(t *testing.T) {
	t.Parallel()
	h := open(t)
	done := make(chan error, 1)
	go func() {
		out, err := h.sippCommand("uac-subscribe-over-restart.xml", "201", 1, "-auth_uri", "201@"+h.sip.String())
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		done <- err
	}()
	h.eventually(patience, "the lamp is watched", func() bool { return h.metric("centrala_sip_subscriptions") == 1 })
	time.Sleep(1500 * time.Millisecond) // the store is written each second
	h.signal(syscall.SIGKILL)
	<-h.gone
	h.start()
	if err := <-done; err != nil {
		t.Error(err)
	}
	h.quiet()
}
