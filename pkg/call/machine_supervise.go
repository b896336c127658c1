package call

import (
	"slices"
	"time"

	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// A supervisor listens to a conversation: as a leg of the call that is no party of
// it, so that holds, transfers and figures go on as without. While one is there
// the sound goes through a conference; when nobody is, the plain bridge is back.

// How a supervisor takes part.
const (
	ModeMonitor = "monitor" // hears all, is heard by nobody
	ModeWhisper = "whisper" // is heard by the agent alone
	ModeBarge   = "barge"   // is heard by all
)

const joinSupervise = "supervise"

// superviseModes are what the feature codes stand for.
var superviseModes = map[string]string{route.FeatureMonitor: ModeMonitor, route.FeatureWhisper: ModeWhisper, route.FeatureBarge: ModeBarge}

// watchKeys are what a supervisor's phone dials to change the mode, as users of
// Asterisk's ChanSpy (option d) know them.
var watchKeys = map[byte]string{'4': ModeMonitor, '5': ModeWhisper, '6': ModeBarge}

// watchRing is how long a supervisor's phone rings that the API has called.
const watchRing = 30 * time.Second

// watchOffer marks the dialling of a supervisor's phone, which goes on beside
// whatever else the call dials.
const watchOffer = "supervise"

// Watch is a supervisor in the conversation, or on the way to it.
type Watch struct {
	Mode   string
	Agent  int // leg that is supervised; a whisper goes there
	User   string
	Device string
	By     string // "phone" (a code), "api", "cli"
	Leg    int    // the supervisor's; 0 = not there yet
	Legs   []int  // that ring
	Since  time.Time
}

// watching tells whether a supervisor is in the conversation.
func (m *Machine) watching() bool { return m.S.Watch != nil && m.S.Watch.Leg != 0 }

// maySupervise is the SIP status for a supervisor who wants to hear agent's leg.
func (m *Machine) maySupervise(agent int, w Watch) int {
	switch {
	case m.ending() || !m.talks(agent) || m.S.Transfer != nil || m.S.Joining != nil:
		return 409
	case !m.rules.MaySupervise(w.User, w.Mode, m.S.Queue):
		return 403
	case w.Device == m.S.Legs[agent].Device || slices.ContainsFunc(m.talkers(), func(l int) bool { return m.S.Legs[l].Device == w.Device }):
		return 409 // who talks hears already
	case m.S.Watch != nil:
		return 486 // one at a time
	}
	return 0
}

func (m *Machine) refuseWatch(w Watch, code int) {
	b := event.SupervisionRefused{User: w.User, Device: w.Device, Mode: w.Mode, By: w.By, Code: code}
	if m.known(w.Agent) {
		b.Agent = m.S.Legs[w.Agent].Agent
	}
	m.journal(b)
}

// superviseAsked is the API's: begin with a device, change or end.
func (m *Machine) superviseAsked(ev SuperviseAsked) {
	w := m.S.Watch
	switch {
	case w != nil && (ev.Device == "" || ev.Device == w.Device):
		m.do(AnswerTransfer{Code: m.switchWatch(ev.Mode, ev.By)})
		return
	case ev.Device == "" || ev.Mode == "off":
		m.do(AnswerTransfer{Code: 409})
		return
	}
	want := Watch{Mode: ev.Mode, Agent: ev.Leg, User: ev.User, Device: ev.Device, By: ev.By}
	if code := m.maySupervise(ev.Leg, want); code != 0 {
		m.refuseWatch(want, code)
		m.do(AnswerTransfer{Code: code})
		return
	}
	m.S.Watch = &want
	m.do(AnswerTransfer{Code: 202})
	m.do(DialDevice{Device: ev.Device, Agent: ev.User, Ring: watchRing, Offer: watchOffer})
	m.do(SetTimer{TimerWatch, watchRing})
}

// switchWatch changes the mode of who is there, or rings; "off" ends it.
func (m *Machine) switchWatch(mode, by string) int {
	w := m.S.Watch
	if mode == "off" {
		m.unwatch("stopped")
		return 202
	}
	if !m.rules.MaySupervise(w.User, mode, m.S.Queue) {
		refused := *w
		refused.Mode, refused.By = mode, by
		m.refuseWatch(refused, 403)
		return 403
	}
	if mode == w.Mode {
		return 202
	}
	was := w.Mode
	w.Mode = mode
	if m.watching() {
		m.journal(event.SupervisionChanged{Leg: w.Leg, User: w.User, Was: was, Mode: mode, By: by})
		m.remix()
	}
	return 202
}

// watchKey is a key that the supervisor's phone pressed. Nobody else hears it.
func (m *Machine) watchKey(key byte) {
	if mode, ok := watchKeys[key]; ok && m.switchWatch(mode, byKeys) != 202 {
		m.do(PlayClip{Leg: m.S.Watch.Leg, ID: m.nextPlay(), Clip: recordsNotTone})
	}
}

// watchJoins: the supervisor's leg is there.
func (m *Machine) watchJoins(leg int, w Watch) {
	w.Leg, w.Legs, w.Since = leg, nil, m.now
	m.S.Watch = &w
	a := m.S.Legs[w.Agent]
	m.journal(event.SupervisionStarted{Leg: leg, User: w.User, Device: w.Device, AgentLeg: w.Agent, Agent: a.Agent, Mode: w.Mode, By: w.By})
	m.remix()
}

// remix joins the sound anew after a change of the supervision.
func (m *Machine) remix() {
	hearing := slices.DeleteFunc(m.talkers(), m.holds)
	switch {
	case len(hearing) >= 2 && (len(m.S.Others) > 0 || m.watching()):
		m.confer(hearing)
	case len(hearing) >= 2:
		m.do(BridgeLegs{m.S.Kept, m.S.Peer})
		m.do(Confer{})
	case m.watching():
		m.holdMusic([]int{m.S.Watch.Leg})
	}
}

// unwatch ends the supervision and gives the parties their plain bridge back.
func (m *Machine) unwatch(why string) {
	was := m.watching()
	m.endWatch(why)
	if was && m.S.Phase == Talking {
		m.remix()
	}
}

// superviseJoin looks for the leg of the device that a supervisor who has dialled a
// code wants to listen to.
func (m *Machine) superviseJoin(ev *JoinAsked) bool {
	for _, l := range m.talkers() {
		if m.S.Legs[l].Device != ev.Device {
			continue
		}
		ev.Leg, ev.Watch.Agent = l, l
		code := m.maySupervise(l, ev.Watch)
		if code != 0 {
			m.refuseWatch(ev.Watch, code)
		}
		return code == 0
	}
	return false
}

// dropWatch is endWatch for a conversation that is over, whose kept leg may go on.
func (m *Machine) dropWatch(why string) {
	was := m.watching()
	m.endWatch(why)
	if was {
		m.do(Confer{})
	}
}

// endWatch ends the supervision; who calls it cares for the sound.
func (m *Machine) endWatch(why string) {
	w := m.S.Watch
	if w == nil {
		return
	}
	if w.Leg == 0 {
		m.S.Watch = nil
		m.stopTimer(TimerWatch)
		for _, l := range w.Legs {
			m.endLeg(l, "cancelled")
		}
		m.refuseWatch(*w, 487)
		return
	}
	m.tapWatched(false)
	m.S.Watch = nil
	m.journal(event.SupervisionEnded{Leg: w.Leg, User: w.User, Mode: w.Mode, Reason: why, LastedMs: m.now.Sub(w.Since).Milliseconds()})
	m.release(w.Leg)
	m.endLeg(w.Leg, string(event.ReasonNormal))
}

// tapWatched sees to the agent's channel of the recording in a conversation of two:
// while the supervisor is heard by all, it gets the sum of both voices (mixed);
// else the agent's own, so that a whisper is never in it.
func (m *Machine) tapWatched(mixed bool) {
	if m.S.Recording == "" || len(m.S.Others) > 0 || !m.watching() || !m.talks(m.S.Watch.Agent) {
		return
	}
	agent := m.S.Watch.Agent
	if mixed {
		m.do(UntapLeg{agent})
	} else {
		m.do(TapLeg{Leg: agent, Left: m.onLeft(agent)})
	}
}

// onLeft tells which channel of the recording a party of two is on.
func (m *Machine) onLeft(leg int) bool { return (leg == m.S.Kept) != m.S.KeptRight }

// watchDialled: the supervisor's phones ring.
func (m *Machine) watchDialled(ev DialStarted) {
	for _, l := range ev.Legs {
		n := len(m.S.Legs)
		m.S.Legs = append(m.S.Legs, Leg{Device: l.Device, Agent: l.Agent})
		m.journal(event.LegStarted{Leg: n, Device: l.Device, Agent: l.Agent, SIPCallID: l.SIPCallID})
		if w := m.S.Watch; w == nil || w.Leg != 0 || w.Device != l.Device || m.ending() {
			m.endLeg(n, "cancelled")
		} else {
			w.Legs = append(w.Legs, n)
		}
	}
}

// watchRings tells whether leg is a supervisor's phone that rings.
func (m *Machine) watchRings(leg int) bool {
	w := m.S.Watch
	return w != nil && w.Leg == 0 && slices.Contains(w.Legs, leg)
}

// watchPicked: the supervisor has answered.
func (m *Machine) watchPicked(leg int) {
	w := *m.S.Watch
	m.S.Legs[leg].State = LegAnswered
	m.journal(event.LegAnswered{Leg: leg})
	m.stopTimer(TimerWatch)
	for _, l := range w.Legs {
		if l != leg {
			m.endLeg(l, "answered elsewhere")
		}
	}
	m.occupy(leg)
	m.watchJoins(leg, w)
}

// watchLost: a phone of the supervisor will not answer; when none is left, that was it.
func (m *Machine) watchLost() {
	w := m.S.Watch
	if slices.ContainsFunc(w.Legs, func(l int) bool { return m.S.Legs[l].State < LegEnding }) {
		return
	}
	m.S.Watch = nil
	m.stopTimer(TimerWatch)
	m.refuseWatch(*w, 480)
}

func (m *Machine) watchTimeout() {
	if w := m.S.Watch; w != nil && w.Leg == 0 {
		for _, l := range w.Legs {
			m.endLeg(l, "no answer")
		}
		m.watchLost()
	}
}

// playAsked speaks a prompt to one side of the conversation, or to both, in the
// place of what the other says; Prompt "" stops it.
func (m *Machine) playAsked(ev PlayAsked) {
	legs := m.side(ev.Side)
	if ev.Prompt == "" {
		code := 409
		for _, l := range legs {
			if m.endAnnouncement(l, "stopped") {
				m.do(StopPlay{l})
				code = 202
			}
		}
		m.do(AnswerTransfer{Code: code})
		return
	}
	if len(legs) == 0 || m.ending() || slices.ContainsFunc(m.talkers(), m.holds) {
		m.do(AnswerTransfer{Code: 409}) // nobody there, or music is on
		return
	}
	m.do(AnswerTransfer{Code: 202})
	m.announceTo(legs, ev.Side, ev.Prompt, []prompt.Phrase{{Name: ev.Prompt}}, ev.By)
}

// Sides of a conversation that a prompt is played to.
const (
	SideCaller = "caller"
	SideAgent  = "agent"
	SideBoth   = "both"
)

// Announcement is a prompt that plays to a party of the conversation.
type Announcement struct {
	ID     uint64
	Leg    int
	Prompt string
}

// endAnnouncement journals the end of what plays to leg; false: nothing did.
func (m *Machine) endAnnouncement(leg int, outcome string) bool {
	i := slices.IndexFunc(m.S.Announcements, func(a Announcement) bool { return a.Leg == leg })
	if i < 0 {
		return false
	}
	a := m.S.Announcements[i]
	m.S.Announcements = slices.Delete(m.S.Announcements, i, i+1)
	m.journal(event.AnnouncementEnded{Announcement: a.ID &^ ownPlay, Leg: leg, Prompt: a.Prompt, Outcome: outcome})
	return true
}

// announced takes the end of a play, if it is an announcement's.
func (m *Machine) announced(leg int, id uint64, outcome string) bool {
	mine := slices.ContainsFunc(m.S.Announcements, func(a Announcement) bool { return a.Leg == leg && a.ID == id })
	return mine && m.endAnnouncement(leg, outcome)
}

// cutAnnouncements: the sound of the conversation is joined anew, which ends what plays.
func (m *Machine) cutAnnouncements() {
	for len(m.S.Announcements) > 0 {
		m.endAnnouncement(m.S.Announcements[0].Leg, "cut")
	}
}
