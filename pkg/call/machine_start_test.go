package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// calling is a call that the house starts over two trunks.
func calling(t *testing.T) *score {
	t.Helper()
	s := &score{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	s.m = NewMachine(State{ID: "c1", Tenant: "default", Direction: event.Outbound, From: "0722", Dialled: "0722", Language: "en", Legs: []Leg{{State: LegEnded, Measured: true}},
		Start: &Starting{Flow: "after", CallerID: "1000", Ring: 20 * time.Second, Targets: []string{"trunk:north:0722", "trunk:south:0722"}, Variables: map[string]string{"who": "Ana"}, By: "crm"}}, surveyHouse(t))
	s.do(Started{})
	s.want("journal call.started", "segment ringing", "DialTrunk north 0722")
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "0722"}}})
	return s
}

func TestStart(t *testing.T) {
	t.Run("answered", func(t *testing.T) {
		s := calling(t)
		s.do(LegProgressed{Leg: 1, Early: true})
		s.never("Bridge 0-1", "RingCaller")
		s.do(LegPickedUp{1})
		s.want("journal leg.answered", "journal call.answered", "segment menu", "Play 1 grade")
		if v := s.m.S.IVR.Vars["who"]; v != "Ana" || s.m.S.IVR.From != "0722" {
			t.Errorf("%q %+v", v, s.m.S.IVR)
		}
		s.do(Key{Leg: 1, Digit: '5', Via: "rfc4733"})
		s.want("journal survey.answered")
		s.do(LegGone{Leg: 1, Remote: true, Reason: event.ReasonNormal})
		s.verdict(event.ResultCaller, event.ReasonLeftMenu)
	})
	t.Run("the other trunk, and nobody", func(t *testing.T) {
		s := calling(t)
		s.do(LegRefused{Leg: 1, Code: 503, Reason: event.ReasonUnreachable, Next: true})
		s.do(LegGone{Leg: 1})
		s.want("DialTrunk south 0722")
		s.do(DialStarted{Legs: []LegInfo{{Trunk: "south", Number: "0722"}}})
		s.do(LegProgressed{Leg: 2})
		s.after(20*time.Second, TimerFired{TimerRing})
		s.want("EndLeg 2 no answer")
		s.verdict(event.ResultUpstream, event.ReasonNoAnswer)
	})
	t.Run("hung up while it rings", func(t *testing.T) {
		s := calling(t)
		s.do(HangUp{event.ResultOurs, event.ReasonNormal})
		s.want("EndLeg 1 cancelled")
		s.do(LegPickedUp{1}) // its 200 crossed our CANCEL
		s.never("journal call.answered", "segment menu")
		s.verdict(event.ResultOurs, event.ReasonNormal)
	})
	t.Run("nobody fetches a leg that is not there", func(t *testing.T) {
		s := calling(t)
		s.do(JoinAsked{Call: "c2", Kind: "pickup", Device: "201"})
		s.want("RefuseJoin")
	})
}
