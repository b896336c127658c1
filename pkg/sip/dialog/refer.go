package dialog

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Transfers as the transferee's side sees them: REFER of RFC 3515 with its
// subscription, and Replaces of RFC 3891.

const (
	referAnswer = 5 * time.Second // within which the user takes or refuses a REFER
	// referLife bounds the subscription: a call that is not answered by then has
	// given up ringing anyway (180 s), and no NOTIFY was due.
	referLife  = 200 * time.Second
	maxReferTo = 1024 // bytes of Refer-To
	maxFrag    = 128  // bytes of a phrase in a sipfrag
)

// Replaces names a dialog that a new call takes the place of (RFC 3891 3).
type Replaces struct {
	CallID, ToTag, FromTag string
	EarlyOnly              bool
}

// maxReplaces bounds a Replaces value, bytes; Call-IDs of 250 are met.
const maxReplaces = 768

// ParseReplaces reads the value of a Replaces header; false: malformed.
func ParseReplaces(v string) (Replaces, bool) {
	var r Replaces
	if len(v) > maxReplaces || !safe(v) {
		return r, false
	}
	id, params, _ := strings.Cut(v, ";")
	r.CallID = strings.TrimSpace(id)
	if r.CallID == "" || strings.ContainsAny(r.CallID, " \t,") {
		return r, false
	}
	var to, from bool
	for p := range strings.SplitSeq(params, ";") {
		k, val, has := strings.Cut(strings.TrimSpace(p), "=")
		val = strings.TrimSpace(val)
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "to-tag":
			if to || !token(val) {
				return r, false
			}
			r.ToTag, to = val, true
		case "from-tag":
			if from || !token(val) {
				return r, false
			}
			r.FromTag, from = val, true
		case "early-only":
			if has {
				return r, false
			}
			r.EarlyOnly = true
		}
	}
	return r, to && from
}

// Replaced says whether the tags name this dialog, and whether it is early. RFC
// 3891 3 has to-tag be the tag of who gets the INVITE; a pick-up that was built
// from our dialog-info document has it the other way round, as the watched phone
// would see it. An early dialog counts where we made the call; else, and when it
// is ending, it is not there to be replaced.
func (d *Dialog) Replaced(r Replaces) (early, ok bool) {
	s := &d.s
	if s.EndTold {
		return false, false
	}
	theirs := ""
	switch s.LocalTag {
	case r.ToTag:
		theirs = r.FromTag
	case r.FromTag:
		theirs = r.ToTag
	default:
		return false, false
	}
	switch s.Phase {
	case Established:
		// A peer of RFC 2543 has no tag and is written as 0.
		return false, s.RemoteTag == theirs || s.RemoteTag == "" && theirs == "0"
	case Proceeding:
		f := d.fork(theirs)
		return f != nil, f != nil
	}
	return false, false
}

// eventOf is the event package of a SUBSCRIBE or NOTIFY in lower case, "" for none.
func eventOf(m message) string {
	v, _ := first(m, "Event", "o")
	v, _, _ = strings.Cut(v, ";")
	return strings.ToLower(strings.TrimSpace(v))
}

// readRefer reads a REFER, or says how to refuse it.
func readRefer(req *sip.Request) (r Referred, silent bool, code int) {
	var to []string
	for _, h := range req.Headers() {
		switch n := h.Name(); {
		case strings.EqualFold(n, "Refer-To"), strings.EqualFold(n, "r"):
			to = append(to, h.Value())
		case strings.EqualFold(n, "Referred-By"), strings.EqualFold(n, "b"):
			if u := bareURI(h.Value()); len(h.Value()) <= maxReferTo && goodURI(u) {
				r.ReferredBy = u
			}
		case strings.EqualFold(n, "Refer-Sub"):
			v, _, _ := strings.Cut(h.Value(), ";")
			silent = strings.EqualFold(strings.TrimSpace(v), "false")
		}
	}
	// RFC 3515 2.4.2: exactly one.
	if len(to) != 1 || len(to[0]) > maxReferTo || !safe(to[0]) {
		return r, silent, 400
	}
	text := bareURI(to[0])
	scheme, _, _ := strings.Cut(text, ":")
	if s := strings.ToLower(scheme); s != "sip" && s != "sips" {
		return r, silent, 416
	}
	text, headers, _ := strings.Cut(text, "?")
	if !goodURI(text) {
		return r, silent, 400
	}
	u, err := parseURI(text)
	if err != nil {
		return r, silent, 400
	}
	if m := param(u.UriParams, "method"); m != "" && !strings.EqualFold(m, "INVITE") {
		return r, silent, 501 // of what we could be asked to send only a call makes sense
	}
	r.To = text
	for h := range strings.SplitSeq(headers, "&") {
		k, v, _ := strings.Cut(h, "=")
		if !strings.EqualFold(k, "Replaces") {
			continue // other headers for the new call are not taken from strangers
		}
		v, err := url.PathUnescape(v)
		rep, ok := ParseReplaces(v)
		if err != nil || !ok || r.Replaces != nil {
			return r, silent, 400
		}
		r.Replaces = &rep
	}
	return r, silent, 0
}

// bareURI takes the URI out of a name-addr or addr-spec, "" when there is none.
func bareURI(v string) string {
	v = strings.TrimSpace(v)
	if strings.HasPrefix(v, `"`) { // a display name may hold a '<'
		i := 1
		for i < len(v) && v[i] != '"' {
			if v[i] == '\\' {
				i++
			}
			i++
		}
		if i >= len(v) {
			return ""
		}
		v = v[i+1:]
	}
	if lt := strings.IndexByte(v, '<'); lt >= 0 {
		gt := strings.IndexByte(v[lt:], '>')
		if gt < 0 {
			return ""
		}
		return v[lt+1 : lt+gt]
	}
	v, _, _ = strings.Cut(v, ";") // RFC 3261 20.10: then parameters are the header's
	return strings.TrimSpace(v)
}

func (d *Dialog) onRefer(ev Event) {
	s := &d.s
	e := ev.(RecvRequest)
	r, silent, code := readRefer(e.Request)
	switch {
	case code != 0:
		d.reply(e.Tx, code)
		return
	case s.Refer != nil:
		d.reply(e.Tx, 491) // one transfer at a time
		return
	}
	s.Refer = &ReferState{ID: e.Request.CSeq().SeqNo, Tx: e.Tx, Silent: silent, Named: s.Refers > 0}
	s.Refers++
	d.learnTarget(contactURI(e.Request))
	d.timer(TimerRefer, referAnswer)
	d.pass(r)
}

// refusePendingRefer: a transfer of a call that is not answered yet.
func (d *Dialog) refusePendingRefer(ev Event) { d.reply(ev.(RecvRequest).Tx, 491) }

func (d *Dialog) onAcceptRefer(Event) {
	s := &d.s
	r := s.Refer
	if r == nil || r.Tx == "" {
		return
	}
	res := d.response(r.Tx, 202)
	res.Contact = s.Contact
	if r.Silent {
		res.Headers = []Header{{"Refer-Sub", "false"}} // RFC 4488 4
	}
	d.emit(*res)
	r.Tx = ""
	if r.Silent {
		d.stop(TimerRefer)
		s.Refer = nil
		return
	}
	r.Live = true
	d.timer(TimerRefer, referLife)
	d.tellReferrer(Sipfrag{Code: 100}) // RFC 3515 2.4.4: at once
}

func (d *Dialog) onRefuseRefer(ev Event) {
	code := ev.(RefuseRefer).Code
	if code < 300 || code > 699 {
		code = 603
	}
	if r := d.s.Refer; r != nil && r.Tx != "" {
		d.reply(r.Tx, code)
		d.s.Refer = nil
		d.stop(TimerRefer)
	}
}

func (d *Dialog) onNotifyRefer(ev Event) {
	e := ev.(NotifyRefer)
	if r := d.s.Refer; r == nil || !r.Live || e.Code < 100 || e.Code > 699 {
		return
	}
	f := Sipfrag{Code: e.Code, Reason: e.Reason}
	if e.Code >= 200 {
		f.Over = "noresource" // RFC 3515 2.4.7
	}
	d.tellReferrer(f)
}

// tellReferrer sends a NOTIFY, or lets it wait for the one before: they must
// not overtake each other. A state that was not sent yet is of no interest when
// there is a newer one.
func (d *Dialog) tellReferrer(f Sipfrag) {
	r := d.s.Refer
	switch {
	case r.Final || r.Next != nil && r.Next.Over != "":
		return
	case r.Busy:
		r.Next = &f
		return
	}
	r.Busy, r.Last, r.Final = true, f, f.Over != ""
	event, state := "refer", "active;expires="+strconv.Itoa(int(referLife/time.Second))
	if r.Named {
		event += ";id=" + strconv.FormatUint(uint64(r.ID), 10)
	}
	if r.Final {
		state = "terminated;reason=" + f.Over
	}
	reason := f.Reason
	if reason == "" || len(reason) > maxFrag || !safe(reason) {
		reason = Phrase(f.Code)
	}
	d.request(sip.NOTIFY, "message/sipfrag;version=2.0", []byte("SIP/2.0 "+strconv.Itoa(f.Code)+" "+reason+"\r\n"),
		[]Header{{"Event", event}, {"Subscription-State", state}})
}

// notified takes the final answer to a NOTIFY. RFC 6665 4.2.2: 481, or none at
// all, ends the subscription, and nothing else.
func (d *Dialog) notified(code int) {
	s := &d.s
	r := s.Refer
	if r == nil {
		return
	}
	r.Busy = false
	switch {
	case r.Final || code == 481 || code == 408 || code == 489:
		s.Refer = nil
		d.stop(TimerRefer)
		if s.Phase == Referring {
			d.terminate()
		}
	case r.Next != nil:
		f := *r.Next
		r.Next = nil
		d.tellReferrer(f)
	}
}

func (d *Dialog) onReferTimer(Event) {
	switch r := d.s.Refer; {
	case r == nil:
	case r.Tx != "":
		d.onRefuseRefer(RefuseRefer{603})
	default:
		if r.Final && d.s.Phase == Referring {
			d.terminate() // its NOTIFY hangs
			return
		}
		code := r.Last.Code
		if r.Next != nil {
			code = r.Next.Code
		}
		d.tellReferrer(Sipfrag{Code: code, Over: "timeout"})
		d.timer(TimerRefer, 64*d.cfg.T1)
	}
}

// onSubscribe refreshes or ends the subscription that a REFER made (RFC 3515
// 2.4.4); others are not made inside a call.
func (d *Dialog) onSubscribe(ev Event) {
	e := ev.(RecvRequest)
	r := d.s.Refer
	switch {
	case eventOf(e.Request) != "refer":
		d.reply(e.Tx, 489, Header{"Allow-Events", "refer"})
		return
	case r == nil || !r.Live || r.Final:
		d.reply(e.Tx, 481)
		return
	}
	left := uint32(referLife / time.Second)
	if v, ok := first(e.Request, "Expires", ""); ok {
		left = min(left, seconds(v))
	}
	res := d.response(e.Tx, 200, Header{"Expires", strconv.Itoa(int(left))})
	res.Contact = d.s.Contact
	d.emit(*res)
	if left == 0 {
		d.tellReferrer(Sipfrag{Code: r.Last.Code, Reason: r.Last.Reason, Over: "timeout"})
		return
	}
	d.timer(TimerRefer, time.Duration(left)*time.Second)
	if r.Next == nil {
		d.tellReferrer(r.Last) // RFC 6665 4.2.1.2: a refresh is answered with the state
	}
}

func (d *Dialog) onFinalReferring(ev Event) {
	res := ev.(RecvResponse).Response
	o := d.takeOut(res)
	if (res.StatusCode == 401 || res.StatusCode == 407) && d.learnChallenge(res, &o.AuthTried) {
		d.resend(o)
		return
	}
	if o.Method == sip.NOTIFY {
		d.notified(res.StatusCode)
	}
}

func (d *Dialog) onLostReferring(ev Event) {
	e := ev.(TransactionFailed)
	i := d.outgoing(e.CSeq, e.Method)
	d.s.Out = slices.Delete(d.s.Out, i, i+1)
	if e.Method == sip.NOTIFY {
		d.notified(408)
	}
}

// over ends the dialog's INVITE usage: the rest waits for the referrer's
// subscription, if there is one (RFC 5057 5.2).
func (d *Dialog) over() {
	s := &d.s
	if s.Refer == nil || !s.Refer.Live {
		d.terminate()
		return
	}
	s.Phase = Referring
	s.Cli, s.Srv, s.Next = nil, nil, nil
	d.refuseOpen()
	d.stop(TimerRetransmit, TimerAckWait, TimerGlare, TimerRing, TimerCancel, TimerProvisional, TimerReoffer, TimerRefresh, TimerExpire)
}
