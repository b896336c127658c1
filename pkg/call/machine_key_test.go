package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/route"
)

// A phone that reports each key by RFC 4733 and by INFO presses it once; fingers that are
// fast press it as often as they do.
func TestKeysReportedTwice(t *testing.T) {
	f, err := flow.ParseYAML("ask", []byte(`
start: ask
steps:
  ask: {collect: {prompts: [main_menu], into: n, min: 1, max: 8, end: "#"}, next: bye, on: {failed: bye}}
  bye: {hangup: normal}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := house
	r.flows = map[string]*flow.Flow{"ask": f}
	type report struct {
		after time.Duration
		key   byte
		via   string
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		keys []report
		want string
	}{
		{"one way", []report{{0, '4', "rfc4733"}, {0, '4', "rfc4733"}, {0, '4', "rfc4733"}, {0, '#', "rfc4733"}}, "444"},
		{"by INFO alone", []report{{0, '4', "info"}, {50 * ms, '4', "info"}, {0, '#', "info"}}, "44"},
		{"both ways", []report{{0, '4', "info"}, {120 * ms, '4', "rfc4733"}, {200 * ms, '0', "info"}, {90 * ms, '0', "rfc4733"}, {0, '#', "info"}, {0, '#', "rfc4733"}}, "40"},
		{"both ways, the same key twice", []report{{0, '4', "info"}, {120 * ms, '4', "rfc4733"}, {150 * ms, '4', "info"}, {120 * ms, '4', "rfc4733"}, {0, '#', "info"}}, "44"},
		{"three ways", []report{{0, '4', "info"}, {100 * ms, '4', "rfc4733"}, {30 * ms, '4', "inband"}, {100 * ms, '4', "inband"}, {0, '#', "info"}}, "44"},
		{"tones and events", []report{{0, '4', "rfc4733"}, {30 * ms, '4', "inband"}, {200 * ms, '7', "rfc4733"}, {30 * ms, '7', "inband"}, {0, '#', "inband"}}, "47"},
		{"both late", []report{{0, '4', "rfc4733"}, {100 * ms, '4', "rfc4733"}, {10 * ms, '4', "info"}, {900 * ms, '4', "info"}, {0, '#', "info"}}, "444"},
		{"a change of ways", []report{{0, '4', "rfc4733"}, {time.Second, '4', "info"}, {0, '#', "info"}}, "44"},
	} {
		s := start(t, r, route.Target{Kind: route.Flow, Name: "ask"})
		s.do(AnswerSent{})
		for _, k := range c.keys {
			s.after(k.after, Key{Leg: 0, Digit: k.key, Via: k.via})
		}
		if got := s.m.S.IVR.Vars["n"]; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
