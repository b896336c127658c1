package flow

import (
	"fmt"
	"strings"

	"github.com/centrala/centrala/ivr/prompt/spoken"
)

// Piece is one part of what is spoken. Exactly one of Prompt, Value, Position and
// Text is set.
type Piece struct {
	Prompt   string      // a prompt by name
	Value    string      // template: a value spoken as Kind says
	Kind     spoken.Kind // of Value
	Position string      // template: "you are number N in the queue"
	Text     string      // template: synthesised; ${name:kind} is a value in words
	Fallback string      // prompt in place of a Text that cannot be made in time; "" = the step fails
}

func (p *parser) promptName(path, s string) {
	if !nameRE.MatchString(s) {
		p.fault(path, "%q is no prompt's name; want lower case letters, digits, - and _", clip(s))
	}
}

// pieces reads a list of prompt names, of {number|digits|...|position: TEMPLATE} and
// of {text: TEMPLATE, fallback: PROMPT}.
func (p *parser) pieces(o *object, key string, needed bool) []Piece {
	path := join(o.path, key)
	v, _ := o.take(key)
	p.schema.note(o.path, key, property{what: "pieces"})
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
		piece := Piece{Position: m.template("position")}
		for _, k := range spoken.Kinds {
			if _, there := m.m[string(k)]; there {
				piece.Kind, piece.Value = k, m.template(string(k))
			} else {
				m.take(string(k))
			}
		}
		m.end()
		if len(m.keys) != 1 {
			p.fault(at, "want a prompt's name or one of %s, position, text", kindNames())
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
	b := Piece{Text: o.str("text", ""), Fallback: o.str("fallback", "")}
	if b.Text == "" {
		p.fault(join(o.path, "text"), "missing")
	}
	p.spokenText(join(o.path, "text"), b.Text)
	if len(b.Text) > maxSpoken {
		p.fault(join(o.path, "text"), "longer than %d bytes", maxSpoken)
	}
	if b.Fallback != "" {
		p.promptName(join(o.path, "fallback"), b.Fallback)
	}
	return b
}

func kindNames() string {
	names := make([]string, len(spoken.Kinds))
	for i, k := range spoken.Kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// spokenText checks a template whose variables may say how they are spoken.
func (p *parser) spokenText(path, s string) {
	kinds, err := kindsOf(s)
	if err != nil {
		p.fault(path, "%v", err)
	}
	for _, k := range kinds {
		if !spoken.IsKind(k) {
			p.fault(path, "unknown %q behind the colon; want one of %s", clip(k), kindNames())
		}
	}
}

// needed is one piece that stands for all that a kind of value is put together
// of: who has it in a language has recorded the set.
var needed = map[spoken.Kind]string{
	spoken.KindMoney: "eur_many", spoken.KindDate: "month_1", spoken.KindDay: "month_1", spoken.KindWeekday: "weekday_1",
	spoken.KindDuration: "hour_many", spoken.KindSpell: "letter_a",
}

// pieces tells the prompts and variables of a list of pieces; key is where it is
// written in the step.
func (t *traits) pieces(key string, list []Piece) {
	for i, p := range list {
		name := p.Prompt
		switch { // one stands for all that package prompt would put together
		case p.Value != "":
			if name = needed[p.Kind]; name == "" {
				name = "number_1"
			}
		case p.Position != "":
			name = "position_1"
		case p.Text != "":
			if name = p.Fallback; name == "" {
				name = needsSpeech
			}
		}
		at := fmt.Sprintf("%s[%d]", key, i)
		t.prompt(at, name)
		t.template(at, p.Value+p.Position+p.Text)
	}
}
