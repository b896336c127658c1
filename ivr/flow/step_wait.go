package flow

import "time"

// KindWait lets the caller wait.
const KindWait Kind = "wait"

// Wait lets the caller wait for For, with a prompt over and over; keys are kept.
type Wait struct {
	For    time.Duration
	Prompt string // "" = silence
	End    byte   // key that ends it; 0 = none
}

// wait is "30s", or {for, prompt, end}.
func (p *parser) wait(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"for": s}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &Wait{}
	}
	b := &Wait{For: o.duration("for", 0, 100*time.Millisecond, time.Hour), Prompt: o.str("prompt", ""), End: o.key("end", 0)}
	o.end()
	switch {
	case b.For == 0:
		if _, there := o.m["for"]; !there {
			p.fault(join(path, "for"), "missing")
		}
	case b.Prompt == "" && b.For > 30*time.Second:
		p.fault(join(path, "prompt"), "missing; nobody listens to more than 30s of nothing")
	}
	if b.Prompt != "" {
		p.promptName(join(path, "prompt"), b.Prompt)
	}
	return b
}

func (b *Wait) tell(_ *Step, t *traits) {
	t.waits = true
	if b.Prompt != "" {
		t.prompt("prompt", b.Prompt)
	}
}
