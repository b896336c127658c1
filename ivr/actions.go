package ivr

import (
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
)

// Action is something the call must do for the flow, in the order given. The
// set is closed: the types of this file.
type Action interface{ action() }

// Answer sends the 200 to the caller. It comes at most once in a call, before
// the first action that needs the caller to hear or to press something.
type Answer struct{}

// Play speaks Phrases in a row to the caller in Language, replacing what plays.
// The call reports PlayDone{ID} when it was heard to the end, or Failed{ID} when
// a prompt could not be opened. Loop = until stopped or replaced.
type Play struct {
	ID       uint64
	Language string
	Phrases  []prompt.Phrase
	Loop     bool
}

// StopPlay ends what plays: a Play or a Tone. No PlayDone is awaited after it.
type StopPlay struct{}

// SetTimer asks for TimerFired{ID} after D.
type SetTimer struct {
	ID uint64
	D  time.Duration
}

// StopTimer takes a timer back. A TimerFired that was under way is ignored.
type StopTimer struct{ ID uint64 }

// Queue puts the caller into a queue. The call plays Music (a prompt name, ""
// = the queue's own) and the queue's announcements in Language, and reports
// QueueLeft when the caller is out of the queue again, or, when an agent took
// the call, Connected and, after the conversation, QueueLeft{Outcome: "answered"}.
type Queue struct {
	ID       uint64
	Queue    string
	Priority int // added to the number's and the queue's own
	Skills   map[string]int
	Music    string
	Language string
	Need     string        // skill expression
	Agent    string        // wait for this agent alone, for Patience; "" = the queue's rule
	Patience time.Duration // 0 = the queue's
}

// LeaveQueue takes the waiting caller out of the queue. Outcome is "key" or
// "timeout" and comes back in QueueLeft. Once an agent has accepted the call
// ignores it.
type LeaveQueue struct {
	ID      uint64
	Outcome string
}

// Dial rings all Targets at once ("device:NAME", "number:DIGITS"); the first to
// answer is connected, the others are cancelled. Taking targets in turn is the
// interpreter's work: one Dial each. The call reports Connected when one has
// answered, and DialDone at the end. Timeout bounds the ringing. Ringback is a
// prompt name played to the caller meanwhile; "" = the ring tone (180 when the
// caller's leg is not answered yet; it is then answered with the target).
type Dial struct {
	ID       uint64
	Targets  []string
	Timeout  time.Duration
	Ringback string
	Language string
}

// Tone plays a tone: Kind "ringback", "busy", "beep", "dial" or "custom" with
// the frequencies Hz (summed). It lasts until StopPlay, which comes after D.
type Tone struct {
	ID   uint64
	Kind string
	Hz   []float64
	D    time.Duration
}

// Ring lets the caller hear ringing: a 180 while the call is not answered, the
// ring tone after. It lasts until the next action that is heard, or StopPlay.
type Ring struct{}

// Echo sends the caller's own audio back until StopEcho.
type Echo struct{}

// StopEcho ends Echo.
type StopEcho struct{}

// Stream sends the caller's sound to a machine as Spec says, and lets the machine be
// heard. The call reports StreamDone{ID} when it is over, unless Spec.Wait is false.
// It is the last action of its step's.
type Stream struct {
	ID       uint64
	Spec     *flow.Stream
	Language string
}

// StopStream ends a Stream. No StreamDone is awaited after it.
type StopStream struct{ ID uint64 }

// Hangup ends the call. Cause is one of flow.Causes; before the answer the call
// maps it to a final SIP status (normal 603, busy 486, rejected 603,
// unavailable 480, not_found 404, congestion 503).
type Hangup struct{ Cause string }

// CallFlow leaves this flow for another: the call gives it to Start with
// Input.Previous set to the state of this one.
type CallFlow struct{ Name string }

// EnterStep tells which step is done now, for the journal.
type EnterStep struct{ Flow, Step, Kind string }

// Keyed is a key of the caller, for the journal: "*" when Secret.
type Keyed struct {
	Digit  byte
	Secret bool
}

// Fail tells that a step could not be done, for the journal. The sorry prompt
// follows, then GoDefault, unless the step has a way for it.
type Fail struct {
	Flow, Step string
	Err        string // of our own words and resource names; never digits of the caller
}

// GoDefault sends the call to the tenant's default target, or ends it when
// there is none. Done follows.
type GoDefault struct{}

// Ignored is an event that changed nothing and why, for the debug log and a
// counter: a late PlayDone, a timer that was taken back, a digit after the end.
type Ignored struct{ Event, Reason string }

// Record takes what the caller says into a file of its own, beside any recording of
// the call. For names whom it is for, "" nobody (event message.kept). The call reports
// RecordQuiet{ID} once when nothing was said for Silence (0 = never), and
// RecordDone{ID} after StopRecord or when it cannot be done. A caller who hangs up
// meanwhile leaves the message when there is Min of voice in it.
type Record struct {
	ID           uint64
	For          string
	Silence, Min time.Duration
}

// StopRecord ends a Record; RecordDone follows.
type StopRecord struct{ ID uint64 }

// KeepMessage and DropMessage decide what becomes of a message. One that nothing was
// decided about stays, as after a caller who hangs up.
type (
	KeepMessage struct{ Recording string }
	DropMessage struct{ Recording string }
)

// Over says that the flow wants no more events.
type Over struct{}

// Do has a Job done outside of the call, for at most Timeout, which the flow's own
// timer keeps. The call reports Done{ID}; when too much is under way, at once.
type Do struct {
	ID      uint64
	Job     flow.Job
	Timeout time.Duration
}

// StopDo gives a Do up. No Done is awaited after it. Outcome is flow.OutcomeTimeout, or
// "left" when the step is left for another reason.
type StopDo struct {
	ID      uint64
	Outcome string
}

func (Answer) action()      {}
func (Play) action()        {}
func (StopPlay) action()    {}
func (SetTimer) action()    {}
func (StopTimer) action()   {}
func (Queue) action()       {}
func (LeaveQueue) action()  {}
func (Dial) action()        {}
func (Tone) action()        {}
func (Ring) action()        {}
func (Echo) action()        {}
func (StopEcho) action()    {}
func (Stream) action()      {}
func (StopStream) action()  {}
func (Hangup) action()      {}
func (CallFlow) action()    {}
func (EnterStep) action()   {}
func (Keyed) action()       {}
func (Fail) action()        {}
func (GoDefault) action()   {}
func (Ignored) action()     {}
func (Record) action()      {}
func (StopRecord) action()  {}
func (KeepMessage) action() {}
func (DropMessage) action() {}
func (Over) action()        {}
func (Do) action()          {}
func (StopDo) action()      {}

// Event is something that happened to the call while a flow runs. The set is
// closed: the types below.
type Event interface{ event() string }

// PlayDone: the Play with this ID was heard to the end.
type PlayDone struct{ ID uint64 }

// Digit: the caller pressed a key, one of 0-9, *, #, A-D.
type Digit struct{ Digit byte }

// TimerFired: the timer of a SetTimer ran out.
type TimerFired struct{ ID uint64 }

// Connected: the conversation of a Queue or Dial has begun. Keys now belong to
// the conversation, and the flow's own timers stop.
type Connected struct{ ID uint64 }

// QueueLeft: the caller is out of the queue. Outcome is "timeout", "empty",
// "full", "key", "error", "overflow", or "answered" when the conversation with an agent is
// over and the caller is still there. ID is that of the Queue action, 0 = the
// current one.
type QueueLeft struct {
	ID      uint64
	Outcome string
}

// DialDone: a Dial is over. Outcome is "answered" when the conversation is over
// and the caller is still there, else "no_answer", "busy" or "failed". ID is
// that of the Dial action, 0 = the current one.
type DialDone struct {
	ID      uint64
	Outcome string
}

// StreamDone: a Stream is over. Outcome is "ended" when the machine was through, with
// its Result, else "failed": not reached, lost, or it broke the protocol.
type StreamDone struct {
	ID      uint64
	Outcome string
	Result  string
}

// RecordQuiet: nothing was said for as long as the Record asked.
type RecordQuiet struct{ ID uint64 }

// RecordDone: a Record is over. Outcome is flow.OutcomeDone or flow.OutcomeFailed;
// Voice is how much of Duration somebody spoke.
type RecordDone struct {
	ID              uint64
	Outcome         string
	Recording, Path string
	Duration, Voice time.Duration
}

// Failed: an action could not be carried out (a prompt could not be opened, a
// target does not exist). ID is the action's, 0 = whatever runs now.
type Failed struct {
	ID  uint64
	Err string
}

// Done: a Do is over. Outcome is one of the job's own, or of flow.Outcome...; Values is
// what it found, for variables; Err says in our own words what went wrong, for the
// journal: never what the caller typed, never a secret.
type Done struct {
	ID      uint64
	Outcome string
	Values  map[string]string
	Err     string
}

func (Done) event() string        { return "done" }
func (PlayDone) event() string    { return "play_done" }
func (Digit) event() string       { return "digit" }
func (TimerFired) event() string  { return "timer_fired" }
func (Connected) event() string   { return "connected" }
func (QueueLeft) event() string   { return "queue_left" }
func (DialDone) event() string    { return "dial_done" }
func (StreamDone) event() string  { return "stream_done" }
func (RecordQuiet) event() string { return "record_quiet" }
func (RecordDone) event() string  { return "record_done" }
func (Failed) event() string      { return "failed" }
