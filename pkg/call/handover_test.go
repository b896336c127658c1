package call

import (
	"net/url"
	"strings"
	"testing"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// What was keyed goes along to the queue, once, and no secret with it; a flow without
// variables costs no event.
func TestGatheredGoesAlong(t *testing.T) {
	f, err := flow.ParseYAML("f", []byte(`
start: menu
steps:
  menu: {menu: {prompts: [hello], keys: {"1": card, "2": plain}, into: choice}, next: bye}
  card: {collect: {prompts: [enter], into: pin, max: 4, secret: true}, on: {failed: bye}, next: to}
  to: {queue: sales, next: bye}
  plain: {set: {choice: ""}, next: to}
  bye: {hangup: normal}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := house
	r.flows = map[string]*flow.Flow{"f": f}
	s := start(t, r, route.Target{Kind: route.Flow, Name: "f"})
	for _, d := range "11234" {
		s.do(Key{Leg: 0, Digit: byte(d)})
	}
	s.want("journal flow.gathered", "acd.Enter")
	got := bodies[event.FlowGathered](s)
	if len(got) != 1 || got[0].Flow != "f" || len(got[0].Variables) != 1 || got[0].Variables["choice"] != "1" {
		t.Errorf("%+v", got)
	}
	s = start(t, r, route.Target{Kind: route.Flow, Name: "f"})
	s.do(Key{Leg: 0, Digit: '2'})
	s.want("acd.Enter")
	if got := bodies[event.FlowGathered](s); len(got) != 0 {
		t.Errorf("nothing was gathered: %+v", got)
	}
}

func TestHandOverHeader(t *testing.T) {
	if h := handOverHeaders(&ivr.State{}); h != nil {
		t.Errorf("%v", h)
	}
	st := &ivr.State{Vars: map[string]string{"name": "Ștefan\r\nX-Evil: 1", "card": "4111", "note": strings.Repeat("ș", 400)}, Secrets: map[string]bool{"card": true}}
	h := handOverHeaders(st)
	if len(h) != 1 || len(h[0].Value) > maxHandOver || strings.ContainsAny(h[0].Value, "\r\n ") {
		t.Fatalf("%v", h)
	}
	q, err := url.ParseQuery(h[0].Value)
	if err != nil || q.Get("name") != "Ștefan\r\nX-Evil: 1" || q.Has("card") || q.Has("note") {
		t.Errorf("%v %v", q, err)
	}
}
