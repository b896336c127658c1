package call

import (
	"time"

	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/event"
)

// An agent who answers a queue's call may first hear what it is about: the queue's
// announcement and how long the caller has waited. To the caller nothing changes
// until then: music, and the time goes on as waiting. To the ACD the offer is
// accepted. Any key of the agent ends the announcement.

// Brief is an agent who hears the queue's announcement before the conversation.
type Brief struct {
	Leg    int
	ID     uint64
	Prompt string
}

// brief begins the announcement to an agent who has answered; false: the queue has none.
func (m *Machine) brief(leg int) bool {
	name, unit := m.rules.AgentAnnouncement(m.S.Queue)
	if name == "" {
		return false
	}
	phrases := []prompt.Phrase{{Name: name}}
	if unit > 0 {
		waited := int(m.now.Sub(m.S.WaitSince).Round(unit) / unit)
		phrases = append(phrases, prompt.Language(m.S.Language).Number(waited)...)
	}
	b := &Brief{Leg: leg, ID: m.nextPlay(), Prompt: name}
	m.S.Brief = b
	m.journal(event.AnnouncementStarted{Announcement: b.ID &^ ownPlay, Leg: leg, Side: SideAgent, Prompt: name, By: "queue"})
	m.do(PlayPhrases{Leg: leg, ID: b.ID, Phrases: phrases, Language: m.S.Language})
	return true
}

// briefing tells whether leg's agent hears the announcement now.
func (m *Machine) briefing(leg int) bool { return m.S.Brief != nil && m.S.Brief.Leg == leg }

// briefed: the agent has heard it, or enough of it, or it cannot be played.
func (m *Machine) briefed(outcome string) {
	leg := m.S.Brief.Leg
	m.endBrief(outcome)
	m.do(StopPlay{leg})
	m.connect(leg)
}

// endBrief journals the announcement's end.
func (m *Machine) endBrief(outcome string) {
	if b := m.S.Brief; b != nil {
		m.S.Brief = nil
		m.journal(event.AnnouncementEnded{Announcement: b.ID &^ ownPlay, Leg: b.Leg, Prompt: b.Prompt, Outcome: outcome})
	}
}

// briefGone: the agent has hung up before the conversation. The caller goes back to
// the queue with the time of arrival, so with the place.
func (m *Machine) briefGone() {
	leg := m.S.Brief.Leg
	m.endBrief("cut")
	m.release(leg)
	m.joinQueue(m.S.Queue, m.S.WishFor, m.S.Wish)
}

// waitedUnit is what AgentAnnouncement may count the caller's wait in.
var waitedUnit = map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute}

// WaitedUnit is the unit of a queue's agent_announcement_wait; 0 = not said.
func WaitedUnit(word string) time.Duration { return waitedUnit[word] }
