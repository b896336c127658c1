package call

import (
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
)

func callbackHouse(change ...func(*rules)) rules {
	r := house
	r.keys = map[byte]string{'1': QueueKeyCallback, '2': "queue:other", '9': QueueKeyLeave}
	r.callback = Callback{On: true, Other: true, OfferAfter: time.Minute}
	for _, f := range change {
		f(&r)
	}
	return r
}

// sent are the ACD events since the last look.
func (s *score) sent() (out []acd.Event) {
	for _, e := range s.all {
		if t, ok := e.(TellACD); ok {
			out = append(out, t.Event)
		}
	}
	s.all = nil
	return out
}

// spoken are the prompts since the last look.
func (s *score) spoken() string {
	var out []string
	for _, e := range s.all {
		if p, ok := e.(PlayPhrases); ok {
			for _, x := range p.Phrases {
				out = append(out, x.Name)
			}
		}
	}
	s.all = nil
	return strings.Join(out, " ")
}

func (s *score) keys(digits string) {
	for i := range len(digits) {
		s.do(Key{Leg: 0, Digit: digits[i], Via: "rfc4733"})
	}
}

func waitingIn(t *testing.T, r rules) *score {
	s := start(t, r, route.Target{Kind: route.Queue, Name: "sales"})
	s.do(FromACD{acd.Joined{CallID: "c1", Queue: "sales", Position: 3}})
	s.all = nil
	return s
}

// TestCallbackConfirmed: a key, the number back, a yes, and the caller may go.
func TestCallbackConfirmed(t *testing.T) {
	s := waitingIn(t, callbackHouse())
	s.keys("1")
	if got := s.spoken(); got != "callback_number number_0 number_7 number_0 number_0 callback_confirm_other" {
		t.Fatal(got)
	}
	s.keys("1")
	got := s.sent()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	ask := got[0].(acd.AskCallback)
	if ask.CallID != "c1" || ask.Number != "0700" || ask.Caller != "0700" || ask.Queue != "" || ask.To != "1000" || ask.By != "key" {
		t.Fatalf("%+v", ask)
	}
	s.do(FromACD{acd.CallbackTaken{CallID: "c1"}})
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Queue: "sales", Outcome: acd.LeftCallback}})
	if got := s.spoken(); got != "callback_taken" {
		t.Fatal(got)
	}
	s.do(Played{Leg: 0, ID: ownPlay | s.m.S.PlayID})
	if s.m.S.Phase != Ending || s.m.S.Verdict.Result != event.ResultSuccess {
		t.Fatal(s.m.S.Phase, s.m.S.Verdict)
	}
}

// TestCallbackOtherNumber: entered, refused where nobody may call, entered again.
func TestCallbackOtherNumber(t *testing.T) {
	s := waitingIn(t, callbackHouse())
	s.keys("12")
	if got := s.spoken(); !strings.HasSuffix(got, "callback_enter") {
		t.Fatal(got)
	}
	s.keys("0900123#")
	if got := s.spoken(); got != "callback_not_possible callback_enter" {
		t.Fatal(got)
	}
	s.keys("0722*072233#")
	if got := s.spoken(); !strings.HasSuffix(got, "number_0 number_7 number_2 number_2 number_3 number_3 callback_confirm_other") {
		t.Fatal(got)
	}
	s.keys("1")
	if ask := s.sent()[0].(acd.AskCallback); ask.Number != "072233" || ask.Caller != "0700" {
		t.Fatalf("%+v", ask)
	}
	s.do(FromACD{acd.CallbackRefused{CallID: "c1", Why: acd.RefusedExists}})
	if got := s.spoken(); got != "callback_exists" {
		t.Fatal(got)
	}
	s.do(Played{Leg: 0, ID: ownPlay | s.m.S.PlayID})
	if got := s.spoken(); got != "music" || s.m.S.Phase != Waiting || s.m.S.Asking != nil {
		t.Fatal(got, s.m.S.Phase)
	}
}

// TestCallbackDialogueEnds: silence, wrong keys and a star all lead back to the music,
// and who withholds the number must give one.
func TestCallbackDialogueEnds(t *testing.T) {
	for name, play := range map[string]func(s *score){
		"star":  func(s *score) { s.keys("1*") },
		"wrong": func(s *score) { s.keys("1777") },
		"silent": func(s *score) {
			s.keys("1")
			for range askMissed {
				s.do(TimerFired{TimerAsk})
			}
		},
		"the ACD says nothing": func(s *score) { s.keys("11"); s.do(TimerFired{TimerAsk}) },
	} {
		s := waitingIn(t, callbackHouse())
		play(s)
		if got := s.spoken(); s.m.S.Asking != nil || !strings.HasSuffix(got, "music") || s.m.S.Phase != Waiting {
			t.Errorf("%s: %s %+v", name, got, s.m.S.Asking)
		}
	}
	r := callbackHouse(func(r *rules) { r.callback.Other = false })
	s := waitingIn(t, r)
	s.m.S.Private = true
	s.keys("1")
	if got := s.spoken(); got != "callback_not_possible" {
		t.Fatal(got)
	}
}

// TestAgentComesFirst: an agent who answers in the middle of the dialogue has the call.
func TestAgentComesFirst(t *testing.T) {
	s := waitingIn(t, callbackHouse())
	s.keys("1")
	s.do(FromACD{acd.Offer{OfferID: "o1", CallID: "c1", Queue: "sales", Agent: "bob", Device: "201", Deadline: s.now.Add(20 * time.Second)}})
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegPickedUp{1})
	if s.m.S.Phase != Talking || s.m.S.Asking != nil {
		t.Fatal(s.m.S.Phase, s.m.S.Asking)
	}
	s.keys("1")
	for _, ev := range s.sent() {
		if _, ok := ev.(acd.AskCallback); ok {
			t.Fatal("asked for in the conversation")
		}
	}
}

// TestQueueKeys: other keys of the queue; those of the flow's step come first.
func TestQueueKeys(t *testing.T) {
	s := waitingIn(t, callbackHouse())
	s.keys("2")
	if got := s.sent(); len(got) != 1 || got[0].(acd.Leave).Outcome != acd.LeftKey {
		t.Fatalf("%+v", got)
	}
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Queue: "sales", Outcome: acd.LeftKey}})
	if e := s.sent()[0].(acd.Enter); e.Queue != "other" || !e.ArrivedAt.Equal(s.m.S.WaitSince) {
		t.Fatalf("%+v", e)
	}
	f, err := flow.ParseYAML("main", []byte("start: q\nsteps:\n  q: {queue: {name: sales, keys: {1: bye}}, on: {timeout: bye, empty: bye, full: bye, error: bye}}\n  bye: {hangup: {}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s = start(t, callbackHouse(func(r *rules) { r.flows = map[string]*flow.Flow{"main": f} }), route.Target{Kind: route.Flow, Name: "main"})
	s.all = nil
	s.keys("1")
	if got := s.sent(); s.m.S.Asking != nil || len(got) != 1 || got[0].(acd.Leave).Outcome != acd.LeftKey {
		t.Fatalf("the flow's key: %+v", got)
	}
}

// TestCallbackIsOffered: with the announcements, when the wait is long enough.
func TestCallbackIsOffered(t *testing.T) {
	s := waitingIn(t, callbackHouse(func(r *rules) { r.announce = []string{"estimate", "callback"} }))
	s.do(FromACD{acd.Announce{CallID: "c1", Estimate: 30 * time.Second}})
	if got := s.spoken(); got != "wait_1" {
		t.Fatal(got)
	}
	s.do(FromACD{acd.Announce{CallID: "c1", Estimate: 4 * time.Minute}})
	if got := s.spoken(); got != "wait_4 callback_offer number_1" {
		t.Fatal(got)
	}
}

// TestCallbackStep: the flow asks; the place is that of the queue the caller has left.
func TestCallbackStep(t *testing.T) {
	f, err := flow.ParseYAML("main", []byte(`
start: ask
steps:
  ask: {callback: {queue: sales, priority: 2}, on: {refused: bye}, next: thanks}
  thanks: {play: thank_you, next: bye}
  bye: {hangup: {}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, taken := range []bool{true, false} {
		s := start(t, callbackHouse(func(r *rules) { r.flows = map[string]*flow.Flow{"main": f} }), route.Target{Kind: route.Flow, Name: "main"})
		s.all = nil
		s.keys("1")
		ask := s.sent()[0].(acd.AskCallback)
		if ask.Queue != "sales" || ask.Priority != 2 || ask.By != "flow" || !ask.ArrivedAt.IsZero() {
			t.Fatalf("%+v", ask)
		}
		if !taken {
			s.do(FromACD{acd.CallbackRefused{CallID: "c1", Why: acd.RefusedMany}})
			s.do(Played{Leg: 0, ID: ownPlay | s.m.S.PlayID})
			if s.m.S.Phase != Ending {
				t.Fatal("refused: the flow hangs up", s.m.S.Phase)
			}
			continue
		}
		s.do(FromACD{acd.CallbackTaken{CallID: "c1"}})
		if got := s.spoken(); got != "thank_you" || s.m.S.IVR.Phase != ivr.PhaseSpeaking {
			t.Fatal(got)
		}
	}
}

// callingBack begins the call of a callback whose agent's phone rings.
func callingBack(t *testing.T, r rules) *score {
	t.Helper()
	s := &score{t: t, now: time.Date(2026, 3, 29, 0, 59, 58, 0, time.UTC)}
	s.m = NewMachine(State{ID: "t1", Tenant: "default", Direction: event.Outbound, From: "0700", Language: "en", Queue: "sales",
		Legs: []Leg{{State: LegEnded, Measured: true}}, Callback: &CallingBack{ID: "c1", Number: "0700", To: "1000"}}, r)
	s.do(CalledBack{acd.Offer{OfferID: "o1", CallID: "t1", Queue: "sales", Agent: "bob", Device: "201", Deadline: s.now.Add(20 * time.Second), Callback: "c1"}})
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegProgressed{Leg: 1})
	s.all = nil
	return s
}

func (s *score) pickUpAndDial() {
	s.do(LegPickedUp{1})
	s.do(FromACD{acd.LeftQueue{CallID: "t1", Queue: "sales", Outcome: acd.LeftAnswered, Agent: "bob", Callback: "c1"}})
	s.do(OutsideFound{Targets: []string{"trunk:north:0700"}})
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "0700"}}})
}

func results(list []acd.Event) (out []string) {
	for _, ev := range list {
		switch ev := ev.(type) {
		case acd.CallbackResult:
			out = append(out, ev.Outcome)
		case acd.CallEnded:
			out = append(out, "free "+ev.Agent)
		case acd.OfferAccepted, acd.OfferFailed, acd.Leave:
			out = append(out, strings.TrimPrefix(strings.TrimPrefix(typeName(ev), "acd."), "*"))
		}
	}
	return out
}

func typeName(v any) string {
	switch v.(type) {
	case acd.OfferAccepted:
		return "accepted"
	case acd.OfferFailed:
		return "failed"
	}
	return "leave"
}

// TestCalledBack: the agent first, then the customer; then it is a call like any
// other: recorded, the customer on the left.
func TestCalledBack(t *testing.T) {
	s := callingBack(t, callbackHouse())
	s.pickUpAndDial()
	s.do(LegProgressed{Leg: 2})
	s.do(LegPickedUp{2})
	if got := results(s.sent()); strings.Join(got, " ") != "accepted reached" {
		t.Fatal(got)
	}
	m := s.m
	if m.S.Phase != Talking || m.S.Kept != 2 || m.S.Peer != 1 || m.S.Recording == "" || m.S.Ledger.Agent != "bob" || m.S.AwaitQueue {
		t.Fatalf("%+v", m.S)
	}
	s.do(LegGone{Leg: 2, Remote: true})
	if got := results(s.sent()); strings.Join(got, " ") != "free bob" || m.S.Verdict.Result != event.ResultCaller {
		t.Fatal(got, m.S.Verdict)
	}
}

// TestNotReached: the agent is freed and the ACD told why, once.
func TestNotReached(t *testing.T) {
	for want, play := range map[string]func(s *score){
		"accepted busy free bob": func(s *score) { s.pickUpAndDial(); s.do(LegRefused{Leg: 2, Code: 486, Reason: event.ReasonBusy}) },
		"accepted no_answer free bob": func(s *score) {
			s.pickUpAndDial()
			s.do(LegRefused{Leg: 2, Code: 480, Reason: event.ReasonUnreachable})
		},
		"accepted no_line free bob": func(s *score) {
			s.do(LegPickedUp{1})
			s.do(DialFailed{Reason: event.ReasonOverload})
		},
		"accepted failed free bob": func(s *score) {
			s.do(LegPickedUp{1})
			s.do(DialFailed{Reason: event.ReasonForbidden})
		},
		"accepted agent_left free bob": func(s *score) { s.pickUpAndDial(); s.do(LegGone{Leg: 1, Remote: true}) },
	} {
		s := callingBack(t, callbackHouse())
		play(s)
		if got := strings.Join(results(s.sent()), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if s.m.S.Phase < Ending {
			t.Errorf("%s: the call goes on in %s", want, s.m.S.Phase)
		}
	}
}

// TestTakenBackAsTheAgentAnswers: the ACD has cancelled it in that moment. Nobody is
// dialled any more, and the agent is let go.
func TestTakenBackAsTheAgentAnswers(t *testing.T) {
	s := callingBack(t, callbackHouse())
	s.do(LegPickedUp{1})
	s.do(FromACD{acd.LeftQueue{CallID: "t1", Queue: "sales", Outcome: acd.LeftCallback, Callback: "c1"}})
	if got := strings.Join(results(s.sent()), " "); got != "accepted free bob" || s.m.S.Phase < Ending {
		t.Fatal(got, s.m.S.Phase)
	}
}

// TestRecordedFromTheConversation: before the customer has answered there is no leg
// whose sound the recording could keep.
func TestRecordedFromTheConversation(t *testing.T) {
	r := callbackHouse(func(r *rules) { r.record = map[string]resource.Record{"sales": resource.RecordRing} })
	s := callingBack(t, r)
	s.pickUpAndDial()
	s.do(LegProgressed{Leg: 2})
	if s.m.S.Recording != "" {
		t.Fatal("it records nobody")
	}
	s.do(LegPickedUp{2})
	if s.m.S.Recording == "" {
		t.Fatal("not recorded")
	}
}

// TestCustomerRings: the ring time of the queue ends a try.
func TestCustomerRings(t *testing.T) {
	s := callingBack(t, callbackHouse(func(r *rules) { r.callback.Dial = 30 * time.Second }))
	s.pickUpAndDial()
	s.do(TimerFired{TimerRing})
	if got := strings.Join(results(s.sent()), " "); got != "accepted no_answer free bob" {
		t.Fatal(got)
	}
}

// TestAgentDoesNotAnswer: the next offer comes to the same call; without one the
// callback waits on and the call ends.
func TestAgentDoesNotAnswer(t *testing.T) {
	s := callingBack(t, callbackHouse())
	s.do(LegRefused{Leg: 1, Code: 486, Reason: event.ReasonBusy})
	s.do(FromACD{acd.Offer{OfferID: "o2", CallID: "t1", Queue: "sales", Agent: "carol", Device: "202", Deadline: s.now.Add(20 * time.Second), Callback: "c1"}})
	s.do(DialStarted{Legs: []LegInfo{{Device: "202", Agent: "carol"}}})
	s.do(TimerFired{TimerAsk}) // of the first: somebody rings by now
	if s.m.S.Phase != Waiting {
		t.Fatal(s.m.S.Phase)
	}
	s.do(LegRefused{Leg: 2, Code: 486, Reason: event.ReasonBusy})
	s.do(TimerFired{TimerAsk})
	if got := strings.Join(results(s.sent()), " "); got != "failed failed leave" {
		t.Fatal(got)
	}
	s.do(FromACD{acd.LeftQueue{CallID: "t1", Queue: "sales", Outcome: acd.LeftTimeout, Callback: "c1"}})
	if s.m.S.Phase < Ending {
		t.Fatal(s.m.S.Phase)
	}
}
