package call

import (
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
)

// answered is the last answer to something asked of the call.
func (s *score) answered() int {
	for _, e := range slices.Backward(s.all) {
		if a, ok := e.(AnswerTransfer); ok {
			return a.Code
		}
	}
	return 0
}

// marked plays the owner, who tells when the recorder has paused or gone on.
func (s *score) marked(atMs int64) {
	s.t.Helper()
	for _, e := range slices.Backward(s.all) {
		if p, ok := e.(PauseRecording); ok {
			s.do(RecordingMarked{Recording: s.m.S.Recording, Paused: p.On, AtMs: atMs, By: p.By})
			return
		}
	}
	s.t.Fatal("nothing was paused")
}

func talkingBy(t *testing.T, policy resource.Record) *score {
	r := house
	r.record = map[string]resource.Record{"sales": policy}
	r.inCall = map[string]string{"*1": "record_pause", "*2": "record_resume", "*3": "record_start", "*4": "record_stop", "*5": "transfer"}
	s := start(t, r, toSales)
	s.do(offer("o1", "bob", "201", s))
	s.dialled("201", "bob")
	s.do(LegProgressed{Leg: 1})
	s.do(LegPickedUp{Leg: 1})
	return s
}

// Each policy records from its own moment.
func TestRecordingBegins(t *testing.T) {
	r := house
	for _, tt := range []struct {
		policy             resource.Record
		ringing, answered  bool
		tapped             int // the other side while it rings
		startable, stopped int // SIP status of a start and of a stop dialled
	}{
		{resource.RecordNever, false, false, 0, 403, 409},
		{resource.RecordAlways, false, true, 1, 409, 403},
		{resource.RecordRing, true, true, 1, 409, 403},
		{resource.RecordOnDemand, false, false, 0, 202, 202},
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			r.record = map[string]resource.Record{"sales": tt.policy}
			s := start(t, r, toSales)
			s.do(offer("o1", "bob", "201", s))
			s.dialled("201", "bob")
			s.log = nil
			s.do(LegProgressed{Leg: 1})
			if got := slices.Contains(s.log, "StartRecording"); got != tt.ringing {
				t.Errorf("recording while it rings: %v", got)
			}
			s.do(LegPickedUp{Leg: 1})
			if got := s.m.S.Recording != ""; got != tt.answered {
				t.Errorf("recording after the answer: %v", got)
			}
			if tt.ringing { // whoever was without sound before is on a channel now
				s.want("StartRecording", "TapLeg", "TapLeg")
			}
			s.do(RecordAsked{Leg: 1, Action: "start", By: byKeys})
			if s.answered() != tt.startable {
				t.Errorf("start: %d, want %d", s.answered(), tt.startable)
			}
			s.do(RecordAsked{Leg: 1, Action: "stop", By: byKeys})
			if s.answered() != tt.stopped {
				t.Errorf("stop: %d, want %d", s.answered(), tt.stopped)
			}
			s.do(HangUp{event.ResultOurs, event.ReasonNormal})
			s.close()
		})
	}
}

// Nobody answers: what was recorded of the ringing is closed, the caller in the
// menu is not recorded.
func TestRecordingOfRingingOnly(t *testing.T) {
	s := start(t, house, route.Target{Kind: route.Trunk, Record: resource.RecordRing, Routes: []route.TrunkRoute{{Trunk: "north", Number: "0721"}}})
	s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "0721"}}})
	s.do(LegProgressed{Leg: 1, Early: true})
	s.want("StartRecording", "Bridge 0-1")
	s.do(LegRefused{Leg: 1, Code: 486, Reason: event.ReasonBusy})
	s.want("StopRecording", "Reject 486")
	s.close()
}

// A pause by the agent's phone: asked by code, marked by the recorder, in the
// journal with its place; it ends with the conversation it was asked in.
func TestRecordingPaused(t *testing.T) {
	s := talkingBy(t, resource.RecordAlways)
	press := func(keys string) {
		for _, k := range keys {
			s.after(300*time.Millisecond, Key{1, byte(k), "rfc4733"})
		}
	}
	s.log = nil
	press("*2#")
	s.never("PauseRecording", "PlayClip") // nothing to resume
	press("*1#")
	s.want("PauseRecording", "PlayClip")
	s.marked(4200)
	s.want("journal recording.paused")
	press("*1#")
	s.never("PauseRecording")
	if s.answered() != 409 {
		t.Errorf("paused twice: %d", s.answered())
	}
	press("*5202#") // other codes go on
	s.want("AskTarget")
	press("*2#")
	s.want("PauseRecording", "PlayClip")
	s.marked(9000)
	s.want("journal recording.resumed")
	// Paused, and then transferred: the next conversation is recorded.
	press("*1#")
	s.marked(9500)
	s.do(TransferAsked{Leg: 1, Target: route.Target{Kind: route.Device, Name: "202"}, By: "phone"})
	s.dialled("202", "carol")
	s.do(LegPickedUp{Leg: 2})
	s.want("PauseRecording")
	s.marked(12000)
	s.want("journal recording.resumed")
	if s.m.S.RecPaused {
		t.Error("still paused")
	}
	s.do(RecordAsked{Action: "dance", By: "api"})
	if s.answered() != 409 {
		t.Errorf("dance: %d", s.answered())
	}
	s.do(RecordAsked{Action: "stop", By: "api"}) // the operator may
	if s.answered() != 202 {
		t.Errorf("stop by api: %d", s.answered())
	}
	s.do(RecordingMarked{Recording: "c1", Paused: true}) // behind its end
	if s.m.S.RecPaused {
		t.Error("a recording that is over was paused")
	}
}

// Stopped and begun again on demand: two files, and the call waits for the newer
// whatever the order in which they are closed.
func TestRecordingAgain(t *testing.T) {
	s := talkingBy(t, resource.RecordOnDemand)
	s.do(RecordAsked{Action: "start", By: "api"})
	s.do(RecordAsked{Action: "stop", By: "api"})
	s.do(RecordAsked{Action: "start", By: "api"})
	if s.answered() != 409 {
		t.Errorf("begun before the first is closed: %d", s.answered())
	}
	s.do(RecordingDone{event.RecordingEnded{Recording: "c1"}})
	s.do(RecordAsked{Action: "start", By: "api"})
	if s.answered() != 202 || s.m.S.Recording != "c1-2" {
		t.Errorf("%d, recording %q", s.answered(), s.m.S.Recording)
	}
	s.do(RecordingDone{event.RecordingEnded{Recording: "c1"}}) // told twice
	if !s.m.S.AwaitRecording {
		t.Error("the call would not wait for its newest recording")
	}
	s.do(HangUp{event.ResultOurs, event.ReasonNormal})
	s.do(RecordingDone{event.RecordingEnded{Recording: "c1-2"}})
	s.close()
}
