package flow

import "fmt"

// Play plays prompts, Times over. With Interrupt a key ends it.
type Play struct {
	Prompts   []string
	Times     int
	Interrupt bool
}

// play is "name", a list of names, or {prompts, times, interrupt}.
func (p *parser) play(path string, v any) Body {
	b := &Play{Times: 1, Interrupt: true}
	switch v.(type) {
	case string, []any:
		v = map[string]any{"prompts": v}
	}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	at := join(path, "prompts")
	b.Prompts = o.strings("prompts")
	for i, s := range b.Prompts {
		p.promptName(fmt.Sprintf("%s[%d]", at, i), s)
	}
	if raw, there := o.m["prompts"]; len(b.Prompts) == 0 && (!there || raw == nil || len(p.list(at, raw)) == 0) {
		p.fault(at, "missing; the caller would hear nothing")
	}
	b.Times = o.integer("times", 1, 1, 100)
	b.Interrupt = o.boolean("interrupt", true)
	o.end()
	return b
}

func (b *Play) tell(_ *Step, t *traits) {
	for i, n := range b.Prompts {
		t.prompt(fmt.Sprintf("prompts[%d]", i), n)
	}
}

// Say speaks pieces. With Interrupt a key ends it.
type Say struct {
	Pieces    []Piece
	Interrupt bool
}

// say is a list of pieces, {prompts, interrupt}, or {text, fallback, interrupt}.
func (p *parser) say(path string, v any) Body {
	b := &Say{Interrupt: true}
	if _, isList := v.([]any); isList {
		v = map[string]any{"prompts": v}
	}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	if _, there := o.m["text"]; there {
		b.Pieces = []Piece{p.spoken(o)}
		if _, both := o.m["prompts"]; both {
			p.fault(join(path, "text"), "want text or prompts; a list of prompts may have {text: ...} in it")
		}
	} else {
		o.take("text")
		b.Pieces = p.pieces(o, "prompts", true)
	}
	b.Interrupt = o.boolean("interrupt", true)
	o.end()
	return b
}

func (b *Say) tell(_ *Step, t *traits) {
	t.pieces("prompts", b.Pieces)
}
