package dialog

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Reliable provisional responses, RFC 3262.

// maxQueued bounds the provisionals that wait for a PRACK: a phone has a
// handful of states before it is answered.
const maxQueued = 8

// reliableOf reads the peer's side of 100rel off its INVITE; nil: it has none.
func reliableOf(req *sip.Request) *Reliable {
	var r *Reliable
	note := func(header, short string, required bool) {
		eachToken(req, header, short, func(t string) {
			if strings.EqualFold(t, "100rel") {
				if r == nil {
					r = &Reliable{}
				}
				r.Required = r.Required || required
			}
		})
	}
	note("Supported", "k", false)
	note("Require", "", true)
	return r
}

// progressReliably sends a provisional that the peer has to acknowledge, or
// lets it wait for the one before.
func (d *Dialog) progressReliably(code int, sdp []byte) {
	s := &d.s
	r := s.Rel
	if r.Open || s.Upd != nil && s.Upd.Method == sip.PRACK {
		if n := len(r.Queue); n > 0 && r.Queue[n-1].Code == code && len(sdp) == 0 {
			return
		}
		if len(r.Queue) < maxQueued {
			r.Queue = append(r.Queue, QueuedProgress{code, sdp})
		}
		return
	}
	if r.Agreed && len(sdp) > 0 {
		// The answer is given. Another session is a new offer: an UPDATE.
		if string(sdp) != string(s.LocalSDP) {
			s.Next, s.Again = &QueuedOffer{SDP: sdp}, 0
		}
		sdp = nil
	}
	if r.RSeq == 0 {
		r.RSeq = uint32(d.cfg.Rand()&0x3fffffff) + 1 // RFC 3262 3: 1 to 2^31-1
	} else {
		r.RSeq++
	}
	res := *d.response(s.Srv.Tx, code, Header{"Require", "100rel"}, Header{"RSeq", strconv.FormatUint(uint64(r.RSeq), 10)},
		Header{"Allow", allow}) // so that the caller knows of UPDATE (RFC 3311 4)
	res.Contact = s.Contact
	if r.Offer = len(sdp) > 0; r.Offer {
		res.ContentType, res.Body = sdpType, sdp
		s.LocalSDP = sdp
	}
	r.Open, r.Response, r.Interval = true, res, d.cfg.T1
	d.emit(res)
	d.timer(TimerReliable, r.Interval)
	d.timer(TimerPrack, 64*d.cfg.T1)
	d.timer(TimerProvisional, time.Minute)
}

// onReliableAgain: RFC 3262 3, doubling without a bound but TimerPrack.
func (d *Dialog) onReliableAgain(Event) {
	r := d.s.Rel
	if r == nil || !r.Open {
		return
	}
	d.emit(r.Response)
	r.Interval *= 2
	d.timer(TimerReliable, r.Interval)
}

func (d *Dialog) onNoPrack(Event) {
	if r := d.s.Rel; r == nil || !r.Open {
		return
	}
	d.reply(d.s.Srv.Tx, 504) // RFC 3262 3: a 5xx
	d.s.Srv = nil
	d.ended(EndTimeout, 504, "no PRACK")
	d.terminate()
}

// acknowledges says that a PRACK is of our open provisional.
func (d *Dialog) acknowledges(req *sip.Request) bool {
	r, in := d.s.Rel, d.s.Srv
	v, _ := first(req, "RAck", "")
	f := strings.Fields(v)
	if r == nil || !r.Open || in == nil || len(f) != 3 || !strings.EqualFold(f[2], "INVITE") {
		return false
	}
	rseq, err1 := strconv.ParseUint(f[0], 10, 32)
	cseq, err2 := strconv.ParseUint(f[1], 10, 32)
	return err1 == nil && err2 == nil && uint32(rseq) == r.RSeq && uint32(cseq) == in.CSeq
}

func (d *Dialog) onPrack(ev Event) {
	s := &d.s
	e := ev.(RecvRequest)
	if !d.acknowledges(e.Request) {
		d.reply(e.Tx, 481)
		return
	}
	in, refusal := d.readOffer(e.Request, e.Tx)
	if refusal != nil {
		d.emit(*refusal)
		return
	}
	r := s.Rel
	ourOffer := r.Offer && s.Srv.Late && !r.Agreed
	if ourOffer && in.SDP == nil {
		d.reply(e.Tx, 400) // RFC 3262 5: the answer has to be here
		return
	}
	r.Open = false
	d.stop(TimerReliable, TimerPrack)
	switch {
	case ourOffer:
		r.Agreed, s.RemoteSDP = true, in.SDP
		d.reply(e.Tx, 200)
		d.pass(ReofferAnswered{SDP: in.SDP})
	default:
		if r.Offer && !r.Agreed {
			r.Agreed, s.RemoteSDP = true, s.Srv.SDP
		}
		switch {
		case in.SDP == nil:
			d.reply(e.Tx, 200)
		case r.Agreed && !d.offering():
			s.Upd = &in // answered by the 200 of the PRACK
			d.pass(RemoteOffer{SDP: in.SDP})
		default:
			d.reply(e.Tx, 488) // an offer beside an open one
		}
	}
	d.pracked()
}

// pracked goes on with what waited for the PRACK or for its answer.
func (d *Dialog) pracked() {
	r := d.s.Rel
	if r == nil || r.Open || d.s.Phase != Incoming || d.s.Upd != nil && d.s.Upd.Method == sip.PRACK {
		return
	}
	if r.Accepting {
		r.Accepting = false
		d.onCmdAccept(Accept{SDP: r.Accept})
		return
	}
	if len(r.Queue) > 0 {
		q := r.Queue[0]
		r.Queue = append(r.Queue[:0:0], r.Queue[1:]...)
		d.progressReliably(q.Code, q.SDP)
	}
	d.next()
}

// onPrackLate: PRACK of a provisional without SDP that our 2xx overtook.
func (d *Dialog) onPrackLate(ev Event) {
	e := ev.(RecvRequest)
	switch {
	case !d.acknowledges(e.Request):
		d.reply(e.Tx, 481)
	case len(e.Request.Body()) > 0:
		d.reply(e.Tx, 488)
	default:
		d.s.Rel.Open = false
		d.reply(e.Tx, 200)
	}
}

// heardProgress takes a provisional of a fork: its session and, when it is
// reliable, its PRACK. False: it was a repetition, or came out of order.
func (d *Dialog) heardProgress(f *Fork, res *sip.Response, p *Progressed) bool {
	s := &d.s
	rseq := uint32(0)
	eachToken(res, "Require", "", func(t string) {
		if strings.EqualFold(t, "100rel") {
			v, _ := first(res, "RSeq", "")
			if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32); err == nil {
				rseq = uint32(n)
			}
		}
	})
	switch {
	case rseq == 0: // unreliable
		switch {
		case f.Agreed || f.OweAnswer:
			p.SDP = nil // RFC 3261 13.2.1: the first one stands
		case p.SDP != nil && !s.Cli.Late:
			f.SDP = p.SDP
		case s.Cli.Late:
			p.SDP = nil // an offer may not come so
		}
		return true
	case f.RSeq == 0 || rseq == f.RSeq+1:
	case rseq == f.RSeq && f.Prack == 0 && !f.Pracked && !f.OweAnswer:
		d.prack(f, f.Answer) // ours was refused or lost
		return false
	default:
		return false // RFC 3262 4: known, or one before it is missing
	}
	f.RSeq, f.Prack, f.Pracked, f.Answer = rseq, 0, false, nil
	if u := contactURI(res); u != "" {
		f.Target = u
	}
	if r := recordRoutes(res); len(r) > 0 {
		f.Routes = reverse(r)
	}
	eachToken(res, "Allow", "", func(t string) { s.PeerUpdate = s.PeerUpdate || strings.EqualFold(t, "UPDATE") })
	if p.SDP != nil {
		switch {
		case f.Agreed:
			p.SDP = nil
		case s.Cli.Late:
			f.OweAnswer, f.SDP, p.NeedAnswer = true, p.SDP, true
			return true // the PRACK goes with the answer
		default:
			f.Agreed, f.SDP = true, p.SDP
		}
	}
	d.prack(f, nil)
	return true
}

// prack acknowledges the last reliable provisional of a fork.
func (d *Dialog) prack(f *Fork, sdp []byte) {
	o := Outgoing{Method: sip.PRACK, Fork: f.Tag, Body: sdp,
		Headers: []Header{{"RAck", strconv.FormatUint(uint64(f.RSeq), 10) + " " + strconv.FormatUint(uint64(d.s.Cli.CSeq), 10) + " INVITE"}}}
	if len(sdp) > 0 {
		o.ContentType = sdpType
	}
	f.Prack = d.send(o)
}

// peerOf is the far end of an early dialog, or of the established one.
func (d *Dialog) peerOf(fork string) peer {
	f := d.fork(fork)
	if fork == "" || f == nil {
		p := d.peer()
		if p.tag == "" {
			p.tag = fork
		}
		return p
	}
	p := peer{tag: f.Tag, target: f.Target, routes: f.Routes}
	if p.target == "" {
		p.target = d.s.RemoteTarget
	}
	return p
}
