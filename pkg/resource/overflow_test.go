package resource

import (
	"strings"
	"testing"
)

func TestOverflowRulesAreChecked(t *testing.T) {
	const doc = `
kind: queue
name: sales
spec:
  members: [{agent: "*"}]
  keep_place: 2h
  announce: [position, estimate, "../etc", "please_wait every 1s"]
  overflow:
    - {to: "queue:sales"}
    - {after: 25h, to: "queue:nowhere"}
    - {ahead: -1, to: "flow:none"}
    - {service_level: 101, to: "device:none"}
    - {agents: none_ready, to: "number:07x"}
    - {estimate: 5m, to: "agent:ana"}
---
kind: user
name: ana
spec: {}
`
	docs, err := ParseYAML(strings.NewReader(doc), "test")
	if err != nil {
		t.Fatal(err)
	}
	err = Errors(Check(Merge(NewSet(nil), docs, false), nil))
	if err == nil {
		t.Fatal("no faults")
	}
	for _, want := range []string{"keep_place", "announce[2]", "announce[3]", "leads back to the queue itself", "overflow[1].after", "overflow[1].to", "overflow[2].ahead", "overflow[2].to",
		"overflow[3].service_level", "overflow[3].to", "want digits after number:", "overflow[5].to"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in\n%v", want, err)
		}
	}
}
