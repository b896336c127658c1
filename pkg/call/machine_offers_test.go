package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// ringAll is a caller in sales for whom bob's and carol's phones ring.
func ringAll(t *testing.T) *score {
	s := start(t, house, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.do(offer("o2", "carol", "202", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}, {Device: "201", Agent: "bob"}}, Offer: "o1"})
	s.do(DialStarted{Legs: []LegInfo{{Device: "202", Agent: "carol"}}, Offer: "o2"})
	s.log, s.all = nil, nil
	return s
}

// offersTold lists what the ACD was told about offers.
func (s *score) offersTold() []string {
	var out []string
	for _, e := range s.all {
		if a, ok := e.(TellACD); ok {
			switch ev := a.Event.(type) {
			case acd.OfferRinging:
				out = append(out, "ringing "+ev.OfferID)
			case acd.OfferAccepted:
				out = append(out, "accepted "+ev.OfferID)
			case acd.OfferFailed:
				out = append(out, "failed "+ev.OfferID+" "+ev.Cause)
			}
		}
	}
	s.all = nil
	return out
}

func (s *score) wantTold(want ...string) {
	s.t.Helper()
	got := s.offersTold()
	if len(got) != len(want) {
		s.t.Fatalf("told %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			s.t.Fatalf("told %q, want %q", got, want)
		}
	}
}

func TestRingAllFirstAnswerWins(t *testing.T) {
	s := ringAll(t)
	s.do(LegProgressed{Leg: 1})
	s.do(LegProgressed{Leg: 2})
	s.do(LegProgressed{Leg: 3})
	s.wantTold("ringing o1", "ringing o2")
	s.do(LegPickedUp{3})
	s.wantTold("accepted o2")
	s.want("EndLeg 1 answered elsewhere", "EndLeg 2 answered elsewhere", "Bridge 0-3")
	// The engine takes the others back; that changes nothing any more.
	s.do(FromACD{acd.WithdrawOffer{OfferID: "o1", CallID: "c1", Agent: "bob", Why: acd.CauseElsewhere}})
	s.do(LegPickedUp{1}) // CANCEL crosses 200
	if s.m.S.Phase != Talking || s.m.S.Peer != 3 || s.m.S.Legs[3].Busy != BusyByQueue {
		t.Fatalf("%s with %d", s.m.S.Phase, s.m.S.Peer)
	}
	s.wantTold()
}

func TestOneOfferFailsTheOtherRingsOn(t *testing.T) {
	s := ringAll(t)
	s.do(LegRefused{Leg: 1, Code: 486, Reason: event.ReasonBusy})
	s.wantTold() // bob's other contact rings on
	s.do(LegRefused{Leg: 2, Code: 480, Reason: event.ReasonUnreachable})
	s.wantTold("failed o1 busy") // the most telling
	s.do(LegPickedUp{3})
	s.wantTold("accepted o2")
}

func TestOneOfferIsTakenBack(t *testing.T) {
	s := ringAll(t)
	s.do(FromACD{acd.WithdrawOffer{OfferID: "o2", CallID: "c1", Agent: "carol", Why: acd.CauseNoAnswer}})
	s.want("EndLeg 3 withdrawn")
	if s.m.S.Attempt == nil || len(s.m.S.Attempt.Offers) != 1 {
		t.Fatalf("%+v", s.m.S.Attempt)
	}
	s.do(FromACD{acd.WithdrawOffer{OfferID: "o1", CallID: "c1", Agent: "bob", Why: acd.CauseNoAnswer}})
	s.want("EndLeg 1 withdrawn", "EndLeg 2 withdrawn")
	if s.m.S.Attempt != nil || s.m.S.Phase != Waiting {
		t.Fatalf("%s %+v", s.m.S.Phase, s.m.S.Attempt)
	}
	s.do(offer("o3", "bob", "201", s))
	s.do(DialFailed{Reason: event.ReasonRejected, Offer: "o3"})
	s.wantTold("failed o3 rejected")
}

// TestDialThatAnswersAnOfferTakenBack: the INVITEs are on their way when the
// offer is withdrawn and another is made.
func TestDialThatAnswersAnOfferTakenBack(t *testing.T) {
	s := start(t, house, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.do(FromACD{acd.WithdrawOffer{OfferID: "o1", CallID: "c1", Agent: "bob"}})
	s.do(offer("o2", "carol", "202", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}, Offer: "o1"})
	s.want("EndLeg 1 cancelled")
	s.do(DialStarted{Legs: []LegInfo{{Device: "202", Agent: "carol"}}, Offer: "o2"})
	s.all = nil
	s.after(time.Second, LegPickedUp{2})
	s.wantTold("accepted o2")
}

func TestCallerHangsUpWhileSeveralRing(t *testing.T) {
	s := ringAll(t)
	s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
	s.want("EndLeg 1 cancelled", "EndLeg 2 cancelled", "EndLeg 3 cancelled")
	s.wantTold("failed o1 caller_left", "failed o2 caller_left")
}
