package resource

import (
	"strings"
	"testing"
)

func TestQueueKeysAndCallbackAreChecked(t *testing.T) {
	const doc = `
kind: tenant
name: default
spec: {max_callbacks: -1}
---
kind: queue
name: sales
spec:
  members: [{agent: "*"}]
  announce: ["callback every 1m"]
  keys: {"1": "queue:nowhere", "12": leave, "3": "", "4": "flow:none", "5": leave}
  callback:
    retries: 21
    interval: 1s
    max_age: 400h
    hours: none
    offer_after: 25h
    dial_timeout: 4m
    allow: ["+40", "07x"]
    announce: "../etc"
    caller_id: "+40a"
---
kind: queue
name: plain
spec: {members: [{agent: "*"}], keys: {"1": callback}}
`
	docs, err := ParseYAML(strings.NewReader(doc), "test")
	if err != nil {
		t.Fatal(err)
	}
	err = Errors(Check(Merge(NewSet(nil), docs, false), nil))
	if err == nil {
		t.Fatal("no faults")
	}
	for _, want := range []string{"max_callbacks", "keys.1", "keys.12", "keys.3", "keys.4", "callback is offered and no key asks for it", "callback.retries", "callback.interval",
		"callback.max_age", "callback.hours", "callback.offer_after", "callback.dial_timeout", "callback.allow[1]", "callback.announce", "callback.caller_id",
		"the queue has no callback"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in\n%v", want, err)
		}
	}
	for _, wrong := range []string{"keys.5", "callback.allow[0]"} {
		if strings.Contains(err.Error(), wrong) {
			t.Errorf("%q is no fault:\n%v", wrong, err)
		}
	}
}
