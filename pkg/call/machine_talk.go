package call

import (
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// talkers lists the parties of the conversation, the kept leg first.
func (m *Machine) talkers() []int {
	if m.S.Phase != Talking {
		return nil
	}
	return append([]int{m.S.Kept, m.S.Peer}, m.S.Others...)
}

func (m *Machine) talks(leg int) bool { return slices.Contains(m.talkers(), leg) }

// holds tells whether a leg has put the others on hold, by its phone or by API, or is
// away: there is nobody to hear.
func (m *Machine) holds(leg int) bool {
	l := &m.S.Legs[leg]
	return l.Held || l.OnHold || l.Away
}

// connect begins a conversation of the kept leg with a leg that has answered.
func (m *Machine) connect(leg int) {
	transferred := m.S.Transfer != nil
	began := m.S.Phase == Waiting || m.S.Phase == Dialling
	m.S.Attempt, m.S.Targets = nil, nil
	m.stopTimer(TimerRing)
	m.leaveSlot()
	m.answer()
	m.S.Ledger.Agent = m.S.Legs[leg].Agent
	m.S.Peer, m.S.Phase, m.S.Talked = leg, Talking, true
	if transferred {
		m.transferDone()
	}
	m.do(StopPlay{m.S.Kept})
	m.converse()
	if m.S.IVR != nil && began && !transferred {
		m.flowEvent(ivr.Connected{})
	}
	m.recordTalk()
}

// converse joins the sound of the parties as their holds ask, at the beginning
// of a conversation or after a change of who takes part.
func (m *Machine) converse() {
	m.cutAnnouncements()
	hearing := slices.DeleteFunc(m.talkers(), m.holds)
	all := 2 + len(m.S.Others)
	switch {
	case all > 2 || m.watching():
		m.confer(hearing)
	case len(hearing) == 2:
		m.do(BridgeLegs{m.S.Kept, m.S.Peer})
	default:
		m.holdMusic(hearing)
	}
	if len(hearing) < 2 {
		m.holdSegment()
	} else {
		m.segment(m.talkSegment(event.SegmentTalking))
	}
}

// confer lets those who do not hold hear each other; one alone hears music.
func (m *Machine) confer(hearing []int) {
	if len(hearing) < 2 {
		m.do(Confer{})
		m.tapWatched(false)
		if m.watching() {
			hearing = append(hearing, m.S.Watch.Leg)
		}
		m.holdMusic(hearing)
		return
	}
	for _, l := range hearing {
		m.do(StopPlay{l})
	}
	c := Confer{Legs: hearing, Kept: m.S.Kept, Left: m.S.KeptRight, Mixed: true}
	if w := m.S.Watch; m.watching() {
		m.do(StopPlay{w.Leg})
		c.Watch, c.Agent, c.Mode = w.Leg, w.Agent, w.Mode
		if m.holds(w.Leg) {
			c.Mode = ModeMonitor // what its phone plays meanwhile is for nobody
		}
		if len(m.S.Others) == 0 {
			c.Kept, c.Left, c.Mixed = m.S.Kept+m.S.Peer-w.Agent, m.onLeft(w.Agent), c.Mode == ModeBarge
			m.tapWatched(c.Mixed)
		} else if m.S.Recording != "" {
			m.do(TapLeg{Leg: m.S.Kept, Left: !m.S.KeptRight}) // it may have been in a sum of two
		}
	}
	m.do(c)
}

// holdMusic: who waits hears music, the kept leg from where it left it; who holds
// hears nothing.
func (m *Machine) holdMusic(waiting []int) {
	if m.away() {
		m.comfort(waiting)
		return
	}
	name := m.music()
	for _, l := range waiting {
		offset := time.Duration(0)
		if l == m.S.Kept {
			m.restMusic()
			if m.S.Music != name {
				m.S.Music, m.S.MusicAt = name, 0
			}
			offset, m.S.MusicFrom = m.S.MusicAt, m.now
		}
		m.do(PlayPhrases{Leg: l, ID: m.nextPlay(), Phrases: []prompt.Phrase{{Name: name}}, Language: m.S.Language, Loop: true, Offset: offset})
	}
}

func (m *Machine) holdSegment() {
	seg := m.talkSegment(event.SegmentHold)
	seg.By = "caller"
	if m.holds(m.S.Peer) && !m.holds(m.S.Kept) {
		seg.By = "agent"
	}
	m.segment(seg)
}

func (m *Machine) holdChanged(ev HoldChanged) {
	if !m.known(ev.Leg) || m.S.Legs[ev.Leg].Held == ev.Held {
		return // a refresh that changes nothing
	}
	before := m.holds(ev.Leg)
	m.S.Legs[ev.Leg].Held = ev.Held
	m.rehold(ev.Leg, before)
}

// holdAsked is a hold by API: the partner hears music and the phone nothing,
// without a re-INVITE.
func (m *Machine) holdAsked(ev HoldAsked) {
	if !m.talks(ev.Leg) {
		m.do(AnswerTransfer{Leg: ev.Leg, Code: 409})
		return
	}
	m.do(AnswerTransfer{Leg: ev.Leg, Code: 202})
	if m.S.Legs[ev.Leg].OnHold == ev.On {
		return
	}
	m.journal(event.HoldAsked{Leg: ev.Leg, On: ev.On, By: ev.By})
	before := m.holds(ev.Leg)
	m.S.Legs[ev.Leg].OnHold = ev.On
	m.rehold(ev.Leg, before)
}

// resound joins the sound anew after a change of who can hear: of leg. It returns who
// hears the conversation.
func (m *Machine) resound(leg int) []int {
	m.cutAnnouncements()
	hearing := slices.DeleteFunc(m.talkers(), m.holds)
	if len(m.S.Others) > 0 || m.watching() {
		m.do(StopPlay{leg})
		m.confer(hearing)
	} else if len(hearing) == 2 {
		m.do(StopPlay{m.S.Kept})
		m.do(StopPlay{m.S.Peer})
		m.do(BridgeLegs{m.S.Kept, m.S.Peer})
	} else {
		m.do(UnbridgeLegs{m.S.Kept, m.S.Peer})
		m.holdMusic(hearing)
	}
	return hearing
}

// rehold follows a change of one leg's hold in the conversation.
func (m *Machine) rehold(leg int, before bool) {
	if m.watching() && leg == m.S.Watch.Leg {
		m.remix()
		return
	}
	if !m.talks(leg) || m.holds(leg) == before {
		return
	}
	hearing := m.resound(leg)
	switch on := m.S.Ledger.Segment == event.SegmentHold; {
	case len(hearing) >= 2 && on:
		m.segment(m.talkSegment(event.SegmentTalking))
	case len(hearing) < 2 && !on:
		seg := m.talkSegment(event.SegmentHold)
		seg.By = "caller"
		if leg != m.S.Kept {
			seg.By = "agent"
		}
		m.segment(seg)
	}
}

// Actions of codes dialled in a conversation.
const (
	inCallTransfer   = "transfer"
	inCallConference = "conference"
	inCallRecord     = "record_" // and one of recordActions; no number follows
)

// keyPause ends a code that is not dialled on; maxKeys bounds it.
const (
	keyPause = 5 * time.Second
	maxKeys  = 40
)

// inCallKey follows what a phone of the house dials while it talks: a code, a
// number and #. The partner hears the keys as well; codes are off unless the
// tenant names them.
func (m *Machine) inCallKey(ev Key) {
	codes := m.rules.InCallCodes()
	if len(codes) == 0 || !m.talks(ev.Leg) || m.S.Legs[ev.Leg].Device == "" {
		return
	}
	l := &m.S.Legs[ev.Leg]
	if m.now.Sub(l.KeyAt) > keyPause || len(l.Keys) >= maxKeys {
		l.Keys = ""
	}
	l.KeyAt = m.now
	if ev.Digit != '#' {
		l.Keys += string(rune(ev.Digit))
		return
	}
	keys := l.Keys
	l.Keys = ""
	// The last star begins the code, so that a wrong start can be dialled over.
	at := strings.LastIndexByte(keys, '*')
	if at < 0 {
		return
	}
	if action, ok := strings.CutPrefix(codes[keys[at:]], inCallRecord); ok {
		m.recordAsked(RecordAsked{Leg: ev.Leg, Action: action, By: byKeys})
		return
	}
	for n := len(keys); n > at+1; n-- {
		if kind := codes[keys[at:n]]; kind != "" && n < len(keys) && !strings.HasPrefix(kind, inCallRecord) {
			m.do(AskTarget{Leg: ev.Leg, Kind: kind, To: keys[n:]})
			return
		}
	}
}

// maxParties bounds a conference: the sum of more voices is noise to a phone.
const maxParties = 8

// thirdAsked rings a further party while the conversation goes on.
func (m *Machine) thirdAsked(ev ThirdAsked) {
	asked := event.TransferAsked{Transfer: "third", By: ev.By, Leg: ev.Leg, To: ev.To, Code: ev.Refuse}
	if asked.Code == 0 {
		switch {
		case !m.talks(ev.Leg) && !m.alone(ev.Leg):
			asked.Code = 409
			if ev.Refer {
				asked.Code = 480
			}
		case m.S.Attempt != nil || m.S.Joining != nil || len(m.talkers()) >= maxParties:
			asked.Code = 491
		}
	}
	targets := targetsOf(ev.Target)
	if asked.Code == 0 && len(targets) == 0 {
		asked.Code = 403 // a queue or a flow is nobody to talk with
	}
	if asked.Code == 0 {
		asked.Code = 202
	}
	if m.known(ev.Leg) {
		asked.Device, asked.Agent = m.S.Legs[ev.Leg].Device, m.S.Legs[ev.Leg].Agent
	}
	m.journal(asked)
	m.do(AnswerTransfer{Leg: ev.Leg, Refer: ev.Refer, Code: asked.Code})
	if asked.Code != 202 {
		return
	}
	m.S.ThirdRefer = 0
	if ev.Refer {
		m.S.ThirdRefer = ev.Leg + 1
	}
	m.S.DialFor, m.S.Targets, m.S.AtOnce, m.S.RingFor = dialForThird, targets, false, defaultRing
	m.S.FailReason, m.S.FailCode, m.S.FailWord = event.ReasonUnreachable, 0, ""
	m.nextTarget()
}

// endThird gives up a further party that still rings.
func (m *Machine) endThird() {
	if (m.S.Phase == Talking || m.alone(0)) && m.S.Attempt != nil {
		m.endAttempt("cancelled")
		m.S.Targets = nil
		m.thirdFailed(event.ReasonCancelled, 487)
	}
}

// partyGone: one of three or more has left; the others go on.
func (m *Machine) partyGone(leg int) {
	if m.S.Watch != nil && m.S.Watch.Agent == leg {
		m.endWatch("agent_left")
	}
	m.release(leg)
	m.do(UntapLeg{leg})
	left := slices.DeleteFunc(m.talkers(), func(l int) bool { return l == leg })
	keptGone := leg == m.S.Kept
	m.S.Kept, m.S.Peer, m.S.Others = left[0], left[1], left[2:]
	m.S.Ledger.Agent = m.S.Legs[m.S.Peer].Agent
	recording := m.S.Recording != ""
	if recording && keptGone {
		// Who takes the kept leg's place stays on the channel that has its voice.
		m.S.KeptRight = !m.S.KeptRight
		m.do(TapLeg{Leg: m.S.Kept, Left: !m.S.KeptRight})
	}
	if len(left) == 2 {
		m.do(Confer{})
		if recording {
			m.do(TapLeg{Leg: m.S.Peer, Left: m.S.KeptRight})
		}
	}
	m.converse()
}

// targetsOf lists what a routed target means for dialling; nil when it is
// nothing that can be rung.
func targetsOf(t route.Target) []string {
	var out []string
	switch t.Kind {
	case route.Device:
		out = []string{"device:" + t.Name}
	case route.Devices:
		for _, d := range t.Names {
			out = append(out, "device:"+d)
		}
	case route.Trunk:
		for _, r := range t.Routes {
			out = append(out, "trunk:"+r.Trunk+":"+r.Number)
		}
	}
	return out
}
