package ivr

import (
	"strings"

	"github.com/centrala/centrala/ivr/flow"
)

func (m *machine) mail(step *flow.Step) string {
	b := step.Body.(*flow.Mail)
	var first error
	text := func(template string) string {
		s, err := m.expand(template)
		if err != nil && first == nil {
			first = err
		}
		return s
	}
	oneLine := func(s string) string { // a value must not begin a header of its own
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, s)
	}
	j := &flow.MailJob{Subject: oneLine(text(b.Subject)), Text: text(b.Text)}
	for _, to := range b.To {
		j.To = append(j.To, oneLine(text(to)))
	}
	if first != nil {
		return m.fail(first.Error())
	}
	return m.outside(j, flow.MailTimeout, "")
}

// mailDone goes on when the mail was taken.
func (m *machine) mailDone(step *flow.Step, ev Done) string {
	if to := step.On[flow.OutcomeFailed]; ev.Outcome != flow.OutcomeDone && to != "" {
		return to
	}
	return step.Next
}
