package call

import (
	"errors"
	"slices"
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

func TestAnnouncements(t *testing.T) {
	r := house
	r.announce = []string{"please_wait", "estimate", "position"}
	for _, c := range []struct {
		estimate time.Duration
		want     []string
	}{{220 * time.Second, []string{"please_wait", "wait_4", "position_2"}}, {-1, []string{"please_wait", "position_2"}}} {
		s := start(t, r, toSales)
		s.after(2*time.Second, FromACD{acd.Announce{CallID: "c1", Queue: "sales", Position: 2, Estimate: c.estimate}})
		var got []string
		for _, e := range s.all {
			if p, ok := e.(PlayPhrases); ok && !p.Loop {
				for _, ph := range p.Phrases {
					got = append(got, ph.Name)
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("said %v, want %v", got, c.want)
		}
	}
	r.announce = []string{"estimate"}
	s := start(t, r, toSales)
	n := len(s.all)
	s.after(2*time.Second, FromACD{acd.Announce{CallID: "c1", Queue: "sales", Position: 2, Estimate: -1}})
	if len(s.all) != n {
		t.Errorf("something was said of a wait that nobody knows: %v", s.all[n:])
	}
}

func TestAnnouncementWithoutItsPromptGivesMusicBack(t *testing.T) {
	r := house
	r.announce = []string{"misspelt"}
	s := start(t, r, toSales)
	s.want("Play 0 music")
	s.after(2*time.Second, FromACD{acd.Announce{CallID: "c1", Queue: "sales", Position: 2, Estimate: -1}})
	s.want("Play 0 misspelt")
	s.do(PlayFailed{Leg: 0, ID: s.m.S.Telling, Err: errors.New("no such prompt")})
	s.want("Play 0 music")
}

// QueueAnnounce gives the items asked for by their bits.
func (r rules) QueueAnnounce(_ string, items uint32) []string {
	var out []string
	for i, name := range r.announce {
		if items == 0 || items>>i&1 == 1 {
			out = append(out, name)
		}
	}
	return out
}

func TestAnnouncementOfWhatIsDue(t *testing.T) {
	r := house
	r.announce = []string{"position", "please_wait", "notice"}
	s := start(t, r, toSales)
	s.after(2*time.Second, FromACD{acd.Announce{CallID: "c1", Queue: "sales", Position: 2, Estimate: -1, Items: 0b110}})
	s.want("Play 0 please_wait")
	if p, ok := s.all[len(s.all)-1].(PlayPhrases); !ok || len(p.Phrases) != 2 || p.Phrases[1].Name != "notice" {
		t.Errorf("%+v", s.all[len(s.all)-1])
	}
}
