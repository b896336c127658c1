// Package dialog is the INVITE dialog of RFC 3261 as a pure machine: messages,
// timers and commands go in, effects come out. It is not a transaction layer
// (pkg/sip/transaction) and reads no SDP (to SIP a body is bytes). It starts no
// goroutine, opens no socket and reads no clock: the owner goroutine in pkg/sip
// calls Step and carries the effects out in order.
package dialog

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// TxKey names a server transaction of the layer below; the machine only hands it back.
type TxKey string

// Header is an extra header of a request or response. Name and Value must not
// hold CR, LF or NUL; one that does is left out, never sent.
type Header struct{ Name, Value string }

// Address is a name-addr without parameters: "Display" <sip:User@Host>.
// Host may hold a port. User is sent escaped where RFC 3261 25.1 asks.
type Address struct{ Display, User, Host string }

// Timer names a timer of one dialog. At most one of each runs.
type Timer uint8

// The timers of a dialog.
const (
	TimerRetransmit  Timer = iota // our 2xx to an INVITE again, T1 doubling to T2 (RFC 3261 13.3.1.4)
	TimerAckWait                  // no ACK for 64*T1: BYE, and the dialog is gone
	TimerGlare                    // our re-INVITE again after 491 (14.1) or Retry-After
	TimerRing                     // UAC: no final answer; CANCEL
	TimerCancel                   // UAC: no final answer 64*T1 after CANCEL (9.1)
	TimerProvisional              // UAS: repeat the provisional each minute (13.3.1.1)
	TimerReoffer                  // our re-INVITE or UPDATE without a final answer
	TimerRefresh                  // RFC 4028: send the refresh
	TimerExpire                   // RFC 4028: the peer's refresh stayed out; BYE
	TimerReliable                 // UAS: a reliable provisional again, T1 doubling (RFC 3262 3)
	TimerPrack                    // UAS: no PRACK for 64*T1; 504
	TimerRefer                    // REFER not answered by the user, or its subscription at its end
	numTimers
)

// NumTimers is how many timers a dialog has: those below it are all.
const NumTimers = int(numTimers)

var timerNames = [numTimers]string{"retransmit", "ack_wait", "glare", "ring", "cancel", "provisional", "reoffer", "refresh", "expire",
	"reliable", "prack", "refer"}

// String is the timer's name for logs.
func (t Timer) String() string {
	if t < numTimers {
		return timerNames[t]
	}
	return "unknown"
}

// Event is what Step takes: a closed set of messages, timers and commands.
type Event interface{ event() }

// RecvRequest is a request for this dialog: Call-ID and our tag matched. The
// machine itself checks the peer's tag (481). CANCEL comes here as well: answer
// it through its own transaction Tx. For ACK Tx is empty. Requests the
// transaction layer knows as retransmissions must not come here.
type RecvRequest struct {
	Request *sip.Request
	Tx      TxKey
}

// RecvResponse is a response to a request of this dialog; it is matched by CSeq
// and To tag. Every 2xx to an INVITE must come here, retransmissions and those
// of other forks too (RFC 6026 state Accepted). A response to CANCEL need not.
type RecvResponse struct{ Response *sip.Response }

// TransactionFailed says that a client transaction ended without a final
// response (Transport false: timer B or F), or that the transport refused it.
type TransactionFailed struct {
	CSeq      uint32
	Method    sip.RequestMethod
	Transport bool
}

// TransportFailed says that a response could not be sent, or that the dialog's
// connection is gone for good. The dialog ends with EndTransport.
type TransportFailed struct{}

// TimerFired is a timer set by SetTimer that ran out.
type TimerFired struct{ Timer Timer }

// Commands of the dialog's user, mirroring the methods of pkg/sip's Dialog.
type (
	// Progress sends 101..199 to the peer's INVITE; SDP is early media, nil for
	// none: the answer, or our offer to an INVITE without one (which then goes only
	// to a peer that knows 100rel). Reliable ones wait for each other's PRACK.
	Progress struct {
		Code int
		SDP  []byte
	}
	// Accept sends 200 to the peer's INVITE. SDP nil repeats the SDP of the last Progress.
	Accept struct{ SDP []byte }
	// Reject sends a final 300..699. A Code outside is sent as 500.
	Reject struct {
		Code    int
		Reason  string
		Headers []Header
	}
	// Reoffer sends a re-INVITE with our offer; queued while another negotiation
	// runs, where the last one given wins. SDP nil asks the peer for its offer. In
	// an early dialog where offer and answer are done by 100rel, and where the peer
	// allows it, an UPDATE is sent (RFC 3311); else it waits for the 2xx.
	Reoffer struct{ SDP []byte }
	// Answer answers RemoteOffer (200 to INVITE, UPDATE or PRACK), or a late offer
	// in the peer's 200 (ACK) or reliable provisional (PRACK).
	Answer struct{ SDP []byte }
	// RefuseOffer refuses RemoteOffer with Code; the session stays as it was. A
	// late offer in a 200 cannot be refused by a response: the dialog is ended.
	RefuseOffer struct{ Code int }
	// Info sends INFO (RFC 6086) on an established dialog.
	Info struct {
		ContentType string
		Body        []byte
	}
	// AcceptRefer answers Referred with 202 and a first NOTIFY "100 Trying" (none
	// when the peer asked for none, RFC 4488).
	AcceptRefer struct{}
	// RefuseRefer answers Referred with 300..699; a Code outside is sent as 603.
	RefuseRefer struct{ Code int }
	// NotifyRefer tells the referrer how the referred call stands (RFC 3515 2.4.5):
	// a code below 200 leaves the subscription active, a final one ends it. Reason
	// "" takes the usual phrase. It works after Ended too, until the subscription ends.
	NotifyRefer struct {
		Code   int
		Reason string
	}
	// SendRefer asks the peer of an established dialog to call To instead of us (RFC
	// 3515, blind transfer); ReferTold follows. One at a time: a second does nothing.
	SendRefer struct{ To string }
	// End ends the dialog whatever its state: CANCEL, BYE or a final error. Reason
	// goes into Ended; when it is a Reason header value (RFC 3326, with ";cause=")
	// it is sent too. Ended follows at once, Terminate when the wire is quiet.
	End struct {
		Reason  string
		Headers []Header
	}
)

func (RecvRequest) event()       {}
func (RecvResponse) event()      {}
func (TransactionFailed) event() {}
func (TransportFailed) event()   {}
func (TimerFired) event()        {}
func (Progress) event()          {}
func (Accept) event()            {}
func (Reject) event()            {}
func (Reoffer) event()           {}
func (Answer) event()            {}
func (RefuseOffer) event()       {}
func (Info) event()              {}
func (AcceptRefer) event()       {}
func (RefuseRefer) event()       {}
func (NotifyRefer) event()       {}
func (SendRefer) event()         {}
func (End) event()               {}

// Effect is what Step asks the owner to do, in order: a closed set.
type Effect interface{ effect() }

// SendRequest starts a client transaction. The request is complete but for Via
// (the transaction's branch) and destination: the first Route, else the
// Request-URI, unless the owner knows the flow to the peer better (NAT).
// Farewell: nobody waits for the answer, and the transaction is given up soon.
type SendRequest struct {
	Request  *sip.Request
	Farewell bool
}

// SendACK sends an ACK for a 2xx: no transaction, a branch of its own, Via to be
// added. It comes again for each retransmitted 2xx.
type SendACK struct{ Request *sip.Request }

// SendCancel cancels the INVITE sent with CSeq: same Request-URI, Via, Route,
// From, To and Call-ID (RFC 3261 9.1); see CancelFor.
type SendCancel struct {
	CSeq    uint32
	Headers []Header
}

// SendResponse answers the request that came with Tx; Message builds it. A 2xx
// to INVITE comes again while it is not acknowledged.
type SendResponse struct {
	Tx          TxKey
	Code        int
	Reason      string // phrase; never empty
	ToTag       string // our tag; "" where the request has one already
	Contact     string // Contact value or ""
	Headers     []Header
	ContentType string
	Body        []byte
}

// SetTimer starts Timer to fire after D from now, replacing a running one.
type SetTimer struct {
	Timer Timer
	D     time.Duration
}

// StopTimer stops Timer; a TimerFired already on its way is ignored or harmless.
type StopTimer struct{ Timer Timer }

// Pass hands Event to the dialog's user.
type Pass struct{ Event DialogEvent }

// Terminate says that the machine wants nothing any more: drop it. Transactions
// it used may still linger below. Always after Ended; the last effect ever.
type Terminate struct{}

// Fault reports a pair of state and event that should not happen: count it and
// log one warning. The state did not change.
type Fault struct{ State, Event, Detail string }

func (SendRequest) effect()  {}
func (SendACK) effect()      {}
func (SendCancel) effect()   {}
func (SendResponse) effect() {}
func (SetTimer) effect()     {}
func (StopTimer) effect()    {}
func (Pass) effect()         {}
func (Terminate) effect()    {}
func (Fault) effect()        {}

// DialogEvent is what the dialog's user is told: a closed set. Nothing follows Ended.
type DialogEvent interface{ dialogEvent() }

// EndCause says who or what ended a dialog.
type EndCause uint8

// Causes of an end.
const (
	EndLocal     EndCause = iota // End or Reject
	EndRemote                    // BYE, or 481 to a request of ours
	EndCancelled                 // CANCEL of the peer before our final answer
	EndTimeout                   // no ACK, no answer, no refresh
	EndTransport                 // the network refused to carry it
	EndRejected                  // UAC: a final answer that is not 2xx
)

var endNames = [...]string{"local", "remote", "cancelled", "timeout", "transport", "rejected"}

// String is the cause's name for logs and metric labels.
func (c EndCause) String() string {
	if int(c) < len(endNames) {
		return endNames[c]
	}
	return "unknown"
}

type (
	// Progressed is a provisional answer 101..199 to our INVITE. With several
	// early dialogs (forking) Fork tells them apart (the peer's tag). NeedAnswer:
	// SDP is the peer's offer (we sent none); the PRACK goes out with Answer.
	Progressed struct {
		Code       int
		SDP        []byte
		Fork       string
		NeedAnswer bool
	}
	// Answered is the 200 to our INVITE. NeedAnswer: SDP is the peer's offer (we
	// sent none); the ACK goes out with the Answer command. SDP nil: the session is
	// the one agreed before the 200, by PRACK or UPDATE.
	Answered struct {
		SDP        []byte
		NeedAnswer bool
	}
	// Failed is a final non-2xx, a time-out (408) or a transport failure (503) of
	// our INVITE. RetryAfter in seconds, 0 none. Redirect: URIs of a 3xx in order.
	Failed struct {
		Code       int
		Reason     string
		RetryAfter int
		Timeout    bool
		Redirect   []string
	}
	// Confirmed is the ACK to our 200; SDP the answer to our late offer, or nil.
	Confirmed struct{ SDP []byte }
	// RemoteOffer is a peer's re-INVITE, UPDATE or PRACK; SDP nil wants our offer.
	// UPDATE and PRACK may bring it before the call is answered.
	RemoteOffer struct{ SDP []byte }
	// RemoteOfferCancelled takes the last RemoteOffer back (CANCEL): do not answer.
	RemoteOfferCancelled struct{}
	// ReofferAnswered is the answer to our Reoffer (or to the offer we gave in
	// answer to RemoteOffer{nil}, or in a reliable provisional). NeedAnswer: SDP is
	// an offer, answer with Answer.
	ReofferAnswered struct {
		SDP        []byte
		NeedAnswer bool
	}
	// ReofferFailed: the session stays as it was.
	ReofferFailed struct{ Code int }
	// InfoReceived is an INFO, already answered with 200.
	InfoReceived struct {
		ContentType string
		Body        []byte
	}
	// Referred is a REFER, to be answered with AcceptRefer or RefuseRefer within 5 s
	// (else 603). To is a sip or sips URI without headers: what it asks for has to
	// pass the same checks as a call that the peer dials. Replaces names the dialog
	// that the new call shall take the place of (attended transfer), nil for none.
	// ReferredBy is the URI of Referred-By (RFC 3892), unproved, or "".
	Referred struct {
		To         string
		Replaces   *Replaces
		ReferredBy string
	}
	// ReferTold is what the peer says to SendRefer: that it will not (Refused, with the
	// status of its answer, 408 for none), that it has taken it (100), or how the call
	// stands that it makes (a NOTIFY's status, the last from 200 on).
	ReferTold struct {
		Code    int
		Refused bool
	}
	// Ended is the last event. Code is the SIP status that ended it, 0 none;
	// Reason the peer's Reason header or ours, or a phrase.
	Ended struct {
		By     EndCause
		Code   int
		Reason string
	}
)

func (Progressed) dialogEvent()           {}
func (Answered) dialogEvent()             {}
func (Failed) dialogEvent()               {}
func (Confirmed) dialogEvent()            {}
func (RemoteOffer) dialogEvent()          {}
func (RemoteOfferCancelled) dialogEvent() {}
func (ReofferAnswered) dialogEvent()      {}
func (ReofferFailed) dialogEvent()        {}
func (InfoReceived) dialogEvent()         {}
func (Referred) dialogEvent()             {}
func (ReferTold) dialogEvent()            {}
func (Ended) dialogEvent()                {}
