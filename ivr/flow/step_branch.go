package flow

import (
	"fmt"
	"regexp"
	"slices"
)

// Branch takes the first case whose conditions all hold, else the step's Next.
type Branch struct{ Cases []Case }

// Case is one way of a branch.
type Case struct {
	When *Expr // in place of If; nil = none
	If   []Condition
	Next string
}

// Op is a comparison.
type Op string

// The comparisons. An unset variable is the empty text.
const (
	OpEq      Op = "eq"
	OpNe      Op = "ne"
	OpIn      Op = "in"
	OpMatches Op = "matches"
)

// Condition compares a variable.
type Condition struct {
	Var    string
	Op     Op
	Values []string       // one for eq and ne
	Match  *regexp.Regexp // for matches
}

// branch is a list of cases: {var, eq|ne|in|matches, next} or {if: [...], next} or
// {if: EXPRESSION, next}.
func (p *parser) branch(path string, v any) Body {
	b := &Branch{}
	cases, ok := v.([]any)
	if !ok || len(cases) == 0 {
		p.fault(path, "want a list of cases such as {var: from, eq: \"100\", next: vip}, got %s", describe(v))
		return b
	}
	for i, e := range p.list(path, cases) {
		at := fmt.Sprintf("%s[%d]", path, i)
		o, ok := p.object(at, e)
		if !ok {
			continue
		}
		c := Case{Next: p.need(o, "next")}
		conditions, ok := o.take("if")
		if s, isText := conditions.(string); ok && isText {
			c.When = p.expression(join(at, "if"), s, "bool")
		} else if ok {
			for j, e := range p.list(join(at, "if"), conditions) {
				if m, ok := p.object(fmt.Sprintf("%s.if[%d]", at, j), e); ok {
					c.If = append(c.If, p.condition(m))
					m.end()
				}
			}
			if len(c.If) == 0 {
				p.fault(join(at, "if"), "missing; want at least one condition")
			}
		} else {
			c.If = []Condition{p.condition(o)}
		}
		o.end()
		b.Cases = append(b.Cases, c)
	}
	return b
}

func (p *parser) condition(o *object) Condition {
	c := Condition{Var: p.need(o, "var")}
	n := 0
	for _, op := range []Op{OpEq, OpNe, OpIn, OpMatches} {
		if _, ok := o.m[string(op)]; !ok {
			o.take(string(op))
			continue
		}
		n++
		c.Op = op
		switch op {
		case OpIn:
			c.Values = o.strings("in")
		case OpMatches:
			c.Match = p.pattern(join(o.path, "matches"), o.str("matches", ""))
		default:
			c.Values = []string{o.str(string(op), "")}
		}
	}
	if n != 1 {
		p.fault(o.path, "want one comparison: eq, ne, in or matches")
	}
	return c
}

// Holds compares the value of the condition's variable.
func (c *Condition) Holds(value string) bool {
	switch c.Op {
	case OpEq:
		return value == c.Values[0]
	case OpNe:
		return value != c.Values[0]
	case OpIn:
		return slices.Contains(c.Values, value)
	case OpMatches:
		return c.Match.MatchString(value)
	}
	return false
}

func (b *Branch) tell(_ *Step, t *traits) {
	for i, c := range b.Cases {
		t.way(fmt.Sprintf("branch[%d].next", i), c.Next)
		t.expression(fmt.Sprintf("[%d].if", i), c.When)
		for _, cond := range c.If {
			t.compares(fmt.Sprintf("[%d]", i), cond.Var)
		}
	}
}
