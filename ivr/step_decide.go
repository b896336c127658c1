package ivr

import (
	"fmt"

	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) schedule(step *flow.Step) string {
	b := step.Body.(*flow.Schedule)
	sched := m.s.schedules[b.Name]
	if sched == nil {
		return m.fail(fmt.Sprintf("no schedule %q", b.Name))
	}
	if sched.Open(m.now) {
		return b.Open
	}
	return b.Closed
}

func (m *machine) branch(step *flow.Step) string {
	for _, c := range step.Body.(*flow.Branch).Cases {
		holds := false
		if c.When == nil {
			holds = m.holds(c.If)
		} else {
			var err error
			if holds, err = m.when(c.When); err != nil {
				return m.fail(err.Error())
			}
		}
		if holds {
			return c.Next
		}
	}
	return step.Next
}

func (m *machine) set(step *flow.Step) string {
	for _, a := range step.Body.(*flow.Set).Assign {
		v, err := "", error(nil)
		if a.Expr != nil {
			v, err = m.worth(a.Expr)
		} else {
			v, err = m.expand(a.Value)
		}
		if err == nil {
			err = m.keep(a.Var, v)
		}
		if err != nil {
			return m.fail(err.Error())
		}
	}
	return step.Next
}

func (m *machine) language(step *flow.Step) string {
	m.s.Language = step.Body.(*flow.Language).Language
	return step.Next
}
