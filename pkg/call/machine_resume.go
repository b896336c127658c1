package call

import (
	"slices"
	"time"

	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// A browser's phone may vanish in mid-call: the page is loaded anew, a lid closes, a
// network changes. Its leg is then *away*: it keeps its place, its agent stays on the
// call, whoever talked to it hears comfort instead of silence, and the recording goes
// on. It is back when its sound is, or when a new page of the same device takes the
// leg over by an INVITE of its own (X-Resume): dialog and keys change, the leg does
// not. Who does not come back within the tenant's bound has lost the call: a queue's
// caller goes before all others in that queue, and the agent is not ready.

// resumeWithin and resumePrompt are the defaults of Rules.Resume.
const (
	resumeWithin = 30 * time.Second
	resumePrompt = "please_wait"
)

// resumable tells whether a leg may be away: a phone of the house that talks.
func (m *Machine) resumable(leg int) bool {
	within, _ := m.rules.Resume()
	return within > 0 && m.known(leg) && !m.ending() && m.talks(leg) && m.S.Legs[leg].Device != "" && m.S.Legs[leg].State == LegAnswered
}

// legAway: nothing comes from a browser that talks.
func (m *Machine) legAway(ev LegAway) {
	if !m.resumable(ev.Leg) || m.S.Legs[ev.Leg].Away {
		return
	}
	l := &m.S.Legs[ev.Leg]
	l.Away, l.AwaySince = true, m.now
	m.journal(event.LegAway{Leg: ev.Leg, Device: l.Device, Agent: l.Agent})
	m.armResume()
	m.resound(ev.Leg)
}

// legBack: it is heard again, or (Resumed) a new page has taken its place.
func (m *Machine) legBack(ev LegBack) {
	if !m.known(ev.Leg) || m.ending() || m.S.Legs[ev.Leg].State != LegAnswered || !m.S.Legs[ev.Leg].Away && ev.SIPCallID == "" {
		return
	}
	l := &m.S.Legs[ev.Leg]
	back := event.LegBack{Leg: ev.Leg, Device: l.Device, Agent: l.Agent, SIPCallID: ev.SIPCallID}
	if l.Away {
		back.AwayMs = m.now.Sub(l.AwaySince).Milliseconds()
	}
	l.Away, l.AwaySince = false, time.Time{}
	m.journal(back)
	m.armResume()
	if !m.talks(ev.Leg) {
		return
	}
	m.resound(ev.Leg)
	if m.S.Ledger.Segment == event.SegmentHold && len(slices.DeleteFunc(m.talkers(), m.holds)) >= 2 {
		m.segment(m.talkSegment(event.SegmentTalking)) // the others' hold ended meanwhile
	}
}

// armResume sets the timer to the first end of a leg's bound.
func (m *Machine) armResume() {
	within, _ := m.rules.Resume()
	first := time.Time{}
	for i := range m.S.Legs {
		if l := &m.S.Legs[i]; l.Away && l.State == LegAnswered && (first.IsZero() || l.AwaySince.Before(first)) {
			first = l.AwaySince
		}
	}
	if first.IsZero() {
		m.stopTimer(TimerResume)
		return
	}
	m.do(SetTimer{TimerResume, max(0, first.Add(within).Sub(m.now))})
}

// resumeTimeout: who was away for the whole bound has lost the call.
func (m *Machine) resumeTimeout() {
	within, _ := m.rules.Resume()
	for i := 0; i < len(m.S.Legs) && !m.ending(); i++ {
		if l := &m.S.Legs[i]; l.Away && l.State == LegAnswered && m.now.Sub(l.AwaySince) >= within {
			m.lost(i)
		}
	}
	if !m.ending() {
		m.armResume()
	}
}

// lost ends a leg that did not come back.
func (m *Machine) lost(leg int) {
	l := &m.S.Legs[leg]
	l.Away = false
	l.Reason = event.ReasonMediaTimeout
	switch {
	case !m.talks(leg): // who transferred, say, and has nobody to hear
		m.endLeg(leg, string(event.ReasonMediaTimeout))
	case leg == m.S.Peer && len(m.S.Others) == 0 && m.S.Queue != "" && l.Agent != "" && m.S.Callback == nil:
		m.callLost(leg)
	default:
		m.loseLeg(leg, event.ResultUpstream, event.ReasonMediaTimeout)
	}
}

// callLost gives the caller of a lost agent back to the queue, before all others.
func (m *Machine) callLost(leg int) {
	l := &m.S.Legs[leg]
	m.endThird()
	m.dropWatch("party_left")
	m.cutAnnouncements()
	m.do(UnbridgeLegs{m.S.Kept, leg})
	m.do(UntapLeg{leg})
	m.tell(acd.SetNotReady{Agent: l.Agent, Reason: acd.ReasonCallLost, By: acd.BySystem})
	m.release(leg)
	m.endLeg(leg, string(event.ReasonMediaTimeout))
	m.S.Peer = 0
	m.do(StopPlay{m.S.Kept})
	m.S.Front = acd.FrontAgentLost
	m.joinQueue(m.S.Queue, m.S.WishFor, m.S.Wish)
}

// comfort is what somebody hears whose partner is away, before it turns again.
func (m *Machine) comfort(waiting []int) {
	_, name := m.rules.Resume()
	m.restMusic()
	for _, l := range waiting {
		m.do(PlayPhrases{Leg: l, ID: m.nextPlay(), Phrases: []prompt.Phrase{{Name: name}, {Name: m.music()}}, Language: m.S.Language, Loop: true})
	}
}

// away tells whether anybody of the conversation is.
func (m *Machine) away() bool {
	return slices.ContainsFunc(m.talkers(), func(l int) bool { return m.S.Legs[l].Away })
}
