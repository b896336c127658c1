package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
)

const deskDocs = `
kind: tenant
name: default
spec: {language: en, not_ready_reasons: {"2": lunch}}
---
kind: user
name: eva
spec: {roles: [agent], agent_number: "4711", agent_pin: "2468013579"}
---
kind: user
name: fay
spec: {roles: [agent], agent_number: "12", agent_pin: "97531"}
---
kind: queue
name: sales
spec: {members: [{agent: "*"}], wrap_up: 0s, ring_timeout: 5s, leave_when_empty: false, announce_first: -1s}
`

// TestHotDesk: an agent without a phone of her own logs in at anna's by number and
// PIN, is not ready and ready by code, gets a queue's caller there, and logs out. The
// next shift takes her place, and she hers at another phone.
func TestHotDesk(t *testing.T) {
	n := newOffice(t)
	ctx := context.Background()
	if _, err := n.apply(deskDocs, api.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	state := func(name string) (s, reason, device string) {
		agents, err := n.Agents(ctx, "default")
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range agents {
			if a.Name == name {
				return a.State, a.Reason, a.Device
			}
		}
		return "", "", ""
	}
	is := func(name, want, device string) {
		t.Helper()
		n.eventually(name+" is "+want+" at "+device, func() bool {
			s, reason, d := state(name)
			return strings.TrimSpace(s+" "+reason) == want && d == device
		})
	}
	logIn := func(d *desk, digits string) {
		t.Helper()
		c := n.isUp(n.call(d, "*40"), d)
		n.press(c, digits)
		t.Cleanup(func() { hangUp(c) })
	}
	code := func(d *desk, dialled string) { n.over(n.isUp(n.call(d, dialled), d)) }
	logIn(n.anna, "4711#2468013579#")
	is("eva", "ready", "anna")
	code(n.anna, "*44*2")
	is("eva", "not_ready lunch", "anna")
	code(n.anna, "*43")
	is("eva", "ready", "anna")

	caller := n.call(n.bob, "1001")
	agent := n.answers(n.anna)
	n.isUp(caller, n.bob)
	hangUp(agent)
	if r := n.record("default", caller); r.Agent != "eva" {
		t.Errorf("the caller talked to %q", r.Agent)
	}

	logIn(n.anna, "12#97531#") // the next shift
	is("fay", "ready", "anna")
	is("eva", "offline", "")
	logIn(n.bob, "12#97531#") // who moves
	is("fay", "ready", "bob")
	code(n.bob, "*42")
	is("fay", "offline", "")
}

// TestHotDeskIsNotGuessed: after five wrong tries a phone is let in no more, not with
// the right PIN either, nor is the number at another phone.
func TestHotDeskIsNotGuessed(t *testing.T) {
	n := newOffice(t)
	if _, err := n.apply(deskDocs, api.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	wrong := func() int { return n.logs.FilterMessage("agent not logged in: wrong number or PIN").Len() }
	for i := range 5 {
		c := n.isUp(n.call(n.anna, "*40"), n.anna)
		n.press(c, "4711#135"+string(rune('0'+i))+"#")
		n.eventually("a wrong try is told", func() bool { return wrong() == i+1 })
		hangUp(c)
	}
	for _, d := range []*desk{n.anna, n.bob} { // the phone, and the number
		c := n.isUp(n.call(d, "*40"), d)
		n.press(c, "4711#2468013579#")
		n.over(c)
	}
	agents, err := n.Agents(context.Background(), "default")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range agents {
		if a.Name == "eva" && a.State != "offline" {
			t.Errorf("eva is %s", a.State)
		}
	}
	if wrong() != 5 {
		t.Errorf("%d tries were looked at", wrong())
	}
	for _, l := range n.logs.All() {
		if strings.Contains(l.Message, "2468013579") || strings.Contains(fmt.Sprint(l.ContextMap()), "2468013579") {
			t.Errorf("a PIN is in the log: %v", l)
		}
	}
}
