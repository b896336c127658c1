package call

import (
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/event"
)

// Message is what a caller says into a file of its own, for a flow.
type Message struct {
	ID         uint64 // the flow's action
	Recording  string
	Path       string
	Flow, Step string
	For        string
	Min        time.Duration // of voice, when the caller decides nothing
	// Closed: the file is there, and nobody has said yet whether it is kept.
	Closed *MessageDone
	Drop   bool // it is not, as soon as it is closed
	Over   bool // what comes of it is heard by no flow any more
}

// startMessage is the Record of a flow.
func (m *Machine) startMessage(a ivr.Record) {
	m.settleMessage(true) // the flow has said nothing of the one before
	if !m.answered() {
		m.flowEvent(ivr.RecordDone{ID: a.ID, Outcome: flow.OutcomeFailed})
		return
	}
	m.openMessage(Message{ID: a.ID, Flow: m.S.IVR.Flow, Step: m.S.IVR.Step, For: a.For, Min: a.Min}, a.Silence)
	m.heard()
}

// openMessage begins a file for what the caller says.
func (m *Machine) openMessage(g Message, silence time.Duration) {
	m.S.Messages++
	m.S.AwaitMessages++
	id := m.S.ID + "-m" + strconv.Itoa(m.S.Messages)
	path := m.recordingPath(id)
	g.Recording, g.Path = id, path
	m.S.Message = &g
	started := event.RecordingStarted{Recording: id, Path: path, Message: true}
	if box, ok := strings.CutPrefix(g.For, toBox); ok {
		started.Box = box
	}
	m.journal(started)
	m.do(StartMessage{Recording: id, Path: path, Leg: m.S.Kept, Silence: silence})
}

// messageQuiet: nothing was said for a while.
func (m *Machine) messageQuiet(ev MessageQuiet) {
	if l := m.S.Leaving; l != nil && l.Part == leavingSpeaks && !m.ending() {
		m.messageSpoken()
		return
	}
	if g := m.S.Message; g != nil && g.Recording == ev.Recording && !g.Over && g.Closed == nil && m.S.Phase == Menu && m.S.IVR != nil {
		m.flowEvent(ivr.RecordQuiet{ID: g.ID})
	}
}

// messageDone: the file is closed. It counts as there once it is known to be kept.
func (m *Machine) messageDone(ev MessageDone) {
	m.S.AwaitMessages--
	g := m.S.Message
	if g == nil || g.Recording != ev.Body.Recording {
		m.journal(ev.Body) // one that was given up long ago
		m.maybeFinish()
		return
	}
	g.Closed = &ev
	if m.ending() || g.Over {
		m.settleMessage(!g.Drop && ev.Voice >= g.Min)
		m.maybeFinish()
		return
	}
	if m.S.Leaving != nil {
		keep := ev.Body.SizeBytes > 0 && ev.Voice >= g.Min
		m.settleMessage(keep)
		switch {
		case keep:
			m.messageClosed("left")
		case ev.Body.SizeBytes == 0:
			m.messageClosed("failed")
		default:
			m.messageClosed("empty")
		}
		return
	}
	done := ivr.RecordDone{ID: g.ID, Outcome: flow.OutcomeDone, Recording: g.Recording, Path: ev.Body.Path,
		Duration: time.Duration(ev.Body.DurationMs) * time.Millisecond, Voice: ev.Voice}
	if ev.Body.SizeBytes == 0 {
		done.Outcome = flow.OutcomeFailed
		m.settleMessage(false)
	}
	if m.S.IVR != nil && m.S.Phase == Menu {
		m.flowEvent(done)
	}
}

// decideMessage is the flow's KeepMessage or DropMessage.
func (m *Machine) decideMessage(recording string, keep bool) {
	if g := m.S.Message; g != nil && g.Recording == recording {
		m.settleMessage(keep)
	}
}

// settleMessage keeps the message at hand, or throws it away.
func (m *Machine) settleMessage(keep bool) {
	g := m.S.Message
	if g == nil {
		return
	}
	if g.Closed == nil { // it will be settled when its file is closed
		g.Over, g.Drop = true, g.Drop || !keep
		m.do(EndMessage{})
		return
	}
	body := g.Closed.Body
	m.S.Message = nil
	if keep {
		m.journal(body)
		m.journal(event.MessageKept{Recording: g.Recording, Path: body.Path, Flow: g.Flow, Step: g.Step, For: g.For,
			DurationMs: body.DurationMs, VoiceMs: g.Closed.Voice.Milliseconds()})
		m.putIntoBox(g, body)
		m.putIntoSurvey(g)
		return
	}
	if body.SizeBytes > 0 {
		m.do(DropRecording{body.Path})
	}
	fault := body.Fault
	if fault == "" {
		fault = event.FaultDiscarded
	}
	m.journal(event.RecordingEnded{Recording: g.Recording, Path: body.Path, Fault: fault})
}

// endMessage: the call is over. What was said so far stays if it is enough.
func (m *Machine) endMessage() {
	if g := m.S.Message; g != nil {
		m.settleMessage(g.Closed == nil || g.Closed.Voice >= g.Min)
	}
}
