package dialog

import (
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/digest"
)

// maxForks bounds the early dialogs and stray 2xx of one INVITE: a forking proxy
// serves a household, not a town.
const maxForks = 16

// maxMinSE bounds the 422s of one INVITE: each proxy on the way may raise Min-SE once.
const maxMinSE = 3

// maxAgain bounds how often one offer is tried again after 491 or Retry-After.
const maxAgain = 10

// sendInvite sends s.Cli with the current CSeq (already counted up).
func (d *Dialog) sendInvite() {
	s := &d.s
	c := s.Cli
	c.CSeq = s.LocalCSeq
	req := d.build(sip.INVITE, c.CSeq, d.peer())
	c.Auth = d.authorize(req)
	if c.Initial {
		appendExtra(req, s.Headers)
	}
	setBody(req, sdpType, c.SDP)
	d.emit(SendRequest{Request: req})
}

// sendACK acknowledges the 2xx of the INVITE cseq with body (RFC 3261 13.2.2.4).
func (d *Dialog) sendACK(cseq uint32, p peer, body []byte, auth []digest.Field) {
	req := d.build(sip.ACK, cseq, p)
	for _, f := range auth {
		req.AppendHeader(sip.NewHeader(f.Name, f.Value))
	}
	setBody(req, sdpType, body)
	d.emit(SendACK{req})
}

// acknowledge ACKs s.Cli and remembers it for retransmitted 2xx.
func (d *Dialog) acknowledge(body []byte) {
	s := &d.s
	s.Acked, s.AckBody, s.AckAuth = s.Cli.CSeq, body, s.Cli.Auth
	if s.Cli.Late {
		s.LocalSDP = body
	} else {
		s.LocalSDP = s.Cli.SDP
	}
	s.Cli = nil
	d.sendACK(s.Acked, d.peer(), body, s.AckAuth)
}

func (d *Dialog) onProgress(ev Event) {
	s := &d.s
	res := ev.(RecvResponse).Response
	s.Phase = Proceeding
	if res.StatusCode == 100 {
		return
	}
	p := Progressed{Code: res.StatusCode, SDP: sdpOf(res)}
	if to := res.To(); to != nil {
		p.Fork = param(to.Params, "tag")
	}
	if p.Fork != "" {
		f := d.fork(p.Fork)
		if f == nil && len(s.Forks) < maxForks {
			s.Forks = append(s.Forks, Fork{Tag: p.Fork})
			f = &s.Forks[len(s.Forks)-1]
		}
		if f != nil && !d.heardProgress(f, res, &p) {
			return
		}
	}
	d.pass(p)
	d.next()
}

func (d *Dialog) fork(tag string) *Fork {
	for i := range d.s.Forks {
		if d.s.Forks[i].Tag == tag {
			return &d.s.Forks[i]
		}
	}
	return nil
}

// establish takes the dialog of a 2xx (RFC 3261 12.1.2); false when it has no To tag.
func (d *Dialog) establish(res *sip.Response) bool {
	s := &d.s
	to := res.To()
	if to == nil {
		return false
	}
	if s.RemoteTag = param(to.Params, "tag"); s.RemoteTag == "" {
		return false
	}
	s.Remote = withoutTag(to.DisplayName, &to.Address, to.Params)
	f := d.fork(s.RemoteTag)
	if f != nil {
		d.learnTarget(f.Target)
		s.RemoteCSeq, s.RemoteSeen = f.RemoteCSeq, f.RemoteSeen
	}
	d.learnTarget(contactURI(res))
	s.RouteSet = reverse(recordRoutes(res))
	d.leaveForks()
	s.Phase = Established
	s.CancelHeaders = nil
	d.stop(TimerRing)
	return true
}

// learnTarget is target refresh (RFC 3261 12.2.1.2, 12.2.2).
func (d *Dialog) learnTarget(uri string) {
	if uri != "" {
		d.s.RemoteTarget = uri
	}
}

func reverse(in []string) []string {
	for i, j := 0, len(in)-1; i < j; i, j = i+1, j-1 {
		in[i], in[j] = in[j], in[i]
	}
	return in
}

func (d *Dialog) onAnswered(ev Event) {
	s := &d.s
	res := ev.(RecvResponse).Response
	if s.Cli == nil || res.CSeq().SeqNo != s.Cli.CSeq || !d.establish(res) {
		return // an older try's 2xx cannot be: it was refused
	}
	d.sessionAnswered(res)
	sdp := sdpOf(res)
	late := s.Cli.Late
	f := d.fork(s.RemoteTag)
	s.Forks = nil
	if f != nil && f.Agreed && (sdp == nil || late || f.Updated) {
		// The session is settled: RFC 3261 13.2.1 has us ignore what the 2xx says.
		// (Where no UPDATE came between we follow it all the same: gateways put the
		// callee's address there after a reliable 183 of their announcement.)
		s.RemoteSDP = f.SDP
		d.acknowledge(nil)
		if f.Local != nil {
			s.LocalSDP = f.Local
		}
		ev := Answered{}
		if !late && !f.Updated {
			ev.SDP = f.SDP
		}
		d.pass(ev)
		d.next()
		return
	}
	if sdp == nil && f != nil && (!late || f.OweAnswer) {
		// Without 100rel the 2xx must repeat the answer (RFC 3264 via 3261
		// 13.2.1); some gateways trust their 183 to have told it.
		sdp = f.SDP
	}
	s.RemoteSDP = sdp
	switch {
	case sdp == nil:
		d.acknowledge(nil)
		d.pass(Failed{Code: 488, Reason: "no session description in the answer"})
		d.hangUp(EndRejected, 488, "no session description in the answer", nil)
	case late:
		s.Cli.OweACK = true
		d.pass(Answered{SDP: sdp, NeedAnswer: true})
	default:
		d.acknowledge(nil)
		d.pass(Answered{SDP: sdp})
		d.next()
	}
}

// learnChallenge keeps the challenges that our requests answer from now on (RFC
// 3261 22.2, 22.3). False when we cannot answer them, or did in vain.
func (d *Dialog) learnChallenge(res *sip.Response, tried *[]string) bool {
	if d.s.AuthUser == "" {
		return false
	}
	var www, proxy []string
	for _, h := range res.Headers() {
		switch name := h.Name(); {
		case strings.EqualFold(name, "WWW-Authenticate"):
			www = append(www, h.Value())
		case strings.EqualFold(name, "Proxy-Authenticate"):
			proxy = append(proxy, h.Value())
		}
	}
	return d.s.Auth.Learn(www, proxy, tried) == nil
}

// learnMinSE takes a 422 (RFC 4028 7.4); false when it asks for nothing we can give.
func (d *Dialog) learnMinSE(res *sip.Response) bool {
	v, _ := first(res, "Min-SE", "")
	n := seconds(v)
	c := d.s.Cli
	if n <= d.s.MinSE || n > 86400 || c != nil && c.MinSETries >= maxMinSE {
		return false
	}
	if c != nil {
		c.MinSETries++
	}
	d.s.MinSE = n
	d.s.SessionSec = max(d.s.SessionSec, n)
	return true
}

// again sends the INVITE of s.Cli once more, changed.
func (d *Dialog) again() {
	d.s.LocalCSeq++
	d.sendInvite()
}

func (d *Dialog) onRefused(ev Event) {
	s := &d.s
	res := ev.(RecvResponse).Response
	switch res.StatusCode {
	case 401, 407:
		if d.learnChallenge(res, &s.Cli.AuthTried) {
			d.dropForks()
			s.Phase = Calling
			d.again()
			return
		}
	case 422:
		if d.learnMinSE(res) {
			d.dropForks()
			s.Phase = Calling
			d.again()
			return
		}
	}
	f := Failed{Code: res.StatusCode, Reason: phraseOf(res), RetryAfter: retryAfter(res)}
	if res.StatusCode/100 == 3 {
		for _, h := range res.Headers() {
			if c, ok := h.(*sip.ContactHeader); ok && len(f.Redirect) < maxForks {
				f.Redirect = append(f.Redirect, c.Address.String())
			}
		}
	}
	s.Cli = nil
	d.pass(f)
	d.ended(EndRejected, f.Code, f.Reason)
	d.terminate()
}

// phraseOf is why the peer refused: its Reason headers, else its phrase.
func phraseOf(res *sip.Response) string {
	if v := reasonsOf(res); v != "" {
		return v
	}
	return res.Reason
}

func (d *Dialog) onInviteLost(ev Event) {
	if ev.(TransactionFailed).Transport {
		d.onInviteTransport(ev)
		return
	}
	d.pass(Failed{Code: 408, Reason: "no answer from the next hop", Timeout: true})
	d.ended(EndTimeout, 408, "no answer from the next hop")
	d.terminate()
}

func (d *Dialog) onInviteTransport(Event) {
	// RFC 3261 8.1.3.1: a transport error is a 503.
	d.pass(Failed{Code: 503, Reason: "transport failed"})
	d.ended(EndTransport, 503, "transport failed")
	d.terminate()
}

func (d *Dialog) onRingTimeout(Event) {
	d.pass(Failed{Code: 408, Reason: "nobody answered", Timeout: true})
	d.ended(EndTimeout, 408, "nobody answered")
	d.cancelInvite(nil)
}

func (d *Dialog) onEndEarly(ev Event) {
	e := ev.(End)
	d.ended(EndLocal, 0, e.Reason)
	d.stop(TimerRing)
	d.cancelInvite(reasonHeaders(e.Reason, e.Headers))
}

// cancelInvite cancels the initial INVITE, now or when its first 1xx comes: a
// CANCEL before may overtake the INVITE (RFC 3261 9.1).
func (d *Dialog) cancelInvite(hs []Header) {
	s := &d.s
	s.CancelHeaders = hs
	d.refuseOpen()
	d.stop(TimerGlare)
	if s.Phase == Proceeding {
		d.sendCancel()
	}
	s.Phase = Cancelling
}

func (d *Dialog) sendCancel() {
	d.s.CancelSent = true
	d.emit(SendCancel{CSeq: d.s.Cli.CSeq, Headers: d.s.CancelHeaders})
	d.timer(TimerCancel, 64*d.cfg.T1)
}

func (d *Dialog) onProgressCancelling(Event) {
	if !d.s.CancelSent {
		d.sendCancel()
	}
}

// onAnsweredCancelling: the 200 crossed the CANCEL, so there is a call to end.
func (d *Dialog) onAnsweredCancelling(ev Event) {
	res := ev.(RecvResponse).Response
	hs := d.s.CancelHeaders
	if d.s.Cli == nil || res.CSeq().SeqNo != d.s.Cli.CSeq || !d.establish(res) {
		return
	}
	d.stop(TimerCancel)
	d.acknowledge(nil)
	d.bye(hs)
}

func (d *Dialog) onGone(Event) { d.terminate() }

// known2xx deals with what is not the first 2xx of s.Cli: retransmissions are
// acknowledged again, other forks acknowledged and ended (RFC 3261 13.2.2.4).
func (d *Dialog) known2xx(res *sip.Response) bool {
	s := &d.s
	cseq, to := res.CSeq().SeqNo, res.To()
	if to == nil {
		return true
	}
	tag := param(to.Params, "tag")
	if tag != s.RemoteTag {
		if tag == "" {
			return true
		}
		p := peer{tag: tag, target: contactURI(res), routes: reverse(recordRoutes(res))}
		if p.target == "" {
			p.target = s.RemoteTarget
		}
		var auth []digest.Field
		if cseq == s.Acked {
			auth = s.AckAuth
		} else if s.Cli != nil {
			auth = s.Cli.Auth
		}
		d.sendACK(cseq, p, nil, auth)
		for _, t := range s.Strays {
			if t == tag {
				return true
			}
		}
		if len(s.Strays) < maxForks {
			s.Strays = append(s.Strays, tag)
			// Its own dialog, but one count for all: it may have had PRACKs of ours.
			s.LocalCSeq++
			req := d.build(sip.BYE, s.LocalCSeq, p)
			d.authorize(req)
			setBody(req, "", nil)
			d.emit(SendRequest{Request: req})
		}
		return true
	}
	if s.Acked != 0 && cseq == s.Acked {
		d.sendACK(cseq, d.peer(), s.AckBody, s.AckAuth)
		return true
	}
	return s.Cli == nil || cseq != s.Cli.CSeq || s.Cli.OweACK
}

// onStrayOK: a 2xx while the dialog ends still wants its ACK.
func (d *Dialog) onStrayOK(ev Event) {
	res := ev.(RecvResponse).Response
	if !d.known2xx(res) {
		d.acknowledge(nil)
	}
}

// bye sends BYE and waits for its answer.
func (d *Dialog) bye(hs []Header) {
	d.s.Phase = Closing
	d.request(sip.BYE, "", nil, hs)
}

// request sends a request of ours other than INVITE and remembers it.
func (d *Dialog) request(m sip.RequestMethod, contentType string, body []byte, hs []Header) {
	d.send(Outgoing{Method: m, ContentType: contentType, Body: body, Headers: hs})
}

// send is request with all that an Outgoing may say; it returns the CSeq.
func (d *Dialog) send(o Outgoing) uint32 {
	d.s.LocalCSeq++
	o.CSeq = d.s.LocalCSeq
	d.s.Out = append(d.s.Out, o)
	d.sendOut(&o)
	return o.CSeq
}

func (d *Dialog) sendOut(o *Outgoing) {
	req := d.build(o.Method, o.CSeq, d.peerOf(o.Fork))
	d.authorize(req)
	appendExtra(req, o.Headers)
	setBody(req, o.ContentType, o.Body)
	d.emit(SendRequest{Request: req})
}

// reasonHeaders adds a Reason header (RFC 3326) when reason is one.
func reasonHeaders(reason string, hs []Header) []Header {
	if !strings.Contains(strings.ToLower(reason), ";cause=") {
		return hs
	}
	for _, h := range hs {
		if strings.EqualFold(h.Name, "Reason") {
			return hs
		}
	}
	return append(append(make([]Header, 0, len(hs)+1), hs...), Header{"Reason", reason})
}

// seconds reads leading digits, up to a day and more; 0 for none.
func seconds(v string) uint32 {
	v = strings.TrimSpace(v)
	n := uint32(0)
	for i := 0; i < len(v) && v[i] >= '0' && v[i] <= '9'; i++ {
		if n = n*10 + uint32(v[i]-'0'); n > 1<<24 {
			return 1 << 24
		}
	}
	return n
}

// glareWait is RFC 3261 14.1: who made the Call-ID waits longer.
func (d *Dialog) glareWait() time.Duration {
	r := d.cfg.Rand()
	if d.s.UAC {
		return 2100*time.Millisecond + time.Duration(r%191)*10*time.Millisecond
	}
	return time.Duration(r%201) * 10 * time.Millisecond
}
