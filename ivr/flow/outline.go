package flow

import (
	"errors"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Outline is a flow as a graph for people who draw it: also of a document with faults,
// as far as it can be read.
type Outline struct {
	Start string        `json:"start,omitempty"`
	Steps []OutlineStep `json:"steps"` // as they are written
}

// OutlineStep is one step with every way out of it.
type OutlineStep struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind,omitempty"` // absent: it does nothing yet, or too much
	Note string `json:"note,omitempty"`
	Ways []Way  `json:"ways"`
}

// Way is one way out of a step. Path is where it is written inside the step, such as
// next, on.timeout or menu.keys.1; To is the step there, absent when it leads nowhere
// yet. Open: a document may leave it out.
type Way struct {
	Path string `json:"path"`
	To   string `json:"to,omitempty"`
	Open bool   `json:"open,omitempty"`
}

// Draw reads a flow's spec from YAML and draws what can be drawn of it, faults or not.
// The error says that it is no YAML at all.
func Draw(name string, doc []byte) (Outline, error) {
	out := Outline{Steps: []OutlineStep{}}
	if len(doc) > maxDocument {
		return out, errors.New("flow: the document is too long")
	}
	var raw any
	if err := yaml.UnmarshalWithOptions(doc, &raw, yaml.UseOrderedMap()); err != nil {
		return out, err
	}
	p := &parser{flow: name}
	top, ok := p.object("", raw)
	if !ok {
		return out, nil
	}
	f := p.read(top)
	out.Start = f.Start
	if v, ok := top.m["steps"]; ok {
		steps, _ := (&parser{}).object("", v)
		for _, name := range steps.keys[:min(len(steps.keys), maxSteps)] {
			note := ""
			if o, ok := (&parser{}).object("", steps.m[name]); ok {
				note = o.str("note", "")
			}
			out.Steps = append(out.Steps, drawStep(name, note, f.Steps[name]))
		}
	}
	return out, nil
}

func drawStep(name, note string, s *Step) OutlineStep {
	o := OutlineStep{Name: name, Note: note, Ways: []Way{}}
	if s == nil {
		return o
	}
	o.Kind = s.Kind
	w := kindByName[s.Kind].ways
	open := func(path string) bool {
		outcome, on := strings.CutPrefix(path, "on.")
		switch {
		case path == "next":
			return w.defaulted
		case on:
			return w.defaulted || !slices.Contains(w.on, outcome)
		}
		return s.Kind != KindSchedule
	}
	taken := map[string]bool{}
	way := func(path, to string) {
		if !taken[path] {
			taken[path] = true
			o.Ways = append(o.Ways, Way{path, to, open(path)})
		}
	}
	for _, e := range s.edges() {
		way(e.path, e.to)
	}
	for _, outcome := range slices.Concat(w.on, w.free) {
		way("on."+outcome, "")
	}
	if w.next {
		way("next", "")
	}
	return o
}
