package call

import (
	"slices"
	"strings"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/event"
)

// verbsInTalk does verbs of the API in a conversation. Those that only speak are heard
// in it; any other takes the caller away from the partner, who is hung up. It returns
// the answer's status.
func (m *Machine) verbsInTalk(ev VerbsAsked) int {
	f, err := flow.ParseVerbs("api", "", []byte(ev.Verbs), nil)
	switch {
	case err != nil || f.Start == "":
		return 422
	case len(m.S.Others) > 0 || m.S.Transfer != nil || m.S.Joining != nil || m.S.Attempt != nil:
		return 491
	}
	if pieces := f.Spoken(); pieces != nil {
		return m.speakInTalk(pieces, flow.VerbSide([]byte(ev.Verbs)), ev)
	}
	var plain func() // what a call without a flow can do
	if m.S.IVR == nil || m.rules.Flow(m.S.Flow) == nil {
		if plain = m.plainVerb(f.Steps[f.Start].Body); plain == nil || len(f.Order) > 1 {
			return 409
		}
	}
	m.journal(event.FlowVerbs{By: ev.By, Verbs: ev.Count})
	m.partPartner()
	if plain != nil {
		plain()
		return 202
	}
	m.S.Phase, m.S.Queue = Menu, ""
	m.flowEvent(ivr.Verbs{Verbs: ev.Verbs, Away: true})
	return 202
}

// plainVerb is what a verb means for a caller who has come without a flow; nil: nothing.
func (m *Machine) plainVerb(b flow.Body) func() {
	switch b := b.(type) {
	case *flow.Queue:
		return func() {
			m.enterQueue(b.Queue, m.S.Priority+b.Priority, wish{Skills: b.Skills, Need: b.Need, Agent: b.Agent, Patience: b.Patience, Music: b.Music})
		}
	case *flow.Goto:
		return func() { m.startFlow(b.Flow) }
	case *flow.Hangup:
		return func() { m.end(event.ResultOurs, event.ReasonNormal) }
	}
	return nil
}

// partPartner takes the kept leg out of the conversation: its partner is hung up, and
// its agent's wrap-up begins.
func (m *Machine) partPartner() {
	peer := m.S.Peer
	m.dropWatch("party_left")
	m.cutAnnouncements()
	m.do(UnbridgeLegs{m.S.Kept, peer})
	m.do(StopPlay{m.S.Kept})
	m.release(peer)
	m.stopRecording()
	m.endLeg(peer, string(event.ReasonNormal))
	m.S.Peer = 0
}

// speakInTalk lets one side of the conversation, or both, hear pieces.
func (m *Machine) speakInTalk(pieces []flow.Piece, side string, ev VerbsAsked) int {
	s := m.S.IVR
	if s == nil {
		s = &ivr.State{CallID: m.S.ID, Tenant: m.S.Tenant, From: m.S.From, To: m.S.Dialled, Language: m.S.Language}
	}
	phrases, err := s.Speak(pieces)
	if err != nil {
		return 422
	}
	legs := m.side(side)
	if len(legs) == 0 || slices.ContainsFunc(m.talkers(), m.holds) {
		return 409 // nobody there, or music is on
	}
	names := make([]string, len(phrases))
	for i, p := range phrases {
		if names[i] = p.Name; p.Text != "" {
			names[i] = "text"
		}
	}
	m.journal(event.FlowVerbs{By: ev.By, Verbs: ev.Count})
	m.announceTo(legs, side, strings.Join(names, " "), phrases, ev.By)
	return 202
}

// side lists the legs of a side of the conversation. Sides are told by who has a phone
// of the house; between two of those the kept leg is the caller.
func (m *Machine) side(side string) []int {
	var legs []int
	for _, l := range m.talkers() {
		agent := l != m.S.Kept
		if len(m.S.Others) == 0 && m.S.Legs[m.S.Peer].Device == "" {
			agent = l == m.S.Kept
		}
		if side == SideBoth || agent == (side == SideAgent) {
			legs = append(legs, l)
		}
	}
	return legs
}

// announceTo lets legs of the conversation hear phrases in the place of what the other
// says.
func (m *Machine) announceTo(legs []int, side, name string, phrases []prompt.Phrase, by string) {
	for _, l := range legs {
		m.endAnnouncement(l, "replaced")
		id := m.nextPlay()
		m.S.Announcements = append(m.S.Announcements, Announcement{ID: id, Leg: l, Prompt: name})
		m.journal(event.AnnouncementStarted{Announcement: id &^ ownPlay, Leg: l, Side: side, Prompt: name, By: by})
		m.do(PlayPhrases{Leg: l, ID: id, Phrases: phrases, Language: m.S.Language})
	}
}
