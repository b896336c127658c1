package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Test is a call kept with the flow: who calls, what is pressed and what the world
// answers, and what must come of it. Package ivr/rehearsal plays it.
type Test struct {
	Name string
	// At is the moment of the call as it was written: "2026-11-23 10:00" on the tenant's
	// clock, or RFC 3339; "" = TestMoment.
	At                      string
	From, Dialled, Language string
	Variables               map[string]string
	// Press is what the caller does each time the flow listens: keys, or Silence.
	// Afterwards there is silence.
	Press []string
	// Answers are what steps get that ask somebody else (queue, dial, stream, http
	// and so on), by "step" or "flow/step".
	Answers map[string]Answered
	Want    Expected
}

// Answered is the outcome of a step that asks somebody else.
type Answered struct {
	Outcome string
	Values  map[string]string
}

// Expected is what must come of a test; what is empty is not looked at.
type Expected struct {
	// Path is every step in order, Through some of them in order. Steps of another
	// flow are "flow/step".
	Path, Through []string
	Says          []string // prompts or parts of texts, in order, others between
	Queue         string   // the call ends in this queue
	Dial          []string // or ringing these targets
	Hangup        string   // or with this cause
	Language      string
	Variables     map[string]string
}

// Silence in Press: the caller does nothing until the flow has had enough.
const Silence = "-"

// Bounds of the tests of a flow.
const (
	maxTests = 100
	maxPress = 64 // keys of one entry
)

// TestMoment is when tests call that name no time: a Monday noon.
var TestMoment = time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)

// Moment reads Test.At on the clock of zone.
func (t *Test) Moment(zone *time.Location) (time.Time, error) {
	if t.At == "" {
		return TestMoment, nil
	}
	if at, err := time.Parse(time.RFC3339, t.At); err == nil {
		return at, nil
	}
	if zone == nil {
		zone = time.UTC
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", t.At, zone)
	if err != nil {
		return at, fmt.Errorf(`want "2006-01-02 15:04" on the tenant's clock, or RFC 3339 such as 2026-11-23T10:00:00+02:00, got %q`, clip(t.At))
	}
	return at, nil
}

// tests reads the key tests of a flow.
func (p *parser) tests(v any) []Test {
	var out []Test
	list, isList := v.([]any)
	if v != nil && !isList {
		p.fault("tests", "want a list of tests, got %s", describe(v))
	}
	if len(list) > maxTests {
		p.fault("tests", "more than %d tests", maxTests)
		list = list[:maxTests]
	}
	names := map[string]bool{}
	for i, e := range list {
		path := fmt.Sprintf("tests[%d]", i)
		o, ok := p.object(path, e)
		if !ok {
			continue
		}
		t := Test{Name: p.need(o, "name"), At: o.str("at", ""), From: o.str("from", ""), Dialled: o.str("dialled", ""),
			Language: o.str("language", ""), Variables: p.texts(o, "variables"), Press: o.strings("press")}
		if t.Name != "" && names[t.Name] {
			p.fault(join(path, "name"), "%q is the name of another test", clip(t.Name))
		}
		names[t.Name] = true
		if _, err := t.Moment(nil); err != nil {
			p.fault(join(path, "at"), "%v", err)
		}
		for j, s := range t.Press {
			if s != Silence && (s == "" || len(s) > maxPress || strings.Trim(s, "0123456789*#ABCD") != "") {
				p.fault(fmt.Sprintf("%s.press[%d]", path, j), "%q; want keys of a phone, or %q for silence", clip(s), Silence)
			}
		}
		t.Answers = p.answers(o)
		want, _ := o.take("expect")
		if w, ok := p.object(join(path, "expect"), want); ok {
			t.Want = Expected{Path: w.strings("path"), Through: w.strings("through"), Says: w.strings("says"), Queue: w.str("queue", ""),
				Dial: w.strings("dial"), Hangup: w.str("hangup", ""), Language: w.str("language", ""), Variables: p.texts(w, "variables")}
			w.end()
			if len(w.keys) == 0 {
				p.fault(join(path, "expect"), "missing; a test that expects nothing cannot fail")
			}
			if t.Want.Hangup != "" && !slices.Contains(Causes, t.Want.Hangup) {
				p.fault(join(path, "expect.hangup"), "unknown %q; want one of %s", clip(t.Want.Hangup), strings.Join(Causes, ", "))
			}
		}
		o.end()
		out = append(out, t)
	}
	return out
}

// answers reads {step: outcome} or {step: {outcome, values}}.
func (p *parser) answers(o *object) map[string]Answered {
	v, _ := o.take("answers")
	m, ok := p.object(join(o.path, "answers"), v)
	if !ok || len(m.keys) == 0 {
		return nil
	}
	out := map[string]Answered{}
	for _, k := range m.keys {
		at := join(m.path, clip(k))
		if s, isText := m.m[k].(string); isText {
			out[k] = Answered{Outcome: s}
			continue
		}
		if a, ok := p.object(at, m.m[k]); ok {
			out[k] = Answered{Outcome: p.need(a, "outcome"), Values: p.texts(a, "values")}
			a.end()
		}
	}
	return out
}

// texts reads a mapping of names to texts; nil when it is not there.
func (p *parser) texts(o *object, key string) map[string]string {
	v, there := o.take(key)
	if !there {
		return nil
	}
	m, ok := p.object(join(o.path, key), v)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(m.keys))
	for _, k := range m.keys {
		if s, ok := p.text(join(m.path, clip(k)), m.m[k]); ok {
			out[k] = s
		}
	}
	return out
}

// AnswerFor finds the answer of a step of a flow.
func (t *Test) AnswerFor(flow, step string) (Answered, bool) {
	a, ok := t.Answers[flow+"/"+step]
	if !ok {
		a, ok = t.Answers[step]
	}
	return a, ok
}
