package ivr

import (
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
)

// Stages of a step that takes a message.
const (
	takeGreeting = ""        // the prompts are heard
	takeBeep     = "beep"    // the beep
	takeRecord   = "record"  // the caller speaks
	takeClosing  = "closing" // the file is being closed
	takeReview   = "review"  // keep, hear or repeat?
	takeListen   = "listen"  // the message is played back
)

const (
	beepLength = 400 * time.Millisecond
	// closeBound is how long a message's file may take to close; the caller hears
	// nothing meanwhile.
	closeBound = 5 * time.Second
)

// Keys of the review.
const (
	keyKeep, keyHear, keyRepeat = '1', '2', '3'
)

func (m *machine) record(step *flow.Step) string {
	m.s.Typed = "" // a key ends a message: none of before
	return m.ask(step, true, nil, step.Body.(*flow.Record).Prompts)
}

func bargeRecord(*flow.Step) bool { return true }

func (m *machine) recordHeard(step *flow.Step) string {
	b := step.Body.(*flow.Record)
	switch m.s.Stage {
	case takeReview:
		if m.s.Typed != "" {
			return m.recordTyped(step)
		}
		m.wait(PhaseListening, b.Timeout)
		return ""
	case takeListen:
		return m.review(step, b)
	}
	return m.beep(&b.Message)
}

// beep, then the message begins.
func (m *machine) beep(msg *flow.Message) string {
	m.answer()
	m.s.Typed = ""
	if !msg.Beep {
		return m.take(msg)
	}
	m.s.Stage, m.s.Wait = takeBeep, m.id()
	m.do(Tone{m.s.Wait, "beep", nil, beepLength})
	m.wait(PhaseTimed, beepLength)
	return ""
}

// take begins the message.
func (m *machine) take(msg *flow.Message) string {
	m.s.Stage, m.s.Wait = takeRecord, m.id()
	m.wait(PhaseRecording, msg.Max)
	m.do(Record{ID: m.s.Wait, For: m.s.TakeFor, Silence: msg.Silence, Min: msg.Min})
	return ""
}

// takeOver ends the message; RecordDone follows.
func (m *machine) takeOver() {
	m.stopTimer()
	m.s.Stage = takeClosing
	m.do(StopRecord{m.s.Wait})
	m.wait(PhaseClosing, closeBound)
}

func (m *machine) recordElapsed(step *flow.Step) string {
	b := step.Body.(*flow.Record)
	switch m.s.Stage {
	case takeBeep:
		m.leave()
		return m.take(&b.Message)
	case takeRecord:
		m.takeOver()
		return ""
	case takeReview:
		return m.keepTake(step, b)
	}
	m.leave()
	return m.takeFailed(step, "the message's file is not closed in time")
}

// recordKey is a key in the message.
func (m *machine) recordKey(step *flow.Step, ev Digit) {
	end := step.Body.(*flow.Record).End
	if m.s.Stage != takeRecord || end != 0 && ev.Digit != end {
		m.ignore(ev, "not the key that ends the message")
		return
	}
	m.do(Keyed{Digit: ev.Digit})
	m.s.Hops = 0
	m.takeOver()
}

func (m *machine) recordTyped(step *flow.Step) string {
	b := step.Body.(*flow.Record)
	switch m.s.Stage {
	case takeListen:
		m.s.Stage = takeReview
	case takeReview:
	default: // a key in the greeting: go on to the beep
		m.key(false)
		return m.beep(&b.Message)
	}
	switch m.key(false) {
	case keyKeep:
		return m.keepTake(step, b)
	case keyHear:
		m.s.Stage = takeListen
		m.s.Typed = ""
		m.play([]prompt.Phrase{{Recording: m.s.TakePath}})
		return ""
	case keyRepeat:
		m.drop()
		return m.beep(&b.Message)
	}
	m.s.Typed = ""
	return m.review(step, b)
}

// review asks what to do with the message. Who says nothing keeps it.
func (m *machine) review(step *flow.Step, b *flow.Record) string {
	if m.s.Tries++; m.s.Tries > b.Retries+1 {
		return m.keepTake(step, b)
	}
	m.s.Stage = takeReview
	return m.ask(step, true, nil, b.Review)
}

func (m *machine) keepTake(step *flow.Step, b *flow.Record) string {
	m.do(KeepMessage{m.s.Take})
	if b.Into != "" {
		if err := m.keep(b.Into, m.s.Take); err != nil {
			return m.fail(err.Error())
		}
	}
	m.s.LastMessage, m.s.Take, m.s.TakePath = m.s.TakePath, "", ""
	return step.Next
}

// drop throws the take away.
func (m *machine) drop() {
	if m.s.Take != "" {
		m.do(DropMessage{m.s.Take})
		m.s.Take, m.s.TakePath = "", ""
	}
}

func (m *machine) recordOver(step *flow.Step, ev Event) {
	switch ev := ev.(type) {
	case RecordQuiet:
		if ev.ID == m.s.Wait && m.s.Stage == takeRecord {
			m.takeOver()
			return
		}
	case RecordDone:
		if ev.ID == m.s.Wait && (m.s.Phase == PhaseClosing || m.s.Phase == PhaseRecording) {
			m.stopTimer()
			m.s.Wait, m.s.Phase = 0, ""
			m.run(m.taken(step, ev))
			return
		}
	}
	m.ignore(ev, "not the message that is awaited")
}

// taken goes on with a message that was recorded.
func (m *machine) taken(step *flow.Step, ev RecordDone) string {
	b := step.Body.(*flow.Record)
	if ev.Outcome != flow.OutcomeDone {
		return m.takeFailed(step, "the message could not be recorded")
	}
	m.s.Take, m.s.TakePath, m.s.Hops = ev.Recording, ev.Path, 0
	switch {
	case ev.Voice < b.Min:
		m.drop()
		if m.s.Tries++; m.s.Tries > b.Retries {
			if to := step.On["empty"]; to != "" {
				return to
			}
			return step.Next
		}
		m.s.Stage = takeGreeting
		return m.ask(step, true, b.TooShort, b.Prompts)
	case len(b.Review) > 0:
		m.s.Tries = 0
		return m.review(step, b)
	}
	return m.keepTake(step, b)
}

func (m *machine) takeFailed(step *flow.Step, why string) string {
	if to := step.On["failed"]; to != "" {
		m.do(Fail{m.f.Name, m.s.Step, why})
		return to
	}
	return m.fail(why)
}

func (m *machine) recordFailed(step *flow.Step, ev Failed) {
	if m.s.Stage == takeListen { // it cannot be heard, and is there all the same
		m.s.Wait, m.s.Phase = 0, ""
		m.run(m.review(step, step.Body.(*flow.Record)))
		return
	}
	m.leave()
	m.run(m.takeFailed(step, ev.Err))
}
