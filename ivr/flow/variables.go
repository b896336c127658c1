package flow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// variablesOf lists the variables a template names.
func variablesOf(template string) ([]string, error) {
	names, _, err := scan(template)
	return names, err
}

// kindsOf lists how the variables of a spoken text are to be spoken.
func kindsOf(template string) ([]string, error) {
	_, kinds, err := scan(template)
	return kinds, err
}

// scan lists the names of a template's ${name} and ${name:kind}, and the kinds.
func scan(template string) (names, kinds []string, err error) {
	rest := template
	for {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			return names, kinds, nil
		}
		rest = rest[i+1:]
		end := strings.IndexByte(rest, '}')
		if !strings.HasPrefix(rest, "{") || end < 0 {
			return nil, nil, errTemplate
		}
		name, kind, found := strings.Cut(rest[1:end], ":")
		if !variableRE.MatchString(name) {
			return nil, nil, errTemplate
		}
		names = append(names, name)
		if found {
			kinds = append(kinds, kind)
		}
		rest = rest[end+1:]
	}
}

var errTemplate = errors.New(`a $ begins a variable: want ${name}`)

// Expand puts the values of variables into a template. lookup returns an error
// for a variable that may not be used there; Expand passes it on. In a spoken text
// it may be asked for "name:kind".
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
		for _, s := range f.Steps[name].of().set {
			known[s.name] = true
			switch s.how {
			case setSecret:
				secret[s.name] = name
			case setFree:
				free[s.name] = name
			}
		}
	}
	p.spread(f, free)
	const unknown = "no step sets the variable %q (declare it under variables when another flow does)"
	for _, name := range f.Order {
		for _, u := range f.Steps[name].of().used {
			path := "steps." + name + "." + u.path
			if u.how == useCompared || u.how == useExpr {
				switch {
				case u.how == useExpr && slices.Contains(Reserved, u.text):
					p.fault(path, "%q is no variable here; want caller.number, call.dialled, call.id, call.tenant or call.language", u.text)
				case !known[u.text]:
					p.fault(path, unknown, clip(u.text))
				case u.how == useExpr && secret[u.text] != "":
					p.fault(path, "the variable %q is secret (step %s) and can only be compared: {var: %s, eq: ...}", u.text, secret[u.text], u.text)
				}
				continue
			}
			names, err := variablesOf(u.text)
			if err != nil {
				continue // told where it was read
			}
			for _, n := range names {
				switch {
				case !known[n]:
					p.fault(path, unknown, n)
				case secret[n] != "":
					p.fault(path, "the variable %q is secret (step %s) and can only be compared", n, secret[n])
				case u.how == useDialled && free[n] != "":
					p.fault(path, "callers could dial any number through %q; collect it with a pattern in this flow", n)
				}
			}
		}
	}
}

// spread follows free variables through steps that copy, until nothing changes: a
// number collected without a pattern stays free under another name.
func (p *parser) spread(f *Flow, free map[string]string) {
	for changed := true; changed; {
		changed = false
		for _, name := range f.Order {
			for _, s := range f.Steps[name].of().set {
				if s.how != setCopied || free[s.name] != "" {
					continue
				}
				names, _ := variablesOf(s.from)
				if i := slices.IndexFunc(names, func(n string) bool { return free[n] != "" }); i >= 0 {
					free[s.name] = free[names[i]]
					changed = true
				}
			}
		}
	}
}
