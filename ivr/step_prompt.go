package ivr

import (
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/prompt"
)

func (m *machine) prompt(step *flow.Step) string {
	b := step.Body.(*flow.Prompt)
	number, err := m.expand(b.Number)
	if err != nil {
		return m.fail(err.Error())
	}
	job := &flow.PromptJob{Number: number, Prompt: b.Name, Language: m.s.Language, By: m.s.From, Into: b.Into, Found: b.Hear}
	if b.Keep {
		if job.Recording = m.s.LastMessage; job.Recording == "" {
			m.do(Fail{m.f.Name, m.s.Step, "no message was recorded before"})
			return step.On[flow.OutcomeFailed]
		}
	}
	return m.outside(job, b.Time(), "")
}

// promptDone lets the caller hear the prompt that was found, where the step says so.
func (m *machine) promptDone(step *flow.Step, ev Done) string {
	name := ev.Values[flow.PromptFound]
	delete(ev.Values, flow.PromptFound)
	next := m.httpDone(step, ev)
	if name == "" || ev.Outcome != flow.OutcomeDone {
		return next
	}
	m.play([]prompt.Phrase{{Name: name}})
	return ""
}

func bargePrompt(*flow.Step) bool { return true }

// promptFailed: there is nothing to be heard of it in this language yet.
func (m *machine) promptFailed(step *flow.Step, ev Failed) {
	m.do(Fail{m.f.Name, m.s.Step, ev.Err})
	m.leave()
	m.run(step.Next)
}
