package flow

import (
	"time"
)

// Defaults of steps that ask for keys; from the end of the prompts.
const (
	defaultTimeout    = 5 * time.Second
	defaultInterDigit = 3 * time.Second
	defaultRetries    = 2
)

// Menu asks for one key.
type Menu struct {
	Prompts   []Piece
	Keys      map[byte]string // key -> step
	Into      string          // variable that takes the key; "" = none
	Timeout   time.Duration   // from the end of the prompts
	Retries   int             // times asked again
	NoInput   []Piece         // before asking again
	WrongKey  []Piece         // before asking again
	BargeIn   bool            // a key ends the prompts
	TypeAhead bool            // keys pressed before the step count
	Speech    *Speech         // answered by voice too; nil = by keys alone
}

func (p *parser) menu(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Menu{}
	}
	b := &Menu{
		Prompts:   p.pieces(o, "prompts", true),
		Keys:      p.keys(o, "keys"),
		Into:      o.str("into", ""),
		Timeout:   o.duration("timeout", defaultTimeout, 500*time.Millisecond, 5*time.Minute),
		Retries:   o.integer("retries", defaultRetries, 0, 20),
		NoInput:   p.pieces(o, "no_input", false),
		WrongKey:  p.pieces(o, "wrong_key", false),
		BargeIn:   o.boolean("barge_in", true),
		TypeAhead: o.boolean("type_ahead", true),
	}
	b.Speech = p.speech(o, b.Keys)
	o.end()
	if len(b.Keys) == 0 {
		if m, there := o.m["keys"]; !there || m == nil {
			p.fault(join(path, "keys"), "missing; a menu needs at least one key")
		}
	}
	if b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	return b
}

// keys reads a mapping of keys to steps.
func (p *parser) keys(o *object, name string) map[byte]string {
	v, _ := o.take(name)
	p.schema.note(o.path, name, property{what: "keys"})
	m, ok := p.object(join(o.path, name), v)
	if !ok {
		return nil
	}
	out := make(map[byte]string, len(m.keys))
	for _, k := range m.keys {
		at := join(m.path, clip(k))
		key, ok := p.key(at, k)
		to, isText := p.text(at, m.m[k])
		if isText && to == "" {
			p.fault(at, "missing; want the step to go to")
		}
		if ok {
			out[key] = to
		}
	}
	return out
}

func (b *Menu) tell(_ *Step, t *traits) {
	t.waits = true
	t.sets(b.Into, setKey)
	if b.Speech != nil {
		t.sets(b.Speech.Into, setFree)
	}
	for _, k := range sortedKeys(b.Keys) {
		t.way("menu.keys."+string(k), b.Keys[k])
	}
	t.pieces("prompts", b.Prompts)
	t.pieces("no_input", b.NoInput)
	t.pieces("wrong_key", b.WrongKey)
}
