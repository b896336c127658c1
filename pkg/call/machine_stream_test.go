package call

import (
	"testing"

	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
)

// A stream asked for in a conversation: one that is heard at a time, keys go to it unless the
// recording is paused, and the call's record waits for its last word.
func TestStreamInConversation(t *testing.T) {
	s := talkingBy(t, resource.RecordAlways)
	o := stream.Options{URL: "wss://text.example.com/in?key=secret"}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	ask := func(o *stream.Options, want int) {
		t.Helper()
		if s.do(StreamAsked{Options: o, By: "api"}); s.answered() != want {
			t.Fatalf("answer %d, want %d", s.answered(), want)
		}
	}
	ask(nil, 409)
	s.log = nil
	ask(&o, 202)
	s.want("journal stream.started", "StartStream")
	first := s.m.S.Streams[0].ID
	ask(&o, 409)
	s.never("StartStream")
	s.do(Key{Leg: 0, Digit: '4', Via: "rfc4733"})
	s.want("StreamKey")
	s.do(Key{Leg: 1, Digit: '4', Via: "rfc4733"}) // the agent's
	s.never("StreamKey")
	s.do(RecordAsked{Leg: 1, Action: "pause", By: byKeys})
	s.marked(1000)
	s.log = nil
	s.do(Key{Leg: 0, Digit: '4', Via: "rfc4733"}) // of a card
	s.never("StreamKey")

	ask(nil, 202)
	s.want("StopStream")
	ask(&o, 202) // another, while the first still says goodbye
	second := s.m.S.Streams[0].ID
	s.do(StreamOver{first, stream.Result{Outcome: stream.OutcomeStopped}})
	if len(s.m.S.Streams) != 1 || s.m.S.Streams[0].ID != second || first == second {
		t.Errorf("streams %+v, want %q", s.m.S.Streams, second)
	}
	s.do(HangUp{event.ResultOurs, event.ReasonNormal})
	s.want("StopStream")
	for i := range s.m.S.Legs {
		s.do(LegGone{Leg: i, Reason: event.ReasonNormal})
		s.do(LegMeasured{Leg: i})
	}
	s.do(RecordingDone{event.RecordingEnded{Recording: "c1"}})
	if s.m.S.Phase == Ended {
		t.Fatal("the record is closed before the stream's end is known")
	}
	s.do(StreamOver{second, stream.Result{Outcome: stream.OutcomeStopped}})
	s.want("journal stream.ended", "journal call.ended", "Finish")
}

// Several may listen, one of all may be heard; each has its keys and its own end.
func TestSeveralStreams(t *testing.T) {
	s := talkingBy(t, resource.RecordNever)
	ask := func(direction string, want int) {
		t.Helper()
		o := stream.Options{URL: "wss://text.example.com/in", Direction: direction}
		if err := o.Check(); err != nil {
			t.Fatal(err)
		}
		if s.do(StreamAsked{Options: &o, By: "api"}); s.answered() != want {
			t.Fatalf("answer to %s: %d, want %d", direction, s.answered(), want)
		}
	}
	stop := func(id string, want int) {
		t.Helper()
		if s.do(StreamAsked{ID: id, By: "api"}); s.answered() != want {
			t.Fatalf("answer to the end of %q: %d, want %d", id, s.answered(), want)
		}
	}
	open := func() (ids []string) {
		for _, k := range s.m.S.Streams {
			ids = append(ids, k.ID)
		}
		return ids
	}
	ask(stream.Listen, 202)
	ask(stream.Both, 202)
	ask(stream.Speak, 409) // another is heard
	ask(stream.Listen, 202)
	ask(stream.Listen, 202)
	ask(stream.Listen, 409) // as many as there may be
	ids := open()
	if len(ids) != maxStreams {
		t.Fatalf("%d streams", len(ids))
	}
	s.log = nil
	s.do(Key{Leg: 0, Digit: '4', Via: "rfc4733"})
	if n := counted(s.log, "StreamKey"); n != maxStreams {
		t.Errorf("%d streams were told of the key", n)
	}
	stop("c1-s99", 409)
	s.log = nil
	stop(ids[1], 202)
	s.want("StopStream")
	ask(stream.Speak, 202) // nobody is heard now
	s.do(StreamOver{ids[1], stream.Result{Outcome: stream.OutcomeStopped}})
	s.do(StreamOver{ids[2], stream.Result{Outcome: stream.OutcomeLost}})
	if got := open(); len(got) != 3 || got[0] != ids[0] || got[1] != ids[3] {
		t.Errorf("left: %v of %v", got, ids)
	}
	s.log = nil
	stop("", 202)
	if n := counted(s.log, "StopStream"); n != 3 || len(open()) != 0 {
		t.Errorf("%d ended, %v left", n, open())
	}
	stop("", 409)
}

func counted(log []string, name string) (n int) {
	for _, x := range log {
		if x == name {
			n++
		}
	}
	return n
}

// A stream that never ends does not hold the call: the bound on ending does.
func TestStreamDoesNotHoldTheCall(t *testing.T) {
	s := talkingBy(t, resource.RecordNever)
	o := stream.Options{URL: "tcp://192.0.2.1:9"}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	s.do(StreamAsked{Options: &o, By: "api"})
	s.do(HangUp{event.ResultOurs, event.ReasonNormal})
	s.log = nil
	s.do(TimerFired{TimerEnding})
	s.want("journal call.ended", "Finish")
}

// Nobody hears a stream before the answer.
func TestStreamNeedsAnAnswer(t *testing.T) {
	s := start(t, house, route.Target{Kind: route.Device, Name: "201"})
	o := stream.Options{URL: "tcp://192.0.2.1:9"}
	s.do(StreamAsked{Options: &o, By: "api"})
	if s.answered() != 409 {
		t.Errorf("answer %d", s.answered())
	}
}
