package rehearsal

import (
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
)

func TestActs(t *testing.T) {
	f, err := flow.ParseYAML("x", []byte(`
start: menu
steps:
  menu: {menu: {prompts: [main_menu], keys: {"1": sales}, timeout: 5s, retries: 0}, next: end}
  sales: {queue: {name: sales}, on: {timeout: end, empty: end}, next: end}
  end: {hangup: normal}
`))
	if err != nil {
		t.Fatal(err)
	}
	start := func() *Call {
		return Start(House{}, f, ivr.Input{Tenant: "t", CallID: "c", Language: "en"}, time.Date(2026, 3, 29, 1, 59, 59, 0, time.UTC))
	}
	for _, c := range []struct {
		name  string
		acts  []Act
		waits Wait
		end   string
	}{
		{"silence", []Act{{Wait: true}, {Wait: true}}, Over, "hung up: normal"},
		{"a key while it speaks", []Act{{Keys: "1"}}, Agent, "waiting in the queue sales"},
		{"nobody there", []Act{{Keys: "1"}, {Outcome: "empty"}}, Over, "hung up: normal"},
		{"an agent", []Act{{Keys: "1"}, {Outcome: "answered"}}, Over, "hung up: normal"},
		{"acts behind the end", []Act{{Wait: true}, {Wait: true}, {Wait: true}, {Keys: "1"}, {Outcome: "failed"}}, Over, "hung up: normal"},
	} {
		call := start()
		for _, a := range c.acts {
			if err := call.Do(a); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if w := call.Waits(); w != c.waits || call.End() != c.end {
			t.Errorf("%s: waits for %v, %s; want %v, %s", c.name, w, call.End(), c.waits, c.end)
		}
	}
	for _, a := range []Act{{}, {Keys: "1", Wait: true}, {Wait: true, Outcome: "x"}, {Keys: "1x"}, {Keys: "1", Values: map[string]string{"a": "b"}}} {
		if err := start().Do(a); err == nil {
			t.Errorf("%+v is taken", a)
		}
	}
	call := start()
	for _, n := range call.Notes() {
		if said := n.Spoken(func(name, lang string) string { return strings.ToUpper(name + " " + lang) }); n.What == "say" && said != "MAIN_MENU EN" {
			t.Errorf("spoken %q", said)
		}
	}
}
