package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Answer takes the call.
type Answer struct{}

func (p *parser) answer(path string, v any) Body {
	o, _ := p.object(path, v)
	o.end()
	return &Answer{}
}

func (*Answer) tell(*Step, *traits) {}

// Ring lets the caller hear ringing for For.
type Ring struct{ For time.Duration }

func (p *parser) ring(path string, v any) Body {
	return &Ring{p.span(path, v, 500*time.Millisecond, time.Minute)}
}

func (b *Ring) tell(_ *Step, t *traits) {
	t.waits = true
}

// Pause is silence for For.
type Pause struct{ For time.Duration }

func (p *parser) pause(path string, v any) Body {
	return &Pause{p.span(path, v, 100*time.Millisecond, 10*time.Second)}
}

func (b *Pause) tell(_ *Step, t *traits) {
	t.waits = true
}

// Tone plays a tone for For.
type Tone struct {
	Tone string
	Hz   []float64
	For  time.Duration
}

// ToneWait is the sound of waiting for a job; no step names it.
const ToneWait = "wait"

// Tones are the names of tones; "custom" has frequencies of its own.
var Tones = []string{"ringback", "busy", "beep", "dial", "custom"}

func (p *parser) tone(path string, v any) Body {
	b := &Tone{}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	b.Tone = o.str("tone", "")
	b.For = o.duration("for", time.Second, 50*time.Millisecond, 5*time.Minute)
	if v, ok := o.take("hz"); ok {
		for i, e := range p.list(join(path, "hz"), v) {
			// 4 kHz is half of the 8 kHz at which G.711 samples.
			b.Hz = append(b.Hz, float64(p.integer(fmt.Sprintf("%s.hz[%d]", path, i), e, 425, 20, 3999)))
		}
		if b.Tone == "" {
			b.Tone = "custom"
		}
	}
	o.end()
	switch {
	case !slices.Contains(Tones, b.Tone):
		p.fault(join(path, "tone"), "unknown %q; want one of %s", clip(b.Tone), strings.Join(Tones, ", "))
	case (b.Tone == "custom") != (len(b.Hz) > 0):
		p.fault(join(path, "hz"), "a custom tone has frequencies and no other tone has")
	case len(b.Hz) > 4:
		p.fault(join(path, "hz"), "more than 4 frequencies")
	}
	return b
}

func (b *Tone) tell(_ *Step, t *traits) {
	t.waits = true
}

// Echo sends the caller's audio back until the key End or For is over.
type Echo struct {
	For time.Duration
	End byte
}

func (p *parser) echo(path string, v any) Body {
	o, _ := p.object(path, v)
	b := &Echo{o.duration("for", time.Minute, time.Second, time.Hour), o.key("end", '#')}
	o.end()
	return b
}

func (b *Echo) tell(_ *Step, t *traits) {
	t.waits = true
}
