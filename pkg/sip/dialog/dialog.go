package dialog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Config is what all dialogs of a stack share; it is not part of a dialog's state.
type Config struct {
	T1, T2    time.Duration // RFC 3261 17.1.1.1; 0 = 500 ms and 4 s
	UserAgent string        // User-Agent of our requests; "" sends none
	MinSE     time.Duration // smallest session interval we take (RFC 4028); 0 = 90 s, its lower bound
	// SessionExpires is asked for in our INVITEs (RFC 4028); 0 asks for none.
	// What a peer asks for in its own is cut to it. 0 asks for none and takes any.
	SessionExpires time.Duration
	// Reliable sends provisionals with SDP reliably to whom supports it (RFC 3262);
	// to whom requires it they go so in any case.
	Reliable bool
	// Rand gives random bits for tags, glare waits and cnonces. It must be good
	// enough that a stranger cannot guess a tag (crypto/rand or ChaCha8), and safe
	// to call from the dialog's goroutine.
	Rand func() uint64
}

func (c Config) withDefaults() Config {
	if c.T1 <= 0 {
		c.T1 = 500 * time.Millisecond
	}
	if c.T2 <= 0 {
		c.T2 = 4 * time.Second
	}
	c.MinSE = max(c.MinSE, 90*time.Second) // RFC 4028 4: never below
	return c
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

// ErrInvite is wrapped by NewUAC's errors.
var ErrInvite = errors.New("dialog: bad invite")

// Dialog is one INVITE dialog (on a UAC leg: with all its forks). Owner only.
type Dialog struct {
	cfg Config
	s   State
	out []Effect // of the Step that runs
}

// NewUAC makes the dialog of an outgoing INVITE and the effects that send it.
func NewUAC(cfg Config, _ time.Time, in Invite) (*Dialog, []Effect, error) {
	for _, u := range append([]string{in.Target, in.Contact}, in.Routes...) {
		if !goodURI(u) {
			return nil, nil, fmt.Errorf("%w: URI %q", ErrInvite, u)
		}
	}
	for _, h := range in.Headers {
		if !token(h.Name) || !safe(h.Value) || ours(h.Name) {
			return nil, nil, fmt.Errorf("%w: header %q", ErrInvite, h.Name)
		}
	}
	for _, h := range []string{in.From.Host, in.To.Host, in.CallID} {
		if strings.ContainsAny(h, " \t\r\n\x00<>\"") {
			return nil, nil, fmt.Errorf("%w: %q in an address or Call-ID", ErrInvite, h)
		}
	}
	d := &Dialog{cfg: cfg.withDefaults()}
	if in.CallID == "" {
		in.CallID = d.token() + d.token()
	}
	d.s = State{
		Phase: Calling, UAC: true,
		CallID: in.CallID, LocalTag: d.token(), Local: in.From.value(), Remote: in.To.value(),
		Contact: in.Contact, RemoteTarget: in.Target, RouteSet: slices.Clone(in.Routes),
		LocalCSeq: uint32(d.cfg.Rand()&0xfff) + 1,
		AuthUser:  in.AuthUser, AuthPassword: in.AuthPassword, Headers: slices.Clone(in.Headers),
		SessionSec: uint32(d.cfg.SessionExpires / time.Second),
		Cli:        &ClientInvite{Initial: true, Late: len(in.SDP) == 0, SDP: in.SDP},
	}
	if in.RingTimeout <= 0 {
		in.RingTimeout = 180 * time.Second
	}
	d.sendInvite()
	d.timer(TimerRing, in.RingTimeout)
	return d, d.take(), nil
}

// NewUAS makes the dialog of an incoming INVITE without a To tag. contact is our
// Contact URI (without < >) as this peer reaches us. The request may be refused
// at once (400, 415, 420, 422): the effects then hold the response and end with
// Terminate, and no Ended. Otherwise there are none: the user has to speak.
func NewUAS(cfg Config, _ time.Time, contact string, req *sip.Request, tx TxKey) (*Dialog, []Effect) {
	d := &Dialog{cfg: cfg.withDefaults()}
	d.s = State{Phase: Incoming, LocalTag: d.token(), Contact: contact}
	from, to, id, cseq := req.From(), req.To(), req.CallID(), req.CSeq()
	in, refusal := ServerInvite{}, (*SendResponse)(nil)
	if from == nil || to == nil || id == nil || cseq == nil || cseq.MethodName != sip.INVITE || !safe(string(*id)) {
		refusal = d.response(tx, 400)
	} else {
		in, refusal = d.readOffer(req, tx)
	}
	if refusal == nil && in.Target == "" {
		// RFC 3261 8.1.1.8: an INVITE without a usable Contact makes no dialog.
		refusal = d.response(tx, 400)
	}
	if refusal != nil {
		d.s.EndTold = true
		d.emit(*refusal)
		d.terminate()
		return d, d.take()
	}
	s := &d.s
	s.CallID = string(*id)
	s.RemoteTag = param(from.Params, "tag")
	s.Local = withoutTag(to.DisplayName, &to.Address, to.Params)
	s.Remote = withoutTag(from.DisplayName, &from.Address, from.Params)
	s.RemoteTarget = in.Target
	s.RouteSet = recordRoutes(req) // RFC 3261 12.1.1: in order for the UAS
	s.RemoteCSeq, s.RemoteSeen = cseq.SeqNo, true
	s.PeerUpdate = in.Session.Update
	s.Rel = reliableOf(req)
	in.Initial = true
	s.Srv = &in
	return d, d.take()
}

// Restore makes a dialog of a state that State gave. A state that went through
// JSON has lost its AuthPassword: set it again. Timers that ran have to be set
// again by the owner.
func Restore(cfg Config, s State) *Dialog {
	d := &Dialog{cfg: cfg.withDefaults(), s: s}
	d.s = d.State()
	return d
}

// CallID is the SIP Call-ID.
func (d *Dialog) CallID() string { return d.s.CallID }

// LocalTag is our tag: with the Call-ID the key under which requests are routed here.
func (d *Dialog) LocalTag() string { return d.s.LocalTag }

// RemoteTag is the peer's tag: before a UAC's 2xx that of its only early dialog,
// "" when there is none, or several.
func (d *Dialog) RemoteTag() string {
	if d.s.RemoteTag == "" && len(d.s.Forks) == 1 {
		return d.s.Forks[0].Tag
	}
	return d.s.RemoteTag
}

// Phase is where the dialog stands.
func (d *Dialog) Phase() Phase { return d.s.Phase }

// Step takes one event and returns what to do about it, in order. The slice is
// valid until the next Step.
func (d *Dialog) Step(_ time.Time, ev Event) []Effect {
	k := d.classify(ev)
	if k == kindNone {
		return d.take()
	}
	row := &table[d.s.Phase][k]
	switch {
	case row.act != nil:
		row.act(d, ev)
	case row.why == "":
		d.emit(Fault{State: d.s.Phase.String(), Event: k.String(), Detail: "not in the table"})
	}
	return d.take()
}

func (d *Dialog) take() []Effect {
	out := d.out
	d.out = d.out[:0:0]
	return out
}

func (d *Dialog) emit(e Effect) {
	if cap(d.out) == 0 {
		d.out = make([]Effect, 0, 6) // what an answer comes to
	}
	d.out = append(d.out, e)
}
func (d *Dialog) pass(e DialogEvent)                 { d.emit(Pass{e}) }
func (d *Dialog) timer(t Timer, after time.Duration) { d.emit(SetTimer{t, after}) }
func (d *Dialog) stop(ts ...Timer) {
	for _, t := range ts {
		d.emit(StopTimer{t})
	}
}

// response starts an answer with our tag and the usual phrase.
func (d *Dialog) response(tx TxKey, code int, hs ...Header) *SendResponse {
	return &SendResponse{Tx: tx, Code: code, Reason: Phrase(code), ToTag: d.s.LocalTag, Headers: hs}
}

func (d *Dialog) reply(tx TxKey, code int, hs ...Header) { d.emit(*d.response(tx, code, hs...)) }

// ended tells the user once.
func (d *Dialog) ended(by EndCause, code int, reason string) {
	if !d.s.EndTold {
		d.s.EndTold = true
		d.pass(Ended{By: by, Code: code, Reason: reason})
	}
}

func (d *Dialog) terminate() {
	d.refuseOpen()
	d.s.Phase = Terminated
	d.emit(Terminate{})
}

// tell passes an event unless the user was already told of the end.
func (d *Dialog) tell(e DialogEvent) {
	if !d.s.EndTold {
		d.pass(e)
	}
}

// classify names the event for the table. It answers itself, and returns
// kindNone for, what has the same answer in every phase.
func (d *Dialog) classify(ev Event) kind {
	switch e := ev.(type) {
	case RecvRequest:
		return d.classifyRequest(e)
	case RecvResponse:
		return d.classifyResponse(e.Response)
	case TransactionFailed:
		if e.Method == sip.INVITE {
			if d.s.Cli == nil || d.s.Cli.CSeq != e.CSeq {
				return kindNone // an older try, or one that got its 2xx
			}
			return inviteLost
		}
		if d.outgoing(e.CSeq, e.Method) < 0 {
			return kindNone
		}
		return requestLost
	case TransportFailed:
		return transportLost
	case TimerFired:
		if e.Timer >= numTimers {
			return kindNone
		}
		return timerKinds + kind(e.Timer)
	case Progress:
		return cmdProgress
	case Accept:
		return cmdAccept
	case Reject:
		return cmdReject
	case Reoffer:
		return cmdReoffer
	case Answer:
		return cmdAnswer
	case RefuseOffer:
		return cmdRefuse
	case Info:
		return cmdInfo
	case AcceptRefer:
		return cmdAcceptRefer
	case RefuseRefer:
		return cmdRefuseRefer
	case NotifyRefer:
		return cmdNotifyRefer
	case SendRefer:
		return cmdRefer
	case End:
		return cmdEnd
	}
	return kindNone
}

func (d *Dialog) classifyRequest(e RecvRequest) kind {
	s := &d.s
	req := e.Request
	cseq, from := req.CSeq(), req.From()
	if cseq == nil || from == nil {
		if req.Method != sip.ACK {
			d.reply(e.Tx, 400)
		}
		return kindNone
	}
	if s.Phase == Terminated {
		if req.Method != sip.ACK {
			d.reply(e.Tx, 481)
		}
		return kindNone
	}
	// A UAC has no peer's tag until its 2xx: any fork may speak.
	if s.RemoteTag != "" && param(from.Params, "tag") != s.RemoteTag {
		if req.Method != sip.ACK {
			d.reply(e.Tx, 481)
		}
		return kindNone
	}
	switch req.Method {
	case sip.ACK:
		return reqACK
	case sip.CANCEL:
		return reqCancel
	}
	// RFC 3261 12.2.2: lower than the last is out of order. The same number in a
	// new transaction cannot be either. Forks of a UAC count apart.
	count, seen := &s.RemoteCSeq, &s.RemoteSeen
	if s.RemoteTag == "" && s.UAC {
		count, seen = nil, nil
		if f := d.fork(param(from.Params, "tag")); f != nil {
			count, seen = &f.RemoteCSeq, &f.RemoteSeen
		}
	}
	if count != nil {
		if *seen && cseq.SeqNo <= *count {
			d.reply(e.Tx, 500)
			return kindNone
		}
		*count, *seen = cseq.SeqNo, true
	}
	if bad := unsupported(req); bad != "" {
		d.reply(e.Tx, 420, Header{"Unsupported", bad})
		return kindNone
	}
	switch req.Method {
	case sip.INVITE:
		return reqInvite
	case sip.BYE:
		return reqBye
	case sip.UPDATE:
		return reqUpdate
	case sip.INFO:
		return reqInfo
	case sip.OPTIONS:
		// RFC 3261 11.2: as an INVITE would be answered, without making one.
		d.reply(e.Tx, 200, Header{"Allow", allow}, Header{"Accept", sdpType}, Header{"Supported", supported})
	case sip.PRACK:
		return reqPrack
	case sip.REFER:
		return reqRefer
	case sip.SUBSCRIBE:
		return reqSubscribe
	case sip.NOTIFY:
		// RFC 6665 4.1.3: we subscribe to nothing but by a REFER, and of events we
		// know, in a dialog, but that.
		if eventOf(req) == "refer" {
			d.referNotified(e)
		} else {
			d.reply(e.Tx, 489, Header{"Allow-Events", "refer"})
		}
	default:
		d.reply(e.Tx, 405, Header{"Allow", allow})
	}
	return kindNone
}

func (d *Dialog) classifyResponse(res *sip.Response) kind {
	s := &d.s
	cseq := res.CSeq()
	if cseq == nil {
		return kindNone
	}
	if cseq.MethodName != sip.INVITE {
		if res.StatusCode < 200 || d.outgoing(cseq.SeqNo, cseq.MethodName) < 0 {
			return kindNone // CANCEL's 200, a stray fork's BYE, a late one
		}
		return requestFinal
	}
	switch {
	case res.IsSuccess():
		return inviteOK // retransmissions and forks too
	case s.Cli == nil || s.Cli.CSeq != cseq.SeqNo || s.Cli.OweACK:
		return kindNone
	case res.StatusCode < 200:
		return inviteProgress
	}
	return inviteRefused
}

// unsupported returns the option tags of Require that we lack.
func unsupported(req *sip.Request) string {
	var bad []string
	eachToken(req, "Require", "", func(t string) {
		if !Understands(t) {
			bad = append(bad, t)
		}
	})
	return strings.Join(bad, ", ")
}

// outgoing finds a request of ours.
func (d *Dialog) outgoing(cseq uint32, m sip.RequestMethod) int {
	return slices.IndexFunc(d.s.Out, func(o Outgoing) bool { return o.CSeq == cseq && o.Method == m })
}
