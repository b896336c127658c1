package call

import (
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// enterQueue answers the caller, plays music and hands the caller to the ACD.
func (m *Machine) enterQueue(queue string, priority int, skills map[string]int, music string) {
	m.answer()
	m.S.Phase, m.S.Queue = Waiting, queue
	m.S.Ledger.Queue = queue
	m.S.Music, m.S.MusicAt = music, 0
	if m.S.Music == "" {
		m.S.Music = m.music()
	}
	m.segment(event.SegmentStarted{Segment: event.SegmentWaiting, Queue: queue})
	m.S.AwaitQueue = true
	m.tell(acd.Enter{CallID: m.S.ID, Queue: queue, Priority: priority, Skills: skills, ArrivedAt: m.now})
	m.playMusic()
}

// playMusic goes on where this caller left the music.
func (m *Machine) playMusic() {
	m.S.MusicFrom = m.now
	m.speak([]prompt.Phrase{{Name: m.S.Music}}, true, m.S.MusicAt)
}

func (m *Machine) fromACD(e acd.Effect) {
	switch e := e.(type) {
	case acd.Joined:
		if t := m.S.Transfer; t != nil && m.S.Phase == Waiting {
			m.transferDone() // the queue has taken the caller in: who transferred may go
		}
	case acd.Refused:
		m.leftQueue(e.Outcome)
	case acd.LeftQueue:
		m.leftQueue(e.Outcome)
	case acd.Offer:
		m.offered(e)
	case acd.WithdrawOffer:
		if a := m.S.Attempt; a != nil && a.OfferID == e.OfferID {
			m.endAttempt("withdrawn")
		} else if m.S.Phase == Talking && m.S.AwaitQueue && m.S.OfferID == e.OfferID {
			// The agent picked up while the ACD took the offer back. They talk:
			// the ACD must take the caller as served and the agent as busy.
			m.tell(acd.Leave{CallID: m.S.ID, Outcome: acd.LeftAnswered})
			m.tell(acd.Occupy{Agent: e.Agent, CallID: m.S.ID})
			if p := m.S.Peer; m.S.Legs[p].Agent == e.Agent && m.S.Legs[p].Busy == BusyByQueue {
				m.S.Legs[p].Busy = BusyDirect
			}
		}
	case acd.Announce:
		m.announce(e.Position)
	}
	// Ignored: AgentChanged, Decided: the dispatcher has journalled them.
}

func (m *Machine) leftQueue(outcome string) {
	if outcome == acd.LeftAnswered && m.S.Phase == Waiting {
		return // of the stay before this one: transferred before we were told
	}
	m.S.AwaitQueue = false
	if m.S.Phase == Waiting {
		m.ringOver()
	}
	switch {
	case m.ending():
		m.maybeFinish()
	case m.S.Phase == Waiting:
		m.endAttempt("withdrawn")
		m.do(StopPlay{m.S.Kept})
		if m.S.Transfer != nil {
			m.transferFailed(event.ReasonNoAnswer, 0)
			return
		}
		m.backToFlow(ivr.QueueLeft{Outcome: outcome}, "no_agents", event.ResultOurs, event.ReasonNoAnswer)
	}
}

func (m *Machine) offered(o acd.Offer) {
	if m.S.Phase != Waiting || m.S.Attempt != nil {
		// The caller left while the offer was on its way.
		m.tell(acd.OfferFailed{OfferID: o.OfferID, Cause: acd.CauseCallerLeft})
		return
	}
	m.S.Attempt = &Attempt{OfferID: o.OfferID, Agent: o.Agent, Since: m.now, Pending: 1}
	m.S.DialFor = dialForOffer
	m.do(DialDevice{Device: o.Device, Agent: o.Agent, Ring: o.Deadline.Sub(m.now)})
}

// announce tells the caller the position; the music goes on afterwards where it was.
func (m *Machine) announce(position int) {
	if m.S.Phase != Waiting || m.S.Attempt != nil {
		return
	}
	m.S.MusicAt += m.now.Sub(m.S.MusicFrom).Truncate(20 * time.Millisecond)
	m.speak(prompt.Language(m.S.Language).Position(position), false, 0)
}

// leaveQueue takes the waiting caller out by the flow's wish (a key, a time of
// its own). An agent who has the call already keeps it.
func (m *Machine) leaveQueue(outcome string) {
	if m.S.Phase != Waiting || !m.S.AwaitQueue {
		return
	}
	m.tell(acd.Leave{CallID: m.S.ID, Outcome: outcome})
}
