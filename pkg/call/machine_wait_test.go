package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// sentOn plays a caller whom a rule of overflow sends on after three seconds.
func sentOn(t *testing.T, to string) *score {
	s := start(t, house, toSales)
	s.want("AnswerCaller", "segment waiting", "acd.Enter", "Play 0 music")
	s.after(3*time.Second, FromACD{acd.LeftQueue{CallID: "c1", Queue: "sales", Outcome: acd.LeftOverflow, To: to}})
	return s
}

func (s *score) entered() acd.Enter {
	s.t.Helper()
	for i := len(s.all) - 1; i >= 0; i-- {
		if tell, ok := s.all[i].(TellACD); ok {
			if e, ok := tell.Event.(acd.Enter); ok {
				return e
			}
		}
	}
	s.t.Fatal("no queue was entered")
	return acd.Enter{}
}

func TestOverflowToAQueueKeepsTheTimeWaited(t *testing.T) {
	s := sentOn(t, "queue:backup")
	s.want("StopPlay", "segment waiting", "acd.Enter", "Play 0 music")
	e := s.entered()
	if e.Queue != "backup" || s.now.Sub(e.ArrivedAt) != 3*time.Second || e.Returns != "0700" || e.Stays {
		t.Fatalf("%+v at %s", e, s.now)
	}
	s.after(time.Second, offer("o1", "carol", "202", s))
	s.want("DialDevice 202")
}

func TestOverflowInACircleEnds(t *testing.T) {
	s := start(t, house, toSales)
	for i := range acd.MaxSentOn {
		if s.entered().Stays {
			t.Fatalf("stays after being sent on %d times", i)
		}
		s.do(FromACD{acd.LeftQueue{CallID: "c1", Outcome: acd.LeftOverflow, To: "queue:sales"}})
	}
	if !s.entered().Stays {
		t.Fatal("goes round for ever")
	}
}

func TestOverflowToADeviceAndANumber(t *testing.T) {
	s := sentOn(t, "device:204")
	s.want("StopPlay", "segment ringing", "PlayClip", "DialDevice 204")
	s = sentOn(t, "number:0722")
	s.want("StopPlay", "segment ringing", "PlayClip", "DialOutside")
	s.do(DialFailed{Reason: event.ReasonRejected})
	if s.m.S.Phase == Waiting {
		t.Fatal("back in a queue")
	}
}

func TestCallersWhoCannotBeToldApart(t *testing.T) {
	for from, want := range map[string]string{"0700": "0700", "+40700": "+40700", "anonymous": "", "": "", "0": "", "+": "", "ana": ""} {
		m := &Machine{S: State{From: from}}
		if got := m.knownCaller(); got != want {
			t.Errorf("%q is known as %q, want %q", from, got, want)
		}
	}
	m := &Machine{S: State{From: "0700", Private: true}}
	if m.knownCaller() != "" {
		t.Error("who withholds the number is told apart by it")
	}
}
