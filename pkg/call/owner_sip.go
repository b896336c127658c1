package call

import (
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/sdp"
	"github.com/centrala/centrala/pkg/sip"
)

// sipEvent turns what a leg's dialog says into events of the machine.
func (o *owner) sipEvent(i int, ev sip.DialogEvent) {
	l := o.leg(i)
	if l == nil || l.gone {
		return
	}
	switch ev := ev.(type) {
	case sip.Progressed:
		if ev.Code < 180 {
			return
		}
		o.mgr.trunkAnswered(o.tenant, l, ev.Code)
		early := len(ev.SDP) > 0 && o.accept(i, ev.SDP) == nil
		o.step(LegProgressed{i, early})
	case sip.Answered:
		o.mgr.trunkAnswered(o.tenant, l, 200)
		if len(ev.SDP) > 0 || !l.agreed {
			if err := o.accept(i, ev.SDP); err != nil {
				o.log.Warn("answer not usable", zap.Int("leg", i), zap.Error(err))
				refused := l.dialog
				again := o.plainAgain(l, 488) // some answer 200 with a refused stream instead
				refused.End(`SIP;cause=488;text="Not Acceptable Here"`)
				if again {
					return
				}
				o.step(LegRefused{Leg: i, Code: 488, Reason: event.ReasonNoCodec})
				return
			}
		}
		o.step(LegPickedUp{i})
	case sip.Failed:
		if o.plainAgain(l, ev.Code) {
			return
		}
		o.mgr.trunkFailed(o.tenant, l, ev)
		refused := LegRefused{Leg: i, Code: ev.Code, Reason: reasonOf(ev), Next: o.nextTrunk(l, ev), Word: safeReason(ev.Reason)}
		if a := o.m.S.Attempt; a != nil && len(a.Offers) == 0 && l.device != "" {
			o.redirect(l.device, ev, &refused)
		}
		o.step(refused)
	case sip.Confirmed:
		if len(ev.SDP) > 0 {
			o.lateAnswer(i, ev.SDP)
		} else if l.offer == nil && !l.agreed {
			o.log.Warn("late offer not answered in the ACK", zap.Int("leg", i))
			l.dialog.End(`SIP;cause=488;text="No answer in ACK"`)
		}
	case sip.RemoteOffer:
		o.remoteOffer(i, ev.SDP)
	case sip.ReofferAnswered:
		if len(ev.SDP) > 0 {
			o.lateAnswer(i, ev.SDP)
		}
	case sip.InfoReceived:
		if d, ok := infoDigit(ev.ContentType, ev.Body); ok && l.keys.takes(KeysInfo) {
			o.step(Key{i, d, string(KeysInfo)})
		}
	case sip.Referred:
		o.referred(i, ev)
	case sip.ReferTold:
		o.step(ReferTold{Leg: i, Code: ev.Code, Refused: ev.Refused})
	case sip.Ended:
		o.legEnded(i, ev)
	}
}

// redirect reads where a device's 3xx sends the call: to the first of its Contacts
// that names somebody, routed and checked like a call which that device dials.
func (o *owner) redirect(device string, f sip.Failed, out *LegRefused) {
	for _, uri := range f.Redirect {
		to := dialledOf(uri)
		if to == "" {
			continue
		}
		out.To = to
		if out.Target, out.Refuse = o.reach(device, to); out.Refuse != 0 {
			o.log.Warn("redirect refused", zap.String("device", device), zap.String("to", to), zap.Int("code", out.Refuse))
		}
		return
	}
}

// accept applies the answer to our offer on an outgoing leg.
func (o *owner) accept(i int, body []byte) error {
	l := o.legs[i]
	s, err := o.mgr.metrics.parseSDP(body)
	if err != nil {
		return err
	}
	n, err := sdp.Accept(l.local, s)
	if err != nil {
		return err
	}
	l.knows(s, false)
	o.apply(i, n)
	return nil
}

// lateAnswer is an answer that came in an ACK, or to an offer we gave in a
// re-INVITE: apply it, and follow a hold in it.
func (o *owner) lateAnswer(i int, body []byte) {
	l := o.legs[i]
	s, err := o.mgr.metrics.parseSDP(body)
	if err == nil {
		var n sdp.Negotiated
		if n, err = sdp.Accept(l.local, s); err == nil {
			l.knows(s, false)
			o.apply(i, n)
			o.step(HoldChanged{i, !n.Send})
			return
		}
	}
	o.log.Warn("answer not usable", zap.Int("leg", i), zap.Error(err))
	if !l.agreed {
		l.dialog.End(`SIP;cause=488;text="Not Acceptable Here"`)
	}
}

// remoteOffer answers a re-INVITE or UPDATE: hold, resume, a new address, a new
// codec. nil asks for our offer (RFC 3261 14.2).
func (o *owner) remoteOffer(i int, body []byte) {
	l := o.legs[i]
	if l.media == nil {
		l.dialog.RefuseOffer(488)
		return
	}
	l.local.Codecs = o.accepts(l, l.law)
	if body == nil {
		l.said = sdp.Revise(l.said, sdp.Offer(l.local))
		l.dialog.Answer(l.said)
		return
	}
	offer, err := o.mgr.metrics.parseSDP(body)
	if err != nil {
		l.dialog.RefuseOffer(400)
		return
	}
	l.restarted(offer)
	answer, n, err := sdp.Answer(offer, l.local)
	if err != nil {
		l.dialog.RefuseOffer(488)
		return
	}
	l.said = sdp.Revise(l.said, answer)
	l.dialog.Answer(l.said)
	l.knows(offer, true)
	o.apply(i, n)
	o.step(HoldChanged{i, !n.Send})
}

func (o *owner) legEnded(i int, ev sip.Ended) {
	l := o.legs[i]
	if o.dialogLost(i, ev) {
		return
	}
	l.gone = true
	gone := LegGone{Leg: i}
	switch ev.By {
	case sip.EndRemote:
		gone.Remote, gone.Reason = true, event.ReasonNormal
	case sip.EndCancelled:
		gone.Remote, gone.Reason = true, event.ReasonCancelled
	case sip.EndTimeout:
		gone.Reason = event.ReasonSignalLost
	case sip.EndTransport:
		gone.Reason = event.ReasonUnreachable
	default:
		gone.Reason = event.ReasonNormal
	}
	o.step(gone)
	o.mgr.release(o.m.S.Tenant, l)
	if l.media == nil {
		o.step(LegMeasured{Leg: i})
		return
	}
	o.closeMedia(l, func(s session.Stats) {
		a := s.Audio
		o.post(LegMeasured{i, &a})
	})
}

func (o *owner) mediaEvent(i int, ev session.Event) {
	switch ev := ev.(type) {
	case session.Digit:
		o.mediaKey(i, ev)
	case session.PlayDone:
		o.step(Played{i, ev.ID})
	case session.TimedOut:
		o.step(SilentLeg{i})
	case session.Quiet:
		o.quiet(i, ev)
	case session.Heard:
		o.step(LegBack{Leg: i})
	case session.NoSound:
		o.step(AudioAlarm{i, ev.Alarm.String(), ev.Silence})
	case session.SoundBack:
		o.step(AudioCleared{i, ev.Alarm.String(), ev.Lasted})
	}
}

// reasonOf maps a refusal of the far side to our closed list.
func reasonOf(f sip.Failed) event.Reason {
	switch f.Code {
	case 486, 600:
		return event.ReasonBusy
	case 404, 604, 484:
		return event.ReasonNotFound
	case 403, 401, 407:
		return event.ReasonForbidden
	case 488, 606, 415:
		return event.ReasonNoCodec
	case 408:
		if f.Timeout {
			return event.ReasonUnreachable
		}
		return event.ReasonNoAnswer
	case 480, 487:
		return event.ReasonNoAnswer
	case 603:
		return event.ReasonRejected
	}
	if f.Code >= 500 || f.Code < 400 { // a 3xx that is not followed is nobody's no
		return event.ReasonUnreachable
	}
	return event.ReasonRejected
}

// infoDigit reads a digit from an INFO: application/dtmf-relay ("Signal=5") as
// Cisco began it, or application/dtmf ("5").
func infoDigit(contentType string, body []byte) (byte, bool) {
	mime, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	text := string(body)
	if len(text) > 256 {
		return 0, false
	}
	switch strings.TrimSpace(mime) {
	case "application/dtmf-relay":
		found := false
		for _, line := range strings.Split(text, "\n") {
			if k, v, ok := strings.Cut(line, "="); ok && strings.EqualFold(strings.TrimSpace(k), "signal") {
				text, found = v, true
				break
			}
		}
		if !found {
			return 0, false
		}
	case "application/dtmf":
	default:
		return 0, false
	}
	text = strings.TrimSpace(text)
	if n, err := strconv.Atoi(text); err == nil && n >= 10 && n <= 15 {
		return "*#ABCD"[n-10], true // some phones send the RFC 4733 event code
	}
	if len(text) == 1 && strings.Contains("0123456789*#ABCD", strings.ToUpper(text)) {
		return strings.ToUpper(text)[0], true
	}
	return 0, false
}
