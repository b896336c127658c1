package ivr

import (
	"fmt"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

// defaultAppTimeout is for an application that says none.
const defaultAppTimeout = 5 * time.Second

// app asks an application: at the step of a flow, and behind the last verb.
func (m *machine) app(step *flow.Step) string {
	b := step.Body.(*flow.App)
	if m.s.Script != nil && m.s.Script.App == "" { // verbs of the API: the flow goes on where it was
		back := m.endScript()
		if back == "" { // taken out of a conversation behind which nothing was to come
			m.hangup("normal")
		}
		return back
	}
	info, ok := m.s.app(b.App)
	if !ok {
		return m.appFailed(fmt.Sprintf("no app %q", b.App), "")
	}
	event := "start"
	if m.s.Script != nil {
		event = "done"
	}
	timeout := info.Timeout
	if timeout <= 0 {
		timeout = defaultAppTimeout
	}
	return m.outside(&flow.AskApp{App: b.App, Body: m.s.Request(b.App, event)}, timeout, b.Hold)
}

// appDone takes what the application said.
func (m *machine) appDone(step *flow.Step, ev Done) string {
	name := step.Body.(*flow.App).App
	info, _ := m.s.app(name)
	if ev.Outcome != flow.OutcomeDone {
		why := ev.Err
		if why == "" {
			why = ev.Outcome
		}
		return m.appFailed(fmt.Sprintf("app %q: %s", name, why), info.Fallback)
	}
	verbs := ev.Values[flow.VerbsValue]
	f, err := flow.ParseVerbs(scriptName(name), name, []byte(verbs), info.May)
	if err != nil {
		return m.appFailed(fmt.Sprintf("app %q: %v", name, flow.Faults(err)[0]), info.Fallback)
	}
	if f.Start != "" {
		return m.begin(name, verbs, f)
	}
	// It has nothing more to say: the flow goes on behind its step.
	if m.s.Script == nil {
		return step.Next
	}
	back := m.f
	if s := m.base.Steps[m.endScript()]; s != nil && s.Kind == flow.KindApp {
		return s.Next
	}
	m.f = back
	return m.fail("the flow was changed under the call")
}

// appFailed leaves an application that cannot be asked, or cannot be understood: for
// its fallback flow, else by the way failed of its step, else the flow has failed.
func (m *machine) appFailed(why, fallback string) string {
	m.do(Fail{m.f.Name, m.s.Step, why})
	step := m.f.Steps[m.s.Step]
	if m.s.Script != nil {
		step = m.base.Steps[m.endScript()]
	}
	if step != nil && step.On["failed"] != "" {
		return step.On["failed"]
	}
	if fallback != "" {
		m.s.Stack = nil // it returns nowhere
		m.do(CallFlow{fallback})
		m.s.Phase = PhaseDone
		return ""
	}
	return m.fail("an application was asked in vain")
}

// fallback takes a call whose application wanted what cannot be done to its fallback
// flow; false when there is none.
func (m *machine) fallback() bool {
	if m.s.Script == nil {
		return false
	}
	info, _ := m.s.app(m.s.Script.App)
	if info.Fallback == "" {
		return false
	}
	m.do(CallFlow{info.Fallback})
	m.s.Phase = PhaseDone
	return true
}

// result notes how a verb ended.
func (m *machine) result(step *flow.Step) string {
	b := step.Body.(*flow.Result)
	if s := m.s.Script; s != nil && len(s.Results) < flow.MaxVerbs {
		s.Results = append(s.Results, VerbEnd{b.Verb, string(b.Kind), b.Outcome})
	}
	return step.Next
}
