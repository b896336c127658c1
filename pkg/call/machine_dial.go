package call

import (
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// dial tries targets ("device:x", "number:+40…", "trunk:name:number") in turn
// or all at once. ring 0 leaves the time to the trunk.
func (m *Machine) dial(who dialFor, targets []string, atOnce bool, ring time.Duration, ringback string) {
	m.S.Phase, m.S.DialFor = Dialling, who
	m.S.Targets, m.S.AtOnce, m.S.RingFor = append([]string(nil), targets...), atOnce, ring
	m.S.FailReason, m.S.FailCode, m.S.FailWord = event.ReasonUnreachable, 0, ""
	m.segment(event.SegmentStarted{Segment: event.SegmentRinging, Flow: m.S.Flow})
	switch {
	case !m.answered(): // the far side's own ringing is passed on
	case ringback != "":
		m.speak([]prompt.Phrase{{Name: ringback}}, true, 0)
	default:
		m.ring()
	}
	m.nextTarget()
}

// nextTarget begins the next attempt, or reports that all have failed.
func (m *Machine) nextTarget() {
	if len(m.S.Targets) == 0 {
		m.dialOver()
		return
	}
	now := m.S.Targets[:1]
	if m.S.AtOnce {
		now = m.S.Targets
	}
	m.S.Targets = m.S.Targets[len(now):]
	m.S.Attempt = &Attempt{Since: m.now, Pending: len(now)}
	for _, t := range now {
		switch kind, name := splitTarget(t); kind {
		case "device":
			m.do(DialDevice{Device: name, Agent: m.rules.AgentOf(name), Ring: m.S.RingFor})
		case "trunk":
			trunk, number, _ := strings.Cut(name, ":")
			m.do(DialTrunk{Trunk: trunk, Number: number})
		default:
			m.do(DialOutside{Number: name, One: m.S.AtOnce})
		}
	}
	if m.S.RingFor > 0 {
		m.do(SetTimer{TimerRing, m.S.RingFor})
	}
}

func (m *Machine) dialStarted(ev DialStarted) {
	if ev.Offer == watchOffer {
		m.watchDialled(ev)
		return
	}
	for _, l := range ev.Legs {
		n := len(m.S.Legs)
		m.S.Legs = append(m.S.Legs, Leg{Device: l.Device, Trunk: l.Trunk, Number: l.Number, Agent: l.Agent})
		m.journal(event.LegStarted{Leg: n, Device: l.Device, Trunk: l.Trunk, Number: l.Number, Agent: l.Agent, SIPCallID: l.SIPCallID})
		a := m.S.Attempt
		at := -1
		if a != nil {
			at = a.offer(ev.Offer, n)
		}
		if a == nil || (at < 0) != (ev.Offer == "") || (ev.Offer == "") != (len(a.Offers) == 0) {
			m.endLeg(n, "cancelled") // given up, or taken back, meanwhile
			continue
		}
		a.Legs = append(a.Legs, n)
		if at >= 0 {
			a.Offers[at].Legs = append(a.Offers[at].Legs, n)
		}
	}
	m.dialled(ev.Offer, "")
}

// dialled notes that the owner has answered a dial, with failed if with nothing.
func (m *Machine) dialled(offer string, failed event.Reason) bool {
	a := m.S.Attempt
	if a == nil || (offer == "") != (len(a.Offers) == 0) {
		return false
	}
	if offer != "" {
		i := a.offer(offer, 0)
		if i < 0 {
			return false
		}
		a.Offers[i].Pending = false
		a.Offers[i].note(failed)
	}
	a.Pending--
	return true
}

// note keeps the most telling failure of an offer's phones.
func (o *Offered) note(r event.Reason) {
	if failureWeight[r] > failureWeight[o.Failed] {
		o.Failed = r
	}
}

func (m *Machine) dialFailed(ev DialFailed) {
	if ev.Offer == watchOffer {
		if w := m.S.Watch; w != nil && w.Leg == 0 {
			m.watchLost()
		}
		return
	}
	if !m.dialled(ev.Offer, ev.Reason) {
		return
	}
	m.noteFailure(ev.Reason, 0, "")
	m.attemptOver()
}

// outsideFound: the trunks for a number that a flow dials, to be taken in turn.
func (m *Machine) outsideFound(ev OutsideFound) {
	a := m.S.Attempt
	if a == nil || a.Pending != 1 || len(a.Legs) > 0 {
		return // given up meanwhile
	}
	m.S.Attempt = nil
	m.stopTimer(TimerRing)
	m.S.Targets = append(append([]string(nil), ev.Targets...), m.S.Targets...)
	m.nextTarget()
}

// dropTrunks gives up the other trunks for the number being dialled.
func (m *Machine) dropTrunks() {
	m.S.Targets = slices.DeleteFunc(m.S.Targets, func(t string) bool { kind, _ := splitTarget(t); return kind == "trunk" })
}

func (m *Machine) legProgressed(ev LegProgressed) {
	if !m.inAttempt(ev.Leg) || m.ending() || m.S.Legs[ev.Leg].State >= LegEnding {
		return // a 180 that crossed our CANCEL, or came behind a refusal
	}
	l := &m.S.Legs[ev.Leg]
	first := l.State == LegCalling
	if first {
		l.State = LegRinging
		m.journal(event.LegRinging{Leg: ev.Leg})
	}
	if first {
		m.recordRinging(ev.Leg)
	}
	if a := m.S.Attempt; len(a.Offers) > 0 {
		if o := &a.Offers[a.offer("", ev.Leg)]; !o.Ringing {
			o.Ringing = true
			m.tell(acd.OfferRinging{OfferID: o.OfferID})
		}
		return // the caller goes on hearing music, not the agent's ring
	}
	if m.starting() {
		return // nobody listens yet
	}
	if m.callingBack() {
		m.customerProgress(ev, first)
		return
	}
	m.tellReferrer(180)
	early := ev.Early && m.S.DialFor != dialForThird && len(m.S.Attempt.Legs) == 1 && m.S.Attempt.Pending == 0
	switch {
	case early && !l.Early:
		l.Early = true
		if !m.answered() {
			m.do(RingCaller{Early: true})
		}
		m.do(StopPlay{m.S.Kept})
		m.do(BridgeLegs{m.S.Kept, ev.Leg})
	case first && !m.answered():
		m.caller().State = LegRinging
		m.do(RingCaller{})
	}
}

func (m *Machine) legPickedUp(ev LegPickedUp) {
	if !m.known(ev.Leg) {
		return
	}
	l := &m.S.Legs[ev.Leg]
	if l.State == LegAnswered {
		return // a dialog answers once
	}
	if m.watchRings(ev.Leg) && !m.ending() {
		m.watchPicked(ev.Leg)
		return
	}
	if !m.inAttempt(ev.Leg) || m.ending() || m.nobodyYet() && m.S.Phase == Waiting && m.S.Attempt.offer("", ev.Leg) < 0 {
		// Lost the race: CANCEL crossed this 200. Hang up at once.
		m.endLeg(ev.Leg, "answered elsewhere")
		return
	}
	a := m.S.Attempt
	m.S.Attempt, m.S.Targets = nil, nil
	l.State = LegAnswered
	m.stopTimer(TimerRing)
	m.journal(event.LegAnswered{Leg: ev.Leg})
	for _, other := range a.Legs {
		if other != ev.Leg {
			m.endLeg(other, "answered elsewhere")
		}
	}
	offered := a.offer("", ev.Leg) >= 0
	if i := a.offer("", ev.Leg); i >= 0 {
		m.S.OfferID, l.Busy = a.Offers[i].OfferID, BusyByQueue
		m.tell(acd.OfferAccepted{OfferID: m.S.OfferID})
	} else {
		m.occupy(ev.Leg)
	}
	if m.S.Phase == Talking || m.alone(0) { // a further party
		m.thirdJoins(ev.Leg)
		return
	}
	switch {
	case m.starting():
		m.startAnswered(ev.Leg)
	case m.callingBack():
		m.customerAnswered(ev.Leg)
	case m.S.Callback != nil && offered:
		m.callCustomer(ev.Leg)
	case !offered || !m.brief(ev.Leg):
		m.askStop()
		m.connect(ev.Leg)
	default:
		if m.S.Asking != nil { // the caller hears music until the agent has heard it out
			m.askStop()
			m.playMusic()
		}
	}
}

func (m *Machine) legRefused(ev LegRefused) {
	if !m.known(ev.Leg) {
		return
	}
	l := &m.S.Legs[ev.Leg]
	if l.State >= LegEnded || l.State == LegAnswered {
		return
	}
	rung := l.State == LegRinging
	l.State, l.Code, l.Reason = LegEnding, ev.Code, ev.Reason
	if m.watchRings(ev.Leg) {
		m.watchLost()
		return
	}
	if !m.inAttempt(ev.Leg) {
		return
	}
	if l.Trunk != "" && (rung || !ev.Next) {
		// It rang there, or the callee was asked: another carrier would ring the
		// same phone again, or tell the same.
		m.dropTrunks()
	}
	if ev.To != "" && m.redirected(ev) {
		return
	}
	m.noteOffer(ev.Leg, ev.Reason)
	m.noteFailure(ev.Reason, ev.Code, ev.Word)
	m.attemptOver()
}

// maxRedirects bounds the 3xx that one call follows: phones that forward to each
// other must not keep it for ever.
const maxRedirects = 5

// redirected follows a 3xx of a device, whose owner forwards its calls; false when
// it leads nowhere, so that the leg counts as not reached. Where others ring too,
// their turn goes on first. An offer of a queue is for the agent alone.
func (m *Machine) redirected(ev LegRefused) bool {
	a := m.S.Attempt
	code := ev.Refuse
	targets := targetsOf(ev.Target)
	if m.S.AtOnce && ev.Target.Kind == route.Trunk && len(targets) > 1 {
		targets = targets[:1] // the others are for when it fails
	}
	alone := len(a.Legs) == 1 && a.Pending == 0 && len(m.S.Targets) == 0
	house := alone && (ev.Target.Kind == route.Flow || ev.Target.Kind == route.Queue) &&
		(m.S.DialFor == dialForRoute || m.S.DialFor == dialForTransfer && m.S.Transfer != nil && !m.S.Transfer.Back)
	switch {
	case code != 0:
	case len(a.Offers) > 0:
		code = 403
	case m.S.Redirects >= maxRedirects:
		code = 483
	case len(targets) == 0 && !house:
		code = 480
	}
	m.journal(event.LegRedirected{Leg: ev.Leg, Device: m.S.Legs[ev.Leg].Device, To: ev.To, Refused: code})
	if code != 0 {
		return false
	}
	m.S.Redirects++
	if !house {
		m.S.Targets = append(targets, m.S.Targets...)
		m.attemptOver()
		return true
	}
	m.S.Attempt = nil
	m.stopTimer(TimerRing)
	if m.S.DialFor == dialForTransfer {
		m.goTo(ev.Target)
		return true
	}
	m.do(StopPlay{m.S.Kept})
	if ev.Target.Kind == route.Flow {
		m.startFlow(ev.Target.Name)
	} else {
		m.enterQueue(ev.Target.Name, max(m.S.Priority, ev.Target.Priority), wish{})
	}
	return true
}

// noteOffer notes why a phone of an offer will not answer.
func (m *Machine) noteOffer(leg int, r event.Reason) {
	if i := m.S.Attempt.offer("", leg); i >= 0 {
		m.S.Attempt.Offers[i].note(r)
	}
}

// noteFailure keeps the most telling failure of all that were dialled: a busy
// person says more than an unreachable phone.
func (m *Machine) noteFailure(r event.Reason, code int, word string) {
	if failureWeight[r] > failureWeight[m.S.FailReason] || failureWeight[r] == failureWeight[m.S.FailReason] && (code != 0 || m.S.FailCode == 0) {
		m.S.FailReason, m.S.FailCode, m.S.FailWord = r, code, word
	}
}

var failureWeight = map[event.Reason]int{event.ReasonUnreachable: 1, event.ReasonOverload: 1, event.ReasonNotFound: 2,
	event.ReasonNoCodec: 2, event.ReasonError: 2, event.ReasonForbidden: 3, event.ReasonNoAnswer: 4, event.ReasonRejected: 5, event.ReasonBusy: 6}

// attemptOver looks whether anybody can still answer; if not, it goes on.
func (m *Machine) attemptOver() {
	a := m.S.Attempt
	if a != nil && len(a.Offers) > 0 {
		m.offersOver()
		return
	}
	if a == nil || a.Pending > 0 {
		return
	}
	for _, l := range a.Legs {
		if m.S.Legs[l].State < LegEnding {
			return
		}
	}
	m.S.Attempt = nil
	m.stopTimer(TimerRing)
	if !m.ending() {
		m.nextTarget()
	}
}

var offerCause = map[event.Reason]string{event.ReasonBusy: acd.CauseBusy, event.ReasonRejected: acd.CauseRejected,
	event.ReasonNoAnswer: acd.CauseNoAnswer, event.ReasonUnreachable: acd.CauseUnreachable, event.ReasonNotFound: acd.CauseUnreachable,
	event.ReasonOverload: acd.CauseUnreachable, event.ReasonNoCodec: acd.CauseRejected, event.ReasonForbidden: acd.CauseRejected, event.ReasonError: acd.CauseUnreachable}

// ringTimeout: nobody answered this attempt in time.
func (m *Machine) ringTimeout() {
	if m.S.Attempt == nil || m.S.Phase != Dialling && m.S.Phase != Talking && !m.alone(0) {
		return
	}
	m.noteFailure(event.ReasonNoAnswer, 0, "")
	m.dropTrunks() // the caller has waited the whole ring time
	m.endAttempt("no answer")
	m.nextTarget()
}

// endAttempt hangs up everybody who still rings.
func (m *Machine) endAttempt(why string) {
	a := m.S.Attempt
	if a == nil {
		return
	}
	m.S.Attempt = nil
	m.stopTimer(TimerRing)
	for _, l := range a.Legs {
		m.endLeg(l, why)
	}
}

// dialOver: every target failed. The one who asked is told.
func (m *Machine) dialOver() {
	why := m.S.FailReason
	if m.S.Phase == Talking || m.alone(0) {
		m.thirdFailed(why, m.S.FailCode)
		return
	}
	m.ringOver()
	m.do(StopPlay{m.S.Kept})
	if m.S.Transfer != nil {
		m.transferFailed(why, m.S.FailCode)
		return
	}
	switch m.S.DialFor {
	case dialForStart:
		m.end(event.ResultUpstream, why)
	case dialForCallback:
		m.customerFailed(why)
	case dialForFlow:
		m.backToFlow(ivr.DialDone{Outcome: dialOutcome(why)}, "sorry", event.ResultUpstream, why)
	default:
		if m.toVoicemail() {
			return
		}
		m.S.Verdict.Code, m.S.Verdict.Word = codeTowardsCaller(m.S.FailCode), m.S.FailWord
		m.lastWords("not_available", event.ResultUpstream, why)
	}
}

func dialOutcome(r event.Reason) string {
	switch r {
	case event.ReasonBusy:
		return "busy"
	case event.ReasonNoAnswer:
		return "no_answer"
	}
	return "failed"
}
