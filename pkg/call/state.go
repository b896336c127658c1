package call

import (
	"slices"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
)

// Phase is where a call stands. A call walks down this list and never up,
// except between Menu, Waiting, Dialling, Parked and Talking, which a flow or a
// transfer may take in any order.
type Phase uint8

const (
	Routed    Phase = iota // invited, target known, nothing done yet
	Menu                   // a flow speaks or listens
	Waiting                // in a queue (the caller hears music while agents ring)
	Dialling               // a device or trunk is being called for the caller
	Parked                 // in a slot of the house, music, until somebody fetches the caller
	Talking                // two legs bridged, or more in conference (on hold included)
	Feature                // a feature code's answer is being spoken
	Messaging              // a message is being left, or listened to
	Ending                 // no new commands; legs, queue and recording are being closed
	Ended                  // all closed, the verdict is journalled
)

var phaseNames = [...]string{"routed", "menu", "waiting", "dialling", "parked", "talking", "feature", "messaging", "ending", "ended"}

func (p Phase) String() string { return phaseNames[p] }

// LegState is where one leg stands, as the call sees it.
type LegState uint8

const (
	LegCalling  LegState = iota // caller: not answered; outgoing: INVITE sent
	LegRinging                  // 180 or 183
	LegAnswered                 // 200
	LegEnding                   // we asked it to end, or it failed; its last word is awaited
	LegEnded                    // nothing more will come
)

var legStateNames = [...]string{"calling", "ringing", "answered", "ending", "ended"}

func (s LegState) String() string { return legStateNames[s] }

// Leg is one party of the call. Leg 0 is the caller.
type Leg struct {
	State  LegState
	Device string // our device, or ""
	Trunk  string // our trunk, or ""
	Number string // dialled or calling number on a trunk
	Agent  string // user who takes calls on the device, or ""
	Held   bool   // this side's phone has put the call on hold
	OnHold bool   // the same, asked by API
	// Away: a browser of which nothing comes, since AwaySince.
	Away      bool
	AwaySince time.Time
	Busy      Busy // what its agent was told to the ACD
	// Inbound: it called in; leg 0, and one that came from another call's leg 0.
	Inbound bool
	Keys    string // pressed in the conversation, as far as they may become a code
	KeyAt   time.Time
	Early   bool // its early media is heard by the caller

	Code     int          // SIP status that refused it, 0 when none
	Reason   event.Reason // why it ended
	Measured bool         // its stream is closed and counted
}

// Busy says what the ACD was told about a leg's agent.
type Busy uint8

const (
	NotTold     Busy = iota // nothing, or free again
	BusyDirect              // Occupy: a direct, outbound or transferred call; Release frees
	BusyByQueue             // an accepted offer; CallEnded frees, wrap-up follows
)

// Transfer is a change of partner under way: the one who asked leaves, the kept
// leg waits, the target is being reached.
type Transfer struct {
	Kind     string // "blind", "attended", "park"
	By       string // "phone", "api"
	To       string // as asked
	Referrer int    // leg that leaves; its state tells whether it is still there
	Queue    string // the conversation was of this queue
	Device   string // of the referrer: rung back when the target fails and it is gone
	Refer    bool   // asked by REFER: NOTIFYs are owed
	Ringing  bool   // NOTIFY 180 was sent
	Swapped  bool   // the referrer was the kept leg: a caller who transfers
	Back     bool   // the referrer's device is being rung back
	Tell     string // call in which the parker waits to hear the slot
	Late     bool   // the target is reached (park): the referrer only hears where
}

// Joining is a leg of another call on its way to this one.
type Joining struct {
	Kind  string // "attended", "pickup", "unpark", "replaces"
	Call  string // the call that gives it
	Leg   int    // "replaces": the leg of ours whose place it takes
	Watch Watch  // "supervise": as which supervisor
}

// Attempt is one try to reach somebody: the contacts of one device rung
// together, or one trunk; for a caller in a queue the devices of all agents whom
// the ACD offers. The first that answers wins.
type Attempt struct {
	Legs    []int
	Offers  []Offered // the ACD's, that still ring
	Pending int       // dials asked for that the owner has not answered yet
	// Since the attempt began, for the journal.
	Since time.Time
}

// Offered is one agent whom the ACD offers.
type Offered struct {
	OfferID string
	Legs    []int
	Pending bool         // the owner has not answered the dial yet
	Ringing bool         // told to the ACD once
	Failed  event.Reason // the most telling of what its legs failed with
}

// offer finds an offer by its id, or by one of its legs (id ""); -1 = none.
func (a *Attempt) offer(id string, leg int) int {
	return slices.IndexFunc(a.Offers, func(o Offered) bool {
		return id != "" && o.OfferID == id || id == "" && slices.Contains(o.Legs, leg)
	})
}

// State is all that a call is, as plain data.
type State struct {
	ID          string
	Tenant      string
	Direction   event.Direction
	From        string // caller as proven: number from a trunk, extension of a device
	Display     string
	Private     bool   // the caller does not want to be shown (RFC 3323)
	DivertedBy  string // who forwarded the call to us (RFC 5806, 7044), "" nobody
	Secure      bool   // called by sips: every leg goes by TLS
	Emergency   bool   // a call for help: no cap stops it
	Dialled     string
	Language    string
	MaxDuration time.Duration   // the call is ended after this
	Record      resource.Record // policy that applies unless the queue says otherwise
	Priority    int

	Phase   Phase
	Legs    []Leg
	Attempt *Attempt
	// Kept is the leg that the call is about: it hears music and prompts and stays
	// when the other is replaced. The caller (0), or the one who was called when
	// the caller has transferred the call away. Peer talks to it; 0 = nobody.
	// Others are further parties of a conference.
	Kept   int
	Peer   int
	Others []int
	// Conference: a phone's, made by the code of the house. ThirdRefer is one more
	// than the leg whose REFER asked for the party on its way, Away than that which
	// refers its partner to a conference (by REFER: AwayRefer); 0 none.
	Conference bool
	ThirdRefer int
	Away       int
	AwayRefer  bool
	Transfer   *Transfer
	Joining    *Joining
	Watch      *Watch // a supervisor
	// Announcements play to parties of the conversation.
	Announcements []Announcement
	Brief         *Brief       // an agent who is told before the conversation
	Asking        *Asking      // the dialogue about being called back
	Callback      *CallingBack // the call is made for a callback
	Referring     *Referring   // the caller's line was asked to take the caller elsewhere
	Start         *Starting    // the call was started by the house
	KeyTo         string       // where a key of the queue leads, on the way out of it
	Leaving       *Leaving     // the caller leaves a message
	Mailbox       *Mailbox     // the caller listens to messages
	Fallback      string       // box for a direct call that is not answered
	Slot          string       // parked in it
	// The parker's device and leg: its phone rings when nobody fetches the caller.
	Parker    string
	ParkerLeg int
	Gathered  map[string]string // of the flow's variables, told last
	Flow      string
	FlowPath  []string // flows entered, newest last; bounds goto between flows
	IVR       *ivr.State
	Queue     string
	// Of the stay in queues at hand: what was asked for and when it began; and how often
	// overflow has sent this call on.
	Wish      wish
	WishFor   int // priority
	WaitSince time.Time
	SentOn    int
	Front     string   // why this stay begins before all others (acd.Enter), "" = in turn
	Telling   uint64   // the play of the last announcement
	Targets   []string // dial targets not yet tried ("device:x", "number:+40...")
	DialFor   dialFor
	FlowFor   dialFor // what the flow waits for: a queue (dialForOffer) or a dial step
	AtOnce    bool
	RingFor   time.Duration

	Redirects int // 3xx followed

	// The most telling failure of the targets tried so far.
	FailReason event.Reason
	FailCode   int
	FailWord   string // Reason header that came with it

	Talked     bool          // was bridged at least once
	Surveyed   bool          // sent to a queue's survey
	OfferID    string        // the accepted offer
	Recording  string        // recording id while one is open
	RecPaused  bool          // nothing is recorded on purpose
	RecAsked   bool          // somebody in the call asked for it, not the policy
	KeptRight  bool          // the kept leg is the recording's right channel
	Recordings int           // opened so far
	Streams    []Stream      // to machines, open now
	Streamed   int           // streams opened so far
	Message    *Message      // being taken, or not decided about; nil none
	Messages   int           // taken so far
	Job        *Job          // a flow waits for it; nil none
	App        string        // application that led the call last, "" none
	Music      string        // prompt name of the music that plays, "" when none
	MusicAt    time.Duration // heard of it before MusicFrom
	MusicFrom  time.Time     // since when it plays; zero: it rests
	PlayID     uint64
	LastKey    lastKey
	KeyVia     string // how the last key came
	DefaultTo  bool   // the default target was already tried

	Verdict Verdict
	Ledger  Ledger

	// What must still come before the call may end.
	AwaitQueue     bool
	AwaitRecording bool
	AwaitStreams   int
	AwaitMessages  int
}

// dialFor says who asked for the dialling, and so who is told how it went.
type dialFor uint8

const (
	dialForNobody   dialFor = iota
	dialForRoute            // the number or extension leads straight to a device or trunk
	dialForFlow             // a dial step
	dialForOffer            // the ACD
	dialForTransfer         // a transfer's target, or the ring-back of who asked for it
	dialForThird            // a further party of a conference
	dialForCallback         // the customer of a callback
	dialForStart            // whom the house calls
)

// Verdict is how a call ended.
type Verdict struct {
	Result event.Result
	Reason event.Reason
	Code   int    // SIP status given to a caller who was never answered
	Word   string // and the Reason header beside it, of the far side
}

// Ledger adds up where the call's time went, in whole milliseconds.
type Ledger struct {
	Started  time.Time
	Answered time.Time
	Segment  event.SegmentKind // open segment, "" when none
	Since    time.Time
	MenuMs   int64
	WaitMs   int64
	TalkMs   int64
	HoldMs   int64
	RingMs   int64
	Agent    string // who talked last
	Queue    string // queue that was entered last
}

// enter closes the open segment at now and opens kind ("" opens none).
func (l *Ledger) enter(now time.Time, kind event.SegmentKind) {
	d := now.Sub(l.Since).Milliseconds()
	switch l.Segment {
	case event.SegmentMenu:
		l.MenuMs += d
	case event.SegmentWaiting:
		l.WaitMs += d
	case event.SegmentTalking:
		l.TalkMs += d
	case event.SegmentHold:
		l.HoldMs += d
	case event.SegmentRinging:
		l.RingMs += d
	}
	l.Segment, l.Since = kind, now
}
