package dialog

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// readOffer reads an INVITE or UPDATE, or says how to refuse it.
func (d *Dialog) readOffer(req *sip.Request, tx TxKey) (ServerInvite, *SendResponse) {
	in := ServerInvite{Tx: tx, Method: req.Method, Target: contactURI(req)}
	if c := req.CSeq(); c != nil {
		in.CSeq = c.SeqNo
	}
	if bad := unsupported(req); bad != "" {
		return in, d.response(tx, 420, Header{"Unsupported", bad})
	}
	if len(req.Body()) > 0 {
		enc, has := first(req, "Content-Encoding", "e")
		if !isSDP(req) || has && !strings.EqualFold(enc, "identity") {
			return in, d.response(tx, 415, Header{"Accept", sdpType}, Header{"Accept-Encoding", "identity"})
		}
		in.SDP = req.Body()
	}
	in.Late = in.SDP == nil
	eachToken(req, "Supported", "k", func(t string) { in.Session.Supported = in.Session.Supported || strings.EqualFold(t, "timer") })
	eachToken(req, "Require", "", func(t string) { in.Session.Supported = in.Session.Supported || strings.EqualFold(t, "timer") })
	eachToken(req, "Allow", "", func(t string) { in.Session.Update = in.Session.Update || strings.EqualFold(t, "UPDATE") })
	if v, ok := first(req, "Session-Expires", "x"); ok {
		in.Session.Sec, in.Session.Refresher = seconds(v), refresher(v)
		if v, ok := first(req, "Min-SE", ""); ok {
			in.Session.MinSE = seconds(v)
		}
		if minSE := uint32(d.cfg.MinSE / time.Second); in.Session.Supported && in.Session.Sec < minSE {
			return in, d.response(tx, 422, Header{"Min-SE", strconv.Itoa(int(minSE))})
		}
	}
	return in, nil
}

// ok is the 200 to an INVITE or UPDATE with its session timer.
func (d *Dialog) ok(in *ServerInvite, sdp []byte) SendResponse {
	var r SendResponse
	if in.Method == sip.PRACK { // no target refresh, no session timer
		r = *d.response(in.Tx, 200)
	} else {
		r = *d.response(in.Tx, 200, Header{"Allow", allow}, Header{"Supported", supported})
		r.Headers = append(r.Headers, d.sessionAsked(in.Session)...)
		r.Contact = d.s.Contact
	}
	if len(sdp) > 0 {
		r.ContentType, r.Body = sdpType, sdp
		d.s.LocalSDP = sdp
	}
	if in.SDP != nil {
		d.s.RemoteSDP = in.SDP
	}
	return r
}

func (d *Dialog) onCmdProgress(ev Event) {
	e := ev.(Progress)
	if e.Code < 101 || e.Code > 199 {
		d.emit(Fault{State: d.s.Phase.String(), Event: "progress", Detail: "code " + strconv.Itoa(e.Code) + " is not provisional"})
		return
	}
	d.s.ProgressCode = e.Code
	if len(e.SDP) > 0 {
		d.s.ProgressSDP = e.SDP
	}
	if r := d.s.Rel; r != nil && (r.Required || d.cfg.Reliable && len(e.SDP) > 0) {
		d.progressReliably(e.Code, e.SDP)
		return
	}
	d.provisional(e.Code, e.SDP)
}

func (d *Dialog) provisional(code int, sdp []byte) {
	r := *d.response(d.s.Srv.Tx, code)
	r.Contact = d.s.Contact
	if len(sdp) > 0 && !d.s.Srv.Late { // an offer may not go unreliably, RFC 3262 5
		r.ContentType, r.Body = sdpType, sdp
	}
	d.emit(r)
	d.timer(TimerProvisional, time.Minute)
}

// onProvisionalAgain keeps proxies from giving up: RFC 3261 13.3.1.1, each minute.
func (d *Dialog) onProvisionalAgain(Event) {
	sdp := d.s.ProgressSDP
	if d.s.ProgressCode == 180 {
		sdp = nil
	}
	if r := d.s.Rel; r != nil && (r.Required || r.RSeq != 0) {
		if r.Required && !r.Open {
			d.progressReliably(d.s.ProgressCode, nil)
			return
		}
		sdp = nil // it went reliably, or will
		if r.Required {
			d.timer(TimerProvisional, time.Minute)
			return
		}
	}
	d.provisional(d.s.ProgressCode, sdp)
}

func (d *Dialog) onCmdAccept(ev Event) {
	s := &d.s
	sdp := ev.(Accept).SDP
	if sdp == nil {
		if sdp = s.ProgressSDP; s.Rel != nil && s.Rel.Agreed {
			sdp = s.LocalSDP
		}
	}
	if len(sdp) == 0 {
		d.emit(Fault{State: s.Phase.String(), Event: "accept", Detail: "no session description"})
		return
	}
	if r := s.Rel; r != nil {
		if r.Open && r.Offer || s.Upd != nil && s.Upd.Method == sip.PRACK {
			// RFC 3262 3: no 2xx while the provisional with the answer (or offer) is
			// not acknowledged; nor before the offer of a PRACK is answered.
			r.Accepting, r.Accept = true, sdp
			if bytes.Equal(sdp, s.LocalSDP) {
				r.Accept = nil // what stands then, also when the PRACK changes it
			}
			return
		}
		if r.Agreed {
			// RFC 6337 3.1.1: what a reliable provisional settled the 2xx does not
			// repeat; what has changed since is a new offer.
			if !bytes.Equal(sdp, s.LocalSDP) {
				s.Next, s.Again = &QueuedOffer{SDP: sdp}, 0
			}
			s.Srv.Late, s.Srv.SDP, sdp = false, nil, nil
		}
		d.stop(TimerReliable, TimerPrack)
		r.Queue = nil
	}
	s.Phase = Established
	d.stop(TimerProvisional)
	d.answerInvite(sdp)
}

// answerInvite sends 200 to s.Srv and repeats it until the ACK (RFC 3261 13.3.1.4).
func (d *Dialog) answerInvite(sdp []byte) {
	in := d.s.Srv
	in.Answered = true
	in.Response = d.ok(in, sdp)
	in.Interval = d.cfg.T1
	d.emit(in.Response)
	d.timer(TimerRetransmit, in.Interval)
	d.timer(TimerAckWait, 64*d.cfg.T1)
}

func (d *Dialog) onRetransmit(Event) {
	in := d.s.Srv
	if in == nil || !in.Answered {
		return
	}
	d.emit(in.Response)
	in.Interval = min(2*in.Interval, d.cfg.T2)
	d.timer(TimerRetransmit, in.Interval)
}

func (d *Dialog) onCmdReject(ev Event) {
	code, reason, by := 480, "", "" // End before any answer: temporarily unavailable
	var hs []Header
	switch e := ev.(type) {
	case Reject:
		code, reason, hs, by = e.Code, e.Reason, e.Headers, e.Reason
		if code < 300 || code > 699 {
			code, reason = 500, ""
		}
	case End:
		hs, by = reasonHeaders(e.Reason, e.Headers), e.Reason
	}
	r := *d.response(d.s.Srv.Tx, code, hs...)
	if reason != "" && safe(reason) {
		r.Reason = reason
	}
	d.s.Srv = nil
	d.emit(r)
	d.ended(EndLocal, code, by)
	d.terminate()
}

// onCancelled: CANCEL before our final answer (RFC 3261 9.2).
func (d *Dialog) onCancelled(ev Event) {
	e := ev.(RecvRequest)
	if e.Request.CSeq().SeqNo != d.s.Srv.CSeq {
		d.reply(e.Tx, 481)
		return
	}
	reason := reasonsOf(e.Request)
	d.reply(e.Tx, 200)
	d.reply(d.s.Srv.Tx, 487)
	d.s.Srv = nil
	d.ended(EndCancelled, 487, reason)
	d.terminate()
}

// onCancelReinvite: a re-INVITE taken back leaves the session as it was; after
// our answer CANCEL has no effect.
func (d *Dialog) onCancelReinvite(ev Event) {
	s := &d.s
	e := ev.(RecvRequest)
	cseq := e.Request.CSeq().SeqNo
	switch {
	case s.Srv != nil && s.Srv.CSeq == cseq && !s.Srv.Answered:
		d.reply(e.Tx, 200)
		d.reply(s.Srv.Tx, 487)
		s.Srv = nil
		d.pass(RemoteOfferCancelled{})
		d.next()
	case s.Queued != nil && s.Queued.CSeq == cseq:
		d.reply(e.Tx, 200)
		d.reply(s.Queued.Tx, 487)
		s.Queued = nil
	default:
		d.onCancelLate(ev)
	}
}

func (d *Dialog) onCancelLate(ev Event) {
	e := ev.(RecvRequest)
	if in := d.s.Srv; in != nil && in.CSeq == e.Request.CSeq().SeqNo {
		d.reply(e.Tx, 200)
		return
	}
	d.reply(e.Tx, 481)
}

// refuseBusy: a second INVITE before our final answer to the first (RFC 3261 14.2).
func (d *Dialog) refuseBusy(ev Event) { d.busy(ev.(RecvRequest).Tx) }

func (d *Dialog) busy(tx TxKey) {
	d.reply(tx, 500, Header{"Retry-After", strconv.Itoa(int(d.cfg.Rand() % 11))}) // 0..10 s, RFC 3261 14.2
}

// refuseGone: nothing here to talk about.
func (d *Dialog) refuseGone(ev Event) { d.reply(ev.(RecvRequest).Tx, 481) }

// onUpdateEarly: UPDATE before our 200. Until a reliable provisional was
// acknowledged the INVITE's offer is not answered (or ours is not), so another
// has to wait (RFC 3311 5.2).
func (d *Dialog) onUpdateEarly(ev Event) {
	e := ev.(RecvRequest)
	in, refusal := d.readOffer(e.Request, e.Tx)
	switch {
	case refusal != nil:
		d.emit(*refusal)
	case in.Late:
		d.learnTarget(in.Target)
		d.emit(d.ok(&in, nil))
	case d.offering(), d.s.Rel != nil && d.s.Rel.Open && d.s.Rel.Offer && d.s.Srv.Late && !d.s.Rel.Agreed:
		d.reply(e.Tx, 491) // our offer is out
	case d.s.Upd != nil, d.s.Rel == nil || !d.s.Rel.Agreed:
		d.busy(e.Tx)
	default:
		d.s.Upd = &in
		d.learnTarget(in.Target)
		d.pass(RemoteOffer{SDP: in.SDP})
	}
}

func (d *Dialog) onInfo(ev Event) {
	e := ev.(RecvRequest)
	d.reply(e.Tx, 200)
	var ct string
	if h := e.Request.ContentType(); h != nil {
		ct = string(*h)
	}
	d.tell(InfoReceived{ContentType: ct, Body: e.Request.Body()})
}

// onBye: the peer ends the dialog (RFC 3261 15.1.2); what it asked and waits for
// is answered 487.
func (d *Dialog) onBye(ev Event) {
	e := ev.(RecvRequest)
	reason := reasonsOf(e.Request)
	d.reply(e.Tx, 200)
	d.refusePending()
	d.ended(EndRemote, 0, reason)
	d.over()
}

// refusePending answers the peer's unanswered requests as the dialog ends.
func (d *Dialog) refusePending() {
	s := &d.s
	if s.Srv != nil && !s.Srv.Answered {
		d.reply(s.Srv.Tx, 487)
		s.Srv = nil
	}
	d.refuseOpen()
	s.Next, s.Glare = nil, false
}

func (d *Dialog) onTransportLost(Event) {
	if d.s.Phase == Incoming {
		d.ended(EndTransport, 503, "transport failed")
		d.terminate()
		return
	}
	d.hangUp(EndTransport, 503, "transport failed", nil)
}

func (d *Dialog) onACK(ev Event) {
	s := &d.s
	req := ev.(RecvRequest).Request
	if s.Srv == nil || !s.Srv.Answered || s.Srv.CSeq != req.CSeq().SeqNo {
		return // a repeated ACK, or of an older 200
	}
	in := s.Srv
	s.Srv = nil
	d.stop(TimerRetransmit, TimerAckWait)
	if s.Phase == Leaving {
		d.refusePending()
		d.bye(s.ByeHeaders)
		return
	}
	var sdp []byte
	if in.Late {
		sdp = sdpOf(req)
		if sdp == nil {
			// Our offer was never answered: there is no session to speak of.
			d.hangUp(EndRemote, 488, "no answer in the ACK", nil)
			return
		}
		s.RemoteSDP = sdp
	}
	switch {
	case in.Initial:
		d.pass(Confirmed{SDP: sdp})
	case in.Late:
		d.pass(ReofferAnswered{SDP: sdp})
	}
	d.next()
}

// onNoACK: 64*T1 without ACK: the dialog is confirmed but dead, BYE (13.3.1.4).
// Sooner is forbidden (15), and who never acknowledged a call will not answer its
// BYE: that one is sent and forgotten, so that a flood of such calls leaves
// nothing behind. A peer that has been there (re-INVITE) gets an ordinary BYE.
func (d *Dialog) onNoACK(Event) {
	in := d.s.Srv
	if in == nil || !in.Answered {
		return
	}
	hs := d.s.ByeHeaders
	d.s.Srv = nil
	d.stop(TimerRetransmit)
	d.ended(EndTimeout, 408, "no ACK")
	d.refusePending()
	if !in.Initial {
		d.bye(hs)
		return
	}
	d.s.LocalCSeq++
	req := d.build(sip.BYE, d.s.LocalCSeq, d.peer())
	d.authorize(req)
	appendExtra(req, hs)
	setBody(req, "", nil)
	d.emit(SendRequest{Request: req, Farewell: true})
	d.over()
}
