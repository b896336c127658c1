package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// leaving is a call in a flow that takes a message, which is being recorded.
func leaving(t *testing.T) *score {
	f, err := flow.ParseYAML("box", []byte(`
start: leave
steps:
  leave: {record: {beep: false, into: m, min: 2s, review: [main_menu]}, next: bye}
  bye: {hangup: normal}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := house
	r.flows = map[string]*flow.Flow{"box": f}
	s := start(t, r, route.Target{Kind: route.Flow, Name: "box"})
	s.do(AnswerSent{})
	s.want("journal recording.started", "StartMessage")
	return s
}

func (s *score) closed(voice time.Duration) {
	s.t.Helper()
	g := s.m.S.Message
	s.do(MessageDone{event.RecordingEnded{Recording: g.Recording, Path: g.Path, SizeBytes: 4000, DurationMs: 9000}, voice})
}

func TestMessageKept(t *testing.T) {
	s := leaving(t)
	id := s.m.S.Message.Recording
	s.do(MessageQuiet{id})
	s.want("EndMessage")
	s.closed(5 * time.Second)
	s.never("journal recording.ended") // nobody knows yet whether it stays
	s.do(Key{Leg: 0, Digit: '1', Via: "rfc4733"})
	s.never("DropRecording")
	s.want("journal recording.ended", "journal message.kept")
	if s.m.S.IVR.Vars["m"] != id {
		t.Fatalf("%v", s.m.S.IVR.Vars)
	}
}

func TestMessageAgain(t *testing.T) {
	s := leaving(t)
	first := s.m.S.Message.Recording
	s.do(Key{Leg: 0, Digit: '#', Via: "info"})
	s.want("EndMessage")
	s.closed(5 * time.Second)
	s.do(Key{Leg: 0, Digit: '3', Via: "rfc4733"})
	s.never("journal message.kept")
	s.want("DropRecording", "journal recording.ended", "StartMessage")
	if s.m.S.Message == nil || s.m.S.Message.Recording == first {
		t.Fatalf("%+v", s.m.S.Message)
	}
}

// Most people end a message by hanging up.
func TestMessageOfWhoHangsUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		voice time.Duration
		kept  bool
	}{{"said enough", 3 * time.Second, true}, {"said nothing", time.Second, false}} {
		t.Run(c.name, func(t *testing.T) {
			s := leaving(t)
			s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
			s.want("EndMessage")
			s.do(LegMeasured{Leg: 0})
			if s.m.S.Phase == Ended {
				t.Fatal("the call's record is closed before the message's file")
			}
			s.log = nil
			s.closed(c.voice)
			if c.kept {
				s.never("DropRecording")
				s.want("journal recording.ended", "journal message.kept", "journal call.ended")
			} else {
				s.never("journal message.kept")
				s.want("DropRecording", "journal recording.ended", "journal call.ended")
			}
			if s.m.S.Phase != Ended {
				t.Fatalf("phase %s", s.m.S.Phase)
			}
		})
	}
	t.Run("in the review", func(t *testing.T) {
		s := leaving(t)
		s.do(Key{Leg: 0, Digit: '#', Via: "rfc4733"})
		s.closed(3 * time.Second)
		s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
		s.want("journal recording.ended", "journal message.kept")
		s.do(LegMeasured{Leg: 0})
		if s.m.S.Phase != Ended {
			t.Fatalf("phase %s", s.m.S.Phase)
		}
	})
}

// A disk that takes nothing ends the step, not the call's life.
func TestMessageWithoutDisk(t *testing.T) {
	s := leaving(t)
	g := s.m.S.Message
	s.do(MessageDone{Body: event.RecordingEnded{Recording: g.Recording, Path: g.Path, Fault: "open"}})
	s.never("journal message.kept", "DropRecording")
	s.want("journal recording.ended", "journal flow.failed")
	if s.m.S.Message != nil || s.m.S.AwaitMessages != 0 {
		t.Fatalf("%+v %d", s.m.S.Message, s.m.S.AwaitMessages)
	}
}
