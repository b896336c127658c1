package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// journalled are the bodies of a kind that the call has written.
func journalled[B event.Body](s *score) (out []B) {
	for _, e := range s.all {
		if j, ok := e.(Journal); ok {
			if b, ok := j.Body.(B); ok {
				out = append(out, b)
			}
		}
	}
	return out
}

// A page that is loaded anew: the caller hears comfort, the agent stays on the call,
// the segment and the recording go on, and the new page takes the leg over.
func TestPageComesBack(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.after(5*time.Second, LegAway{1})
	s.want("journal leg.away", "UnbridgeLegs", "Play 0 please_wait")
	s.after(time.Second, LegAway{1}) // told again
	s.after(time.Second, SilentLeg{1})
	s.never("Play 0 please_wait", "segment hold", "UntapLeg", "StopRecording", "acd.CallEnded", "EndLeg 1 media_timeout")
	s.log = nil
	s.do(LegBack{Leg: 1, SIPCallID: "new@page"})
	s.want("journal leg.back", "StopTimer", "StopPlay", "StopPlay", "Bridge 0-1")
	s.never("segment talking", "TapLeg", "StartRecording")
	s.acdOf("bob")
	s.pair(0, 1)
	if b := journalled[event.LegBack](s); len(b) != 1 || b[0] != (event.LegBack{Leg: 1, Device: "201", Agent: "bob", AwayMs: 2000, SIPCallID: "new@page"}) {
		t.Errorf("%+v", b)
	}
	s.after(time.Hour, TimerFired{TimerResume}) // late
	s.pair(0, 1)
	s.after(time.Second, LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
	if end := s.verdict(event.ResultAgent, event.ReasonNormal); end.HoldMs != 0 || end.TalkMs != (time.Hour+8*time.Second).Milliseconds() {
		t.Errorf("figures %+v", end)
	}
}

// A reload that is quicker than anybody notices, and a network that comes back by itself.
func TestPageBackBeforeItIsMissed(t *testing.T) {
	s := talking(t)
	s.log = nil
	s.after(time.Second, LegBack{Leg: 1})
	s.never("journal leg.back", "Bridge 0-1")
	s.do(LegBack{Leg: 1, SIPCallID: "x"})
	s.want("journal leg.back", "Bridge 0-1") // the codec may be another
	s.after(time.Second, LegAway{1})
	s.want("Play 0 please_wait")
	s.do(LegBack{Leg: 1})
	s.want("journal leg.back", "Bridge 0-1")
}

// Who does not come back in time has lost the call: the caller goes to the head of the
// queue with the wait so far, keeps the recording, and the agent is not ready.
func TestPageLostForGood(t *testing.T) {
	s := talking(t)
	entered := s.entered()
	s.after(5*time.Second, LegAway{1})
	if set := s.last(SetTimer{}).(SetTimer); set != (SetTimer{TimerResume, resumeWithin}) {
		t.Fatalf("%+v", set)
	}
	s.log = nil
	s.after(resumeWithin-time.Second, TimerFired{TimerResume}) // another leg's
	s.pair(0, 1)
	s.after(time.Second, TimerFired{TimerResume})
	s.want("UnbridgeLegs", "UntapLeg", "acd.SetNotReady", "acd.CallEnded", "EndLeg 1 media_timeout", "StopPlay", "segment waiting", "acd.Enter", "Play 0 music")
	s.never("StopRecording", "EndLeg 0 media_timeout")
	e := s.entered()
	if e.Front != acd.FrontAgentLost || e.Queue != "sales" || e.Priority != entered.Priority || !e.ArrivedAt.Equal(entered.ArrivedAt) {
		t.Errorf("%+v", e)
	}
	s.do(LegGone{Leg: 1, Reason: event.ReasonSignalLost})
	s.do(LegBack{Leg: 1, SIPCallID: "late"})
	s.after(time.Second, offer("o2", "carol", "202", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "202", Agent: "carol"}}})
	s.do(LegPickedUp{Leg: 2})
	s.want("acd.OfferAccepted", "Bridge 0-2", "segment talking", "TapLeg")
	s.pair(0, 2)
	// A second stay in the queue is in turn again.
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Outcome: acd.LeftAnswered}})
	s.after(time.Second, TransferAsked{Leg: 2, Target: toSales, To: "1000", By: "api"})
	if e := s.entered(); e.Front != "" {
		t.Errorf("%+v", e)
	}
}

// On hold too: the caller hears comfort in place of the hold's music, and goes on
// hearing that music when the page is back.
func TestPageLostOnHold(t *testing.T) {
	s := talking(t)
	s.after(time.Second, HoldAsked{Leg: 1, On: true, By: "api"})
	s.want("Play 0 music", "segment hold")
	s.after(time.Second, LegAway{1})
	s.want("Play 0 please_wait")
	s.after(time.Second, LegBack{Leg: 1, SIPCallID: "x"})
	s.want("Play 0 music")
	s.never("Bridge 0-1", "segment talking")
	s.log = nil
	// The hold ends while the page is away: nobody is there to talk to yet.
	s.after(time.Second, LegAway{1})
	s.do(HoldAsked{Leg: 1, On: false, By: "api"})
	s.never("Bridge 0-1")
	s.log = nil
	s.after(time.Second, LegBack{Leg: 1, SIPCallID: "y"})
	s.want("Bridge 0-1", "segment talking")
}

// A page may be lost while others talk on, while the caller holds, and twice.
func TestPageLostAmongThree(t *testing.T) {
	s := talking(t)
	s.do(ThirdAsked{Leg: 1, Target: toCarol, To: "202", By: "api"})
	s.dialled("202", "carol")
	s.do(LegPickedUp{Leg: 2})
	s.log = nil
	s.after(time.Second, LegAway{1})
	if c := s.last(Confer{}).(Confer); len(c.Legs) != 2 || c.Legs[0] != 0 || c.Legs[1] != 2 {
		t.Fatalf("%+v", c)
	}
	s.never("Play 0 please_wait", "Play 2 please_wait")
	s.after(5*time.Second, LegAway{2})
	s.want("Play 0 please_wait")
	s.after(resumeWithin-5*time.Second, TimerFired{TimerResume})
	s.pair(0, 2) // the first has lost it; the second still may come
	if set := s.last(SetTimer{}).(SetTimer); set != (SetTimer{TimerResume, 5 * time.Second}) {
		t.Fatalf("%+v", set)
	}
	s.after(5*time.Second, TimerFired{TimerResume})
	if s.m.S.Phase != Waiting {
		t.Fatalf("%s", s.m.S.Phase)
	}
}

// Where the tenant wants none of it, and for who is no phone of the house, nothing
// changes: silence ends the call.
func TestNotResumed(t *testing.T) {
	off := house
	off.resume = -1
	s := start(t, off, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegPickedUp{Leg: 1})
	s.do(LegAway{1})
	s.never("journal leg.away")
	s.do(SilentLeg{1})
	s.verdict(event.ResultUpstream, event.ReasonMediaTimeout)

	s = talking(t)
	s.do(LegAway{0}) // a trunk's
	s.do(LegAway{7})
	s.never("journal leg.away")

	// Without a queue there is nowhere to go back to.
	s = talking(t)
	s.m.S.Queue = ""
	s.do(LegAway{1})
	s.after(resumeWithin, TimerFired{TimerResume})
	s.verdict(event.ResultUpstream, event.ReasonMediaTimeout)
}
