package call

import (
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

var (
	toCarol   = route.Target{Kind: route.Device, Name: "202"}
	toSupport = route.Target{Kind: route.Queue, Name: "support"}
	toPark    = route.Target{Kind: route.Feature, Feature: route.FeaturePark}
)

// refer has leg's phone transfer its partner.
func (s *score) refer(leg int, to route.Target) {
	s.t.Helper()
	s.do(TransferAsked{Leg: leg, Target: to, To: "x", By: "phone", Refer: true})
}

// dialled is the owner's answer to a dial.
func (s *score) dialled(device, agent string) {
	s.t.Helper()
	s.do(DialStarted{Legs: []LegInfo{{Device: device, Agent: agent}}})
}

func (s *score) told(codes ...int) {
	s.t.Helper()
	var got []int
	for _, e := range s.all {
		switch e := e.(type) {
		case AnswerTransfer:
			got = append(got, e.Code)
		case NotifyTransfer:
			got = append(got, e.Code)
		}
	}
	if !slices.Equal(got, codes) {
		s.t.Fatalf("the referrer was told %v, want %v", got, codes)
	}
}

func (s *score) pair(kept, peer int) {
	s.t.Helper()
	if s.m.S.Phase != Talking || s.m.S.Kept != kept || s.m.S.Peer != peer {
		s.t.Fatalf("%s, %d with %d; want %d with %d", s.m.S.Phase, s.m.S.Kept, s.m.S.Peer, kept, peer)
	}
}

// acdWords lists what the ACD was told about an agent, in order.
func (s *score) acdWords(agent string) []string {
	var out []string
	for _, e := range s.all {
		if t, ok := e.(TellACD); ok {
			switch a := t.Event.(type) {
			case acd.Occupy:
				if a.Agent == agent {
					out = append(out, "occupy "+a.CallID)
				}
			case acd.Release:
				if a.Agent == agent {
					out = append(out, "release")
				}
			case acd.CallEnded:
				if a.Agent == agent {
					out = append(out, "wrap-up")
				}
			}
		}
	}
	return out
}

func (s *score) acdOf(agent string, want ...string) {
	s.t.Helper()
	if got := s.acdWords(agent); !slices.Equal(got, want) {
		s.t.Fatalf("the ACD heard of %s: %v, want %v", agent, got, want)
	}
}

func TestBlindTransferToAnAgent(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.after(10*time.Second, TransferAsked{Leg: 1, Target: toCarol, To: "202", By: "phone", Refer: true})
	s.want("journal transfer.asked", "AnswerTransfer", "UnbridgeLegs", "UntapLeg", "segment ringing", "PlayClip", "DialDevice 202")
	s.dialled("202", "carol")
	s.do(LegProgressed{Leg: 2})
	s.acdOf("bob") // still busy: the phone is in use
	s.after(5*time.Second, LegPickedUp{Leg: 2})
	s.want("NotifyTransfer", "acd.Occupy", "journal transfer.ended", "NotifyTransfer", "acd.CallEnded", "EndLeg 1 normal",
		"StopPlay", "Bridge 0-2", "segment talking", "TapLeg")
	s.never("StopRecording", "StartRecording", "EndLeg 0 normal")
	s.told(202, 180, 200)
	s.acdOf("bob", "wrap-up")
	s.acdOf("carol", "occupy c1")
	s.pair(0, 2)
	s.do(LegGone{Leg: 1, Remote: true}) // the old phone's own BYE
	s.pair(0, 2)
	s.after(7*time.Second, LegGone{Leg: 2, Remote: true, Reason: event.ReasonNormal})
	s.acdOf("carol", "occupy c1", "release")
	end := s.verdict(event.ResultAgent, event.ReasonNormal)
	if end.TalkMs != 17000 || end.Agent != "carol" || s.m.S.Recordings != 1 {
		t.Fatalf("figures: %+v, %d recordings", end, s.m.S.Recordings)
	}
}

func TestReferrerHangsUpAfter202(t *testing.T) {
	s := talking(t)
	s.refer(1, toCarol)
	s.dialled("202", "carol")
	s.do(LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
	s.acdOf("bob", "wrap-up") // free at once, and the transfer goes on
	if s.m.S.Phase != Dialling {
		t.Fatalf("phase %s", s.m.S.Phase)
	}
	s.do(LegPickedUp{Leg: 2})
	s.pair(0, 2)
	s.told(202, 200) // the subscription outlives the call
}

func TestFailedTransferComesBack(t *testing.T) {
	s := talking(t)
	s.do(HoldChanged{1, true}) // phones hold before they transfer
	s.refer(1, toCarol)
	s.dialled("202", "carol")
	s.log = nil
	s.do(LegRefused{Leg: 2, Code: 486, Reason: event.ReasonBusy})
	s.told(202, 486)
	s.pair(0, 1)
	s.want("Play 0 music", "segment hold", "TapLeg") // still on hold as the phone left it
	s.do(HoldChanged{1, false})
	s.want("Bridge 0-1", "segment talking")
	s.acdOf("bob")
	s.do(LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
	s.acdOf("bob", "wrap-up")
}

func TestFailedTransferRingsBack(t *testing.T) {
	s := talking(t)
	s.refer(1, toCarol)
	s.dialled("202", "carol")
	s.do(LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
	s.log = nil
	s.after(defaultRing, TimerFired{TimerRing})
	s.want("EndLeg 2 no answer", "DialDevice 201")
	s.dialled("201", "bob")
	s.do(LegPickedUp{Leg: 3})
	s.pair(0, 3)
	s.acdOf("bob", "wrap-up", "occupy c1")
	s.acdOf("carol")
	s.want("journal transfer.ended", "Bridge 0-3")
}

func TestNobodyTakesItBack(t *testing.T) {
	r := house
	r.defaultTarget = "device:203"
	s := start(t, r, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.dialled("201", "bob")
	s.do(LegPickedUp{Leg: 1})
	s.refer(1, toCarol)
	s.do(LegGone{Leg: 1, Remote: true})
	s.do(DialFailed{Reason: event.ReasonUnreachable})
	s.log = nil
	s.do(DialFailed{Reason: event.ReasonUnreachable}) // the ring-back too
	s.want("journal transfer.ended", "StopRecording", "DialDevice 203")
	s.do(DialFailed{Reason: event.ReasonUnreachable})
	s.want("Play 0 not_available")
	s.do(Played{Leg: 0, ID: ownPlay | s.m.S.PlayID})
	s.verdict(event.ResultUpstream, event.ReasonUnreachable)
}

func TestTargetAnswersWhileReferrerHangsUp(t *testing.T) {
	for _, first := range []string{"answer", "bye"} {
		s := talking(t)
		s.refer(1, toCarol)
		s.dialled("202", "carol")
		if first == "answer" {
			s.do(LegPickedUp{Leg: 2})
			s.do(LegGone{Leg: 1, Remote: true})
		} else {
			s.do(LegGone{Leg: 1, Remote: true})
			s.do(LegPickedUp{Leg: 2})
		}
		s.pair(0, 2)
		s.acdOf("bob", "wrap-up")
		s.acdOf("carol", "occupy c1")
	}
}

func TestAllHangUpDuringTransfer(t *testing.T) {
	s := talking(t)
	s.refer(1, toCarol)
	s.dialled("202", "carol")
	s.log = nil
	s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
	s.want("journal transfer.ended", "EndLeg 2 cancelled", "acd.CallEnded", "EndLeg 1 cancelled")
	s.do(LegGone{Leg: 1, Remote: true})
	s.do(LegPickedUp{Leg: 2}) // too late
	s.never("Bridge 0-2")
	s.verdict(event.ResultCaller, event.ReasonCancelled)
	s.acdOf("bob", "wrap-up")
	s.acdOf("carol")
}

func TestTwoREFERs(t *testing.T) {
	s := talking(t)
	s.refer(1, toCarol)
	s.refer(1, toSupport)
	s.refer(0, toCarol) // the other side, at the same moment
	s.told(202, 491, 491)
	s.dialled("202", "carol")
	s.do(LegPickedUp{Leg: 2})
	s.pair(0, 2)
}

func TestForbiddenTargetChangesNothing(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.do(TransferAsked{Leg: 1, To: "0900", By: "phone", Refer: true, Refuse: 403})
	s.told(403)
	s.never("UnbridgeLegs", "segment ringing")
	s.refer(1, route.Target{Kind: route.Feature, Feature: route.FeatureLogOut}) // nobody logs another out
	s.told(403, 403)
	s.refer(7, toCarol)
	s.told(403, 403, 481)
	s.pair(0, 1)
}

func TestTransferToAQueue(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.refer(1, toSupport)
	s.want("AnswerTransfer", "segment waiting", "acd.Enter", "Play 0 music")
	s.never("NotifyTransfer", "EndLeg 1 normal") // until the queue has taken the caller in
	s.do(FromACD{acd.Joined{CallID: "c1", Queue: "support", Position: 1}})
	s.want("NotifyTransfer", "acd.CallEnded", "EndLeg 1 normal")
	s.do(LegGone{Leg: 1})
	s.after(4*time.Second, FromACD{acd.Offer{OfferID: "o2", CallID: "c1", Queue: "support", Agent: "carol", Device: "202", Deadline: s.now.Add(time.Minute)}})
	s.dialled("202", "carol")
	s.do(LegPickedUp{Leg: 2})
	s.want("acd.OfferAccepted", "Bridge 0-2", "segment talking")
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Outcome: acd.LeftAnswered}})
	s.do(LegGone{Leg: 2, Remote: true, Reason: event.ReasonNormal})
	s.acdOf("bob", "wrap-up")
	s.acdOf("carol", "wrap-up")
	if end := s.verdict(event.ResultAgent, event.ReasonNormal); end.Queue != "support" || end.WaitMs != 10000 {
		t.Fatalf("%+v", end)
	}
}

func TestFullQueueGivesTheCallerBack(t *testing.T) {
	s := talking(t)
	s.refer(1, toSupport)
	s.do(FromACD{acd.Refused{CallID: "c1", Queue: "support", Outcome: acd.LeftFull}})
	s.told(202, 480)
	s.pair(0, 1)
	if s.m.S.AwaitQueue || s.m.S.Queue != "sales" {
		t.Fatalf("%+v", s.m.S)
	}
}

// The end of the old stay comes late and must not end the new one.
func TestTransferToAQueueBeforeTheOldOneIsLeft(t *testing.T) {
	s := start(t, house, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.dialled("201", "bob")
	s.do(LegPickedUp{Leg: 1})
	s.refer(1, toSupport)
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Queue: "sales", Outcome: acd.LeftAnswered}})
	s.do(FromACD{acd.Joined{CallID: "c1", Queue: "support", Position: 1}})
	if s.m.S.Phase != Waiting || !s.m.S.AwaitQueue {
		t.Fatalf("phase %s, awaits the queue: %v", s.m.S.Phase, s.m.S.AwaitQueue)
	}
}

func TestTransferToAFlow(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.refer(1, route.Target{Kind: route.Flow, Name: "missing"})
	s.told(202, 200)
	s.want("acd.CallEnded", "EndLeg 1 normal", "journal flow.failed")
}

// An agent who called out transfers the customer: the customer is kept.
func TestCallerTransfersTheCalled(t *testing.T) {
	s := &score{t: t, now: time.Unix(0, 0)}
	s.m = NewMachine(State{ID: "c1", Direction: event.Outbound, Record: "always", Legs: []Leg{{Device: "201", Agent: "bob"}}}, house)
	s.do(Invited{Target: route.Target{Kind: route.Trunk, Record: "always", Routes: []route.TrunkRoute{{Trunk: "north", Number: "123"}}}})
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
	s.do(LegPickedUp{Leg: 1})
	s.pair(0, 1)
	s.log = nil
	s.refer(0, toCarol)
	s.want("UntapLeg", "PlayClip", "DialDevice 202")
	if s.m.S.Kept != 1 {
		t.Fatalf("kept %d", s.m.S.Kept)
	}
	s.dialled("202", "carol")
	s.do(LegPickedUp{Leg: 2})
	s.pair(1, 2)
	s.acdOf("bob", "occupy c1", "release")
	s.want("EndLeg 0 normal", "Bridge 1-2", "TapLeg")
	if tap := s.last(TapLeg{}).(TapLeg); !tap.Left || tap.Leg != 2 {
		t.Fatalf("the caller's channel is free and carol is put on %+v", tap)
	}
	s.do(LegGone{Leg: 0})
	s.pair(1, 2)
	s.do(LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
	s.acdOf("carol", "occupy c1", "release")
	s.verdict(event.ResultAgent, event.ReasonNormal)
}

func TestCallerTransferFails(t *testing.T) {
	s := &score{t: t, now: time.Unix(0, 0)}
	s.m = NewMachine(State{ID: "c1", Legs: []Leg{{Device: "201", Agent: "bob"}}}, house)
	s.do(Invited{Target: route.Target{Kind: route.Device, Name: "203"}})
	s.dialled("203", "")
	s.do(LegPickedUp{Leg: 1})
	s.refer(0, toCarol)
	s.do(DialFailed{Reason: event.ReasonBusy})
	s.pair(0, 1)
	s.told(202, 486)
}

// last is the newest effect of the type of like.
func (s *score) last(like Effect) Effect {
	s.t.Helper()
	for _, e := range slices.Backward(s.all) {
		if sameType(e, like) {
			return e
		}
	}
	s.t.Fatalf("no %T", like)
	return nil
}

func TestAttendedTransferTakesTheLeg(t *testing.T) {
	s := talking(t)
	s.do(HoldChanged{1, true})
	s.log = nil
	s.do(AttendedAsked{Leg: 1, Call: "c2", SIPCallID: "y", By: "phone", Refer: true})
	s.want("AnswerTransfer", "WantLeg", "SetTimer")
	s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
	s.want("journal leg.transferred", "acd.Occupy", "NotifyTransfer", "acd.CallEnded", "EndLeg 1 normal", "Bridge 0-2", "segment talking", "TapLeg")
	s.never("StopRecording")
	s.told(202, 200)
	s.pair(0, 2)
}

func TestAttendedTransferRaces(t *testing.T) {
	t.Run("the other call is gone", func(t *testing.T) {
		s := talking(t)
		s.do(AttendedAsked{Leg: 1, Call: "c2", Refer: true})
		s.do(LegNotGiven{Call: "c2"})
		s.pair(0, 1)
		s.told(202, 481)
	})
	t.Run("the referrer hangs up before", func(t *testing.T) {
		s := talking(t)
		s.do(AttendedAsked{Leg: 1, Call: "c2", Refer: true})
		s.do(LegGone{Leg: 1, Remote: true})
		s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
		s.pair(0, 2)
		s.acdOf("bob", "wrap-up")
	})
	t.Run("the caller hangs up before", func(t *testing.T) {
		s := talking(t)
		s.do(AttendedAsked{Leg: 1, Call: "c2", Refer: true})
		s.do(LegGone{Leg: 0, Remote: true})
		s.log = nil
		s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
		s.want("acd.Occupy", "acd.Release", "EndLeg 2 cancelled")
		s.verdict(event.ResultCaller, event.ReasonCancelled)
	})
	t.Run("it never comes, then comes", func(t *testing.T) {
		s := talking(t)
		s.do(AttendedAsked{Leg: 1, Call: "c2", Refer: true})
		s.after(joinBound, TimerFired{TimerJoin})
		s.pair(0, 1)
		s.log = nil
		s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
		s.want("EndLeg 2 cancelled")
		s.pair(0, 1)
		s.acdOf("carol", "occupy c1", "release")
	})
	t.Run("both calls want each other", func(t *testing.T) {
		s := talking(t)
		s.do(AttendedAsked{Leg: 1, Call: "c2", Refer: true})
		s.log = nil
		s.do(LegWanted{Call: "c2", Leg: 1, Partner: true})
		s.want("KeepLeg")
		s.never("GiveLeg")
	})
}

func TestCallThatGivesItsLegEndsAsTransferred(t *testing.T) {
	s := talking(t) // bob consults: here leg 1, carol's call would be the caller
	s.log = nil
	s.after(3*time.Second, LegWanted{Call: "c9", Leg: 1, Partner: true})
	s.want("UnbridgeLegs", "StopRecording", "journal leg.transferred", "journal leg.ended", "GiveLeg", "acd.CallEnded", "EndLeg 1 transferred")
	s.never("EndLeg 0 transferred")
	s.do(LegGone{Leg: 1})
	s.do(LegMeasured{Leg: 1})
	s.do(RecordingDone{event.RecordingEnded{Recording: "c1"}})
	end := s.verdict(event.ResultSuccess, event.ReasonTransferred)
	if end.TalkMs != 3000 {
		t.Fatalf("%+v", end)
	}
	s.acdOf("bob", "wrap-up")
}

// The agent who goes over is never idle in between, and is freed of the old call.
func TestGivenAgentStaysBusy(t *testing.T) {
	s := talking(t)
	s.do(LegWanted{Call: "c9", Leg: 0, Partner: true})
	s.acdOf("bob", "occupy c9", "wrap-up")
}

func TestParkAndFetch(t *testing.T) {
	s := talking(t)
	s.do(HoldChanged{1, true})
	s.log = nil
	s.refer(1, toPark)
	s.want("AnswerTransfer", "TakeSlot")
	s.do(SlotTaken{"07"})
	s.want("segment hold", "Play 0 music", "NotifyTransfer", "acd.CallEnded", "EndLeg 1 normal")
	if n := s.last(NotifyTransfer{}).(NotifyTransfer); n.Reason != "Parked in 07" {
		t.Fatalf("%+v", n)
	}
	s.do(LegGone{Leg: 1})
	s.after(20*time.Second, JoinAsked{Call: "c2", Kind: joinUnpark, Leg: -1})
	s.want("WantLeg")
	s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
	s.want("FreeSlot", "Bridge 0-2", "segment talking", "TapLeg")
	s.pair(0, 2)
	s.do(JoinAsked{Call: "c3", Kind: joinUnpark, Leg: -1}) // too late
	s.want("RefuseJoin")
	s.acdOf("bob", "wrap-up")
	s.do(LegGone{Leg: 2, Remote: true, Reason: event.ReasonNormal})
	if s.verdict(event.ResultAgent, event.ReasonNormal).HoldMs != 20000 {
		t.Fatal("waiting in the slot is hold")
	}
}

// By API the parker is told the slot by voice before the phone is hung up.
func TestParkerHearsTheSlot(t *testing.T) {
	s := talking(t)
	s.do(TransferAsked{Leg: 1, Target: toPark, By: "api"})
	s.log = nil
	s.do(SlotTaken{"07"})
	s.want("Play 0 music", "Play 1 number_0")
	s.never("EndLeg 1 normal")
	s.do(Played{Leg: 1, ID: ownPlay | s.m.S.PlayID})
	s.want("EndLeg 1 normal")
	s.after(parkFor, TimerFired{TimerPark})
	s.want("FreeSlot", "segment ringing", "DialDevice 201")
	s.dialled("201", "bob")
	s.do(LegPickedUp{Leg: 2})
	s.pair(0, 2)
}

func TestParkTimeOfTheTenant(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{{0, parkFor}, {90 * time.Second, 90 * time.Second}} {
		h := house
		h.parkTime = c.set
		s := start(t, h, route.Target{Kind: route.Device, Name: "201"})
		s.do(DialStarted{Legs: []LegInfo{{Device: "201"}}})
		s.do(LegPickedUp{Leg: 1})
		s.refer(1, toPark)
		s.do(SlotTaken{"01"})
		var got time.Duration
		for _, e := range s.all {
			if timer, ok := e.(SetTimer); ok && timer.Timer == TimerPark {
				got = timer.After
			}
		}
		if got != c.want {
			t.Errorf("park_time %v: rings after %v", c.set, got)
		}
	}
}

func TestAllSlotsTaken(t *testing.T) {
	s := talking(t)
	s.refer(1, toPark)
	s.do(SlotTaken{""})
	s.told(202, 486)
	s.pair(0, 1)
}

func TestParkedCallerHangsUp(t *testing.T) {
	s := talking(t)
	s.refer(1, toPark)
	s.do(SlotTaken{"01"})
	s.log = nil
	s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
	s.want("FreeSlot")
	s.verdict(event.ResultCaller, event.ReasonNormal)
}

func TestPickUpOfAnOfferedCall(t *testing.T) {
	s := start(t, house, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.dialled("201", "bob")
	s.do(LegProgressed{Leg: 1})
	s.log = nil
	s.do(JoinAsked{Call: "c2", Kind: joinPickUp, Device: "209", Leg: -1})
	s.want("RefuseJoin") // nothing rings there
	s.do(JoinAsked{Call: "c2", Kind: joinPickUp, Device: "201", Leg: -1})
	s.want("WantLeg")
	s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
	s.want("acd.Occupy", "acd.Leave", "EndLeg 1 answered elsewhere", "Bridge 0-2", "segment talking", "StartRecording")
	s.do(FromACD{acd.WithdrawOffer{OfferID: "o1", CallID: "c1", Agent: "bob", Why: acd.CauseCallerLeft}})
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Outcome: acd.LeftAnswered}})
	s.pair(0, 2)
	s.acdOf("bob")
	s.do(LegGone{Leg: 2, Remote: true, Reason: event.ReasonNormal})
	s.acdOf("carol", "occupy c1", "release")
	s.verdict(event.ResultAgent, event.ReasonNormal)
}

func TestPickUpLosesAgainstTheRingingPhone(t *testing.T) {
	s := start(t, house, route.Target{Kind: route.Device, Name: "201"})
	s.dialled("201", "bob")
	s.do(LegProgressed{Leg: 1})
	s.do(JoinAsked{Call: "c2", Kind: joinPickUp, Device: "201", Leg: -1})
	s.do(LegPickedUp{Leg: 1})
	s.log = nil
	s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
	s.want("EndLeg 2 answered elsewhere")
	s.pair(0, 1)
	s.acdOf("carol", "occupy c1", "release")
}

func TestPickingUpNothing(t *testing.T) {
	s := &score{t: t, now: time.Unix(0, 0)}
	s.m = NewMachine(State{ID: "c1", Legs: []Leg{{Device: "202", Agent: "carol"}}}, house)
	s.do(Invited{Target: route.Target{Kind: route.Feature, Feature: route.FeaturePickUp, Arg: "201"}})
	s.want("acd.Occupy", "AnswerCaller", "AskJoin")
	s.do(JoinRefused{})
	s.want("Play 0 not_available")
	s.do(Played{Leg: 0, ID: ownPlay | s.m.S.PlayID})
	s.want("acd.Release")
	s.verdict(event.ResultCaller, event.ReasonNotFound)
}

func TestPhoneTakesAnothersPlace(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.do(JoinAsked{Call: "c2", Kind: featureReplaces, Leg: 1})
	s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "204", Agent: "bob"}}) // bob's other phone
	s.want("WantLeg", "UnbridgeLegs", "EndLeg 1 answered elsewhere", "Bridge 0-2", "TapLeg")
	s.pair(0, 2)
	s.acdOf("bob") // one person, busy all along
	s.do(LegGone{Leg: 2, Remote: true, Reason: event.ReasonNormal})
	s.acdOf("bob", "wrap-up")
}

func TestConferenceOfThree(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.do(ThirdAsked{Leg: 1, Target: toCarol, To: "202", By: "api"})
	s.want("AnswerTransfer", "DialDevice 202")
	s.never("UnbridgeLegs", "segment ringing") // they talk on meanwhile
	s.dialled("202", "carol")
	s.do(LegProgressed{Leg: 2, Early: true})
	s.never("Bridge 0-2")
	s.do(LegPickedUp{Leg: 2})
	s.want("acd.Occupy", "UnbridgeLegs", "Confer", "segment talking")
	if c := s.last(Confer{}).(Confer); !slices.Equal(c.Legs, []int{0, 1, 2}) {
		t.Fatalf("%v", c.Legs)
	}
	s.do(HoldChanged{2, true})
	if c := s.last(Confer{}).(Confer); !slices.Equal(c.Legs, []int{0, 1}) {
		t.Fatalf("%v", c.Legs)
	}
	s.do(HoldChanged{2, false})
	s.log = nil
	s.do(LegGone{Leg: 1, Remote: true}) // the agent leaves, carol goes on with the caller
	s.want("acd.CallEnded", "UntapLeg", "Confer", "TapLeg", "Bridge 0-2", "segment talking")
	s.pair(0, 2)
	s.acdOf("bob", "wrap-up")
	s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
	s.verdict(event.ResultCaller, event.ReasonNormal)
	s.acdOf("carol", "occupy c1", "release")
}

func TestCallerLeavesTheConference(t *testing.T) {
	s := talking(t)
	s.do(ThirdAsked{Leg: 1, Target: toCarol})
	s.dialled("202", "carol")
	s.do(LegPickedUp{Leg: 2})
	s.do(LegGone{Leg: 0, Remote: true})
	s.pair(1, 2)
	if tap := s.last(TapLeg{}).(TapLeg); tap.Leg != 2 || !tap.Left || !s.m.S.KeptRight {
		t.Fatalf("bob stays right, carol goes where the caller was: %+v", tap)
	}
	s.do(LegGone{Leg: 2, Remote: true, Reason: event.ReasonNormal})
	s.verdict(event.ResultAgent, event.ReasonNormal)
}

func TestThirdDoesNotAnswer(t *testing.T) {
	s := talking(t)
	s.do(ThirdAsked{Leg: 1, Target: toCarol})
	s.dialled("202", "carol")
	s.log = nil
	s.after(defaultRing, TimerFired{TimerRing})
	s.want("EndLeg 2 no answer", "journal transfer.ended")
	s.never("UnbridgeLegs", "StopPlay")
	s.pair(0, 1)
	s.do(ThirdAsked{Leg: 1, Target: toSupport})
	s.told(202, 403)
}

func TestEverybodyLeavesWhileTheThirdRings(t *testing.T) {
	s := talking(t)
	s.do(ThirdAsked{Leg: 1, Target: toCarol})
	s.dialled("202", "carol")
	s.log = nil
	s.do(LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
	s.want("EndLeg 2 cancelled", "EndLeg 0 normal")
	s.verdict(event.ResultAgent, event.ReasonNormal)
	s.acdOf("carol")
}

func TestHoldByAPIBesideThePhones(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.do(HoldAsked{Leg: 1, On: true, By: "api"})
	s.want("journal hold.asked", "UnbridgeLegs", "Play 0 music", "segment hold")
	s.do(HoldChanged{1, true})
	s.do(HoldAsked{Leg: 1, On: false, By: "api"})
	s.never("Bridge 0-1") // the phone holds still
	s.do(HoldChanged{1, false})
	s.want("Bridge 0-1", "segment talking")
	s.do(HoldAsked{Leg: 5, On: true})
	s.told(202, 202, 409)
}

func TestSilentReferrerIsNoFault(t *testing.T) {
	s := talking(t)
	s.refer(1, toCarol)
	s.dialled("202", "carol")
	s.do(SilentLeg{1}) // on hold since its REFER
	if s.m.S.Phase != Dialling {
		t.Fatal("the transfer was cut for the referrer's silence")
	}
}

func TestTransferWhileTheConsultationRings(t *testing.T) {
	s := talking(t)
	s.do(AttendedAsked{Leg: 1, Call: "c2", Refer: true})
	s.log = nil
	s.do(LegNotGiven{Call: "c2", Instead: toCarol})
	s.want("segment ringing", "DialDevice 202")
	s.dialled("202", "carol")
	s.do(LegPickedUp{Leg: 2})
	s.pair(0, 2)
	s.told(202, 200)

	other := start(t, house, route.Target{Kind: route.Device, Name: "202"}) // bob's own call to carol
	other.dialled("202", "carol")
	other.do(LegProgressed{Leg: 1})
	other.log = nil
	other.do(LegWanted{Call: "c1", Leg: 0, Partner: true})
	other.want("KeepLeg", "EndLeg 1 cancelled", "Reject 487")
	if k := other.last(KeepLeg{}).(KeepLeg); k.Instead != "1000" {
		t.Fatalf("%+v", k)
	}
	other.verdict(event.ResultSuccess, event.ReasonTransferred)
}

func TestCodesInTheConversation(t *testing.T) {
	r := house
	r.inCall = map[string]string{"*3": "conference", "*2": "transfer"}
	s := start(t, r, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.dialled("201", "bob")
	s.do(LegPickedUp{Leg: 1})
	press := func(leg int, keys string) []AskTarget {
		var got []AskTarget
		for _, k := range keys {
			n := len(s.all)
			s.after(300*time.Millisecond, Key{leg, byte(k), "rfc4733"})
			for _, e := range s.all[n:] {
				if a, ok := e.(AskTarget); ok {
					got = append(got, a)
				}
			}
		}
		return got
	}
	for _, row := range []struct {
		leg  int
		keys string
		want []AskTarget
	}{
		{1, "*3202#", []AskTarget{{1, "conference", "202"}}},
		{1, "12*2*2203#", []AskTarget{{1, "transfer", "203"}}}, // thought better of it
		{1, "*3#", nil},
		{1, "*4202#", nil},
		{0, "*3202#", nil}, // a line from outside has no codes
	} {
		if got := press(row.leg, row.keys); !slices.Equal(got, row.want) {
			t.Errorf("leg %d presses %s: %v", row.leg, row.keys, got)
		}
	}
	press(1, "*32")
	s.now = s.now.Add(time.Minute)
	if got := press(1, "02#"); got != nil {
		t.Errorf("a minute later: %v", got)
	}
}

// The parker holds the caller, dials the code, and hears the slot in that call.
func TestParkByDialling(t *testing.T) {
	s := talking(t)
	s.do(HoldChanged{1, true})
	s.do(TransferAsked{Leg: 1, Target: toPark, By: "phone", Tell: "c2"})
	s.log = nil
	s.do(SlotTaken{"12"})
	s.want("TellSlot", "segment hold", "Play 0 music", "EndLeg 1 normal")

	p := &score{t: t, now: time.Unix(0, 0)}
	p.m = NewMachine(State{ID: "c2", Legs: []Leg{{Device: "201", Agent: "bob"}}}, house)
	p.do(Invited{Target: toPark})
	p.want("AnswerCaller", "ParkOther")
	p.do(Spoken{"12"})
	p.want("Play 0 number_1")
	p.do(Spoken{"13"}) // once
	p.never("Play 0 number_1")
	p.do(Played{Leg: 0, ID: ownPlay | p.m.S.PlayID})
	p.verdict(event.ResultSuccess, event.ReasonNormal)
}
