package call

import (
	"slices"
	"strconv"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
)

// recordPolicy is what the queue, or whoever the call was routed by, says of
// recording.
func (m *Machine) recordPolicy() resource.Record {
	if m.S.Queue != "" {
		if r := m.rules.QueueRecord(m.S.Queue); r != resource.RecordInherit {
			return r
		}
	}
	return m.S.Record
}

// recordRinging begins a recording with the first ring, where the policy says
// so: early media of a carrier, and what the caller says meanwhile.
func (m *Machine) recordRinging(leg int) {
	if m.recordPolicy() != resource.RecordRing || m.S.Phase == Talking || m.ending() || m.nobodyYet() {
		return
	}
	if len(m.S.Attempt.Legs) > 1 {
		leg = noLeg // several ring: whoever answers gets the channel
	}
	m.record(leg)
}

// noLeg stands for a side of the recording that nobody is on yet.
const noLeg = -1

// recordTalk begins, goes on with or ends a recording when a conversation begins
// with the peer, or goes on with another.
func (m *Machine) recordTalk() {
	switch p := m.recordPolicy(); {
	case m.ending():
	case p == resource.RecordAlways, p == resource.RecordRing, p == resource.RecordOnDemand && m.S.Recording != "":
		m.record(m.S.Peer)
	default:
		m.stopRecording() // the queue it went to does not record
	}
}

// record puts the kept leg and the other on the channels of the recording, which
// begins if there is none. The file is named from our own ids only: tenant, day,
// call id.
func (m *Machine) record(other int) {
	if m.S.Recording != "" {
		m.do(TapLeg{Leg: m.S.Kept, Left: !m.S.KeptRight}) // it may have had no sound before its answer
		if other != noLeg {
			m.do(TapLeg{Leg: other, Left: m.S.KeptRight})
		}
		if m.S.RecPaused && m.S.Phase == Talking {
			m.do(PauseRecording{On: false, By: "house"}) // asked in the conversation before
		}
		return
	}
	m.S.KeptRight = false
	m.S.Recordings++
	id := m.recordingID()
	m.S.Recording, m.S.AwaitRecording = id, true
	path := m.recordingPath(id)
	m.journal(event.RecordingStarted{Recording: id, Path: path})
	m.do(StartRecording{ID: id, Path: path, Kept: m.S.Kept, Peer: other})
}

// recordingPath names a recording's file from our own ids only: tenant, day, id.
func (m *Machine) recordingPath(id string) string {
	return m.S.Tenant + "/" + m.now.UTC().Format("2006-01-02") + "/" + id + ".wav"
}

// recordingID is the id of the newest recording: the call's own, with a number
// from the second on.
func (m *Machine) recordingID() string {
	if m.S.Recordings < 2 {
		return m.S.ID
	}
	return m.S.ID + "-" + strconv.Itoa(m.S.Recordings)
}

// recordingDone: a file is closed. The call waits for the newest alone: an older
// one that is late says so itself.
func (m *Machine) recordingDone(ev RecordingDone) {
	m.journal(ev.Body)
	if m.S.Recording == "" && ev.Body.Recording == m.recordingID() {
		m.S.AwaitRecording = false
	}
	m.maybeFinish()
}

// ringOver: nobody answered, so there is nothing more to record.
func (m *Machine) ringOver() {
	if m.recordPolicy() == resource.RecordRing && !m.S.Talked {
		m.stopRecording()
	}
}

func (m *Machine) stopRecording() {
	if m.S.Recording != "" {
		m.S.Recording, m.S.RecPaused, m.S.RecAsked = "", false, false
		m.do(StopRecording{})
	}
}

// recordActions are what may be asked of a recording, by API or by a code dialled
// in the conversation; each code is the word after "record_".
var recordActions = map[string]func(m *Machine, ev RecordAsked) int{
	"start": func(m *Machine, ev RecordAsked) int {
		switch {
		case len(m.talkers()) == 0 || m.S.Recording != "" || m.S.AwaitRecording:
			return 409
		case m.recordPolicy() == resource.RecordNever || m.recordPolicy() == resource.RecordInherit:
			return 403
		}
		m.record(m.S.Peer)
		m.S.RecAsked = true
		if len(m.S.Others) > 0 {
			m.do(UntapLeg{m.S.Peer}) // its channel gets the mix of all but the kept leg
			m.confer(slices.DeleteFunc(m.talkers(), m.holds))
		} else if m.watching() {
			m.remix()
		}
		return 202
	},
	"stop": func(m *Machine, ev RecordAsked) int {
		switch {
		case m.S.Recording == "":
			return 409
		case ev.By == byKeys && !m.S.RecAsked:
			return 403 // the house wants it recorded
		}
		m.stopRecording()
		return 202
	},
	"pause": func(m *Machine, ev RecordAsked) int {
		if m.S.Recording == "" || m.S.RecPaused {
			return 409
		}
		m.S.RecPaused = true
		m.do(PauseRecording{On: true, By: ev.By})
		return 202
	},
	"resume": func(m *Machine, ev RecordAsked) int {
		if m.S.Recording == "" || !m.S.RecPaused {
			return 409
		}
		m.do(PauseRecording{On: false, By: ev.By})
		return 202
	},
}

// byKeys: asked by a code dialled on the phone.
const byKeys = "keys"

func (m *Machine) recordAsked(ev RecordAsked) {
	code := 409
	if do := recordActions[ev.Action]; do != nil && !m.ending() {
		code = do(m, ev)
	}
	m.do(AnswerTransfer{Leg: ev.Leg, Code: code})
	if ev.By != byKeys || code != 202 {
		return
	}
	// Whoever dialled hears what became of it, and nobody else does.
	tone := recordsTone
	if m.S.Recording == "" || ev.Action == "pause" {
		tone = recordsNotTone
	}
	m.do(PlayClip{Leg: ev.Leg, ID: m.nextPlay(), Clip: tone})
}

// recordingMarked: the recorder has paused or gone on, and where.
func (m *Machine) recordingMarked(ev RecordingMarked) {
	if ev.Recording != m.S.Recording {
		return // it was over already
	}
	if m.S.RecPaused = ev.Paused; ev.Paused {
		m.journal(event.RecordingPaused{Recording: ev.Recording, AtMs: ev.AtMs, By: ev.By})
	} else {
		m.journal(event.RecordingResumed{Recording: ev.Recording, AtMs: ev.AtMs, By: ev.By})
	}
}
