package flow

import (
	"fmt"
	"strings"
	"time"
)

// Dial rings targets.
type Dial struct {
	Targets  []string // "device:NAME", "number:TEMPLATE"
	AtOnce   bool     // all together; else one after the other
	Timeout  time.Duration
	Ringback string // prompt; "" = ring tone
}

const defaultRing = 30 * time.Second

// dial is {targets, at_once, timeout, ringback}, or just targets.
func (p *parser) dial(path string, v any) Body {
	switch v.(type) {
	case string, []any:
		v = map[string]any{"targets": v}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &Dial{}
	}
	b := &Dial{
		Targets:  o.strings("targets"),
		AtOnce:   o.boolean("at_once", false),
		Timeout:  o.duration("timeout", defaultRing, time.Second, 10*time.Minute),
		Ringback: o.str("ringback", ""),
	}
	o.end()
	at := join(path, "targets")
	if len(b.Targets) == 0 {
		p.fault(at, "missing; want device:NAME or number:DIGITS")
	}
	if len(b.Targets) > maxTargets {
		p.fault(at, "more than %d targets", maxTargets)
	}
	for i, t := range b.Targets {
		at := fmt.Sprintf("%s[%d]", at, i)
		kind, name, _ := strings.Cut(t, ":")
		switch {
		case kind == "device" && nameRE.MatchString(name):
		case kind == "number" && name != "":
			names, err := variablesOf(name)
			if err != nil {
				p.fault(at, "%v", err)
			} else if len(names) == 0 && !Dialable(name) {
				p.fault(at, "%q cannot be dialled; want digits, or a + and digits", clip(name))
			}
		default:
			p.fault(at, "%q; want device:NAME or number:DIGITS", clip(t))
		}
	}
	if b.Ringback != "" {
		p.promptName(join(path, "ringback"), b.Ringback)
	}
	return b
}

// maxTargets of a dial: every one is a leg of its own when taken at once.
const maxTargets = 20

// Dialable tells whether s can be sent to a phone or trunk: an optional + and 1
// to 32 of the digits 0-9, * and #.
func Dialable(s string) bool {
	s = strings.TrimPrefix(s, "+")
	if s == "" || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '*' && c != '#' {
			return false
		}
	}
	return true
}

func (b *Dial) tell(s *Step, t *traits) {
	t.waits = true
	t.ends = s.On["answered"] == ""
	for i, target := range b.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		if device, ok := strings.CutPrefix(target, "device:"); ok {
			t.refers(refDevice, at, device)
		} else if number, ok := strings.CutPrefix(target, "number:"); ok {
			t.dialled(at, number)
		}
	}
	if b.Ringback != "" {
		t.prompt("ringback", b.Ringback)
	}
}
