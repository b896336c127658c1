package ivr

import (
	"fmt"

	"github.com/centrala/centrala/ivr/flow"
)

// Frame is a flow that waits for another to return.
type Frame struct {
	Flow    string            `json:"flow"`
	Step    string            `json:"step"` // its call step
	Vars    map[string]string `json:"vars,omitempty"`
	Secrets map[string]bool   `json:"secrets,omitempty"`
	Turns   map[string]int    `json:"turns,omitempty"`
}

// Returning is what a flow says that goes back to the one that called it.
type Returning struct {
	Outcome string            `json:"outcome,omitempty"`
	Values  map[string]string `json:"values,omitempty"`
}

func (m *machine) assigned(list []flow.Assign) (map[string]string, error) {
	out := make(map[string]string, len(list))
	for _, a := range list {
		v, err := "", error(nil)
		if a.Expr != nil {
			v, err = m.worth(a.Expr)
		} else {
			v, err = m.expand(a.Value)
		}
		if err == nil && len(v) > maxValue {
			err = fmt.Errorf("the value of %q is longer than %d bytes", a.Var, maxValue)
		}
		if err != nil {
			return nil, err
		}
		out[a.Var] = v
	}
	return out, nil
}

func (m *machine) call(step *flow.Step) string {
	b := step.Body.(*flow.Call)
	if len(m.s.Stack) >= flow.MaxDepth {
		return m.fail(fmt.Sprintf("more than %d flows within each other", flow.MaxDepth))
	}
	with, err := m.assigned(b.With)
	if err != nil {
		return m.fail(err.Error())
	}
	m.s.Stack = append(m.s.Stack, Frame{m.f.Name, step.Name, m.s.Vars, m.s.Secrets, m.s.Turns})
	m.s.Vars, m.s.Secrets, m.s.Turns = with, map[string]bool{}, nil
	m.do(CallFlow{b.Flow})
	m.s.Phase = PhaseDone
	return ""
}

func (m *machine) returnTo(step *flow.Step) string {
	b := step.Body.(*flow.ReturnTo)
	n := len(m.s.Stack)
	if n == 0 { // reached by a number or a goto
		m.hangup("normal")
		return ""
	}
	values, err := m.assigned(b.Values)
	if err != nil {
		return m.fail(err.Error())
	}
	m.s.Returning = &Returning{b.Outcome, values}
	m.do(CallFlow{m.s.Stack[n-1].Flow})
	m.s.Phase = PhaseDone
	return ""
}

// returned goes on behind the call step of the flow that called.
func (m *machine) returned(r Returning) {
	n := len(m.s.Stack) - 1
	frame := m.s.Stack[n]
	m.s.Stack = m.s.Stack[:n]
	if n == 0 {
		m.s.Stack = nil
	}
	m.s.Vars, m.s.Secrets, m.s.Turns = frame.Vars, frame.Secrets, frame.Turns
	m.s.restore()
	step := m.f.Steps[frame.Step]
	m.s.Step = frame.Step
	if step == nil || frame.Flow != m.f.Name {
		m.fail("the flow was changed under the call")
		return
	}
	m.s.Kind = step.Kind
	b, ok := step.Body.(*flow.Call)
	if !ok {
		m.fail("the flow was changed under the call")
		return
	}
	for _, into := range b.Into {
		if err := m.keep(into.Var, r.Values[into.Name]); err != nil {
			m.fail(err.Error())
			return
		}
	}
	if to := step.On[r.Outcome]; to != "" {
		m.run(to)
		return
	}
	m.run(step.Next)
}

func (m *machine) loop(step *flow.Step) string {
	b := step.Body.(*flow.Loop)
	holds := m.s.Turns[step.Name] < b.Times
	if holds && b.While != nil {
		var err error
		if holds, err = m.when(b.While); err != nil {
			return m.fail(err.Error())
		}
	}
	if !holds {
		delete(m.s.Turns, step.Name) // who comes again begins anew
		return step.Next
	}
	if m.s.Turns == nil {
		m.s.Turns = map[string]int{}
	}
	m.s.Turns[step.Name]++
	if b.Count != "" {
		if err := m.keep(b.Count, fmt.Sprint(m.s.Turns[step.Name])); err != nil {
			return m.fail(err.Error())
		}
	}
	return b.Do
}
