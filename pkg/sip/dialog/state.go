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
	Terminated               // nothing is wanted any more
	numPhases
)

var phaseNames = [numPhases]string{"calling", "proceeding", "cancelling", "incoming", "established", "leaving", "closing", "terminated"}

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
	AuthPassword string `json:"-"`
	Auth         *AuthState

	Headers       []Header // of the INVITE, sent again on a challenge
	Forks         []Fork   // early dialogs of a UAC
	Strays        []string // tags of further 2xx that got ACK and BYE
	CancelSent    bool
	CancelHeaders []Header
	ByeHeaders    []Header // for the BYE that Leaving owes
	Acked         uint32   // CSeq of the last 2xx we acknowledged, 0 none
	AckBody       []byte   // what that ACK carried
	AckAuth       *Header

	Cli    *ClientInvite // our INVITE or re-INVITE not done with
	Srv    *ServerInvite // the peer's
	Queued *ServerInvite // the peer's next, come before the ACK of Srv
	Upd    *ServerInvite // the peer's UPDATE with an offer
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

// AuthState is the challenge that our requests answer from now on.
type AuthState struct {
	Proxy     bool // Proxy-Authorization
	Challenge digest.Challenge
	NC        uint32
}

// Fork is one early dialog of a UAC's INVITE.
type Fork struct {
	Tag string
	SDP []byte // early answer
}

// ClientInvite is an INVITE of ours.
type ClientInvite struct {
	CSeq      uint32
	Initial   bool
	Late      bool // sent without SDP
	Refresh   bool // made by the session timer, the user knows nothing of it
	OweACK    bool // 2xx with an offer came, the user's answer goes into the ACK
	Cancelled bool
	AuthTries int
	SDP       []byte
	Auth      *Header // as sent, repeated in the ACK (RFC 3261 22.1)
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
	Session  Session
	Answered bool         // 2xx sent, ACK outstanding
	Response SendResponse // that 2xx
	Interval time.Duration
}

// Session is the Session-Expires side of a request (RFC 4028).
type Session struct {
	Supported bool   // Supported: timer
	Sec       uint32 // 0: not asked for
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
	AuthTries   int
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
	s.Auth, s.AckAuth = ptr(s.Auth), ptr(s.AckAuth)
	s.Cli, s.Srv, s.Queued, s.Upd, s.Next = ptr(s.Cli), ptr(s.Srv), ptr(s.Queued), ptr(s.Upd), ptr(s.Next)
	return s // bodies are never written to, so they may be shared
}

func ptr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
