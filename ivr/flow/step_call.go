package flow

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of flows within flows, and of loops.
const (
	KindCall   Kind = "call"   // another flow, and back
	KindReturn Kind = "return" // to the flow that called this one
	KindLoop   Kind = "loop"   // to a step, so often
)

// MaxDepth is how many flows may be called within each other.
const MaxDepth = 8

// Call goes through another flow and comes back. The other flow has variables of its
// own: those that With names, and its own defaults.
type Call struct {
	Flow string
	With []Assign // its variables, made of ours
	Into []Return // ours, made of what it returns
}

// Return is a variable and the name under which a value is returned.
type Return struct{ Var, Name string }

// ReturnTo goes back to the flow that called this one; without one the call ends.
type ReturnTo struct {
	Outcome string // way of the call step's on; "" = its next
	Values  []Assign
}

// Loop goes to Do until it was there Times over, or While does not hold; then to Next.
type Loop struct {
	Times int
	While *Expr  // nil = always
	Count string // variable that takes the turn, from 1; "" = none
	Do    string
}

// call is a flow's name, or {flow, with, into}.
func (p *parser) call(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"flow": s}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &Call{}
	}
	b := &Call{Flow: p.need(o, "flow"), With: p.assigns(o, "with")}
	for _, pair := range p.pairs(o, "into", func(path string, v any) string {
		s, ok := p.text(path, v)
		if ok && !variableRE.MatchString(s) {
			p.fault(path, "%q is no name of a value that a flow returns", clip(s))
		}
		return s
	}) {
		p.variable(join(path, "into."+clip(pair.Name)), pair.Name)
		b.Into = append(b.Into, Return{pair.Name, pair.Value})
	}
	o.end()
	return b
}

// assigns reads a mapping of variables to templates or expressions.
func (p *parser) assigns(o *object, key string) []Assign {
	v, ok := o.take(key)
	if !ok || v == nil {
		return nil
	}
	path := join(o.path, key)
	m, ok := p.object(path, v)
	if !ok {
		return nil
	}
	return p.set(path, m.m).(*Set).Assign
}

func (b *Call) tell(_ *Step, t *traits) {
	t.bounded = true // whether anybody is waited for is the other flow's matter
	t.refers(refFlow, "flow", b.Flow)
	t.calls = b.Flow
	for _, a := range b.With {
		t.assign("with."+a.Var, a)
	}
	for _, r := range b.Into {
		t.sets(r.Var, setFree)
	}
}

// assign is what is used to make a variable of another flow.
func (t *traits) assign(key string, a Assign) {
	if a.Expr != nil {
		t.expression(key+".expr", a.Expr)
		return
	}
	t.template(key, a.Value)
}

// returnTo is nothing, an outcome, or {outcome, values}.
func (p *parser) returnTo(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"outcome": s}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &ReturnTo{}
	}
	b := &ReturnTo{Outcome: o.str("outcome", ""), Values: p.assigns(o, "values")}
	o.end()
	if b.Outcome != "" && !variableRE.MatchString(b.Outcome) {
		p.fault(join(path, "outcome"), "%q; want lower case letters, digits and _", clip(b.Outcome))
	}
	return b
}

func (b *ReturnTo) tell(_ *Step, t *traits) {
	t.ends = true
	for _, a := range b.Values {
		t.assign("values."+a.Var, a)
	}
}

// loop is {times, while, count, do}.
func (p *parser) loop(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Loop{}
	}
	b := &Loop{Times: o.integer("times", 3, 1, 100), Count: o.str("count", ""), Do: p.need(o, "do")}
	if v, ok := o.take("while"); ok {
		b.While = p.expression(join(path, "while"), v, "bool")
	}
	o.end()
	if b.Count != "" {
		p.variable(join(path, "count"), b.Count)
	}
	return b
}

func (b *Loop) tell(_ *Step, t *traits) {
	t.bounded = true
	t.way("loop.do", b.Do)
	t.sets(b.Count, setKey)
	t.expression("while", b.While)
}

// checkCalls looks at flows that call each other: none may come to itself again, and
// what is handed over must be known on the other side.
func checkCalls(flows map[string]*Flow) []Fault {
	names := sortedKeys(flows)
	calls := map[string][]string{}
	to := func(name string) []string {
		var out []string
		f := flows[name]
		for _, s := range f.Order {
			for _, r := range f.Steps[s].of().refs {
				if r.kind == refFlow && flows[r.name] != nil && !slices.Contains(out, r.name) {
					out = append(out, r.name)
				}
			}
		}
		return out
	}
	var faults []Fault
	for _, name := range names {
		f := flows[name]
		for _, s := range f.Order {
			b, ok := f.Steps[s].Body.(*Call)
			if !ok {
				continue
			}
			calls[name] = append(calls[name], b.Flow)
			if other := flows[b.Flow]; other != nil {
				faults = append(faults, b.fits(name, s, other)...)
			}
		}
	}
	for _, knot := range knots(names, to) {
		for _, name := range knot {
			if i := slices.IndexFunc(calls[name], func(to string) bool { return slices.Contains(knot, to) }); i >= 0 {
				faults = append(faults, Fault{name, "", fmt.Sprintf("a flow that calls itself: %s; goto leads on without coming back", strings.Join(append(knot, knot[0]), " -> "))})
				break
			}
		}
	}
	return faults
}

// fits checks a call step against the flow it calls.
func (b *Call) fits(flow, step string, other *Flow) []Fault {
	var faults []Fault
	path := "steps." + step + ".call."
	for _, a := range b.With {
		if _, ok := other.Variables[a.Var]; !ok {
			faults = append(faults, Fault{flow, path + "with." + a.Var, fmt.Sprintf("the flow %q has no variable %q", other.Name, a.Var)})
		}
	}
	returned, whole := map[string]bool{}, true
	for _, s := range other.Order {
		switch r := other.Steps[s].Body.(type) {
		case *ReturnTo:
			for _, a := range r.Values {
				returned[a.Var] = true
			}
		case *Goto:
			whole = false // it may return elsewhere
		}
	}
	for _, r := range b.Into {
		if whole && !returned[r.Name] {
			faults = append(faults, Fault{flow, path + "into." + r.Var, fmt.Sprintf("the flow %q returns no %q", other.Name, r.Name)})
		}
	}
	return faults
}
