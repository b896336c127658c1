package ivr

import (
	"fmt"

	"github.com/centrala/centrala/ivr/flow"
)

// Bounds of the variables of one call.
const (
	// maxValue is the longest value, in bytes: an answer of a service may be a sentence.
	maxValue = 4 << 10
	// maxVariables is what all names and values of a call may take together, in bytes,
	// so that set steps in a loop cannot grow them.
	maxVariables = 64 << 10
)

// value is a variable's; "" when it was never set.
func (m *machine) value(name string) string {
	switch name {
	case "from":
		return m.s.From
	case "dialled":
		return m.s.To
	case "call_id":
		return m.s.CallID
	case "tenant":
		return m.s.Tenant
	case "language":
		return m.s.Language
	}
	return m.s.Vars[name]
}

func (m *machine) expand(template string) (string, error) {
	return flow.Expand(template, func(name string) (string, error) {
		if m.s.Secrets[name] { // set by another flow; within one Parse refuses it
			return "", fmt.Errorf("the variable %q is secret and can only be compared", name)
		}
		return m.value(name), nil
	})
}

func (m *machine) holds(conditions []flow.Condition) bool {
	for i := range conditions {
		if !conditions[i].Holds(m.value(conditions[i].Var)) {
			return false
		}
	}
	return true
}

// keep sets a variable to what is no secret. The error names no value.
func (m *machine) keep(name, value string) error {
	if len(value) > maxValue {
		return fmt.Errorf("the value of %q is longer than %d bytes", name, maxValue)
	}
	if len(value) > len(m.s.Vars[name]) {
		total := len(name) + len(value)
		for k, v := range m.s.Vars {
			if k != name {
				total += len(k) + len(v)
			}
		}
		if total > maxVariables {
			return fmt.Errorf("with %q the variables of the call take more than %d bytes", name, maxVariables)
		}
	}
	m.s.Vars[name] = value
	delete(m.s.Secrets, name)
	return nil
}
