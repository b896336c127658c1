package call

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// watched is a caller of sales who talks to bob (leg 1, device 201), recorded.
func watched(t *testing.T) *score {
	s := start(t, house, toSales)
	s.do(AnswerSent{})
	s.do(FromACD{acd.Offer{OfferID: "o1", CallID: "c1", Agent: "bob", Device: "201", Deadline: s.now.Add(20 * time.Second)}})
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegPickedUp{1})
	s.do(FromACD{acd.LeftQueue{Outcome: acd.LeftAnswered}})
	s.want("Bridge 0-1", "StartRecording")
	return s
}

// joins lets eve's call come over as leg 2.
func joins(s *score, mode string) {
	s.t.Helper()
	s.do(JoinAsked{Call: "c9", Kind: joinSupervise, Device: "201", Leg: -1, Watch: Watch{Mode: mode, User: "eve", Device: "209", By: "phone"}})
	s.want("WantLeg")
	s.do(LegGiven{Call: "c9", Leg: LegInfo{Device: "209", Agent: "eve"}})
	s.want("journal supervision.started", "Confer")
}

func lastConfer(s *score) Confer {
	for _, e := range slices.Backward(s.all) {
		if c, ok := e.(Confer); ok {
			return c
		}
	}
	return Confer{}
}

func TestSuperviseByCode(t *testing.T) {
	s := watched(t)
	joins(s, ModeMonitor)
	if c := lastConfer(s); !slices.Equal(c.Legs, []int{0, 1}) || c.Watch != 2 || c.Agent != 1 || c.Mode != ModeMonitor || c.Mixed {
		t.Errorf("monitor: %+v", c)
	}
	s.do(Key{2, '5', "rfc4733"})
	s.want("journal supervision.changed", "TapLeg", "Confer")
	if c := lastConfer(s); c.Mode != ModeWhisper || c.Mixed {
		t.Errorf("whisper: %+v", c)
	}
	s.do(Key{2, '5', "rfc4733"}) // again: nothing
	s.do(Key{2, '1', "info"})    // means nothing, and nobody hears it
	s.never("journal supervision.changed", "Confer", "SendDigit")
	// All hear the supervisor: the agent's channel (right) gets the sum.
	s.do(Key{2, '6', "rfc4733"})
	s.want("journal supervision.changed", "UntapLeg", "Confer")
	if c := lastConfer(s); c.Mode != ModeBarge || !c.Mixed || c.Kept != 0 || c.Left {
		t.Errorf("barge: %+v", c)
	}
	// While the supervisor's phone holds it is not heard.
	s.do(HoldChanged{2, true})
	if c := lastConfer(s); c.Mode != ModeMonitor || c.Mixed {
		t.Errorf("on hold: %+v", c)
	}
	s.do(HoldChanged{2, false})
	s.want("TapLeg", "UntapLeg", "Confer")
	s.never("segment hold", "segment talking")
	s.after(time.Second, LegGone{Leg: 2, Remote: true})
	s.want("TapLeg", "journal supervision.ended", "acd.Release", "Bridge 0-1", "Confer")
	s.after(time.Second, LegGone{Leg: 0, Remote: true})
	if v := s.close(); v.Result != event.ResultCaller || v.Agent != "bob" {
		t.Errorf("%+v", v)
	}
}

func TestSupervisionFollowsHoldAndEndsWithTransfer(t *testing.T) {
	s := watched(t)
	joins(s, ModeBarge)
	s.do(HoldAsked{Leg: 1, On: true, By: "api"})
	s.want("Confer", "TapLeg", "Play 0 music", "Play 2 music", "segment hold")
	if c := lastConfer(s); len(c.Legs) != 0 {
		t.Errorf("on hold: %+v", c)
	}
	s.do(HoldAsked{Leg: 1, By: "api"})
	s.want("StopPlay", "UntapLeg", "Confer", "segment talking")
	if c := lastConfer(s); c.Mode != ModeBarge || !c.Mixed || c.Watch != 2 {
		t.Errorf("after hold: %+v", c)
	}
	s.do(TransferAsked{Leg: 1, Target: toCarol, To: "202", By: "phone", Refer: true})
	s.want("TapLeg", "journal supervision.ended", "EndLeg 2 normal", "Bridge 0-1", "Confer", "UnbridgeLegs")
	s.do(HangUp{event.ResultOurs, event.ReasonShutdown})
	s.close()
}

func TestSuperviseByAPI(t *testing.T) {
	s := watched(t)
	ask := func(target ...string) int {
		t.Helper()
		ev := SuperviseAsked{Leg: 1, Mode: target[0], By: "api"}
		if len(target) > 1 {
			ev.Device, ev.User = target[1], target[2]
		}
		s.do(ev)
		all := codes(s)
		return all[len(all)-1]
	}
	for _, row := range []struct {
		want   int
		target []string
	}{
		{409, []string{"whisper"}},                   // nobody listens
		{403, []string{"monitor", "208", "mallory"}}, // no right
		{403, []string{"barge", "207", "quinn"}},     // may listen only
		{409, []string{"monitor", "201", "eve"}},     // talks already
		{202, []string{"monitor", "209", "eve"}},
		{486, []string{"monitor", "207", "quinn"}}, // one at a time
	} {
		if got := ask(row.target...); got != row.want {
			t.Errorf("%v: %d, want %d", row.target, got, row.want)
		}
	}
	s.want("journal supervision.refused", "journal supervision.refused", "journal supervision.refused", "DialDevice 209")
	// It rings: transfers and holds go on beside it, a change is for when it answers.
	s.do(DialStarted{Legs: []LegInfo{{Device: "209", Agent: "eve"}, {Device: "209", Agent: "eve"}}, Offer: watchOffer})
	if got := ask("barge"); got != 202 {
		t.Errorf("change while it rings: %d", got)
	}
	s.do(LegPickedUp{3})
	s.want("EndLeg 2 answered elsewhere", "acd.Occupy", "journal supervision.started", "Confer")
	if c := lastConfer(s); c.Watch != 3 || c.Mode != ModeBarge {
		t.Errorf("%+v", c)
	}
	s.do(LegRefused{Leg: 2, Code: 487})
	if got := ask("off"); got != 202 {
		t.Errorf("off: %d", got)
	}
	s.want("journal supervision.ended", "EndLeg 3 normal", "Bridge 0-1")
	// Nobody answers; and given up while it rings.
	ask("monitor", "209", "eve")
	s.do(DialStarted{Legs: []LegInfo{{Device: "209", Agent: "eve"}}, Offer: watchOffer})
	s.after(watchRing, TimerFired{TimerWatch})
	s.want("EndLeg 4 no answer", "journal supervision.refused")
	ask("monitor", "209", "eve")
	s.do(DialStarted{Legs: []LegInfo{{Device: "209", Agent: "eve"}}, Offer: watchOffer})
	s.do(TransferAsked{Leg: 1, Target: toCarol, To: "202", By: "phone", Refer: true})
	s.want("EndLeg 5 cancelled", "journal supervision.refused", "UnbridgeLegs", "DialDevice 202")
	s.do(HangUp{event.ResultOurs, event.ReasonShutdown})
	s.close()
}

func TestSupervisorWithoutRightStaysOut(t *testing.T) {
	s := watched(t)
	s.do(JoinAsked{Call: "c9", Kind: joinSupervise, Device: "201", Leg: -1, Watch: Watch{Mode: ModeMonitor, User: "mallory", Device: "208", By: "phone"}})
	s.want("journal supervision.refused", "RefuseJoin")
	s.never("WantLeg", "Confer")
	// quinn may listen, and no more.
	s.do(JoinAsked{Call: "c9", Kind: joinSupervise, Device: "201", Leg: -1, Watch: Watch{Mode: ModeMonitor, User: "quinn", Device: "207", By: "phone"}})
	s.do(LegGiven{Call: "c9", Leg: LegInfo{Device: "207", Agent: "quinn"}})
	s.want("journal supervision.started", "Confer")
	s.do(Key{2, '6', "rfc4733"})
	s.want("journal supervision.refused", "PlayClip")
	if c := lastConfer(s); c.Mode != ModeMonitor {
		t.Errorf("%+v", c)
	}
	s.do(HangUp{event.ResultOurs, event.ReasonShutdown})
	s.want("journal supervision.ended", "EndLeg 2 normal")
	s.close()
}

func TestAnnouncementToASide(t *testing.T) {
	s := watched(t)
	ask := func(side, name string) int {
		t.Helper()
		s.do(PlayAsked{Side: side, Prompt: name, By: "api"})
		all := codes(s)
		return all[len(all)-1]
	}
	if got := ask(SideAgent, ""); got != 409 {
		t.Errorf("stop of nothing: %d", got)
	}
	ask(SideCaller, "legal")
	s.want("journal announcement.started", "Play 0 legal")
	id := s.m.S.PlayID
	s.do(Played{Leg: 0, ID: ownPlay | id})
	s.want("journal announcement.ended")
	ask(SideBoth, "legal")
	s.want("Play 0 legal", "Play 1 legal")
	ask(SideAgent, "sorry")
	s.want("journal announcement.ended", "Play 1 sorry")
	if got := ask(SideAgent, ""); got != 202 {
		t.Errorf("stop: %d", got)
	}
	s.want("journal announcement.ended", "StopPlay")
	s.do(HoldChanged{1, true})
	s.want("journal announcement.ended", "Play 0 music")
	if got := ask(SideCaller, "legal"); got != 409 {
		t.Errorf("on hold: %d", got)
	}
	if n := len(s.m.S.Announcements); n != 0 {
		t.Errorf("%d are left", n)
	}
	s.do(HangUp{event.ResultOurs, event.ReasonShutdown})
	s.close()
}

// sound is what the effects have made of the parties' sound.
type sound struct {
	bridged bool
	conf    Confer
	taps    map[int]bool // leg -> left
	plays   map[int]bool
}

func (s *sound) take(e Effect) {
	switch e := e.(type) {
	case BridgeLegs:
		s.bridged, s.conf = true, Confer{}
		delete(s.plays, e.A)
		delete(s.plays, e.B)
	case UnbridgeLegs:
		s.bridged = false
	case Confer:
		if s.conf = e; len(e.Legs) > 1 {
			s.bridged = false
		}
	case StartRecording:
		s.taps[e.Kept], s.taps[e.Peer] = true, false
	case TapLeg:
		s.taps[e.Leg] = e.Left
	case UntapLeg:
		delete(s.taps, e.Leg)
	case PlayPhrases:
		s.plays[e.Leg] = true
	case StopPlay:
		delete(s.plays, e.Leg)
	}
}

// Whatever the order of joining, modes, holds and leaving: who listens is heard as
// the mode says at every moment, and in the end the plain bridge is back, recorded
// as if nobody had been there.
func TestSupervisionEndsInAPlainBridge(t *testing.T) {
	modes := []string{ModeMonitor, ModeWhisper, ModeBarge}
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(1e9, 0)
		m := NewMachine(State{ID: "c1", Tenant: "default", Record: "always", Legs: []Leg{{Trunk: "north"}}}, house)
		if rapid.Bool().Draw(rt, "agent called out") {
			m.S.Legs[0] = Leg{Device: "201", Agent: "bob"}
		}
		is := sound{taps: map[int]bool{}, plays: map[int]bool{}}
		segments := 0
		step := func(ev Event) {
			for _, e := range m.Step(now, ev) {
				is.take(e)
				if j, ok := e.(Journal); ok && j.Body.Kind() == "segment.started" {
					segments++
				}
			}
		}
		step(Invited{Target: route.Target{Kind: route.Device, Name: "202", Record: "always"}})
		step(DialStarted{Legs: []LegInfo{{Device: "202", Agent: "carol"}}})
		step(LegPickedUp{1})
		agent := 1
		if m.S.Legs[0].Device != "" && rapid.Bool().Draw(rt, "the one who called") {
			agent = 0
		}
		before := fmt.Sprint(is.taps)
		for range rapid.IntRange(0, 30).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "ms")) * time.Millisecond)
			mode := rapid.SampledFrom(modes).Draw(rt, "mode")
			held := segments
			switch rapid.IntRange(0, 7).Draw(rt, "kind") {
			case 0:
				step(JoinAsked{Call: "c9", Kind: joinSupervise, Device: m.S.Legs[agent].Device, Leg: -1, Watch: Watch{Mode: mode, User: "eve", Device: "209"}})
				if m.S.Joining != nil {
					step(LegGiven{Call: "c9", Leg: LegInfo{Device: "209", Agent: "eve"}})
				}
			case 1:
				n := len(m.S.Legs)
				step(SuperviseAsked{Leg: agent, Mode: mode, Device: "209", User: "eve"})
				if m.S.Watch != nil && m.S.Watch.Leg == 0 && len(m.S.Watch.Legs) == 0 {
					step(DialStarted{Legs: []LegInfo{{Device: "209", Agent: "eve"}}, Offer: watchOffer})
					if rapid.Bool().Draw(rt, "answers") {
						step(LegPickedUp{n})
					}
				}
			case 2, 3:
				if m.watching() {
					step(Key{m.S.Watch.Leg, rapid.SampledFrom([]byte("4567")).Draw(rt, "key"), "rfc4733"})
				}
			case 4:
				step(HoldAsked{Leg: rapid.IntRange(0, 1).Draw(rt, "who"), On: rapid.Bool().Draw(rt, "on")})
				held = segments
			case 5:
				step(HoldChanged{rapid.IntRange(0, len(m.S.Legs)-1).Draw(rt, "phone"), rapid.Bool().Draw(rt, "on")})
				held = segments
			case 6:
				if w := m.S.Watch; w != nil && w.Leg != 0 {
					step(LegGone{Leg: w.Leg, Remote: true})
				}
			case 7:
				step(SuperviseAsked{Leg: agent, Mode: "off"})
			}
			if segments != held {
				rt.Fatal("a supervisor made a segment of the call")
			}
			hearing := !m.holds(0) && !m.holds(1)
			switch c := is.conf; {
			case hearing && m.watching():
				w := m.S.Watch
				mode := w.Mode
				if m.holds(w.Leg) {
					mode = ModeMonitor
				}
				if is.bridged || len(c.Legs) != 2 || c.Watch != w.Leg || c.Agent != agent || c.Mode != mode || c.Mixed != (mode == ModeBarge) || c.Kept != 1-agent {
					rt.Fatalf("watched as %s: %+v", mode, is)
				}
				_, tapped := is.taps[agent]
				if tapped == c.Mixed {
					rt.Fatalf("the agent's own tap beside the sum: %+v", is)
				}
			case hearing && (!is.bridged || len(c.Legs) != 0):
				rt.Fatalf("not bridged: %+v", is)
			case !hearing && (is.bridged || len(c.Legs) != 0):
				rt.Fatalf("heard on hold: %+v", is)
			}
		}
		step(SuperviseAsked{Leg: agent, Mode: "off"})
		for leg := range 2 {
			step(HoldChanged{leg, false})
			step(HoldAsked{Leg: leg})
		}
		delete(is.plays, 2)
		if !is.bridged || len(is.conf.Legs) != 0 || fmt.Sprint(is.taps) != before || is.plays[0] || is.plays[1] || m.S.Watch != nil {
			rt.Fatalf("in the end: %+v, taps were %s", is, before)
		}
		for i, l := range m.S.Legs[2:] {
			if l.State < LegEnding || l.Busy != NotTold {
				rt.Fatalf("leg %d is left: %+v", i+2, l)
			}
		}
	})
}

// briefed is a caller of sales whose agent hears the announcement.
func briefed(t *testing.T) *score {
	told := house
	told.brief = "sales_call"
	s := start(t, told, toSales)
	s.do(AnswerSent{})
	s.after(42*time.Second, FromACD{acd.Offer{OfferID: "o1", CallID: "c1", Agent: "bob", Device: "201", Deadline: s.now.Add(time.Minute)}})
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.log = nil
	s.do(LegPickedUp{1})
	s.never("Bridge 0-1", "StopPlay", "segment talking")
	s.want("acd.OfferAccepted", "journal announcement.started", "Play 1 sales_call")
	p := s.all[len(s.all)-1].(PlayPhrases)
	if len(p.Phrases) != 3 || p.Phrases[1].Name != "number_40" || p.Phrases[2].Name != "number_2" {
		t.Errorf("%+v", p.Phrases)
	}
	return s
}

func TestAgentIsToldBeforeTheConversation(t *testing.T) {
	s := briefed(t)
	s.do(FromACD{acd.LeftQueue{Outcome: acd.LeftAnswered}})
	s.do(FromACD{acd.Announce{Position: 1}}) // late
	s.do(FromACD{acd.Offer{OfferID: "o2", CallID: "c1", Agent: "carol", Device: "202", Deadline: s.now.Add(time.Minute)}})
	s.want("acd.OfferFailed")
	s.never("DialDevice 202", "Play 0 position_1")
	s.after(3*time.Second, Played{Leg: 1, ID: s.m.S.Brief.ID})
	s.want("journal announcement.ended", "StopPlay", "Bridge 0-1", "segment talking", "StartRecording")
	s.after(time.Second, LegGone{Leg: 0, Remote: true})
	if v := s.close(); v.Result != event.ResultCaller || v.Reason != event.ReasonNormal || v.WaitMs != 45000 || v.TalkMs != 1000 {
		t.Errorf("%+v", v)
	}
}

func TestAnnouncementToTheAgentIsCut(t *testing.T) {
	s := briefed(t)
	s.do(Key{1, '#', "rfc4733"})
	s.want("journal announcement.ended", "Bridge 0-1")
	s.do(HangUp{event.ResultOurs, event.ReasonShutdown})
	s.close()

	s = briefed(t)
	s.do(PlayFailed{Leg: 1, ID: s.m.S.Brief.ID, Err: fmt.Errorf("no such prompt")})
	s.want("journal announcement.ended", "Bridge 0-1")
	s.do(HangUp{event.ResultOurs, event.ReasonShutdown})
	s.close()

	// The caller leaves meanwhile: nothing is owed to the queue.
	s = briefed(t)
	s.do(FromACD{acd.LeftQueue{Outcome: acd.LeftAnswered}})
	s.after(time.Second, LegGone{Leg: 0, Remote: true})
	s.never("acd.Leave")
	s.want("journal announcement.ended", "acd.CallEnded", "EndLeg 1 abandoned")
	s.close()

	// The agent does: the caller has the old place.
	s = briefed(t)
	came := s.m.S.WaitSince
	s.after(time.Second, LegGone{Leg: 1, Remote: true})
	s.want("journal announcement.ended", "acd.CallEnded", "acd.Enter", "Play 0 music")
	for _, e := range slices.Backward(s.all) {
		if a, ok := e.(TellACD); ok {
			if in, ok := a.Event.(acd.Enter); ok && (!in.ArrivedAt.Equal(came) || in.Queue != "sales") {
				t.Errorf("%+v", in)
			}
		}
	}
	s.do(FromACD{acd.LeftQueue{Outcome: acd.LeftAnswered}}) // of the first stay
	s.do(FromACD{acd.Offer{OfferID: "o2", CallID: "c1", Agent: "carol", Device: "202", Deadline: s.now.Add(time.Minute)}})
	s.want("DialDevice 202")
	s.do(HangUp{event.ResultOurs, event.ReasonShutdown})
	s.want("acd.Leave")
	s.close()
}
