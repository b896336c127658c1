package dialog

import (
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/digest"
)

// Phase is the state of the dialog's life.
type Phase uint8

// Phases. Offer and answer inside Established are the fields Cli, Srv, Upd and
// Queued of State.
const (
	Calling     Phase = iota // UAC: INVITE sent, nothing heard
	Proceeding               // UAC: a provisional came
	Cancelling               // UAC: ended by us, final answer outstanding
	Incoming                 // UAS: no final answer given
	Established              // 2xx given or taken
	Leaving                  // UAS: ended by us, ACK outstanding; BYE is owed (RFC 3261 15)
	Closing                  // our BYE is on its way
	Referring                // the call is over, the peer's REFER is not (RFC 5057 5.2)
	Terminated               // nothing is wanted any more
	numPhases
)

var phaseNames = [numPhases]string{"calling", "proceeding", "cancelling", "incoming", "established", "leaving", "closing", "referring", "terminated"}

// String is the phase's name for logs and charts.
func (p Phase) String() string {
	if p < numPhases {
		return phaseNames[p]
	}
	return "unknown"
}

// State is the whole state of a dialog as plain data, safe to marshal. Only
// AuthPassword is kept out of JSON; Restore asks for it again.
type State struct {
	Phase    Phase
	UAC      bool // we made the Call-ID: decides the glare wait (RFC 3261 14.1)
	EndTold  bool // Ended was passed
	CallID   string
	LocalTag string
	// RemoteTag is "" until a UAC's 2xx.
	RemoteTag    string
	Local        string // From (UAC) or To (UAS) of the INVITE without tag
	Remote       string
	Contact      string   // ours, a URI
	RemoteTarget string   // URI
	RouteSet     []string // URIs in the order to send
	LocalCSeq    uint32
	RemoteCSeq   uint32
	RemoteSeen   bool // RemoteCSeq is set

	AuthUser     string
	AuthPassword string            `json:"-"`
	Auth         digest.Challenges // challenges that our requests answer

	Headers       []Header // of the INVITE, sent again on a challenge
	Forks         []Fork   // early dialogs of a UAC
	Strays        []string // tags of further 2xx that got ACK and BYE
	CancelSent    bool
	CancelHeaders []Header
	ByeHeaders    []Header // for the BYE that Leaving owes
	Acked         uint32   // CSeq of the last 2xx we acknowledged, 0 none
	AckBody       []byte   // what that ACK carried
	AckAuth       []digest.Field

	Cli    *ClientInvite // our INVITE or re-INVITE not done with
	Srv    *ServerInvite // the peer's
	Queued *ServerInvite // the peer's next, come before the ACK of Srv
	Upd    *ServerInvite // the peer's UPDATE or PRACK with an offer
	Rel    *Reliable     // UAS: the peer knows 100rel
	Refer  *ReferState   // the peer's REFER
	Refers int           // REFERs taken so far
	Asked  bool          // a REFER of ours is under way
	Out    []Outgoing    // our other requests without a final response
	Next   *QueuedOffer  // our offer that waits
	Glare  bool          // Next waits for TimerGlare
	Again  int           // times the current offer was put off by the peer

	ProgressCode int    // last provisional we sent
	ProgressSDP  []byte // SDP of the last provisional that had one
	LocalSDP     []byte // our side of the session as last agreed
	RemoteSDP    []byte // the peer's side of it

	SessionSec uint32 // RFC 4028 interval, 0 none
	MinSE      uint32 // learned from 422
	WeRefresh  bool
	PeerUpdate bool // the peer's Allow has UPDATE
}

// Fork is one early dialog of a UAC's INVITE.
type Fork struct {
	Tag        string
	SDP        []byte   // the peer's side as it said last
	Local      []byte   // our side where it is not the INVITE's offer
	Target     string   // Contact, "" none
	Routes     []string // in the order to send
	RSeq       uint32   // last reliable provisional taken in order, 0 none (RFC 3262 4)
	Prack      uint32   // CSeq of the PRACK on its way
	Pracked    bool     // RSeq was acknowledged with 2xx
	Answer     []byte   // that PRACK carries
	OweAnswer  bool     // its offer waits for our answer in the PRACK
	Agreed     bool     // offer and answer are done, reliably
	Updated    bool     // and an UPDATE changed them
	RemoteCSeq uint32
	RemoteSeen bool
}

// Reliable is the 100rel side of an incoming INVITE (RFC 3262 3).
type Reliable struct {
	Required  bool // every provisional but 100 has to be reliable
	RSeq      uint32
	Open      bool         // RSeq waits for its PRACK
	Response  SendResponse // of RSeq
	Offer     bool         // it carries a session description
	Interval  time.Duration
	Queue     []QueuedProgress // what waits for the PRACK
	Agreed    bool             // offer and answer are done
	Accepting bool             // the 2xx waits for the PRACK
	Accept    []byte           // with this
}

// QueuedProgress is a provisional that waits for the one before.
type QueuedProgress struct {
	Code int
	SDP  []byte
}

// ReferState is a REFER of the peer and its subscription (RFC 3515 2.4).
type ReferState struct {
	ID     uint32   // CSeq
	Tx     TxKey    // not answered yet
	Named  bool     // Event carries the id: not the first REFER
	Silent bool     // Refer-Sub: false, no NOTIFY wanted
	Live   bool     // accepted, the subscription runs
	Busy   bool     // a NOTIFY waits for its answer
	Final  bool     // the last NOTIFY is sent
	Next   *Sipfrag // what waits for the NOTIFY before
	Last   Sipfrag  // what was said last
}

// Sipfrag is the state of a referred call as told in a NOTIFY.
type Sipfrag struct {
	Code   int
	Reason string
	Over   string // "" active; else the reason of Subscription-State: terminated
}

// ClientInvite is an INVITE of ours.
type ClientInvite struct {
	CSeq       uint32
	Initial    bool
	Late       bool // sent without SDP
	Refresh    bool // made by the session timer, the user knows nothing of it
	OweACK     bool // 2xx with an offer came, the user's answer goes into the ACK
	Cancelled  bool
	AuthTried  []string // challenges answered in its tries
	MinSETries int      // 422s answered
	SDP        []byte
	Auth       []digest.Field // as sent, repeated in the ACK (RFC 3261 22.1)
}

// ServerInvite is an INVITE or UPDATE of the peer's.
type ServerInvite struct {
	Tx       TxKey
	Method   sip.RequestMethod
	CSeq     uint32
	Initial  bool
	Late     bool // came without SDP
	SDP      []byte
	Target   string // Contact, "" none
	Fork     string // UAC: the early dialog it came in, "" the established one
	Session  Session
	Answered bool         // 2xx sent, ACK outstanding
	Response SendResponse // that 2xx
	Interval time.Duration
}

// Session is the Session-Expires side of a request (RFC 4028).
type Session struct {
	Supported bool   // Supported: timer
	Sec       uint32 // 0: not asked for
	MinSE     uint32 // the least that the path takes, 0 not said
	Refresher string // "uac", "uas" or ""
	Update    bool   // Allow holds UPDATE
}

// Outgoing is a request of ours that is neither INVITE nor ACK.
type Outgoing struct {
	CSeq        uint32
	Method      sip.RequestMethod
	ContentType string
	Body        []byte
	Headers     []Header
	AuthTried   []string // challenges answered in its tries
	Fork        string   // UAC: the early dialog it goes to, "" the established one
	Offer       bool     // UPDATE with an offer of the user
}

// QueuedOffer is an offer of ours that waits for its turn.
type QueuedOffer struct {
	SDP     []byte
	Refresh bool
}

// State returns a copy that shares no memory with the machine.
func (d *Dialog) State() State {
	s := d.s
	s.RouteSet = slices.Clone(s.RouteSet)
	s.Headers = slices.Clone(s.Headers)
	s.Forks = slices.Clone(s.Forks)
	s.Strays = slices.Clone(s.Strays)
	s.CancelHeaders = slices.Clone(s.CancelHeaders)
	s.ByeHeaders = slices.Clone(s.ByeHeaders)
	s.Out = slices.Clone(s.Out)
	s.Auth = slices.Clone(s.Auth)
	s.Cli, s.Srv, s.Queued, s.Upd, s.Next = ptr(s.Cli), ptr(s.Srv), ptr(s.Queued), ptr(s.Upd), ptr(s.Next)
	if s.Rel = ptr(s.Rel); s.Rel != nil {
		s.Rel.Queue = slices.Clone(s.Rel.Queue)
	}
	if s.Refer = ptr(s.Refer); s.Refer != nil {
		s.Refer.Next = ptr(s.Refer.Next)
	}
	return s // bodies are never written to, so they may be shared
}

func ptr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
