package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

var toConference = route.Target{Kind: route.Feature, Feature: route.FeatureConference}

// conferring is a phone (201, bob) that has dialled the conference.
func conferring(t *testing.T) *score {
	s := start(t, house, toConference)
	s.m.S.Legs[0].Device, s.m.S.Legs[0].Agent = "201", "bob"
	s.want("AnswerCaller", "Play 0 music")
	s.do(AnswerSent{})
	return s
}

func notified(s *score) []int {
	var out []int
	for _, e := range s.all {
		if n, ok := e.(NotifyTransfer); ok {
			out = append(out, n.Code)
		}
	}
	return out
}

func codes(s *score) []int {
	var out []int
	for _, e := range s.all {
		if n, ok := e.(AnswerTransfer); ok {
			out = append(out, n.Code)
		}
	}
	return out
}

// TestConferenceByReplaces: REFER with Replaces in the conference's dialog.
func TestConferenceByReplaces(t *testing.T) {
	s := conferring(t)
	ask := func(call string) {
		s.do(ConferAsked{Leg: 0, Call: call, SIPCallID: "x@" + call, To: "202", By: "phone", Refer: true})
	}
	ask("c2")
	s.want("journal transfer.asked", "AnswerTransfer", "WantLeg")
	ask("c3") // one at a time
	s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
	s.want("journal leg.transferred", "NotifyTransfer", "StopPlay", "Bridge 0-1", "segment talking")
	ask("c3")
	s.do(LegGiven{Call: "c3", Leg: LegInfo{Trunk: "north", Number: "0722"}})
	s.want("NotifyTransfer", "UnbridgeLegs", "Confer")
	if got := codes(s); len(got) != 3 || got[0] != 202 || got[1] != 491 || got[2] != 202 {
		t.Errorf("answers %v", got)
	}
	if got := notified(s); len(got) != 2 || got[0] != 200 || got[1] != 200 {
		t.Errorf("notified %v", got)
	}
	// The phone that made it leaves; the others go on, and then one.
	s.after(time.Second, LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
	s.want("Bridge 1-2")
	s.after(time.Second, LegGone{Leg: 2, Remote: true, Reason: event.ReasonNormal})
	s.want("EndLeg 1 normal")
	s.close()
}

func TestConferenceAlone(t *testing.T) {
	s := conferring(t)
	s.do(Played{Leg: 0, ID: ownPlay | s.m.S.PlayID}) // a music that ends does not end it
	s.do(ConferAsked{Leg: 0, Call: "c2", Refer: true, Refuse: 404})
	s.never("WantLeg")
	s.do(ConferAsked{Leg: 0, Call: "c2", SIPCallID: "x", Refer: true})
	s.do(LegNotGiven{Call: "c2"})
	if got := notified(s); len(got) != 1 || got[0] != 480 || s.m.S.Phase != Feature {
		t.Errorf("%v in %v", got, s.m.S.Phase)
	}
	// REFER to somebody who is in no call: rung, busy, rung, and answers.
	third := ThirdAsked{Leg: 0, Target: route.Target{Kind: route.Device, Name: "202"}, To: "202", By: "phone", Refer: true}
	s.do(third)
	s.want("DialDevice 202")
	s.do(DialStarted{Legs: []LegInfo{{Device: "202"}}})
	s.do(LegRefused{Leg: 1, Code: 486, Reason: event.ReasonBusy})
	s.do(third)
	s.do(DialStarted{Legs: []LegInfo{{Device: "202"}}})
	s.after(defaultRing, TimerFired{TimerRing})
	s.want("EndLeg 2 no answer")
	s.do(third)
	s.do(DialStarted{Legs: []LegInfo{{Device: "202"}}})
	s.do(LegPickedUp{Leg: 3})
	s.want("Bridge 0-3")
	if got := notified(s); len(got) != 4 || got[1] != 486 || got[2] != 480 || got[3] != 200 {
		t.Errorf("%v", got)
	}
	s.do(LegGone{Leg: 0, Remote: true})
	s.close()
	// Hung up while it rings.
	s = conferring(t)
	s.do(third)
	s.do(DialStarted{Legs: []LegInfo{{Device: "202"}}})
	s.do(LegGone{Leg: 0, Remote: true})
	s.want("EndLeg 1 cancelled")
	s.close()
}

// TestReferToTheConference: REFER in the dialog of the other call, Refer-To the
// conference.
func TestReferToTheConference(t *testing.T) {
	refer := TransferAsked{Leg: 1, Target: toConference, To: "*71", By: "phone", Refer: true}
	s := talking(t)
	s.do(refer)
	s.want("AnswerTransfer", "AskConference")
	s.do(LegWanted{Leg: 1, Call: "c9", Partner: true})
	s.want("NotifyTransfer", "StopRecording", "GiveLeg", "EndLeg 1 transferred")
	if got := notified(s); len(got) != 1 || got[0] != 200 {
		t.Errorf("%v", got)
	}
	// There is none: nothing changes.
	s = talking(t)
	s.do(refer)
	s.log = nil
	s.do(JoinRefused{})
	s.want("NotifyTransfer")
	s.never("UnbridgeLegs")
	if got := notified(s); len(got) != 1 || got[0] != 480 || s.m.S.Phase != Talking {
		t.Errorf("%v", got)
	}
	s.do(refer)
	s.do(refer) // while the first is on its way
	s.do(TimerFired{TimerJoin})
	if got := codes(s); len(got) != 3 || got[1] != 202 || got[2] != 491 {
		t.Errorf("%v", got)
	}
}

func TestConferAskedOfAnOrdinaryCall(t *testing.T) {
	s := talking(t)
	s.do(ConferAsked{Leg: 1, Call: "c2", SIPCallID: "x", Refer: true})
	s.never("WantLeg")
	if got := codes(s); len(got) != 1 || got[0] != 480 {
		t.Errorf("%v", got)
	}
}

// A leg outside that must end takes the call with it, unless others go on.
func TestCutLeg(t *testing.T) {
	s := talking(t)
	s.do(CutLeg{Leg: 1, Reason: event.ReasonLimit})
	s.want("StopRecording", "EndLeg 0 limit", "EndLeg 1 limit")
	s.do(CutLeg{Leg: 1, Reason: event.ReasonLimit}) // and once more
	s.verdict(event.ResultOurs, event.ReasonLimit)
	// Said before: to the phone of the house alone, and not while it holds.
	s = talking(t)
	s.log = nil
	s.do(CutSoon{Leg: 0})
	s.want("PlayClip")
	if p := s.last(PlayClip{}).(PlayClip); p.Leg != 1 {
		t.Errorf("%+v", p)
	}
	s.do(CutSoon{Leg: 1}) // the caller is no phone of ours
	s.do(HoldChanged{1, true})
	s.do(CutSoon{Leg: 0})
	s.never("PlayClip")
	s = talking(t)
	s.do(ThirdAsked{Leg: 1, Target: twoTrunks, By: "api"})
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
	s.do(CutLeg{Leg: 2, Reason: event.ReasonLimit}) // it rings: costs nothing
	s.never("EndLeg 2 limit")
	s.do(LegPickedUp{Leg: 2})
	s.log = nil
	s.do(CutLeg{Leg: 2, Reason: event.ReasonLimit})
	s.want("EndLeg 2 limit", "Bridge 0-1")
	s.never("EndLeg 0 limit")
}

// TestMergeByAPI: the partner in another call of the phone comes into a plain
// conversation, whose own partner waited on hold meanwhile.
func TestMergeByAPI(t *testing.T) {
	s := talking(t)
	s.do(ConferAsked{Leg: 1, Call: "c2", SIPCallID: "y", By: "phone", Refer: true}) // by REFER only a conference takes it
	s.do(HoldAsked{Leg: 1, On: true, By: "bob"})
	s.log = nil
	s.do(ConferAsked{Leg: 1, Call: "c2", SIPCallID: "y", By: "bob"})
	s.want("AnswerTransfer", "WantLeg", "SetTimer")
	s.do(LegGiven{Call: "c2", Leg: LegInfo{Device: "202", Agent: "carol"}})
	s.want("journal hold.asked", "Confer")
	if got := codes(s); len(got) != 3 || got[0] != 480 || got[2] != 202 {
		t.Errorf("answers %v", got)
	}
	if s.m.holds(1) || len(s.m.talkers()) != 3 {
		t.Errorf("on hold %v, talk %v", s.m.holds(1), s.m.talkers())
	}
	// The one who brought them together leaves; the others talk on.
	s.log = nil
	s.do(LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
	s.want("Bridge 0-2")
	s.close()
}

// TestMergeRefused: the hold stays when the other call parts with nobody.
func TestMergeRefused(t *testing.T) {
	s := talking(t)
	s.do(HoldAsked{Leg: 1, On: true, By: "bob"})
	s.do(ConferAsked{Leg: 1, Call: "c2", SIPCallID: "y", By: "bob"})
	s.do(LegNotGiven{Call: "c2"})
	if !s.m.holds(1) || len(s.m.talkers()) != 2 {
		t.Errorf("on hold %v, talk %v", s.m.holds(1), s.m.talkers())
	}
	s.do(ConferAsked{Leg: 1, Call: "gone", By: "bob", Refuse: 404})
	if got := codes(s); got[len(got)-1] != 404 {
		t.Errorf("answers %v", got)
	}
}
