package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

func (s *score) verbs(code int, verbs string) {
	s.t.Helper()
	s.log = nil
	n := len(s.all)
	s.do(VerbsAsked{Verbs: verbs, By: "test", Count: 1})
	for _, e := range s.all[n:] {
		if a, ok := e.(AnswerTransfer); ok {
			if a.Code != code {
				s.t.Fatalf("%s: %d, want %d", verbs, a.Code, code)
			}
			return
		}
	}
	s.t.Fatalf("%s: no answer", verbs)
}

func TestVerbsInAConversation(t *testing.T) {
	inFlow := func(t *testing.T, flow string) *score {
		s := start(t, surveyHouse(t), route.Target{Kind: route.Flow, Name: flow})
		s.do(AnswerSent{})
		s.toBob()
		return s
	}
	t.Run("spoken to a side", func(t *testing.T) {
		s := inFlow(t, "front")
		s.verbs(202, `{"verbs": [{"play": ["notice"]}, {"say": {"text": "you call from ${from}"}}], "side": "caller"}`)
		s.want("journal flow.verbs", "journal announcement.started", "Play 0 notice")
		s.never("Play 1 notice")
		if s.m.S.Phase != Talking {
			t.Error(s.m.S.Phase)
		}
		s.do(Played{0, s.m.S.Announcements[0].ID})
		s.want("journal announcement.ended")
		s.verbs(202, `[{"play": ["notice"]}]`) // both
		s.want("Play 0 notice", "Play 1 notice")
		s.do(HoldChanged{1, true})
		s.verbs(409, `[{"play": ["notice"]}]`)
	})
	t.Run("taken away, and the flow ends", func(t *testing.T) {
		s := inFlow(t, "front")
		s.verbs(202, `[{"play": ["notice"]}, {"pause": "1s"}]`)
		s.want("UnbridgeLegs", "acd.CallEnded", "EndLeg 1 normal", "Play 0 notice")
		s.do(LegGone{Leg: 1})
		s.do(Played{0, s.m.S.IVR.Wait})
		s.after(time.Second, TimerFired{TimerFlow + TimerID(s.m.S.IVR.Timer)})
		s.want("EndLeg 0 normal")
	})
	t.Run("taken away, and the flow goes on behind the conversation", func(t *testing.T) {
		s := inFlow(t, "own")
		s.verbs(202, `[{"set": {"x": "1"}}, {"pause": "1s"}]`)
		s.after(time.Second, TimerFired{TimerFlow + TimerID(s.m.S.IVR.Timer)})
		s.want("Play 0 thanks")
	})
	t.Run("into the queue again", func(t *testing.T) {
		s := inFlow(t, "front")
		s.verbs(202, `[{"queue": "sales"}]`)
		s.want("EndLeg 1 normal", "acd.Enter", "Play 0 music")
		s.do(LegGone{Leg: 1})
		s.toBob()
	})
	t.Run("a call without a flow", func(t *testing.T) {
		s := start(t, surveyHouse(t), toSales)
		s.do(AnswerSent{})
		s.toBob()
		s.verbs(409, `[{"pause": "1s"}]`)
		s.never("EndLeg 1 normal")
		s.verbs(202, `[{"goto": "after"}]`)
		s.want("EndLeg 1 normal", "segment menu", "Play 0 grade")
	})
	t.Run("hung up", func(t *testing.T) {
		s := inFlow(t, "front")
		s.verbs(202, `[{"hangup": "normal"}]`)
		s.want("EndLeg 1 normal", "EndLeg 0 normal")
	})
	t.Run("not now", func(t *testing.T) {
		s := inFlow(t, "front")
		s.do(TransferAsked{Leg: 1, To: "202", By: "api", Target: route.Target{Kind: route.Device, Name: "202"}})
		s.verbs(409, `[{"hangup": "normal"}]`) // the target rings
		s.do(DialFailed{Reason: event.ReasonUnreachable})
		s.verbs(422, `[{"nonsense": 1}]`)
	})
}
