package ivr

import (
	"maps"
	"slices"

	"github.com/centrala/centrala/ivr/flow"
)

// expanded puts the variables into a list of templates.
func (m *machine) expanded(list []flow.HTTPPair) ([]flow.HTTPPair, error) {
	var out []flow.HTTPPair
	for _, p := range list {
		v, err := m.expand(p.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, flow.HTTPPair{Name: p.Name, Value: v})
	}
	return out, nil
}

func (m *machine) contact(step *flow.Step) string {
	b := step.Body.(*flow.Contact)
	number, err := m.expand(b.Number)
	if err != nil {
		return m.fail(err.Error())
	}
	if b.Number == "" {
		number = m.s.From
	}
	set, err := m.expanded(b.Set)
	if err != nil {
		return m.fail(err.Error())
	}
	return m.outside(&flow.ContactJob{Number: number, Set: set, Create: b.Create, Into: b.Into}, b.Timeout, b.Hold)
}

func (m *machine) caseStep(step *flow.Step) string {
	b := step.Body.(*flow.CaseStep)
	job := &flow.CaseJob{Type: b.Type, From: m.s.From, Open: b.Open, Reuse: b.Reuse}
	for _, f := range []struct {
		to       *string
		template string
	}{{&job.Number, b.Number}, {&job.Subject, b.Subject}, {&job.Contact, b.Contact}, {&job.Owner, b.Owner}} {
		v, err := m.expand(f.template)
		if err != nil {
			return m.fail(err.Error())
		}
		*f.to = v
	}
	var err error
	if job.Fields, err = m.expanded(b.Fields); err != nil {
		return m.fail(err.Error())
	}
	return m.outside(job, b.Timeout, b.Hold)
}

// knownDone takes what was found; a look-up that found nothing empties its variables,
// so that no step works with those of an earlier one.
func (m *machine) knownDone(step *flow.Step, ev Done) string {
	names := flow.CaseVariables
	if _, is := step.Body.(*flow.Contact); is {
		names = flow.ContactVariables
	}
	for _, name := range names {
		m.s.Vars[name] = ""
		delete(m.s.Secrets, name)
	}
	for _, name := range slices.Sorted(maps.Keys(ev.Values)) {
		if err := m.keep(name, ev.Values[name]); err != nil {
			m.do(Fail{m.f.Name, m.s.Step, err.Error()})
			ev.Outcome = flow.OutcomeFailed
		}
	}
	if to := step.On[ev.Outcome]; to != "" {
		return to
	}
	return step.Next
}
