package call

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// Whatever comes in whatever order: no panic, nothing after the end, every
// agent told busy is told free, exactly one verdict, and the parts of the time
// never exceed the whole.
func TestAnyOrderOfEventsEndsOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(1e9, 0)
		targets := []route.Target{toSales, {Kind: route.Device, Name: "201"}, {Kind: route.Devices, Names: []string{"201", "202"}},
			{Kind: route.Feature, Feature: "ready"}, {Kind: route.Flow, Name: "missing"},
			{Kind: route.Trunk, Routes: []route.TrunkRoute{{Trunk: "north", Number: "1"}}}}
		m := NewMachine(State{ID: "c1", Tenant: "default", Legs: []Leg{{Device: "202", Agent: "carol"}}}, house)
		busy := map[string]int{}
		ended, finished, dials := 0, 0, 0
		var last event.CallEnded
		step := func(ev Event) {
			for _, e := range m.Step(now, ev) {
				switch e := e.(type) {
				case TellACD:
					switch a := e.Event.(type) {
					case acd.Occupy:
						busy[a.Agent]++
					case acd.Release:
						busy[a.Agent]--
					case acd.OfferAccepted:
						busy["offer"]++
					case acd.CallEnded:
						busy["offer"]--
					}
				case Journal:
					if b, ok := e.Body.(event.CallEnded); ok {
						ended, last = ended+1, b
					}
				case Finish:
					finished++
				case DialDevice, DialTrunk:
					dials++
				case EndLeg:
					if e.Leg >= len(m.S.Legs) {
						rt.Fatalf("ends leg %d of %d", e.Leg, len(m.S.Legs))
					}
				}
			}
		}
		step(Invited{Target: rapid.SampledFrom(targets).Draw(rt, "target")})
		n := rapid.IntRange(0, 60).Draw(rt, "events")
		for range n {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "ms")) * time.Millisecond)
			leg := rapid.IntRange(-1, 4).Draw(rt, "leg")
			switch rapid.IntRange(0, 15).Draw(rt, "kind") {
			case 0, 1:
				if dials > 0 { // the owner answers each dial once
					dials--
					if rapid.Bool().Draw(rt, "reachable") {
						step(DialStarted{[]LegInfo{{Device: "201", Agent: "bob"}}})
					} else {
						step(DialFailed{Reason: event.ReasonUnreachable})
					}
				}
			case 2:
				step(LegProgressed{leg, rapid.Bool().Draw(rt, "early")})
			case 3, 4:
				if leg > 0 {
					step(LegPickedUp{leg})
				}
			case 5:
				if leg > 0 {
					step(LegRefused{leg, 486, event.ReasonBusy})
				}
			case 6:
				step(LegGone{Leg: leg, Remote: rapid.Bool().Draw(rt, "remote"), Reason: event.ReasonNormal})
			case 7:
				step(HoldChanged{leg, rapid.Bool().Draw(rt, "held")})
			case 8:
				step(Key{leg, '1', "info"})
			case 9:
				step(Played{leg, ownPlay | m.S.PlayID})
			case 10:
				step(SilentLeg{leg})
			case 11:
				step(FromACD{acd.Offer{OfferID: "o", CallID: "c1", Agent: "bob", Device: "201", Deadline: now.Add(time.Second)}})
			case 12:
				step(FromACD{acd.WithdrawOffer{OfferID: "o", Agent: "bob"}})
			case 13:
				step(FromACD{acd.LeftQueue{Outcome: acd.LeftTimeout}})
			case 14:
				step(TimerFired{rapid.SampledFrom([]TimerID{TimerRing, TimerFlow + 1}).Draw(rt, "timer")})
			case 15:
				step(FeatureDone{"now_ready"})
			}
		}
		step(HangUp{event.ResultOurs, event.ReasonShutdown})
		step(TimerFired{TimerEnding})
		step(HangUp{event.ResultOurs, event.ReasonShutdown})
		if ended != 1 || finished != 1 || m.S.Phase != Ended {
			rt.Fatalf("%d verdicts, %d finishes, phase %s", ended, finished, m.S.Phase)
		}
		for who, n := range busy {
			if n != 0 {
				rt.Fatalf("%s: told busy %d times more than free", who, n)
			}
		}
		if sum := last.MenuMs + last.WaitMs + last.TalkMs + last.HoldMs; sum > last.TotalMs {
			rt.Fatalf("parts %d ms exceed the whole %d ms", sum, last.TotalMs)
		}
		if last.Result == "" || last.Reason == "" {
			rt.Fatal("no verdict")
		}
	})
}
