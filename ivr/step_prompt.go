package ivr

import "github.com/centrala/centrala/ivr/flow"

func (m *machine) prompt(step *flow.Step) string {
	b := step.Body.(*flow.Prompt)
	number, err := m.expand(b.Number)
	if err != nil {
		return m.fail(err.Error())
	}
	job := &flow.PromptJob{Number: number, Prompt: b.Name, Language: m.s.Language, By: m.s.From, Into: b.Into}
	if b.Keep {
		if job.Recording = m.s.LastMessage; job.Recording == "" {
			m.do(Fail{m.f.Name, m.s.Step, "no message was recorded before"})
			return step.On[flow.OutcomeFailed]
		}
	}
	return m.outside(job, b.Time(), "")
}
