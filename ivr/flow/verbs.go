package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what an application may say at once.
const (
	MaxVerbs     = 50
	MaxVerbBytes = 64 << 10
)

// KindResult notes the outcome of a verb. It is made by ParseVerbs alone: no document
// may have it.
const KindResult Kind = "result"

// VerbKinds are the kinds of steps that a verb may be.
var VerbKinds = []Kind{KindAnswer, KindPlay, KindSay, KindCollect, KindQueue, KindDial, "record", KindStream, KindSet, KindLanguage,
	KindTone, KindPause, KindEcho, KindGoto, KindHangup}

// Result notes how a verb ended.
type Result struct {
	Verb    int // from 1
	Kind    Kind
	Outcome string
}

func (*Result) tell(*Step, *traits) {}

// AskStep is the step behind the last verb: what comes next is asked for.
const AskStep = "ask"

// ParseVerbs makes a flow of verbs: a JSON list of objects, or an object with the list
// under "verbs". A verb is a step of a flow without next and on: {"play": ["welcome"]}.
// The call goes on with the next verb whatever the outcome was, which is noted; behind
// the last comes a step "ask" of the kind app. A flow without steps: there are none.
// may tells whether a number may be dialled; nil = none may. The error joins Faults.
func ParseVerbs(name, app string, doc []byte, may func(number string) bool) (*Flow, error) {
	p := &parser{flow: name}
	if len(doc) > MaxVerbBytes {
		p.fault("", "verbs of more than %d bytes", MaxVerbBytes)
		return nil, p.err()
	}
	f := &Flow{Name: name, Steps: map[string]*Step{}, Variables: map[string]string{}}
	var raw any
	if len(doc) > 0 {
		if err := json.Unmarshal(doc, &raw); err != nil {
			p.fault("", "no JSON: %v", err)
			return nil, p.err()
		}
	}
	if o, ok := raw.(map[string]any); ok {
		for k := range o {
			if k != "verbs" && k != "side" {
				p.fault(clip(k), "unknown; want verbs, side")
			}
		}
		if side := o["side"]; side != nil && !slices.Contains(sides, side) {
			p.fault("side", "want caller, agent or both")
		}
		raw = o["verbs"]
	}
	list, ok := raw.([]any)
	switch {
	case !ok && raw != nil:
		p.fault("verbs", "want a list of verbs, got %s", describe(raw))
	case len(list) > MaxVerbs:
		p.fault("verbs", "more than %d verbs", MaxVerbs)
		return nil, p.err()
	}
	for i, v := range list {
		p.verb(f, i+1, len(list), v, may)
	}
	if len(p.faults) > 0 {
		return nil, p.err()
	}
	if len(list) > 0 {
		f.Start = "1"
		f.Steps[AskStep] = &Step{Name: AskStep, Kind: KindApp, Body: &App{App: app}}
		for _, s := range f.Steps {
			s.of() // worked out here: the flow is shared afterwards
		}
	}
	return f, nil
}

// sides of a conversation in which verbs may be heard.
var sides = []any{"caller", "agent", "both"}

// VerbSide is to whom in a conversation verbs speak that ParseVerbs took: "caller",
// "agent" or "both", which is also when they say nothing.
func VerbSide(doc []byte) string {
	var o struct{ Side string }
	if json.Unmarshal(doc, &o) != nil || o.Side == "" { // a list has none
		return "both"
	}
	return o.Side
}

// Spoken are the pieces that verbs speak one after the other, when they do nothing else;
// nil: they do.
func (f *Flow) Spoken() []Piece {
	var out []Piece
	for _, name := range f.Order {
		switch b := f.Steps[name].Body.(type) {
		case *Play:
			for range max(1, b.Times) {
				for _, n := range b.Prompts {
					out = append(out, Piece{Prompt: n})
				}
			}
		case *Say:
			out = append(out, b.Pieces...)
		default:
			return nil
		}
	}
	return out
}

// verb makes the steps of the n-th of so many verbs.
func (p *parser) verb(f *Flow, n, of int, v any, may func(string) bool) {
	path := fmt.Sprintf("verbs[%d]", n-1)
	o, ok := p.object(path, v)
	if !ok {
		return
	}
	if len(o.keys) != 1 {
		p.fault(path, "want one verb, got %d", len(o.keys))
		return
	}
	kind := Kind(o.keys[0])
	row := kindByName[kind]
	if row == nil || !slices.Contains(VerbKinds, kind) {
		names := make([]string, 0, len(VerbKinds))
		for _, k := range VerbKinds {
			if kindByName[k] != nil {
				names = append(names, string(k))
			}
		}
		p.fault(path, "unknown verb %q; want one of %s", clip(string(kind)), strings.Join(names, ", "))
		return
	}
	body := o.m[string(kind)]
	if m, ok := body.(map[string]any); ok && kind == KindCollect && m["into"] == nil {
		m["into"] = "digits"
	}
	s := &Step{Name: strconv.Itoa(n), Kind: kind, On: map[string]string{}}
	s.Body = row.read(p, join(path, string(kind)), body)
	then := AskStep
	if n < of {
		then = strconv.Itoa(n + 1)
	}
	outcomes := slices.Concat(row.ways.on, row.ways.free)
	if row.ways.next {
		s.Next = then
	}
	note := func(outcome string) string {
		at := s.Name + "/" + outcome
		f.Steps[at] = &Step{Name: at, Kind: KindResult, Next: then, Body: &Result{Verb: n, Kind: kind, Outcome: outcome}}
		return at
	}
	for _, outcome := range outcomes {
		s.On[outcome] = note(outcome)
	}
	if len(outcomes) > 0 && !row.ways.defaulted && row.ways.next {
		s.Next = note(OutcomeDone)
	}
	p.verbLimits(path, s.Body, may)
	f.Steps[s.Name] = s
	f.Order = append(f.Order, s.Name)
}

// verbLimits refuses what has no place in a verb: ways to steps there are none of, and
// numbers that may not be dialled.
func (p *parser) verbLimits(path string, b Body, may func(string) bool) {
	switch b := b.(type) {
	case *Queue:
		if len(b.Keys) > 0 {
			p.fault(path+".queue.keys", "has no place in a verb")
		}
	case *Dial:
		for i, t := range b.Targets {
			number, ok := strings.CutPrefix(t, "number:")
			if !ok {
				continue
			}
			at := fmt.Sprintf("%s.dial.targets[%d]", path, i)
			switch {
			case strings.Contains(number, "$"):
				p.fault(at, "holds a variable; an application names the number itself")
			case may == nil || !may(number):
				p.fault(at, "%q may not be dialled from here; see outside of the app", clip(number))
			}
		}
	}
}
