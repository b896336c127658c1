package dialog

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// next goes on with what waited: the peer's re-INVITE first, then our offer.
func (d *Dialog) next() {
	s := &d.s
	if s.Phase != Established {
		d.nextEarly()
		return
	}
	if d.negotiating() {
		return
	}
	if in := s.Queued; in != nil {
		s.Queued = nil
		d.startRemote(in)
		return
	}
	if s.Next != nil && !s.Glare {
		o := *s.Next
		s.Next = nil
		d.reinvite(o)
	}
}

// negotiating says that an INVITE, or an UPDATE with an offer, is not done.
func (d *Dialog) negotiating() bool {
	return d.s.Cli != nil || d.s.Srv != nil || d.s.Upd != nil || d.offering()
}

func (d *Dialog) queueOffer(ev Event) {
	// The latest offer says what is wanted now; an older one is of no use.
	d.s.Next = &QueuedOffer{SDP: ev.(Reoffer).SDP}
	d.s.Again = 0
}

func (d *Dialog) onCmdReoffer(ev Event) {
	d.queueOffer(ev)
	d.next()
}

func (d *Dialog) reinvite(o QueuedOffer) {
	d.s.Cli = &ClientInvite{Late: len(o.SDP) == 0, SDP: o.SDP, Refresh: o.Refresh}
	d.again()
	d.timer(TimerReoffer, 64*d.cfg.T1)
}

// onReinvite: a re-INVITE of the peer (RFC 3261 14.2).
func (d *Dialog) onReinvite(ev Event) {
	s := &d.s
	e := ev.(RecvRequest)
	in, refusal := d.readOffer(e.Request, e.Tx)
	switch {
	case refusal != nil:
		d.emit(*refusal)
	case s.Cli != nil, d.offering():
		d.reply(e.Tx, 491) // glare
	case s.Srv != nil && !s.Srv.Answered, s.Queued != nil, s.Upd != nil:
		d.busy(e.Tx)
	case s.Srv != nil:
		// It overtook the ACK, or the ACK was lost and comes with our next 200
		// (RFC 5407 3.1.4). The answer in the ACK, if one is due, goes first.
		s.Queued = &in
	default:
		d.startRemote(&in)
	}
}

func (d *Dialog) startRemote(in *ServerInvite) {
	d.s.Srv = in
	d.learnTarget(in.Target)
	d.pass(RemoteOffer{SDP: in.SDP})
}

// onUpdate: RFC 3311 5.2.
func (d *Dialog) onUpdate(ev Event) {
	s := &d.s
	e := ev.(RecvRequest)
	in, refusal := d.readOffer(e.Request, e.Tx)
	switch {
	case refusal != nil:
		d.emit(*refusal)
	case in.Late: // no offer: a session refresh or a new Contact
		d.learnTarget(in.Target)
		d.emit(d.ok(&in, nil))
	case s.Cli != nil, d.offering(), s.Srv != nil && s.Srv.Answered && s.Srv.Late:
		d.reply(e.Tx, 491) // our offer is out
	case s.Upd != nil, s.Srv != nil && !s.Srv.Answered:
		d.busy(e.Tx) // its own earlier offer is not answered yet
	default:
		s.Upd = &in
		d.learnTarget(in.Target)
		d.pass(RemoteOffer{SDP: in.SDP})
	}
}

func (d *Dialog) onCmdAnswer(ev Event) {
	s := &d.s
	sdp := ev.(Answer).SDP
	switch {
	case s.Cli != nil && s.Cli.OweACK:
		d.acknowledge(sdp)
		d.next()
	case s.Upd != nil:
		in := s.Upd
		s.Upd = nil
		d.emit(d.ok(in, sdp))
		d.next()
	case s.Srv != nil && !s.Srv.Answered:
		d.answerInvite(sdp)
	}
	// else the offer was cancelled meanwhile
}

func (d *Dialog) onCmdRefuse(ev Event) {
	s := &d.s
	code := ev.(RefuseOffer).Code
	if code < 300 || code > 699 {
		code = 488
	}
	switch {
	case s.Cli != nil && s.Cli.OweACK:
		// RFC 3261 13.2.2.4: ACK it, then BYE at once.
		d.hangUp(EndLocal, code, "offer refused", nil)
	case s.Upd != nil:
		in := s.Upd
		s.Upd = nil
		d.reply(in.Tx, code)
		d.next()
	case s.Srv != nil && !s.Srv.Answered:
		in := s.Srv
		s.Srv = nil
		d.reply(in.Tx, code)
		d.next()
	}
}

func (d *Dialog) onCmdInfo(ev Event) {
	e := ev.(Info)
	if !safe(e.ContentType) {
		return
	}
	d.request(sip.INFO, e.ContentType, e.Body, nil)
}

func (d *Dialog) onCmdEnd(ev Event) {
	switch e := ev.(type) {
	case End:
		d.hangUp(EndLocal, 0, e.Reason, reasonHeaders(e.Reason, e.Headers))
	case Reject: // crossed our own Accept
		d.hangUp(EndLocal, e.Code, e.Reason, e.Headers)
	}
}

// hangUp ends an established dialog with BYE, or owes it until the ACK.
func (d *Dialog) hangUp(by EndCause, code int, reason string, hs []Header) {
	s := &d.s
	d.ended(by, code, reason)
	d.stop(TimerGlare, TimerReoffer, TimerRefresh, TimerExpire)
	s.Glare = false
	if s.Cli != nil && s.Cli.OweACK {
		d.acknowledge(nil)
	}
	d.refusePending()
	// RFC 3261 15: the callee must not send BYE before the ACK of its 2xx.
	if s.Srv != nil && s.Srv.Answered && s.Srv.Initial && by != EndTransport {
		s.Phase, s.ByeHeaders = Leaving, hs
		return
	}
	d.stop(TimerRetransmit, TimerAckWait)
	s.Srv = nil
	d.bye(hs)
}

// onReofferOK: 2xx in an established dialog: of our re-INVITE, or one seen before.
func (d *Dialog) onReofferOK(ev Event) {
	s := &d.s
	res := ev.(RecvResponse).Response
	if d.known2xx(res) {
		return
	}
	c := *s.Cli
	d.stop(TimerReoffer)
	d.learnTarget(contactURI(res))
	d.sessionAnswered(res)
	sdp := sdpOf(res)
	s.Again = 0
	switch {
	case c.Late && sdp != nil:
		s.RemoteSDP = sdp
		s.Cli.OweACK = true
		d.pass(ReofferAnswered{SDP: sdp, NeedAnswer: true})
		return
	case sdp == nil:
		d.acknowledge(nil)
		if !c.Refresh {
			d.pass(ReofferFailed{Code: 488})
		}
	default:
		same := bytes.Equal(sdp, s.RemoteSDP)
		s.RemoteSDP = sdp
		d.acknowledge(nil)
		if !c.Refresh || !same {
			d.pass(ReofferAnswered{SDP: sdp})
		}
	}
	d.next()
}

func (d *Dialog) onReofferRefused(ev Event) {
	s := &d.s
	res := ev.(RecvResponse).Response
	c := *s.Cli
	d.stop(TimerReoffer)
	putOff := time.Duration(-1)
	switch code := res.StatusCode; code {
	case 401, 407:
		if d.learnChallenge(res, &s.Cli.AuthTried) {
			d.again()
			d.timer(TimerReoffer, 64*d.cfg.T1)
			return
		}
	case 422:
		if d.learnMinSE(res) {
			d.again()
			d.timer(TimerReoffer, 64*d.cfg.T1)
			return
		}
	case 408, 481:
		// RFC 3261 12.2.1.2: the dialog is gone over there.
		s.Cli = nil
		d.hangUp(goneCause(code), code, phraseOf(res), nil)
		return
	case 491:
		putOff = d.glareWait()
	case 500, 503:
		// 14.2: it had an offer of its own open. Longer waits mean something else.
		if _, ok := first(res, "Retry-After", ""); ok && retryAfter(res) <= 10 {
			putOff = time.Duration(retryAfter(res)) * time.Second
		}
	}
	s.Cli = nil
	if putOff >= 0 && s.Again < maxAgain && !c.Cancelled {
		s.Again++
		if s.Next == nil {
			s.Next = &QueuedOffer{SDP: c.SDP, Refresh: c.Refresh}
		}
		s.Glare = true
		d.timer(TimerGlare, putOff)
		if s.Queued != nil {
			d.next()
		}
		return
	}
	s.Again = 0
	if !c.Refresh {
		d.pass(ReofferFailed{Code: res.StatusCode})
	} else if s.SessionSec > 0 {
		d.timer(TimerRefresh, 10*time.Second) // TimerExpire bounds it
	}
	d.next()
}

func goneCause(code int) EndCause {
	if code == 408 {
		return EndTimeout
	}
	return EndRemote
}

func (d *Dialog) onGlareOver(Event) {
	d.s.Glare = false
	d.next()
}

func (d *Dialog) onReofferLost(ev Event) {
	d.s.Cli = nil
	d.lost(ev.(TransactionFailed))
}

// lost: a request without an answer ends the dialog (RFC 3261 12.2.1.2).
func (d *Dialog) lost(e TransactionFailed) {
	if e.Transport {
		d.hangUp(EndTransport, 503, "transport failed", nil)
		return
	}
	d.hangUp(EndTimeout, 408, "no answer to "+string(e.Method), nil)
}

// onReofferSlow: the peer sits on our re-INVITE (it rings somebody?): CANCEL it;
// when even that brings no answer, the dialog is dead.
func (d *Dialog) onReofferSlow(Event) {
	c := d.s.Cli
	switch {
	case c == nil || c.OweACK:
	case c.Cancelled:
		d.s.Cli = nil
		d.hangUp(EndTimeout, 408, "no answer to re-INVITE", nil)
	default:
		c.Cancelled = true
		d.emit(SendCancel{CSeq: c.CSeq})
		d.timer(TimerReoffer, 64*d.cfg.T1)
	}
}

// onFinal: the answer to an INFO or UPDATE of ours.
func (d *Dialog) onFinal(ev Event) {
	s := &d.s
	res := ev.(RecvResponse).Response
	o := d.takeOut(res)
	switch code := res.StatusCode; {
	case code == 401 || code == 407:
		if d.learnChallenge(res, &o.AuthTried) {
			d.resend(o)
			return
		}
	case o.Method == sip.PRACK:
		return // the 2xx made it needless
	case o.Method == sip.NOTIFY:
		d.notified(code)
		return
	case o.Method == sip.REFER:
		d.referAnswered(code)
		return
	case code == 408 || code == 481:
		d.hangUp(goneCause(code), code, phraseOf(res), nil)
		return
	}
	if o.Method != sip.UPDATE {
		return // INFO is told once; 415 or 405 changes nothing
	}
	if o.Offer {
		d.onUpdateAnswer(o, res)
		return
	}
	switch {
	case res.IsSuccess():
		d.learnTarget(contactURI(res))
		d.sessionAnswered(res)
	case res.StatusCode == 405 || res.StatusCode == 501:
		s.PeerUpdate = false
		d.onRefresh(nil)
	case res.StatusCode == 422 && d.learnMinSE(res):
		d.onRefresh(nil)
	default:
		d.timer(TimerRefresh, 10*time.Second)
	}
}

func (d *Dialog) takeOut(res *sip.Response) Outgoing {
	c := res.CSeq()
	i := d.outgoing(c.SeqNo, c.MethodName)
	o := d.s.Out[i]
	d.s.Out = slices.Delete(d.s.Out, i, i+1)
	return o
}

func (d *Dialog) resend(o Outgoing) {
	d.s.LocalCSeq++
	o.CSeq = d.s.LocalCSeq
	d.s.Out = append(d.s.Out, o)
	d.sendOut(&o)
}

func (d *Dialog) onRequestLost(ev Event) {
	e := ev.(TransactionFailed)
	i := d.outgoing(e.CSeq, e.Method)
	d.s.Out = slices.Delete(d.s.Out, i, i+1)
	switch e.Method {
	case sip.PRACK:
	case sip.REFER:
		d.referAnswered(408)
	case sip.NOTIFY: // RFC 5057 5.1: of the subscription alone
		d.notified(408)
	default:
		d.lost(e)
	}
}

func (d *Dialog) onByeCrossing(ev Event) { d.reply(ev.(RecvRequest).Tx, 200) }

// onFinalClosing: whatever the answer to BYE is, the dialog is over; but a
// challenge is answered, or the trunk bills on.
func (d *Dialog) onFinalClosing(ev Event) {
	res := ev.(RecvResponse).Response
	o := d.takeOut(res)
	if (res.StatusCode == 401 || res.StatusCode == 407) && d.learnChallenge(res, &o.AuthTried) {
		d.resend(o)
		return
	}
	switch o.Method {
	case sip.NOTIFY:
		d.notified(res.StatusCode)
	case sip.BYE:
		d.over()
	}
}

func (d *Dialog) onLostClosing(ev Event) {
	e := ev.(TransactionFailed)
	if i := d.outgoing(e.CSeq, e.Method); i >= 0 {
		d.s.Out = slices.Delete(d.s.Out, i, i+1)
	}
	switch e.Method {
	case sip.NOTIFY:
		d.notified(408)
	case sip.BYE:
		d.over()
	}
}

// refresher reads the refresher parameter of a Session-Expires value.
func refresher(v string) string {
	for p := range strings.SplitSeq(strings.ToLower(v), ";") {
		k, r, ok := strings.Cut(p, "=")
		if r = strings.TrimSpace(r); ok && strings.TrimSpace(k) == "refresher" && (r == "uac" || r == "uas") {
			return r
		}
	}
	return ""
}

// sessionAsked settles the timer that a request asks for and returns the headers
// of its 2xx (RFC 4028 9).
func (d *Dialog) sessionAsked(q Session) []Header {
	s := &d.s
	s.PeerUpdate = s.PeerUpdate || q.Update
	if ours := uint32(d.cfg.SessionExpires / time.Second); ours > 0 {
		// RFC 4028 9: a UAS may ask for what was not asked for, and may shorten, but
		// not below the Min-SE of the request.
		ours = max(ours, q.MinSE, uint32(d.cfg.MinSE/time.Second))
		if q.Sec == 0 || q.Sec > ours {
			q.Sec = ours
		}
	}
	if q.Sec == 0 {
		s.SessionSec = 0
		d.stop(TimerRefresh, TimerExpire)
		return nil
	}
	s.SessionSec = q.Sec
	// The peer refreshes where it can: it asked, and one timer less is ours.
	s.WeRefresh = !q.Supported || q.Refresher == "uas"
	d.armSession()
	if s.WeRefresh {
		return []Header{{"Session-Expires", strconv.Itoa(int(q.Sec)) + ";refresher=uas"}}
	}
	return []Header{{"Require", "timer"}, {"Session-Expires", strconv.Itoa(int(q.Sec)) + ";refresher=uac"}}
}

// sessionAnswered takes the timer that a 2xx to our request settles (RFC 4028 7.2).
func (d *Dialog) sessionAnswered(res *sip.Response) {
	s := &d.s
	eachToken(res, "Allow", "", func(t string) { s.PeerUpdate = s.PeerUpdate || strings.EqualFold(t, "UPDATE") })
	v, ok := first(res, "Session-Expires", "x")
	if !ok || seconds(v) == 0 {
		if s.SessionSec > 0 {
			s.SessionSec = 0
			d.stop(TimerRefresh, TimerExpire)
		}
		return
	}
	s.SessionSec = max(seconds(v), 90)
	s.WeRefresh = refresher(v) != "uas"
	d.armSession()
}

func (d *Dialog) armSession() {
	sec := time.Duration(d.s.SessionSec) * time.Second
	// RFC 4028 10: BYE slightly before the end, min(32 s, a third) of it.
	d.timer(TimerExpire, sec-min(32*time.Second, sec/3))
	if d.s.WeRefresh {
		d.timer(TimerRefresh, sec/2)
	} else {
		d.stop(TimerRefresh)
	}
}

func (d *Dialog) onRefresh(Event) {
	s := &d.s
	switch {
	case s.SessionSec == 0 || !s.WeRefresh:
	case d.negotiating() || s.Next != nil:
		d.timer(TimerRefresh, 2*time.Second) // what runs may well be the refresh
	case s.PeerUpdate:
		d.request(sip.UPDATE, "", nil, nil)
	default:
		d.reinvite(QueuedOffer{SDP: s.LocalSDP, Refresh: true})
	}
}

func (d *Dialog) onExpire(Event) {
	if d.s.SessionSec > 0 {
		d.hangUp(EndTimeout, 408, "session timer expired", nil)
	}
}
