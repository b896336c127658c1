package resource

import (
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/config/strict"
)

// OverflowSpec sends a caller on when all that it names holds; the first rule of a
// queue that holds counts. It is looked at when a caller joins whom nobody can take
// at once, and every two seconds while no phone rings for the caller.
type OverflowSpec struct {
	// To: "queue:NAME", "flow:NAME", "device:NAME", "voicemail:NAME" or "number:DIGITS"; "" = back to the
	// flow, with the outcome overflow.
	To string `yaml:"to,omitempty"`
	// After this time in the queue at the earliest; default 0s, on joining too.
	After Duration `yaml:"after,omitempty"`
	// Ahead: at least so many callers stand before this one.
	Ahead int `yaml:"ahead,omitempty"`
	// Estimate: there is more than this left to wait, as far as it is known.
	Estimate Duration `yaml:"estimate,omitempty"`
	// ServiceLevel: less than this share of callers was answered in time of late, in percent.
	ServiceLevel int `yaml:"service_level,omitempty"`
	// Agents who fit: "none_free", "none_ready" (all logged out, not ready or out of
	// reach) or "none_logged_in".
	Agents string `yaml:"agents,omitempty" enum:",none_free,none_ready,none_logged_in"`
}

const maxOverflow = 16

// Words of QueueSpec.Announce beside names of prompts.
const (
	AnnouncePosition = "position"
	AnnounceEstimate = "estimate"
	AnnounceCallback = "callback"
)

// announce checks what waiting callers are told.
func (c *checker) announce(r ref, q *QueueSpec) {
	if len(q.Announce) > 8 {
		c.fault(r, "announce", "%d; want at most 8", len(q.Announce))
	}
	for i, text := range q.Announce {
		if _, err := ParseAnnounce(text); err != nil {
			c.fault(r, fmt.Sprintf("announce[%d]", i), "%v", err)
		}
	}
}

// Announcement is an item of QueueSpec.Announce.
type Announcement struct {
	Name string // "position", "estimate" or a prompt's
	// After and Every are of the item's own; nil = the queue's AnnounceFirst, AnnounceEvery.
	After, Every *time.Duration
}

// ParseAnnounce reads "NAME", "NAME after 10s", "NAME every 45s" or both; "NAME once" is
// told one time.
func ParseAnnounce(text string) (a Announcement, err error) {
	words := strings.Fields(text)
	if len(words) > 0 {
		a.Name = words[0]
	}
	if a.Name == "" || len(a.Name) > 64 || strings.Trim(a.Name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return a, fmt.Errorf("%s; want position, estimate, callback or a prompt's name", strict.Quote(text))
	}
	bad := fmt.Errorf("%s; want a name and then: after TIME (0s to 24h), every TIME (5s to 24h), once", strict.Quote(text))
	for words = words[1:]; len(words) > 0; {
		var d time.Duration
		var into **time.Duration
		least := time.Duration(0)
		switch words[0] {
		case "after":
			into = &a.After
		case "every":
			into, least = &a.Every, 5*time.Second
		case "once":
			if a.Every != nil {
				return a, bad
			}
			a.Every, words = &d, words[1:]
			continue
		}
		if into == nil || *into != nil || len(words) < 2 {
			return a, bad
		}
		if d, err = time.ParseDuration(words[1]); err != nil || d < least || d > 24*time.Hour {
			return a, bad
		}
		*into, words = &d, words[2:]
	}
	return a, nil
}

// overflow checks a queue's rules for sending callers on.
func (c *checker) overflow(r ref, q *QueueSpec) {
	if len(q.Overflow) > maxOverflow {
		c.fault(r, "overflow", "%d; want at most %d", len(q.Overflow), maxOverflow)
	}
	for i, o := range q.Overflow {
		field := func(name string) string { return fmt.Sprintf("overflow[%d].%s", i, name) }
		c.must(r, field("after"), badDuration(o.After, "0s", "24h"))
		c.must(r, field("estimate"), badDuration(o.Estimate, "0s", "24h"))
		if o.Ahead < 0 {
			c.fault(r, field("ahead"), "%d; want 1 or more", o.Ahead)
		}
		if o.ServiceLevel < 0 || o.ServiceLevel > 100 {
			c.fault(r, field("service_level"), "%d; want percent, from 1 to 100", o.ServiceLevel)
		}
		if o == (OverflowSpec{To: o.To}) {
			c.warn(r, field("to"), "every caller whom nobody can take at once is sent on")
		}
		c.overflowTo(r, field("to"), o.To)
	}
	if k := q.KeepPlace; k != nil && k.D() != 0 {
		c.must(r, "keep_place", badDuration(*k, "1s", "1h"))
	}
}

func (c *checker) overflowTo(r ref, field, to string) {
	kind, name, _ := strings.Cut(to, ":")
	switch kind {
	case "":
	case "queue":
		if name == r.key.Name {
			c.fault(r, field, "leads back to the queue itself")
			return
		}
		exists(c, r, field, KindQueue, c.s.Queues, name)
	case "flow":
		exists(c, r, field, KindFlow, c.s.Flows, name)
	case "device":
		exists(c, r, field, KindDevice, c.s.Devices, name)
	case "voicemail":
		exists(c, r, field, KindVoicemail, c.s.Voicemail, name)
	case "number":
		if digits := strings.TrimPrefix(name, "+"); digits == "" || len(digits) > 32 || strings.Trim(digits, "0123456789") != "" {
			c.fault(r, field, "%s; want digits after number:", strict.Quote(to))
		}
	default:
		c.fault(r, field, `%s; want "queue:NAME", "flow:NAME", "device:NAME", "voicemail:NAME" or "number:DIGITS"`, strict.Quote(to))
	}
}
