package call

import (
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// Effect is what the Machine wants done. The owner carries effects out in
// order. This file is the whole list.
type Effect interface{ effect() }

type (
	// AnswerCaller sends 200 to the caller's INVITE.
	AnswerCaller struct{}
	// RingCaller sends 180, or 183 with our SDP when Early, to a caller who is not answered.
	RingCaller struct{ Early bool }
	// RejectCaller refuses a caller who was never answered.
	RejectCaller struct {
		Code   int
		Reason event.Reason
		Word   string // Reason header of the far side (RFC 3326), "" none
	}
	// DialDevice rings every contact of a device. The owner answers with
	// DialStarted, or DialFailed when there is none.
	DialDevice struct {
		Device string
		Agent  string
		Ring   time.Duration
		Offer  string // the ACD's offer that it is for, "" none
	}
	// DialTrunk sends a call out on a trunk.
	DialTrunk struct {
		Trunk  string
		Number string
	}
	// DialOutside chooses the trunk for a number by the tenant's routes, then
	// OutsideFound follows, or DialFailed. Only flows ask for it: they belong to the house.
	DialOutside struct {
		Number string
		One    bool // only the best trunk: others are being dialled beside it
	}
	// EndLeg hangs a leg up, whatever state it is in.
	EndLeg struct {
		Leg    int
		Reason string // for the Reason header: "normal", "answered elsewhere", ...
	}
	// PlayPhrases speaks prompts to a leg; PlayDone follows with ID.
	PlayPhrases struct {
		Leg      int
		ID       uint64
		Phrases  []prompt.Phrase
		Language string
		Loop     bool
		Offset   time.Duration
	}
	// PlayClip plays a made sound (tones, ring-back) to a leg.
	PlayClip struct {
		Leg  int
		ID   uint64
		Clip *play.Clip
		Loop bool
	}
	// StartMessage records what a leg says alone into a file; MessageQuiet and, after
	// EndMessage, MessageDone follow. DropRecording removes a file.
	StartMessage struct {
		Recording, Path string
		Leg             int
		Silence         time.Duration
	}
	EndMessage    struct{}
	DropRecording struct{ Path string }
	// RunJob has a job of a flow done; JobDone follows with ID. StopJob gives it up.
	RunJob struct {
		ID      uint64
		Job     flow.Job
		Timeout time.Duration
	}
	StopJob struct{}
	// StopPlay makes a leg silent.
	StopPlay struct{ Leg int }
	// EchoLeg sends a leg its own sound.
	EchoLeg struct {
		Leg int
		On  bool
	}
	// SendDigit sends one digit to a leg (RFC 4733, or in-band).
	SendDigit struct {
		Leg   int
		Digit byte
	}
	// BridgeLegs and UnbridgeLegs join and part two legs' sound.
	BridgeLegs   struct{ A, B int }
	UnbridgeLegs struct{ A, B int }
	// Confer lets three or more legs hear each other in place of a bridge; with
	// fewer it ends. What all but Kept say is recorded on the channel Left or
	// right, while a recording runs.
	Confer struct {
		Legs []int
		Kept int
		Left bool
		// Mixed: what all but Kept say is recorded as a sum; else each leg by itself.
		Mixed bool
		// Watch is a supervisor's leg beside them (0 = none), who listens in Mode and
		// whispers to Agent.
		Watch, Agent int
		Mode         string
	}
	// StartRecording opens the file and taps the kept leg (left) and the peer
	// (right, noLeg for nobody yet); StopRecording closes it and RecordingDone follows.
	StartRecording struct {
		ID, Path   string
		Kept, Peer int
	}
	// TapLeg puts a leg on a channel of the running recording, UntapLeg takes it off.
	TapLeg struct {
		Leg  int
		Left bool
	}
	UntapLeg      struct{ Leg int }
	StopRecording struct{}
	// PauseRecording pauses the recording, or lets it go on; RecordingMarked follows.
	PauseRecording struct {
		On bool
		By string
	}
	// ListMailbox asks what is in a box; MailboxListed follows.
	ListMailbox struct{ Box string }
	// PlayRecording plays a message; Played or PlayFailed follows.
	PlayRecording struct {
		Leg  int
		ID   uint64
		Path string
	}
	// RouteNumber asks where a number leads from a leg's phone, with its rights;
	// NumberRouted follows.
	RouteNumber struct {
		Leg int
		To  string
	}
	// StartStream opens a stream to a machine for the kept leg and its partner;
	// StreamOver follows in any case. StopStream ends it, StreamKey tells it of a key.
	StartStream struct{ Options stream.Options }
	StopStream  struct{ ID, Reason string }
	StreamKey   struct {
		ID    string
		Digit byte
	}
	// TellApp tells an application what it need not answer. Over: it is the last.
	TellApp struct {
		App  string
		Body []byte
		Over bool
	}
	// AnswerTransfer is the verdict on a TransferAsked, AttendedAsked, ThirdAsked
	// or HoldAsked: 202, or the SIP status of the refusal. Refer: it answers a REFER.
	AnswerTransfer struct {
		Leg   int
		Refer bool
		Code  int
	}
	// NotifyTransfer tells the referrer how the transfer goes (RFC 3515 2.4.5).
	// Reason "" is the usual phrase.
	NotifyTransfer struct {
		Leg, Code int
		Reason    string
	}
	// ReferLeg asks the line of a leg to call a number instead of us; ReferTold follows.
	ReferLeg struct {
		Leg    int
		Number string
	}
	// AskConference looks for the conference that Leg's phone is in, for its partner
	// here; that call then wants the leg, or JoinRefused follows.
	AskConference struct{ Leg int }
	// WantLeg asks another call for a leg: the caller's, or with PartnerOf the
	// one who talks to that dialog. LegGiven or LegNotGiven follows.
	WantLeg struct {
		Call      string
		PartnerOf string
		Early     bool // only if that dialog is not answered yet
	}
	// GiveLeg hands a leg over to the call that wanted it; it is ours no more.
	// KeepLeg refuses it.
	GiveLeg struct {
		Leg  int
		Call string
	}
	KeepLeg struct {
		Call    string
		Instead string // what the consultation dialled, when nobody has answered it yet
	}
	// AskTarget is a code dialled in a conversation: Kind "transfer" or
	// "conference" of Leg, to the number To. TransferAsked or ThirdAsked follows.
	AskTarget struct {
		Leg      int
		Kind, To string
	}
	// AskJoin looks for the call to join: "pickup" Arg an extension, "unpark" Arg
	// a slot, "replaces" Arg a SIP Call-ID. JoinRefused or LegWanted follows.
	// "supervise" Arg an extension whose call is listened to in Mode.
	AskJoin struct{ Kind, Arg, Mode string }
	// RefuseJoin answers JoinAsked.
	RefuseJoin struct{ Call string }
	// ParkOther has the call that a device holds parked; Spoken or JoinRefused
	// follows. TellSlot says to the call that asked which slot it is.
	ParkOther struct{ Device string }
	TellSlot  struct{ Call, Slot string }
	// TakeSlot takes a parking slot of the tenant (Want "": any); SlotTaken
	// follows. FreeSlot gives it back.
	TakeSlot struct{ Want string }
	FreeSlot struct{ Slot string }
	// SetTimer arms one timer of the call; TimerFired follows. StopTimer disarms it.
	SetTimer struct {
		Timer TimerID
		After time.Duration
	}
	StopTimer struct{ Timer TimerID }
	// TellACD posts an event to the tenant's ACD.
	TellACD struct{ Event acd.Event }
	// DoFeature carries out a feature code; FeatureDone follows.
	DoFeature struct{ Action, Arg, Agent, Device string }
	// Journal appends an event of this call.
	Journal struct{ Body event.Body }
	// Finish is the last effect: media down, verdict synced, owner gone.
	Finish struct{}
)

func (AnswerCaller) effect()   {}
func (RingCaller) effect()     {}
func (RejectCaller) effect()   {}
func (DialDevice) effect()     {}
func (DialTrunk) effect()      {}
func (DialOutside) effect()    {}
func (EndLeg) effect()         {}
func (PlayPhrases) effect()    {}
func (PlayClip) effect()       {}
func (StartMessage) effect()   {}
func (EndMessage) effect()     {}
func (DropRecording) effect()  {}
func (RunJob) effect()         {}
func (StopJob) effect()        {}
func (StopPlay) effect()       {}
func (EchoLeg) effect()        {}
func (SendDigit) effect()      {}
func (BridgeLegs) effect()     {}
func (UnbridgeLegs) effect()   {}
func (StartRecording) effect() {}
func (TapLeg) effect()         {}
func (PauseRecording) effect() {}
func (StopRecording) effect()  {}
func (StartStream) effect()    {}
func (ListMailbox) effect()    {}
func (PlayRecording) effect()  {}
func (RouteNumber) effect()    {}
func (StopStream) effect()     {}
func (StreamKey) effect()      {}
func (TellApp) effect()        {}
func (SetTimer) effect()       {}
func (StopTimer) effect()      {}
func (TellACD) effect()        {}
func (DoFeature) effect()      {}
func (Journal) effect()        {}
func (Finish) effect()         {}
func (Confer) effect()         {}
func (UntapLeg) effect()       {}
func (AnswerTransfer) effect() {}
func (NotifyTransfer) effect() {}
func (ReferLeg) effect()       {}
func (WantLeg) effect()        {}
func (AskConference) effect()  {}
func (GiveLeg) effect()        {}
func (KeepLeg) effect()        {}
func (AskTarget) effect()      {}
func (ParkOther) effect()      {}
func (TellSlot) effect()       {}
func (AskJoin) effect()        {}
func (RefuseJoin) effect()     {}
func (TakeSlot) effect()       {}
func (FreeSlot) effect()       {}

// TimerID names one timer of a call. A flow's timers are TimerFlow+its own id.
type TimerID uint64

const (
	TimerEnding    TimerID = iota // bound on closing legs, queue and recording
	TimerRing                     // bound on one dial attempt
	TimerMax                      // cap on the call's length
	TimerJoin                     // bound on a leg coming over from another call
	TimerPark                     // the parked caller goes back to who parked
	TimerWatch                    // bound on a supervisor's phone that rings
	TimerAsk                      // a caller asked about a callback; the call of one without an agent
	TimerMessage                  // has the caller fallen silent
	TimerVoicemail                // a message's length, or the wait for a key of who listens to one
	TimerResume                   // a browser's phone that is away comes back no more
	TimerFlow      TimerID = 1 << 32
)
