package subscription

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// Content types of the documents.
const (
	dialogInfoType     = "application/dialog-info+xml"
	messageSummaryType = "application/simple-message-summary"
)

// ContentType is what the NOTIFYs of a package carry, "" for an unknown one.
func ContentType(pkg string) string {
	switch pkg {
	case DialogEvent:
		return dialogInfoType
	case MessageSummary:
		return messageSummaryType
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

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything; bad UTF-8 becomes U+FFFD
	return b.String()
}

// messageSummary writes the document of RFC 3842 5.
func messageSummary(account string, m Messages) []byte {
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
