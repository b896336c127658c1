// Package skill is the language in which a queue or a caller says which agents
// will do: "ro > 5 and (sales >= 3 or not junior)", and how that need relaxes
// while the caller waits: "ro > 5; after 30s ro > 2; after 60s any". It is pure
// and bounded: texts, depth and the work of a comparison have limits.
//
// An agent has skills with levels from 0 to 10. A skill that the agent does not
// have counts as lower than level 0, so "ro < 3" takes agents without ro, and a
// bare "ro" means ro at any level.
package skill

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what Parse and ParseNeed take.
const (
	MaxText  = 1000 // bytes
	MaxDepth = 32   // nested parentheses and nots
	MaxTerms = 64   // comparisons
	MaxSteps = 8    // of a need
	MaxLevel = 10
)

// absent is the level of a skill that an agent does not have.
const absent = -1

type op uint8

const (
	opAny op = iota // everybody
	opAnd
	opOr
	opNot
	opTerm
)

type relation uint8

const (
	gt relation = iota
	ge
	lt
	le
	eq
	ne
)

var relationWords = [...]string{">", ">=", "<", "<=", "=", "!="}

func (r relation) holds(x, y int) bool {
	switch r {
	case gt:
		return x > y
	case ge:
		return x >= y
	case lt:
		return x < y
	case le:
		return x <= y
	case eq:
		return x == y
	}
	return x != y
}

// Expr is a condition on an agent's skills. The zero value takes everybody. It
// never changes once made.
type Expr struct {
	op   op
	kids []Expr
	name string
	rel  relation
	lvl  int
}

// Match tells whether an agent with these skills will do.
func (x Expr) Match(skills map[string]int) bool {
	switch x.op {
	case opAnd:
		for _, k := range x.kids {
			if !k.Match(skills) {
				return false
			}
		}
	case opOr:
		for _, k := range x.kids {
			if k.Match(skills) {
				return true
			}
		}
		return false
	case opNot:
		return !x.kids[0].Match(skills)
	case opTerm:
		l, ok := skills[x.name]
		if !ok {
			l = absent
		}
		return x.rel.holds(l, x.lvl)
	}
	return true
}

// Any tells whether x is the word any, which takes everybody.
func (x Expr) Any() bool { return x.op == opAny }

// And takes who both take.
func And(list ...Expr) Expr {
	var kids []Expr
	for _, x := range list {
		switch x.op {
		case opAny:
		case opAnd:
			kids = append(kids, x.kids...)
		default:
			kids = append(kids, x)
		}
	}
	switch len(kids) {
	case 0:
		return Expr{}
	case 1:
		return kids[0]
	}
	return Expr{op: opAnd, kids: kids}
}

// Levels is the need of every skill named, at its level or above.
func Levels(m map[string]int) Expr {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	list := make([]Expr, len(names))
	for i, n := range names {
		list[i] = Expr{op: opTerm, name: n, rel: ge, lvl: m[n]}
	}
	return And(list...)
}

// Skills lists the names that x speaks of, sorted.
func (x Expr) Skills() []string {
	var names []string
	x.terms(func(t Expr) { names = append(names, t.name) })
	slices.Sort(names)
	return slices.Compact(names)
}

// Wanted lists the names that x asks for (not those it warns of), sorted: best
// skill adds up their levels.
func (x Expr) Wanted() []string {
	var names []string
	x.wanted(false, &names)
	slices.Sort(names)
	return slices.Compact(names)
}

func (x Expr) wanted(not bool, names *[]string) {
	switch x.op {
	case opNot:
		x.kids[0].wanted(!not, names)
	case opTerm:
		if up := x.rel == gt || x.rel == ge || x.rel == eq; up != not {
			*names = append(*names, x.name)
		}
	default:
		for _, k := range x.kids {
			k.wanted(not, names)
		}
	}
}

func (x Expr) terms(f func(Expr)) {
	if x.op == opTerm {
		f(x)
	}
	for _, k := range x.kids {
		k.terms(f)
	}
}

// String writes x so that Parse reads the same again.
func (x Expr) String() string { return x.write(0) }

// write brackets what binds looser than its surroundings: 1 = in an and, 2 =
// behind a not.
func (x Expr) write(inside int) string {
	switch x.op {
	case opAnd, opOr:
		binds, word := 1, " and "
		if x.op == opOr {
			binds, word = 0, " or "
		}
		parts := make([]string, len(x.kids))
		for i, k := range x.kids {
			parts[i] = k.write(binds)
		}
		s := strings.Join(parts, word)
		if inside > binds {
			return "(" + s + ")"
		}
		return s
	case opNot:
		return "not " + x.kids[0].write(2)
	case opTerm:
		if x.rel == ge && x.lvl == 0 {
			return x.name
		}
		return x.name + " " + relationWords[x.rel] + " " + strconv.Itoa(x.lvl)
	}
	return "any"
}

// Step is a need from a time of waiting on.
type Step struct {
	After time.Duration
	Expr  Expr
}

// Need is how a need relaxes: the first step begins at 0. The zero value takes
// everybody.
type Need struct{ Steps []Step }

// At is the need after a time of waiting.
func (n Need) At(waited time.Duration) Expr {
	var x Expr
	for _, s := range n.Steps {
		if s.After > waited {
			break
		}
		x = s.Expr
	}
	return x
}

// Skills lists the names that n speaks of, sorted.
func (n Need) Skills() []string {
	var names []string
	for _, s := range n.Steps {
		names = append(names, s.Expr.Skills()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// String writes n so that ParseNeed reads the same again.
func (n Need) String() string {
	var b strings.Builder
	for i, s := range n.Steps {
		if i > 0 {
			fmt.Fprintf(&b, "; after %s ", s.After)
		}
		b.WriteString(s.Expr.String())
	}
	return b.String()
}

// Widens checks that no step refuses an agent whom an earlier one takes. The
// error names the two steps and an agent's skills that show it.
func (n Need) Widens() error {
	for i := 1; i < len(n.Steps); i++ {
		was, now := n.Steps[i-1].Expr, n.Steps[i].Expr
		who, err := example(And(was, Expr{op: opNot, kids: []Expr{now}}))
		switch {
		case err != nil:
			return fmt.Errorf("step after %s: %w", n.Steps[i].After, err)
		case who != nil:
			return fmt.Errorf("step after %s, %q, refuses an agent with %s whom %q takes: a step may only widen", n.Steps[i].After, now, describe(who), was)
		}
	}
	return nil
}

// Possible checks that some agent could fit each step at all.
func (n Need) Possible() error {
	for _, s := range n.Steps {
		if who, err := example(s.Expr); err != nil {
			return err
		} else if who == nil {
			return fmt.Errorf("%q: no agent can fit", s.Expr)
		}
	}
	return nil
}
