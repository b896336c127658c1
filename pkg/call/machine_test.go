package call

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
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

// rules is a small house for tests.
type rules struct {
	announce      []string
	flows         map[string]*flow.Flow
	record        map[string]resource.Record
	agents        map[string]string
	defaultTarget string
	inCall        map[string]string
	parkTime      time.Duration
	brief         string
	keys          map[byte]string
	callback      Callback
	voicemail     *Voicemails
	survey        string
	resume        time.Duration // 0 = the default
}

func (r rules) Flow(n string) *flow.Flow             { return r.flows[n] }
func (r rules) FlowInput(in ivr.Input) ivr.Input     { return in }
func (r rules) QueueRecord(q string) resource.Record { return r.record[q] }
func (r rules) QueueMusic(string) string             { return "" }
func (r rules) QueueSurvey(string) string            { return r.survey }
func (r rules) AgentOf(d string) string              { return r.agents[d] }
func (r rules) InCallCodes() map[string]string       { return r.inCall }
func (r rules) Parking() (time.Duration, int)        { return r.parkTime, 0 }
func (r rules) Resume() (time.Duration, string) {
	return cmp.Or(r.resume, resumeWithin), resumePrompt
}
func (r rules) DefaultTarget() string { return r.defaultTarget }
func (r rules) AgentAnnouncement(string) (string, time.Duration) {
	return r.brief, time.Second
}
func (r rules) QueueKeys(string) map[byte]string { return r.keys }
func (r rules) QueueCallback(string) Callback    { return r.callback }
func (r rules) MayCallBack(_, number string) (string, bool) {
	return number, len(number) >= 4 && !strings.HasPrefix(number, "0900")
}
func (r rules) Voicemail() *Voicemails { return r.voicemail }
func (r rules) MaySupervise(user, mode, queue string) bool {
	return user == "eve" || user == "quinn" && mode == ModeMonitor && queue == "sales"
}

var house = rules{
	record: map[string]resource.Record{"sales": resource.RecordAlways},
	agents: map[string]string{"201": "bob", "202": "carol", "204": "bob"},
}

// score plays one call on virtual time.
type score struct {
	t   *testing.T
	m   *Machine
	now time.Time
	log []string // effects since the last want, by name
	all []Effect
}

func start(t *testing.T, r rules, target route.Target) *score {
	t.Helper()
	s := &score{t: t, now: time.Date(2026, 3, 29, 0, 59, 58, 0, time.UTC)} // the clocks change in the middle
	s.m = NewMachine(State{ID: "c1", Tenant: "default", Direction: event.Inbound, From: "0700", Dialled: "1000", Language: "en", Legs: []Leg{{Trunk: "north"}}}, r)
	s.do(Invited{Target: target, SIPCallID: "x@y"})
	return s
}

func (s *score) do(ev Event) {
	s.t.Helper()
	if a := s.m.S.Attempt; a != nil { // as the owner answers: the offer asked for first
		for _, o := range a.Offers {
			if d, ok := ev.(DialStarted); ok && o.Pending && d.Offer == "" {
				d.Offer = o.OfferID
				ev = d
			}
			if d, ok := ev.(DialFailed); ok && o.Pending && d.Offer == "" {
				d.Offer = o.OfferID
				ev = d
			}
		}
	}
	for _, e := range s.m.Step(s.now, ev) {
		s.all = append(s.all, e)
		s.log = append(s.log, describe(e))
	}
}

func (s *score) after(d time.Duration, ev Event) { s.now = s.now.Add(d); s.do(ev) }

// describe names an effect and the part of it that scores care about.
func describe(e Effect) string {
	switch e := e.(type) {
	case TellACD:
		return "acd." + reflect.TypeOf(e.Event).Name()
	case Journal:
		if seg, ok := e.Body.(event.SegmentStarted); ok {
			return "segment " + string(seg.Segment)
		}
		return "journal " + e.Body.Kind()
	case EndLeg:
		return fmt.Sprintf("EndLeg %d %s", e.Leg, e.Reason)
	case PlayPhrases:
		return fmt.Sprintf("Play %d %s", e.Leg, e.Phrases[0].Name)
	case RejectCaller:
		return fmt.Sprintf("Reject %d", e.Code)
	case BridgeLegs:
		return fmt.Sprintf("Bridge %d-%d", e.A, e.B)
	case DialDevice:
		return "DialDevice " + e.Device
	case DialTrunk:
		return "DialTrunk " + e.Trunk + " " + e.Number
	}
	return reflect.TypeOf(e).Name()
}

// want checks that the effects so far hold these, in this order, and forgets them.
func (s *score) want(names ...string) {
	s.t.Helper()
	at := 0
	for _, e := range s.log {
		if at < len(names) && e == names[at] {
			at++
		}
	}
	if at < len(names) {
		s.t.Fatalf("missing %q (in order) in:\n  %s", names[at], strings.Join(s.log, "\n  "))
	}
	s.log = nil
}

// sameType compares effects by their kind.
func sameType(a, b Effect) bool { return reflect.TypeOf(a) == reflect.TypeOf(b) }

func (s *score) never(names ...string) {
	s.t.Helper()
	for _, n := range names {
		if slices.Contains(s.log, n) {
			s.t.Fatalf("%q must not happen:\n  %s", n, strings.Join(s.log, "\n  "))
		}
	}
}

// close lets every leg, the queue and the recording end, and returns the verdict.
func (s *score) close() event.CallEnded {
	s.t.Helper()
	for i := range s.m.S.Legs {
		s.do(LegGone{Leg: i, Reason: event.ReasonNormal})
		s.do(LegMeasured{Leg: i})
	}
	if s.m.S.AwaitQueue {
		s.do(FromACD{acd.LeftQueue{CallID: "c1", Outcome: acd.LeftAbandoned}})
	}
	if s.m.S.AwaitRecording {
		s.do(RecordingDone{event.RecordingEnded{Recording: "c1"}})
	}
	if s.m.S.Phase != Ended {
		s.t.Fatalf("call did not end: %+v", s.m.S)
	}
	for _, e := range slices.Backward(s.all) {
		if j, ok := e.(Journal); ok {
			if end, ok := j.Body.(event.CallEnded); ok {
				return end
			}
		}
	}
	s.t.Fatal("no call.ended in the journal")
	return event.CallEnded{}
}

func (s *score) verdict(r event.Result, why event.Reason) event.CallEnded {
	s.t.Helper()
	end := s.close()
	if end.Result != r || end.Reason != why {
		s.t.Fatalf("verdict %s/%s, want %s/%s", end.Result, end.Reason, r, why)
	}
	return end
}

var toSales = route.Target{Kind: route.Queue, Name: "sales"}

func offer(id, agent, device string, s *score) FromACD {
	return FromACD{acd.Offer{OfferID: id, CallID: "c1", Queue: "sales", Agent: agent, Device: device, Deadline: s.now.Add(20 * time.Second)}}
}

// talking brings a call through the queue to a conversation with bob on leg 1.
func talking(t *testing.T) *score {
	s := start(t, house, toSales)
	s.want("AnswerCaller", "segment waiting", "acd.Enter", "Play 0 music")
	s.after(3*time.Second, offer("o1", "bob", "201", s))
	s.want("DialDevice 201")
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.after(time.Second, LegProgressed{Leg: 1})
	s.want("acd.OfferRinging")
	s.after(2*time.Second, LegPickedUp{Leg: 1})
	s.want("acd.OfferAccepted", "Bridge 0-1", "segment talking", "StartRecording")
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Outcome: acd.LeftAnswered}})
	return s
}

func TestQueueCallTalksAndAgentHangsUp(t *testing.T) {
	s := talking(t)
	s.after(10*time.Second, LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
	s.want("acd.CallEnded", "StopRecording", "EndLeg 0 normal")
	end := s.verdict(event.ResultAgent, event.ReasonNormal)
	if end.WaitMs != 6000 || end.TalkMs != 10000 || end.Agent != "bob" || end.Queue != "sales" {
		t.Fatalf("figures: %+v", end)
	}
}

func TestCallerAbandonsWhileAgentRings(t *testing.T) {
	s := start(t, house, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegProgressed{Leg: 1})
	s.log = nil
	s.after(5*time.Second, LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
	s.want("EndLeg 1 cancelled", "acd.OfferFailed", "acd.Leave")
	if s.m.S.Phase != Ending {
		t.Fatal("must wait for the queue to let go")
	}
	s.verdict(event.ResultCaller, event.ReasonAbandoned)
}

func TestRingNoAnswerKeepsCallerWaiting(t *testing.T) {
	s := start(t, house, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.log = nil
	s.after(20*time.Second, FromACD{acd.WithdrawOffer{OfferID: "o1", CallID: "c1", Agent: "bob", Why: acd.CauseNoAnswer}})
	s.want("EndLeg 1 withdrawn")
	s.never("StopPlay", "EndLeg 0 normal")
	s.do(offer("o2", "carol", "202", s))
	s.want("DialDevice 202")
	s.do(LegGone{Leg: 1}) // the first phone's CANCEL is confirmed late
	s.do(DialStarted{Legs: []LegInfo{{Device: "202", Agent: "carol"}}})
	s.do(LegPickedUp{Leg: 2})
	s.want("acd.OfferAccepted", "Bridge 0-2")
}

func TestPickUpCrossesWithdrawal(t *testing.T) {
	s := start(t, house, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegPickedUp{Leg: 1})
	s.log = nil
	s.do(FromACD{acd.WithdrawOffer{OfferID: "o1", CallID: "c1", Agent: "bob"}})
	s.want("acd.Leave", "acd.Occupy")
	s.never("EndLeg 1 withdrawn")
	s.do(LegGone{Leg: 1, Remote: true})
	s.want("acd.Release")
}

func TestPickUpAfterCancelIsHungUp(t *testing.T) {
	s := start(t, house, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.do(DialStarted{Legs: []LegInfo{{Device: "201"}, {Device: "201"}}}) // two contacts ring
	s.do(LegPickedUp{Leg: 2})
	s.want("EndLeg 1 answered elsewhere", "Bridge 0-2")
	s.do(LegPickedUp{Leg: 1}) // CANCEL crossed its 200
	s.never("Bridge 0-1")
	if s.m.S.Peer != 2 {
		t.Fatal("the winner was replaced")
	}
}

func TestOfferAfterCallerLeftIsRefused(t *testing.T) {
	s := start(t, house, toSales)
	s.do(LegGone{Leg: 0, Remote: true})
	s.log = nil
	s.do(offer("o1", "bob", "201", s))
	s.want("acd.OfferFailed")
	s.never("DialDevice 201")
}

func TestDirectCallPassesBusyOn(t *testing.T) {
	s := start(t, house, route.Target{Kind: route.Device, Name: "201"})
	s.want("segment ringing", "DialDevice 201")
	s.never("AnswerCaller")
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegProgressed{Leg: 1})
	s.want("RingCaller")
	s.do(LegRefused{Leg: 1, Code: 486, Reason: event.ReasonBusy})
	s.want("Reject 486")
	s.verdict(event.ResultUpstream, event.ReasonBusy)
}

func TestHuntTakesTheNextDevice(t *testing.T) {
	s := start(t, house, route.Target{Kind: route.Devices, Names: []string{"201", "202"}})
	s.do(DialFailed{Reason: event.ReasonUnreachable})
	s.want("DialDevice 201", "DialDevice 202")
	s.do(DialStarted{Legs: []LegInfo{{Device: "202", Agent: "carol"}}})
	s.after(defaultRing, TimerFired{TimerRing})
	s.want("EndLeg 1 no answer", "Reject 480")
	s.verdict(event.ResultUpstream, event.ReasonNoAnswer)
}

func TestTrunksAreTriedInTurn(t *testing.T) {
	s := start(t, house, route.Target{Kind: route.Trunk, Name: "north", Routes: []route.TrunkRoute{{Trunk: "north", Number: "123"}, {Trunk: "south", Number: "0123"}}})
	s.do(DialFailed{Reason: event.ReasonOverload})
	s.want("DialTrunk north 123", "DialTrunk south 0123")
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "south", Number: "0123"}}})
	s.do(LegProgressed{Leg: 1, Early: true})
	s.want("RingCaller", "Bridge 0-1")
	s.do(LegPickedUp{Leg: 1})
	s.want("AnswerCaller", "segment talking")
}

func TestHoldByEitherSideAndBoth(t *testing.T) {
	s := talking(t)
	s.after(5*time.Second, HoldChanged{1, true})
	s.want("UnbridgeLegs", "Play 0 music", "segment hold")
	s.after(time.Second, HoldChanged{1, true}) // a session refresh
	if len(s.log) > 0 {
		t.Fatalf("a refresh did something: %v", s.log)
	}
	s.after(time.Second, HoldChanged{0, true})
	s.never("Bridge 0-1", "segment talking")
	s.log = nil
	s.after(time.Second, HoldChanged{1, false})
	s.want("Play 1 music") // now only the caller holds
	s.never("Bridge 0-1")
	s.after(time.Second, HoldChanged{0, false})
	s.want("StopPlay", "StopPlay", "Bridge 0-1", "segment talking")
	s.after(2*time.Second, SilentLeg{0})
	end := s.verdict(event.ResultUpstream, event.ReasonMediaTimeout)
	if end.HoldMs != 4000 || end.TalkMs != 7000 {
		t.Fatalf("figures: %+v", end)
	}
}

// A caller on hold hears the music on from where it was left, in the queue or by the
// hold before; the time of talking does not count.
func TestMusicOfHoldGoesOn(t *testing.T) {
	s := talking(t) // after half a second of music in the queue
	was := s.m.S.MusicAt
	for i := range 3 {
		s.after(time.Minute, HoldChanged{1, true})
		s.want("UnbridgeLegs", "Play 0 music", "segment hold")
		if p := lastPlay(s); p.Offset != was+time.Duration(i)*7*time.Second || !p.Loop {
			t.Errorf("hold %d: music at %v, want %v", i, p.Offset, was+time.Duration(i)*7*time.Second)
		}
		s.after(7*time.Second, HoldChanged{1, false})
		s.want("segment talking")
	}
	s.after(time.Second, HoldChanged{0, true}) // the agent's own music is its own
	s.want("Play 1 music")
	if p := lastPlay(s); p.Offset != 0 {
		t.Errorf("the agent's music begins at %v", p.Offset)
	}
}

func lastPlay(s *score) PlayPhrases {
	for i := len(s.all) - 1; i >= 0; i-- {
		if p, ok := s.all[i].(PlayPhrases); ok {
			return p
		}
	}
	return PlayPhrases{}
}

func TestSilenceOfAHeldLegIsNoFault(t *testing.T) {
	s := talking(t)
	s.do(HoldChanged{1, true})
	s.do(SilentLeg{1})
	if s.m.S.Phase != Talking {
		t.Fatal("a phone on hold was hung up for its silence")
	}
}

func TestAnnouncementKeepsTheMusicsPlace(t *testing.T) {
	s := start(t, house, toSales)
	s.after(2010*time.Millisecond, FromACD{acd.Announce{CallID: "c1", Position: 2}})
	s.want("Play 0 position_2")
	id := s.all[len(s.all)-1].(PlayPhrases).ID
	s.after(3*time.Second, Played{Leg: 0, ID: id})
	s.want("Play 0 music")
	if p := s.all[len(s.all)-1].(PlayPhrases); !p.Loop || p.Offset != 2*time.Second {
		t.Fatalf("music resumed at %v, loop %v", p.Offset, p.Loop)
	}
}

// A caller who comes from a queue into another with the same music hears it go on:
// the time in the announcement and in the flow between them does not count.
func TestMusicGoesOnInTheNextQueue(t *testing.T) {
	s := start(t, house, toSales)
	s.after(2010*time.Millisecond, FromACD{acd.Announce{CallID: "c1", Position: 2}})
	s.m.now = s.now.Add(3 * time.Second) // the announcement is still heard
	s.m.joinQueue("support", 0, wish{})
	if p := s.m.S.MusicAt; p != 2*time.Second {
		t.Errorf("out of an announcement: music at %v, want 2s", p)
	}
	s.m.now = s.m.now.Add(4500 * time.Millisecond)
	s.m.segment(event.SegmentStarted{Segment: event.SegmentMenu})
	s.m.now = s.m.now.Add(time.Minute)
	s.m.joinQueue("sales", 0, wish{})
	if p := s.m.S.MusicAt; p != 6500*time.Millisecond {
		t.Errorf("after the menu: music at %v, want 6.5s", p)
	}
	s.m.now = s.m.now.Add(time.Second)
	s.m.joinQueue("sales", 0, wish{Music: "jazz"})
	if s.m.S.Music != "jazz" || s.m.S.MusicAt != 0 {
		t.Errorf("%s at %v, want other music from its beginning", s.m.S.Music, s.m.S.MusicAt)
	}
}

func TestFailedFlowGoesToDefaultOnce(t *testing.T) {
	r := house
	r.defaultTarget = "flow:nowhere"
	s := start(t, r, route.Target{Kind: route.Flow, Name: "missing"})
	s.want("journal flow.failed", "journal flow.failed", "AnswerCaller", "Play 0 sorry")
	s.do(Played{Leg: 0, ID: ownPlay | s.m.S.PlayID})
	s.verdict(event.ResultOurs, event.ReasonFlowError)
}

func TestNoCodecIs488(t *testing.T) {
	s := start(t, house, toSales)
	s.do(MediaFailed{Reason: event.ReasonNoCodec})
	s.want("Reject 488")
	if end := s.verdict(event.ResultCaller, event.ReasonNoCodec); end.Code != 488 || end.SetupMs != 0 {
		t.Fatalf("%+v", end)
	}
}

func TestAgentWhoDialsIsOccupied(t *testing.T) {
	s := &score{t: t, now: time.Unix(0, 0)}
	s.m = NewMachine(State{ID: "c1", Direction: event.Internal, Legs: []Leg{{Device: "201", Agent: "bob"}}}, house)
	s.do(Invited{Target: route.Target{Kind: route.Device, Name: "202"}})
	s.want("acd.Occupy", "DialDevice 202")
	s.do(DialStarted{Legs: []LegInfo{{Device: "202", Agent: "carol"}}})
	s.do(LegPickedUp{Leg: 1})
	s.want("acd.Occupy")
	s.do(LegGone{Leg: 0, Remote: true})
	s.want("acd.Release", "acd.Release")
}

func TestEndingIsBounded(t *testing.T) {
	s := talking(t)
	s.do(HangUp{event.ResultOurs, event.ReasonShutdown})
	s.after(endingBound, TimerFired{TimerEnding})
	if s.m.S.Phase != Ended {
		t.Fatal("a lost BYE kept the call")
	}
}
