//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// fromPhone makes sipp a phone of the house: not at the carrier's address, and
// with the URI dialled in its credentials.
func (h *house) fromPhone(number string) []string {
	return []string{"-i", houseIP.String(), "-mi", houseIP.String(), "-auth_uri", number + "@" + h.sip.String()}
}

// answers takes the calls that ring at a phone, with the agent's tone, until the
// test ends.
func answers(p *phone) {
	go func() {
		for c := range p.rings {
			c.Answer()
			c.Leg().PlayTone(agentTone)
		}
	}()
}

// transferred runs a scenario in which anna (sipp) calls bob and refers him to carol.
func transferred(t *testing.T, scenario string) {
	t.Helper()
	h := open(t)
	bob, carol := h.phone("bob", "udp", robot.Any), h.phone("carol", "udp", robot.Any)
	answers(bob)
	got := make(chan *robot.Call, 1)
	go func() {
		if c, ok := <-carol.rings; ok {
			time.Sleep(700 * time.Millisecond) // a person; the scenario has its say meanwhile
			c.Answer()
			c.Leg().PlayTone(callerTone)
			got <- c
		}
	}()
	h.sipp(scenario, "201", 1, append(h.fromPhone("201"), "-aa")...) // -aa: answers further NOTIFYs
	c := <-got
	h.hears("bob's tone", c, agentTone)
	c.Hangup()
	d := h.ended()
	if string(d.Result) != "agent" || string(d.Reason) != "normal" || d.Agent != "carol" || !strings.HasSuffix(segments(d), "ringing talking") {
		t.Errorf("%s/%s, agent %s, %s", d.Result, d.Reason, d.Agent, segments(d))
	}
	h.quiet()
}

func TestSippBlindTransfer(t *testing.T) {
	t.Parallel()
	transferred(t, "uac-blind-transfer-by-refer.xml")
}

func TestSippReferrerHangsUpBehind202(t *testing.T) {
	t.Parallel()
	transferred(t, "uac-refer-then-bye.xml")
}

func TestSippTwoREFERs(t *testing.T) {
	t.Parallel()
	transferred(t, "uac-refer-while-referring.xml")
}

func TestSippRefusedREFERs(t *testing.T) {
	t.Parallel()
	h := open(t)
	answers(h.phone("bob", "udp", robot.Any))
	for _, scenario := range []string{"uac-refer-to-nobody.xml", "uac-refer-toll-fraud.xml"} {
		h.sipp(scenario, "201", 1, h.fromPhone("201")...)
		if d := h.ended(); string(d.Result) != "caller" || segments(d) != "ringing talking" {
			t.Errorf("%s: %s/%s, %s", scenario, d.Result, d.Reason, segments(d))
		}
	}
	// In a conference that the phone has made a REFER brings a party in: nobody here.
	h.sipp("uac-refer-to-nobody.xml", "*71", 1, h.fromPhone("*71")...)
	if d := h.ended(); string(d.Result) != "caller" || segments(d) != "menu" {
		t.Errorf("conference: %s/%s, %s", d.Result, d.Reason, segments(d))
	}
	h.sipp("uac-refer-from-carrier.xml", "3000", 1)
	if d := h.ended(); string(d.Result) != "caller" || segments(d) != "ringing talking" {
		t.Errorf("carrier: %s/%s, %s", d.Result, d.Reason, segments(d))
	}
	h.quiet()
}

func TestSippNothingToTake(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.sipp("uac-pickup-nothing.xml", "*8201", 1, h.fromPhone("*8201")...)
	if d := h.ended(); string(d.Result) != "caller" || string(d.Reason) != "not_found" {
		t.Errorf("%s/%s", d.Result, d.Reason)
	}
	h.quiet()
}
