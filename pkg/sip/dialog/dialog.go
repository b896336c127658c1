package dialog

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// Config is what all dialogs of a stack share; it is not part of a dialog's state.
type Config struct {
	T1, T2    time.Duration // RFC 3261 17.1.1.1; 0 = 500 ms and 4 s
	UserAgent string        // User-Agent and Server; "" sends none
	MinSE     time.Duration // smallest session interval we take (RFC 4028); 0 = 90 s
	// Rand gives random bits for tags, glare waits and cnonces. It must be good
	// enough that a stranger cannot guess a tag (crypto/rand or ChaCha8), and safe
	// to call from the dialog's goroutine.
	Rand func() uint64
}

// Invite is what a UAC dialog starts from.
type Invite struct {
	Target       string   // Request-URI, "sip:user@host:port;transport=udp"
	Routes       []string // preloaded route set (outbound proxy), URIs; usually nil
	Contact      string   // our Contact URI, without < >
	From, To     Address
	CallID       string // SIP Call-ID; "" makes one
	SDP          []byte // nil = late offer
	Headers      []Header
	AuthUser     string
	AuthPassword string
	RingTimeout  time.Duration // 0 = 180 s
}

// NewUAC makes the dialog of an outgoing INVITE and the effects that send it.
func NewUAC(cfg Config, now time.Time, in Invite) (*Dialog, []Effect, error) { return nil, nil, nil }

// NewUAS makes the dialog of an incoming INVITE without a To tag. contact is our
// Contact URI (without < >) as this peer reaches us. The request may be refused
// at once (420, 415, 422): the effects then hold the response and end with
// Terminate, and no Ended.
func NewUAS(cfg Config, now time.Time, contact string, req *sip.Request, tx TxKey) (*Dialog, []Effect) {
	return nil, nil
}

// Restore makes a dialog of a state that State gave.
func Restore(cfg Config, s State) *Dialog { return nil }

// Dialog is one INVITE dialog (on a UAC leg: with all its forks). Owner only.
type Dialog struct{}

// State is the dialog's whole state as plain data.
type State struct{}

// State returns a copy that shares no memory with the machine.
func (d *Dialog) State() State { return State{} }

// CallID is the SIP Call-ID.
func (d *Dialog) CallID() string { return "" }

// LocalTag is our tag: with the Call-ID the key under which requests are routed here.
func (d *Dialog) LocalTag() string { return "" }

// Step takes one event and returns what to do about it, in order. The slice is
// valid until the next Step.
func (d *Dialog) Step(now time.Time, ev Event) []Effect { return nil }

// Message builds the response to req, the request that came with e.Tx.
func (e SendResponse) Message(req *sip.Request) *sip.Response { return nil }

// CancelFor builds the CANCEL of an INVITE as it was sent (with its Via), RFC 3261 9.1.
func CancelFor(invite *sip.Request, headers []Header) *sip.Request { return nil }
