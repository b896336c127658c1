package call

import (
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/pkg/event"
)

// A caller who leaves a message hears the box's greeting and a tone, speaks, and
// ends with the hash key, by falling silent or hanging up, or when the box's length is
// over. The sound is a recording of the caller's side (machine_message.go), so it can be
// played whatever becomes of the process; it is in the box when its file is closed and
// somebody has spoken. A flow that led here goes on with
// the outcome, else the call ends.

// Voicemails are a tenant's boxes as calls see them: a snapshot.
type Voicemails struct {
	Boxes   map[string]*Box
	Numbers map[string]string // number behind the code of the house -> box
	Own     map[string]string // device -> the box that it opens
	// Fallback is where direct calls go that a device does not take.
	Fallback map[string]Fallback
	// Full tells that a box holds as many messages as it may. It is asked on a call's
	// turn: from memory. nil = never.
	Full func(box string) bool
}

// Box is one mailbox.
type Box struct {
	Greeting  string // prompt
	PIN       string // "" = opened by its owners' phones alone
	MaxLength time.Duration
}

// Fallback is the box for a device's direct calls.
type Fallback struct {
	Box   string
	After time.Duration // the phone rings so long
}

// Leaving is a caller who is about to leave a message.
type Leaving struct {
	Box     string
	Part    leavingPart
	Step    uint64 // the flow's action that waits for the end, 0 none
	Outcome string // told to the flow: "left", "empty", "full", "failed"
}

type leavingPart uint8

const (
	leavingGreeting leavingPart = iota
	leavingTone
	leavingSpeaks
	leavingCloses // the file is being closed: is it a message?
	leavingOver   // the last words are spoken
)

// What ends a message, and what is none: a caller who hangs up at the tone has left no
// message.
const (
	messageSilence = 6 * time.Second
	messageVoice   = 500 * time.Millisecond
)

// messageTone is the beep: 1 kHz, as answering machines have it.
var messageTone = play.Tone(400*time.Millisecond, -15, 1000)

// leaveMessage lets the caller leave a message in a box; step is the action of the
// flow that leads here, 0 none.
func (m *Machine) leaveMessage(name string, step uint64) {
	m.S.Leaving = &Leaving{Box: name, Step: step, Outcome: "failed"}
	v := m.rules.Voicemail()
	if v == nil || v.Boxes[name] == nil {
		m.leavingDone() // it was removed since the call began; the check sees to the rest
		return
	}
	m.answer()
	m.S.Phase, m.S.Queue = Messaging, ""
	m.segment(event.SegmentStarted{Segment: event.SegmentMenu, Flow: "voicemail:" + name})
	if v.Full != nil && v.Full(name) {
		m.leavingOver("full", "voicemail_full")
		return
	}
	m.speak([]prompt.Phrase{{Name: v.Boxes[name].Greeting}}, false, 0)
}

// leavingPlayed: what the caller hears is over, or could not be played.
func (m *Machine) leavingPlayed() {
	l := m.S.Leaving
	switch l.Part {
	case leavingGreeting:
		l.Part = leavingTone
		m.do(PlayClip{Leg: m.S.Kept, ID: m.nextPlay(), Clip: messageTone})
	case leavingTone:
		m.recordMessage()
	case leavingOver:
		m.leavingDone()
	}
}

// messagingPlayed: the sound of that id has ended, of a message left or listened to.
func (m *Machine) messagingPlayed(id uint64) {
	switch {
	case id != ownPlay|m.S.PlayID:
	case m.S.Leaving != nil:
		m.leavingPlayed()
	case m.S.Mailbox != nil:
		m.mailboxPlayed()
	}
}

// leavingKey: a key ends the greeting, the hash key the message.
func (m *Machine) leavingKey(digit byte) {
	switch l := m.S.Leaving; {
	case l.Part == leavingGreeting:
		m.do(StopPlay{m.S.Kept})
		m.leavingPlayed()
	case l.Part == leavingSpeaks && digit == '#':
		m.messageSpoken()
	}
}

// recordMessage opens a recording of the caller alone.
func (m *Machine) recordMessage() {
	l := m.S.Leaving
	l.Part = leavingSpeaks
	m.openMessage(Message{For: toBox + l.Box, Min: messageVoice}, messageSilence)
	m.do(SetTimer{TimerVoicemail, m.rules.Voicemail().Boxes[l.Box].MaxLength})
}

// messageSpoken ends the recording; what it holds is known when it is closed.
func (m *Machine) messageSpoken() {
	m.S.Leaving.Part = leavingCloses
	m.stopTimer(TimerVoicemail)
	m.do(EndMessage{})
}

// messageClosed: the caller hears that the message is kept, or that it is none.
func (m *Machine) messageClosed(outcome string) {
	if l := m.S.Leaving; l == nil || l.Part != leavingSpeaks && l.Part != leavingCloses || m.ending() {
		return
	}
	m.stopTimer(TimerVoicemail)
	m.leavingOver(outcome, map[string]string{"left": "message_saved", "empty": "goodbye", "failed": "sorry"}[outcome])
}

// toBox begins what a message is for when that is a box.
const toBox = "voicemail:"

// putIntoBox: the message is kept; when it is for a box, it is there now.
func (m *Machine) putIntoBox(g *Message, r event.RecordingEnded) {
	box, ok := strings.CutPrefix(g.For, toBox)
	if !ok {
		return
	}
	left := event.VoicemailLeft{Message: g.Recording, Box: box, DurationMs: r.DurationMs, Fault: r.Fault}
	if !m.S.Private {
		left.From, left.Display = m.S.From, m.S.Display
	}
	m.journal(left)
}

func (m *Machine) leavingOver(outcome, name string) {
	m.S.Leaving.Part, m.S.Leaving.Outcome = leavingOver, outcome
	m.speak([]prompt.Phrase{{Name: name}}, false, 0)
}

// leavingDone goes back to the flow, or ends the call.
func (m *Machine) leavingDone() {
	l := m.S.Leaving
	m.S.Leaving = nil
	switch {
	case l.Step != 0 && m.S.IVR != nil:
		m.S.Phase = Menu
		m.flowEvent(ivr.VoicemailDone{ID: l.Step, Outcome: l.Outcome})
	case l.Outcome == "failed":
		m.lastWords("sorry", event.ResultOurs, event.ReasonError)
	default:
		m.end(event.ResultSuccess, event.ReasonNormal)
	}
}

// toVoicemail takes a direct call that its device did not take; false: it has no box.
func (m *Machine) toVoicemail() bool {
	box := m.S.Fallback
	m.S.Fallback = ""
	if box == "" {
		return false
	}
	m.leaveMessage(box, 0)
	return true
}

// dialDirect rings the device that was dialled, and remembers its box.
func (m *Machine) dialDirect(device string) {
	ring := defaultRing
	if v := m.rules.Voicemail(); v != nil {
		if f, ok := v.Fallback[device]; ok {
			m.S.Fallback, ring = f.Box, f.After
		}
	}
	m.dial(dialForRoute, []string{"device:" + device}, false, ring, "")
}
