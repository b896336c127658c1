package call

import (
	"crypto/subtle"
	"time"

	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// A box is opened by phone with the code of the house: the PIN where there is one,
// then how many messages there are, then each of them, new ones first, with a menu
// behind it. What is done to a message is an event; the store makes the box of them.

// Mailbox is a phone that listens to a box.
type Mailbox struct {
	Box   string
	Part  mailboxPart
	Typed string // of the PIN
	Tries int    // wrong PINs, then times the menu was not answered
	List  []MailboxMessage
	At    int // message of the moment
}

// MailboxMessage is one message as the listener has it.
type MailboxMessage struct {
	ID, Path string
	From     string // "" withheld
	New      bool
}

type mailboxPart uint8

const (
	mailboxPIN mailboxPart = iota
	mailboxListing
	mailboxCount // how many there are is spoken
	mailboxHead  // who it is from is spoken
	mailboxSound // the message itself
	mailboxMenu
	mailboxWord // a word before the next message
	mailboxOver // the last words
)

// Bounds of a box opened by phone.
const (
	pinTries     = 3
	menuTries    = 3
	pinWait      = 10 * time.Second // for a key of the PIN
	menuWait     = 6 * time.Second  // behind the options
	mailboxBound = 5 * time.Second  // for the store
)

// openMailbox is the code of the house: number "" is the phone's own box.
func (m *Machine) openMailbox(number string) {
	v, device := m.rules.Voicemail(), m.S.Legs[0].Device
	name := ""
	if v != nil {
		if name = v.Own[device]; number != "" {
			name = v.Numbers[number]
		}
	}
	if name == "" || v.Boxes[name] == nil || v.Boxes[name].PIN == "" && v.Own[device] != name {
		m.do(DoFeature{Action: "not_allowed"})
		return
	}
	m.S.Phase = Messaging
	m.S.Mailbox = &Mailbox{Box: name}
	if v.Boxes[name].PIN == "" {
		m.mailboxOpen()
		return
	}
	m.speak([]prompt.Phrase{{Name: "enter_pin"}}, false, 0)
	m.do(SetTimer{TimerVoicemail, pinWait})
}

func (m *Machine) mailboxOpen() {
	b := m.S.Mailbox
	b.Part = mailboxListing
	m.journal(event.VoicemailOpened{Box: b.Box, Device: m.S.Legs[0].Device, Outcome: "opened"})
	m.do(ListMailbox{b.Box})
	m.do(SetTimer{TimerVoicemail, mailboxBound})
}

// mailboxListed: the store has told what is in the box.
func (m *Machine) mailboxListed(ev MailboxListed) {
	b := m.S.Mailbox
	if b == nil || b.Part != mailboxListing || m.ending() {
		return
	}
	m.stopTimer(TimerVoicemail)
	if ev.Failed {
		m.mailboxBye("sorry")
		return
	}
	b.List, b.Part, b.Tries = ev.List, mailboxCount, 0
	fresh := 0
	for _, msg := range b.List {
		if msg.New {
			fresh++
		}
	}
	if len(b.List) == 0 {
		m.mailboxBye("no_messages")
		return
	}
	lang := prompt.Language(m.S.Language)
	say := append([]prompt.Phrase{{Name: "new_messages"}}, lang.Number(fresh)...)
	if old := len(b.List) - fresh; old > 0 {
		say = append(append(say, prompt.Phrase{Name: "saved_messages"}), lang.Number(old)...)
	}
	m.speak(say, false, 0)
}

// mailboxPlayed: what the listener heard is over.
func (m *Machine) mailboxPlayed() {
	switch b := m.S.Mailbox; b.Part {
	case mailboxPIN:
	case mailboxCount, mailboxWord:
		m.mailboxMessage()
	case mailboxHead:
		b.Part = mailboxSound
		m.do(PlayRecording{Leg: m.S.Kept, ID: m.nextPlay(), Path: b.List[b.At].Path})
	case mailboxSound:
		m.mailboxMark("saved") // heard to the end
		m.mailboxOptions()
	case mailboxMenu:
		m.do(SetTimer{TimerVoicemail, menuWait})
	case mailboxOver:
		m.end(event.ResultSuccess, event.ReasonNormal)
	}
}

// mailboxMessage begins the message of the moment, or ends behind the last.
func (m *Machine) mailboxMessage() {
	b := m.S.Mailbox
	if b.At >= len(b.List) {
		m.mailboxBye("no_more_messages")
		return
	}
	b.Part, b.Tries = mailboxHead, 0
	from := prompt.Language(m.S.Language).Digits(b.List[b.At].From)
	if len(from) == 0 {
		from = []prompt.Phrase{{Name: "withheld_number"}}
	}
	m.speak(append([]prompt.Phrase{{Name: "message_from"}}, from...), false, 0)
}

func (m *Machine) mailboxOptions() {
	m.S.Mailbox.Part = mailboxMenu
	m.speak([]prompt.Phrase{{Name: "message_options"}}, false, 0)
}

func (m *Machine) mailboxBye(name string) {
	m.stopTimer(TimerVoicemail)
	m.S.Mailbox.Part = mailboxOver
	m.speak([]prompt.Phrase{{Name: name}, {Name: "goodbye"}}, false, 0)
}

// mailboxMark tells the state of the message of the moment, when it has another.
func (m *Machine) mailboxMark(state string) {
	b := m.S.Mailbox
	msg := &b.List[b.At]
	if fresh := state == "new"; msg.New != fresh {
		msg.New = fresh
		m.journal(event.VoicemailMarked{Message: msg.ID, Box: b.Box, State: state, By: "phone"})
	}
}

// mailboxKeys are what may be pressed while a message or its menu is heard.
var mailboxKeys = map[byte]func(m *Machine, b *Mailbox){
	'1': func(m *Machine, _ *Mailbox) { m.mailboxMessage() },
	'2': func(m *Machine, b *Mailbox) { b.At++; m.mailboxMessage() },
	'3': func(m *Machine, b *Mailbox) {
		m.journal(event.VoicemailDeleted{Message: b.List[b.At].ID, Box: b.Box, By: "phone"})
		b.List = append(b.List[:b.At:b.At], b.List[b.At+1:]...)
		m.mailboxWord("message_deleted")
	},
	'4': func(m *Machine, b *Mailbox) {
		m.mailboxMark("saved")
		b.At++
		m.mailboxWord("message_saved")
	},
	'5': func(m *Machine, b *Mailbox) {
		if from := b.List[b.At].From; from != "" {
			m.do(RouteNumber{Leg: m.S.Kept, To: from})
			return
		}
		m.mailboxWord("withheld_number")
	},
	'*': func(m *Machine, _ *Mailbox) { m.mailboxBye("thank_you") },
}

func (m *Machine) mailboxWord(name string) {
	m.S.Mailbox.Part = mailboxWord
	m.speak([]prompt.Phrase{{Name: name}}, false, 0)
}

func (m *Machine) mailboxKey(digit byte) {
	b := m.S.Mailbox
	switch b.Part {
	case mailboxPIN:
		m.pinKey(digit)
	case mailboxHead, mailboxSound, mailboxMenu:
		if do := mailboxKeys[digit]; do != nil {
			m.stopTimer(TimerVoicemail)
			m.do(StopPlay{m.S.Kept})
			do(m, b)
		}
	}
}

func (m *Machine) pinKey(digit byte) {
	b, want := m.S.Mailbox, m.rules.Voicemail().Boxes[m.S.Mailbox.Box].PIN
	if b.Typed == "" {
		m.do(StopPlay{m.S.Kept})
	}
	if digit != '#' {
		b.Typed += string(rune(digit))
		if len(b.Typed) < len(want) {
			m.do(SetTimer{TimerVoicemail, pinWait})
			return
		}
	}
	m.stopTimer(TimerVoicemail)
	typed := b.Typed
	b.Typed = ""
	if subtle.ConstantTimeCompare([]byte(typed), []byte(want)) == 1 {
		m.mailboxOpen()
		return
	}
	m.pinWrong()
}

func (m *Machine) pinWrong() {
	b := m.S.Mailbox
	m.journal(event.VoicemailOpened{Box: b.Box, Device: m.S.Legs[0].Device, Outcome: "wrong_pin"})
	if b.Tries++; b.Tries >= pinTries {
		m.mailboxBye("wrong_pin")
		return
	}
	m.speak([]prompt.Phrase{{Name: "wrong_pin"}, {Name: "enter_pin"}}, false, 0)
	m.do(SetTimer{TimerVoicemail, pinWait})
}

// messageTimeout: the caller has spoken long enough, or the listener pressed nothing.
func (m *Machine) messageTimeout() {
	if l := m.S.Leaving; l != nil && l.Part == leavingSpeaks {
		m.messageSpoken()
		return
	}
	b := m.S.Mailbox
	if b == nil {
		return
	}
	switch b.Part {
	case mailboxPIN:
		b.Typed = ""
		m.pinWrong()
	case mailboxListing:
		m.mailboxBye("sorry")
	case mailboxMenu:
		if b.Tries++; b.Tries >= menuTries {
			m.mailboxBye("thank_you")
			return
		}
		m.mailboxOptions()
	}
}

// numberRouted: where the number of a message leads from this phone.
func (m *Machine) numberRouted(ev NumberRouted) {
	if m.S.Mailbox == nil || m.ending() {
		return
	}
	if ev.Refuse != 0 || ev.Target.Kind == route.Feature {
		m.mailboxWord("not_allowed")
		return
	}
	m.S.Mailbox = nil
	m.S.Record = ev.Target.Record
	m.lead(ev.Target)
}
