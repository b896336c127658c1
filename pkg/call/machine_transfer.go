package call

import (
	"strconv"
	"time"

	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// Bounds of transfers.
const (
	ringBackFor = 30 * time.Second // the referrer's phone, when the target failed
	parkFor     = 60 * time.Second // then the parker's phone rings; unless the tenant says
)

// transferAsked is a blind transfer: leg leaves, its partner goes to the target.
func (m *Machine) transferAsked(ev TransferAsked) {
	if isConference(ev.Target) {
		m.toConference(ev)
		return
	}
	kind := "blind"
	if ev.Target.Kind == route.Feature {
		kind = "park"
	}
	code := m.mayTransfer(ev.Leg, ev.Refuse)
	if code == 202 && ev.Target.Kind == route.Feature && ev.Target.Feature != route.FeaturePark {
		code = 403 // a code of the house is for the one who dials it
	}
	t := m.beginTransfer(kind, ev.Leg, ev.To, ev.By, "", ev.Refer, code)
	if t == nil {
		if ev.Tell != "" {
			m.do(TellSlot{Call: ev.Tell})
		}
		return
	}
	t.Tell = ev.Tell
	m.goTo(ev.Target)
}

// goTo sends the kept leg of a transfer on its way.
func (m *Machine) goTo(t route.Target) {
	switch t.Kind {
	case route.Flow:
		// A flow answers at once; whatever becomes of it is the flow's.
		m.transferDone()
		m.S.IVR = nil
		m.startFlow(t.Name)
	case route.Queue:
		m.S.IVR = nil
		m.enterQueue(t.Name, max(m.S.Priority, t.Priority), wish{})
	case route.Feature:
		m.do(TakeSlot{Want: t.Arg})
	default:
		targets := targetsOf(t)
		ring := t.RingTimeout
		if ring == 0 {
			ring = defaultRing
		}
		m.dial(dialForTransfer, targets, false, ring, "")
	}
}

// mayTransfer is the SIP status for a leg that wants to transfer its partner.
func (m *Machine) mayTransfer(leg, refuse int) int {
	switch {
	case m.ending() || !m.known(leg) || m.S.Legs[leg].State != LegAnswered:
		return 481
	case refuse != 0:
		return refuse
	case m.S.Transfer != nil || m.S.Joining != nil || m.S.Attempt != nil:
		return 491 // one at a time
	case !m.talks(leg):
		return 480 // nobody to transfer
	case len(m.S.Others) > 0:
		return 403 // who of the others would go is nobody's to guess
	}
	return 202
}

// beginTransfer answers the one who asks and, when code is 202, parts it from
// its partner, who is kept and hears music or ringing from now on.
func (m *Machine) beginTransfer(kind string, leg int, to, by, other string, refer bool, code int) *Transfer {
	asked := event.TransferAsked{Transfer: kind, By: by, Leg: leg, To: to, Code: code, OtherID: other}
	if m.known(leg) {
		asked.Device, asked.Agent = m.S.Legs[leg].Device, m.S.Legs[leg].Agent
	}
	m.journal(asked)
	m.do(AnswerTransfer{Leg: leg, Refer: refer, Code: code})
	if code != 202 {
		return nil
	}
	t := &Transfer{Kind: kind, By: by, To: to, Referrer: leg, Device: asked.Device, Queue: m.S.Queue, Refer: refer}
	m.S.Transfer = t
	m.unwatch("transferred")
	m.cutAnnouncements()
	m.do(UnbridgeLegs{m.S.Kept, m.S.Peer})
	m.do(StopPlay{leg})
	m.do(UntapLeg{leg})
	if leg == m.S.Kept {
		// A caller who transfers: the one who was called is kept instead.
		t.Swapped = true
		m.S.Kept = m.S.Peer
		m.S.KeptRight = m.S.Recording != "" && !m.S.KeptRight
	}
	m.S.Peer, m.S.Phase = 0, Dialling
	m.S.Legs[leg].OnHold = false
	return t
}

// referrerThere tells whether the one who asked for the transfer is still on the line.
func (m *Machine) referrerThere(t *Transfer) bool {
	return m.S.Legs[t.Referrer].State == LegAnswered
}

// notify tells a referrer how it goes, also one who has hung up: the
// subscription of a REFER outlives its call (RFC 3515 2.4.7).
func (m *Machine) notify(t *Transfer, code int) {
	if t.Refer {
		n := NotifyTransfer{Leg: t.Referrer, Code: code}
		if t.Kind == "park" && code == 200 {
			n.Reason = "Parked in " + m.S.Slot
		}
		m.do(n)
	}
}

// tellReferrer passes the target's ringing on, once.
func (m *Machine) tellReferrer(code int) {
	if t := m.S.Transfer; t != nil && !t.Ringing && !t.Back {
		t.Ringing = true
		m.notify(t, code)
	}
}

// transferDone: the target has the kept leg. The referrer is told and hung up.
func (m *Machine) transferDone() {
	t := m.S.Transfer
	m.S.Transfer = nil
	outcome := "done"
	if t.Back {
		outcome = "rung_back"
	}
	m.journal(event.TransferEnded{Transfer: t.Kind, Outcome: outcome, Slot: m.S.Slot})
	m.notify(t, 200)
	m.release(t.Referrer)
	m.endLeg(t.Referrer, string(event.ReasonNormal))
}

// transferFailed gives the kept leg back to the referrer: on the line if it is
// still there, else by ringing its phone, else by the tenant's default target.
func (m *Machine) transferFailed(why event.Reason, code int) {
	t := m.S.Transfer
	if m.referrerThere(t) {
		told := code
		if told < 300 {
			told = statusOf(why)
		}
		m.notify(t, told)
		m.S.Transfer = nil
		m.journal(event.TransferEnded{Transfer: t.Kind, Outcome: "returned", Reason: why, Code: code})
		if t.Swapped {
			m.S.Peer, m.S.Kept = m.S.Kept, t.Referrer
			m.S.KeptRight = m.S.Recording != "" && !m.S.KeptRight
		} else {
			m.S.Peer = t.Referrer
		}
		m.S.Phase, m.S.Queue = Talking, t.Queue
		m.do(StopPlay{m.S.Kept})
		m.converse()
		if m.S.Recording != "" {
			m.do(TapLeg{Leg: t.Referrer, Left: t.Swapped == m.S.KeptRight})
		}
		return
	}
	if !t.Back && t.Device != "" {
		t.Back = true
		m.dial(dialForTransfer, []string{"device:" + t.Device}, false, ringBackFor, "")
		return
	}
	m.S.Transfer = nil
	m.journal(event.TransferEnded{Transfer: t.Kind, Outcome: "failed", Reason: why, Code: code})
	m.stopRecording()
	if !m.toDefault() {
		m.lastWords("not_available", event.ResultUpstream, why)
	}
}

// slotTaken: the caller waits in a slot with music; the parker is told which.
func (m *Machine) slotTaken(ev SlotTaken) {
	t := m.S.Transfer
	if t == nil || t.Kind != "park" || m.ending() {
		if ev.Slot != "" {
			m.do(FreeSlot{ev.Slot})
		}
		return
	}
	if t.Tell != "" {
		m.do(TellSlot{t.Tell, ev.Slot})
	}
	if ev.Slot == "" {
		m.transferFailed(event.ReasonBusy, 486)
		return
	}
	m.S.Slot, m.S.Phase = ev.Slot, Parked
	m.segment(event.SegmentStarted{Segment: event.SegmentHold, By: "park"})
	m.speak([]prompt.Phrase{{Name: m.music()}}, true, 0)
	wait, _ := m.rules.Parking()
	if wait <= 0 {
		wait = parkFor
	}
	m.do(SetTimer{TimerPark, wait})
	if !m.referrerThere(t) || t.Tell != "" || t.Refer && m.holds(t.Referrer) {
		// Told elsewhere, or by NOTIFY alone: a phone that holds hears nothing.
		m.parkerTold()
		return
	}
	t.Late = true
	m.do(PlayPhrases{Leg: t.Referrer, ID: m.nextPlay(), Phrases: digits(ev.Slot), Language: m.S.Language})
}

// spoken tells the parker, who dialled the code in a call of its own, the slot.
func (m *Machine) spoken(slot string) {
	if m.S.Phase != Feature || m.S.Verdict.Result != "" {
		return
	}
	m.stopTimer(TimerJoin)
	m.setVerdict(event.ResultSuccess, event.ReasonNormal)
	m.speak(digits(slot), false, 0)
}

// digits says a slot digit by digit.
func digits(slot string) []prompt.Phrase {
	out := make([]prompt.Phrase, 0, len(slot))
	for _, d := range slot {
		out = append(out, prompt.Phrase{Name: "number_" + string(d)})
	}
	return out
}

// parkerTold ends the parker's part; its device is kept for the ring-back.
func (m *Machine) parkerTold() {
	t := m.S.Transfer
	m.S.Parker, m.S.ParkerLeg = t.Device, t.Referrer
	m.transferDone()
}

// parkTimeout: nobody came; the parker's phone rings.
func (m *Machine) parkTimeout() {
	if m.S.Phase != Parked || m.S.Joining != nil {
		return
	}
	if m.S.Transfer != nil {
		m.parkerTold() // still listening to which slot it is
	}
	m.leaveSlot()
	m.do(StopPlay{m.S.Kept})
	m.S.Transfer = &Transfer{Kind: "park", Referrer: m.S.ParkerLeg, Device: m.S.Parker}
	m.transferFailed(event.ReasonNoAnswer, 0)
}

func (m *Machine) leaveSlot() {
	if m.S.Slot == "" {
		return
	}
	m.do(FreeSlot{m.S.Slot})
	m.stopTimer(TimerPark)
	m.S.Slot = ""
}

// slotName is how a slot is written: two digits, 01 to 99.
func slotName(n int) string {
	s := strconv.Itoa(n)
	if len(s) < 2 {
		return "0" + s
	}
	return s
}
