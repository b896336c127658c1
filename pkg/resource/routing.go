package resource

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/acd/skill"
	"github.com/centrala/centrala/pkg/config/strict"
)

// OfferCauses lists why an agent may not take a call that is offered: the keys
// of after_offer.
var OfferCauses = []string{"no_answer", "busy", "rejected", "unreachable"}

// ParseAfterOffer reads a value of after_offer: "not_ready", "stay", or "pause"
// and a time from 1s to 24h.
func ParseAfterOffer(s string) (do string, pause time.Duration, err error) {
	switch do, rest, _ := strings.Cut(strings.TrimSpace(s), " "); {
	case (do == "not_ready" || do == "stay") && rest == "":
		return do, 0, nil
	case do == "pause":
		d, err := time.ParseDuration(strings.ReplaceAll(rest, " ", ""))
		if err == nil && d >= time.Second && d <= 24*time.Hour {
			return do, d, nil
		}
	}
	return "", 0, fmt.Errorf(`%s; want not_ready, stay, or pause and a time from 1s to 24h, as in "pause 30s"`, strict.Quote(s))
}

// routing checks how a queue chooses.
func (c *checker) routing(r ref, q *QueueSpec) {
	c.must(r, "wrap_up_extend", badDuration(q.WrapUpExtend, "0s", "1h"))
	c.must(r, "last_agent", badDuration(q.LastAgent, "0s", "8760h"))
	c.must(r, "patience", badDuration(q.Patience, "0s", "1h"))
	if q.RingStep != 0 {
		c.must(r, "ring_step", badDuration(q.RingStep, "1s", "10m"))
	}
	if q.RingLimit < 0 || q.RingLimit > 50 {
		c.fault(r, "ring_limit", "%d; want from 1 to 50, or 0 for the default", q.RingLimit)
	}
	if len(q.Tiers) > 16 {
		c.fault(r, "tiers", "%d; want at most 16", len(q.Tiers))
	}
	for i, t := range q.Tiers {
		field := fmt.Sprintf("tiers[%d]", i)
		c.must(r, field+".after", badDuration(t.After, "0s", "24h"))
		if t.Rank < 0 || t.Rank > 100 {
			c.fault(r, field+".rank", "%d; want from 0 to 100", t.Rank)
		}
		if slices.ContainsFunc(q.Tiers[:i], func(o TierSpec) bool { return o.Rank == t.Rank }) {
			c.fault(r, field+".rank", "%d is named twice", t.Rank)
		}
	}
	if len(q.Tiers) > 0 && len(q.Members) > 0 && !slices.ContainsFunc(q.Members, func(m MemberSpec) bool { return c.openAt(q, m.Rank) == 0 }) {
		c.warn(r, "tiers", "no member's tier is open at once: every caller waits %s at least", c.firstOpen(q))
	}
	c.afterOffer(r, q.AfterOffer)
	c.need(r, "need", q.Need)
	c.overflow(r, q)
	c.announce(r, q)
	c.queueKeys(r, q)
}

// openAt is when a rank's tier opens.
func (c *checker) openAt(q *QueueSpec, rank int) time.Duration {
	var at time.Duration
	for _, t := range q.Tiers {
		if t.Rank <= rank {
			at = max(at, t.After.D())
		}
	}
	return at
}

func (c *checker) firstOpen(q *QueueSpec) time.Duration {
	first := c.openAt(q, q.Members[0].Rank)
	for _, m := range q.Members {
		first = min(first, c.openAt(q, m.Rank))
	}
	return first
}

func (c *checker) afterOffer(r ref, m map[string]string) {
	for cause, s := range m {
		if !slices.Contains(OfferCauses, cause) {
			c.fault(r, "after_offer."+cause, "unknown; want %s", strict.Suggest(cause, OfferCauses))
			continue
		}
		if _, _, err := ParseAfterOffer(s); err != nil {
			c.fault(r, "after_offer."+cause, "%v", err)
		}
	}
}

// need checks a skill expression: that it reads, that its skills exist, that
// somebody could fit, and that its steps widen.
func (c *checker) need(r ref, field, text string) {
	if text == "" {
		return
	}
	n, err := skill.ParseNeed(text)
	if err != nil {
		c.fault(r, field, "%v", err)
		return
	}
	for _, s := range n.Skills() {
		exists(c, r, field, KindSkill, c.s.Skills, s)
	}
	if err := n.Possible(); err != nil {
		c.fault(r, field, "%v", err)
	} else if err := n.Widens(); err != nil {
		c.fault(r, field, "%v", err)
	}
}
