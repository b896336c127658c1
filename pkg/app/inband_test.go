package app_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/centrala/centrala/media/dtmf"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
)

const inBandDocs = `
kind: device
name: anna
spec: {password: pw-anna, extension: "101", dtmf: %s}
---
kind: flow
name: ask
spec:
  start: ask
  steps:
    ask: {collect: {prompts: [main_menu], into: n, min: 2, max: 2, timeout: 1m}, next: bob, on: {failed: bye}}
    bob: {dial: {targets: ["device:bob"]}, next: bye, on: {no_answer: bye, busy: bye, failed: bye}}
    bye: {hangup: normal}
---
kind: number
name: ask
spec: {digits: "1014", flow: ask}
`

// keyTones is keys in law as a phone without telephone-event sends them, 100 ms each, and a
// minute of silence.
func keyTones(law robot.Law, keys string) (out []byte) {
	add := func(ms int, lo, hi float64) {
		for i := range ms * 8 {
			x := 2 * math.Pi * float64(i) / 8000
			out = append(out, law.Encode(int16(6000*math.Sin(lo*x)+6000*math.Sin(hi*x))))
		}
	}
	add(300, 0, 0)
	for i := range keys {
		code, _ := dtmf.Code(keys[i])
		lo, hi := dtmf.Frequencies(code)
		add(100, lo, hi)
		add(100, 0, 0)
	}
	add(60_000, 0, 0)
	return out
}

// A phone that is said to press keys in-band is agreed no telephone-event with, and what
// it presses is heard in its sound; one that is said not to is not.
func TestKeysInBand(t *testing.T) {
	o := newOffice(t)
	must := func(way string) {
		t.Helper()
		if _, err := o.apply(fmt.Sprintf(inBandDocs, way), api.ApplyOptions{By: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	keys := func(c *robot.Call) (pressed, via string) {
		d, err := o.Call(t.Context(), "default", o.record("default", c).ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range d.Events {
			if e, err := event.Decode(r); err == nil {
				if k, ok := e.Body.(event.DigitPressed); ok {
					pressed, via = pressed+k.Digit, k.Via
				}
			}
		}
		return pressed, via
	}
	must("inband")
	a := o.isUp(o.call(o.anna, "1014"), o.anna)
	if a.Leg().SendDigits("9") {
		t.Error("telephone-event was agreed")
	}
	a.Leg().Play(keyTones(a.Leg().Law(), "42"))
	b := o.answers(o.bob)
	hangUp(a)
	o.over(b)
	o.ended(a)
	if pressed, via := keys(a); pressed != "42" || via != "inband" {
		t.Errorf("pressed %q by %q", pressed, via)
	}

	// By telephone-event alone: the tones are passed over, the events count.
	must("rfc4733")
	a = o.isUp(o.call(o.anna, "1014"), o.anna)
	a.Leg().Play(keyTones(a.Leg().Law(), "11"))
	o.eventually("the tones are sent", func() bool { return a.Leg().Stats().Sent > 50 })
	if !a.Leg().SendDigits("42") {
		t.Fatal("no telephone-event")
	}
	b = o.answers(o.bob)
	hangUp(a)
	o.over(b)
	o.ended(a)
	if pressed, via := keys(a); pressed != "42" || via != "rfc4733" {
		t.Errorf("pressed %q by %q", pressed, via)
	}
}
