package resource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/centrala/centrala/pkg/config/strict"
)

// CallbackSpec says how a queue calls callers back who do not want to wait on the line.
type CallbackSpec struct {
	// Retries after the first try, when nobody was reached; default 2. Interval is the
	// time between tries; default 10m.
	Retries  *int     `yaml:"retries,omitempty"`
	Interval Duration `yaml:"interval,omitempty"`
	// MaxAge since the caller asked: then it is given up; default 24h, at most 336h.
	MaxAge Duration `yaml:"max_age,omitempty"`
	// Hours is a schedule: callbacks are made while it is open. Default: always.
	Hours string `yaml:"hours,omitempty"`
	// OfferAfter: the announcement "callback" is made when more than this is left to
	// wait; default 0s, always.
	OfferAfter Duration `yaml:"offer_after,omitempty"`
	// OtherNumber: the caller may give another number than the one that calls. Default true.
	OtherNumber *bool `yaml:"other_number,omitempty"`
	// Allow: only numbers with one of these prefixes are called back, such as "+40";
	// default: all that the tenant may call.
	Allow []string `yaml:"allow,omitempty"`
	// Announce is the prompt that the agent hears while the customer is dialled; default
	// callback_agent, "none" = only the ringing.
	Announce string `yaml:"announce,omitempty"`
	// CallerID that the customer sees; default the trunk's, or else the number that the
	// customer had called.
	CallerID string `yaml:"caller_id,omitempty"`
	// DialTimeout is how long the customer's phone rings; default 45s.
	DialTimeout Duration `yaml:"dial_timeout,omitempty"`
}

// Words of QueueSpec.Keys beside targets.
const (
	QueueKeyCallback = "callback"
	QueueKeyLeave    = "leave"
)

// queueKeys checks what callers may press while they wait, and how they are called back.
func (c *checker) queueKeys(r ref, q *QueueSpec) {
	offered := false
	for k, to := range q.Keys {
		field := "keys." + k
		if len(k) != 1 || !strings.Contains("0123456789*#", k) {
			c.fault(r, field, "%s; want a key: 0 to 9, * or #", strict.Quote(k))
			continue
		}
		switch {
		case to == QueueKeyCallback:
			offered = true
			if q.Callback == nil {
				c.fault(r, field, "the queue has no callback")
			}
		case to == QueueKeyLeave:
		case to == "":
			c.fault(r, field, `missing; want "callback", "leave", "queue:NAME", "flow:NAME", "device:NAME" or "number:DIGITS"`)
		default:
			c.overflowTo(r, field, to)
		}
	}
	if !offered && slices.ContainsFunc(q.Announce, func(text string) bool { a, _ := ParseAnnounce(text); return a.Name == AnnounceCallback }) {
		c.fault(r, "announce", "callback is offered and no key asks for it")
	}
	cb := q.Callback
	if cb == nil {
		return
	}
	if n := cb.Retries; n != nil && (*n < 0 || *n > 20) {
		c.fault(r, "callback.retries", "%d; want from 0 to 20", *n)
	}
	for _, d := range []struct {
		field  string
		d      Duration
		lo, hi string
	}{{"interval", cb.Interval, "10s", "24h"}, {"max_age", cb.MaxAge, "1m", "336h"}, {"dial_timeout", cb.DialTimeout, "10s", "3m"}} {
		if d.d != 0 {
			c.must(r, "callback."+d.field, badDuration(d.d, d.lo, d.hi))
		}
	}
	c.must(r, "callback.offer_after", badDuration(cb.OfferAfter, "0s", "24h"))
	if cb.Hours != "" {
		exists(c, r, "callback.hours", KindSchedule, c.s.Schedules, cb.Hours)
	}
	if len(cb.Allow) > 100 {
		c.fault(r, "callback.allow", "%d; want at most 100", len(cb.Allow))
	}
	for i, p := range cb.Allow {
		if d := strings.TrimPrefix(p, "+"); d == "" || len(d) > 16 || strings.Trim(d, "0123456789") != "" {
			c.fault(r, fmt.Sprintf("callback.allow[%d]", i), "%s; want a prefix such as +40", strict.Quote(p))
		}
	}
	if d := strings.TrimPrefix(cb.CallerID, "+"); cb.CallerID != "" && (d == "" || len(d) > 32 || strings.Trim(d, "0123456789") != "") {
		c.fault(r, "callback.caller_id", "%s; want digits", strict.Quote(cb.CallerID))
	}
	if p := cb.Announce; p != "" && !promptName(p) {
		c.fault(r, "callback.announce", "%s; want a prompt's name, or none", strict.Quote(p))
	}
}
