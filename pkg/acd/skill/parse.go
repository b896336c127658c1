package skill

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Error says where in the text what is wrong.
type Error struct {
	Text string
	At   int // byte, from 0
	Why  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("skills %q, at %d: %s", clip(e.Text), e.At+1, e.Why)
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// Parse reads an expression. Words: names of skills (lower case letters, digits,
// - and _), and, or, not, any; > >= < <= = != with a level from 0 to 10;
// parentheses. not binds closest, then and, then or. The error is an *Error.
func Parse(text string) (Expr, error) {
	p := parser{text: text, end: len(text)}
	return p.all()
}

// ParseNeed reads "EXPR; after 30s EXPR; after 60s EXPR". Times are counted from
// the begin of the wait and must grow. It does not check that steps widen: see
// Need.Widens. The error is an *Error.
func ParseNeed(text string) (Need, error) {
	if len(text) > MaxText {
		return Need{}, &Error{text, MaxText, fmt.Sprintf("longer than %d bytes", MaxText)}
	}
	var n Need
	from := 0
	for i := 0; from <= len(text); i++ {
		end := strings.IndexByte(text[from:], ';')
		if end < 0 {
			end = len(text)
		} else {
			end += from
		}
		p := parser{text: text, at: from, end: end}
		var after time.Duration
		if i > 0 {
			if i >= MaxSteps {
				return Need{}, &Error{text, from, fmt.Sprintf("more than %d steps", MaxSteps)}
			}
			var err error
			if after, err = p.after(); err != nil {
				return Need{}, err
			}
			if last := n.Steps[i-1].After; after <= last {
				return Need{}, &Error{text, from, fmt.Sprintf("after %s follows %s: times must grow", after, last)}
			}
		}
		x, err := p.all()
		if err != nil {
			return Need{}, err
		}
		n.Steps = append(n.Steps, Step{after, x})
		from = end + 1
	}
	return n, nil
}

type parser struct {
	text  string
	at    int
	end   int
	depth int
	terms int
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &Error{p.text, at, fmt.Sprintf(format, args...)}
}

func (p *parser) space() {
	for p.at < p.end && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\n' || p.text[p.at] == '\r') {
		p.at++
	}
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// word reads a name or key word without taking it.
func (p *parser) word() string {
	p.space()
	i := p.at
	for i < p.end && nameByte(p.text[i]) {
		i++
	}
	return p.text[p.at:i]
}

func (p *parser) take(word string) bool {
	if p.word() != word {
		return false
	}
	p.at += len(word)
	return true
}

// after reads "after 30s" or "after 30 s".
func (p *parser) after() (time.Duration, error) {
	start := p.at
	if !p.take("after") {
		return 0, p.fail(start, "a further step begins with after and a time, as in after 30s")
	}
	p.space()
	start = p.at
	w := p.word()
	p.at += len(w)
	if w != "" && strings.Trim(w, "0123456789") == "" { // the unit may stand apart
		unit := p.word()
		if unit != "ms" && unit != "s" && unit != "m" && unit != "h" && unit != "min" {
			return 0, p.fail(p.at, "want a unit after %s: s, m or h", w)
		}
		p.at += len(unit)
		w += strings.TrimSuffix(unit, "in")
	}
	d, err := time.ParseDuration(w)
	if err != nil || d <= 0 || d > 24*time.Hour {
		return 0, p.fail(start, "%q is no time between 0 and 24h", clip(w))
	}
	return d, nil
}

func (p *parser) all() (Expr, error) {
	if len(p.text) > MaxText {
		return Expr{}, p.fail(MaxText, "longer than %d bytes", MaxText)
	}
	p.space()
	if p.at == p.end {
		return Expr{}, p.fail(p.at, "empty; write any to take everybody")
	}
	x, err := p.or()
	if err != nil {
		return Expr{}, err
	}
	if p.space(); p.at < p.end {
		return Expr{}, p.fail(p.at, "want and, or, or the end")
	}
	return x, nil
}

func (p *parser) or() (Expr, error) { return p.chain("or", opOr, (*parser).and) }

func (p *parser) and() (Expr, error) { return p.chain("and", opAnd, (*parser).unary) }

func (p *parser) chain(word string, o op, next func(*parser) (Expr, error)) (Expr, error) {
	x, err := next(p)
	if err != nil {
		return Expr{}, err
	}
	list := []Expr{x}
	for p.take(word) {
		if x, err = next(p); err != nil {
			return Expr{}, err
		}
		list = append(list, x)
	}
	if len(list) == 1 {
		return list[0], nil
	}
	if o == opAnd {
		return And(list...), nil
	}
	var kids []Expr
	for _, x := range list {
		switch x.op {
		case opAny:
			return Expr{}, nil
		case opOr:
			kids = append(kids, x.kids...)
		default:
			kids = append(kids, x)
		}
	}
	return Expr{op: opOr, kids: kids}, nil
}

func (p *parser) unary() (Expr, error) {
	if p.depth++; p.depth > MaxDepth {
		return Expr{}, p.fail(p.at, "nested deeper than %d", MaxDepth)
	}
	defer func() { p.depth-- }()
	if p.take("not") {
		x, err := p.unary()
		if err != nil {
			return Expr{}, err
		}
		return Expr{op: opNot, kids: []Expr{x}}, nil
	}
	if p.space(); p.at < p.end && p.text[p.at] == '(' {
		open := p.at
		p.at++
		x, err := p.or()
		if err != nil {
			return Expr{}, err
		}
		if p.space(); p.at == p.end || p.text[p.at] != ')' {
			return Expr{}, p.fail(open, "this parenthesis is not closed")
		}
		p.at++
		return x, nil
	}
	return p.term()
}

func (p *parser) term() (Expr, error) {
	start := p.at
	name := p.word()
	start = p.at
	switch name {
	case "any":
		p.at += len(name)
		return Expr{}, nil
	case "", "and", "or", "after":
		return Expr{}, p.fail(start, "want the name of a skill")
	}
	if len(name) > 64 {
		return Expr{}, p.fail(start, "a skill's name has at most 64 characters")
	}
	if p.terms++; p.terms > MaxTerms {
		return Expr{}, p.fail(start, "more than %d comparisons", MaxTerms)
	}
	p.at += len(name)
	x := Expr{op: opTerm, name: name, rel: ge}
	p.space()
	rest := p.text[p.at:p.end]
	found := false
	for _, r := range []struct {
		word string
		rel  relation
	}{{">=", ge}, {"<=", le}, {"!=", ne}, {"==", eq}, {">", gt}, {"<", lt}, {"=", eq}} {
		if strings.HasPrefix(rest, r.word) {
			x.rel, found = r.rel, true
			p.at += len(r.word)
			break
		}
	}
	if !found {
		return x, nil // the name alone: at any level
	}
	digits := p.word()
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > MaxLevel {
		return Expr{}, p.fail(p.at, "want a level from 0 to %d", MaxLevel)
	}
	p.at += len(digits)
	x.lvl = n
	return x, nil
}
