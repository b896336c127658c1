package ivr

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) http(step *flow.Step) string {
	b := step.Body.(*flow.HTTP)
	job, err := m.httpJob(b)
	if err != nil {
		return m.fail(err.Error())
	}
	return m.outside(job, b.Timeout, b.Hold)
}

// lookup is a variable that leaves the interpreter.
func (m *machine) lookup(name string) (string, error) {
	if m.s.Secrets[name] { // set by another flow; within one Parse refuses it
		return "", fmt.Errorf("the variable %q is secret and can only be compared", name)
	}
	return m.value(name), nil
}

func (m *machine) httpJob(b *flow.HTTP) (*flow.HTTPJob, error) {
	var first error
	parts := func(template string, q flow.Quote) []flow.Part {
		out, err := flow.ExpandParts(template, q, m.lookup)
		if err != nil && first == nil {
			first = err
		}
		return out
	}
	j := &flow.HTTPJob{Method: b.Method, URL: parts(b.URL, flow.QuoteURL), Retries: b.Retries, MaxBytes: b.MaxBytes, Into: b.Into, Status: b.Status, Wait: b.Wait,
		Key: m.s.CallID + "-" + strconv.FormatUint(m.s.LastID, 10)}
	for _, h := range b.Headers {
		j.Headers = append(j.Headers, flow.HTTPHeader{Name: h.Name, Value: parts(h.Value, flow.QuoteNone)})
	}
	switch {
	case b.HasJSON:
		j.ContentType = "application/json"
		j.Body = m.jsonParts(nil, b.JSON, parts)
	case b.Form != nil:
		j.ContentType = "application/x-www-form-urlencoded"
		for i, f := range b.Form {
			name := flow.QuoteURL.Write(f.Name) + "="
			if i > 0 {
				name = "&" + name
			}
			j.Body = append(j.Body, flow.Part{Text: name})
			j.Body = append(j.Body, parts(f.Value, flow.QuoteURL)...)
		}
	case b.Text != "":
		j.ContentType = "text/plain; charset=utf-8"
		j.Body = parts(b.Text, flow.QuoteNone)
	}
	return j, first
}

// jsonParts writes a JSON body; texts are templates, and stay texts.
func (m *machine) jsonParts(out []flow.Part, v any, parts func(string, flow.Quote) []flow.Part) []flow.Part {
	text := func(s string) { out = append(out, flow.Part{Text: s}) }
	switch v := v.(type) {
	case string:
		text(`"`)
		out = append(out, parts(v, flow.QuoteJSON)...)
		text(`"`)
	case []any:
		text("[")
		for i, e := range v {
			if i > 0 {
				text(",")
			}
			out = m.jsonParts(out, e, parts)
		}
		text("]")
	case map[string]any:
		text("{")
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				text(",")
			}
			text(`"` + flow.QuoteJSON.Write(k) + `":`)
			out = m.jsonParts(out, v[k], parts)
		}
		text("}")
	default:
		b, _ := json.Marshal(v) // numbers, true, false, null
		text(string(b))
	}
	return out
}

// httpDone takes the values and the way of the outcome: what is not named goes to
// failed.
func (m *machine) httpDone(step *flow.Step, ev Done) string {
	for _, name := range slices.Sorted(maps.Keys(ev.Values)) {
		if err := m.keep(name, ev.Values[name]); err != nil {
			m.do(Fail{m.f.Name, m.s.Step, err.Error()})
			return step.On[flow.OutcomeFailed]
		}
	}
	if ev.Outcome == flow.OutcomeDone {
		return step.Next
	}
	if to := step.On[ev.Outcome]; to != "" {
		return to
	}
	return step.On[flow.OutcomeFailed]
}
