package ivr

import (
	"strings"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

// maxSwallow: a caller who ends a full input with the terminator all the
// same does so at once; later it is meant for what comes next.
const maxSwallow = 2 * time.Second

// collectConfirm is the stage in which the caller says whether what was read back is right.
const collectConfirm = "confirm"

func (m *machine) collect(step *flow.Step) string {
	b := step.Body.(*flow.Collect)
	if !b.TypeAhead {
		m.s.Typed = ""
	}
	return m.ask(step, b.BargeIn, nil, b.Prompts)
}

func bargeCollect(step *flow.Step) bool { return step.Body.(*flow.Collect).BargeIn }

func (m *machine) collectHeard(step *flow.Step) string {
	if m.s.Typed != "" {
		return m.collectTyped(step)
	}
	m.wait(PhaseListening, step.Body.(*flow.Collect).Timeout)
	return ""
}

func (m *machine) collectElapsed(step *flow.Step) string {
	b := step.Body.(*flow.Collect)
	if m.s.Stage == collectConfirm { // no answer is no yes
		return m.collectAgain(step, b.NoInput)
	}
	if m.s.Collected != "" || b.Min == 0 {
		return m.complete(step, b)
	}
	return m.collectAgain(step, b.NoInput)
}

func (m *machine) collectTyped(step *flow.Step) string {
	b := step.Body.(*flow.Collect)
	if m.s.Stage == collectConfirm {
		if m.key(false) == b.Yes {
			return step.Next
		}
		m.s.Typed = "" // what follows was meant for another question
		return m.collectAgain(step, nil)
	}
	for m.s.Typed != "" {
		d := m.key(b.Secret)
		if b.End != 0 && d == b.End {
			return m.complete(step, b)
		}
		if m.s.Collected += string(d); len(m.s.Collected) >= b.Max {
			m.full(b)
			return m.complete(step, b)
		}
	}
	m.wait(PhaseListening, b.InterDigit)
	return ""
}

// full remembers that a terminator now would come after the end of the input.
func (m *machine) full(b *flow.Collect) {
	if b.Secret && m.s.Typed != "" && m.s.Typed[0] != b.End {
		m.s.Typed = "" // too long a secret must not become keys of the next step
	}
	if b.End == 0 {
		return
	}
	if m.s.Typed != "" {
		if m.s.Typed[0] == b.End {
			m.s.Typed = m.s.Typed[1:]
		}
		return
	}
	m.s.Swallow, m.s.SwallowBy = b.End, m.now.Add(min(b.InterDigit, maxSwallow))
}

// complete checks and keeps what was collected.
func (m *machine) complete(step *flow.Step, b *flow.Collect) string {
	got := m.s.Collected
	m.s.Collected = ""
	ok := len(got) >= b.Min
	switch {
	case !ok:
	case b.Pattern != nil:
		ok = b.Pattern.MatchString(got)
	default: // keys that are no digits need a pattern that wants them
		ok = strings.Trim(got, "0123456789") == ""
	}
	if ok && b.Check != "" {
		zone := m.s.zone
		if zone == nil {
			zone = time.UTC
		}
		ok = flow.CheckInput(b.Check, got, m.now.In(zone))
	}
	if !ok {
		m.s.Typed = ""
		return m.collectAgain(step, b.Invalid)
	}
	if err := m.keep(b.Into, got); err != nil {
		return m.fail(err.Error())
	}
	if b.Secret {
		m.s.Secrets[b.Into] = true
	}
	if len(b.Confirm) > 0 {
		m.s.Stage = collectConfirm
		return m.ask(step, b.BargeIn, nil, b.Confirm)
	}
	return step.Next
}

// collectAgain asks once more after lead, or gives up after the retries.
func (m *machine) collectAgain(step *flow.Step, lead []flow.Piece) string {
	b := step.Body.(*flow.Collect)
	if m.s.Stage == collectConfirm {
		m.s.Stage = ""
		delete(m.s.Vars, b.Into) // it was not right
		delete(m.s.Secrets, b.Into)
	}
	if m.s.Tries++; m.s.Tries > b.Retries {
		return step.On["failed"]
	}
	return m.ask(step, b.BargeIn, lead, b.Prompts)
}
