//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

// A supervisor at a softphone dials the code, whispers to bob, is changed to barge
// by command line, and leaves; the two talk on.
func TestBaresipSupervises(t *testing.T) {
	t.Parallel()
	const bossTone = 1900
	h := open(t)
	h.write("boss.yaml", `{kind: user, name: carol, spec: {roles: [supervisor], device: carol}}`)
	if out, err := h.run("apply", h.dir+"/boss.yaml"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	anna, bob := h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any)
	boss := h.softphone("carol", "manual", bossTone)
	a := h.dial(anna, "201")
	b := h.ring(bob)
	b.Answer()
	b.Leg().PlayTone(agentTone)
	h.up(a)
	a.Leg().PlayTone(callerTone)
	h.hears("bob's tone", a, agentTone, bossTone)
	var calls api.CallPage
	h.decode(&calls, "call", "list", "--live", "--json")
	if len(calls.Calls) != 1 {
		t.Fatalf("%+v", calls.Calls)
	}
	id := calls.Calls[0].ID

	boss.do("dial", fmt.Sprintf("sip:*91201@%s", h.sip))
	h.hears("the whisper", b, bossTone)
	h.hears("bob's tone", a, agentTone, bossTone)
	if out, err := h.run("call", "supervise", id, "barge"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.hears("the supervisor", a, bossTone)
	h.hears("the supervisor", b, bossTone)
	boss.do("hangup", "")
	h.eventually(patience, "the supervision ends", func() bool {
		var d api.CallDetail
		h.decode(&d, "call", "show", id, "--json")
		return slices.ContainsFunc(d.Events, func(e event.Record) bool { return e.Kind == "supervision.ended" })
	})
	h.hears("bob's tone", a, agentTone, bossTone)
	h.hears("anna's tone", b, callerTone, bossTone)
	a.Hangup()
	h.over(b)
	h.quiet()
}
