package flow

import (
	"regexp"
	"strings"
	"time"
)

// Collect asks for several keys.
type Collect struct {
	Prompts    []Piece
	Into       string
	Min, Max   int
	End        byte           // the key that ends the input; 0 = none
	Timeout    time.Duration  // for the first key, from the end of the prompts
	InterDigit time.Duration  // for each key after
	Pattern    *regexp.Regexp // the whole input must match; nil = any
	Secret     bool           // never leaves the interpreter
	Retries    int
	NoInput    []Piece
	Invalid    []Piece
	Check      string  // named check (InputChecks); "" = none
	Confirm    []Piece // read back, then Yes or another key; empty = it is not
	Yes        byte
	BargeIn    bool
	TypeAhead  bool
	Speech     *Speech // answered by voice too; nil = by keys alone
}

func (p *parser) collect(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Collect{Max: 1}
	}
	b := &Collect{
		Prompts:    p.pieces(o, "prompts", true),
		Into:       p.need(o, "into"),
		Min:        o.integer("min", 1, 0, 32),
		Max:        o.integer("max", 32, 1, 32),
		End:        o.key("end", '#'),
		Timeout:    o.duration("timeout", defaultTimeout, 500*time.Millisecond, 5*time.Minute),
		InterDigit: o.duration("inter_digit", defaultInterDigit, 500*time.Millisecond, time.Minute),
		Secret:     o.boolean("secret", false),
		Retries:    o.integer("retries", defaultRetries, 0, 20),
		NoInput:    p.pieces(o, "no_input", false),
		Invalid:    p.pieces(o, "invalid", false),
		BargeIn:    o.boolean("barge_in", true),
		TypeAhead:  o.boolean("type_ahead", true),
	}
	b.Check = o.str("check", "")
	if b.Check != "" && inputChecks[b.Check] == nil {
		p.fault(join(path, "check"), "unknown %q; want one of %s", clip(b.Check), strings.Join(InputChecks, ", "))
	}
	if v, ok := o.take("confirm"); ok {
		if _, isMap := v.([]any); isMap {
			v = map[string]any{"prompts": v}
		}
		if c, ok := p.object(join(path, "confirm"), v); ok {
			b.Confirm, b.Yes = p.pieces(c, "prompts", true), c.key("yes", '1')
			c.end()
		}
	}
	if s := o.str("pattern", ""); s != "" {
		b.Pattern = p.pattern(join(path, "pattern"), s)
	}
	b.Speech = p.speech(o, nil)
	o.end()
	if b.Speech != nil && b.Secret {
		p.fault(join(path, "speech"), "a secret is not said to a machine; take it by keys")
	}
	if b.Min > b.Max {
		p.fault(join(path, "min"), "%d is more than max %d", b.Min, b.Max)
	}
	if b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	return b
}

func (b *Collect) tell(_ *Step, t *traits) {
	t.waits = true
	switch {
	case b.Secret:
		t.sets(b.Into, setSecret)
	case b.Pattern == nil:
		t.sets(b.Into, setFree)
	default:
		t.sets(b.Into, setKey)
	}
	if b.Speech != nil {
		t.sets(b.Speech.Into, setFree)
	}
	t.pieces("prompts", b.Prompts)
	t.pieces("no_input", b.NoInput)
	t.pieces("invalid", b.Invalid)
	n := len(t.used)
	t.pieces("confirm.prompts", b.Confirm)
	for i := n; i < len(t.used); i++ {
		t.used[i].own = true
	}
}
