package flow

import (
	"slices"
	"strings"
)

// Assign is one assignment of a set step.
type Assign struct {
	Var, Value string
	Expr       *Expr // in place of Value; nil = none
}

// Set sets variables, in order of their names. Values are templates.
type Set struct{ Assign []Assign }

func (p *parser) set(path string, v any) Body {
	b := &Set{}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	for _, k := range slices.Sorted(slices.Values(o.keys)) {
		at := join(path, clip(k))
		p.variable(at, k)
		if _, isText := o.m[k].(string); !isText && o.m[k] != nil && describe(o.m[k]) == "a mapping" {
			m, _ := p.object(at, o.m[k])
			v, there := m.take("expr")
			m.end()
			if !there {
				p.fault(at, "want a text, or {expr: EXPRESSION}")
				continue
			}
			b.Assign = append(b.Assign, Assign{Var: k, Expr: p.expression(join(at, "expr"), v, "value")})
			continue
		}
		if s, ok := p.text(at, o.m[k]); ok {
			p.templateText(at, s)
			b.Assign = append(b.Assign, Assign{Var: k, Value: s})
		}
	}
	if len(o.keys) == 0 {
		p.fault(path, "missing; want at least one variable: value")
	}
	return b
}

// variable checks a name that a step sets.
func (p *parser) variable(path, name string) {
	switch {
	case !variableRE.MatchString(name):
		p.fault(path, "%q is no variable's name; want lower case letters, digits and _, up to 32", clip(name))
	case slices.Contains(Reserved, name):
		p.fault(path, "%q cannot be set (%s are the call's own)", name, strings.Join(Reserved, ", "))
	}
}

// VariableName tells whether a step may set a variable of that name.
func VariableName(name string) bool {
	return variableRE.MatchString(name) && !slices.Contains(Reserved, name)
}

func (b *Set) tell(_ *Step, t *traits) {
	for _, a := range b.Assign {
		if a.Expr != nil {
			t.expression(a.Var+".expr", a.Expr)
			t.made(a.Var, a.Expr)
			continue
		}
		t.template(a.Var, a.Value)
		t.copies(a.Var, a.Value)
	}
}
