package call

import (
	"strings"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// A caller who waits may press keys that the queue itself knows (QueueKeys), and ask
// to be called back. The dialogue about the number goes on while the caller waits: the
// place is kept, an agent who answers meanwhile has the call, and only the yes at the
// end turns the caller into a callback.

// Callback is how a queue calls back, as calls see it.
type Callback struct {
	On    bool
	Other bool // the caller may give another number
	// OfferAfter: the announcement "callback" is made when more than this is left to
	// wait; 0 = always.
	OfferAfter time.Duration
	// Announce is the prompt that the agent hears while the customer is dialled, ""
	// = none; CallerID what the customer's phone shows, "" = the trunk's, or else the
	// number that the customer had called.
	Announce, CallerID string
	Dial               time.Duration // how long the customer's phone rings; 0 = the trunk's
}

// QueueKeyCallback and QueueKeyLeave are what a key of a queue does, beside dial
// targets ("queue:x", "flow:x", "device:x", "number:+40...").
const (
	QueueKeyCallback = "callback"
	QueueKeyLeave    = "leave" // back to the flow, with the outcome key
)

// Asking is the dialogue with a caller who wants to be called back.
type Asking struct {
	Stage  askStage
	Number string // that will be dialled
	Typed  string
	Missed int    // answers that were none
	Play   uint64 // what is being said
	// Of a flow's step; else the caller waits in State.Queue.
	Step     bool
	Queue    string
	Priority int
}

type askStage uint8

const (
	askConfirm askStage = iota // is the number right?
	askEnter                   // which one then?
	askSent                    // the ACD has the word
	askTold                    // the caller hears why not
)

const (
	askWait     = 8 * time.Second  // for a key, after what is said
	askSaying   = 40 * time.Second // bound on what is said
	askTyping   = 5 * time.Second  // between two digits
	askAnswer   = 5 * time.Second  // of the ACD
	askMissed   = 3
	askMaxTyped = 20
)

// queueKey carries out a key of the queue; false = the queue knows none.
func (m *Machine) queueKey(digit byte, via string) bool {
	what := m.rules.QueueKeys(m.S.Queue)[digit]
	if what == "" || !m.S.AwaitQueue || m.S.Brief != nil || m.S.Callback != nil {
		return false
	}
	m.journal(event.DigitPressed{Digit: string(rune(digit)), Via: via})
	switch what {
	case QueueKeyCallback:
		m.ask(&Asking{Queue: m.S.Queue})
	case QueueKeyLeave:
		m.leaveQueue(acd.LeftKey)
	default:
		m.S.KeyTo = what
		m.leaveQueue(acd.LeftKey)
	}
	return true
}

// ask begins the dialogue.
func (m *Machine) ask(a *Asking) {
	m.S.Asking = a
	rules := m.rules.QueueCallback(a.Queue)
	if !rules.On {
		m.sayNo("callback_not_possible")
		return
	}
	if n, ok := m.mayCallBack(m.knownCaller()); ok {
		a.Number = n
		m.askStage(askConfirm)
		return
	}
	if !rules.Other {
		m.sayNo("callback_not_possible")
		return
	}
	m.askStage(askEnter)
}

func (m *Machine) mayCallBack(number string) (string, bool) {
	if number == "" {
		return "", false
	}
	return m.rules.MayCallBack(m.S.Asking.Queue, number)
}

// askStage says what the stage has to say, after lead.
func (m *Machine) askStage(s askStage, lead ...string) {
	a := m.S.Asking
	a.Stage, a.Typed = s, ""
	var say []prompt.Phrase
	for _, name := range lead {
		say = append(say, prompt.Phrase{Name: name})
	}
	if s == askConfirm {
		say = append(say, prompt.Phrase{Name: "callback_number"})
		say = append(say, prompt.Language(m.S.Language).Digits(a.Number)...)
		yes := "callback_confirm"
		if m.rules.QueueCallback(a.Queue).Other {
			yes = "callback_confirm_other"
		}
		say = append(say, prompt.Phrase{Name: yes})
	} else {
		say = append(say, prompt.Phrase{Name: "callback_enter"})
	}
	m.askSay(say, askSaying)
}

func (m *Machine) askSay(say []prompt.Phrase, bound time.Duration) {
	m.restMusic()
	m.S.Asking.Play = m.speak(say, false, 0)
	m.do(SetTimer{TimerAsk, bound})
}

// sayNo tells why not, and then the caller waits on.
func (m *Machine) sayNo(name string) {
	m.S.Asking.Stage = askTold
	m.askSay([]prompt.Phrase{{Name: name}}, askSaying)
}

// askKey is a key in the dialogue.
func (m *Machine) askKey(digit byte) {
	a := m.S.Asking
	switch a.Stage {
	case askConfirm:
		switch {
		case digit == '1':
			m.askACD()
		case digit == '2' && m.rules.QueueCallback(a.Queue).Other:
			m.askStage(askEnter)
		case digit == '*':
			m.askOver("refused")
		default:
			m.askAgain("invalid")
		}
	case askEnter:
		switch {
		case digit >= '0' && digit <= '9' && len(a.Typed) < askMaxTyped:
			if a.Typed == "" {
				m.do(StopPlay{m.S.Kept})
			}
			a.Typed += string(rune(digit))
			m.do(SetTimer{TimerAsk, askTyping})
		case digit == '*' && a.Typed == "":
			m.askOver("refused")
		case digit == '*':
			m.askStage(askEnter)
		case digit == '#':
			m.entered()
		}
	}
}

// entered looks at the number that was keyed in.
func (m *Machine) entered() {
	a := m.S.Asking
	if n, ok := m.mayCallBack(a.Typed); ok {
		a.Number = n
		m.askStage(askConfirm)
		return
	}
	m.askAgain("callback_not_possible")
}

// askAgain says the stage again, a few times.
func (m *Machine) askAgain(lead string) {
	if m.S.Asking.Missed++; m.S.Asking.Missed >= askMissed {
		m.askOver("refused")
		return
	}
	m.askStage(m.S.Asking.Stage, lead)
}

// askACD asks for the callback.
func (m *Machine) askACD() {
	a := m.S.Asking
	a.Stage = askSent
	m.do(StopPlay{m.S.Kept})
	m.do(SetTimer{TimerAsk, askAnswer})
	ev := acd.AskCallback{CallID: m.S.ID, Number: a.Number, Caller: m.knownCaller(), Name: m.S.Display, Language: m.S.Language,
		Record: string(m.S.Record), To: m.S.Dialled, By: "key"}
	if m.S.Private {
		ev.Name = ""
	}
	if a.Step { // a call that waits has its queue already
		ev.By, ev.Queue, ev.Priority = "flow", a.Queue, m.S.Priority+a.Priority
		if m.S.Ledger.Queue == a.Queue {
			ev.ArrivedAt = m.S.WaitSince // it has waited there before
		}
	}
	m.tell(ev)
}

// asked is the ACD's answer.
func (m *Machine) asked(refused string) {
	a := m.S.Asking
	if a == nil || a.Stage != askSent {
		return
	}
	switch {
	case refused == acd.RefusedExists:
		m.sayNo("callback_exists")
	case refused != "":
		m.sayNo("callback_not_possible")
	case a.Step:
		m.askOver("taken")
	}
	// Else LeftQueue follows.
}

// askTimer: nothing was pressed in time.
func (m *Machine) askTimer() {
	a := m.S.Asking
	switch {
	case m.S.Callback != nil:
		m.callbackIdle()
	case a == nil:
	case a.Stage == askTold || a.Stage == askSent:
		m.askOver("refused")
	case a.Stage == askEnter && a.Typed != "":
		m.entered()
	default:
		m.askAgain("no_input")
	}
}

// askPlayed: what was said is over, or cannot be played.
func (m *Machine) askPlayed() {
	if m.S.Asking.Stage == askTold {
		m.askOver("refused")
		return
	}
	m.do(SetTimer{TimerAsk, askWait})
}

// askOver ends the dialogue: the caller waits on, or the flow goes on.
func (m *Machine) askOver(outcome string) {
	a := m.S.Asking
	m.askStop()
	switch {
	case a.Step:
		m.do(StopPlay{m.S.Kept})
		m.flowEvent(ivr.CallbackDone{Outcome: outcome})
	case m.S.Phase == Waiting:
		m.playMusic()
	}
}

// askStop ends the dialogue because the call goes on elsewhere.
func (m *Machine) askStop() {
	if m.S.Asking != nil {
		m.S.Asking = nil
		m.stopTimer(TimerAsk)
	}
}

// callbackTaken: the caller is out of the queue and keeps the place.
func (m *Machine) callbackTaken() {
	if f := m.rules.Flow(m.S.Flow); f != nil && m.S.IVR != nil {
		if step := f.Steps[m.S.IVR.Step]; step != nil && step.On[acd.LeftCallback] != "" {
			m.backToFlow(ivr.QueueLeft{Outcome: acd.LeftCallback}, "", "", "")
			return
		}
	}
	m.S.IVR = nil
	m.lastWords("callback_taken", event.ResultSuccess, event.ReasonNormal)
}

// offerCallback are the words that offer it, if this queue does so now.
func (m *Machine) offerCallback(estimate time.Duration) []prompt.Phrase {
	r := m.rules.QueueCallback(m.S.Queue)
	if !r.On || r.OfferAfter > 0 && estimate < r.OfferAfter {
		return nil
	}
	for _, k := range []byte("1234567890*#") {
		if m.rules.QueueKeys(m.S.Queue)[k] == QueueKeyCallback {
			return append([]prompt.Phrase{{Name: "callback_offer"}}, prompt.Language(m.S.Language).Digits(string(rune(k)))...)
		}
	}
	return nil
}

// keyTarget tells whether a key of the flow's queue step comes before the queue's own.
func (m *Machine) flowTakes(digit byte) bool {
	if m.S.IVR == nil {
		return false
	}
	f := m.rules.Flow(m.S.Flow)
	if f == nil || f.Steps[m.S.IVR.Step] == nil {
		return false
	}
	return strings.IndexByte(queueStepKeys(f.Steps[m.S.IVR.Step].Body), digit) >= 0
}
