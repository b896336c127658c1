package resource

import (
	"fmt"
	"slices"

	"github.com/centrala/centrala/pkg/config/strict"
)

// CaseTypeSpec: what cases of a type have to say. A tenant that defines none has order,
// complaint and request, each with the states open, in_progress and closed and with
// free fields.
type CaseTypeSpec struct {
	DisplayName string `yaml:"display_name,omitempty"`
	// Kind: order, complaint or request.
	Kind string `yaml:"kind" enum:"order,complaint,request"`
	// States a case goes through, the first is that of a new one; default open,
	// in_progress, closed.
	States []string `yaml:"states,omitempty"`
	// Final: states in which a case is closed; default the last.
	Final  []string        `yaml:"final,omitempty"`
	Fields []CaseFieldSpec `yaml:"fields,omitempty"`
}

// CaseFieldSpec is one field of a case.
type CaseFieldSpec struct {
	Name  string `yaml:"name"`
	Label string `yaml:"label,omitempty"` // for people
	// Type of its value; default text.
	Type string `yaml:"type,omitempty" enum:",text,number,money,date,choice,yes_no,phone,email"`
	// Required: a case cannot be closed without it.
	Required bool     `yaml:"required,omitempty"`
	Choices  []string `yaml:"choices,omitempty"` // of a choice
}

// DefaultCaseStates are the states of a type that names none.
var DefaultCaseStates = []string{"open", "in_progress", "closed"}

const maxCaseFields = 50

func (c *checker) caseType(k Key, t *CaseTypeSpec) {
	r := ref{KindCaseType, k}
	if !slices.Contains([]string{"order", "complaint", "request"}, t.Kind) {
		c.fault(r, "kind", "%s; want order, complaint or request", strict.Quote(t.Kind))
	}
	states := t.States
	if len(states) == 0 {
		states = DefaultCaseStates
	}
	if len(states) > 20 {
		c.fault(r, "states", "%d; want at most 20", len(states))
	}
	for i, s := range t.States {
		if !validName(s) || slices.Contains(t.States[:i], s) {
			c.fault(r, fmt.Sprintf("states[%d]", i), "%s; want %s, once", strict.Quote(s), nameRule)
		}
	}
	for i, s := range t.Final {
		if !slices.Contains(states, s) {
			c.fault(r, fmt.Sprintf("final[%d]", i), "%s; want %s", strict.Quote(s), strict.Suggest(s, states))
		}
	}
	if len(t.Fields) > maxCaseFields {
		c.fault(r, "fields", "%d; want at most %d", len(t.Fields), maxCaseFields)
	}
	for i, f := range t.Fields {
		c.field(r, fmt.Sprintf("fields[%d].", i), f, func() bool {
			return slices.ContainsFunc(t.Fields[:i], func(o CaseFieldSpec) bool { return o.Name == f.Name })
		})
	}
}

// field checks one field of a case or question of a script at a path.
func (c *checker) field(r ref, at string, f CaseFieldSpec, twice func() bool) {
	if !validName(f.Name) || twice() {
		c.fault(r, at+"name", "%s; want %s, once", strict.Quote(f.Name), nameRule)
	}
	if (f.Type == "choice") != (len(f.Choices) > 0) {
		c.fault(r, at+"choices", "a choice has choices and no other type has")
	}
	if len(f.Choices) > 200 {
		c.fault(r, at+"choices", "%d; want at most 200", len(f.Choices))
	}
}
