package resource

import (
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/config/strict"
)

// VoicemailSpec: a box in which callers leave messages. Calls come to it from a
// number, a device that does not answer, a queue's overflow, a flow's step or the
// tenant's default_target. Its owners' phones show that messages wait (RFC 3842)
// and open it with *97.
type VoicemailSpec struct {
	DisplayName string `yaml:"display_name,omitempty"`
	// Users whose box it is; Queue: the users who serve that queue too.
	Users []string `yaml:"users,omitempty"`
	Queue string   `yaml:"queue,omitempty"`
	// Number opens it from any phone of the house with *97NUMBER and its PIN.
	Number string `yaml:"number,omitempty"`
	// PIN is asked for when the box is opened by phone, four to ten digits. Without
	// one it opens on its owners' own phones alone.
	PIN string `yaml:"pin,omitempty" secret:"true"`
	// Greeting is the prompt that callers hear before the tone; default voicemail_greeting.
	Greeting string `yaml:"greeting,omitempty"`
	// MaxLength of a message; default 3m.
	MaxLength Duration `yaml:"max_length,omitempty"`
	// MaxMessages the box holds; more callers hear that it is full. Default 100.
	MaxMessages int `yaml:"max_messages,omitempty"`
	// Email: addresses that each new message is sent to (mail in the node file).
	Email []string `yaml:"email,omitempty"`
	// EmailSound: the message itself is attached, as WAV. Default true.
	EmailSound *bool `yaml:"email_sound,omitempty"`
	// Retention: messages are deleted when they are so old; default 0s, never.
	Retention Duration `yaml:"retention,omitempty"`
}

// Defaults and bounds of voicemail.
const (
	DefaultMessageLength = Duration(3 * time.Minute)
	DefaultMessages      = 100
	DefaultVoicemailRing = Duration(25 * time.Second)
	maxMessages          = 10000
)

func (c *checker) voicemail(k Key, v *VoicemailSpec) {
	r := ref{KindVoicemail, k}
	for i, u := range v.Users {
		exists(c, r, fmt.Sprintf("users[%d]", i), KindUser, c.s.Users, u)
	}
	if v.Queue != "" {
		exists(c, r, "queue", KindQueue, c.s.Queues, v.Queue)
	}
	if len(v.Users) == 0 && v.Queue == "" && len(v.Email) == 0 && v.Number == "" {
		c.warn(r, "users", "nobody: the API and the command line alone get at its messages")
	}
	if v.Number != "" && strings.Trim(v.Number, "0123456789") != "" || len(v.Number) > 16 {
		c.fault(r, "number", "%s; want up to 16 digits", strict.Quote(v.Number))
	}
	switch {
	case v.PIN == Mask:
		c.fault(r, "pin", "masked, and the box is new; write its PIN")
	case v.PIN != "" && (strings.Trim(v.PIN, "0123456789") != "" || len(v.PIN) < 4 || len(v.PIN) > 10):
		c.fault(r, "pin", "want four to ten digits")
	case v.PIN == "" && v.Number != "":
		c.fault(r, "pin", "missing; number opens the box from any phone, so it needs one")
	}
	if v.Greeting != "" && !validName(v.Greeting) {
		c.fault(r, "greeting", "%s; want a prompt's name", strict.Quote(v.Greeting))
	}
	if v.MaxLength != 0 {
		c.must(r, "max_length", badDuration(v.MaxLength, "10s", "15m"))
	}
	if v.MaxMessages < 0 || v.MaxMessages > maxMessages {
		c.fault(r, "max_messages", "%d; want from 1 to %d, or 0 for the default of %d", v.MaxMessages, maxMessages, DefaultMessages)
	}
	if len(v.Email) > 20 {
		c.fault(r, "email", "%d addresses; want at most 20", len(v.Email))
	}
	for i, a := range v.Email {
		if p, err := mail.ParseAddress(a); err != nil || p.Address != a {
			c.fault(r, fmt.Sprintf("email[%d]", i), "%s; want an address such as anna@example.com", strict.Quote(a))
		}
	}
	if v.Retention != 0 {
		c.must(r, "retention", badDuration(v.Retention, "1h", "87600h"))
	}
}

// boxNumbers: one number opens one box.
func (c *checker) boxNumbers(take func(r ref, tenant, what, value, field string), r ref, v *VoicemailSpec) {
	take(r, r.key.Tenant, "box", v.Number, "number")
}

// deviceVoicemail checks where callers go whom a device does not answer.
func (c *checker) deviceVoicemail(r ref, d *DeviceSpec) {
	if d.Voicemail != "" {
		exists(c, r, "voicemail", KindVoicemail, c.s.Voicemail, d.Voicemail)
	}
	if d.VoicemailAfter != 0 {
		c.must(r, "voicemail_after", badDuration(d.VoicemailAfter, "1s", "5m"))
	}
}
