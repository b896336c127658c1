package flow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// variablesOf lists the variables a template names.
func variablesOf(template string) ([]string, error) {
	var names []string
	rest := template
	for {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			return names, nil
		}
		rest = rest[i+1:]
		end := strings.IndexByte(rest, '}')
		if !strings.HasPrefix(rest, "{") || end < 0 || !variableRE.MatchString(rest[1:end]) {
			return nil, errors.New(`a $ begins a variable: want ${name}`)
		}
		names = append(names, rest[1:end])
		rest = rest[end+1:]
	}
}

// Expand puts the values of variables into a template. lookup returns an error
// for a variable that may not be used there; Expand passes it on.
func Expand(template string, lookup func(name string) (string, error)) (string, error) {
	if strings.IndexByte(template, '$') < 0 {
		return template, nil
	}
	var b strings.Builder
	rest := template
	for {
		before, after, found := strings.Cut(rest, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, tail, ok := strings.Cut(after, "}")
		if !ok {
			return "", fmt.Errorf("template %q has no closing brace", template)
		}
		v, err := lookup(name)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		rest = tail
	}
}

// variables checks the use of variables: known, not secret where they would
// leave the interpreter, and never a caller's free choice of a number to dial.
func (p *parser) variables(f *Flow) {
	known, secret, free := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, n := range Reserved {
		known[n] = true
	}
	// Who calls may write what they like into their caller's number, and what
	// another flow collected is not seen here.
	free["from"] = "from"
	for n := range f.Variables {
		known[n] = true
		free[n] = "variables"
	}
	for _, name := range f.Order {
		switch b := f.Steps[name].Body.(type) {
		case *Menu:
			known[b.Into] = true
		case *Collect:
			known[b.Into] = true
			if b.Secret {
				secret[b.Into] = name
			}
			if b.Pattern == nil {
				free[b.Into] = name
			}
		case *Stream:
			known[b.Into] = true
			free[b.Into] = name // it may repeat what the caller said
		case *Set:
			for _, a := range b.Assign {
				known[a.Var] = true
			}
		}
	}
	p.spread(f, free)
	use := func(path, template string, dialled bool) {
		names, err := variablesOf(template)
		if err != nil {
			return // told where it was read
		}
		for _, n := range names {
			switch {
			case !known[n]:
				p.fault(path, "no step sets the variable %q (declare it under variables when another flow does)", n)
			case secret[n] != "":
				p.fault(path, "the variable %q is secret (step %s) and can only be compared", n, secret[n])
			case dialled && free[n] != "":
				p.fault(path, "callers could dial any number through %q; collect it with a pattern in this flow", n)
			}
		}
	}
	pieces := func(path string, list []Piece) {
		for i, piece := range list {
			at := fmt.Sprintf("%s[%d]", path, i)
			use(at, piece.Number+piece.Digits+piece.Position+piece.Text, false)
		}
	}
	for _, name := range f.Order {
		path := "steps." + name + "." + string(f.Steps[name].Kind)
		switch b := f.Steps[name].Body.(type) {
		case *Say:
			pieces(path+".prompts", b.Pieces)
		case *Menu:
			pieces(path+".prompts", b.Prompts)
			pieces(path+".no_input", b.NoInput)
			pieces(path+".wrong_key", b.WrongKey)
		case *Collect:
			pieces(path+".prompts", b.Prompts)
			pieces(path+".no_input", b.NoInput)
			pieces(path+".invalid", b.Invalid)
		case *Set:
			for _, a := range b.Assign {
				use(path+"."+a.Var, a.Value, false)
			}
		case *Dial:
			for i, t := range b.Targets {
				if number, ok := strings.CutPrefix(t, "number:"); ok {
					use(fmt.Sprintf("%s.targets[%d]", path, i), number, true)
				}
			}
		case *Branch:
			for i, c := range b.Cases {
				for _, cond := range c.If {
					if cond.Var != "" && !known[cond.Var] {
						p.fault(fmt.Sprintf("%s[%d]", path, i), "no step sets the variable %q (declare it under variables when another flow does)", clip(cond.Var))
					}
				}
			}
		}
	}
}

// spread follows free variables through set steps, until nothing changes: a
// number collected without a pattern stays free under another name.
func (p *parser) spread(f *Flow, free map[string]string) {
	for changed := true; changed; {
		changed = false
		for _, name := range f.Order {
			b, ok := f.Steps[name].Body.(*Set)
			if !ok {
				continue
			}
			for _, a := range b.Assign {
				names, _ := variablesOf(a.Value)
				i := slices.IndexFunc(names, func(n string) bool { return free[n] != "" })
				if i >= 0 && free[a.Var] == "" {
					free[a.Var] = free[names[i]]
					changed = true
				}
			}
		}
	}
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
