package subscription

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Content types of the documents.
const (
	dialogInfoType     = "application/dialog-info+xml"
	messageSummaryType = "application/simple-message-summary"
	regInfoType        = "application/reginfo+xml"
)

// ContentType is what the NOTIFYs of a package carry, "" for an unknown one.
func ContentType(pkg string) string {
	switch pkg {
	case DialogEvent:
		return dialogInfoType
	case MessageSummary:
		return messageSummaryType
	case RegEvent:
		return regInfoType
	}
	return ""
}

// State is the state of a device's dialog, RFC 4235 3.7.1.
type State uint8

// States of a dialog.
const (
	Trying     State = iota // dialled, nothing heard
	Proceeding              // heard of, not ringing
	Early                   // rings
	Confirmed               // in conversation
	Terminated              // over: not part of a device's state
)

var stateNames = [...]string{"trying", "proceeding", "early", "confirmed", "terminated"}

// String is the state as the document writes it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "terminated"
}

// Dialog is one dialog of a device, from the device's side.
type Dialog struct {
	ID     string // unique for the device as long as the dialog lives
	State  State
	CallID string // with the tags: what a pick-up names in Replaces; "" is not told
	// LocalTag is the device's tag, RemoteTag ours.
	LocalTag, RemoteTag string
	Initiator           bool   // the device called; else it was called
	RemoteName          string // display name of the other party, "" none
	RemoteURI           string // "sip:..." of it, "" not told
}

// ContactEvent is what last happened to a registration, RFC 3680 5.3.
type ContactEvent string

// Events of a registration.
const (
	ContactRegistered   ContactEvent = "registered"
	ContactUnregistered ContactEvent = "unregistered" // by its phone
	ContactExpired      ContactEvent = "expired"
	ContactDeactivated  ContactEvent = "deactivated" // by us: its connection or its phone is gone, it may register again
)

// Contact is one registration of a device.
type Contact struct {
	ID      string // unique for the device and never used for another URI
	URI     string
	Event   ContactEvent
	Expires time.Time
	Q       int // 0..1000
	CallID  string
	CSeq    uint32
}

// Messages is what waits in a device's voice mail.
type Messages struct{ New, Old int }

// diff lists what a watcher has to be told who knows told: what is new or
// changed, and what is gone as Terminated.
func diff(told, now []Dialog) []Dialog {
	var out []Dialog
	for _, d := range told {
		if !slices.ContainsFunc(now, func(n Dialog) bool { return n.ID == d.ID }) {
			d.State = Terminated
			out = append(out, d)
		}
	}
	for _, d := range now {
		if !slices.Contains(told, d) {
			out = append(out, d)
		}
	}
	return out
}

// dialogInfo writes the document of RFC 4235 4.
func dialogInfo(version uint32, full bool, entity string, list []Dialog) []byte {
	var b bytes.Buffer
	state := "partial"
	if full {
		state = "full"
	}
	fmt.Fprintf(&b, "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"%d\" state=\"%s\" entity=\"%s\">\r\n",
		version, state, escape(entity))
	for _, d := range list {
		fmt.Fprintf(&b, "<dialog id=\"%s\"", escape(d.ID))
		if d.CallID != "" {
			fmt.Fprintf(&b, " call-id=\"%s\" local-tag=\"%s\" remote-tag=\"%s\"", escape(d.CallID), escape(d.LocalTag), escape(d.RemoteTag))
		}
		direction := "recipient"
		if d.Initiator {
			direction = "initiator"
		}
		fmt.Fprintf(&b, " direction=\"%s\">\r\n<state>%s</state>\r\n", direction, d.State)
		fmt.Fprintf(&b, "<local><identity>%s</identity><target uri=\"%s\"/></local>\r\n", escape(entity), escape(entity))
		if d.RemoteURI != "" {
			b.WriteString("<remote><identity")
			if d.RemoteName != "" {
				fmt.Fprintf(&b, " display=\"%s\"", escape(d.RemoteName))
			}
			fmt.Fprintf(&b, ">%s</identity><target uri=\"%s\"/></remote>\r\n", escape(d.RemoteURI), escape(d.RemoteURI))
		}
		b.WriteString("</dialog>\r\n")
	}
	b.WriteString("</dialog-info>\r\n")
	return b.Bytes()
}

// regInfo writes the document of RFC 3680 5.
func regInfo(now time.Time, version uint32, entity string, list, gone []Contact) []byte {
	var b bytes.Buffer
	state := "active"
	switch {
	case len(list) == 0 && len(gone) > 0:
		state = "terminated"
	case len(list) == 0:
		state = "init"
	}
	fmt.Fprintf(&b, "<?xml version=\"1.0\"?>\r\n<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"%d\" state=\"full\">\r\n", version)
	fmt.Fprintf(&b, "<registration aor=\"%s\" id=\"r\" state=\"%s\">\r\n", escape(entity), state)
	one := func(c Contact, state string) {
		fmt.Fprintf(&b, "<contact id=\"%s\" state=\"%s\" event=\"%s\"", escape(c.ID), state, c.Event)
		if state == "active" {
			fmt.Fprintf(&b, " expires=\"%d\"", max(int64(c.Expires.Sub(now)/time.Second), 0))
		}
		fmt.Fprintf(&b, " q=\"%d.%03d\" callid=\"%s\" cseq=\"%d\">\r\n<uri>%s</uri>\r\n</contact>\r\n", c.Q/1000, c.Q%1000, escape(c.CallID), c.CSeq, escape(c.URI))
	}
	for _, c := range gone {
		one(c, "terminated")
	}
	for _, c := range list {
		one(c, "active")
	}
	b.WriteString("</registration>\r\n</reginfo>\r\n")
	return b.Bytes()
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything; bad UTF-8 becomes U+FFFD
	return b.String()
}

// MessageSummaryBody writes the document of RFC 3842 5 about an account's messages.
func MessageSummaryBody(account string, m Messages) []byte {
	waiting := "no"
	if m.New > 0 {
		waiting = "yes"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Messages-Waiting: %s\r\n", waiting)
	if account != "" {
		fmt.Fprintf(&b, "Message-Account: %s\r\n", account)
	}
	fmt.Fprintf(&b, "Voice-Message: %d/%d (0/0)\r\n", m.New, m.Old)
	return b.Bytes()
}
