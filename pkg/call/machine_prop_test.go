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
		targets := []route.Target{toSales, toConference, {Kind: route.Device, Name: "201"}, {Kind: route.Devices, Names: []string{"201", "202"}},
			{Kind: route.Feature, Feature: "ready"}, {Kind: route.Flow, Name: "missing"},
			{Kind: route.Trunk, Routes: []route.TrunkRoute{{Trunk: "north", Number: "1"}}}}
		toGo := append(targets, route.Target{Kind: route.Feature, Feature: route.FeaturePark})
		house := house
		house.brief = rapid.SampledFrom([]string{"", "sales_call"}).Draw(rt, "announcement")
		house.keys, house.callback = map[byte]string{'1': QueueKeyCallback}, Callback{On: true, Other: true}
		begin := State{ID: "c1", Tenant: "default", From: "0700", Legs: []Leg{{Device: "202", Agent: "carol"}}}
		calledBack := rapid.IntRange(0, 3).Draw(rt, "called_back") == 0
		if calledBack {
			begin.Queue, begin.Legs, begin.Callback = "sales", []Leg{{State: LegEnded, Measured: true}}, &CallingBack{ID: "c0", Number: "0700"}
		}
		m := NewMachine(begin, house)
		busy := map[string]bool{}
		given := 0
		ended, finished, asked, answers, held := 0, 0, 0, 0, 0
		var dials []string // the offers they are for, "" none
		var slots []bool
		var last event.CallEnded
		step := func(ev Event) {
			for _, e := range m.Step(now, ev) {
				switch e := e.(type) {
				case TellACD:
					switch a := e.Event.(type) {
					case acd.Occupy:
						if a.CallID == "c1" { // else for the call that takes the leg over
							busy[a.Agent] = true
						}
					case acd.Release:
						delete(busy, a.Agent)
					case acd.OfferAccepted:
						busy["bob"] = true
					case acd.CallEnded:
						delete(busy, a.Agent)
					}
				case Journal:
					if b, ok := e.Body.(event.CallEnded); ok {
						ended, last = ended+1, b
					}
				case Finish:
					finished++
				case DialDevice:
					dials = append(dials, e.Offer)
				case DialTrunk, DialOutside:
					dials = append(dials, "")
				case RingCaller, AnswerCaller, RejectCaller:
					if calledBack {
						rt.Fatalf("%T: there is no caller", e)
					}
				case AnswerTransfer:
					answers++
				case GiveLeg:
					given++
					if m.S.Legs[e.Leg].State != LegEnded {
						rt.Fatalf("leg %d was given away and is kept", e.Leg)
					}
				case TakeSlot:
					slots = append(slots, true)
				case FreeSlot:
					held--
				case EndLeg:
					if e.Leg >= len(m.S.Legs) {
						rt.Fatalf("ends leg %d of %d", e.Leg, len(m.S.Legs))
					}
				}
			}
		}
		if calledBack {
			step(CalledBack{acd.Offer{OfferID: "o", CallID: "c1", Queue: "sales", Agent: "bob", Device: "201", Deadline: now.Add(time.Second), Callback: "c0"}})
		} else {
			step(Invited{Target: rapid.SampledFrom(targets).Draw(rt, "target")})
		}
		n := rapid.IntRange(0, 60).Draw(rt, "events")
		for range n {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "ms")) * time.Millisecond)
			leg := rapid.IntRange(-1, 4).Draw(rt, "leg")
			switch rapid.IntRange(0, 35).Draw(rt, "kind") {
			case 33:
				step(LegAway{leg})
			case 34:
				step(LegBack{leg, rapid.SampledFrom([]string{"", "new"}).Draw(rt, "page")})
			case 35:
				now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(rt, "s")) * time.Second)
				step(TimerFired{TimerResume})
			case 30:
				step(FromACD{rapid.SampledFrom([]acd.Effect{acd.CallbackTaken{CallID: "c1"}, acd.CallbackRefused{CallID: "c1", Why: acd.RefusedMany}}).Draw(rt, "callback")})
			case 31:
				step(TimerFired{TimerAsk})
			case 32:
				step(Key{0, rapid.SampledFrom([]byte("12#*7")).Draw(rt, "key"), "rfc4733"})
			case 27:
				if m.S.Phase != Ended {
					asked++
				}
				mode := rapid.SampledFrom([]string{ModeMonitor, ModeWhisper, ModeBarge, "off"}).Draw(rt, "mode")
				device := rapid.SampledFrom([]string{"", "209"}).Draw(rt, "device")
				step(SuperviseAsked{Leg: leg, Mode: mode, Device: device, User: "eve"})
			case 28:
				step(JoinAsked{Call: "c2", Kind: joinSupervise, Device: "201", Leg: -1, Watch: Watch{Mode: ModeBarge, User: "eve", Device: "204"}})
			case 29:
				if m.S.Phase != Ended {
					asked++
				}
				step(PlayAsked{Side: rapid.SampledFrom([]string{SideCaller, SideAgent, SideBoth}).Draw(rt, "side"), Prompt: rapid.SampledFrom([]string{"", "x"}).Draw(rt, "prompt")})
			case 0, 1:
				if len(dials) > 0 { // the owner answers each dial once, in order
					offer := dials[0]
					dials = dials[1:]
					if rapid.Bool().Draw(rt, "reachable") {
						who := LegInfo{Device: "201", Agent: "bob"}
						if offer == watchOffer {
							who = LegInfo{Device: "209", Agent: "eve"}
						}
						step(DialStarted{Legs: []LegInfo{who}, Offer: offer})
					} else {
						step(DialFailed{Reason: event.ReasonUnreachable, Offer: offer})
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
					refused := LegRefused{Leg: leg, Code: 486, Reason: event.ReasonBusy}
					if rapid.Bool().Draw(rt, "redirect") {
						refused = LegRefused{Leg: leg, Code: 302, Reason: event.ReasonUnreachable, To: "x",
							Target: rapid.SampledFrom([]route.Target{{Kind: route.Device, Name: "202"}, toSales, twoTrunks, {}}).Draw(rt, "target")}
					}
					step(refused)
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
				step(FromACD{acd.Offer{OfferID: rapid.SampledFrom([]string{"o", "o2", "o3"}).Draw(rt, "offer"), CallID: "c1", Agent: "bob", Device: "201", Deadline: now.Add(time.Second)}})
			case 12:
				step(FromACD{acd.WithdrawOffer{OfferID: rapid.SampledFrom([]string{"o", "o2", "o3"}).Draw(rt, "offer"), Agent: "bob"}})
			case 13:
				step(FromACD{acd.LeftQueue{Outcome: acd.LeftTimeout}})
			case 14:
				step(TimerFired{rapid.SampledFrom([]TimerID{TimerRing, TimerFlow + 1}).Draw(rt, "timer")})
			case 15:
				step(FeatureDone{"now_ready"})
			case 16, 17:
				if m.S.Phase != Ended { // else the owner answers
					asked++
				}
				step(TransferAsked{Leg: leg, Target: rapid.SampledFrom(toGo).Draw(rt, "to"), Refer: rapid.Bool().Draw(rt, "refer"),
					Refuse: rapid.SampledFrom([]int{0, 0, 0, 403}).Draw(rt, "refuse")})
			case 18:
				if m.S.Phase != Ended { // else the owner answers
					asked++
				}
				step(AttendedAsked{Leg: leg, Call: "c2", SIPCallID: "y"})
			case 19:
				if m.S.Phase != Ended { // else the owner answers
					asked++
				}
				step(ThirdAsked{Leg: leg, Target: route.Target{Kind: route.Device, Name: "203"}})
			case 20:
				if m.S.Phase != Ended { // else the owner answers
					asked++
				}
				step(HoldAsked{Leg: leg, On: rapid.Bool().Draw(rt, "on")})
			case 21:
				step(LegWanted{Call: "c2", Leg: leg, Partner: rapid.Bool().Draw(rt, "partner")})
			case 22:
				if rapid.Bool().Draw(rt, "given") {
					if rapid.Bool().Draw(rt, "confer") {
						if m.S.Phase != Ended {
							asked++
						}
						step(ConferAsked{Leg: leg, Call: "c2", SIPCallID: "x", Refer: true})
						if m.S.Phase != Ended {
							asked++
						}
						step(TransferAsked{Leg: leg, Target: toConference, Refer: true})
					}
					step(LegGiven{Call: "c2", Leg: LegInfo{Device: "204", Agent: "dan"}})
				} else {
					step(LegNotGiven{Call: "c2", Instead: rapid.SampledFrom([]route.Target{{}, toCarol, toSupport}).Draw(rt, "instead")})
				}
			case 23:
				step(JoinAsked{Call: "c2", Kind: rapid.SampledFrom([]string{joinPickUp, joinUnpark, featureReplaces}).Draw(rt, "join"), Device: "201", Leg: leg})
			case 24:
				if len(slots) > 0 {
					slots = slots[1:]
					slot := rapid.SampledFrom([]string{"", "01"}).Draw(rt, "slot")
					if slot != "" {
						held++
					}
					step(SlotTaken{slot})
				}
			case 26:
				step(Spoken{"07"})
			case 25:
				step(TimerFired{rapid.SampledFrom([]TimerID{TimerJoin, TimerPark, TimerWatch}).Draw(rt, "bound")})
			}
			if m.S.Phase == Talking && (m.S.Legs[m.S.Kept].State != LegAnswered || m.S.Legs[m.S.Peer].State != LegAnswered || m.S.Kept == m.S.Peer) {
				rt.Fatalf("talks with somebody who is not there: %+v", m.S)
			}
		}
		step(HangUp{event.ResultOurs, event.ReasonShutdown})
		step(TimerFired{TimerEnding})
		step(HangUp{event.ResultOurs, event.ReasonShutdown})
		if ended != 1 || finished != 1 || m.S.Phase != Ended {
			rt.Fatalf("%d verdicts, %d finishes, phase %s", ended, finished, m.S.Phase)
		}
		for who := range busy {
			rt.Fatalf("%s was told busy and never free", who)
		}
		for i, l := range m.S.Legs {
			if l.State < LegEnding {
				rt.Fatalf("leg %d is left %s", i, l.State)
			}
		}
		if answers != asked {
			rt.Fatalf("%d transfers asked for, %d answered", asked, answers)
		}
		if held != 0 {
			rt.Fatalf("%d slots kept", held)
		}
		if given > 0 && last.Reason == "" {
			rt.Fatal("gave its leg away and has no verdict")
		}
		if sum := last.MenuMs + last.WaitMs + last.TalkMs + last.HoldMs; sum > last.TotalMs {
			rt.Fatalf("parts %d ms exceed the whole %d ms", sum, last.TotalMs)
		}
		if last.Result == "" || last.Reason == "" {
			rt.Fatal("no verdict")
		}
	})
}
