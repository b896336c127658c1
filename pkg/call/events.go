package call

import (
	"time"

	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// Event is what the Machine is told. This file is the whole list.
type Event interface{ callEvent() }

type (
	// Invited begins the call: where it leads is already decided.
	Invited struct {
		Target    route.Target
		SIPCallID string
	}
	// ReferTold is what a leg's line says of a ReferLeg: below 200 it tries, a 2xx means
	// done; Refused that it does not even try.
	ReferTold struct {
		Leg, Code int
		Refused   bool
	}
	// Started begins a call that the house starts (State.Start).
	Started struct{}
	// CalledBack begins the call of a callback: its turn has come, with this offer.
	CalledBack struct{ Offer acd.Offer }
	// DialStarted tells the outgoing legs of the attempt just asked for; one
	// LegInfo a contact. Their numbers follow on from the legs there are. Offer is
	// that of DialDevice.
	DialStarted struct {
		Legs  []LegInfo
		Offer string
	}
	// DialFailed: nothing could be dialled at all.
	DialFailed struct {
		Reason event.Reason
		Detail string
		Offer  string
	}
	// OutsideFound answers DialOutside: the trunks for the number as dial targets,
	// best first.
	OutsideFound struct{ Targets []string }
	// LegProgressed: 180 (Early false) or early media from an outgoing leg.
	LegProgressed struct {
		Leg   int
		Early bool
	}
	// LegPickedUp: 200 from an outgoing leg, media agreed.
	LegPickedUp struct{ Leg int }
	// LegRefused: an outgoing leg will not answer.
	LegRefused struct {
		Leg    int
		Code   int
		Reason event.Reason
		// Next: this answer of a trunk says nothing of the callee, so another trunk
		// may be tried (as long as nobody has rung).
		Next bool
		Word string // its Reason header, made safe; "" none
		// To is where a 3xx of a device sends the call, "" none. The owner has routed
		// it to Target by the rights of that device, as if it had dialled it; Refuse is
		// the SIP status of what that said, 0 when it may go there.
		To     string
		Target route.Target
		Refuse int
	}
	// LegGone: nothing more comes from this leg. Remote is true when the other
	// side ended it (BYE, CANCEL) and false when we or time did.
	LegGone struct {
		Leg    int
		Remote bool
		Reason event.Reason // ReasonNormal, ReasonCancelled, ReasonSignalLost, ReasonUnreachable
	}
	// LegMeasured: the leg's stream is closed; Audio is nil when it never had one.
	LegMeasured struct {
		Leg   int
		Audio *event.Audio
	}
	// HoldChanged: a side put the call on hold or took it back.
	HoldChanged struct {
		Leg  int
		Held bool
	}
	// Key is one digit of a leg. Via is "rfc4733", "info" or "inband".
	Key struct {
		Leg   int
		Digit byte
		Via   string
	}
	// Played: the sound with this id has ended.
	Played struct {
		Leg int
		ID  uint64
	}
	// PlayFailed: a prompt could not be opened.
	PlayFailed struct {
		Leg int
		ID  uint64
		Err error
	}
	// SilentLeg: no RTP for longer than allowed.
	SilentLeg struct{ Leg int }
	// LegAway: nothing comes from a browser any more. LegBack: it is there again, or
	// (SIPCallID) a new page has taken the leg over, by that dialog.
	LegAway struct{ Leg int }
	LegBack struct {
		Leg       int
		SIPCallID string
	}
	// AudioAlarm: nothing comes from a leg though it should; AudioCleared: over.
	AudioAlarm struct {
		Leg     int
		Alarm   string
		Silence time.Duration
	}
	AudioCleared struct {
		Leg    int
		Alarm  string
		Lasted time.Duration
	}
	// AnswerSent: the caller's 200 is on its way.
	AnswerSent struct{}
	// MediaFailed: the caller cannot be answered: no port, or no codec in common.
	MediaFailed struct {
		Reason event.Reason
		Detail string
	}
	// FromACD is an effect of the ACD that concerns this call.
	FromACD struct{ Effect acd.Effect }
	// FeatureDone is the verdict of a feature code: the prompt to speak.
	FeatureDone struct{ Prompt string }
	// RecordingDone: the file is closed.
	RecordingDone struct{ Body event.RecordingEnded }
	// RecordingFailed: the file could not be opened; the call goes on.
	RecordingFailed struct{ Fault string }
	// RecordAsked: Action of recordActions is wanted of the recording, by API
	// ("api", "cli", ...) or by a code that Leg's phone dialled (byKeys).
	RecordAsked struct {
		Leg        int
		Action, By string
	}
	// RecordingMarked: the recorder has paused or gone on, AtMs after its start.
	RecordingMarked struct {
		Recording string
		Paused    bool
		AtMs      int64
		By        string
	}
	// MailboxListed answers ListMailbox, new messages first.
	MailboxListed struct {
		List   []MailboxMessage
		Failed bool
	}
	// NumberRouted answers RouteNumber: Refuse is a SIP status, 0 when it may go there.
	NumberRouted struct {
		Target route.Target
		Refuse int
	}
	// StreamOver: the stream of that id has ended.
	StreamOver struct {
		ID     string
		Result stream.Result
	}
	// MessageQuiet: nobody has spoken into a message for as long as was asked.
	MessageQuiet struct{ Recording string }
	// MessageDone: a message's file is closed; Voice is how long somebody spoke.
	MessageDone struct {
		Body  event.RecordingEnded
		Voice time.Duration
	}
	// JobDone: a job of a flow is over (ivr.Done).
	JobDone struct {
		ID      uint64
		Outcome string
		Values  map[string]string
		Err     string
	}
	// VerbsAsked: an application or the API (App "") wants the call to do something else.
	VerbsAsked struct {
		App, Verbs, By string
		Count          int
	}
	// StreamAsked: a stream is wanted by API, or (Options nil) the end of the one of
	// that ID, "" of all.
	StreamAsked struct {
		Options *stream.Options
		ID      string
		By      string
	}
	// TimerFired is the end of a SetTimer.
	TimerFired struct{ Timer TimerID }
	// TransferAsked: Leg wants its partner to go to Target (REFER, API). The
	// owner has routed To by the rights of Leg's device; Refuse is the SIP status
	// of what that said, 0 when it may go there.
	TransferAsked struct {
		Leg    int
		Target route.Target
		To     string
		By     string // "phone", "api"
		Refer  bool
		Refuse int
		// Tell is the call in which the parker waits to hear the slot, "" = none.
		Tell string
	}
	// AttendedAsked: Leg wants its partner to talk to the one that Leg's own
	// device talks to in another call of ours (REFER with Replaces).
	AttendedAsked struct {
		Leg       int
		Call      string // the other call
		SIPCallID string // Leg's device's dialog there
		Early     bool   // that dialog is not answered yet
		To, By    string
		Refer     bool
		Refuse    int
	}
	// ConferAsked: Leg, whose phone made this conference or who asks by the API, wants the partner in it
	// whom it has in Call, by its dialog SIPCallID there.
	ConferAsked struct {
		Leg             int
		Call, SIPCallID string
		To, By          string
		Refer           bool
		Refuse          int
	}
	// ThirdAsked: Leg wants a further party in the conversation.
	ThirdAsked struct {
		Leg    int
		Target route.Target
		To, By string
		Refer  bool
		Refuse int
	}
	// CutSoon: CutLeg for Leg is near; those who talk to it by a phone of the house
	// hear a tone.
	CutSoon struct{ Leg int }
	// CutLeg: a leg to the outside has to end, for Reason: with it the call, unless
	// others go on without.
	CutLeg struct {
		Leg    int
		Reason event.Reason
	}
	// HoldAsked: put Leg's partner on hold, or take it back, without the phone.
	HoldAsked struct {
		Leg int
		On  bool
		By  string
	}
	// SuperviseAsked: the API wants User to listen to Leg by Device, in Mode; with
	// Device "" whoever listens changes to Mode, "off" ends it.
	SuperviseAsked struct {
		Leg                    int
		Mode, Device, User, By string
	}
	// PlayAsked: Side of the conversation is to hear a prompt; "" stops it.
	PlayAsked struct{ Side, Prompt, By string }
	// LegWanted: another call wants a leg of this one: Leg itself, or with
	// Partner the one that Leg talks to.
	LegWanted struct {
		Call    string
		Leg     int
		Partner bool
	}
	// LegGiven: the leg that another call was asked for has come over.
	LegGiven struct {
		Call string
		Leg  LegInfo
		Held bool
	}
	// LegNotGiven: it will not come. Instead, unless its Kind is 0, is where the
	// consultation was going: nobody has answered it yet.
	LegNotGiven struct {
		Call    string
		Instead route.Target
	}
	// JoinAsked: another call wants its caller to become a party of this one: in
	// the place of a phone that rings (Kind "pickup", Device), of a leg of ours
	// ("replaces", Leg), or with the caller parked here ("unpark").
	JoinAsked struct {
		Call   string
		Kind   string
		Device string
		Leg    int
		Watch  Watch // "supervise": Device's conversation, as whom
	}
	// Spoken is the slot in which the other call was parked.
	Spoken struct{ Slot string }
	// JoinRefused: the call we wanted to join does not want us.
	JoinRefused struct{}
	// SlotTaken answers TakeSlot; Slot "" = all are taken.
	SlotTaken struct{ Slot string }
	// HangUp ends the call from our side: drain bound, API.
	HangUp struct {
		Result event.Result
		Reason event.Reason
	}
)

// LegInfo describes one outgoing leg.
type LegInfo struct {
	Device, Trunk, Number, Agent string
	SIPCallID                    string
	Inbound                      bool // of a leg from another call: it called in
}

func (ReferTold) callEvent()       {}
func (Started) callEvent()         {}
func (CalledBack) callEvent()      {}
func (Invited) callEvent()         {}
func (DialStarted) callEvent()     {}
func (DialFailed) callEvent()      {}
func (OutsideFound) callEvent()    {}
func (LegProgressed) callEvent()   {}
func (LegPickedUp) callEvent()     {}
func (LegRefused) callEvent()      {}
func (LegGone) callEvent()         {}
func (LegMeasured) callEvent()     {}
func (HoldChanged) callEvent()     {}
func (Key) callEvent()             {}
func (Played) callEvent()          {}
func (PlayFailed) callEvent()      {}
func (SilentLeg) callEvent()       {}
func (LegAway) callEvent()         {}
func (LegBack) callEvent()         {}
func (AudioAlarm) callEvent()      {}
func (AudioCleared) callEvent()    {}
func (AnswerSent) callEvent()      {}
func (MediaFailed) callEvent()     {}
func (FromACD) callEvent()         {}
func (FeatureDone) callEvent()     {}
func (RecordingDone) callEvent()   {}
func (RecordingFailed) callEvent() {}
func (RecordAsked) callEvent()     {}
func (RecordingMarked) callEvent() {}
func (StreamOver) callEvent()      {}
func (MessageQuiet) callEvent()    {}
func (MessageDone) callEvent()     {}
func (JobDone) callEvent()         {}
func (MailboxListed) callEvent()   {}
func (NumberRouted) callEvent()    {}
func (StreamAsked) callEvent()     {}
func (VerbsAsked) callEvent()      {}
func (TimerFired) callEvent()      {}
func (TransferAsked) callEvent()   {}
func (AttendedAsked) callEvent()   {}
func (ThirdAsked) callEvent()      {}
func (ConferAsked) callEvent()     {}
func (HoldAsked) callEvent()       {}
func (CutLeg) callEvent()          {}
func (CutSoon) callEvent()         {}
func (LegWanted) callEvent()       {}
func (SuperviseAsked) callEvent()  {}
func (PlayAsked) callEvent()       {}
func (LegGiven) callEvent()        {}
func (LegNotGiven) callEvent()     {}
func (JoinAsked) callEvent()       {}
func (JoinRefused) callEvent()     {}
func (Spoken) callEvent()          {}
func (SlotTaken) callEvent()       {}
func (HangUp) callEvent()          {}
