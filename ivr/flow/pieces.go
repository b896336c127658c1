package flow

import (
	"fmt"
)

// Piece is one part of what is spoken. Exactly one of Prompt, Number, Digits,
// Position and Text is set.
type Piece struct {
	Prompt   string // a prompt by name
	Number   string // template: spoken as a number
	Digits   string // template: spoken key by key
	Position string // template: "you are number N in the queue"
	Text     string // template: synthesised
	Fallback string // prompt in place of a Text that cannot be made in time; "" = the step fails
}

func (p *parser) promptName(path, s string) {
	if !nameRE.MatchString(s) {
		p.fault(path, "%q is no prompt's name; want lower case letters, digits, - and _", clip(s))
	}
}

// pieces reads a list of prompt names, of {number|digits|position: TEMPLATE} and of
// {text: TEMPLATE, fallback: PROMPT}.
func (p *parser) pieces(o *object, key string, needed bool) []Piece {
	path := join(o.path, key)
	v, _ := o.take(key)
	var out []Piece
	entries := p.list(path, v)
	if len(entries) == 0 && needed {
		p.fault(path, "missing; the caller would hear nothing")
	}
	for i, e := range entries {
		at := fmt.Sprintf("%s[%d]", path, i)
		if s, ok := e.(string); ok {
			p.promptName(at, s)
			out = append(out, Piece{Prompt: s})
			continue
		}
		m, ok := p.object(at, e)
		if !ok {
			continue
		}
		if _, there := m.m["text"]; there {
			out = append(out, p.spoken(m))
			m.end()
			continue
		}
		m.take("text")
		piece := Piece{Number: m.template("number"), Digits: m.template("digits"), Position: m.template("position")}
		m.end()
		if len(m.keys) != 1 {
			p.fault(at, "want a prompt's name or one of number, digits, position, text")
			continue
		}
		out = append(out, piece)
	}
	return out
}

// maxSpoken is the longest template of a text, in bytes. With its variables in place
// package speech has the last word.
const maxSpoken = 2000

// spoken reads {text: TEMPLATE, fallback: PROMPT}.
func (p *parser) spoken(o *object) Piece {
	b := Piece{Text: o.template("text"), Fallback: o.str("fallback", "")}
	if len(b.Text) > maxSpoken {
		p.fault(join(o.path, "text"), "longer than %d bytes", maxSpoken)
	}
	if b.Fallback != "" {
		p.promptName(join(o.path, "fallback"), b.Fallback)
	}
	return b
}

// pieces tells the prompts and variables of a list of pieces; key is where it is
// written in the step.
func (t *traits) pieces(key string, list []Piece) {
	for i, p := range list {
		name := p.Prompt
		switch { // one stands for all that package prompt would put together
		case p.Number != "" || p.Digits != "":
			name = "number_1"
		case p.Position != "":
			name = "position_1"
		case p.Text != "":
			if name = p.Fallback; name == "" {
				name = needsSpeech
			}
		}
		at := fmt.Sprintf("%s[%d]", key, i)
		t.prompt(at, name)
		t.template(at, p.Number+p.Digits+p.Position+p.Text)
	}
}
