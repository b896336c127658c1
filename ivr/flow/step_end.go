package flow

import (
	"slices"
	"strings"
)

// Goto goes on with another flow.
type Goto struct{ Flow string }

func (p *parser) goTo(path string, v any) Body {
	name, _ := p.text(path, v)
	if name == "" {
		p.fault(path, "missing; want the name of a flow")
	}
	return &Goto{name}
}

func (b *Goto) tell(_ *Step, t *traits) {
	t.ends = true
	t.refers(refFlow, "", b.Flow)
}

// Hangup ends the call.
type Hangup struct{ Cause string }

// Causes are the causes a hangup step may have.
var Causes = []string{"normal", "busy", "rejected", "unavailable", "not_found", "congestion"}

// hangup is nothing, a cause, or {cause}.
func (p *parser) hangup(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"cause": s}
	}
	o, ok := p.object(path, v)
	b := &Hangup{"normal"}
	if !ok {
		return b
	}
	b.Cause = o.str("cause", "normal")
	o.end()
	if !slices.Contains(Causes, b.Cause) {
		p.fault(join(path, "cause"), "unknown %q; want one of %s", clip(b.Cause), strings.Join(Causes, ", "))
	}
	return b
}

func (b *Hangup) tell(_ *Step, t *traits) {
	t.ends = true
}
