package report

import (
	"testing"

	"github.com/centrala/centrala/pkg/event"
)

// TestCallbackFigures: who is called back is neither answered nor abandoned; the
// conversation is handled; a try in vain costs the agent time alone.
func TestCallbackFigures(t *testing.T) {
	back := func(call string) event.Body {
		return event.CallStarted{Direction: event.Outbound, From: "100", To: "+37322111111", Callback: call}
	}
	s := newScore(t).
		at("09:00:00", "", moves("bob", "offline", "ready")).
		at("09:01:00", "c1", starts("100"), enters("sales")).
		at("09:01:30", "c1", event.CallbackAsked{Queue: "sales", Number: "+37322111111", Position: 1}, leaves("sales", "callback", 30_000), ends(event.ResultSuccess, event.ReasonNormal)).
		at("09:05:00", "t1", back("c1")).
		at("09:05:02", "", moves("bob", "ready", "on_call")).
		at("09:05:12", "c1", event.CallbackTried{Queue: "sales", Call: "t1", Agent: "bob", Try: 1, Outcome: "busy", NextMs: 60_000}).
		at("09:05:12", "t1", ends(event.ResultUpstream, event.ReasonBusy)).
		at("09:05:12", "", moves("bob", "on_call", "ready")).
		at("09:06:00", "c1", event.CallbackTried{Queue: "sales", Call: "tx", Agent: "bob", Try: 1, Outcome: "no_line", NextMs: 60_000}).
		at("09:07:00", "t2", back("c1")).
		at("09:07:02", "", moves("bob", "ready", "on_call")).
		at("09:07:10", "c1", event.CallbackTried{Queue: "sales", Call: "t2", Agent: "bob", Try: 2, Outcome: "reached"},
			event.CallbackEnded{Queue: "sales", Outcome: "reached", Tries: 2, WaitMs: 370_000, Call: "t2"}).
		at("09:07:10", "t2", event.CallAnswered{}, talks("sales", "bob")).
		at("09:08:10", "t2", holds("sales", "bob")).
		at("09:08:20", "t2", ends(event.ResultCaller, event.ReasonNormal)).
		at("09:08:20", "", moves("bob", "on_call", "wrap_up")).
		at("09:08:40", "", moves("bob", "wrap_up", "ready")).
		at("09:09:00", "c2", event.CallbackEnded{Queue: "sales", Outcome: "given_up", Tries: 3, WaitMs: 1}, event.CallbackEnded{Queue: "sales", Outcome: "returned"})
	b, p := project(s.events)
	q := s.row(b, "09:00", Queue, "sales")
	for k, n := range map[Counter]int64{Entered: 1, LeftCallback: 1, Answered: 0, Abandoned: 0, Handled: 1, TalkMs: 60_000, HoldMs: 10_000, WrapUpMs: 20_000,
		CallbacksAsked: 1, CallbackTries: 2, CallbackRetries: 1, CallbacksReached: 1, CallbacksGivenUp: 1, CallbacksOther: 1, CallbackWaitMs: 370_000} {
		if q[k] != n {
			t.Errorf("queue: %s is %d, want %d", k, q[k], n)
		}
	}
	a := s.row(b, "09:00", Agent, "bob")
	for k, n := range map[Counter]int64{Handled: 1, TalkMs: 60_000, CallbackTries: 2, CallbacksReached: 1, Answered: 0, WrapUpMs: 20_000, OnCallMs: 10_000 + 78_000} {
		if a[k] != n {
			t.Errorf("agent: %s is %d, want %d", k, a[k], n)
		}
	}
	if calls, _ := p.Open(); calls != 0 {
		t.Errorf("%d calls are open", calls)
	}
}
