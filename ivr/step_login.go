package ivr

import "github.com/centrala/centrala/ivr/flow"

func (m *machine) logIn(step *flow.Step) string {
	b := step.Body.(*flow.LogIn)
	return m.outside(&flow.LogInJob{Number: m.value(b.Number), PIN: m.value(b.PIN)}, b.Timeout, "")
}
