package flow

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
)

// Bounds of a document, so that a wrong or hostile one cannot eat the house.
const (
	maxDocument = 1 << 20 // bytes of YAML
	maxSteps    = 1000
	maxList     = 100 // entries of any list
	maxText     = 500 // bytes of any text
	maxPattern  = 200 // bytes of a regular expression
)

var (
	nameRE     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	variableRE = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	languageRE = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)
)

// Reserved are the variables every flow has and no step may set: the caller's
// number, what was dialled, the call's id, tenant and language.
var Reserved = []string{"from", "dialled", "call_id", "tenant", "language"}

// ParseYAML reads the body of a flow (language, start, steps) from YAML; see
// Parse.
func ParseYAML(name string, doc []byte) (*Flow, error) {
	p := &parser{flow: name}
	if len(doc) > maxDocument {
		p.fault("", "document longer than %d bytes", maxDocument)
		return nil, p.err()
	}
	var raw any
	if err := yaml.UnmarshalWithOptions(doc, &raw, yaml.UseOrderedMap()); err != nil {
		p.fault("", "%s", strings.TrimSpace(yaml.FormatError(err, false, false)))
		return nil, p.err()
	}
	return parse(p, raw)
}

// Parse reads the body of a flow from a decoded document. The error joins every
// Fault that was found; the flow is nil then. A flow that parses is safe to run,
// but should also pass Check.
func Parse(name string, raw map[string]any) (*Flow, error) {
	return parse(&parser{flow: name}, raw)
}

// Faults takes the error of Parse apart.
func Faults(err error) []Fault {
	var out []Fault
	var walk func(error)
	walk = func(err error) {
		if f, ok := err.(Fault); ok {
			out = append(out, f)
			return
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				walk(e)
			}
			return
		}
		if next := errors.Unwrap(err); next != nil {
			walk(next)
		}
	}
	walk(err)
	return out
}

func parse(p *parser, raw any) (*Flow, error) {
	if !nameRE.MatchString(p.flow) {
		p.fault("name", "%q; want lower case letters, digits, - and _, up to 64", clip(p.flow))
	}
	top, ok := p.object("", raw)
	if !ok {
		return nil, p.err()
	}
	f := p.read(top)
	if len(p.faults) > 0 {
		return nil, p.err()
	}
	return f, nil
}

// read makes of a document what can be made of it; steps that cannot be read are nil.
func (p *parser) read(top *object) *Flow {
	f := &Flow{Name: p.flow, Steps: map[string]*Step{}, Variables: map[string]string{}}
	f.Description = top.str("description", "")
	f.Language = top.str("language", "")
	if f.Language != "" && !languageRE.MatchString(f.Language) {
		p.fault("language", "unknown %q; want a language such as en, ro, ru", clip(f.Language))
	}
	if v, ok := top.take("variables"); ok {
		vars, _ := p.object("variables", v)
		for _, k := range vars.keys {
			p.variable("variables."+clip(k), k)
			if s, ok := p.text("variables."+k, vars.m[k]); ok {
				f.Variables[k] = s
			}
		}
	}
	f.Start = top.str("start", "")
	if v, ok := top.take("tests"); ok {
		f.Tests = p.tests(v)
	}
	v, _ := top.take("steps")
	steps, isMap := p.object("steps", v)
	top.end()
	if isMap && len(steps.keys) == 0 {
		p.fault("steps", "missing; a flow needs at least one step")
	}
	if len(steps.keys) > maxSteps {
		p.fault("steps", "more than %d steps", maxSteps)
		return f
	}
	for _, name := range steps.keys {
		if !nameRE.MatchString(name) {
			p.fault("steps."+clip(name), "a step's name is lower case letters, digits, - and _, up to 64")
		}
		if s := p.step(name, steps.m[name]); s != nil {
			f.Steps[name] = s
			f.Order = append(f.Order, name)
		} else {
			f.Steps[name] = nil // named, so that what leads here is not a fault too
		}
	}
	switch _, ok := f.Steps[f.Start]; {
	case f.Start == "":
		p.fault("start", "missing; want the name of a step")
	case !ok:
		p.fault("start", "no step %q", clip(f.Start))
	}
	p.targets(f)
	p.variables(f)
	return f
}

// step reads one step: its kind's key, next and on.
func (p *parser) step(name string, raw any) *Step {
	path := "steps." + clip(name)
	o, ok := p.object(path, raw)
	if !ok {
		return nil
	}
	s := &Step{Name: name, On: map[string]string{}}
	var kinds []string
	for _, k := range o.keys {
		if kindByName[Kind(k)] != nil {
			kinds = append(kinds, k)
			o.take(k)
		}
	}
	if len(kinds) == 1 {
		s.Kind = Kind(kinds[0])
	}
	o.str("note", "")     // for whoever reads the flow
	w := ways{next: true} // unknown kind: one fault is enough
	row := kindByName[s.Kind]
	if row != nil {
		w = row.ways
	}
	var next any
	if w.next {
		next, _ = o.take("next")
		if next != nil {
			s.Next, _ = p.text(join(path, "next"), next)
		}
	}
	if outcomes := slices.Concat(w.on, w.free); len(outcomes) > 0 || w.any || s.Kind == "" {
		if v, ok := o.take("on"); ok && s.Kind != "" {
			on, _ := p.object(join(path, "on"), v)
			if w.any {
				outcomes = on.keys
			}
			for _, outcome := range outcomes {
				if v, ok := on.take(outcome); ok {
					s.On[outcome], _ = p.text(join(on.path, outcome), v)
				}
			}
			on.end()
		}
	}
	if len(kinds) != 1 {
		names := make([]string, len(Kinds))
		for i, k := range Kinds {
			names[i] = string(k)
		}
		switch {
		case len(kinds) > 1:
			p.fault(path, "does %s; a step does one thing", strings.Join(kinds, " and "))
		default:
			for _, k := range o.keys {
				if !o.used[k] {
					p.fault(join(path, clip(k)), "unknown; want a kind of step, one of %s", strings.Join(names, ", "))
					return nil
				}
			}
			p.fault(path, "does nothing; want one of %s", strings.Join(names, ", "))
		}
		return nil
	}
	o.end()
	missing := ""
	for _, outcome := range w.on {
		if s.On[outcome] == "" {
			missing = outcome
			if !w.defaulted {
				p.fault(join(path, "on."+outcome), "missing; want the step to go to")
			}
		}
	}
	if w.next && s.Next == "" && next == nil && (!w.defaulted || missing != "") {
		what := "want the step to go to (a hangup step ends a flow)"
		if w.defaulted {
			what = fmt.Sprintf("want the step to go to for what \"on\" leaves out (%s)", missing)
		}
		p.fault(join(path, "next"), "missing; %s", what)
	}
	s.Body = row.read(p, join(path, string(s.Kind)), o.m[string(s.Kind)])
	return s
}

func (p *parser) need(o *object, key string) string {
	s := o.str(key, "")
	if _, there := o.m[key]; !there {
		p.fault(join(o.path, key), "missing")
	}
	return s
}

// targets finds steps named that do not exist.
func (p *parser) targets(f *Flow) {
	for _, name := range f.Order {
		s := f.Steps[name]
		for _, e := range s.edges() {
			if e.to == "" {
				continue // told as missing already
			}
			if _, ok := f.Steps[e.to]; !ok {
				p.fault("steps."+name+"."+e.path, "no step %q%s", clip(e.to), near(e.to, f.Steps))
			}
		}
	}
}

// near is a hint for a misspelt name.
func near(name string, steps map[string]*Step) string {
	best, bestAt := "", 3
	var names []string
	for n := range steps {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if d := distance(name, n); d < bestAt {
			best, bestAt = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is Levenshtein's, for names that are short by now.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 99
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func sortedKeys[K byte | string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
