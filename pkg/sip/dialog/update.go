package dialog

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// Offers and answers before the 2xx: UPDATE of RFC 3311, and the answers that
// PRACK carries.

// offering says that an UPDATE with an offer of ours waits for its answer.
func (d *Dialog) offering() bool {
	for i := range d.s.Out {
		if d.s.Out[i].Offer {
			return true
		}
	}
	return false
}

// nextEarly sends the offer that waits where an early dialog can take it.
func (d *Dialog) nextEarly() {
	s := &d.s
	if s.Next == nil || len(s.Next.SDP) == 0 || s.Glare || !s.PeerUpdate || s.Upd != nil || d.offering() {
		return
	}
	fork := ""
	switch s.Phase {
	case Incoming:
		if s.Rel == nil || !s.Rel.Agreed || s.Rel.Open && s.Rel.Offer {
			return
		}
	case Calling, Proceeding:
		// With several forks nobody knows which session is meant. Without the 2xx to
		// the PRACK the other side may not know that all is settled (RFC 3311 5.1).
		if len(s.Forks) != 1 || !s.Forks[0].Agreed || !s.Forks[0].Pracked {
			return
		}
		fork = s.Forks[0].Tag
	default:
		return
	}
	o := *s.Next
	s.Next = nil
	d.send(Outgoing{Method: sip.UPDATE, ContentType: sdpType, Body: o.SDP, Fork: fork, Offer: true})
}

// onUpdateAnswer is the final answer to our UPDATE with an offer.
func (d *Dialog) onUpdateAnswer(o Outgoing, res *sip.Response) {
	s := &d.s
	sdp := sdpOf(res)
	early := s.Phase != Established
	code := res.StatusCode
	putOff := time.Duration(-1)
	switch {
	case res.IsSuccess() && sdp != nil:
		s.Again = 0
		if f := d.fork(o.Fork); f != nil && early {
			f.Local, f.SDP, f.Updated = o.Body, sdp, true
			if u := contactURI(res); u != "" {
				f.Target = u
			}
		} else {
			s.LocalSDP, s.RemoteSDP = o.Body, sdp
			d.learnTarget(contactURI(res))
		}
		if !early {
			d.sessionAnswered(res)
		}
		d.pass(ReofferAnswered{SDP: sdp})
		d.next()
		return
	case code == 405 || code == 501:
		// It has to wait for the 2xx then, and go as a re-INVITE.
		s.PeerUpdate = false
		if s.Next == nil {
			s.Next = &QueuedOffer{SDP: o.Body}
		}
		d.next()
		return
	case code == 491:
		putOff = d.glareWait()
	case code == 500 || code == 503:
		if _, ok := first(res, "Retry-After", ""); ok && retryAfter(res) <= 10 {
			putOff = time.Duration(retryAfter(res)) * time.Second
		}
	}
	if putOff >= 0 && s.Again < maxAgain {
		s.Again++
		if s.Next == nil {
			s.Next = &QueuedOffer{SDP: o.Body}
		}
		s.Glare = true
		d.timer(TimerGlare, putOff)
		return
	}
	s.Again = 0
	if res.IsSuccess() {
		code = 488 // no answer in it
	}
	d.pass(ReofferFailed{Code: code})
	d.next()
}

// onFinalEarly is the answer to a PRACK or UPDATE of ours before the 2xx.
func (d *Dialog) onFinalEarly(ev Event) {
	res := ev.(RecvResponse).Response
	o := d.takeOut(res)
	code := res.StatusCode
	f := d.fork(o.Fork)
	if (code == 401 || code == 407) && d.learnChallenge(res, &o.AuthTried) {
		d.resend(o)
		if o.Method == sip.PRACK && f != nil {
			f.Prack = d.s.LocalCSeq
		}
		return
	}
	switch {
	case o.Method == sip.PRACK:
		if f != nil && f.Prack == o.CSeq {
			f.Prack, f.Pracked = 0, res.IsSuccess() || code == 481 // known over there, or of no use
		}
		d.next()
	case o.Offer:
		d.onUpdateAnswer(o, res)
	}
}

func (d *Dialog) onLostEarly(ev Event) {
	e := ev.(TransactionFailed)
	i := d.outgoing(e.CSeq, e.Method)
	o := d.s.Out[i]
	d.s.Out = append(d.s.Out[:i:i], d.s.Out[i+1:]...)
	if f := d.fork(o.Fork); f != nil && f.Prack == o.CSeq {
		f.Prack = 0 // the next repetition gets another
	}
	if o.Offer {
		d.pass(ReofferFailed{Code: 408}) // the INVITE has its own end
	}
}

// onUpdateFork: UPDATE of the called side before its 2xx.
func (d *Dialog) onUpdateFork(ev Event) {
	s := &d.s
	e := ev.(RecvRequest)
	from := e.Request.From()
	f := d.fork(param(from.Params, "tag"))
	if f == nil || f.RSeq == 0 {
		d.reply(e.Tx, 481) // RFC 3262 5: without a reliable provisional there is no such dialog
		return
	}
	in, refusal := d.readOffer(e.Request, e.Tx)
	in.Fork = f.Tag
	target := func() {
		if in.Target != "" {
			f.Target = in.Target
		}
	}
	switch {
	case refusal != nil:
		d.emit(*refusal)
	case in.Late:
		target()
		d.emit(d.okEarly(&in, nil))
	case d.offering(), !f.Agreed && !s.Cli.Late:
		d.reply(e.Tx, 491) // our offer is out
	case s.Upd != nil, !f.Agreed:
		d.busy(e.Tx)
	default:
		target()
		s.Upd = &in
		d.pass(RemoteOffer{SDP: in.SDP})
	}
}

// okEarly is 200 to an UPDATE in an early dialog of a UAC: the session timer is
// settled by the 2xx to the INVITE.
func (d *Dialog) okEarly(in *ServerInvite, sdp []byte) SendResponse {
	r := *d.response(in.Tx, 200, Header{"Allow", allow}, Header{"Supported", supported})
	r.Contact = d.s.Contact
	if len(sdp) > 0 {
		r.ContentType, r.Body = sdpType, sdp
	}
	return r
}

// onAnswerEarly gives the answer that an early dialog waits for.
func (d *Dialog) onAnswerEarly(ev Event) {
	s := &d.s
	sdp := ev.(Answer).SDP
	if in := s.Upd; in != nil {
		s.Upd = nil
		if f := d.fork(in.Fork); f != nil {
			d.emit(d.okEarly(in, sdp))
			f.Local, f.SDP, f.Updated = sdp, in.SDP, true
		} else {
			d.emit(d.ok(in, sdp))
		}
		d.pracked()
		d.next()
		return
	}
	for i := range s.Forks {
		if f := &s.Forks[i]; f.OweAnswer {
			f.OweAnswer, f.Agreed, f.Local, f.Answer = false, true, sdp, sdp
			d.prack(f, sdp)
			return
		}
	}
}

// onRefuseEarly refuses what an early dialog offers.
func (d *Dialog) onRefuseEarly(ev Event) {
	s := &d.s
	code := ev.(RefuseOffer).Code
	if code < 300 || code > 699 {
		code = 488
	}
	if in := s.Upd; in != nil {
		s.Upd = nil
		d.reply(in.Tx, code)
		d.pracked()
		d.next()
		return
	}
	for i := range s.Forks {
		if s.Forks[i].OweAnswer {
			// A PRACK cannot refuse: the call is given up.
			d.pass(Failed{Code: code, Reason: "offer refused"})
			d.ended(EndLocal, code, "offer refused")
			d.stop(TimerRing)
			d.cancelInvite(nil)
			return
		}
	}
}

// leaveForks drops what belonged to early dialogs that the 2xx of another ended.
func (d *Dialog) leaveForks() {
	s := &d.s
	if s.Upd != nil && s.Upd.Fork != "" {
		if s.Upd.Fork == s.RemoteTag {
			s.Upd.Fork = ""
		} else {
			d.reply(s.Upd.Tx, 487)
			s.Upd = nil
			d.pass(RemoteOfferCancelled{})
		}
	}
	out := s.Out[:0:0]
	for _, o := range s.Out {
		switch {
		case o.Fork == s.RemoteTag:
			o.Fork = ""
		case o.Fork != "":
			if o.Offer && s.Next == nil {
				s.Next = &QueuedOffer{SDP: o.Body}
			}
			continue
		}
		out = append(out, o)
	}
	s.Out = out
}

// dropForks forgets the early dialogs of an INVITE that is sent anew.
func (d *Dialog) dropForks() {
	s := &d.s
	d.refuseOpen()
	out := s.Out[:0:0]
	for _, o := range s.Out {
		if o.Fork == "" {
			out = append(out, o)
		} else if o.Offer && s.Next == nil {
			s.Next = &QueuedOffer{SDP: o.Body}
		}
	}
	s.Out, s.Forks = out, nil
}

// refuseOpen answers what the peer asked and nobody will answer any more.
func (d *Dialog) refuseOpen() {
	s := &d.s
	for _, p := range []**ServerInvite{&s.Queued, &s.Upd} {
		if *p != nil {
			d.reply((*p).Tx, 487)
			*p = nil
		}
	}
	if s.Refer != nil && s.Refer.Tx != "" {
		d.reply(s.Refer.Tx, 487)
		s.Refer = nil
		d.stop(TimerRefer)
	}
}
