package skill

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxWork bounds the search of example: assignments looked at.
const maxWork = 200_000

var errTooHard = errors.New("too many skills and levels to compare the steps; use fewer")

// example finds an agent who fits x, or nil when there is none. Only levels at
// which a comparison of x changes are tried. It branches over skills with
// three-valued logic, so what is decided early is not tried out.
func example(x Expr) (map[string]int, error) {
	cuts := map[string][]int{}
	x.terms(func(t Expr) {
		// Each comparison changes at its level or just past it.
		for _, l := range []int{absent, t.lvl - 1, t.lvl, t.lvl + 1} {
			if l >= absent && l <= MaxLevel && !slices.Contains(cuts[t.name], l) {
				cuts[t.name] = append(cuts[t.name], l)
			}
		}
	})
	s := search{names: x.Skills(), cuts: cuts, have: map[string]int{}}
	if !s.find(x, 0) {
		if s.work > maxWork {
			return nil, errTooHard
		}
		return nil, nil
	}
	who := map[string]int{}
	for n, l := range s.have {
		if l != absent {
			who[n] = l
		}
	}
	return who, nil
}

type search struct {
	names []string
	cuts  map[string][]int
	have  map[string]int // absent too
	work  int
}

func (s *search) find(x Expr, i int) bool {
	if s.work++; s.work > maxWork {
		return false
	}
	switch s.eval(x) {
	case yes:
		return true
	case no:
		return false
	}
	name := s.names[i] // something is open, so a name is left
	for _, l := range s.cuts[name] {
		s.have[name] = l
		if s.find(x, i+1) {
			return true
		}
	}
	delete(s.have, name)
	return false
}

type truth uint8

const (
	no truth = iota
	open
	yes
)

func (s *search) eval(x Expr) truth {
	switch x.op {
	case opAnd:
		t := yes
		for _, k := range x.kids {
			t = min(t, s.eval(k))
		}
		return t
	case opOr:
		t := no
		for _, k := range x.kids {
			t = max(t, s.eval(k))
		}
		return t
	case opNot:
		return yes - s.eval(x.kids[0])
	case opTerm:
		l, ok := s.have[x.name]
		switch {
		case !ok:
			return open
		case x.rel.holds(l, x.lvl):
			return yes
		}
		return no
	}
	return yes
}

func describe(skills map[string]int) string {
	if len(skills) == 0 {
		return "no skills"
	}
	var parts []string
	for n, l := range skills {
		parts = append(parts, fmt.Sprintf("%s %d", n, l))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
