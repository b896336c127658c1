package acd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// frontWords say why a caller stands before all others (Enter.Front).
var frontWords = map[string]string{FrontAgentLost: "the page of the agent who served this call was lost and did not come back"}

// Explain describes how a waiting call stands now: what the engine would write
// down if it decided about it. ok is false when the call waits in no queue.
func (e *Engine) Explain(callID string) (d event.Decision, ok bool) {
	c := e.callers[callID]
	if c == nil {
		return d, false
	}
	d = e.decision(c, "")
	for i, o := range c.offers {
		if i == 0 {
			d.Agent, d.OfferID = o.a.Name, o.id
		} else {
			d.Also = append(d.Also, o.a.Name)
		}
	}
	e.nameExcluded(c, &d)
	return d, true
}

// Sentence says a decision in words: who was chosen, by what, before whom, or
// why nobody was; and who was left out and why.
func Sentence(d event.Decision) string {
	var b strings.Builder
	waited := spoken(d.WaitMs)
	strategy := strings.ReplaceAll(d.Strategy, "_", " ")
	switch {
	case d.Agent == "" && d.Prefers != "":
		fmt.Fprintf(&b, "after %s in %s the caller waits for %s alone", waited, d.Queue, d.Prefers)
	case d.Agent == "":
		fmt.Fprintf(&b, "after %s nobody in %s could be offered; the caller is number %d", waited, d.Queue, d.Position)
	case d.Prefers != "":
		fmt.Fprintf(&b, "after %s in %s the caller was given to %s, who was asked for", waited, d.Queue, d.Agent)
	default:
		fmt.Fprintf(&b, "after %s in %s %s was chosen by %s", waited, d.Queue, d.Agent, strategy)
		if at := slices.IndexFunc(d.Considered, func(c event.Candidate) bool { return c.Agent == d.Agent }); at >= 0 {
			b.WriteString(" (" + candidate(d.Considered[at]) + ")")
		}
		if len(d.Also) > 0 {
			b.WriteString(", and with " + d.Agent + " ring " + list(d.Also))
		}
		var next []string
		for _, c := range d.Considered {
			if c.Agent != d.Agent && !slices.Contains(d.Also, c.Agent) {
				next = append(next, c.Agent+" ("+candidate(c)+")")
			}
		}
		if d.More > 0 {
			next = append(next, fmt.Sprintf("%d more", d.More))
		}
		if len(next) > 0 {
			b.WriteString(", before " + list(next))
		}
	}
	if d.Need != "" {
		fmt.Fprintf(&b, "; needed: %s", d.Need)
	}
	if t := triggers[d.Trigger]; t != "" {
		b.WriteString("; " + t)
	}
	if len(d.Excluded) > 0 {
		var out []string
		for _, why := range sortedReasons(d.Excluded) {
			out = append(out, fmt.Sprintf("%d %s", d.Excluded[why], reasonWords(why)))
		}
		b.WriteString("; left out: " + list(out))
	}
	if len(d.ExcludedAgents) > 0 {
		var out []string
		for _, x := range d.ExcludedAgents {
			out = append(out, x.Agent+" "+reasonWords(x.Why))
		}
		b.WriteString(" (" + strings.Join(out, ", ") + ")")
	}
	return b.String()
}

var triggers = map[string]string{
	"callback": "nobody is on the line: the customer will be called",
	"widened":  "more agents fit or ring after this wait",
	"one_more": "one more phone was due",
	"assigned": "a person asked for it",
}

// reasonWords says the words of Decision.Excluded for people.
func reasonWords(why string) string {
	word, rest, _ := strings.Cut(why, " ")
	said := map[string]string{"offline": "logged out", "not_ready": "not ready", "on_call": "on a call", "wrap_up": "in wrap-up",
		"reserved": "promised to another caller", "ringing": "being rung for another caller", "unreachable": "with a phone out of reach",
		ExcludedSkill: "without the skills", ExcludedTier: "of a tier that is not open yet", ExcludedCapacity: "without capacity for this channel"}[word]
	if said == "" {
		said = strings.ReplaceAll(word, "_", " ")
	}
	if rest != "" {
		said += ": " + strings.ReplaceAll(rest, "_", " ")
	}
	return said
}

func sortedReasons(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func candidate(c event.Candidate) string {
	parts := []string{}
	if c.Why != "" {
		parts = append(parts, c.Why)
	}
	if c.Value != "" {
		parts = append(parts, c.Value)
	}
	return strings.Join(append(parts, "idle "+spoken(c.IdleMs)), ", ")
}

func list(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

func spoken(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// Story tells a call's way through its queues in sentences, one an event, from
// its journal. Each begins with the time since the first event.
func Story(events []event.Event) []string {
	var out []string
	if len(events) == 0 {
		return out
	}
	start := events[0].At
	say := func(at time.Time, format string, args ...any) {
		out = append(out, fmt.Sprintf("+%s ", spoken(at.Sub(start).Milliseconds()))+fmt.Sprintf(format, args...))
	}
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.QueueEntered:
			say(e.At, "entered queue %s with priority %d as number %d", b.Queue, b.Priority, b.Position)
			if b.Front != "" {
				say(e.At, "stands before all others: %s", frontWords[b.Front])
			}
			if b.Before != "" {
				say(e.At, "has the old place of call %s, which had waited %s", b.Before, spoken(b.WaitedMs))
			}
			if b.EstimateMs > 0 {
				say(e.At, "the wait was estimated: no longer than %s, with a chance of four in five", spoken(b.EstimateMs))
			}
		case event.Decision:
			say(e.At, "%s", Sentence(b))
		case event.OfferEnded:
			switch b.Outcome {
			case OutcomeAccepted:
				say(e.At, "%s answered after %s", b.Agent, spoken(b.RingMs))
			case CauseElsewhere:
				say(e.At, "%s was not needed any more: another was quicker", b.Agent)
			default:
				say(e.At, "%s did not take it: %s after %s", b.Agent, strings.ReplaceAll(b.Outcome, "_", " "), spoken(b.RingMs))
			}
		case event.QueueAssigned:
			say(e.At, "%s to %s by %s", b.How, b.Agent, b.By)
		case event.QueuePriority:
			say(e.At, "priority changed from %d to %d by %s: now number %d", b.From, b.To, b.By, b.Position)
		case event.QueueLeft:
			switch {
			case b.Outcome == LeftOverflow && b.To == "":
				say(e.At, "left queue %s after %s: overflow, back to the flow (%s)", b.Queue, spoken(b.WaitMs), b.Why)
			case b.Outcome == LeftOverflow:
				say(e.At, "left queue %s after %s: overflow to %s (%s)", b.Queue, spoken(b.WaitMs), b.To, b.Why)
			case b.Outcome == LeftCallback:
				say(e.At, "left queue %s after %s: will be called back and keeps the place", b.Queue, spoken(b.WaitMs))
			default:
				say(e.At, "left queue %s after %s: %s", b.Queue, spoken(b.WaitMs), b.Outcome)
			}
		default:
			if s := callbackStory(b); s != "" {
				say(e.At, "%s", s)
			}
		}
	}
	return out
}
