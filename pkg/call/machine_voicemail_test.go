package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// boxes is a house with a box for bob (PIN 1234, number 300), and one for the night.
func boxes() rules {
	r := house
	r.voicemail = &Voicemails{
		Boxes: map[string]*Box{"bob": {Greeting: "hello_bob", PIN: "1234", MaxLength: time.Minute},
			"night": {Greeting: "voicemail_greeting", MaxLength: 3 * time.Minute}},
		Numbers:  map[string]string{"300": "bob"},
		Own:      map[string]string{"201": "bob", "202": "night"},
		Fallback: map[string]Fallback{"201": {Box: "bob", After: 20 * time.Second}},
		Full:     func(box string) bool { return box == "night" },
	}
	return r
}

// heard ends what the caller hears.
func (s *score) heard() { s.t.Helper(); s.do(Played{Leg: 0, ID: ownPlay | s.m.S.PlayID}) }

// said closes the file of the message, in which the caller spoke for d.
func (s *score) said(d time.Duration) {
	s.t.Helper()
	s.do(MessageDone{Body: event.RecordingEnded{Recording: "c1-m1", DurationMs: d.Milliseconds(), SizeBytes: 4096}, Voice: d})
}

// bodies lists the events of a kind that were journalled.
func bodies[B event.Body](s *score) (out []B) {
	for _, e := range s.all {
		if j, ok := e.(Journal); ok {
			if b, ok := j.Body.(B); ok {
				out = append(out, b)
			}
		}
	}
	return out
}

// Nobody answers bob's phone: his box takes the message, which is in the journal when
// the file is closed and before the call's end.
func TestMessageWhenNobodyAnswers(t *testing.T) {
	s := start(t, boxes(), route.Target{Kind: route.Device, Name: "201", Record: "never"})
	s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
	s.do(LegProgressed{Leg: 1})
	s.after(20*time.Second, TimerFired{TimerRing})
	s.want("EndLeg 1 no answer", "AnswerCaller", "segment menu", "Play 0 hello_bob")
	s.heard()
	s.want("PlayClip") // the tone
	s.never("StartMessage")
	s.heard()
	s.want("journal recording.started", "StartMessage", "SetTimer")
	rec := bodies[event.RecordingStarted](s)[0]
	if !rec.Message || rec.Box != "bob" || rec.Recording != "c1-m1" {
		t.Fatalf("recording %+v", rec)
	}
	s.do(Key{Leg: 0, Digit: '5'}) // a key in the message is nothing
	s.never("EndMessage")
	s.after(12*time.Second, LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
	s.want("EndMessage")
	s.said(12 * time.Second)
	s.want("journal recording.ended", "journal message.kept", "journal voicemail.left")
	if m := bodies[event.VoicemailLeft](s)[0]; m.Box != "bob" || m.From != "0700" || m.DurationMs != 12000 || m.Message != "c1-m1" {
		t.Errorf("message %+v", m)
	}
	s.verdict(event.ResultCaller, event.ReasonNormal)
}

func TestMessageEnds(t *testing.T) {
	leave := func(t *testing.T) *score {
		s := start(t, boxes(), route.Target{Kind: route.Voicemail, Name: "bob"})
		s.want("AnswerCaller", "Play 0 hello_bob")
		s.do(Key{Leg: 0, Digit: '1'}) // enough of the greeting
		s.want("StopPlay", "PlayClip")
		s.heard()
		s.want("StartMessage")
		return s
	}
	t.Run("by the hash key", func(t *testing.T) {
		s := leave(t)
		s.after(5*time.Second, Key{Leg: 0, Digit: '#'})
		s.want("StopTimer", "EndMessage")
		s.never("Play 0 message_saved") // not before it is
		s.said(5 * time.Second)
		s.want("journal voicemail.left", "Play 0 message_saved")
		s.heard()
		s.verdict(event.ResultSuccess, event.ReasonNormal)
	})
	t.Run("by its length", func(t *testing.T) {
		s := leave(t)
		s.after(time.Minute, TimerFired{TimerVoicemail})
		s.want("EndMessage")
		s.do(TimerFired{TimerVoicemail}) // fired already when it was stopped
		s.never("EndMessage")
	})
	t.Run("by silence", func(t *testing.T) {
		s := leave(t)
		s.after(9*time.Second, MessageQuiet{"c1-m1"})
		s.want("EndMessage")
		s.said(3 * time.Second)
		s.want("Play 0 message_saved")
	})
	t.Run("nothing said", func(t *testing.T) {
		s := leave(t)
		s.after(300*time.Millisecond, LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
		s.said(100 * time.Millisecond)
		s.want("DropRecording")
		if len(bodies[event.VoicemailLeft](s)) != 0 {
			t.Error("a click is no message")
		}
		s.verdict(event.ResultCaller, event.ReasonNormal)
	})
	t.Run("the disk refuses", func(t *testing.T) {
		s := leave(t)
		s.do(MessageDone{Body: event.RecordingEnded{Recording: "c1-m1", Fault: "open"}})
		s.want("Play 0 sorry")
		s.heard()
		s.close()
		if len(bodies[event.VoicemailLeft](s)) != 0 {
			t.Error("there is no message")
		}
	})
	t.Run("private", func(t *testing.T) {
		s := leave(t)
		s.m.S.Private = true
		s.after(5*time.Second, Key{Leg: 0, Digit: '#'})
		s.said(5 * time.Second)
		if m := bodies[event.VoicemailLeft](s)[0]; m.From != "" || m.Display != "" {
			t.Errorf("message tells who called: %+v", m)
		}
	})
}

// A box that is full, one that is gone, a queue that overflows into one, the default target.
func TestWaysToABox(t *testing.T) {
	s := start(t, boxes(), route.Target{Kind: route.Voicemail, Name: "night"})
	s.want("AnswerCaller", "Play 0 voicemail_full")
	s.heard()
	s.never("StartMessage")
	s.verdict(event.ResultSuccess, event.ReasonNormal)

	s = start(t, boxes(), route.Target{Kind: route.Voicemail, Name: "nobody"})
	s.want("Reject 500")

	s = start(t, boxes(), toSales)
	s.do(FromACD{acd.LeftQueue{CallID: "c1", Outcome: acd.LeftOverflow, To: "voicemail:bob"}})
	s.want("segment menu", "Play 0 hello_bob")

	r := boxes()
	r.defaultTarget = "voicemail:bob"
	s = start(t, r, route.Target{Kind: route.Flow, Name: "gone"})
	s.want("Play 0 hello_bob")
}

// A flow goes on behind the message, with what became of it.
func TestVoicemailStep(t *testing.T) {
	f, err := flow.ParseYAML("f", []byte(`
start: leave
steps:
  leave: {voicemail: bob, on: {empty: again}, next: bye}
  again: {play: try_again, next: bye}
  bye: {hangup: normal}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		then  string
	}{{5 * time.Second, "EndLeg 0 normal"}, {200 * time.Millisecond, "Play 0 try_again"}} {
		r := boxes()
		r.flows = map[string]*flow.Flow{"f": f}
		s := start(t, r, route.Target{Kind: route.Flow, Name: "f"})
		s.want("AnswerCaller", "Play 0 hello_bob")
		s.heard()
		s.heard()
		s.want("StartMessage")
		s.after(c.after, Key{Leg: 0, Digit: '#'})
		s.said(c.after)
		s.heard()
		s.want(c.then)
	}
}

func TestMailboxByPhone(t *testing.T) {
	r := boxes()
	s := &score{t: t, now: time.Date(2026, 3, 29, 0, 59, 58, 0, time.UTC)}
	s.m = NewMachine(State{ID: "c1", Tenant: "default", Direction: event.Internal, From: "201", Language: "en", Legs: []Leg{{Device: "201", Agent: "bob"}}}, r)
	s.do(Invited{Target: route.Target{Kind: route.Feature, Feature: route.FeatureVoicemail}})
	s.want("AnswerCaller", "Play 0 enter_pin")
	for _, d := range "9999" {
		s.do(Key{Leg: 0, Digit: byte(d)})
	}
	s.want("journal voicemail.opened", "Play 0 wrong_pin")
	for _, d := range "1234" {
		s.do(Key{Leg: 0, Digit: byte(d)})
	}
	s.want("journal voicemail.opened", "ListMailbox")
	s.do(MailboxListed{List: []MailboxMessage{{ID: "m1", Path: "p1", From: "0700", New: true}, {ID: "m2", Path: "p2", New: true}, {ID: "m3", Path: "p3", From: "0702"}}})
	s.want("Play 0 new_messages")
	s.heard()
	s.want("Play 0 message_from")
	s.heard()
	s.want("PlayRecording")
	s.heard()
	s.want("journal voicemail.marked", "Play 0 message_options")
	s.do(Key{Leg: 0, Digit: '2'}) // next: a withheld number
	s.want("StopPlay", "Play 0 message_from")
	s.do(Key{Leg: 0, Digit: '3'})
	s.want("journal voicemail.deleted", "Play 0 message_deleted")
	s.heard()
	s.want("Play 0 message_from")
	s.do(Key{Leg: 0, Digit: '5'})
	s.want("RouteNumber")
	s.do(NumberRouted{Target: route.Target{Kind: route.Trunk, Name: "south", Routes: []route.TrunkRoute{{Trunk: "south", Number: "0702"}}, RingTimeout: time.Minute}})
	s.want("segment ringing", "DialTrunk south 0702")
	if got := bodies[event.VoicemailDeleted](s); len(got) != 1 || got[0].Message != "m2" {
		t.Errorf("deleted %+v", got)
	}
	if got := bodies[event.VoicemailMarked](s); len(got) != 1 || got[0].Message != "m1" || got[0].State != "saved" {
		t.Errorf("marked %+v", got)
	}
}

// Three wrong PINs, a phone without a box, another's box without a PIN.
func TestMailboxIsClosedToOthers(t *testing.T) {
	open := func(device, arg string) *score {
		s := &score{t: t, now: time.Date(2026, 3, 29, 0, 59, 58, 0, time.UTC)}
		s.m = NewMachine(State{ID: "c1", Tenant: "default", Language: "en", Legs: []Leg{{Device: device}}}, boxes())
		s.do(Invited{Target: route.Target{Kind: route.Feature, Feature: route.FeatureVoicemail, Arg: arg}})
		return s
	}
	s := open("205", "300")
	for range 3 {
		s.never("ListMailbox")
		for _, d := range "4321" {
			s.do(Key{Leg: 0, Digit: byte(d)})
		}
	}
	s.want("Play 0 wrong_pin")
	s.heard()
	if got := bodies[event.VoicemailOpened](s); len(got) != 3 {
		t.Errorf("%d tries in the journal, want 3", len(got))
	}
	s.verdict(event.ResultSuccess, event.ReasonNormal)
	for _, c := range [][2]string{{"205", ""}, {"205", "999"}} {
		s := open(c[0], c[1])
		s.want("AnswerCaller", "DoFeature")
		s.never("ListMailbox")
	}
	s = open("202", "") // its own, which has no PIN
	s.want("ListMailbox")
	s.do(MailboxListed{})
	s.want("Play 0 no_messages")
}
